//! Failures in the words of chat completions, in and out.
//!
//! Called for answers of other statuses than 200, for error objects inside answers of status 200, and to tell a client what
//! went wrong. It deliberately knows no vendor's code numbers: those are read by the dialect that has them.

use serde_json::{Value, json};
use sy_types::{ErrorKind, Failure, Side};

use crate::failure::Reported;

/// Turns what an error body says into a failure; the status is 0 for an error inside an answer of status 200.
pub(crate) type ReadFailure = fn(Reported, u16) -> Failure;

/// The family's own way.
pub(super) fn read(reported: Reported, status: u16) -> Failure {
    reported.into_failure(status)
}

/// Reads the body of an answer of another status than 200.
pub(super) fn decode(status: u16, body: &[u8]) -> Failure {
    read(Reported::read(body), status)
}

/// Returns the failure that a chunk or an answer of status 200 reports, if it does.
///
/// Shapes on record: `{"error": {…}}`, `{"error": "…"}`, `{"object": "error", "message": …}` and OpenRouter's
/// `choices[0].error`.
pub(super) fn in_band(value: &Value, event: &[u8], read: ReadFailure) -> Option<Failure> {
    let present = |value: Option<&Value>| value.is_some_and(|value| !value.is_null());
    if present(value.get("error")) {
        return Some(read(Reported::of(value), 0));
    }
    let choice = value.pointer("/choices/0").filter(|choice| present(choice.get("error")));
    if let Some(choice) = choice {
        return Some(read(Reported::of(choice), 0));
    }
    let is_flat = event == b"error" || value.get("object").and_then(Value::as_str) == Some("error");
    let has_answer = present(value.get("choices")) || present(value.get("usage"));
    let has_words =
        present(value.get("message")) || present(value.get("detail")) || present(value.get("msg"));
    (is_flat || (!has_answer && has_words)).then(|| read(Reported::of(value), 0))
}

/// Makes the failure for bytes that are no chat completion.
pub(super) fn malformed(what: &str) -> Failure {
    Failure::provider(ErrorKind::Malformed, what)
}

/// Writes a failure as OpenAI does.
pub(super) fn encode(failure: &Failure) -> Value {
    let (kind, code) = words(failure.kind);
    let code = code
        .or_else(|| missing(failure))
        .or(failure.code.as_deref())
        .unwrap_or(failure.kind.name());
    json!({ "error": { "message": failure.message, "type": kind, "param": failure.param, "code": code } })
}

/// Returns the code that clients look for where a model is what was not found. A code that says no more than a status does is
/// about the model as well, since a chat names nothing else; a provider's word for another thing stays (`file_not_found`), and so
/// does a caller's wrong route.
fn missing(failure: &Failure) -> Option<&'static str> {
    if failure.kind != ErrorKind::NotFound {
        return None;
    }
    let is_model = failure.param.as_deref() == Some("model")
        || match failure.code.as_deref().map(str::to_lowercase) {
            None => failure.side == Side::Provider,
            Some(code) if matches!(code.as_str(), "not_found" | "not_found_error") => true,
            Some(code) => code.contains("model") || !code.contains(char::is_alphabetic),
        };
    is_model.then_some("model_not_found")
}

/// Returns OpenAI's type, and the code where clients look for exactly that one.
fn words(kind: ErrorKind) -> (&'static str, Option<&'static str>) {
    match kind {
        ErrorKind::Invalid
        | ErrorKind::NotFound
        | ErrorKind::Conflict
        | ErrorKind::Unsupported
        | ErrorKind::TooLarge => ("invalid_request_error", None),
        ErrorKind::Unauthenticated => ("authentication_error", Some("invalid_api_key")),
        ErrorKind::Forbidden => ("permission_error", None),
        ErrorKind::ContextOverflow => ("invalid_request_error", Some("context_length_exceeded")),
        ErrorKind::ContentFiltered => ("invalid_request_error", Some("content_filter")),
        ErrorKind::RateLimited => ("rate_limit_error", Some("rate_limit_exceeded")),
        ErrorKind::QuotaExceeded => ("insufficient_quota", Some("insufficient_quota")),
        ErrorKind::Timeout => ("timeout_error", None),
        ErrorKind::Unavailable
        | ErrorKind::Malformed
        | ErrorKind::Cancelled
        | ErrorKind::Internal => ("server_error", None),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use sy_types::{ErrorKind, Failure, Side};

    use super::{encode, in_band, read};

    #[track_caller]
    fn check(value: &Value, event: &str, expected: Option<(ErrorKind, &str)>) {
        let failure = in_band(value, event.as_bytes(), read);
        assert_eq!(
            failure.as_ref().map(|failure| (failure.kind, failure.message.as_str())),
            expected,
            "{value}"
        );
    }

    #[test]
    fn every_shape_of_an_error_inside_an_answer_is_seen() {
        check(
            &json!({"error": {"message": "m", "code": 429}}),
            "",
            Some((ErrorKind::RateLimited, "m")),
        );
        check(&json!({"error": "m"}), "", Some((ErrorKind::Unavailable, "m")));
        check(
            &json!({"object": "error", "message": "m", "code": 400}),
            "",
            Some((ErrorKind::Invalid, "m")),
        );
        check(
            &json!({"choices": [{"error": {"message": "m", "code": 502}}]}),
            "",
            Some((ErrorKind::Unavailable, "m")),
        );
        check(&json!({"message": "m"}), "error", Some((ErrorKind::Unavailable, "m")));
        check(&json!({"error": null, "choices": []}), "", None);
        check(&json!({"id": "x", "type": "ping"}), "", None);
    }

    #[test]
    fn a_written_failure_is_read_as_the_same_kind() {
        for kind in [
            ErrorKind::Invalid,
            ErrorKind::Unauthenticated,
            ErrorKind::Forbidden,
            ErrorKind::NotFound,
            ErrorKind::ContextOverflow,
            ErrorKind::ContentFiltered,
            ErrorKind::RateLimited,
            ErrorKind::QuotaExceeded,
            ErrorKind::Timeout,
            ErrorKind::Unavailable,
        ] {
            let written = encode(&Failure::provider(kind, "m"));
            check(&written, "", Some((kind, "m")));
        }
    }

    #[test]
    fn the_code_that_clients_look_for_wins_over_the_providers() {
        let written = encode(
            &Failure::provider(ErrorKind::ContextOverflow, "m")
                .with_code("1261")
                .with_param("messages"),
        );
        let expected = json!({"error": {"message": "m", "type": "invalid_request_error", "param": "messages",
            "code": "context_length_exceeded"}});
        assert_eq!(written, expected);
    }

    #[test]
    fn only_a_missing_model_is_called_one() {
        let check = |failure: Failure, expected: &str| {
            assert_eq!(encode(&failure)["error"]["code"], expected, "{failure:?}");
        };
        let provider = || Failure::provider(ErrorKind::NotFound, "m");
        check(provider(), "model_not_found");
        for code in ["404", "1211", "NOT_FOUND", "not_found_error", "model_not_available"] {
            check(provider().with_code(code), "model_not_found");
        }
        check(provider().with_code("gone").with_param("model"), "model_not_found");
        for code in ["file_not_found", "previous_response_not_found"] {
            check(provider().with_code(code), code);
        }
        let caller = || Failure::new(ErrorKind::NotFound, Side::Caller, "m");
        check(caller(), "not_found");
        check(caller().with_param("model"), "model_not_found");
    }
}
