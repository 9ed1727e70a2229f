//! A provider's stream to events.
//!
//! Called by the router, frame by frame. Blocks come one after the other, each with a start, deltas and a stop; the reason for
//! the end and the final counts come in `message_delta`, the end itself in `message_stop`. It deliberately passes over events and
//! deltas of unknown types, as the protocol asks its readers to.

use serde_json::{Value, json};
use sy_types::chat::{BlockStart, Delta, FinishReason, Opaque, Part, Signature, StreamEvent};
use sy_types::{ErrorKind, Failure};

use super::response::{self, Counts};
use super::{failure, proof};
use crate::face::StreamDecoder;
use crate::frame::Frame;

/// The most input text of a server tool that is collected, in bytes: such a block is given out whole.
const COLLECTED_LIMIT: usize = 16 << 20;

/// The most blocks that may be open at once. Real streams have one.
const OPEN_LIMIT: usize = 256;

/// The state of one stream.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    started: bool,
    /// The id of the message.
    id: Option<String>,
    ended: bool,
    open: Vec<Block>,
    /// The canonical index of the next block.
    next: usize,
    /// A proof for the next tool call.
    carried: Option<Signature>,
    counts: Counts,
    finish: Option<FinishReason>,
    stop_sequence: Option<String>,
    called_tool: bool,
    /// Why the model refused, in the provider's words.
    explanation: Option<String>,
}

#[derive(Debug)]
struct Block {
    /// The index on the wire.
    wire: u64,
    /// The canonical index; that of a block which is given out whole is settled at its stop.
    index: usize,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// Text or reasoning: every delta is an event.
    Plain,
    /// A tool call. `whole` are the arguments that its start brought along: they count only when no delta follows.
    Call { whole: String, has_delta: bool },
    /// Only this protocol knows it: it is collected and given out at its stop.
    Opaque { value: Opaque, input: String },
    /// It carries a proof and is no block of the answer.
    Carrier,
}

impl StreamDecoder for Decoder {
    fn decode(&mut self, frame: &Frame, events: &mut Vec<StreamEvent>) -> Result<(), Failure> {
        let data = frame.data.trim_ascii();
        // Some gateways end every stream in the way of chat completions.
        if self.ended || data.is_empty() || data == b"[DONE]" {
            return Ok(());
        }
        let value: Value =
            crate::json::read(data).map_err(|error| malformed(&format!("no JSON: {error}")))?;
        if !value.is_object() {
            return Err(malformed("JSON that is no object"));
        }
        let kind = value
            .get("type")
            .and_then(Value::as_str)
            .or_else(|| std::str::from_utf8(&frame.event).ok());
        match kind.unwrap_or_default() {
            "message_start" => {
                self.message_start(value.get("message").unwrap_or(&Value::Null), events)?
            }
            "content_block_start" => self.open(value, events)?,
            "content_block_delta" => self.delta(&value, events)?,
            "content_block_stop" => self.stop(wire_index(&value), events),
            "message_delta" => self.message_delta(&value, events),
            "message_stop" => self.end(events),
            _ if value.get("error").is_some_and(|error| !error.is_null()) => {
                self.ended = true;
                events.push(StreamEvent::Failed(failure::decode_in_band(&value)));
            }
            _ => {}
        }
        Ok(())
    }

    /// A stream that broke off behind the reason for its end is complete: only the empty `message_stop` is missing.
    fn finish(&mut self, events: &mut Vec<StreamEvent>) {
        if !self.ended && self.finish.is_some() {
            self.end(events);
        }
    }
}

impl Decoder {
    /// A message that begins in the middle of another is what a proxy makes that tries again after content was sent: the first
    /// one is broken. The same message may be announced twice.
    fn message_start(
        &mut self,
        message: &Value,
        events: &mut Vec<StreamEvent>,
    ) -> Result<(), Failure> {
        let id = message.get("id").and_then(Value::as_str).map(str::to_owned);
        if self.started && self.id != id {
            return Err(malformed("the start of a second message"));
        }
        self.id = id;
        self.start(message, events);
        Ok(())
    }

    fn start(&mut self, message: &Value, events: &mut Vec<StreamEvent>) {
        if self.started {
            return;
        }
        self.started = true;
        let text =
            |name: &str| message.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        events.push(StreamEvent::Start {
            id: text("id").map(str::to_owned),
            model: text("model").map(str::to_owned),
            created: None,
        });
        self.counts.take(message.get("usage"));
        events.extend(self.counts.usage().map(StreamEvent::Usage));
    }

    fn open(&mut self, mut value: Value, events: &mut Vec<StreamEvent>) -> Result<(), Failure> {
        let wire = wire_index(&value);
        self.stop(wire, events);
        let block = value.get_mut("content_block").map(Value::take).unwrap_or_default();
        if let Some(proof) = proof::carried(&block) {
            self.carried = Some(proof);
            self.open.push(Block { wire, index: self.next, kind: Kind::Carrier });
            return Ok(());
        }
        let part = response::part(block).ok_or_else(|| malformed("a block without a type"))?;
        self.open_part(wire, part, events)
    }

    fn open_part(
        &mut self,
        wire: u64,
        part: Part,
        events: &mut Vec<StreamEvent>,
    ) -> Result<(), Failure> {
        self.start(&Value::Null, events);
        if self.open.len() >= OPEN_LIMIT {
            return Err(malformed(&format!("more than {OPEN_LIMIT} blocks at once")));
        }
        let index = self.next;
        if !matches!(part, Part::Opaque(_)) {
            self.next += 1;
        }
        let start = |block| StreamEvent::BlockStart { index, block };
        let delta = |delta| StreamEvent::Delta { index, delta };
        let kind = match part {
            Part::Text(text) => {
                events.push(start(BlockStart::Text));
                events.extend((!text.text.is_empty()).then(|| delta(Delta::Text(text.text))));
                events.extend(
                    text.citations.into_iter().map(|citation| delta(Delta::Citation(citation))),
                );
                Kind::Plain
            }
            Part::Reasoning(reasoning) => {
                events
                    .push(start(BlockStart::Reasoning { id: None, redacted: reasoning.redacted }));
                events.extend(
                    (!reasoning.text.is_empty()).then(|| delta(Delta::Text(reasoning.text))),
                );
                events.extend(reasoning.signature.map(|proof| delta(Delta::Signature(proof))));
                Kind::Plain
            }
            Part::ToolCall(call) => {
                self.called_tool = true;
                events.push(start(BlockStart::ToolCall {
                    id: call.id,
                    name: call.name,
                    custom: false,
                }));
                events.extend(self.carried.take().map(|proof| delta(Delta::Signature(proof))));
                Kind::Call { whole: call.arguments, has_delta: false }
            }
            Part::Opaque(value) => Kind::Opaque { value, input: String::new() },
            Part::Refusal(_) | Part::Media(_) | Part::ToolResult(_) => {
                return Err(Failure::bug(
                    "the reader of blocks makes no refusal, media or tool result",
                ));
            }
        };
        self.open.push(Block { wire, index, kind });
        Ok(())
    }

    fn delta(&mut self, value: &Value, events: &mut Vec<StreamEvent>) -> Result<(), Failure> {
        let wire = wire_index(value);
        let Some(delta) = value.get("delta") else { return Ok(()) };
        let kind = delta.get("type").and_then(Value::as_str).unwrap_or_default();
        if !self.open.iter().any(|block| block.wire == wire) {
            self.open_missing(wire, kind, events)?;
        }
        let Some(block) = self.open.iter_mut().find(|block| block.wire == wire) else {
            return Ok(());
        };
        let text = |name: &str| delta.get(name).and_then(Value::as_str).unwrap_or_default();
        let piece = match kind {
            "text_delta" => Delta::Text(text("text").to_owned()),
            "thinking_delta" => Delta::Text(text("thinking").to_owned()),
            "signature_delta" => match proof::read(text("signature")) {
                Some(proof) => Delta::Signature(proof),
                None => return Ok(()),
            },
            "citations_delta" => match delta.get("citation").and_then(response::citation) {
                Some(citation) => Delta::Citation(citation),
                None => return Ok(()),
            },
            "input_json_delta" => return block.add_input(text("partial_json"), events),
            _ => {
                block.add_unknown(delta);
                return Ok(());
            }
        };
        if let Kind::Plain = block.kind {
            let is_empty = matches!(&piece, Delta::Text(text) if text.is_empty());
            events.extend(
                (!is_empty).then_some(StreamEvent::Delta { index: block.index, delta: piece }),
            );
        }
        Ok(())
    }

    /// Opens the block whose start some imitators leave out. A tool call without its name is lost: that is a failure.
    fn open_missing(
        &mut self,
        wire: u64,
        kind: &str,
        events: &mut Vec<StreamEvent>,
    ) -> Result<(), Failure> {
        let block = match kind {
            "text_delta" | "citations_delta" => json!({ "type": "text" }),
            "thinking_delta" | "signature_delta" => json!({ "type": "thinking" }),
            "input_json_delta" => {
                return Err(malformed("arguments of a tool call that never began"));
            }
            _ => return Ok(()),
        };
        match response::part(block) {
            Some(part) => self.open_part(wire, part, events),
            None => Ok(()),
        }
    }

    fn stop(&mut self, wire: u64, events: &mut Vec<StreamEvent>) {
        while let Some(at) = self.open.iter().position(|block| block.wire == wire) {
            self.open.remove(at).close(&mut self.next, events);
        }
    }

    fn message_delta(&mut self, value: &Value, events: &mut Vec<StreamEvent>) {
        self.start(&Value::Null, events);
        let text = |name: &str| {
            let found =
                value.get("delta").and_then(|delta| delta.get(name)).and_then(Value::as_str);
            found.filter(|text| !text.is_empty())
        };
        if let Some(word) = text("stop_reason") {
            self.finish = Some(response::finish(word));
        }
        self.stop_sequence = text("stop_sequence").map(str::to_owned).or(self.stop_sequence.take());
        self.explanation =
            value.get("delta").and_then(response::explanation).or(self.explanation.take());
        self.counts.take(value.get("usage"));
        events.extend(self.counts.usage().map(StreamEvent::Usage));
    }

    fn end(&mut self, events: &mut Vec<StreamEvent>) {
        self.ended = true;
        self.start(&Value::Null, events);
        for block in std::mem::take(&mut self.open) {
            block.close(&mut self.next, events);
        }

        if let Some(text) = self.explanation.take() {
            let index = self.next;
            events.push(StreamEvent::BlockStart { index, block: BlockStart::Refusal });
            events.push(StreamEvent::Delta { index, delta: Delta::Text(text) });
            events.push(StreamEvent::BlockStop { index });
        }

        let unsaid = if self.called_tool { FinishReason::ToolCalls } else { FinishReason::Stop };
        let reason = self.finish.take().unwrap_or(unsaid);
        events.push(StreamEvent::Finish { reason, stop_sequence: self.stop_sequence.take() });
    }
}

impl Block {
    fn add_input(&mut self, text: &str, events: &mut Vec<StreamEvent>) -> Result<(), Failure> {
        if text.is_empty() {
            return Ok(());
        }
        match &mut self.kind {
            Kind::Call { has_delta, .. } => {
                *has_delta = true;
                let delta = Delta::Arguments(text.to_owned());
                events.push(StreamEvent::Delta { index: self.index, delta });
            }
            Kind::Opaque { input, .. } => {
                if input.len() + text.len() > COLLECTED_LIMIT {
                    return Err(malformed(&format!(
                        "a server tool's input of more than {COLLECTED_LIMIT} bytes"
                    )));
                }
                input.push_str(text);
            }
            Kind::Plain | Kind::Carrier => {}
        }
        Ok(())
    }

    /// Adds a delta of a type that only this protocol knows (`compaction_delta`): its texts are put behind those of the block.
    fn add_unknown(&mut self, delta: &Value) {
        let Kind::Opaque { value: Opaque { value: Value::Object(block), .. }, .. } = &mut self.kind
        else {
            return;
        };
        let fields = delta.as_object().into_iter().flatten().filter(|(name, _)| *name != "type");
        for (name, more) in fields {
            match (block.get_mut(name), more) {
                (Some(Value::String(text)), Value::String(more))
                    if text.len() < COLLECTED_LIMIT =>
                {
                    text.push_str(more)
                }
                (None | Some(Value::Null), more) => {
                    block.insert(name.clone(), more.clone());
                }
                (Some(_), _) => {}
            }
        }
    }

    fn close(self, next: &mut usize, events: &mut Vec<StreamEvent>) {
        let mut index = self.index;
        match self.kind {
            Kind::Carrier => return,
            Kind::Plain => {}
            Kind::Call { has_delta: true, .. } => {}
            Kind::Call { whole, has_delta: false } => {
                events.push(StreamEvent::Delta { index, delta: Delta::Arguments(whole) });
            }
            Kind::Opaque { mut value, input } => {
                if let (Ok(input @ Value::Object(_)), Some(block)) =
                    (crate::json::read::<Value>(input.as_bytes()), value.value.as_object_mut())
                {
                    block.insert("input".to_owned(), input);
                }
                index = *next;
                *next += 1;
                events.push(StreamEvent::BlockStart { index, block: BlockStart::Opaque(value) });
            }
        }
        events.push(StreamEvent::BlockStop { index });
    }
}

fn wire_index(value: &Value) -> u64 {
    value.get("index").and_then(Value::as_u64).unwrap_or_default()
}

fn malformed(came: &str) -> Failure {
    Failure::provider(
        ErrorKind::Malformed,
        format!("expected an event of a message stream, got {came}"),
    )
}
