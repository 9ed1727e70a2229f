//! A failure in this protocol's words.
//!
//! Written by the client face as the body of an error answer and inside streams. The words are OpenAI's where it has one, and
//! Codex acts on some of them: `context_length_exceeded`, `insufficient_quota`, `rate_limit_exceeded`.

use serde_json::{Value, json};
use sy_types::{ErrorKind, Failure};

/// Returns the type and the code for a kind of failure.
fn words(kind: ErrorKind) -> (&'static str, &'static str) {
    match kind {
        ErrorKind::Invalid => ("invalid_request_error", "invalid_request_error"),
        ErrorKind::Unauthenticated => ("authentication_error", "invalid_api_key"),
        ErrorKind::Forbidden => ("permission_error", "permission_denied"),
        ErrorKind::NotFound => ("invalid_request_error", "not_found"),
        ErrorKind::Conflict => ("conflict_error", "conflict"),
        ErrorKind::TooLarge => ("invalid_request_error", "request_too_large"),
        ErrorKind::ContextOverflow => ("invalid_request_error", "context_length_exceeded"),
        ErrorKind::ContentFiltered => ("invalid_request_error", "content_filter"),
        ErrorKind::Unsupported => ("invalid_request_error", "unsupported"),
        ErrorKind::RateLimited => ("rate_limit_error", "rate_limit_exceeded"),
        ErrorKind::QuotaExceeded => ("insufficient_quota", "insufficient_quota"),
        ErrorKind::Unavailable
        | ErrorKind::Malformed
        | ErrorKind::Cancelled
        | ErrorKind::Internal => ("server_error", "server_error"),
        ErrorKind::Timeout => ("timeout_error", "timeout_error"),
    }
}

/// Returns the code: the one that clients act on, else the provider's own.
pub(super) fn code(failure: &Failure) -> &str {
    let code = words(failure.kind).1;
    match failure.kind {
        ErrorKind::ContextOverflow | ErrorKind::QuotaExceeded | ErrorKind::RateLimited => code,
        _ => failure.code.as_deref().unwrap_or(code),
    }
}

/// The codes that the error of a response may have (`ResponseError` of openai-node 6, read 2026-11), and the two more that
/// OpenAI's servers send and Codex acts on.
const RESPONSE_CODES: [&str; 22] = [
    "server_error",
    "rate_limit_exceeded",
    "invalid_prompt",
    "data_residency_mismatch",
    "bio_policy",
    "vector_store_timeout",
    "invalid_image",
    "invalid_image_format",
    "invalid_base64_image",
    "invalid_image_url",
    "image_too_large",
    "image_too_small",
    "image_parse_error",
    "image_content_policy_violation",
    "invalid_image_mode",
    "image_file_too_large",
    "unsupported_image_media_type",
    "empty_image_file",
    "failed_to_download_image",
    "image_file_not_found",
    "context_length_exceeded",
    "insufficient_quota",
];

/// Returns the code and the message for the error inside a response. A provider's word that is none of the codes goes into the
/// message.
pub(super) fn response_error(failure: &Failure) -> (&'static str, String) {
    let own = code(failure);
    let known = RESPONSE_CODES.into_iter().find(|known| *known == own);
    let code = known.unwrap_or(match failure.kind {
        ErrorKind::Invalid
        | ErrorKind::TooLarge
        | ErrorKind::ContentFiltered
        | ErrorKind::Unsupported
        | ErrorKind::NotFound => "invalid_prompt",
        _ => "server_error",
    });

    let message = stream_message(failure);
    match failure.code.as_deref() {
        Some(word) if known.is_none() && !message.contains(word) => {
            (code, format!("{message} ({word})"))
        }
        _ => (code, message),
    }
}

/// Writes the error object.
pub(super) fn object(failure: &Failure) -> Value {
    json!({
        "message": failure.message,
        "type": words(failure.kind).0,
        "param": failure.param,
        "code": code(failure),
    })
}

/// Returns the message for a stream. Codex waits as long as the words say, since a stream has no headers left for it.
pub(super) fn stream_message(failure: &Failure) -> String {
    match failure.retry_after {
        Some(wait)
            if failure.kind == ErrorKind::RateLimited
                && !failure.message.contains("try again in") =>
        {
            format!("{} Please try again in {}s.", failure.message, wait.as_secs().max(1))
        }
        _ => failure.message.clone(),
    }
}
