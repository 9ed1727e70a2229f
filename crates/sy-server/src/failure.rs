//! Which HTTP status a failure has: the only such table.
//!
//! Read by every surface; `docs/errors.md` shows the table to users. The caller's fault is 4xx, a
//! provider's is 502, 503 or 504, ours is 500. 401 is said before anything was sent: our token or a
//! key for the provider is missing. A key that the provider rejects is 502: its word, not ours.

use std::time::Duration;

use http::StatusCode;
use sy_types::memory::OVER_BUDGET;
use sy_types::{ErrorKind, Failure, Side};

/// The code of a failure that only a change of the method mends.
pub(crate) const WRONG_METHOD: &str = "method_not_allowed";
/// The code of a failure that only another run of the server mends.
const SHUTTING_DOWN: &str = "shutting_down";
/// How long a client should wait before it asks a server again that was stopping: about the time of a restart.
const RESTART: Duration = Duration::from_secs(5);

/// Returns the failure of a request that is cut off because the time for draining is over.
pub(crate) fn shutting_down() -> Failure {
    Failure::new(
        ErrorKind::Unavailable,
        Side::Gateway,
        "the server is shutting down: ask again in a moment",
    )
    .with_code(SHUTTING_DOWN)
    .with_retry_after(Some(RESTART))
}

/// Returns the status for a failure; `overloaded` is what the caller's protocol answers when a provider is overloaded.
pub(crate) fn status(failure: &Failure, overloaded: u16) -> StatusCode {
    let from_provider = failure.side == Side::Provider;
    let code = match failure.kind {
        ErrorKind::Invalid if failure.code.as_deref() == Some(WRONG_METHOD) => 405,
        ErrorKind::Invalid
        | ErrorKind::ContextOverflow
        | ErrorKind::ContentFiltered
        | ErrorKind::Unsupported => 400,
        ErrorKind::Unauthenticated if from_provider => 502,
        ErrorKind::Unauthenticated => 401,
        ErrorKind::Forbidden | ErrorKind::Conflict if from_provider => 502,
        ErrorKind::Forbidden => 403,
        ErrorKind::NotFound => 404,
        ErrorKind::Conflict => 409,
        ErrorKind::TooLarge => 413,
        ErrorKind::RateLimited | ErrorKind::QuotaExceeded => 429,
        ErrorKind::Unavailable
            if matches!(failure.code.as_deref(), Some(SHUTTING_DOWN | OVER_BUDGET)) =>
        {
            503
        }
        ErrorKind::Unavailable if from_provider && !is_overloaded(failure) => 502,
        ErrorKind::Unavailable => overloaded,
        ErrorKind::Malformed => 502,
        ErrorKind::Timeout if from_provider => 504,
        ErrorKind::Timeout => 408,
        ErrorKind::Cancelled => 499,
        ErrorKind::Internal => 500,
    };
    StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// Returns true when the same request would fail in the same way, though its status looks as if
/// another try might help.
pub(crate) fn is_lasting(failure: &Failure) -> bool {
    match failure.kind {
        ErrorKind::Unauthenticated | ErrorKind::Forbidden => failure.side != Side::Caller,
        ErrorKind::QuotaExceeded => true,
        _ => false,
    }
}

/// Returns true when the provider itself said that it has no room now.
fn is_overloaded(failure: &Failure) -> bool {
    matches!(failure.status, Some(503 | 529)) || failure.code.as_deref() == Some("overloaded_error")
}

#[cfg(test)]
mod tests {
    use sy_types::{ErrorKind, Failure, Side};

    use super::{OVER_BUDGET, shutting_down, status};

    #[track_caller]
    fn check(kind: ErrorKind, side: Side, upstream: Option<u16>, expected: u16) {
        let mut failure = Failure::new(kind, side, "m");
        failure.status = upstream;
        assert_eq!(status(&failure, 529).as_u16(), expected, "{kind:?} {side:?}");
    }

    #[test]
    fn the_callers_fault_is_4xx_and_a_providers_5xx() {
        check(ErrorKind::Unauthenticated, Side::Caller, None, 401);
        check(ErrorKind::Unauthenticated, Side::Gateway, None, 401);
        check(ErrorKind::Unauthenticated, Side::Provider, Some(401), 502);
        check(ErrorKind::Forbidden, Side::Provider, Some(403), 502);
        check(ErrorKind::Invalid, Side::Provider, Some(400), 400);
        check(ErrorKind::RateLimited, Side::Provider, Some(429), 429);
        check(ErrorKind::Unavailable, Side::Provider, Some(500), 502);
        check(ErrorKind::Unavailable, Side::Provider, Some(529), 529);
        check(ErrorKind::Timeout, Side::Provider, None, 504);
        check(ErrorKind::Internal, Side::Gateway, None, 500);
        assert_eq!(status(&shutting_down(), 529).as_u16(), 503);
        let short = Failure::new(ErrorKind::Unavailable, Side::Gateway, "m");
        assert_eq!(status(&short.with_code(OVER_BUDGET), 529).as_u16(), 503);
    }
}
