//! What a fake provider does with one request.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

/// One step of a body.
#[derive(Clone, Debug)]
pub enum Step {
    /// Sends bytes.
    Send(Bytes),
    /// Waits.
    Wait(Duration),
}

/// How an answer ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum End {
    /// As HTTP wants it.
    #[default]
    Complete,
    /// The connection is closed in the middle of the body.
    Drop,
    /// The connection is reset in the middle of the body.
    Reset,
    /// Nothing more is sent, and the connection stays open.
    Stall,
}

/// What a fake provider does with one request.
#[derive(Clone, Debug)]
pub struct Script {
    pub(crate) before: Duration,
    pub(crate) headers_come: bool,
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) steps: Vec<Step>,
    pub(crate) end: End,
}

impl Script {
    /// Answers with a status and no body.
    ///
    /// # Panics
    /// When it is no status.
    pub fn status(status: u16) -> Self {
        #[expect(clippy::expect_used, reason = "a test that names no status is to fail at once")]
        let status = StatusCode::from_u16(status).expect("a status from 100 to 999");
        Self {
            before: Duration::ZERO,
            headers_come: true,
            status,
            headers: HeaderMap::new(),
            steps: Vec::new(),
            end: End::Complete,
        }
    }

    /// Answers with a JSON body.
    pub fn json(status: u16, body: impl Into<Bytes>) -> Self {
        Self::status(status).header("content-type", "application/json").send(body)
    }

    /// Answers with status 200 and server-sent events, one piece after the other.
    pub fn events<B: Into<Bytes>>(frames: impl IntoIterator<Item = B>) -> Self {
        let script = Self::status(200).header("content-type", "text/event-stream");
        frames.into_iter().fold(script, Self::send)
    }

    /// Takes the request and never answers.
    pub fn never() -> Self {
        Self { headers_come: false, end: End::Stall, ..Self::status(200) }
    }

    /// Takes the request and closes (or resets) the connection before a byte of an answer.
    pub fn hang_up(end: End) -> Self {
        Self { headers_come: false, end, ..Self::status(200) }
    }

    /// Adds a header.
    ///
    /// # Panics
    /// When name or value cannot be a header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        #[expect(clippy::expect_used, reason = "a test that names no header is to fail at once")]
        let value = HeaderValue::from_str(value).expect("a header value");
        self.headers.append(HeaderName::from_static(name), value);
        self
    }

    /// Adds bytes to the body.
    #[must_use]
    pub fn send(mut self, bytes: impl Into<Bytes>) -> Self {
        self.steps.push(Step::Send(bytes.into()));
        self
    }

    /// Adds the same bytes to the body so many times.
    #[must_use]
    pub fn send_often(mut self, bytes: &Bytes, times: usize) -> Self {
        self.steps.extend((0..times).map(|_| Step::Send(bytes.clone())));
        self
    }

    /// Waits within the body.
    #[must_use]
    pub fn wait(mut self, time: Duration) -> Self {
        self.steps.push(Step::Wait(time));
        self
    }

    /// Waits between all pieces that were added so far.
    #[must_use]
    pub fn paced(mut self, time: Duration) -> Self {
        self.steps = self.steps.into_iter().flat_map(|step| [step, Step::Wait(time)]).collect();
        self
    }

    /// Waits before the headers.
    #[must_use]
    pub fn after(mut self, time: Duration) -> Self {
        self.before = time;
        self
    }

    /// Sets how the answer ends.
    #[must_use]
    pub fn end(mut self, end: End) -> Self {
        self.end = end;
        self
    }
}
