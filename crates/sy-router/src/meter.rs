//! Writes down how a request ended, whichever way it ended.
//!
//! Begun first and carried through the whole pipeline; what is not settled when it is dropped was left by the client. It
//! deliberately tells once: the first settling wins.

use std::sync::{Arc, OnceLock};

use sy_protocol::Inbound;
use sy_types::chat::Usage;
use sy_types::{Failure, RequestContext, Target};
use tokio::time::Instant;

use crate::Inner;
use crate::answer::{Attempted, Refused, Trail};
use crate::plan::shown_name;
use crate::record::{Observer, Outcome, Record};
use crate::tally::Tally;

/// The meter of one request.
pub(crate) struct Meter {
    observer: Arc<dyn Observer>,
    /// Why requests are cut off by ourselves, once they are.
    closed: Arc<OnceLock<Failure>>,
    began: Instant,
    /// Gone once it was told.
    record: Option<Box<Record>>,
    /// For the estimate of prompt tokens.
    inbound: Option<Arc<Inbound>>,
    /// Whose price counts.
    target: Option<Arc<Target>>,
    /// What went by so far.
    pub(crate) tally: Tally,
}

impl std::fmt::Debug for Meter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Meter")
            .field("record", &self.record)
            .field("tally", &self.tally)
            .finish_non_exhaustive()
    }
}

impl Meter {
    /// Starts the meter of a request for the named model.
    pub(crate) fn begin(inner: &Inner, ctx: &RequestContext, model: &str) -> Self {
        let record = Record {
            request_id: ctx.id.clone(),
            principal: ctx.principal.clone(),
            caller_protocol: None,
            requested_model: shown_name(model),
            provider: Arc::default(),
            model: Arc::default(),
            outcome: Outcome::ClientGone,
            attempts: 0,
            failed_before: Vec::new(),
            stream: false,
            relay: false,
            dropped: Vec::new(),
            first_byte: None,
            duration: std::time::Duration::ZERO,
            usage: Usage::default(),
            usage_estimated: false,
            cost_usd: 0.0,
        };
        Self {
            observer: Arc::clone(&inner.observer),
            closed: Arc::clone(&inner.closed),
            began: Instant::now(),
            record: Some(Box::new(record)),
            inbound: None,
            target: None,
            tally: Tally::default(),
        }
    }

    /// Starts the meter of a chat request.
    pub(crate) fn begin_chat(inner: &Inner, ctx: &RequestContext, inbound: &Arc<Inbound>) -> Self {
        let mut meter = Self::begin(inner, ctx, &inbound.head().model);
        if let Some(record) = &mut meter.record {
            record.caller_protocol = inbound.protocol();
            record.stream = inbound.head().stream;
        }
        meter.inbound = Some(Arc::clone(inbound));
        meter
    }

    /// A target is called: from now on the request counts as its.
    pub(crate) fn turn_to(&mut self, target: &Arc<Target>) {
        self.target = Some(Arc::clone(target));
        let former = std::mem::take(&mut self.tally);
        if let Some(record) = &mut self.record {
            record.provider = Arc::clone(&target.provider);
            record.model = Arc::clone(&target.model);
            record.attempts += u32::from(former.is_sent);
        }
    }

    /// Takes over who was asked by a call that has no price.
    pub(crate) fn called(&mut self, trail: &Trail) {
        if let Some(record) = &mut self.record {
            record.provider = Arc::clone(&trail.provider);
            record.model = Arc::clone(&trail.model);
            record.attempts = trail.attempts;
        }
    }

    /// A target began to answer.
    pub(crate) fn reached(&mut self, trail: &Trail) {
        if let Some(record) = &mut self.record {
            record.relay = trail.relay;
            record.dropped.clone_from(&trail.dropped);
            record.first_byte = Some(self.began.elapsed());
        }
    }

    /// Takes over who failed or was passed over before the target that answers.
    pub(crate) fn failed_before(&mut self, failed: Vec<Attempted>) {
        if let Some(record) = &mut self.record {
            record.failed_before = failed;
        }
    }

    /// The answer was handed over.
    pub(crate) fn answered(&mut self) {
        self.settle(Outcome::Answered);
    }

    /// The answer broke off after it had begun.
    pub(crate) fn broke(&mut self, failure: &Failure) {
        self.settle(Outcome::Broken(failure.clone()));
    }

    /// Nobody answered.
    pub(crate) fn refuse(
        mut self,
        failure: Failure,
        trail: Trail,
        attempts: Vec<Attempted>,
    ) -> Refused {
        self.settle(Outcome::Failed(failure.clone()));
        Refused { failure, trail, attempts: attempts.into_boxed_slice() }
    }

    fn settle(&mut self, outcome: Outcome) {
        let Some(mut record) = self.record.take() else { return };
        record.attempts += u32::from(self.tally.is_sent);
        let prompt = || self.inbound.as_deref().map_or(0, crate::count::estimate);
        (record.usage, record.usage_estimated) = match outcome {
            Outcome::Failed(_) => (Usage::default(), false),
            Outcome::Answered | Outcome::Broken(_) | Outcome::ClientGone => {
                self.tally.usage(prompt)
            }
        };
        record.cost_usd =
            self.target.as_ref().map_or(0.0, |target| target.info.price.cost_usd(&record.usage));
        record.outcome = outcome;
        record.duration = self.began.elapsed();
        self.observer.finished(&record);
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        let has_begun = self.record.as_ref().is_some_and(|record| record.first_byte.is_some());
        self.settle(match self.closed.get() {
            // A client that closes the connection with the last byte has got everything.
            _ if self.tally.finished => Outcome::Answered,
            None => Outcome::ClientGone,
            Some(failure) if has_begun => Outcome::Broken(failure.clone()),
            Some(failure) => Outcome::Failed(failure.clone()),
        });
    }
}
