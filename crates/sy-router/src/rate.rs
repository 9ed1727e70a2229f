//! What a provider's headers say about its rates: how long to wait, and how much is left.
//!
//! Read by `attempt` from every answer. Vendors disagree on names and units; what leaves here has OpenAI's names.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, header};
use jiff::Timestamp;

/// The names of our rate limit headers, each with the names under which providers send it.
const LIMITS: [(HeaderName, [&str; 2]); 6] = [
    (
        HeaderName::from_static("x-ratelimit-limit-requests"),
        ["x-ratelimit-limit-requests", "anthropic-ratelimit-requests-limit"],
    ),
    (
        HeaderName::from_static("x-ratelimit-remaining-requests"),
        ["x-ratelimit-remaining-requests", "anthropic-ratelimit-requests-remaining"],
    ),
    (
        HeaderName::from_static("x-ratelimit-reset-requests"),
        ["x-ratelimit-reset-requests", "anthropic-ratelimit-requests-reset"],
    ),
    (
        HeaderName::from_static("x-ratelimit-limit-tokens"),
        ["x-ratelimit-limit-tokens", "anthropic-ratelimit-tokens-limit"],
    ),
    (
        HeaderName::from_static("x-ratelimit-remaining-tokens"),
        ["x-ratelimit-remaining-tokens", "anthropic-ratelimit-tokens-remaining"],
    ),
    (
        HeaderName::from_static("x-ratelimit-reset-tokens"),
        ["x-ratelimit-reset-tokens", "anthropic-ratelimit-tokens-reset"],
    ),
];

/// Returns the rate limit headers under our names. A reset that is a point in time becomes a number of seconds from now
/// (`12s`), as OpenAI writes it.
pub(crate) fn limits(headers: &HeaderMap, now: Timestamp) -> Vec<(HeaderName, HeaderValue)> {
    let mut found = Vec::new();
    for (name, sources) in &LIMITS {
        let Some(value) = sources.iter().find_map(|source| headers.get(*source)) else { continue };
        found.push((name.clone(), as_seconds(value, now).unwrap_or_else(|| value.clone())));
    }
    found
}

/// Returns true when there is a rate limit header at all, which spares most answers the look at the clock.
pub(crate) fn has_limits(headers: &HeaderMap) -> bool {
    headers.keys().any(|name| name.as_str().contains("ratelimit"))
}

/// Returns how long the provider asks to wait: `retry-after-ms` (OpenAI, Azure), else `retry-after` in seconds or as an
/// HTTP date (RFC 9110, section 10.2.3).
pub(crate) fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    if let Some(ms) = text("retry-after-ms").and_then(|text| text.parse::<f64>().ok()) {
        return Duration::try_from_secs_f64(ms / 1000.0).ok();
    }
    let text = text(header::RETRY_AFTER.as_str())?;
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let at = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    // A date that has passed means that there is nothing to wait for.
    Some(Duration::try_from(at.duration_since(now)).unwrap_or_default())
}

fn as_seconds(value: &HeaderValue, now: Timestamp) -> Option<HeaderValue> {
    let at: Timestamp = value.to_str().ok()?.parse().ok()?;
    let seconds = at.duration_since(now).as_secs().max(0);
    HeaderValue::from_str(&format!("{seconds}s")).ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::{HeaderMap, HeaderName, HeaderValue};
    use jiff::Timestamp;

    use super::{has_limits, limits, retry_after};

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn the_wait_is_read_in_every_form() {
        let now: Timestamp = "2015-10-21T07:27:50Z".parse().unwrap();
        let check = |pairs: &[(&'static str, &'static str)], expected: Option<u64>| {
            assert_eq!(
                retry_after(&headers(pairs), now),
                expected.map(Duration::from_millis),
                "{pairs:?}"
            );
        };
        check(&[], None);
        check(&[("retry-after", "7")], Some(7000));
        check(&[("retry-after", " 1.5 ")], Some(1500));
        check(&[("retry-after", "9"), ("retry-after-ms", "250")], Some(250));
        check(&[("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT")], Some(10_000));
        check(&[("retry-after", "Wed, 21 Oct 2015 07:00:00 GMT")], Some(0));
        check(&[("retry-after", "-3")], None);
        check(&[("retry-after", "soon")], None);
    }

    #[test]
    fn rate_limits_get_one_set_of_names() {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let found = |pairs: &[(&'static str, &'static str)]| {
            let headers = headers(pairs);
            assert_eq!(has_limits(&headers), !pairs.is_empty());
            let list = limits(&headers, now).into_iter();
            list.map(|(name, value)| format!("{name}={}", value.to_str().unwrap()))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            found(&[("x-ratelimit-remaining-tokens", "5"), ("x-ratelimit-reset-requests", "6m0s")]),
            ["x-ratelimit-reset-requests=6m0s", "x-ratelimit-remaining-tokens=5"]
        );
        assert_eq!(
            found(&[
                ("anthropic-ratelimit-requests-limit", "50"),
                ("anthropic-ratelimit-tokens-reset", "2026-01-01T00:01:30Z")
            ]),
            ["x-ratelimit-limit-requests=50", "x-ratelimit-reset-tokens=90s"]
        );
        assert!(found(&[]).is_empty());
    }
}
