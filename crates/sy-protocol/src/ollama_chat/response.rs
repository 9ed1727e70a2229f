//! Ollama's answers, whole and streamed.
//!
//! A whole answer is one line of a stream that is `done` at once, so both are read by the same decoder and the whole one is
//! folded. Lines of a stream that are not JSON are passed over when others follow, though not many in a row: a stream that ends
//! behind them has failed.

use serde_json::Value;
use sy_types::chat::{BlockStart, ChatResponse, Delta, FinishReason, Fold, StreamEvent, Usage};
use sy_types::{ErrorKind, Failure, Media as Kind};

use crate::face::StreamDecoder;
use crate::failure::Reported;
use crate::frame::Frame;
use crate::{media, openai_chat};

/// Reads a whole answer of status 200.
pub(super) fn decode(body: &[u8]) -> Result<ChatResponse, Failure> {
    let (mut decoder, mut events, mut fold) = (Decoder::default(), Vec::new(), Fold::default());
    let body = parsed(body)?;
    decoder.line(&body, &mut events)?;
    if !matches!(events.last(), Some(StreamEvent::Finish { .. } | StreamEvent::Failed(_))) {
        // Without `stream`, the one object is the whole answer even where `done` is false or missing.
        decoder.close(&body, &mut events);
    }
    for event in &events {
        fold.push(event);
    }
    fold.into_response()
}

/// The most lines in a row that may be no JSON. What says nothing for longer is no answer of Ollama's: a proxy's web page, another
/// protocol.
const UNREADABLE_LIMIT: usize = 8;

/// Which kind of block is open.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Spoken {
    Text,
    Thinking,
}

/// Turns lines into events.
#[derive(Default)]
pub(super) struct Decoder {
    started: bool,
    ended: bool,
    /// When the answer was made, as text: missing ids of calls are made of it.
    created_at: String,
    next: usize,
    open: Option<(Spoken, usize)>,
    calls: usize,
    /// What is wrong with the last lines, which were no JSON.
    unreadable: Vec<Failure>,
}

fn parsed(line: &[u8]) -> Result<Value, Failure> {
    crate::json::read(line)
        .map_err(|error| malformed(&format!("the provider sent a line that is not JSON: {error}")))
}

fn malformed(what: &str) -> Failure {
    Failure::provider(ErrorKind::Malformed, what)
}

impl Decoder {
    fn line(&mut self, line: &Value, events: &mut Vec<StreamEvent>) -> Result<(), Failure> {
        if line.get("error").is_some_and(|error| !error.is_null()) {
            self.ended = true;
            events.push(StreamEvent::Failed(Reported::of(line).into_failure(0)));
            return Ok(());
        }
        let is_done = line.get("done").and_then(Value::as_bool) == Some(true);
        let Some(message) = line.get("message").filter(|message| message.is_object()) else {
            if is_done {
                self.start(line, events);
                self.close(line, events);
                return Ok(());
            }
            return Err(malformed("the provider sent a line without a message"));
        };
        self.start(line, events);
        self.message(message, events);
        if is_done {
            self.close(line, events);
        }
        Ok(())
    }

    fn start(&mut self, line: &Value, events: &mut Vec<StreamEvent>) {
        if std::mem::replace(&mut self.started, true) {
            return;
        }
        let word = |field| line.get(field).and_then(Value::as_str).map(str::to_owned);
        self.created_at = word("created_at").unwrap_or_default();
        events.push(StreamEvent::Start { id: None, model: word("model"), created: None });
    }

    fn message(&mut self, message: &Value, events: &mut Vec<StreamEvent>) {
        let word = |field| message.get(field).and_then(Value::as_str).unwrap_or_default();
        self.say(Spoken::Thinking, word("thinking"), events);
        self.say(Spoken::Text, word("content"), events);
        let list = |field| message.get(field).and_then(Value::as_array).into_iter().flatten();
        for image in list("images").filter_map(Value::as_str) {
            self.stop(events);
            let media = media::inline_media(None, image, Kind::Image);
            let index = self.open(BlockStart::Media(media), events);
            events.push(StreamEvent::BlockStop { index });
        }
        for call in list("tool_calls") {
            self.call(call, events);
        }
    }

    fn say(&mut self, spoken: Spoken, text: &str, events: &mut Vec<StreamEvent>) {
        if text.is_empty() {
            return;
        }
        let index = match self.open {
            Some((open, index)) if open == spoken => index,
            _ => {
                self.stop(events);
                let index = self.open(
                    match spoken {
                        Spoken::Text => BlockStart::Text,
                        Spoken::Thinking => BlockStart::Reasoning { id: None, redacted: false },
                    },
                    events,
                );
                self.open = Some((spoken, index));
                index
            }
        };
        events.push(StreamEvent::Delta { index, delta: Delta::Text(text.to_owned()) });
    }

    /// A call comes whole; older versions give it no id.
    fn call(&mut self, call: &Value, events: &mut Vec<StreamEvent>) {
        let name =
            call.pointer("/function/name").and_then(Value::as_str).unwrap_or_default().to_owned();
        if name.is_empty() {
            return;
        }
        self.stop(events);
        let id = call.get("id").and_then(Value::as_str).filter(|id| !id.is_empty());
        let id = id.map_or_else(
            || openai_chat::made_up_id(&self.created_at, self.calls, &name),
            str::to_owned,
        );
        self.calls += 1;
        let arguments = match call.pointer("/function/arguments") {
            None | Some(Value::Null) => "{}".to_owned(),
            Some(Value::String(text)) => text.clone(),
            Some(object) => crate::json::text(object),
        };
        let index = self.open(BlockStart::ToolCall { id, name, custom: false }, events);
        events.push(StreamEvent::Delta { index, delta: Delta::Arguments(arguments) });
        events.push(StreamEvent::BlockStop { index });
    }

    fn open(&mut self, block: BlockStart, events: &mut Vec<StreamEvent>) -> usize {
        let index = self.next;
        self.next += 1;
        events.push(StreamEvent::BlockStart { index, block });
        index
    }

    fn stop(&mut self, events: &mut Vec<StreamEvent>) {
        if let Some((_, index)) = self.open.take() {
            events.push(StreamEvent::BlockStop { index });
        }
    }

    /// Ends the answer with the counts of its last line.
    fn close(&mut self, line: &Value, events: &mut Vec<StreamEvent>) {
        self.ended = true;
        self.stop(events);
        let count = |field| line.get(field).and_then(crate::json::count);
        // A prompt that was in memory already is sometimes not counted at all.
        if let (input, Some(output)) = (count("prompt_eval_count"), count("eval_count")) {
            events.push(StreamEvent::Usage(Usage {
                input: input.unwrap_or(0),
                output,
                ..Usage::default()
            }));
        }
        let is_done = line.get("done").and_then(Value::as_bool) == Some(true);
        let reason = match line.get("done_reason").and_then(Value::as_str) {
            _ if self.calls > 0 => FinishReason::ToolCalls,
            Some("stop") => FinishReason::Stop,
            Some("length") => FinishReason::Length,
            None | Some("") if is_done => FinishReason::Stop,
            None | Some("") => FinishReason::Length,
            Some(other) => FinishReason::Other(other.to_owned()),
        };
        events.push(StreamEvent::Finish { reason, stop_sequence: None });
    }
}

impl StreamDecoder for Decoder {
    fn decode(&mut self, frame: &Frame, events: &mut Vec<StreamEvent>) -> Result<(), Failure> {
        let line = frame.data.trim_ascii();
        if self.ended || line.is_empty() {
            return Ok(());
        }
        match parsed(line) {
            Ok(line) => {
                self.unreadable.clear();
                self.line(&line, events)
            }
            Err(failure) if self.unreadable.len() < UNREADABLE_LIMIT => {
                self.unreadable.push(failure);
                Ok(())
            }
            Err(failure) => Err(failure),
        }
    }

    /// Nothing is held back: an answer that did not say `done` broke off. Why is told where its last line could not be read.
    fn finish(&mut self, events: &mut Vec<StreamEvent>) {
        events.extend(self.unreadable.drain(..).next().map(StreamEvent::Failed));
    }
}
