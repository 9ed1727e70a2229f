//! Short-lived tokens signed with an `id.secret` key.
//!
//! Called by [`crate::apply()`] for providers whose [`sy_types::AuthScheme`] asks for it. The form (`sign_type`, times in
//! milliseconds, 3.5 minutes of validity) is that of the vendor's own clients. It keeps no token: the lease does.

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde::Serialize;
use sy_types::{Failure, Secret};

/// How long a token is valid, in milliseconds.
const TOKEN_LIFETIME_MS: i64 = 210_000;
/// How long a token is reused, in milliseconds: 30 s less, for clocks that differ and calls that take time.
pub(crate) const TOKEN_USE_MS: i64 = 180_000;

/// The payload. Both times are in milliseconds, against RFC 7519's seconds.
#[derive(Serialize)]
struct Claims<'a> {
    api_key: &'a str,
    exp: i64,
    timestamp: i64,
}

/// Signs a token for a key's id with the key's secret.
pub(crate) fn sign(id: &str, secret: &str, now_ms: i64) -> Result<Secret, Failure> {
    let mut header = Header::new(Algorithm::HS256);
    // The vendor's header has exactly `alg` and `sign_type`.
    header.typ = None;
    header.extras.insert("sign_type", "SIGN");
    let claims =
        Claims { api_key: id, exp: now_ms.saturating_add(TOKEN_LIFETIME_MS), timestamp: now_ms };
    encode(&header, &claims, &EncodingKey::from_secret(secret.as_bytes()))
        .map(Secret::new)
        .map_err(|_| unsigned())
}

fn unsigned() -> Failure {
    Failure::bug("a token of two texts and two numbers can always be signed")
}
