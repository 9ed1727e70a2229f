//! Z.AI's business codes to failures.
//!
//! The HTTP status tells little: 429 is also used for an empty balance and an expired plan, which no waiting cures. So the code
//! in the body decides, and the status only where there is none. Codes: docs.z.ai (read 2026-11-21) and its SDKs' groupings.

use sy_types::{ErrorKind, Failure};

use crate::failure::Reported;

/// Said where the balance is empty: the code is also sent when a key meets the wrong endpoint.
const PLAN_HINT: &str = "; a coding-plan key only works on the coding endpoint (/api/coding/paas/v4), \
                         a pay-as-you-go key only on the general one (/api/paas/v4)";

/// Turns what an error body says into a failure; the status is 0 for an error inside an answer of status 200.
pub(super) fn read(reported: Reported, status: u16) -> Failure {
    let code = reported.code.as_deref().and_then(|code| code.parse::<u32>().ok());
    let mut failure = reported.into_failure(status);
    if let Some(kind) = code.and_then(kind_of) {
        failure.kind = kind;
    }
    if code == Some(1113) {
        failure.message.push_str(PLAN_HINT);
    }
    failure
}

/// Reads the body of an answer of another status than 200.
pub(super) fn decode(status: u16, body: &[u8]) -> Failure {
    read(Reported::read(body), status)
}

fn kind_of(code: u32) -> Option<ErrorKind> {
    Some(match code {
        1000..=1004 | 1100 | 1110..=1112 | 1121 | 1220 => ErrorKind::Unauthenticated,
        1113 | 1304 | 1308..=1311 | 1313..=1321 => ErrorKind::QuotaExceeded,
        1302 | 1303 | 1305 => ErrorKind::RateLimited,
        500 | 1120 | 1200 | 1230 | 1234 => ErrorKind::Unavailable,
        1210 | 1213..=1215 | 1231 => ErrorKind::Invalid,
        1211 | 1212 | 1221 | 1222 => ErrorKind::NotFound,
        1261 => ErrorKind::ContextOverflow,
        1300 | 1301 => ErrorKind::ContentFiltered,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use sy_types::ErrorKind;

    use super::{decode, kind_of};

    #[track_caller]
    fn check(status: u16, body: &str, kind: ErrorKind, code: Option<&str>) {
        let failure = decode(status, body.as_bytes());
        assert_eq!((failure.kind, failure.code.as_deref()), (kind, code), "{body}");
    }

    #[test]
    fn the_code_decides_nested_or_flat_text_or_number() {
        check(
            429,
            r#"{"error":{"code":"1310","message":"m"}}"#,
            ErrorKind::QuotaExceeded,
            Some("1310"),
        );
        check(
            429,
            r#"{"error":{"code":1302,"message":"m"}}"#,
            ErrorKind::RateLimited,
            Some("1302"),
        );
        check(429, r#"{"code":1305,"msg":"m"}"#, ErrorKind::RateLimited, Some("1305"));
        check(
            400,
            r#"{"error":{"code":"1261","message":"m"}}"#,
            ErrorKind::ContextOverflow,
            Some("1261"),
        );
        check(500, r#"{"code":"500","message":"m"}"#, ErrorKind::Unavailable, Some("500"));
    }

    #[test]
    fn without_a_known_code_the_status_decides() {
        check(401, r#"{"error":{"message":"m"}}"#, ErrorKind::Unauthenticated, None);
        check(
            429,
            r#"{"error":{"code":"9999","message":"m"}}"#,
            ErrorKind::RateLimited,
            Some("9999"),
        );
    }

    #[test]
    fn every_listed_code_has_a_kind() {
        let known = (1000..=1004)
            .chain([1110, 1111, 1112, 1113, 1120, 1121])
            .chain([1200, 1230, 1231, 1234]);
        let known = known
            .chain(1210..=1215)
            .chain(1220..=1222)
            .chain([1261, 1300, 1301, 1302, 1303, 1304, 1305]);
        for code in known.chain(1308..=1311).chain(1313..=1321) {
            assert!(kind_of(code).is_some(), "{code}");
        }
    }

    #[test]
    fn an_empty_balance_comes_with_a_hint_about_the_endpoint() {
        let failure = decode(429, br#"{"error":{"code":"1113","message":"insufficient balance"}}"#);
        assert!(
            failure.kind == ErrorKind::QuotaExceeded
                && failure.message.contains("/api/coding/paas/v4")
        );
    }
}
