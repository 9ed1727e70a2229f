//! What the router hands back: an answer, or a refusal, and the trail that led to it.
//!
//! Made by the pipeline, read by the server. It deliberately knows no status code and no dialect.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use sy_types::chat::{ChatResponse, Dropped, StreamEvent};
use sy_types::{ErrorKind, Failure, ProtocolId, Target};

use crate::commit::AnswerStream;

/// An answer and how it came about.
#[derive(Debug)]
pub struct Answer {
    /// How it came about.
    pub trail: Trail,
    /// What failed or was passed over before, in order.
    pub failed_before: Vec<Attempted>,
    /// The answer.
    pub body: Body,
}

/// The answer itself.
#[derive(Debug)]
pub enum Body {
    /// In one piece.
    Whole(Whole),
    /// Piece by piece.
    Stream(AnswerStream),
}

/// A whole answer: the provider's bytes where the client speaks the provider's language, else its meaning.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Whole {
    /// The provider's body as it came, to be relayed.
    pub raw: Option<Bytes>,
    /// The answer in canonical form, where it must be translated.
    pub response: Option<ChatResponse>,
}

/// A piece of a streamed answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Chunk {
    /// The provider's bytes as they came: whole frames, to be relayed.
    pub raw: Option<Bytes>,
    /// The events to encode where there are no raw bytes; empty beside raw bytes.
    pub events: Vec<StreamEvent>,
}

/// Which way a request went.
#[derive(Clone, Debug, Default)]
pub struct Trail {
    /// The provider that was called last; empty when none was.
    pub provider: Arc<str>,
    /// The model's id within the provider.
    pub model: Arc<str>,
    /// The model's id on the wire.
    pub upstream_model: Arc<str>,
    /// The protocol spoken there.
    pub protocol: Option<ProtocolId>,
    /// How many calls left; none where a target was refused before.
    pub attempts: u32,
    /// What the target could not take.
    pub dropped: Vec<Dropped>,
    /// The provider's rate limit headers under OpenAI's names.
    pub rate_limit: Vec<(HeaderName, HeaderValue)>,
    /// True when the client's own body was relayed.
    pub relay: bool,
    /// What the caller should know of the model, as a sentence: that nobody listed it, say.
    pub note: Option<Arc<str>>,
}

impl Trail {
    /// Turns to the given target and forgets what was learned of the one before.
    pub(crate) fn turn_to(&mut self, target: &Target) {
        self.provider = Arc::clone(&target.provider);
        self.model = Arc::clone(&target.model);
        self.upstream_model = Arc::clone(&target.upstream_model);
        self.protocol = Some(target.protocol);
        self.dropped.clear();
        self.rate_limit.clear();
        self.relay = false;
        self.note.clone_from(&target.info.notice);
    }
}

/// One call that failed, or a target that was passed over.
#[derive(Clone, Debug, PartialEq)]
pub struct Attempted {
    /// The provider.
    pub provider: Arc<str>,
    /// The model's id within the provider, or the name that could not be resolved.
    pub model: Arc<str>,
    /// What kind of failure it was.
    pub kind: ErrorKind,
    /// The failure in one sentence.
    pub message: String,
    /// For how long it still rests, where it was not called because of an earlier request's failure.
    pub rests: Option<Duration>,
}

impl Attempted {
    /// Says who failed and how, in a few words: `openai/gpt-5 was rate limited`.
    pub fn words(&self) -> String {
        let name = match &*self.provider {
            "" => self.model.to_string(),
            provider => format!("{provider}/{}", self.model),
        };
        match self.rests {
            Some(rests) => format!("{name} rests for {} s", rests.as_secs().max(1)),
            None => format!("{name} {}", how_it_failed(self.kind)),
        }
    }
}

/// Says in a few words who failed before somebody answered, each target once.
pub fn failed_words(attempts: &[Attempted]) -> Option<String> {
    let mut told: Vec<String> = Vec::new();
    for words in attempts.iter().map(Attempted::words) {
        // A target that was asked again failed in the same way, mostly.
        if !told.contains(&words) {
            told.push(words);
        }
    }
    (!told.is_empty()).then(|| told.join(", "))
}

fn how_it_failed(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Unauthenticated => "has no valid key",
        ErrorKind::Forbidden => "refused access",
        ErrorKind::NotFound => "was not found",
        ErrorKind::RateLimited => "was rate limited",
        ErrorKind::QuotaExceeded => "has no quota left",
        ErrorKind::Unavailable => "was unavailable",
        ErrorKind::Malformed => "sent an unreadable answer",
        ErrorKind::Timeout => "did not answer in time",
        ErrorKind::TooLarge => "refused the size",
        ErrorKind::ContextOverflow => "has too small a context",
        ErrorKind::ContentFiltered => "refused the content",
        ErrorKind::Unsupported => "cannot do what was asked",
        ErrorKind::Invalid | ErrorKind::Conflict => "refused the request",
        ErrorKind::Cancelled => "was cancelled",
        ErrorKind::Internal => "could not be called",
    }
}

/// A request that nobody answered.
#[derive(Clone, Debug)]
pub struct Refused {
    /// Why. Where several targets failed, the last failure with the others in its message.
    pub failure: Failure,
    /// The target that was tried last.
    pub trail: Trail,
    /// Every failure on the way, in order.
    pub attempts: Box<[Attempted]>,
}
