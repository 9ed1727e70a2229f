//! Errors of this protocol, both ways: `{"error": {code, message, status, details}}`.
//!
//! The words are those of google.rpc.Code, the details those of google.rpc error details (github.com/googleapis/googleapis, read
//! 2026-11). It deliberately tells the caller nothing but the failure's own message and codes.

use std::time::Duration;

use serde_json::{Value, json};
use sy_types::{ErrorKind, Failure};

use crate::failure::Reported;

/// Reads an error answer.
pub(super) fn decode(status: u16, body: &[u8]) -> Failure {
    let value = crate::json::read::<Value>(body).unwrap_or_default();
    let failure = Reported::read(body).into_failure(status);
    refine(failure, &value)
}

/// Reads an error that stands in a stream or in an answer of status 200.
pub(super) fn in_band(value: &Value) -> Failure {
    refine(Reported::of(value).into_failure(0), value)
}

/// Takes what only this protocol says: the status word, the reason, the wait.
fn refine(mut failure: Failure, value: &Value) -> Failure {
    let value = value.as_array().and_then(|list| list.first()).unwrap_or(value);
    let Some(error) = value.get("error").filter(|error| error.is_object()) else { return failure };
    let status = error.get("status").and_then(Value::as_str);
    if let Some(word) = status {
        failure.code = Some(word.to_owned());
    }
    for detail in error.get("details").and_then(Value::as_array).into_iter().flatten() {
        if let Some(reason) = detail.get("reason").and_then(Value::as_str) {
            failure.kind = match reason {
                "API_KEY_INVALID"
                | "API_KEY_EXPIRED"
                | "API_KEY_MISSING"
                | "ACCESS_TOKEN_EXPIRED" => ErrorKind::Unauthenticated,
                "BILLING_DISABLED" => ErrorKind::QuotaExceeded,
                _ => failure.kind,
            };
        }
        let delay = detail.get("retryDelay").and_then(Value::as_str).and_then(seconds);
        failure.retry_after = failure.retry_after.or(delay);
        let exceeded = detail.get("violations").and_then(Value::as_array).into_iter().flatten();
        let names_a_day = |violation: &Value| {
            violation
                .get("quotaId")
                .and_then(Value::as_str)
                .is_some_and(|quota| quota.contains("PerDay"))
        };
        if failure.kind == ErrorKind::RateLimited && exceeded.into_iter().any(names_a_day) {
            failure.kind = ErrorKind::QuotaExceeded;
        }
    }
    if failure.status.is_none() && failure.kind == ErrorKind::Unavailable {
        failure.kind = status.and_then(kind_of).unwrap_or(failure.kind);
    }
    failure
}

/// Reads a duration as protobuf writes it (`34.4s`).
fn seconds(text: &str) -> Option<Duration> {
    Duration::try_from_secs_f64(text.strip_suffix('s')?.parse().ok()?).ok()
}

/// Returns the kind of an error inside a stream that has no numeric code.
fn kind_of(word: &str) -> Option<ErrorKind> {
    Some(match word {
        "INVALID_ARGUMENT" | "FAILED_PRECONDITION" | "OUT_OF_RANGE" => ErrorKind::Invalid,
        "UNAUTHENTICATED" => ErrorKind::Unauthenticated,
        "PERMISSION_DENIED" => ErrorKind::Forbidden,
        "NOT_FOUND" => ErrorKind::NotFound,
        "ABORTED" | "ALREADY_EXISTS" => ErrorKind::Conflict,
        "RESOURCE_EXHAUSTED" => ErrorKind::RateLimited,
        "UNIMPLEMENTED" => ErrorKind::Unsupported,
        "DEADLINE_EXCEEDED" => ErrorKind::Timeout,
        _ => return None,
    })
}

/// Returns the status word that clients expect for a kind.
fn word_of(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Invalid
        | ErrorKind::TooLarge
        | ErrorKind::ContextOverflow
        | ErrorKind::ContentFiltered => "INVALID_ARGUMENT",
        ErrorKind::Unauthenticated => "UNAUTHENTICATED",
        ErrorKind::Forbidden => "PERMISSION_DENIED",
        ErrorKind::NotFound => "NOT_FOUND",
        ErrorKind::Conflict => "ABORTED",
        ErrorKind::Unsupported => "UNIMPLEMENTED",
        ErrorKind::RateLimited | ErrorKind::QuotaExceeded => "RESOURCE_EXHAUSTED",
        ErrorKind::Unavailable => "UNAVAILABLE",
        ErrorKind::Timeout => "DEADLINE_EXCEEDED",
        ErrorKind::Cancelled => "CANCELLED",
        ErrorKind::Malformed | ErrorKind::Internal => "INTERNAL",
    }
}

/// Returns the code that stands in an error event of a stream, whose status was sent long ago.
pub(super) fn status_of(kind: ErrorKind) -> u16 {
    match kind {
        ErrorKind::Invalid | ErrorKind::ContextOverflow | ErrorKind::ContentFiltered => 400,
        ErrorKind::Unauthenticated => 401,
        ErrorKind::Forbidden => 403,
        ErrorKind::NotFound => 404,
        ErrorKind::Conflict => 409,
        ErrorKind::TooLarge => 413,
        ErrorKind::RateLimited | ErrorKind::QuotaExceeded => 429,
        ErrorKind::Cancelled => 499,
        ErrorKind::Unsupported => 501,
        ErrorKind::Unavailable => 503,
        ErrorKind::Timeout => 504,
        ErrorKind::Malformed | ErrorKind::Internal => 500,
    }
}

/// Writes a failure.
pub(super) fn encode(failure: &Failure, status: u16, request_id: &str) -> Value {
    let mut details = vec![json!({
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": failure.kind.name().to_ascii_uppercase(),
        "domain": "switchyard",
        "metadata": metadata(failure),
    })];
    if let Some(param) = &failure.param {
        let violation = json!({ "field": param, "description": failure.message });
        details.push(json!({ "@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [violation] }));
    }
    if let Some(wait) = failure.retry_after {
        let delay = format!("{}s", wait.as_secs_f64());
        details.push(
            json!({ "@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay }),
        );
    }
    if !request_id.is_empty() {
        details.push(json!({ "@type": "type.googleapis.com/google.rpc.RequestInfo", "requestId": request_id }));
    }
    json!({
        "error": { "code": status, "message": failure.message, "status": word_of(failure.kind), "details": details }
    })
}

fn metadata(failure: &Failure) -> Value {
    match &failure.code {
        Some(code) => json!({ "code": code }),
        None => json!({}),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, json};
    use sy_types::{ErrorKind, Failure};

    use super::{decode, encode, in_band};

    #[track_caller]
    fn check(status: u16, body: &Value, kind: ErrorKind, wait: Option<Duration>) {
        let failure = decode(status, body.to_string().as_bytes());
        assert_eq!((failure.kind, failure.retry_after), (kind, wait), "{body}");
    }

    #[test]
    fn details_tell_what_the_status_does_not() {
        let key = json!({"error": {"code": 400, "status": "INVALID_ARGUMENT", "message": "m", "details": [{"reason": "API_KEY_INVALID"}]}});
        check(400, &key, ErrorKind::Unauthenticated, None);
        let quota = |id: &str| {
            json!([{"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "m",
                "details": [{"violations": [{"quotaId": id}]}, {"retryDelay": "34.4s"}]}}])
        };
        let wait = Some(Duration::from_millis(34_400));
        check(429, &quota("RequestsPerMinutePerProject"), ErrorKind::RateLimited, wait);
        check(
            429,
            &quota("GenerateRequestsPerDayPerProjectPerModel-FreeTier"),
            ErrorKind::QuotaExceeded,
            wait,
        );
        let long = json!({"error": {"code": 400, "message": "The input token count (2000000) exceeds the maximum number of tokens allowed (1048575).", "status": "INVALID_ARGUMENT"}});
        check(400, &long, ErrorKind::ContextOverflow, None);
    }

    #[test]
    fn an_error_inside_a_stream_is_classified_by_its_code_or_its_word() {
        for (error, kind) in [
            (
                json!({"code": 429, "message": "m", "status": "RESOURCE_EXHAUSTED"}),
                ErrorKind::RateLimited,
            ),
            (json!({"code": 503, "message": "m", "status": "UNAVAILABLE"}), ErrorKind::Unavailable),
            (json!({"message": "m", "status": "UNIMPLEMENTED"}), ErrorKind::Unsupported),
        ] {
            let failure = in_band(&json!({ "error": error }));
            assert_eq!(failure.kind, kind, "{error}");
            assert_eq!(failure.code.as_deref(), error["status"].as_str());
        }
    }

    #[test]
    fn a_failure_is_written_with_its_wait_and_field() {
        let failure = Failure::invalid("contents: expected an array")
            .with_param("contents")
            .with_retry_after(Some(Duration::from_secs(2)));
        let written = encode(&failure, 400, "req_1");
        assert_eq!(written["error"]["status"], "INVALID_ARGUMENT");
        let details = written["error"]["details"].as_array().unwrap();
        assert_eq!(details[0]["reason"], "INVALID_REQUEST");
        assert_eq!(details[1]["fieldViolations"][0]["field"], "contents");
        assert_eq!(details[2]["retryDelay"], "2s");
        assert_eq!(details[3]["requestId"], "req_1");
    }
}
