//! The places in a request where a caller may put the token.
//!
//! Called by [`crate::Access::authenticate`]; [`strip_key`] is called by whoever logs a URL. It decides nothing about
//! the token's value: that is the given predicate's part.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use url::form_urlencoded;

/// Headers that carry the bare token: Anthropic's, Google's and Azure's way.
const TOKEN_HEADERS: [&str; 3] = ["x-api-key", "x-goog-api-key", "api-key"];
/// The query parameter of Google's clients.
const QUERY_PARAMETER: &str = "key";

/// What the request brought.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Presented {
    /// A right token.
    Accepted,
    /// One or more tokens, none of them right.
    Refused,
    /// No token anywhere.
    Nothing,
}

/// Offers every token in the request to `accept` until it takes one.
pub(crate) fn presented_tokens(
    headers: &HeaderMap,
    query: Option<&str>,
    accept: impl Fn(&[u8]) -> bool,
) -> Presented {
    let mut result = Presented::Nothing;
    let mut offer = |candidate: &[u8]| {
        let candidate = candidate.trim_ascii();
        if candidate.is_empty() {
            return false;
        }
        result = if accept(candidate) { Presented::Accepted } else { Presented::Refused };
        result == Presented::Accepted
    };
    let accepted =
        headers.get_all(AUTHORIZATION).iter().any(|value| offer_authorization(value, &mut offer))
            || TOKEN_HEADERS
                .iter()
                .any(|name| headers.get_all(*name).iter().any(|value| offer(value.as_bytes())));
    if !accepted {
        let mut parameters = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
        parameters.any(|(name, value)| name == QUERY_PARAMETER && offer(value.as_bytes()));
    }
    result
}

/// Returns the query without its `key` parameters, for logs and traces. The other parameters stay as they came.
pub fn strip_key(query: &str) -> String {
    let is_key = |pair: &&str| {
        form_urlencoded::parse(pair.as_bytes())
            .next()
            .is_some_and(|(name, _)| name == QUERY_PARAMETER)
    };
    let kept: Vec<&str> = query.split('&').filter(|pair| !is_key(pair)).collect();
    kept.join("&")
}

/// Offers the token of one `Authorization` header: the bearer token, the password of basic authentication, or, where
/// no scheme is named, the whole value.
fn offer_authorization(value: &HeaderValue, offer: &mut impl FnMut(&[u8]) -> bool) -> bool {
    let value = value.as_bytes().trim_ascii();
    let Some(space) = value.iter().position(|byte| *byte == b' ') else { return offer(value) };
    let (scheme, rest) = value.split_at(space);
    if scheme.eq_ignore_ascii_case(b"bearer") {
        return offer(rest);
    }
    if !scheme.eq_ignore_ascii_case(b"basic") {
        return false;
    }
    let Ok(pair) = STANDARD.decode(rest.trim_ascii()) else { return false };
    // RFC 7617: the user ends at the first colon; the user itself is free.
    pair.iter()
        .position(|byte| *byte == b':')
        .and_then(|colon| pair.get(colon + 1..))
        .is_some_and(offer)
}

#[cfg(test)]
mod tests {
    use super::strip_key;

    #[track_caller]
    fn check(query: &str, expected: &str) {
        assert_eq!(strip_key(query), expected, "{query}");
    }

    #[test]
    fn strips_only_the_key_from_a_query() {
        check("key=canary", "");
        check("alt=sse&key=canary", "alt=sse");
        check("key=canary&alt=sse&key=other", "alt=sse");
        check("k%65y=canary&a=%20b", "a=%20b");
        check("monkey=1&keys=2", "monkey=1&keys=2");
        check("key", "");
        check("", "");
    }
}
