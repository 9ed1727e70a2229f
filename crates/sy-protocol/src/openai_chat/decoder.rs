//! The stream decoder: chunks of chat completions to events.
//!
//! Made for each stream by both dialects. `Finish` is held until the end marker or the end of the stream, since usage comes
//! after the finish word, and some send the word twice. It reads choice 0 only.

use serde_json::Value;
use sy_types::Failure;
use sy_types::chat::{BlockStart, Citation, Delta, FinishReason, Media, StreamEvent, Usage};

use super::calls::Calls;
use super::content::{self, Piece};
use super::details::{self, Proof};
use super::failure::{self, ReadFailure};
use super::usage;
use crate::face::StreamDecoder;
use crate::frame::Frame;

/// The reasoning block that is open.
struct Thinking {
    index: usize,
    proof: Proof,
}

/// Turns chunks into events.
pub(crate) struct Decoder {
    read_failure: ReadFailure,
    started: bool,
    ended: bool,
    /// The answer's id, of which missing ids are made.
    id: String,
    next: usize,
    text: Option<usize>,
    refusal: Option<usize>,
    thinking: Option<Thinking>,
    /// True once a plain reasoning text came: details then only repeat it.
    plain_reasoning: bool,
    calls: Calls,
    sources: Vec<Citation>,
    cited: Vec<String>,
    usage: Option<Usage>,
    finish: Option<FinishReason>,
}

impl Decoder {
    /// Makes a decoder that reads errors in the given way.
    pub(crate) fn new(read_failure: ReadFailure) -> Self {
        Self {
            read_failure,
            started: false,
            ended: false,
            id: String::new(),
            next: 0,
            text: None,
            refusal: None,
            thinking: None,
            plain_reasoning: false,
            calls: Calls::default(),
            sources: Vec::new(),
            cited: Vec::new(),
            usage: None,
            finish: None,
        }
    }

    fn chunk(&mut self, chunk: &Value, events: &mut Vec<StreamEvent>) {
        let choice = chunk.pointer("/choices/0");
        self.start(chunk, choice.is_some(), events);
        let first = |choice: &&Value| choice.get("index").and_then(Value::as_u64).unwrap_or(0) == 0;
        let choices = chunk.get("choices").and_then(Value::as_array);
        for choice in choices.into_iter().flatten().filter(first) {
            if let Some(delta) = choice.get("delta").filter(|delta| delta.is_object()) {
                self.delta(delta, events);
            }
            let word = choice.get("finish_reason").and_then(Value::as_str).unwrap_or_default();
            self.finish = content::finish(word).or(self.finish.take());
        }
        let sources = content::sources(chunk);
        if !sources.is_empty() {
            self.sources = sources;
        }
        let counts = [
            chunk.get("usage"),
            chunk.pointer("/x_groq/usage"),
            choice.and_then(|choice| choice.get("usage")),
        ];
        if let Some(usage) = counts.into_iter().flatten().find_map(usage::read)
            && self.usage.replace(usage) != Some(usage)
        {
            events.push(StreamEvent::Usage(usage));
        }
    }

    /// Emits `Start`. Azure's first chunk has no choice and only empty words: it is passed over.
    fn start(&mut self, chunk: &Value, has_choice: bool, events: &mut Vec<StreamEvent>) {
        let word = |field| {
            chunk
                .get(field)
                .and_then(Value::as_str)
                .filter(|text| !text.is_empty())
                .map(str::to_owned)
        };
        let id = word("id");
        if self.started || !(has_choice || id.is_some() || chunk.get("usage").is_some()) {
            return;
        }
        self.started = true;
        self.id = id.clone().unwrap_or_default();
        let created = chunk.get("created").and_then(Value::as_i64).filter(|seconds| *seconds > 0);
        events.push(StreamEvent::Start { id, model: word("model"), created });
    }

    fn delta(&mut self, delta: &Value, events: &mut Vec<StreamEvent>) {
        self.reasoning(delta, events);
        for piece in content::pieces(delta.get("content")) {
            match piece {
                Piece::Text(text) => self.say(text, events),
                Piece::Reasoning(text) => self.think(text, events),
                Piece::Refusal(text) => self.refuse(text, events),
                Piece::Media(media) => self.show(media, events),
            }
        }
        let word = |path| {
            delta
                .pointer(path)
                .and_then(Value::as_str)
                .filter(|text| !text.is_empty())
                .map(str::to_owned)
        };
        if let Some(text) = word("/refusal") {
            self.refuse(text, events);
        }
        if let Some(text) = word("/audio/transcript") {
            self.say(text, events);
        }
        for media in content::generated(delta)
            .into_iter()
            .filter(|media| media.kind == sy_types::Media::Image)
        {
            self.show(media, events);
        }
        let calls = delta
            .get("tool_calls")
            .and_then(Value::as_array)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let legacy = delta.get("function_call").filter(|call| call.is_object());
        let legacy = legacy
            .map(|call| serde_json::json!({ "index": 0, "function": call }))
            .filter(names_or_argues);
        for call in calls.iter().chain(&legacy) {
            self.close_spoken(events);
            self.calls.push(call, &self.id, &mut self.next, events);
        }
        for citation in content::citations(delta) {
            self.cite(citation, events);
        }
        match content::extra_signature(delta) {
            Some(signature) if self.calls.is_empty() => {
                let index = self.text_block(events);
                events.push(StreamEvent::Delta { index, delta: Delta::Signature(signature) });
            }
            Some(signature) => self.calls.sign_first(signature),
            None => {}
        }
    }

    fn reasoning(&mut self, delta: &Value, events: &mut Vec<StreamEvent>) {
        let details = delta
            .get("reasoning_details")
            .and_then(Value::as_array)
            .map(Vec::as_slice)
            .unwrap_or_default();
        if let (Some(thinking), Some(first)) = (&self.thinking, details.first())
            && thinking.proof.ends_before(first)
        {
            self.close_thinking(events);
        }
        let plain = content::reasoning(delta);
        if !plain.is_empty() {
            self.plain_reasoning = true;
            self.think(plain.to_owned(), events);
        }
        for detail in details.iter().filter(|detail| detail.is_object()) {
            if self.thinking.as_ref().is_some_and(|thinking| thinking.proof.ends_before(detail)) {
                self.close_thinking(events);
            }
            let text = details::text(detail);
            if !self.plain_reasoning && !text.is_empty() {
                let index = self.thinking_block(Some(detail), events);
                events.push(StreamEvent::Delta { index, delta: Delta::Text(text.to_owned()) });
            }
            let mut proof = Proof::default();
            proof.push(detail);
            if proof.is_complete() {
                self.thinking_block(Some(detail), events);
            }
            if let Some(thinking) = &mut self.thinking {
                thinking.proof.push(detail);
            }
        }
    }

    fn think(&mut self, text: String, events: &mut Vec<StreamEvent>) {
        if text.is_empty() {
            return;
        }
        if self.thinking.as_ref().is_some_and(|thinking| thinking.proof.is_complete()) {
            self.close_thinking(events);
        }
        let index = self.thinking_block(None, events);
        events.push(StreamEvent::Delta { index, delta: Delta::Text(text) });
    }

    fn say(&mut self, text: String, events: &mut Vec<StreamEvent>) {
        let index = self.text_block(events);
        events.push(StreamEvent::Delta { index, delta: Delta::Text(text) });
    }

    fn refuse(&mut self, text: String, events: &mut Vec<StreamEvent>) {
        let index = match self.refusal {
            Some(index) => index,
            None => {
                self.close_spoken(events);
                let index = self.open(BlockStart::Refusal, events);
                self.refusal = Some(index);
                index
            }
        };
        events.push(StreamEvent::Delta { index, delta: Delta::Text(text) });
    }

    fn show(&mut self, media: Media, events: &mut Vec<StreamEvent>) {
        self.close_spoken(events);
        let index = self.open(BlockStart::Media(media), events);
        events.push(StreamEvent::BlockStop { index });
    }

    fn cite(&mut self, citation: Citation, events: &mut Vec<StreamEvent>) {
        let index = self.text_block(events);
        self.cited.push(citation.url.clone());
        events.push(StreamEvent::Delta { index, delta: Delta::Citation(citation) });
    }

    fn text_block(&mut self, events: &mut Vec<StreamEvent>) -> usize {
        if let Some(index) = self.text {
            return index;
        }
        self.close_spoken(events);
        let index = self.open(BlockStart::Text, events);
        self.text = Some(index);
        index
    }

    fn thinking_block(&mut self, detail: Option<&Value>, events: &mut Vec<StreamEvent>) -> usize {
        if let Some(thinking) = &self.thinking {
            return thinking.index;
        }
        self.close_spoken(events);
        let block = BlockStart::Reasoning {
            id: detail.and_then(details::id),
            redacted: detail.is_some_and(details::is_redacted),
        };
        let index = self.open(block, events);
        self.thinking = Some(Thinking { index, proof: Proof::default() });
        index
    }

    fn open(&mut self, block: BlockStart, events: &mut Vec<StreamEvent>) -> usize {
        let index = self.next;
        self.next += 1;
        events.push(StreamEvent::BlockStart { index, block });
        index
    }

    /// Ends the block that is being spoken: text, refusal or reasoning. At most one is open.
    fn close_spoken(&mut self, events: &mut Vec<StreamEvent>) {
        self.close_thinking(events);
        for index in [self.text.take(), self.refusal.take()].into_iter().flatten() {
            events.push(StreamEvent::BlockStop { index });
        }
    }

    fn close_thinking(&mut self, events: &mut Vec<StreamEvent>) {
        let Some(Thinking { index, proof }) = self.thinking.take() else { return };
        if let Some(signature) = proof.signature() {
            events.push(StreamEvent::Delta { index, delta: Delta::Signature(signature) });
        }
        events.push(StreamEvent::BlockStop { index });
    }

    /// Ends the answer, if it is known to be whole.
    fn close(&mut self, marked: bool, events: &mut Vec<StreamEvent>) {
        let has_content = self.next > 0 || !self.calls.is_empty();
        let is_whole = self.finish.is_some() || (marked && (has_content || self.usage.is_some()));
        if self.ended || !is_whole {
            return;
        }
        self.ended = true;
        for citation in std::mem::take(&mut self.sources) {
            if !self.cited.contains(&citation.url) {
                self.cite(citation, events);
            }
        }
        self.close_spoken(events);
        self.calls.close(&self.id, &mut self.next, events);
        if matches!(events.last(), Some(StreamEvent::Failed(_))) {
            return;
        }
        let reason = content::settled(self.finish.take(), !self.calls.is_empty());
        events.push(StreamEvent::Finish { reason, stop_sequence: None });
    }
}

impl StreamDecoder for Decoder {
    fn decode(&mut self, frame: &Frame, events: &mut Vec<StreamEvent>) -> Result<(), Failure> {
        let data = frame.data.trim_ascii();
        if self.ended || data.is_empty() {
            return Ok(());
        }
        if data == b"[DONE]" {
            self.close(true, events);
            return Ok(());
        }
        let chunk: Value = crate::json::read(data).map_err(|error| {
            failure::malformed(&format!(
                "the provider sent a stream event that is not JSON: {error}"
            ))
        })?;
        if !chunk.is_object() {
            return Err(failure::malformed(
                "the provider sent a stream event that is not a JSON object",
            ));
        }
        if let Some(failure) = failure::in_band(&chunk, &frame.event, self.read_failure) {
            self.ended = true;
            events.push(StreamEvent::Failed(failure));
            return Ok(());
        }
        self.chunk(&chunk, events);
        Ok(())
    }

    fn finish(&mut self, events: &mut Vec<StreamEvent>) {
        self.close(false, events);
    }
}

/// Returns true when a legacy call says anything (some send an empty one in every chunk).
fn names_or_argues(call: &Value) -> bool {
    let filled =
        |path| call.pointer(path).and_then(Value::as_str).is_some_and(|text| !text.is_empty());
    filled("/function/name") || filled("/function/arguments")
}
