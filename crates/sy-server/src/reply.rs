//! An answer on its way out: headers, a whole body, or a stream in the caller's dialect.
//!
//! Called by `exchange`. Relayed bytes are passed on as they are; translated events go through the dialect's encoder. A
//! stream that breaks, or that shutdown cuts, ends with the dialect's own error event.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use http_body::Frame;
use sy_protocol::{Downstream, StreamEncoder, StreamForm};
use sy_router::{AnswerStream, Trail};
use sy_types::Failure;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::caller::{Caller, REQUEST_ID};

const PROVIDER: HeaderName = HeaderName::from_static("x-switchyard-provider");
const MODEL: HeaderName = HeaderName::from_static("x-switchyard-model");
const ATTEMPTS: HeaderName = HeaderName::from_static("x-switchyard-attempts");
const DROPPED: HeaderName = HeaderName::from_static("x-switchyard-dropped");
/// The headers of an answer that a web page may read beside the common ones.
pub(crate) const SHOWN: [HeaderName; 6] = [REQUEST_ID, PROVIDER, MODEL, ATTEMPTS, DROPPED, header::RETRY_AFTER];
/// The longest list of dropped fields that is named in a header; the log has the rest.
const DROPPED_LIMIT: usize = 1500;

/// Makes a JSON answer with the headers that say who answered.
pub(crate) fn json(caller: &Caller, trail: Option<&Trail>, status: StatusCode, body: Bytes) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    sign(response.headers_mut(), caller, trail);
    response
}

/// Makes the answer to a refused request in the caller's dialect.
pub(crate) fn refusal(caller: &Caller, trail: Option<&Trail>, dialect: &dyn Downstream, failure: &Failure) -> Response {
    let status = crate::failure::status(failure, dialect.overloaded_status());
    let body = dialect.encode_failure(failure, status.as_u16(), caller.context.id.as_str());
    let mut response = json(caller, trail, status, body);
    if let Some(wait) = failure.retry_after {
        // Seconds, rounded up: a client that waits that long does not come too early.
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// Makes a streamed answer.
pub(crate) fn stream(
    caller: &Caller,
    trail: &Trail,
    answer: AnswerStream,
    encoder: Box<dyn StreamEncoder>,
    form: StreamForm,
    cut: CancellationToken,
) -> Response {
    let body = Relay { answer: Some(answer), encoder, cut: Box::pin(cut.cancelled_owned()), buffer: BytesMut::new() };
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
    // Without a provider nobody was asked, so there is nothing to tell.
    let Some(trail) = trail.filter(|trail| !trail.provider.is_empty()) else { return };
    let mut set = |name: HeaderName, text: &str| {
        if let Ok(value) = HeaderValue::from_str(text) {
            headers.insert(name, value);
        }
    };
    set(PROVIDER, &trail.provider);
    set(MODEL, &trail.model);
    if !trail.dropped.is_empty() {
        set(DROPPED, &dropped_list(trail));
    }
    headers.insert(ATTEMPTS, HeaderValue::from(trail.attempts));
    for (name, value) in &trail.rate_limit {
        headers.insert(name, value.clone());
    }
}

/// Lists the dropped fields, as many as a header can hold.
fn dropped_list(trail: &Trail) -> String {
    let mut list = String::new();
    for (index, dropped) in trail.dropped.iter().enumerate() {
        if list.len() + dropped.field.len() > DROPPED_LIMIT {
            list.push_str(&format!(", and {} more", trail.dropped.len() - index));
            break;
        }
        if index > 0 {
            list.push_str(", ");
        }
        list.extend(dropped.field.chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' }));
    }
    list
}

/// The body of a streamed answer. Dropping it (the client left) drops the answer, which cancels the provider's work.
struct Relay {
    /// Gone once the stream has ended.
    answer: Option<AnswerStream>,
    encoder: Box<dyn StreamEncoder>,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    buffer: BytesMut,
}

impl Relay {
    fn fail(&mut self, failure: &Failure) -> Bytes {
        self.answer = None;
        self.encoder.fail(failure, &mut self.buffer);
        self.buffer.split().freeze()
    }
}

impl http_body::Body for Relay {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = &mut *self;
        loop {
            let Some(answer) = &mut this.answer else { return Poll::Ready(None) };
            let next = match answer.poll_next_unpin(context) {
                Poll::Ready(next) => next,
                Poll::Pending => {
                    if this.cut.as_mut().poll(context).is_pending() {
                        return Poll::Pending;
                    }
                    return Poll::Ready(Some(Ok(Frame::data(this.fail(&crate::failure::shutting_down())))));
                }
            };
            let bytes = match next {
                None => {
                    this.answer = None;
                    return Poll::Ready(None);
                }
                Some(Err(failure)) => this.fail(&failure),
                Some(Ok(chunk)) => match chunk.raw {
                    Some(raw) => raw,
                    None => {
                        for event in &chunk.events {
                            this.encoder.encode(event, &mut this.buffer);
                        }
                        this.buffer.split().freeze()
                    }
                },
            };
            if !bytes.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.answer.is_none()
    }
}
