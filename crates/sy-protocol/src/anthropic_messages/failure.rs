//! Error bodies: `{"type":"error","error":{"type","message"},"request_id"}`, both ways.
//!
//! Called for answers with an error status, for errors inside a stream and for failures of ours. It deliberately leaves the
//! HTTP status to the server.

use bytes::Bytes;
use serde_json::{Value, json};
use sy_types::{ErrorKind, Failure, Side};

use crate::failure::Reported;

/// What Claude Code looks for in a message before it compacts a conversation by itself (version 2.1, observed 2026-11-21).
const TOO_LONG: &str = "prompt is too long";

/// Reads an error answer.
pub(super) fn decode(status: u16, body: &[u8]) -> Failure {
    refine(Reported::read(body).into_failure(status))
}

/// Reads an error inside a stream or an answer of status 200.
pub(super) fn decode_in_band(value: &Value) -> Failure {
    refine(Reported::of(value).into_failure(0))
}

/// Tells apart what comes as a plain `invalid_request_error` of status 400 and differs in words only.
fn refine(mut failure: Failure) -> Failure {
    if failure.kind == ErrorKind::Invalid {
        let message = failure.message.to_lowercase();
        if message.contains("credit balance is too low") {
            failure.kind = ErrorKind::QuotaExceeded;
        } else if message.contains("exceed context limit") {
            failure.kind = ErrorKind::ContextOverflow;
        }
    }
    failure
}

/// Writes a failure; `status` is `None` inside a stream.
pub(super) fn encode(failure: &Failure, status: Option<u16>, request_id: &str) -> Bytes {
    let message = match failure.kind {
        ErrorKind::ContextOverflow if !failure.message.to_lowercase().contains(TOO_LONG) => {
            format!("{TOO_LONG}: {}", failure.message)
        }
        _ => failure.message.clone(),
    };
    let body = json!({
        "type": "error",
        "error": { "type": error_type(failure, status), "message": message },
        "request_id": request_id,
    });
    Bytes::from(crate::json::write(&body))
}

/// Returns the protocol's word for a failure (docs of the errors page, read 2026-11-21).
fn error_type(failure: &Failure, status: Option<u16>) -> &'static str {
    match failure.kind {
        ErrorKind::Invalid
        | ErrorKind::Conflict
        | ErrorKind::ContextOverflow
        | ErrorKind::ContentFiltered
        | ErrorKind::Unsupported => "invalid_request_error",
        // A rejected key of ours is not the caller's: it must not make a client ask its user to log in again.
        ErrorKind::Unauthenticated | ErrorKind::Forbidden if failure.side != Side::Caller => {
            "api_error"
        }
        ErrorKind::Unauthenticated => "authentication_error",
        ErrorKind::Forbidden => "permission_error",
        ErrorKind::NotFound => "not_found_error",
        ErrorKind::TooLarge => "request_too_large",
        ErrorKind::RateLimited => "rate_limit_error",
        ErrorKind::QuotaExceeded => "billing_error",
        ErrorKind::Unavailable if is_overloaded(failure, status) => "overloaded_error",
        ErrorKind::Timeout => "timeout_error",
        ErrorKind::Unavailable
        | ErrorKind::Malformed
        | ErrorKind::Cancelled
        | ErrorKind::Internal => "api_error",
    }
}

fn is_overloaded(failure: &Failure, status: Option<u16>) -> bool {
    matches!(status.or(failure.status), Some(503 | 529))
        || failure.code.as_deref() == Some("overloaded_error")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use sy_types::{ErrorKind, Failure, Side};

    use super::{decode, decode_in_band, encode};

    #[test]
    fn words_tell_apart_what_one_status_covers() {
        let check = |status: u16, message: &str, kind: ErrorKind| {
            let body = json!({"type": "error", "error": {"type": "invalid_request_error", "message": message}});
            assert_eq!(decode(status, body.to_string().as_bytes()).kind, kind, "{message}");
        };
        check(400, "temperature: range: 0..1", ErrorKind::Invalid);
        check(
            400,
            "prompt is too long: 210000 tokens > 200000 maximum",
            ErrorKind::ContextOverflow,
        );
        check(
            400,
            "input length and `max_tokens` exceed context limit: 190000 + 21333 > 200000",
            ErrorKind::ContextOverflow,
        );
        check(400, "Your credit balance is too low to access the API.", ErrorKind::QuotaExceeded);
        check(529, "Overloaded", ErrorKind::Unavailable);
    }

    #[test]
    fn an_error_in_a_stream_is_classified_by_its_type() {
        let check = |word: &str, kind: ErrorKind| {
            let value = json!({"type": "error", "error": {"type": word, "message": "m"}});
            let failure = decode_in_band(&value);
            assert_eq!((failure.kind, failure.status), (kind, None), "{word}");
        };
        check("overloaded_error", ErrorKind::Unavailable);
        check("rate_limit_error", ErrorKind::RateLimited);
        check("invalid_request_error", ErrorKind::Invalid);
        check("api_error", ErrorKind::Unavailable);
    }

    #[test]
    fn every_kind_has_its_word() {
        let check = |failure: Failure, status: Option<u16>, word: &str| {
            let body: Value = serde_json::from_slice(&encode(&failure, status, "req_1")).unwrap();
            assert_eq!(body["error"]["type"], word, "{failure}");
            assert_eq!(
                (body["type"].as_str(), body["request_id"].as_str()),
                (Some("error"), Some("req_1"))
            );
        };
        let caller = |kind| Failure::new(kind, Side::Caller, "m");
        let provider = |kind| Failure::provider(kind, "m");
        check(caller(ErrorKind::Invalid), Some(400), "invalid_request_error");
        check(caller(ErrorKind::Unauthenticated), Some(401), "authentication_error");
        check(provider(ErrorKind::Unauthenticated), Some(502), "api_error");
        check(caller(ErrorKind::Forbidden), Some(403), "permission_error");
        check(caller(ErrorKind::NotFound), Some(404), "not_found_error");
        check(caller(ErrorKind::TooLarge), Some(413), "request_too_large");
        check(provider(ErrorKind::RateLimited), Some(429), "rate_limit_error");
        check(provider(ErrorKind::QuotaExceeded), Some(402), "billing_error");
        check(provider(ErrorKind::Unavailable), Some(529), "overloaded_error");
        check(provider(ErrorKind::Unavailable), Some(502), "api_error");
        check(
            provider(ErrorKind::Unavailable).with_code("overloaded_error"),
            None,
            "overloaded_error",
        );
        check(provider(ErrorKind::Timeout), Some(504), "timeout_error");
        check(provider(ErrorKind::Malformed), Some(502), "api_error");
    }

    #[test]
    fn a_prompt_that_does_not_fit_is_told_in_the_words_clients_look_for() {
        let failure =
            Failure::provider(ErrorKind::ContextOverflow, "maximum context length is 8192 tokens");
        let body: Value = serde_json::from_slice(&encode(&failure, Some(400), "r")).unwrap();
        assert_eq!(
            body["error"]["message"],
            "prompt is too long: maximum context length is 8192 tokens"
        );
    }
}
