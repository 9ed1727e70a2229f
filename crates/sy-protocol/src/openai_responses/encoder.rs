//! Events to the bytes of one stream.
//!
//! Writes the events in the order in which OpenAI's own servers send them: an item is added, its parts are added, filled and
//! done, the item is done; the closing event repeats the whole output. Items are numbered in the order in which they are added,
//! because SDKs put the answer together by that number. It deliberately never splits or joins texts: a delta in is a delta out.

use bytes::BytesMut;
use serde_json::{Map, Value, json};
use sy_types::Failure;
use sy_types::chat::{
    BlockStart, Citation, Delta, Reasoning, Signature, StreamEvent, ToolCall, Usage,
};

use super::echo::Echo;
use super::{encode, failure, parts};
use crate::face::{ReplyInfo, StreamEncoder};
use crate::frame::write_event;
use crate::ids::OPENAI_RESPONSES;

/// The encoder of one stream.
pub(super) struct Encoder {
    echo: Echo,
    sequence: u64,
    started: bool,
    ended: bool,
    /// The items by place; `Null` until an item is done.
    output: Vec<Value>,
    open: Vec<Block>,
    usage: Option<Usage>,
}

/// An open block.
struct Block {
    index: usize,
    /// The place of its item in the output, once the item was added.
    place: Option<usize>,
    content: Content,
}

enum Content {
    Text {
        text: String,
        citations: Vec<Citation>,
        signature: Option<Signature>,
    },
    Refusal(String),
    Reasoning(Reasoning),
    Call(ToolCall),
    /// Written whole when the block began, or of no place in this protocol.
    Written,
}

impl Encoder {
    /// Makes an encoder for the answer to a request.
    pub(super) fn new(info: &ReplyInfo<'_>) -> Self {
        Self {
            echo: Echo::new(info),
            sequence: 0,
            started: false,
            ended: false,
            output: Vec::new(),
            open: Vec::new(),
            usage: None,
        }
    }

    /// Writes one event with the next sequence number.
    fn send(&mut self, out: &mut BytesMut, kind: &str, fields: Value) {
        let mut event = Map::new();
        event.insert("type".to_owned(), Value::from(kind));
        event.insert("sequence_number".to_owned(), Value::from(self.sequence));
        if let Value::Object(fields) = fields {
            event.extend(fields);
        }
        self.sequence += 1;
        write_event(out, kind, &crate::json::write(&event));
    }

    fn begin(&mut self, out: &mut BytesMut) {
        if std::mem::replace(&mut self.started, true) {
            return;
        }
        let response = self.echo.in_progress();
        self.send(out, "response.created", json!({"response": response}));
        self.send(out, "response.in_progress", json!({"response": response}));
    }

    fn block_start(&mut self, index: usize, start: &BlockStart, out: &mut BytesMut) {
        let content = match start {
            BlockStart::Text => {
                Content::Text { text: String::new(), citations: Vec::new(), signature: None }
            }
            BlockStart::Refusal => Content::Refusal(String::new()),
            BlockStart::Reasoning { id, redacted } => Content::Reasoning(Reasoning {
                id: id.clone(),
                redacted: *redacted,
                ..Reasoning::default()
            }),
            BlockStart::ToolCall { id, name, custom } => Content::Call(ToolCall {
                id: id.clone(),
                name: name.clone(),
                arguments: String::new(),
                custom: *custom,
                signature: None,
                cache: false,
            }),
            BlockStart::Media(media) => {
                let item = encode::picture(&self.echo.item_id("ig", self.output.len()), media);
                self.whole_item(item, out);
                Content::Written
            }
            BlockStart::Opaque(opaque) => {
                let item = (opaque.protocol == OPENAI_RESPONSES).then(|| opaque.value.clone());
                self.whole_item(item, out);
                Content::Written
            }
        };
        let begins_now = matches!(content, Content::Reasoning(_) | Content::Call(_));
        let mut block = Block { index, place: None, content };
        if begins_now {
            self.open_item(&mut block, out);
        }
        self.open.push(block);
    }

    /// Writes an item that is complete at once.
    fn whole_item(&mut self, item: Option<Value>, out: &mut BytesMut) {
        let Some(item) = item else { return };
        let place = self.output.len();
        self.output.push(item.clone());
        self.send(out, "response.output_item.added", json!({"output_index": place, "item": item}));
        self.send(out, "response.output_item.done", json!({"output_index": place, "item": item}));
    }

    /// Writes that an item and its first part are there; does so once. Returns its place and id.
    fn open_item(&mut self, block: &mut Block, out: &mut BytesMut) -> (usize, String) {
        if let Some(place) = block.place {
            return (place, self.item_id(&block.content, place));
        }
        let place = self.output.len();
        self.output.push(Value::Null);
        block.place = Some(place);
        let id = self.item_id(&block.content, place);
        let part = match &block.content {
            Content::Text { .. } => Some(encode::text_part("", &[])),
            Content::Refusal(_) => Some(encode::refusal_part("")),
            Content::Reasoning(_) | Content::Call(_) | Content::Written => None,
        };
        let item = match &block.content {
            Content::Text { .. } | Content::Refusal(_) => {
                encode::message(&id, "in_progress", Vec::new())
            }
            Content::Reasoning(_) => encode::reasoning(&id, &Reasoning::default()),
            Content::Call(call) => encode::tool_call(&self.echo, place, call, "in_progress"),
            Content::Written => Value::Null,
        };
        self.send(out, "response.output_item.added", json!({"output_index": place, "item": item}));
        if let Some(part) = part {
            let fields =
                json!({"item_id": id, "output_index": place, "content_index": 0, "part": part});
            self.send(out, "response.content_part.added", fields);
        }
        (place, id)
    }

    fn item_id(&self, content: &Content, place: usize) -> String {
        let kind = match content {
            Content::Text { .. } | Content::Refusal(_) => "msg",
            Content::Reasoning(_) => "rs",
            Content::Call(call) if call.custom || self.echo.is_custom(&call.name) => "ctc",
            Content::Call(_) => "fc",
            Content::Written => "item",
        };
        self.echo.item_id(kind, place)
    }

    fn delta(&mut self, block: &mut Block, delta: &Delta, out: &mut BytesMut) {
        match (&mut block.content, delta) {
            (Content::Text { text, .. }, Delta::Text(more)) if !more.is_empty() => {
                text.push_str(more);
                let (place, id) = self.open_item(block, out);
                let fields = json!({"item_id": id, "output_index": place, "content_index": 0, "delta": more, "logprobs": []});
                self.send(out, "response.output_text.delta", fields);
            }
            (Content::Text { text, citations, .. }, Delta::Citation(citation)) => {
                let at = citations.len();
                let annotation = parts::annotation(citation, text.chars().count());
                citations.push(citation.clone());
                let (place, id) = self.open_item(block, out);
                let fields = json!({"item_id": id, "output_index": place, "content_index": 0,
                    "annotation_index": at, "annotation": annotation});
                self.send(out, "response.output_text.annotation.added", fields);
            }
            (Content::Text { signature, .. }, Delta::Signature(proof)) => {
                *signature = Some(proof.clone())
            }
            (Content::Refusal(text), Delta::Text(more)) if !more.is_empty() => {
                text.push_str(more);
                let (place, id) = self.open_item(block, out);
                let fields = json!({"item_id": id, "output_index": place, "content_index": 0, "delta": more});
                self.send(out, "response.refusal.delta", fields);
            }
            (Content::Reasoning(thought), Delta::Text(more)) if !more.is_empty() => {
                let is_first = thought.text.is_empty();
                thought.text.push_str(more);
                let (place, id) = self.open_item(block, out);
                let part = json!({"item_id": id, "output_index": place, "summary_index": 0});
                if is_first {
                    let fields = with(&part, "part", json!({"type": "summary_text", "text": ""}));
                    self.send(out, "response.reasoning_summary_part.added", fields);
                }
                self.send(
                    out,
                    "response.reasoning_summary_text.delta",
                    with(&part, "delta", json!(more)),
                );
            }
            (Content::Reasoning(thought), Delta::Signature(proof)) => {
                thought.signature = Some(proof.clone())
            }
            (Content::Call(call), Delta::Arguments(more)) if !more.is_empty() => {
                call.arguments.push_str(more);
                // A custom tool that was offered as a function is unwrapped at its end: its input is inside the arguments.
                let kind = match (call.custom, self.echo.is_custom(&call.name)) {
                    (true, _) => "response.custom_tool_call_input.delta",
                    (false, true) => return,
                    (false, false) => "response.function_call_arguments.delta",
                };
                let (place, id) = self.open_item(block, out);
                self.send(out, kind, json!({"item_id": id, "output_index": place, "delta": more}));
            }
            (Content::Call(call), Delta::Signature(proof)) => call.signature = Some(proof.clone()),
            _ => {}
        }
    }

    fn block_stop(&mut self, mut block: Block, out: &mut BytesMut) {
        let is_empty = match &block.content {
            Content::Text { text, citations, .. } => text.is_empty() && citations.is_empty(),
            Content::Refusal(text) => text.is_empty(),
            Content::Written => true,
            Content::Reasoning(_) | Content::Call(_) => false,
        };
        if is_empty {
            return;
        }
        let (place, id) = self.open_item(&mut block, out);
        let item = match block.content {
            Content::Text { text, citations, signature } => {
                let part = encode::text_part(&text, &citations);
                let fields = json!({"item_id": id, "output_index": place, "content_index": 0, "text": text, "logprobs": []});
                self.send(out, "response.output_text.done", fields);
                self.message_stop(place, &id, &part, out);
                self.proof(&id, signature.as_ref(), out);
                encode::message(&id, "completed", vec![part])
            }
            Content::Refusal(text) => {
                let fields = json!({"item_id": id, "output_index": place, "content_index": 0, "refusal": text});
                self.send(out, "response.refusal.done", fields);
                let part = encode::refusal_part(&text);
                self.message_stop(place, &id, &part, out);
                encode::message(&id, "completed", vec![part])
            }
            Content::Reasoning(thought) => {
                if !thought.text.is_empty() {
                    let part = json!({"item_id": id, "output_index": place, "summary_index": 0});
                    let fields = with(&part, "text", json!(thought.text));
                    self.send(out, "response.reasoning_summary_text.done", fields);
                    let fields =
                        with(&part, "part", json!({"type": "summary_text", "text": thought.text}));
                    self.send(out, "response.reasoning_summary_part.done", fields);
                }
                encode::reasoning(&id, &thought)
            }
            Content::Call(call) => self.call_stop(place, &id, &call, out),
            Content::Written => return,
        };
        self.send(out, "response.output_item.done", json!({"output_index": place, "item": item}));
        if let Some(slot) = self.output.get_mut(place) {
            *slot = item;
        }
    }

    fn message_stop(&mut self, place: usize, id: &str, part: &Value, out: &mut BytesMut) {
        let fields =
            json!({"item_id": id, "output_index": place, "content_index": 0, "part": part});
        self.send(out, "response.content_part.done", fields);
    }

    fn call_stop(&mut self, place: usize, id: &str, call: &ToolCall, out: &mut BytesMut) -> Value {
        let item = encode::tool_call(&self.echo, place, call, "completed");
        let at = json!({"item_id": id, "output_index": place});
        match item.get("input").and_then(Value::as_str) {
            Some(input) => {
                if !call.custom && !input.is_empty() {
                    let fields = with(&at, "delta", json!(input));
                    self.send(out, "response.custom_tool_call_input.delta", fields);
                }
                self.send(
                    out,
                    "response.custom_tool_call_input.done",
                    with(&at, "input", json!(input)),
                );
            }
            None => {
                let name = item.get("name").cloned().unwrap_or_default();
                let fields = with(&with(&at, "name", name), "arguments", json!(call.arguments));
                self.send(out, "response.function_call_arguments.done", fields);
            }
        }
        self.proof(&call.id, call.signature.as_ref(), out);
        item
    }

    /// Writes the proof of an item while the item is still open, so that a reader knows whose it is.
    fn proof(&mut self, owner: &str, signature: Option<&Signature>, out: &mut BytesMut) {
        let Some(signature) = signature else { return };
        let id = self.echo.item_id("rs", self.output.len());
        self.whole_item(Some(encode::owned_proof(&id, owner, signature)), out);
    }

    /// Takes a block out of the list of open ones.
    fn take(&mut self, index: usize) -> Option<Block> {
        let at = self.open.iter().rposition(|block| block.index == index)?;
        Some(self.open.swap_remove(at))
    }
}

impl StreamEncoder for Encoder {
    fn encode(&mut self, event: &StreamEvent, out: &mut BytesMut) {
        if self.ended {
            return;
        }
        if let StreamEvent::Start { id, model, created } = event {
            self.echo.start(id.as_deref(), model.as_deref(), *created);
        }
        if let StreamEvent::Failed(failure) = event {
            return self.fail(failure, out);
        }
        self.begin(out);
        match event {
            StreamEvent::Start { .. } | StreamEvent::Failed(_) => {}
            StreamEvent::BlockStart { index, block } => self.block_start(*index, block, out),
            StreamEvent::Delta { index, delta } => {
                if let Some(mut block) = self.take(*index) {
                    self.delta(&mut block, delta, out);
                    self.open.push(block);
                }
            }
            StreamEvent::BlockStop { index } => {
                if let Some(block) = self.take(*index) {
                    self.block_stop(block, out);
                }
            }
            StreamEvent::Usage(usage) => self.usage.get_or_insert_default().merge(usage),
            StreamEvent::Finish { reason, .. } => {
                self.open.sort_by_key(|block| block.index);
                for block in std::mem::take(&mut self.open) {
                    self.block_stop(block, out);
                }
                let response =
                    self.echo.ended(reason, std::mem::take(&mut self.output), self.usage);
                let is_whole = response.get("status").and_then(Value::as_str) == Some("completed");
                let kind = if is_whole { "response.completed" } else { "response.incomplete" };
                self.send(out, kind, json!({"response": response}));
                self.ended = true;
            }
        }
    }

    fn repeats_answer(&self) -> bool {
        true
    }

    /// Writes both forms that OpenAI's servers send: SDKs raise on the `error` inside the first, Codex on the second.
    fn fail(&mut self, failure: &Failure, out: &mut BytesMut) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let error = failure::object(failure);
        let fields = json!({"code": failure::code(failure), "message": failure.message, "param": failure.param, "error": error});
        self.send(out, "error", fields);
        let (code, message) = failure::response_error(failure);
        let response = self.echo.failed(code, &message);
        self.send(out, "response.failed", json!({"response": response}));
    }
}

fn with(fields: &Value, key: &str, value: Value) -> Value {
    let mut fields = fields.clone();
    if let Value::Object(map) = &mut fields {
        map.insert(key.to_owned(), value);
    }
    fields
}
