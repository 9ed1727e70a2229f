//! One call to one target: credential, bytes out, and the answer up to its first content.
//!
//! Called by the pipeline for each step of a request's course. It deliberately decides nothing: every failure goes back to
//! `retry`.

use bytes::Bytes;
use http::{HeaderMap, header};
use jiff::Timestamp;
use sy_credentials::Verdict;
use sy_protocol::weight::HEAVY;
use sy_protocol::{
    Encoded, FrameReader, Framing, Inbound, Outgoing, StreamDecoder, StreamForm, ToolAnswers,
    Upstream,
};
use sy_types::chat::{ChatResponse, Dropped, Fold};
use sy_types::{AuthScheme, ErrorKind, Failure, HttpCall, Side, Target};
use tokio::time::Instant;

use crate::Inner;
use crate::answer::{Trail, Whole};
use crate::check::is_about_the_key;
use crate::commit::{Committed, commit};
use crate::heavy::run_heavy;
use crate::limits::{self, AnswerLimits};
use crate::plan::Planned;
use crate::rate;
use crate::shown::Shown;
use crate::stream::{Memory, Purpose, Source};
use crate::tally::Tally;
use crate::upstream::{Missed, Reply};
use crate::watch::Watch;

/// How much of a stream is folded at a time.
const FOLD_SIZE: usize = 64 << 10;

/// What a client wants, on all its attempts.
#[derive(Clone, Copy)]
pub(crate) struct Errand<'a> {
    pub(crate) inbound: &'a Inbound,
    /// The caller's headers that a relay passes on.
    pub(crate) passthrough: &'a HeaderMap,
    /// Whether a field that cannot be carried is a failure.
    pub(crate) strict: bool,
    /// How much of an answer is read.
    pub(crate) limits: AnswerLimits,
    /// Whether it is a legacy completion: a text that goes on, and no chat.
    pub(crate) is_legacy: bool,
}

impl Errand<'_> {
    /// Finds the code that speaks to a target.
    fn upstream(&self, target: &Target) -> Result<&'static dyn Upstream, Failure> {
        let upstream = protocol_of(target)?;
        if !self.is_legacy {
            return Ok(upstream);
        }
        let legacy = sy_protocol::legacy_completions();
        if upstream.wire() == legacy.wire() {
            return Ok(legacy);
        }
        let text = format!(
            "{} speaks {}, which has no legacy completions: ask it in /v1/chat/completions, or name a model of a \
             provider that is OpenAI-compatible (openai_chat)",
            target.name(),
            target.protocol
        );
        Err(Failure::new(ErrorKind::Unsupported, Side::Caller, text).with_param("model"))
    }
}

/// A call with its credential on it.
pub(crate) struct Signed<'a> {
    pub(crate) upstream: &'a dyn Upstream,
    pub(crate) target: &'a Target,
    pub(crate) call: HttpCall,
    pub(crate) shown: &'a Shown,
    /// Whether the answer is to be a stream, whose first content has a limit.
    pub(crate) awaits_content: bool,
}

/// What one successful call brought.
pub(crate) enum Reached {
    Whole(Box<Whole>),
    Stream(Committed),
}

impl Inner {
    /// Makes one call to one target, which was first called at `since`.
    pub(crate) async fn attempt(
        &self,
        errand: &Errand<'_>,
        (planned, since): (&Planned, Instant),
        trail: &mut Trail,
        tally: &mut Tally,
    ) -> Result<Reached, Missed> {
        let target = &*planned.target;
        let upstream = errand.upstream(target)?;
        let wants_stream = errand.inbound.head().stream;
        let stream = wants_stream && target.dialect.streaming;
        let outgoing = Outgoing { target, inbound: errand.inbound, stream };
        let Encoded { mut call, relay, dropped, tools } =
            run_heavy(errand.inbound.is_heavy(), || sy_protocol::encode(upstream, &outgoing))?;
        if errand.strict && dropped.iter().any(Dropped::is_loss) {
            return Err(not_carried(target, &dropped).into());
        }
        if relay {
            pass_on(errand.passthrough, &mut call.headers);
        }
        (trail.relay, trail.dropped) = (relay, dropped);
        let shown = self.sign(planned, &mut call)?;

        let signed = Signed { upstream, target, call, shown: &shown, awaits_content: stream };
        let (reply, mut watch) = self
            .call(signed, since, trail, tally)
            .await
            .map_err(|missed| with_notice(missed, target))?;
        tally.begun = true;
        errand.inbound.was_sent();
        if stream && !is_whole(&reply.headers, upstream.framing()) {
            // A client that wants its stream in another form than the provider sends cannot have the bytes as they are.
            let relay = relay && errand.inbound.head().form == StreamForm::Sse;
            let hide_usage = relay && upstream.adds_usage(&outgoing);
            let decoder = match relay {
                true => upstream.relay_decoder(),
                false => tools.decoder(sy_protocol::stream_decoder(upstream, target)),
            };
            let purpose = Purpose { relay, hide_usage };
            let memory = Memory::new(errand.inbound.account(), errand.limits.event);
            let source = Source::open(upstream, decoder, reply.body, watch, purpose, memory);
            return Ok(Reached::Stream(commit(source, shown, tally).await?));
        }
        let translation = (upstream, target, &tools);
        let relay = relay && !wants_stream;
        let read = read_whole(translation, reply, &mut watch, errand, relay).await;
        let (raw, response) = read.map_err(|failure| shown.tell(failure))?;
        tally.note_whole(&response);
        if raw.is_none() {
            trail.dropped.extend(response.unmapped.iter().cloned());
        }
        Ok(match raw {
            _ if wants_stream => Reached::Stream(Committed::from_events(response.to_events())),
            Some(raw) => Reached::Whole(Box::new(Whole { raw: Some(raw), response: None })),
            None => Reached::Whole(Box::new(Whole { raw: None, response: Some(response) })),
        })
    }

    /// Sends a call, counts it, and sorts the answer by its status. The clock of the call comes
    /// with the answer.
    pub(crate) async fn call(
        &self,
        signed: Signed<'_>,
        since: Instant,
        trail: &mut Trail,
        tally: &mut Tally,
    ) -> Result<(Reply, Watch), Missed> {
        let Signed { upstream, target, call, shown, awaits_content } = signed;
        let ready = self.connector.prepare(target, call)?;
        trail.attempts += 1;
        tally.is_sent = true;

        // Making a client takes its time, which is not the provider's.
        let mut watch = Watch::start(&target.timeouts, since);
        if awaits_content {
            watch.await_content();
        }
        let sent = self.connector.send(ready, &mut watch).await;
        let reply = sent.map_err(|missed| {
            let Missed { failure, broke } = missed;
            Missed { failure: shown.tell(failure), broke }
        })?;
        let accepted = accepted(shown, upstream, reply, &mut watch, trail).await;
        self.note_outcome(shown, &accepted);
        let reply = accepted.map_err(|failure| shown.tell(failure))?;
        Ok((reply, watch))
    }

    /// Puts the provider's credential on a call.
    pub(crate) fn sign(&self, planned: &Planned, call: &mut HttpCall) -> Result<Shown, Failure> {
        let (target, row) = (&planned.target, &planned.provider.row);
        let config = self.config.load_full();
        if target.auth == AuthScheme::None {
            return Ok(Shown::new(None, target, &config));
        }
        match self.credentials.lease(&target.provider, &row.env, None) {
            Ok(lease) => {
                sy_credentials::apply(&lease, target.auth, call)?;
                Ok(Shown::new(Some(lease), target, &config))
            }
            // A server on this machine usually wants no key.
            Err(failure) if !row.needs_key && failure.kind == ErrorKind::Unauthenticated => {
                Ok(Shown::new(None, target, &config))
            }
            Err(failure) => Err(failure),
        }
    }
}

/// A model that the provider does not know either has a typing error: what it may have been is told
/// then.
fn with_notice(mut missed: Missed, target: &Target) -> Missed {
    let failure = &mut missed.failure;
    if let Some(notice) =
        target.info.notice.as_ref().filter(|_| failure.kind == ErrorKind::NotFound)
    {
        failure.message = format!("{} ({notice})", failure.message);
    }
    missed
}

impl Inner {
    /// Remembers whether the provider took the credential. Other failures say nothing about it.
    pub(crate) fn note_outcome(&self, shown: &Shown, reply: &Result<Reply, Failure>) {
        let Some(lease) = shown.lease() else { return };
        let (verdict, status) = match reply {
            Ok(reply) => (Verdict::Ok, reply.status.as_u16()),
            Err(failure) if is_about_the_key(failure) => {
                (Verdict::Rejected, failure.status.unwrap_or_default())
            }
            Err(_) => return,
        };
        self.credentials.note(shown.provider(), lease, verdict, status);
    }
}

/// Sorts an answer by its status and content type.
pub(crate) async fn accepted(
    shown: &Shown,
    upstream: &dyn Upstream,
    mut reply: Reply,
    watch: &mut Watch,
    trail: &mut Trail,
) -> Result<Reply, Failure> {
    if rate::has_limits(&reply.headers) {
        trail.rate_limit = shown.without_secrets(rate::limits(&reply.headers, Timestamp::now()));
    }
    if reply.status.is_redirection() {
        return Err(redirected(&reply));
    }
    if !reply.status.is_success() {
        // A body that cannot be read leaves the status, which says the most.
        let mut body = reply.body.beginning(watch).await;
        shown.hide_in(&mut body);
        let mut failure = upstream.decode_failure(reply.status.as_u16(), &body);
        let asked = rate::retry_after(&reply.headers, Timestamp::now());
        failure.retry_after = asked.or(failure.retry_after);
        return Err(failure);
    }
    if media_type(&reply.headers) == "text/html" {
        return Err(Failure::provider(
            ErrorKind::Malformed,
            "a web page came instead of an API answer: a proxy or the base URL is wrong",
        )
        .with_status(reply.status.as_u16()));
    }
    Ok(reply)
}

/// Finds the code for a target's protocol.
pub(crate) fn protocol_of(target: &Target) -> Result<&'static dyn Upstream, Failure> {
    sy_protocol::upstream(target.protocol).ok_or_else(|| {
        let text = format!(
            "{} speaks the protocol {}, which this build does not know",
            target.name(),
            target.protocol
        );
        Failure::new(ErrorKind::Unsupported, Side::Gateway, text)
    })
}

/// Adds the caller's own feature switches; what the target's configuration says stays.
pub(crate) fn pass_on(passthrough: &HeaderMap, headers: &mut HeaderMap) {
    for (name, value) in passthrough {
        // Lists of beta features add up; of anything else there is one.
        if name.as_str().ends_with("-beta") || !headers.contains_key(name) {
            headers.append(name, value.clone());
        }
    }
}

fn redirected(reply: &Reply) -> Failure {
    let status = reply.status.as_u16();
    let to = reply.headers.get(header::LOCATION).and_then(|value| value.to_str().ok());
    // Only the host is told: a redirect may carry a token in its query.
    let host = to
        .and_then(|to| url::Url::parse(to).ok())
        .and_then(|url| url.host_str().map(str::to_owned));
    let host = host.unwrap_or_else(|| "another path".to_owned());
    let text = format!(
        "the provider answered with a redirect ({status}) to {host}, which is not followed: check the provider's base URL"
    );
    Failure::provider(ErrorKind::Malformed, text).with_status(status)
}

/// Reads a whole answer. For a relay its bytes come with it where they are one JSON body, and it is only looked at.
async fn read_whole(
    (upstream, target, tools): (&dyn Upstream, &Target, &ToolAnswers),
    mut reply: Reply,
    watch: &mut Watch,
    errand: &Errand<'_>,
    relay: bool,
) -> Result<(Option<Bytes>, ChatResponse), Failure> {
    let Errand { inbound, limits, .. } = *errand;
    let raw = reply.body.whole(watch, limits.whole, inbound.account()).await?;
    let is_heavy = raw.len() > HEAVY;
    // What is decoded lives until it was written for the client.
    inbound.keep(limits::charge_whole(inbound.account(), &raw)?);

    if media_type(&reply.headers) == "text/event-stream" {
        let decoder = tools.decoder(sy_protocol::stream_decoder(upstream, target));
        let folded = run_heavy(is_heavy, || fold(decoder, &raw, limits.event));
        return folded.map(|response| (None, response));
    }
    if relay {
        let response = run_heavy(is_heavy, || upstream.relay_response(&raw))?;
        return Ok((Some(raw), response));
    }
    let response =
        run_heavy(is_heavy, || tools.whole(sy_protocol::decode_response(upstream, target, &raw)?))?;
    Ok((None, response))
}

/// Folds a stream that came where a whole answer was asked for: some providers know nothing else.
fn fold(
    mut decoder: Box<dyn StreamDecoder>,
    raw: &Bytes,
    limit: usize,
) -> Result<ChatResponse, Failure> {
    let mut reader = FrameReader::new(Framing::Sse, limit);
    let (mut fold, mut events) = (Fold::default(), Vec::new());

    // In pieces, as if they had just come: the frames of a whole answer would take more than the answer.
    let starts = (0..raw.len()).step_by(FOLD_SIZE).map(Some);
    for start in starts.chain([None]) {
        let batch = match start {
            Some(at) => reader.push(&raw.slice(at..raw.len().min(at + FOLD_SIZE)))?,
            None => reader.finish(),
        };
        for frame in &batch.frames {
            decoder.decode(frame, &mut events)?;
            events.drain(..).for_each(|event| fold.push(&event));
            if fold.is_finished() {
                return fold.into_response();
            }
        }
    }

    decoder.finish(&mut events);
    events.drain(..).for_each(|event| fold.push(&event));
    let is_finished = fold.is_finished();
    let response = fold.into_response()?;
    if is_finished {
        return Ok(response);
    }
    Err(Failure::provider(
        ErrorKind::Malformed,
        "the provider's stream ended before the answer was complete",
    ))
}

/// Returns true when an answer to a streaming request is one JSON body.
fn is_whole(headers: &HeaderMap, framing: Framing) -> bool {
    framing == Framing::Sse && media_type(headers) == "application/json"
}

/// Returns the content type without its parameters.
fn media_type(headers: &HeaderMap) -> &str {
    let value =
        headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim()
}

pub(crate) fn not_carried(target: &Target, dropped: &[Dropped]) -> Failure {
    let lost = || dropped.iter().filter(|dropped| dropped.is_loss());
    let fields: Vec<String> =
        lost().map(|dropped| format!("{} ({})", dropped.field, dropped.reason)).collect();
    let text = format!(
        "{} cannot take {}: leave that out, choose another model, or switch strict mode off",
        target.name(),
        fields.join(", ")
    );
    let failure = Failure::new(ErrorKind::Unsupported, Side::Caller, text);
    match lost().next() {
        Some(first) => failure.with_param(first.field.clone()),
        None => failure,
    }
}
