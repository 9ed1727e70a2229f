//! An answer on its way out: headers, a whole body, or a stream in the caller's dialect.
//!
//! Called by `exchange`. Relayed bytes are passed on as they are; translated events go through the dialect's encoder. A
//! stream that breaks, or that shutdown cuts, ends with the dialect's own error event.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use http_body::Frame;
use sy_protocol::weight::{self, HEAVY};
use sy_protocol::{Downstream, StreamEncoder, StreamForm};
use sy_router::{AnswerStream, Chunk, Trail, run_heavy};
use sy_types::chat::StreamEvent;
use sy_types::memory::megabytes;
use sy_types::{Failure, MemoryCharge};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::caller::{Caller, REQUEST_ID};

const PROVIDER: HeaderName = HeaderName::from_static("x-switchyard-provider");
const MODEL: HeaderName = HeaderName::from_static("x-switchyard-model");
const ATTEMPTS: HeaderName = HeaderName::from_static("x-switchyard-attempts");
/// What the caller should know of the model: that nobody listed it, say.
const NOTE: HeaderName = HeaderName::from_static("x-switchyard-note");
/// Tells the SDKs of OpenAI and Anthropic, which would try every 429 and 5xx again, not to.
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");
const DROPPED: HeaderName = HeaderName::from_static("x-switchyard-dropped");
/// The headers of an answer that a web page may read beside the common ones.
pub(crate) const SHOWN: [HeaderName; 7] =
    [REQUEST_ID, PROVIDER, MODEL, ATTEMPTS, NOTE, DROPPED, header::RETRY_AFTER];
/// How much of a stream is gathered for one write to the client.
const WRITE_SIZE: usize = 16 << 10;
/// How long gathering goes on while there always is more.
const GATHER_TIME: Duration = Duration::from_millis(1);
/// How many polls may bring nothing before what was gathered is written. The HTTP library polls a body twice before it
/// gives the turn to others, so the third poll is the first behind a turn of the provider's connection.
const IDLE_POLLS: u8 = 2;
/// Smaller changes of what a stream takes are not charged one by one.
const CHARGE_STEP: u64 = 64 << 10;
/// Pieces of at least this size are charged until they were sent.
const CHARGED_PIECE: usize = 128 << 10;
/// The longest list of dropped fields that is named in a header; the log has the rest.
const DROPPED_LIMIT: usize = 1500;

/// Makes a JSON answer with the headers that say who answered.
pub(crate) fn json(
    caller: &Caller,
    trail: Option<&Trail>,
    status: StatusCode,
    body: Bytes,
) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    sign(response.headers_mut(), caller, trail);
    response
}

/// Makes the answer to a refused request in the caller's dialect.
pub(crate) fn refusal(
    caller: &Caller,
    trail: Option<&Trail>,
    dialect: &dyn Downstream,
    failure: &Failure,
) -> Response {
    let status = crate::failure::status(failure, dialect.overloaded_status());
    let body = dialect.encode_failure(failure, status.as_u16(), caller.context.id.as_str());
    let mut response = json(caller, trail, status, body);
    if crate::failure::is_lasting(failure) {
        response.headers_mut().insert(SHOULD_RETRY, HeaderValue::from_static("false"));
    }
    if let Some(wait) = failure.retry_after {
        // Seconds, rounded up: a client that waits that long does not come too early.
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// What a streamed answer is made of.
pub(crate) struct StreamParts {
    /// The provider's answer.
    pub(crate) answer: AnswerStream,
    /// Writes it in the caller's dialect.
    pub(crate) encoder: Box<dyn StreamEncoder>,
    /// What is kept and what waits to be sent is charged to it.
    pub(crate) memory: MemoryCharge,
    /// Cancelled when the time for draining is over.
    pub(crate) cut: CancellationToken,
}

/// Makes a streamed answer.
pub(crate) fn stream(
    caller: &Caller,
    trail: &Trail,
    parts: StreamParts,
    form: StreamForm,
) -> Response {
    let StreamParts { answer, encoder, memory, cut } = parts;
    let body = Relay {
        answer: Some(answer),
        encoder,
        kept: 0,
        memory,
        cut: Box::pin(cut.cancelled_owned()),
        buffer: BytesMut::new(),
        since: None,
        idle_polls: 0,
    };
    let mut response = Response::new(Body::new(body));
    let headers = response.headers_mut();
    let content_type = match form {
        StreamForm::Sse => "text/event-stream",
        StreamForm::JsonArray => "application/json",
    };
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    // Reverse proxies hold events back without it.
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    sign(headers, caller, Some(trail));
    response
}

fn sign(headers: &mut HeaderMap, caller: &Caller, trail: Option<&Trail>) {
    headers.insert(REQUEST_ID, caller.id_header());
    let Some(trail) = trail else { return };
    headers.insert(ATTEMPTS, HeaderValue::from(trail.attempts));
    // Without a provider nobody was asked, so there is nothing more to tell.
    if trail.provider.is_empty() {
        return;
    }
    let mut set = |name: HeaderName, text: &str| {
        if let Ok(value) = HeaderValue::from_str(text) {
            headers.insert(name, value);
        }
    };
    set(PROVIDER, &trail.provider);
    set(MODEL, &trail.model);
    if let Some(note) = &trail.note {
        set(NOTE, &shown_text(note));
    }
    if !trail.dropped.is_empty() {
        set(DROPPED, &dropped_list(trail));
    }
    for (name, value) in &trail.rate_limit {
        headers.insert(name, value.clone());
    }
}

/// Returns a sentence as a header can hold it: names in it come from callers.
fn shown_text(text: &str) -> String {
    let letters = text.chars().take(DROPPED_LIMIT);
    letters.map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' }).collect()
}

/// Lists the fields that were dropped or changed, and how, as many as a header can hold.
fn dropped_list(trail: &Trail) -> String {
    let mut list = String::new();
    for (index, dropped) in trail.dropped.iter().enumerate() {
        let item = dropped.to_string();
        if list.len() + item.len() > DROPPED_LIMIT {
            list.push_str(&format!(", and {} more", trail.dropped.len() - index));
            break;
        }
        if index > 0 {
            list.push_str(", ");
        }
        list.extend(item.chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' }));
    }
    list
}

/// The body of a streamed answer. Dropping it (the client left) drops the answer, which cancels the provider's work.
///
/// A provider's connection hands its chunks over one by one, even those that arrived together, and each write to a socket
/// costs more than all other work on a chunk. So what is ready is gathered, and when nothing more is, the task goes once
/// round the scheduler, which lets the provider's connection hand over the next; only then it is written. That delays a
/// chunk by microseconds and never waits for the network.
struct Relay {
    /// Gone once the stream has ended.
    answer: Option<AnswerStream>,
    encoder: Box<dyn StreamEncoder>,
    /// How many bytes the encoder may keep until the stream ends.
    kept: usize,
    memory: MemoryCharge,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    /// What was gathered.
    buffer: BytesMut,
    /// When the first of it came.
    since: Option<Instant>,
    /// How many polls brought nothing since the last of it.
    idle_polls: u8,
}

impl Relay {
    /// Gathers what is ready. Completes when there is enough to write, or nothing more will come.
    fn poll_gather(&mut self, context: &mut Context<'_>) -> Poll<()> {
        while let Some(answer) = &mut self.answer {
            let next = match answer.poll_next_unpin(context) {
                Poll::Ready(next) => next,
                Poll::Pending if !self.buffer.is_empty() => return self.poll_idle(context),
                Poll::Pending => {
                    if self.cut.as_mut().poll(context).is_pending() {
                        return Poll::Pending;
                    }
                    Some(Err(crate::failure::shutting_down()))
                }
            };
            self.idle_polls = 0;
            match next {
                None => self.answer = None,
                Some(Err(failure)) => self.fail(&failure),
                Some(Ok(Chunk { raw: Some(raw), .. })) => self.buffer.extend_from_slice(&raw),
                Some(Ok(Chunk { raw: None, events })) => self.encode(&events),
            }
            if self.buffer.len() >= WRITE_SIZE {
                break;
            }
        }
        Poll::Ready(())
    }

    /// Writes events. What the encoder keeps of them is charged before it does; a stream that takes too much ends here.
    fn encode(&mut self, events: &[StreamEvent]) {
        let repeats = self.encoder.repeats_answer();
        let more: usize = events.iter().map(|event| weight::kept_of(event, repeats)).sum();
        self.kept += more;
        if let Err(failure) = self.settle() {
            self.fail(&failure);
            return;
        }

        let ends = events.iter().any(|event| matches!(event, StreamEvent::Finish { .. }));
        let is_heavy = more > HEAVY || (ends && self.kept > HEAVY);
        run_heavy(is_heavy, || {
            events.iter().for_each(|event| self.encoder.encode(event, &mut self.buffer));
        });
    }

    /// Charges what is kept and what waits to be sent, where that changed by more than a little.
    fn settle(&mut self) -> Result<(), Failure> {
        let bytes = (self.kept + self.buffer.len()) as u64;
        if bytes.abs_diff(self.memory.bytes()) <= CHARGE_STEP {
            return Ok(());
        }
        self.memory.resize(bytes, || {
            format!("the answer, of which {} are kept until its end,", megabytes(bytes))
        })
    }

    /// Ends the stream with the dialect's own error event, and the provider's work with it.
    fn fail(&mut self, failure: &Failure) {
        self.answer = None;
        self.encoder.fail(failure, &mut self.buffer);
    }

    /// Gives the turn to others before what was gathered is written.
    fn poll_idle(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let is_over = self.idle_polls == 0
            && self.since.get_or_insert_with(Instant::now).elapsed() >= GATHER_TIME;
        if is_over || self.idle_polls == IDLE_POLLS {
            return Poll::Ready(());
        }
        self.idle_polls += 1;
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

impl http_body::Body for Relay {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.poll_gather(context).is_pending() {
            return Poll::Pending;
        }
        (self.since, self.idle_polls) = (None, 0);
        // Nothing is kept: most open streams are waiting for their next chunk.
        let mut bytes = std::mem::take(&mut self.buffer).freeze();
        if bytes.len() >= CHARGED_PIECE {
            let charge = self.memory.account().charge(bytes.len() as u64, String::new);
            bytes = charge.map_or_else(|_| bytes.clone(), |charge| charge.tie_to(bytes.clone()));
        }
        Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.answer.is_none() && self.buffer.is_empty()
    }
}
