//! The items of one streamed answer to blocks.
//!
//! Driven by [`super::decoder`]; what it remembers is in [`super::seen`], and calls of tools are read in [`super::calls`]. Text comes from the deltas; where a vendor sends none,
//! from the events that repeat it whole. It keeps no text but arguments that come before the name of their tool, and of those
//! only so many, so memory does not grow with the answer.

use serde_json::{Value, json};
use sy_types::chat::{BlockStart, Delta, Part, Signature, StreamEvent};

use super::proof::Proof;
use super::seen::{
    Block, Call, Item, Kind, Source, Thought, agrees, begin, call_start, close, close_item,
    content_index, find, thought_part,
};
use super::{parts, response};

/// The items that have come so far.
#[derive(Default)]
pub(super) struct Blocks {
    pub(super) calls_tools: bool,
    /// The index of the next block.
    pub(super) next: usize,
    pub(super) items: Vec<Item>,
}

impl Blocks {
    /// Returns true once the model has asked for a tool.
    pub(super) fn calls_tools(&self) -> bool {
        self.calls_tools
    }

    /// Takes one event in; unknown ones say nothing that a block holds.
    pub(super) fn event(&mut self, kind: &str, value: &Value, events: &mut Vec<StreamEvent>) {
        match kind {
            "response.output_item.added" => {
                begin(&mut self.items, value);
                self.added(value, events);
            }
            "response.output_item.done" => self.done(value, events),
            "response.output_text.delta" => self.text(value, value.get("delta"), false, events),
            "response.refusal.delta" => self.text(value, value.get("delta"), true, events),
            "response.output_text.done" => self.whole_text(value, value.get("text"), false, events),
            "response.refusal.done" => self.whole_text(value, value.get("refusal"), true, events),
            "response.output_text.annotation.added" => self.annotation(value, events),
            "response.content_part.done" => {
                if let Some(part) = value.get("part") {
                    self.content(content_index(value), value, part, events);
                }
            }
            "response.reasoning_summary_text.delta" => {
                self.thought(value, Source::Summary, value.get("delta"), events);
            }
            "response.reasoning_text.delta" => {
                self.thought(value, Source::Content, value.get("delta"), events)
            }
            "response.reasoning_summary_text.done" => {
                self.whole_thought(value, Source::Summary, events)
            }
            "response.reasoning_text.done" => self.whole_thought(value, Source::Content, events),
            "response.function_call_arguments.delta" | "response.custom_tool_call_input.delta" => {
                self.arguments(value, &response::arguments(value.get("delta")), events);
            }
            "response.function_call_arguments.done" => {
                self.whole_arguments(value, "arguments", events)
            }
            "response.custom_tool_call_input.done" => self.whole_arguments(value, "input", events),
            _ => {}
        }
    }

    /// Takes the items of the closing event where the stream before it had none, and closes what is still open.
    pub(super) fn take_output(&mut self, output: &[Value], events: &mut Vec<StreamEvent>) {
        let is_new = self.items.is_empty();
        for (at, item) in output.iter().enumerate() {
            let is_open =
                self.items.iter().any(|known| known.output_index == at as u64 && !known.done);
            if is_new || is_open {
                self.done(&json!({"output_index": at, "item": item}), events);
            }
        }
    }

    /// Closes what is still open at the end of the answer.
    pub(super) fn close_all(&mut self, events: &mut Vec<StreamEvent>) {
        for item in self.items.iter_mut().filter(|item| !item.done) {
            close_item(item, events);
        }
    }

    pub(super) fn added(&mut self, value: &Value, events: &mut Vec<StreamEvent>) {
        let Some(inner) = value.get("item") else { return };
        let next = self.next;
        let Some(item) = find(&mut self.items, value) else { return };
        if !matches!(item.kind, Kind::Other) {
            return;
        }
        let mut opened = None;
        item.kind = match inner.get("type").and_then(Value::as_str).unwrap_or_default() {
            "message" => Kind::Message(Vec::new()),
            "reasoning" => match response::proof_of(inner) {
                Some(Proof::Owned { .. }) => Kind::Reasoning(None),
                proof => {
                    let redacted = matches!(proof, Some(Proof::Reasoning { redacted: true, .. }));
                    opened =
                        Some(BlockStart::Reasoning { id: response::text(inner, "id"), redacted });
                    Kind::Reasoning(Some(Thought { index: next, at: None }))
                }
            },
            "function_call" | "custom_tool_call" => {
                let is_known = |key: &str| {
                    inner.get(key).and_then(Value::as_str).is_some_and(|text| !text.is_empty())
                };
                opened = (is_known("call_id") && is_known("name")).then(|| call_start(0, inner));
                let index = opened.is_some().then_some(next);
                Kind::Call(Call { index, has_arguments: false, held: String::new() })
            }
            _ => Kind::Other,
        };
        let calls_tool = matches!(item.kind, Kind::Call(_));
        self.calls_tools |= calls_tool;
        if let Some(block) = opened {
            self.next += 1;
            events.push(StreamEvent::BlockStart { index: next, block });
        }
    }

    fn text(
        &mut self,
        value: &Value,
        text: Option<&Value>,
        refusal: bool,
        events: &mut Vec<StreamEvent>,
    ) {
        let Some(text) = text.and_then(Value::as_str).filter(|text| !text.is_empty()) else {
            return;
        };
        let Some(block) = self.block(value, refusal, events) else { return };
        block.has_text = true;
        let index = block.index;
        events.push(StreamEvent::Delta { index, delta: Delta::Text(text.to_owned()) });
    }

    /// Takes a text that an event repeats whole: it counts where no delta came.
    fn whole_text(
        &mut self,
        value: &Value,
        text: Option<&Value>,
        refusal: bool,
        events: &mut Vec<StreamEvent>,
    ) {
        let content_index = content_index(value);
        let has_text = match find(&mut self.items, value) {
            Some(Item { done: true, .. }) => true,
            Some(Item { kind: Kind::Message(blocks), .. }) => {
                blocks.iter().any(|block| block.content_index == content_index && block.has_text)
            }
            _ => false,
        };
        if !has_text {
            self.text(value, text, refusal, events);
        }
    }

    fn annotation(&mut self, value: &Value, events: &mut Vec<StreamEvent>) {
        let Some(citation) = value.get("annotation").and_then(parts::citation) else { return };
        let Some(block) = self.block(value, false, events) else { return };
        block.citations += 1;
        let index = block.index;
        events.push(StreamEvent::Delta { index, delta: Delta::Citation(citation) });
    }

    /// Returns the open block of a content part. The first event of a part opens it and closes the part before it.
    fn block(
        &mut self,
        value: &Value,
        refusal: bool,
        events: &mut Vec<StreamEvent>,
    ) -> Option<&mut Block> {
        let content_index = content_index(value);
        let next = self.next;
        let item = find(&mut self.items, value)?;
        if let Kind::Other = item.kind {
            item.kind = Kind::Message(Vec::new());
        }
        let Kind::Message(blocks) = &mut item.kind else { return None };
        if !blocks.iter().any(|block| block.content_index == content_index) {
            if item.done {
                return None;
            }
            close(blocks, events);
            let block = if refusal { BlockStart::Refusal } else { BlockStart::Text };
            events.push(StreamEvent::BlockStart { index: next, block });
            blocks.push(Block {
                content_index,
                index: next,
                has_text: false,
                citations: 0,
                open: true,
            });
            self.next = next + 1;
        }
        blocks.iter_mut().find(|block| block.content_index == content_index && block.open)
    }

    /// Takes a content part that came whole and adds what the deltas left out.
    fn content(
        &mut self,
        content_index: u64,
        value: &Value,
        part: &Value,
        events: &mut Vec<StreamEvent>,
    ) {
        let place =
            json!({"output_index": value.get("output_index"), "content_index": content_index});
        match response::message_part(part) {
            Some(Part::Text(text)) => {
                self.whole_text(&place, part.get("text"), false, events);
                let known = self.known_citations(&place);
                for citation in text.citations.into_iter().skip(known) {
                    let Some(block) = self.block(&place, false, events) else { return };
                    block.citations += 1;
                    let index = block.index;
                    events.push(StreamEvent::Delta { index, delta: Delta::Citation(citation) });
                }
            }
            Some(Part::Refusal(_)) => self.whole_text(&place, part.get("refusal"), true, events),
            _ => {}
        }
    }

    fn known_citations(&mut self, place: &Value) -> usize {
        let content_index = content_index(place);
        match find(&mut self.items, place) {
            Some(Item { kind: Kind::Message(blocks), .. }) => blocks
                .iter()
                .find(|block| block.content_index == content_index)
                .map_or(0, |block| block.citations),
            _ => 0,
        }
    }

    fn thought(
        &mut self,
        value: &Value,
        source: Source,
        text: Option<&Value>,
        events: &mut Vec<StreamEvent>,
    ) {
        let Some(text) = text.and_then(Value::as_str).filter(|text| !text.is_empty()) else {
            return;
        };
        let part = thought_part(value, source);
        if let Some(Item { kind: Kind::Other, done: false, .. }) = find(&mut self.items, value) {
            let added = json!({
                "output_index": value.get("output_index"),
                "item": {"type": "reasoning", "id": value.get("item_id")},
            });
            self.added(&added, events);
        }
        let Some(Item { kind: Kind::Reasoning(Some(thought)), done: false, .. }) =
            find(&mut self.items, value)
        else {
            return;
        };
        let text = match thought.at {
            Some((known, _)) if known != source => return,
            Some((_, last)) if last != part => format!("\n\n{text}"),
            Some(_) | None => text.to_owned(),
        };
        thought.at = Some((source, part));
        let index = thought.index;
        events.push(StreamEvent::Delta { index, delta: Delta::Text(text) });
    }

    /// Takes a part of reasoning that an event repeats whole: it counts where no delta of it came.
    fn whole_thought(&mut self, value: &Value, source: Source, events: &mut Vec<StreamEvent>) {
        let part = thought_part(value, source);
        let is_known = match find(&mut self.items, value) {
            Some(Item {
                kind: Kind::Reasoning(Some(Thought { at: Some((_, last)), .. })), ..
            }) => *last >= part,
            _ => false,
        };
        if !is_known {
            self.thought(value, source, value.get("text"), events);
        }
    }

    fn done(&mut self, value: &Value, events: &mut Vec<StreamEvent>) {
        let Some(inner) = value.get("item") else { return };
        if value.get("output_index").is_none() && self.items.last().is_some_and(|item| item.done) {
            begin(&mut self.items, value);
        }
        let Some(item) = find(&mut self.items, value).filter(|item| !item.done) else { return };
        let kind = inner.get("type").and_then(Value::as_str).unwrap_or_default();
        // What ends as something else than it began is another item in its place, which is given out whole.
        if !agrees(&item.kind, kind) {
            close_item(item, events);
            begin(&mut self.items, value);
        }
        match kind {
            "message" => self.message_done(value, inner, events),
            "reasoning" => self.reasoning_done(value, inner, events),
            "function_call" | "custom_tool_call" => self.call_done(value, inner, events),
            _ => self.other_done(inner, events),
        }
        if let Some(item) = find(&mut self.items, value) {
            item.done = true;
        }
    }

    fn message_done(&mut self, value: &Value, inner: &Value, events: &mut Vec<StreamEvent>) {
        self.added(value, events);
        if let Some(Value::String(text)) = inner.get("content") {
            let part = json!({"type": "output_text", "text": text});
            self.content(0, value, &part, events);
        }
        for (at, part) in response::array(inner, "content").iter().enumerate() {
            self.content(at as u64, value, part, events);
        }
        if let Some(Item { kind: Kind::Message(blocks), .. }) = find(&mut self.items, value) {
            close(blocks, events);
        }
    }

    fn reasoning_done(&mut self, value: &Value, inner: &Value, events: &mut Vec<StreamEvent>) {
        self.added(value, events);
        let proof = response::proof_of(inner);
        if let Some(Proof::Owned { signature, .. }) = &proof {
            return self.owned_proof(signature, events);
        }
        let text = response::reasoning_text(inner);
        let Some(Item { kind: Kind::Reasoning(Some(thought)), .. }) = find(&mut self.items, value)
        else {
            return;
        };
        let index = thought.index;
        if thought.at.is_none() && !text.is_empty() {
            events.push(StreamEvent::Delta { index, delta: Delta::Text(text) });
        }
        if let Some(Proof::Reasoning { signature, .. }) = proof {
            events.push(StreamEvent::Delta { index, delta: Delta::Signature(signature) });
        }
        events.push(StreamEvent::BlockStop { index });
    }

    /// A proof comes while its owner is still open; the owner of a late one is not known any more.
    fn owned_proof(&self, signature: &Signature, events: &mut Vec<StreamEvent>) {
        let open = self.items.iter().rev().find_map(|item| match &item.kind {
            Kind::Call(call) if !item.done => call.index,
            Kind::Message(blocks) if !item.done => {
                blocks.iter().rev().find(|block| block.open).map(|block| block.index)
            }
            Kind::Call(_) | Kind::Message(_) | Kind::Reasoning(_) | Kind::Other => None,
        });
        if let Some(index) = open {
            events.push(StreamEvent::Delta { index, delta: Delta::Signature(signature.clone()) });
        }
    }

    fn other_done(&mut self, inner: &Value, events: &mut Vec<StreamEvent>) {
        let block = match response::other(inner) {
            Part::Media(media) => BlockStart::Media(media),
            Part::Opaque(opaque) => BlockStart::Opaque(opaque),
            _ => return,
        };
        let index = self.next;
        self.next += 1;
        events.push(StreamEvent::BlockStart { index, block });
        events.push(StreamEvent::BlockStop { index });
    }
}
