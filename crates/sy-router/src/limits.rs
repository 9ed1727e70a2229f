//! How much of a provider's answer is read, and what reading it costs.
//!
//! Used by `attempt`, `stream`, `count` and `embed`. A provider is not trusted with our memory: one event and one whole answer
//! have a limit in bytes and in JSON values, and what they are decoded into is charged to the request's account first.

use sy_config::Config;
use sy_protocol::weight::{self, ValueCounter};
use sy_types::memory::{OVER_REQUEST, megabytes};
use sy_types::{ErrorKind, Failure, MemoryAccount, MemoryCharge};

/// What an event may have beside its payload: the limit is of the text or picture in it, and the words around that are ours to
/// allow for.
const ENVELOPE: usize = 256 << 10;
/// The most JSON values of one event: the closing event of a long answer with the probabilities of each token has fewer.
const EVENT_VALUES: u64 = 256 << 10;
/// Below this many bytes an event is too short to cost anything that is worth counting.
const SMALL_EVENT: usize = 64 << 10;

/// How much of a provider's answer is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AnswerLimits {
    /// The largest event of a stream, in bytes.
    pub(crate) event: usize,
    /// The largest whole answer, in bytes.
    pub(crate) whole: usize,
}

impl AnswerLimits {
    /// Reads them from the configuration.
    pub(crate) fn of(config: &Config) -> Self {
        let bytes = |megabytes: u64| {
            usize::try_from(megabytes.saturating_mul(1 << 20)).unwrap_or(usize::MAX)
        };
        let event = bytes(config.server.event_limit_mb).saturating_add(ENVELOPE);
        Self { event, whole: bytes(config.server.answer_limit_mb) }
    }
}

/// Charges what decoding an event costs; nothing for a small one.
///
/// # Errors
/// `Malformed` when it has more values than an event may have, or takes more than the request may; `Unavailable` when all
/// requests together take too much.
pub(crate) fn charge_event(
    account: &MemoryAccount,
    data: &[u8],
) -> Result<Option<MemoryCharge>, Failure> {
    if data.len() <= SMALL_EVENT {
        return Ok(None);
    }
    let values = ValueCounter::count(data);
    if values > EVENT_VALUES {
        let text = format!(
            "the provider sent a stream event of {values} JSON values, and at most {EVENT_VALUES} are read"
        );
        return Err(Failure::provider(ErrorKind::Malformed, text));
    }
    charge_answer(account, data.len(), values).map(Some)
}

/// Charges what decoding a whole answer costs.
///
/// # Errors
/// As [`charge_event`].
pub(crate) fn charge_whole(account: &MemoryAccount, body: &[u8]) -> Result<MemoryCharge, Failure> {
    charge_answer(account, body.len(), ValueCounter::count(body))
}

fn charge_answer(
    account: &MemoryAccount,
    bytes: usize,
    values: u64,
) -> Result<MemoryCharge, Failure> {
    let cost = weight::translation_cost(bytes, values);
    account.charge(cost, || answer_text(bytes, values)).map_err(of_provider)
}

/// Turns what one request took too much into the provider's fault: the client did not write the answer.
pub(crate) fn of_provider(failure: Failure) -> Failure {
    match failure.code.as_deref() {
        Some(OVER_REQUEST) => {
            Failure::provider(ErrorKind::Malformed, failure.message).with_code(OVER_REQUEST)
        }
        _ => failure,
    }
}

/// Words what was charged for an answer.
pub(crate) fn answer_text(bytes: usize, values: u64) -> String {
    let bytes = megabytes(bytes as u64);
    match values {
        0 => format!("the provider's answer of more than {bytes}"),
        values => format!("the provider's answer of {bytes} with {values} JSON values"),
    }
}
