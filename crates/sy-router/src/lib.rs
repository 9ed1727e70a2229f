//! Carries one chat request to a working target and its answer back.
//!
//! Map of this crate:
//! - this file: [`Router`] and the pipeline on one page: plan, attempt, commit, meter.
//! - `plan`: a model name, an alias or nothing becomes an ordered list of targets.
//! - `retry`, `cool`: what follows a failure, and which targets rest.
//! - `attempt`: one call to one target; `upstream` and `egress` send it and refuse addresses that must not be called;
//!   `watch` keeps its time limits; `rate` reads its headers; `shown` takes our secrets out of the
//!   provider's words, and `explain` says what helps.
//! - `stream`, `commit`: frames to events to chunks, held back until the first content.
//! - `meter`, `tally`, [`record`]: tokens, cost and outcome, told once whatever happens.
//! - `limits`, `heavy`: how much of an answer is read, and how long work is kept off the runtime's threads.
//! - `lookup`: what the surfaces ask beside sending.
//! - `count`, `weigh`, `embed`: token counting and embeddings along the same course.
//! - `check`: lists a provider's models, and so checks a key at sign-in.
//! - [`answer`]: what comes back.
//!
//! Cancelling is dropping: a dropped future or stream drops the connection to the provider at once. Nothing here knows an
//! HTTP surface, a session or a vendor.

pub mod answer;
mod attempt;
mod check;
mod commit;
mod cool;
mod count;
mod discover;
mod egress;
mod embed;
mod explain;
#[cfg(test)]
mod fixture;
mod heavy;
mod limits;
mod lookup;
mod meter;
mod plan;
mod rate;
pub mod record;
mod retry;
mod shown;
mod stream;
mod tally;
mod upstream;
mod watch;
mod weigh;

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::HeaderMap;
use sy_catalog::Catalog;
use sy_config::Config;
use sy_credentials::Credentials;
use sy_protocol::embeddings::EmbedWire;
use sy_protocol::{Inbound, registry};
use sy_types::{Failure, MemoryAccount, ProtocolId, RequestContext, Target};

pub use answer::{Answer, Attempted, Body, Chunk, Refused, Trail, Whole, failed_words};
pub use check::KeyCheck;
pub use commit::AnswerStream;
pub use count::Counted;
pub use embed::Embedded;
pub use heavy::run_heavy;
pub use record::{Observer, Outcome, Record};

use attempt::{Errand, Reached};
use cool::Cooling;
use embed::EmbedErrand;
use limits::AnswerLimits;
use meter::Meter;
use plan::{Grounds, Plan, Planner};
use retry::Course;
use upstream::Connector;

/// What a router is made of.
pub struct Parts {
    /// Which models exist and how they are reached.
    pub catalog: Catalog,
    /// Our credentials.
    pub credentials: Credentials,
    /// Aliases, defaults, retries.
    pub config: Arc<Config>,
    /// Who hears of every finished request.
    pub observer: Arc<dyn Observer>,
    /// PEM files of further certificate authorities to trust; read when a client is made.
    pub authorities: Vec<PathBuf>,
}

/// Carries requests to targets. Clones share everything.
#[derive(Clone)]
pub struct Router {
    inner: Arc<Inner>,
}

struct Inner {
    catalog: Catalog,
    credentials: Credentials,
    config: ArcSwap<Config>,
    observer: Arc<dyn Observer>,
    /// Shared with the meters.
    closed: Arc<OnceLock<Failure>>,
    planner: Planner,
    cooling: Cooling,
    connector: Connector,
}

impl Router {
    /// Puts a router together. It does no I/O; HTTP clients are made when they are first needed.
    ///
    /// # Errors
    /// None at present; the signature leaves room for parts that can fail to start.
    pub fn new(parts: Parts) -> Result<Self, Failure> {
        let Parts { catalog, credentials, config, observer, authorities } = parts;
        let inner = Inner {
            catalog,
            credentials,
            config: ArcSwap::new(config),
            observer,
            closed: Arc::default(),
            planner: Planner::default(),
            cooling: Cooling::default(),
            connector: Connector::new(authorities),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Takes over a changed configuration. Requests on their way keep the old one; catalog and credentials are told by
    /// whoever tells us.
    pub fn reconfigure(&self, config: Arc<Config>) {
        self.inner.config.store(config);
    }

    /// Says that whatever is dropped unfinished from now on was cut off by ourselves, for this reason, and not left by the
    /// client. It is only for the records: the caller does the cutting.
    pub fn close(&self, reason: Failure) {
        // The first reason counts.
        self.inner.closed.set(reason).ok();
    }

    /// Answers a chat request.
    ///
    /// `passthrough` holds those of the caller's headers that switch on features of its protocol; they are sent only
    /// where the caller's own body is relayed. A stream is returned at its first content; until then other targets may
    /// answer, afterwards none does. Dropping the future or the stream cancels the provider's work.
    ///
    /// # Errors
    /// When no target answered, with what each of them said.
    pub async fn answer(
        &self,
        ctx: &RequestContext,
        inbound: Arc<Inbound>,
        passthrough: HeaderMap,
    ) -> Result<Answer, Refused> {
        self.carry(ctx, inbound, passthrough, false).await
    }

    /// Relays a request in OpenAI's legacy completions form, which must have come as chat completions, to a provider that
    /// has that route. Otherwise as [`Self::answer`].
    ///
    /// # Errors
    /// `Unsupported` where the target speaks another protocol; else as [`Self::answer`].
    pub async fn complete(
        &self,
        ctx: &RequestContext,
        inbound: Arc<Inbound>,
        passthrough: HeaderMap,
    ) -> Result<Answer, Refused> {
        self.carry(ctx, inbound, passthrough, true).await
    }

    async fn carry(
        &self,
        ctx: &RequestContext,
        inbound: Arc<Inbound>,
        passthrough: HeaderMap,
        is_legacy: bool,
    ) -> Result<Answer, Refused> {
        let inner = &*self.inner;
        let config = inner.config.load_full();
        let mut meter = Meter::begin_chat(inner, ctx, &inbound);
        let mut trail = Trail::default();
        let mut plan = inner.plan(&config, &inbound.head().model, inbound.protocol());
        // A provider that was never asked which models it has may have this one.
        if plan.is_err() && inner.discover().await {
            plan = inner.plan(&config, &inbound.head().model, inbound.protocol());
        }
        let plan = match plan {
            Ok(plan) => plan,
            Err(failure) => return Err(meter.refuse(failure, trail, Vec::new())),
        };
        let strict = ctx.strict || config.server.strict;
        let limits = AnswerLimits::of(&config);
        let errand =
            Errand { inbound: &inbound, passthrough: &passthrough, strict, limits, is_legacy };
        let mut course = Course::new(&plan, &inner.cooling, config.retry, ctx.failover);
        while let Some(turn) = course.next() {
            trail.turn_to(&turn.0.target);
            meter.turn_to(&turn.0.target);
            let Target { provider, model, protocol, .. } = &*turn.0.target;
            tracing::debug!(provider = &**provider, model = &**model, %protocol, "asking");
            match inner.attempt(&errand, turn, &mut trail, &mut meter.tally).await {
                Ok(reached) => {
                    inner.cooling.wake(&turn.0.target);
                    return Ok(deliver(reached, trail, course.into_failed(), meter));
                }
                Err(missed) => course.failed(missed).await,
            }
        }
        let (failure, attempts) = course.into_failure();
        Err(meter.refuse(failure, trail, attempts))
    }

    /// Answers an embeddings request in OpenAI's form.
    ///
    /// # Errors
    /// When no target answered, with what each of them said.
    pub async fn embed(&self, ctx: &RequestContext, body: &Bytes) -> Result<Embedded, Refused> {
        let account = MemoryAccount::unlimited();
        self.embed_on(ctx, EmbedWire::OpenAi, body, None, &account).await
    }

    /// Answers an embeddings request on the given wire. `model` is the one in the path, for wires that name it there. What it
    /// takes is charged to `account`.
    ///
    /// # Errors
    /// When no target answered, with what each of them said.
    pub async fn embed_on(
        &self,
        ctx: &RequestContext,
        wire: EmbedWire,
        body: &Bytes,
        model: Option<&str>,
        account: &MemoryAccount,
    ) -> Result<Embedded, Refused> {
        let inner = &*self.inner;
        let config = inner.config.load_full();
        let mut trail = Trail::default();
        let named = match model {
            Some(model) => Ok(model.strip_prefix("models/").unwrap_or(model).to_owned()),
            None => embed::model_of(body),
        };
        let requested = match named {
            Ok(named) => named,
            Err(failure) => {
                return Err(Meter::begin(inner, ctx, "").refuse(failure, trail, Vec::new()));
            }
        };
        let mut meter = Meter::begin(inner, ctx, &requested);
        let caller = match wire {
            EmbedWire::OpenAi => registry::OPENAI_CHAT,
            EmbedWire::GeminiOne | EmbedWire::GeminiBatch => registry::GEMINI_GENERATE,
        };
        let plan = match inner.plan(&config, &requested, Some(caller)) {
            Ok(plan) => plan,
            Err(failure) => return Err(meter.refuse(failure, trail, Vec::new())),
        };
        let (strict, limits) = (ctx.strict || config.server.strict, AnswerLimits::of(&config));
        let errand = EmbedErrand { wire, body, model, strict, limits, account };
        let mut course = Course::new(&plan, &inner.cooling, config.retry, ctx.failover);
        while let Some(turn) = course.next() {
            trail.turn_to(&turn.0.target);
            meter.turn_to(&turn.0.target);
            match inner.embed_at(&errand, turn, &mut trail, &mut meter.tally).await {
                Ok(body) => {
                    inner.cooling.wake(&turn.0.target);
                    meter.reached(&trail);
                    meter.failed_before(course.into_failed());
                    meter.answered();
                    return Ok(Embedded { trail, body });
                }
                Err(missed) => course.failed(missed).await,
            }
        }
        let (failure, attempts) = course.into_failure();
        Err(meter.refuse(failure, trail, attempts))
    }

    /// Counts the tokens of a chat request: by the first target's own word where it has a counting route, else by estimate.
    ///
    /// # Errors
    /// When the model leads nowhere, the request is malformed, or the provider rejects our credential.
    pub async fn count(
        &self,
        ctx: &RequestContext,
        inbound: Arc<Inbound>,
        passthrough: HeaderMap,
    ) -> Result<Counted, Refused> {
        let inner = &*self.inner;
        let config = inner.config.load_full();
        let mut meter = Meter::begin_chat(inner, ctx, &inbound);
        let mut trail = Trail::default();
        let asked = match inner.plan(&config, &inbound.head().model, inbound.protocol()) {
            Ok(plan) => {
                let limits = AnswerLimits::of(&config);
                inner.count_at(&inbound, &passthrough, (&plan, limits), &mut trail).await
            }
            Err(failure) => Err(failure),
        };
        meter.called(&trail);
        let counted = match asked {
            Ok(Some((tokens, raw))) => Counted { trail, tokens, is_estimate: false, raw },
            // An estimate needs the whole request, so its faults are found here.
            Ok(None) => match count::estimate_count(&inbound) {
                Ok(tokens) => Counted { trail, tokens, is_estimate: true, raw: None },
                Err(failure) => return Err(meter.refuse(failure, trail, Vec::new())),
            },
            Err(failure) => return Err(meter.refuse(failure, trail, Vec::new())),
        };
        meter.reached(&counted.trail);
        meter.answered();
        Ok(counted)
    }
}

impl std::fmt::Debug for Router {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Router").finish_non_exhaustive()
    }
}

impl Inner {
    fn plan(
        &self,
        config: &Arc<Config>,
        model: &str,
        caller: Option<ProtocolId>,
    ) -> Result<Arc<Plan>, Failure> {
        let grounds = Grounds { catalog: &self.catalog, credentials: &self.credentials, config };
        self.planner.plan(grounds, model, caller)
    }

    /// Asks the first target for a count; a failure that an estimate answers better than an error becomes `None`.
    async fn count_at(
        &self,
        inbound: &Inbound,
        passthrough: &HeaderMap,
        (plan, limits): (&Plan, AnswerLimits),
        trail: &mut Trail,
    ) -> Result<Option<(u64, Option<Bytes>)>, Failure> {
        let Some(planned) = plan.targets.first() else { return Ok(None) };
        match self.ask_count(inbound, passthrough, (planned, limits), trail).await {
            Ok(counted) => Ok(counted),
            Err(missed) if count::can_be_estimated(&missed.failure) => {
                tracing::debug!(
                    error = missed.failure.kind.name(),
                    "token count falls back to an estimate"
                );
                Ok(None)
            }
            Err(missed) => Err(missed.failure),
        }
    }
}

fn deliver(
    reached: Reached,
    trail: Trail,
    failed_before: Vec<Attempted>,
    mut meter: Meter,
) -> Answer {
    meter.reached(&trail);
    meter.failed_before(failed_before.clone());

    let body = match reached {
        Reached::Whole(whole) => {
            meter.answered();
            Body::Whole(*whole)
        }
        Reached::Stream(committed) => Body::Stream(AnswerStream::new(committed, meter)),
    };
    Answer { trail, failed_before, body }
}
