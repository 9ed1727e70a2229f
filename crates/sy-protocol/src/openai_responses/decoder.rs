//! The frames of one stream to events.
//!
//! It knows how a stream begins, ends and fails; [`super::blocks`] reads what is in between. For a relayed stream the lean form
//! stops reading texts once content was seen. Only the closing event ends an answer; the end of the bytes never does.

use std::sync::LazyLock;

use memchr::memmem::Finder;
use serde_json::Value;
use sy_types::chat::{FinishReason, StreamEvent};
use sy_types::{ErrorKind, Failure};

use super::blocks::Blocks;
use super::response;
use crate::face::StreamDecoder;
use crate::failure::Reported;
use crate::frame::Frame;

/// What a lean decoder must read even after content was seen. Made once: making a finder costs as much as using it.
static TELLING: LazyLock<[Finder<'static>; 6]> = LazyLock::new(|| {
    let words = [
        "response.completed",
        "response.incomplete",
        "response.failed",
        "response.cancelled",
        "response.output_item.added",
        "\"error\"",
    ];
    words.map(Finder::new)
});

/// The decoder of one stream.
pub(super) struct Decoder {
    /// True for a relayed stream.
    lean: bool,
    started: bool,
    ended: bool,
    saw_content: bool,
    blocks: Blocks,
}

impl Decoder {
    /// Makes a decoder that reads everything.
    pub(super) fn full() -> Self {
        Self {
            lean: false,
            started: false,
            ended: false,
            saw_content: false,
            blocks: Blocks::default(),
        }
    }

    /// Makes a decoder for a relayed stream.
    pub(super) fn lean() -> Self {
        Self { lean: true, ..Self::full() }
    }

    /// Returns true for a frame that tells a lean decoder nothing new. A torn frame is never skipped.
    fn may_skip(&self, data: &[u8]) -> bool {
        let data = data.trim_ascii();
        self.lean
            && self.saw_content
            && data.starts_with(b"{")
            && data.ends_with(b"}")
            && !TELLING.iter().any(|word| word.find(data).is_some())
    }

    fn event(&mut self, kind: &str, value: &Value, events: &mut Vec<StreamEvent>) {
        match kind {
            "response.created" | "response.in_progress" | "response.queued" => {
                self.start(value.get("response"), events);
            }
            "response.completed" | "response.incomplete" => self.completed(kind, value, events),
            "response.failed" | "response.cancelled" => {
                let inner = value.get("response").unwrap_or(value);
                let failure = response::reported_failure(inner);
                self.fail(failure.unwrap_or_else(|| Reported::of(inner).into_failure(0)), events);
            }
            "error" => self.fail(error_event(value), events),
            _ if value.get("error").is_some_and(|error| !error.is_null()) => {
                self.fail(Reported::of(value).into_failure(0), events);
            }
            _ if kind.starts_with("response.") => {
                self.start(None, events);
                self.blocks.event(kind, value, events);
            }
            _ => {}
        }
    }

    fn fail(&mut self, failure: Failure, events: &mut Vec<StreamEvent>) {
        self.ended = true;
        events.push(StreamEvent::Failed(failure));
    }

    fn start(&mut self, response: Option<&Value>, events: &mut Vec<StreamEvent>) {
        if std::mem::replace(&mut self.started, true) {
            return;
        }
        let field = |key: &str| response.and_then(|response| response::text(response, key));
        events.push(StreamEvent::Start {
            id: field("id"),
            model: field("model"),
            created: response.and_then(response::created),
        });
    }

    fn completed(&mut self, kind: &str, value: &Value, events: &mut Vec<StreamEvent>) {
        let response = value.get("response").unwrap_or(value);
        self.start(Some(response), events);
        if let Some(failure) = response::reported_failure(response) {
            return self.fail(failure, events);
        }
        let output = response::array(response, "output");
        if !self.lean {
            self.blocks.take_output(output, events);
        }
        self.blocks.close_all(events);
        let calls_tools = self.blocks.calls_tools() || output.iter().any(is_call);
        events.extend(response.get("usage").and_then(response::usage).map(StreamEvent::Usage));
        let mut status = response.clone();
        if let (None, Value::Object(map)) = (response.get("status"), &mut status) {
            let word = if kind == "response.incomplete" { "incomplete" } else { "completed" };
            map.insert("status".to_owned(), Value::from(word));
        }
        self.ended = true;
        let reason = response::finish(&status, calls_tools).unwrap_or(FinishReason::Stop);
        events.push(StreamEvent::Finish { reason, stop_sequence: None });
    }
}

impl StreamDecoder for Decoder {
    fn decode(&mut self, frame: &Frame, events: &mut Vec<StreamEvent>) -> Result<(), Failure> {
        let data: &[u8] = &frame.data;
        if self.ended || data.trim_ascii() == b"[DONE]" || self.may_skip(data) {
            return Ok(());
        }
        let value: Value = crate::json::read(data).map_err(|error| {
            Failure::provider(
                ErrorKind::Malformed,
                format!("the provider sent a stream event that is not JSON: {error}"),
            )
        })?;
        if !value.is_object() {
            let message = "the provider sent a stream event that is not a JSON object";
            return Err(Failure::provider(ErrorKind::Malformed, message));
        }
        let named = std::str::from_utf8(&frame.event).unwrap_or_default();
        let kind = value.get("type").and_then(Value::as_str).unwrap_or(named);
        let before = events.len();
        self.event(kind, &value, events);
        self.saw_content |= events.iter().skip(before).any(StreamEvent::is_content);
        Ok(())
    }

    /// Nothing is held back: the closing event alone ends an answer.
    fn finish(&mut self, _events: &mut Vec<StreamEvent>) {}
}

fn is_call(item: &Value) -> bool {
    matches!(item.get("type").and_then(Value::as_str), Some("function_call" | "custom_tool_call"))
}

/// Reads both shapes: the error inside `error`, or beside `type`.
fn error_event(value: &Value) -> Failure {
    let mut reported = Reported::of(value);
    if reported.kind.as_deref() == Some("error") {
        reported.kind = None;
    }
    reported.into_failure(0)
}
