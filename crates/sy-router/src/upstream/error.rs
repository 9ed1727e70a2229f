//! What the HTTP client's errors mean: whether a call may have arrived, and what the caller is
//! told.
//!
//! Asked by the connector when a call brought no answer. It deliberately repeats no URL: one may
//! hold what nobody should read.

use hyper_util::client::proxy::matcher::Matcher;
use sy_types::{ErrorKind, Failure, Side, Target};
use url::Url;

use super::Missed;
use super::lookup::Refusal;
use crate::egress;

/// Tells what went wrong before an answer came.
pub(super) fn missed(error: &reqwest::Error, target: &Target, proxy: Option<String>) -> Missed {
    if let Some(refusal) = find::<Refusal>(error) {
        return egress::refusal(&refusal.host, refusal.denied).into();
    }
    let provider = &target.provider;
    if error.is_connect() {
        let (kind, cause) = match error.is_timeout() {
            true => (ErrorKind::Timeout, format!(" within {:?}", target.timeouts.connect)),
            false => (ErrorKind::Unavailable, format!(": {}", cause(error))),
        };
        let text = match proxy {
            None => format!("no connection to {provider}{cause}"),
            Some(proxy) => format!(
                "no connection to {provider} through the proxy {proxy}{cause}; check HTTPS_PROXY, \
                 HTTP_PROXY and ALL_PROXY, or name {} in NO_PROXY",
                target.base_url.host_str().unwrap_or_default()
            ),
        };
        return Failure::provider(kind, text).into();
    }
    if error.is_builder() {
        let text = format!("the call to {provider} cannot be made: {}", cause(error));
        return Failure::new(ErrorKind::Internal, Side::Gateway, text).into();
    }
    let text =
        format!("the connection to {provider} broke before an answer came: {}", cause(error));
    Missed { failure: Failure::provider(ErrorKind::Unavailable, text), broke: true }
}

/// Returns the HTTP proxy that the environment names for an address, as host and port: the rest may
/// hold a password.
pub(super) fn proxy(url: &Url) -> Option<String> {
    let uri: http::Uri = url.as_str().parse().ok()?;
    let proxy = Matcher::from_system().intercept(&uri)?;
    let host = proxy.uri().host()?;
    Some(match proxy.uri().port_u16() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    })
}

/// Returns the innermost cause, which says what happened; the outer ones repeat the URL.
pub(super) fn cause(error: &reqwest::Error) -> String {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

fn find<T: std::error::Error + 'static>(error: &reqwest::Error) -> Option<&T> {
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        source = error.source();
    }
    None
}
