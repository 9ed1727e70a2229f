//! A provider's error answer to a failure of the right kind: what all protocols share.
//!
//! Called by each protocol's `decode_failure` and for errors inside a stream. A status or a code decides where there is one;
//! words are looked at only to tell apart what statuses do not: a prompt that is too long, a balance that is used up.

use serde_json::Value;
use sy_types::{ErrorKind, Failure};

/// The most foreign text that a message carries, in characters.
const MESSAGE_LIMIT: usize = 500;

/// What an error body says.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Reported {
    pub(crate) message: Option<String>,
    pub(crate) code: Option<String>,
    pub(crate) kind: Option<String>,
    pub(crate) param: Option<String>,
}

impl Reported {
    /// Reads the shapes in use: `{"error": {…}}`, `{"error": "…"}`, a list of the first (Gemini), `{"message": …}`,
    /// `{"detail": …}` and plain text.
    pub(crate) fn read(body: &[u8]) -> Self {
        match crate::json::read::<Value>(body) {
            Ok(value) => Self::of(&value),
            Err(_) => Self { message: plain_text(body), ..Self::default() },
        }
    }

    /// Reads the same shapes from a value.
    pub(crate) fn of(value: &Value) -> Self {
        let value = value.as_array().and_then(|list| list.first()).unwrap_or(value);
        let inner = match value.get("error") {
            Some(Value::String(text)) => {
                return Self {
                    message: said(text),
                    code: text_of(value.get("code")),
                    ..Self::default()
                };
            }
            Some(inner) if inner.is_object() => inner,
            _ => value,
        };
        let present = |name| inner.get(name).filter(|value| !value.is_null());
        let detail = match present("detail").or_else(|| present("errors")) {
            None => None,
            Some(Value::String(text)) => said(text),
            Some(other) => Some(other.to_string()),
        };
        Self {
            message: text_of(inner.get("message")).or(detail).or_else(|| text_of(inner.get("msg"))),
            code: text_of(inner.get("code")).or_else(|| text_of(value.get("code"))),
            kind: text_of(inner.get("type")).or_else(|| text_of(inner.get("status"))),
            param: text_of(inner.get("param")),
        }
    }

    /// Makes the failure for an answer with this status (0 for an error inside a stream of status 200).
    pub(crate) fn into_failure(self, status: u16) -> Failure {
        let kind = self.classify(status);
        let message = self.message.unwrap_or_else(|| match status {
            0 => "the provider reported an error without a message".to_owned(),
            _ => format!("the provider answered with status {status} and no message"),
        });
        let mut failure = Failure::provider(kind, limited(&message));
        failure.code = self.code.or(self.kind);
        failure.param = self.param;
        failure.status = (status != 0).then_some(status);
        failure
    }

    fn classify(&self, status: u16) -> ErrorKind {
        let words = |text: &Option<String>| text.as_deref().unwrap_or_default().to_lowercase();
        let (code, kind, message) = (words(&self.code), words(&self.kind), words(&self.message));
        let named = |name: &str| code == name || kind == name;
        if named("context_length_exceeded") || (status != 429 && is_overflow(&message)) {
            return ErrorKind::ContextOverflow;
        }
        if [
            "insufficient_quota",
            "billing_error",
            "usage_not_included",
            "quota_exceeded",
            "usage_limit_reached",
        ]
        .into_iter()
        .any(named)
        {
            return ErrorKind::QuotaExceeded;
        }
        if ["content_filter", "content_policy_violation", "invalid_prompt_content"]
            .into_iter()
            .any(named)
            || code.contains("content_filter")
        {
            return ErrorKind::ContentFiltered;
        }
        if named("model_not_found") || named("model_not_available") {
            return ErrorKind::NotFound;
        }
        match status {
            0 => in_band(&code, &kind),
            401 => ErrorKind::Unauthenticated,
            402 => ErrorKind::QuotaExceeded,
            403 => ErrorKind::Forbidden,
            404 | 410 => ErrorKind::NotFound,
            408 | 504 | 524 => ErrorKind::Timeout,
            409 => ErrorKind::Conflict,
            413 => ErrorKind::TooLarge,
            429 => ErrorKind::RateLimited,
            405 | 501 => ErrorKind::Unsupported,
            400..=499 => ErrorKind::Invalid,
            500..=599 => ErrorKind::Unavailable,
            _ => ErrorKind::Malformed,
        }
    }
}

/// Classifies an error inside a stream by its type or code, which name a status or a class.
fn in_band(code: &str, kind: &str) -> ErrorKind {
    if let Ok(status @ 400..=599) = code.parse::<u16>() {
        return Reported::default().classify(status);
    }
    for word in [code, kind] {
        let found = match word {
            "invalid_request_error" | "invalid_prompt" | "invalid_argument" | "bad_request" => {
                ErrorKind::Invalid
            }
            "authentication_error" | "invalid_api_key" | "unauthenticated" => {
                ErrorKind::Unauthenticated
            }
            "permission_error" | "permission_denied" => ErrorKind::Forbidden,
            "not_found_error" | "not_found" => ErrorKind::NotFound,
            "request_too_large" => ErrorKind::TooLarge,
            "rate_limit_error"
            | "rate_limit_exceeded"
            | "resource_exhausted"
            | "too_many_requests" => ErrorKind::RateLimited,
            "timeout_error" | "deadline_exceeded" => ErrorKind::Timeout,
            _ => continue,
        };
        return found;
    }
    ErrorKind::Unavailable
}

/// Returns true for messages that say the prompt does not fit. The wordings are those of about twenty providers.
pub(crate) fn is_overflow(message: &str) -> bool {
    let message = message.to_lowercase();
    if message.contains("rate limit") || message.contains("too many requests") {
        return false;
    }
    const PATTERNS: [&[&str]; 24] = [
        &["prompt is too long"],
        &["request_too_large"],
        &["input is too long for requested model"],
        &["exceeds the context window"],
        &["exceeds", "maximum context length"],
        &["maximum context length is"],
        &["input token count", "exceeds the maximum"],
        &["tokens in request more than max tokens allowed"],
        &["maximum prompt length is"],
        &["reduce the length of the messages"],
        &["maximum allowed input length"],
        &["longer than the model's context length"],
        &["exceeds the available context size"],
        &["greater than the context length"],
        &["context window exceeds limit"],
        &["exceeded model token limit"],
        &["context_length_exceeded"],
        &["context length exceeded"],
        &["context length is only"],
        &["input length", "exceeds", "context length"],
        &["prompt too long", "context length"],
        &["too large for model with", "maximum context length"],
        &["model_context_window_exceeded"],
        &["prompt has", "tokens, but the configured context size is"],
    ];
    PATTERNS.iter().any(|words| words.iter().all(|word| message.contains(word)))
}

/// Shortens foreign text.
pub(crate) fn limited(text: &str) -> String {
    let text = text.trim();
    match text.char_indices().nth(MESSAGE_LIMIT) {
        None => text.to_owned(),
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
    }
}

/// A blank text says nothing.
fn said(text: &str) -> Option<String> {
    (!text.trim().is_empty()).then(|| text.to_owned())
}

fn text_of(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(text) => said(text),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Returns the text of a body that is not JSON; of a web page only that it is one.
fn plain_text(body: &[u8]) -> Option<String> {
    let text =
        String::from_utf8_lossy(body.get(..body.len().min(4 * MESSAGE_LIMIT)).unwrap_or_default());
    let text = text.trim();
    if text.is_empty() {
        return None;
    }
    if text.starts_with('<') {
        return Some(
            "a web page came instead of an API answer: a proxy or the base URL is wrong".to_owned(),
        );
    }
    Some(limited(text))
}

#[cfg(test)]
mod tests {
    use sy_types::ErrorKind;

    use super::Reported;

    #[track_caller]
    fn check(status: u16, body: &str, kind: ErrorKind, message: &str) {
        let failure = Reported::read(body.as_bytes()).into_failure(status);
        assert_eq!((failure.kind, failure.message.as_str()), (kind, message), "{body}");
    }

    #[test]
    fn a_status_decides() {
        check(
            401,
            r#"{"error":{"message":"bad key","type":"x"}}"#,
            ErrorKind::Unauthenticated,
            "bad key",
        );
        check(429, r#"{"error":"slow down"}"#, ErrorKind::RateLimited, "slow down");
        check(
            529,
            r#"{"type":"error","error":{"type":"overloaded_error","message":"busy"}}"#,
            ErrorKind::Unavailable,
            "busy",
        );
        check(422, r#"{"detail":[{"msg":"no"}]}"#, ErrorKind::Invalid, r#"[{"msg":"no"}]"#);
    }

    #[test]
    fn a_blank_message_is_none() {
        for body in [
            "",
            " \n",
            r#"{"error":" "}"#,
            r#"{"error":{"message":"\t"}}"#,
            r#"{"detail":" "}"#,
            r#"{"detail":null}"#,
        ] {
            check(
                500,
                body,
                ErrorKind::Unavailable,
                "the provider answered with status 500 and no message",
            );
        }
    }

    #[test]
    fn a_code_decides_what_a_status_leaves_open() {
        check(
            429,
            r#"{"error":{"message":"pay","code":"insufficient_quota"}}"#,
            ErrorKind::QuotaExceeded,
            "pay",
        );
        check(
            400,
            r#"{"error":{"message":"m","code":"context_length_exceeded"}}"#,
            ErrorKind::ContextOverflow,
            "m",
        );
        check(0, r#"{"error":{"message":"m","code":429}}"#, ErrorKind::RateLimited, "m");
        check(
            0,
            r#"{"type":"error","error":{"type":"rate_limit_error","message":"m"}}"#,
            ErrorKind::RateLimited,
            "m",
        );
    }

    #[test]
    fn words_tell_a_prompt_that_is_too_long() {
        let text = "prompt is too long: 210000 tokens > 200000 maximum";
        check(
            400,
            &format!(r#"{{"error":{{"message":"{text}"}}}}"#),
            ErrorKind::ContextOverflow,
            text,
        );
    }

    #[test]
    fn a_web_page_is_not_shown() {
        let failure = Reported::read(b"<html><h1>502</h1></html>").into_failure(502);
        assert!(failure.kind == ErrorKind::Unavailable && !failure.message.contains("<h1>"));
    }
}
