//! One line per request, written when it is over.
//!
//! The fields are a fixed vocabulary, so that lines can be searched by machine. Tokens, cost and times only: no text of anybody.

use std::time::Duration;

use sy_router::{Outcome, Record};
use sy_types::Failure;
use tracing::info;

use crate::caller::Caller;

/// Writes the line of a request that was answered without the router.
pub(super) fn answered(caller: &Caller, path: &str, status: u16, duration: Duration) {
    info!(
        target: "access",
        id = caller.context.id.as_str(),
        principal = caller.context.principal.name(),
        path,
        status,
        duration_ms = milliseconds(duration),
        "request"
    );
}

/// Writes the line of a request whose client left before there was an answer.
pub(super) fn left(caller: &Caller, path: &str, status: u16, duration: Duration) {
    info!(
        target: "access",
        id = caller.context.id.as_str(),
        principal = caller.context.principal.name(),
        path,
        status,
        outcome = "client_gone",
        duration_ms = milliseconds(duration),
        "request"
    );
}

/// Writes the line of a request that was refused before the router.
pub(super) fn refused(
    caller: &Caller,
    path: &str,
    status: u16,
    duration: Duration,
    failure: &Failure,
) {
    info!(
        target: "access",
        id = caller.context.id.as_str(),
        principal = caller.context.principal.name(),
        path,
        status,
        duration_ms = milliseconds(duration),
        error = failure.kind.name(),
        reason = failure.message.as_str(),
        "request"
    );
}

/// Writes the line of an exchange with a provider.
pub(super) fn exchange(record: &Record) {
    let (error, reason) = match &record.outcome {
        Outcome::Failed(failure) | Outcome::Broken(failure) => {
            (Some(failure.kind.name()), Some(failure.message.as_str()))
        }
        Outcome::Answered | Outcome::ClientGone => (None, None),
    };
    let dropped = (!record.dropped.is_empty())
        .then(|| record.dropped.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "));
    let failed_before = sy_router::failed_words(&record.failed_before);
    info!(
        target: "access",
        id = record.request_id.as_str(),
        principal = record.principal.name(),
        protocol = record.caller_protocol.map(sy_types::ProtocolId::as_str),
        requested = &*record.requested_model,
        provider = &*record.provider,
        model = &*record.model,
        status = super::status_of(record),
        outcome = record.outcome.name(),
        attempts = record.attempts,
        stream = record.stream,
        relay = record.relay,
        first_byte_ms = record.first_byte.map(milliseconds),
        duration_ms = milliseconds(record.duration),
        input_tokens = record.usage.input,
        output_tokens = record.usage.output,
        estimated = record.usage_estimated,
        cost_usd = record.cost_usd,
        error,
        reason,
        failed_before,
        dropped,
        "request"
    );
}

/// Milliseconds with three digits behind the point.
fn milliseconds(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1000.0
}
