//! What is told of a finished request, and to whom.
//!
//! Written by the meter, read by an observer of the server: access line, counters. It deliberately holds no prompt, no
//! answer and no credential.

use std::sync::Arc;
use std::time::Duration;

use sy_types::chat::{Dropped, Usage};
use sy_types::{ErrorKind, Failure, Principal, ProtocolId, RequestId};

use crate::answer::Attempted;

/// Hears of every finished request.
pub trait Observer: Send + Sync {
    /// Is called exactly once per request: when the answer was handed over, when it failed, or when the client left. It is
    /// called on the request's own path, in part from a destructor, so it must be quick and must not block.
    fn finished(&self, record: &Record);
}

/// How a request ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The answer was handed over as a whole.
    Answered,
    /// Nobody answered.
    Failed(Failure),
    /// The answer began and then broke.
    Broken(Failure),
    /// The client left before the end.
    ClientGone,
}

impl Outcome {
    /// Returns a low-cardinality name for logs and metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Answered => "ok",
            Self::Failed(failure) => failure.kind.name(),
            Self::Broken(_) => "broken_stream",
            Self::ClientGone => "client_gone",
        }
    }

    /// Returns the kind of failure, where it is one.
    pub fn kind(&self) -> Option<ErrorKind> {
        match self {
            Self::Answered => None,
            Self::Failed(failure) | Self::Broken(failure) => Some(failure.kind),
            Self::ClientGone => Some(ErrorKind::Cancelled),
        }
    }
}

/// A finished request.
#[derive(Clone, Debug)]
pub struct Record {
    /// The request's id.
    pub request_id: RequestId,
    /// Who asked.
    pub principal: Principal,
    /// The client's protocol; `None` for a request that was made here or that is no chat.
    pub caller_protocol: Option<ProtocolId>,
    /// The model as the caller named it, cut where it is long.
    pub requested_model: String,
    /// The provider that was called last; empty when none was.
    pub provider: Arc<str>,
    /// The model's id within the provider; empty when none was called.
    pub model: Arc<str>,
    /// How it ended.
    pub outcome: Outcome,
    /// How many calls left; none where a target was refused before.
    pub attempts: u32,
    /// What failed or was passed over before a target answered, in order; empty where none answered.
    pub failed_before: Vec<Attempted>,
    /// Whether a stream was asked for.
    pub stream: bool,
    /// Whether the client's own body was relayed.
    pub relay: bool,
    /// What the target could not take.
    pub dropped: Vec<Dropped>,
    /// From the request until the first content of a stream, or until the headers of a whole answer.
    pub first_byte: Option<Duration>,
    /// From the request until the end.
    pub duration: Duration,
    /// Tokens of the target that answered; zero where none did.
    pub usage: Usage,
    /// True where a count was estimated because the provider did not report it, or the answer was cut.
    pub usage_estimated: bool,
    /// What the tokens cost by the catalog's price, in US dollars.
    pub cost_usd: f64,
}
