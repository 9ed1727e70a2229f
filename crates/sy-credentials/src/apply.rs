//! Puts a credential on a call: the only place where the two meet.
//!
//! Called by the router for each attempt. Calls are made of the protocol's and the configuration's headers only, so a
//! caller's own authorization is never among them; a header of the credential's name is replaced all the same. It
//! deliberately cannot put a credential into a URL.

use std::time::Instant;

use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue};
use sy_types::{AuthScheme, ErrorKind, Failure, HttpCall, Secret, Side};

use crate::credential::{Credential, Lease, Signed, now_ms};
use crate::signed_token::{TOKEN_USE_MS, sign};

/// Puts the lease's credential on the call, in the way that the provider wants.
///
/// A sign-in's token and a well-known token go as `Authorization: Bearer`, whatever the scheme says about keys.
///
/// # Errors
/// `Unauthenticated` on the gateway's side when the secret cannot stand in a header.
pub fn apply(lease: &Lease, scheme: AuthScheme, call: &mut HttpCall) -> Result<(), Failure> {
    let is_key = matches!(lease.credential, Credential::ApiKey(_));
    let (name, value) = match scheme {
        AuthScheme::None => return Ok(()),
        AuthScheme::Header(name) if is_key => (header_name(name)?, bare(lease)?),
        AuthScheme::Header(name) => {
            call.headers.remove(header_name(name)?);
            (AUTHORIZATION, bearer(lease)?)
        }
        AuthScheme::SignedIdSecret if is_key => (AUTHORIZATION, signed(lease, now_ms())?),
        AuthScheme::Bearer | AuthScheme::SignedIdSecret => (AUTHORIZATION, bearer(lease)?),
    };
    call.headers.insert(name, value);
    Ok(())
}

fn header_name(name: &'static str) -> Result<HeaderName, Failure> {
    HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| Failure::bug(format!("`{name}` is not a header name")))
}

fn bare(lease: &Lease) -> Result<HeaderValue, Failure> {
    if let Some(value) = lease.prepared.bare.get() {
        return Ok(value.clone());
    }
    let value = header_value("", lease.credential.secret(), lease)?;
    Ok(lease.prepared.bare.get_or_init(|| value).clone())
}

fn bearer(lease: &Lease) -> Result<HeaderValue, Failure> {
    if let Some(value) = lease.prepared.bearer.get() {
        return Ok(value.clone());
    }
    let value = header_value("Bearer ", lease.credential.secret(), lease)?;
    Ok(lease.prepared.bearer.get_or_init(|| value).clone())
}

/// Returns the signed token of an `id.secret` key, made anew when it has been in use for long enough; other keys go as
/// they are.
fn signed(lease: &Lease, now_ms: i64) -> Result<HeaderValue, Failure> {
    let key = lease.credential.secret();
    let Some((id, secret)) = split_key(key.expose()) else { return bearer(lease) };
    // A poisoned lock holds a value that is complete or absent: either is fine.
    let mut cached =
        lease.prepared.signed.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(signed) = cached.as_ref().filter(|signed| signed.is_usable(now_ms, TOKEN_USE_MS)) {
        return Ok(signed.value.clone());
    }
    let token = sign(id, secret, now_ms)?;
    let value = header_value("Bearer ", &token, lease)?;
    *cached = Some(Signed { made_ms: now_ms, made: Instant::now(), value: value.clone() });
    Ok(value)
}

/// Splits a key of exactly two parts around one dot.
fn split_key(key: &str) -> Option<(&str, &str)> {
    let (id, secret) = key.split_once('.')?;
    (!id.is_empty() && !secret.is_empty() && !secret.contains('.')).then_some((id, secret))
}

/// Makes a header value that shows nothing in its `Debug` and is not indexed by HTTP/2's header compression.
fn header_value(prefix: &str, secret: &Secret, lease: &Lease) -> Result<HeaderValue, Failure> {
    let text = zeroize::Zeroizing::new(format!("{prefix}{}", secret.expose()));
    let mut value = HeaderValue::from_str(&text).map_err(|_| {
        Failure::new(
            ErrorKind::Unauthenticated,
            Side::Gateway,
            format!("the credential from the {} has characters that no header can carry: store it again", lease.source),
        )
    })?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests;
