//! A provider's answer, fragment by fragment, to events.
//!
//! Each frame of a stream is a whole answer that holds what is new; a whole answer is one such fragment. There is no end marker:
//! the answer is complete when a finish reason was seen and the stream ends, and more text may follow the first finish reason
//! (recorded with code execution). Token counts and `Finish` are therefore held back until the end. It deliberately reads only
//! the first candidate.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use serde_json::{Map, Value};
use sy_types::chat::{BlockStart, Citation, Delta, FinishReason, Opaque, StreamEvent, Usage};
use sy_types::{ErrorKind, Failure};

use super::partial::PartialCall;
use super::proof::{self, Proof};
use super::{answer, failure, naming, parts};
use crate::face::StreamDecoder;
use crate::frame::Frame;
use crate::ids::GEMINI_GENERATE;
use crate::json;

/// A block of text or reasoning that may go on.
#[derive(Debug)]
struct Open {
    index: usize,
    is_thought: bool,
    /// True once its proof came: what follows is another block.
    is_signed: bool,
}

/// The state of one answer.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    started: bool,
    /// What made-up call ids begin with.
    prefix: String,
    blocks: usize,
    calls: usize,
    open: Option<Open>,
    call: Option<PartialCall>,
    word: Option<String>,
    is_blocked: bool,
    has_answered: bool,
    usage: Option<Usage>,
    counts_answer: bool,
    pending: Vec<Citation>,
    cited: HashSet<(String, Option<String>)>,
}

impl StreamDecoder for Decoder {
    fn decode(&mut self, frame: &Frame, events: &mut Vec<StreamEvent>) -> Result<(), Failure> {
        let data = frame.data.trim_ascii();
        // Not of this API, but some proxies end every stream so.
        if data.is_empty() || data == b"[DONE]" {
            return Ok(());
        }
        let value: Value = json::read(data).map_err(|error| {
            Failure::provider(
                ErrorKind::Malformed,
                format!("the provider sent a stream event that is not JSON: {error}"),
            )
        })?;
        self.fragment(value, events)
    }

    fn finish(&mut self, events: &mut Vec<StreamEvent>) {
        if self.word.is_none() && !self.is_blocked {
            events.extend(self.usage.take().map(StreamEvent::Usage));
            return;
        }
        self.complete(events);
    }
}

impl Decoder {
    /// Takes one fragment in, or a list of them.
    pub(super) fn fragment(
        &mut self,
        value: Value,
        events: &mut Vec<StreamEvent>,
    ) -> Result<(), Failure> {
        let fragment = match value {
            Value::Array(items) => {
                for item in items {
                    self.fragment(item, events)?;
                    if matches!(events.last(), Some(StreamEvent::Failed(_))) {
                        break;
                    }
                }
                return Ok(());
            }
            Value::Object(map) => naming::camel_keys(map),
            _ => return Err(malformed("an answer that is no JSON object")),
        };
        let mut fragment = fragment;
        if fragment.get("error").is_some_and(|error| !error.is_null()) {
            events.push(StreamEvent::Failed(failure::in_band(&Value::Object(fragment))));
            return Ok(());
        }
        self.start(&fragment, events);
        if let Some(metadata) = fragment.get("usageMetadata") {
            let counts_answer = answer::counts_answer(metadata);
            if counts_answer || !self.counts_answer {
                self.usage = Some(answer::usage(metadata));
                self.counts_answer = counts_answer;
            }
        }
        self.is_blocked |= fragment
            .get("promptFeedback")
            .is_some_and(|feedback| feedback.get("blockReason").is_some());
        if let Some(Value::Array(candidates)) = fragment.shift_remove("candidates") {
            let is_first = |candidate: &Value| {
                candidate.get("index").and_then(Value::as_u64).unwrap_or_default() == 0
            };
            if let Some(candidate) = candidates.into_iter().find(is_first) {
                self.candidate(candidate, events)?;
            }
        }
        Ok(())
    }

    /// Ends the answer, whether or not a finish reason was seen.
    pub(super) fn complete(&mut self, events: &mut Vec<StreamEvent>) {
        self.close_call(events);
        if !self.pending.is_empty() {
            self.close(events);
            self.open(false, &Proof::default(), events);
            self.cite(events);
        }
        self.close(events);
        events.extend(self.usage.take().map(StreamEvent::Usage));
        let reason = match self.word.take() {
            Some(word) => answer::finish_reason(&word, self.calls > 0),
            None if self.is_blocked => FinishReason::ContentFilter,
            None => return,
        };
        events.push(StreamEvent::Finish { reason, stop_sequence: None });
    }

    /// Gives the sources up that no block has taken.
    pub(super) fn take_citations(&mut self) -> Vec<Citation> {
        std::mem::take(&mut self.pending)
    }

    /// Returns true when an answer, or the reason why there is none, was seen.
    pub(super) fn has_answered(&self) -> bool {
        self.has_answered || self.is_blocked
    }

    fn start(&mut self, fragment: &Map<String, Value>, events: &mut Vec<StreamEvent>) {
        if self.started {
            return;
        }
        self.started = true;
        let text = |key: &str| fragment.get(key).and_then(Value::as_str).map(str::to_owned);
        let id = text("responseId").filter(|id| !id.is_empty());
        self.prefix = match &id {
            Some(id) => {
                id.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
            }
            None => {
                // Ids must differ between the answers of a conversation, so they come from what the answer says.
                let mut hasher = DefaultHasher::new();
                json::text(fragment).hash(&mut hasher);
                format!("{:016x}", hasher.finish())
            }
        };
        events.push(StreamEvent::Start { id, model: text("modelVersion"), created: None });
    }

    fn candidate(
        &mut self,
        mut candidate: Value,
        events: &mut Vec<StreamEvent>,
    ) -> Result<(), Failure> {
        self.has_answered = true;
        let parts = candidate.pointer_mut("/content/parts").map(Value::take).unwrap_or_default();
        let parts = if let Value::Array(parts) = parts { parts } else { Vec::new() };
        for part in parts {
            if let Value::Object(part) = part {
                self.part(naming::camel_keys(part), events)?;
            }
        }
        for citation in answer::citations(&candidate) {
            if self.cited.insert((citation.url.clone(), citation.quote.clone())) {
                self.pending.push(citation);
            }
        }
        if matches!(self.open, Some(Open { is_thought: false, .. })) {
            self.cite(events);
        }
        let word = candidate.get("finishReason").and_then(Value::as_str).unwrap_or_default();
        if !word.is_empty() && word != "FINISH_REASON_UNSPECIFIED" {
            self.word = Some(word.to_owned());
        }
        Ok(())
    }

    fn part(
        &mut self,
        mut part: Map<String, Value>,
        events: &mut Vec<StreamEvent>,
    ) -> Result<(), Failure> {
        let proof =
            proof::read(part.get("thoughtSignature").and_then(Value::as_str).unwrap_or_default());
        if let Some(Value::Object(call)) = part.get_mut("functionCall").map(Value::take) {
            return self.function_call(naming::camel_keys(call), proof, events);
        }
        let is_thought = part.get("thought").and_then(Value::as_bool).unwrap_or_default();
        let is_text = part.get("text").is_some_and(Value::is_string);
        if is_text || parts::content_key(&part).is_none() {
            let text = part.get("text").and_then(Value::as_str).unwrap_or_default();
            self.text(text, is_thought, proof, events);
            return Ok(());
        }
        self.close_call(events);
        self.close(events);
        let block = match media(&mut part) {
            Some(media) => BlockStart::Media(media),
            None => {
                let kind = parts::content_key(&part).unwrap_or_default().to_owned();
                BlockStart::Opaque(Opaque {
                    protocol: GEMINI_GENERATE,
                    kind,
                    value: Value::Object(part),
                })
            }
        };
        let index = self.next_index();
        events.extend([StreamEvent::BlockStart { index, block }, StreamEvent::BlockStop { index }]);
        Ok(())
    }

    fn text(&mut self, text: &str, is_thought: bool, proof: Proof, events: &mut Vec<StreamEvent>) {
        if text.is_empty() && proof.signature.is_none() {
            return;
        }
        self.close_call(events);
        let goes_on =
            self.open.as_ref().is_some_and(|open| open.is_thought == is_thought && !open.is_signed)
                && !proof.redacted;
        if !goes_on {
            self.close(events);
            self.open(is_thought, &proof, events);
        }
        let Some(open) = &mut self.open else { return };
        let index = open.index;
        if !text.is_empty() {
            events.push(StreamEvent::Delta { index, delta: Delta::Text(text.to_owned()) });
        }
        if let Some(signature) = proof.signature {
            open.is_signed = true;
            events.push(StreamEvent::Delta { index, delta: Delta::Signature(signature) });
        }
    }

    fn function_call(
        &mut self,
        mut call: Map<String, Value>,
        proof: Proof,
        events: &mut Vec<StreamEvent>,
    ) -> Result<(), Failure> {
        let text = |key: &str| {
            call.get(key).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
        };
        let (id, name) = (text("id"), text("name"));
        if let Some(name) = name {
            self.close_call(events);
            self.close(events);
            let index = self.next_index();
            let id = id.unwrap_or_else(|| format!("call_{}_{}", self.prefix, self.calls));
            self.calls += 1;
            let block = BlockStart::ToolCall { id, name, custom: false };
            events.push(StreamEvent::BlockStart { index, block });
            self.call = Some(PartialCall::new(index));
        }
        let arguments = call.get_mut("args").map(Value::take).unwrap_or_default();
        let bits = call.get_mut("partialArgs").map(Value::take).unwrap_or_default();
        let Some(open) = &mut self.call else {
            // `{}` ends a call that is already complete; arguments without a call are lost words.
            return if arguments.is_null() && bits.is_null() {
                Ok(())
            } else {
                Err(malformed("a call without a name"))
            };
        };
        if let Some(signature) = proof.signature {
            events
                .push(StreamEvent::Delta { index: open.index, delta: Delta::Signature(signature) });
        }
        if let Value::Object(arguments) = arguments {
            open.merge(arguments);
        }
        for bit in bits.as_array().into_iter().flatten() {
            open.apply(bit)?;
        }
        if !call.get("willContinue").and_then(Value::as_bool).unwrap_or_default() {
            self.close_call(events);
        }
        Ok(())
    }

    fn close_call(&mut self, events: &mut Vec<StreamEvent>) {
        if let Some(call) = self.call.take() {
            let index = call.index;
            let delta = Delta::Arguments(json::text(&call.into_arguments()));
            events.extend([StreamEvent::Delta { index, delta }, StreamEvent::BlockStop { index }]);
        }
    }

    fn cite(&mut self, events: &mut Vec<StreamEvent>) {
        let Some(index) = self.open.as_ref().map(|open| open.index) else { return };
        let citations = self.pending.drain(..).map(Delta::Citation);
        events.extend(citations.map(|delta| StreamEvent::Delta { index, delta }));
    }

    fn open(&mut self, is_thought: bool, proof: &Proof, events: &mut Vec<StreamEvent>) {
        let index = self.next_index();
        let block = if is_thought {
            BlockStart::Reasoning { id: proof.id.clone(), redacted: proof.redacted }
        } else {
            BlockStart::Text
        };
        events.push(StreamEvent::BlockStart { index, block });
        self.open = Some(Open { index, is_thought, is_signed: false });
    }

    fn close(&mut self, events: &mut Vec<StreamEvent>) {
        if let Some(open) = self.open.take() {
            events.push(StreamEvent::BlockStop { index: open.index });
        }
    }

    fn next_index(&mut self) -> usize {
        let index = self.blocks;
        self.blocks += 1;
        index
    }
}

/// Reads a picture or file that the model made.
fn media(part: &mut Map<String, Value>) -> Option<sy_types::chat::Media> {
    for key in ["inlineData", "fileData"] {
        let Some(Value::Object(content)) = part.get(key) else { continue };
        let content = naming::camel_keys(content.clone());
        let text = |key: &str| content.get(key).and_then(Value::as_str).map(str::to_owned);
        let (mime, name) = (text("mimeType"), text("displayName"));
        return match text("data") {
            Some(base64) => Some(parts::inline(mime, &base64, name)),
            None => Some(parts::file(mime, text("fileUri")?, name)),
        };
    }
    None
}

fn malformed(what: &str) -> Failure {
    Failure::provider(ErrorKind::Malformed, format!("the provider sent {what}"))
}
