//! Events to a client's stream.
//!
//! Called by the server, event by event. Blocks on this wire never overlap and their indexes have no gaps: a block that begins
//! while another is open waits until that one stops. A block is announced with its first content, so that an empty one, which a
//! client could not send back, never appears. It deliberately sends no `ping`: keeping a connection alive is the server's business.

use std::collections::VecDeque;

use bytes::BytesMut;
use serde::Serialize;
use serde_json::{Map, Value, json};
use sy_types::Failure;
use sy_types::chat::{BlockStart, Delta, FinishReason, Opaque, Signature, StreamEvent, Usage};

use super::{failure, proof, response};
use crate::face::{ReplyInfo, StreamEncoder};
use crate::frame::write_event;
use crate::ids::ANTHROPIC_MESSAGES;

/// The state of one stream.
#[derive(Debug)]
pub(super) struct Encoder {
    request_id: String,
    /// The message of `message_start`, until it is written: it waits for one more event, which may bring token counts.
    message: Option<Map<String, Value>>,
    usage: Usage,
    /// The first is open; the others wait.
    blocks: VecDeque<Block>,
    /// The index of the next block on the wire.
    next: usize,
    ended: bool,
}

#[derive(Debug)]
struct Block {
    /// The canonical index.
    index: usize,
    start: BlockStart,
    /// True once `content_block_start` is written.
    announced: bool,
    /// The signature of reasoning, which is written last.
    proof: Option<Signature>,
    /// Deltas that came while another block was open.
    waiting: Vec<Delta>,
    /// Arguments held back: the first piece, as the call's proof may follow it, or all of a custom tool's free text.
    held: String,
    stopped: bool,
}

impl Encoder {
    /// Makes the encoder of one answer.
    pub(super) fn new(info: &ReplyInfo<'_>) -> Self {
        Self {
            request_id: info.request_id.to_owned(),
            message: Some(response::head(info, None, None)),
            usage: Usage::default(),
            blocks: VecDeque::new(),
            next: 0,
            ended: false,
        }
    }

    fn begin(&mut self, out: &mut BytesMut) {
        let Some(mut message) = self.message.take() else { return };
        message.insert("content".to_owned(), json!([]));
        message.insert("stop_reason".to_owned(), Value::Null);
        message.insert("stop_sequence".to_owned(), Value::Null);
        message.insert("usage".to_owned(), response::write_usage(&self.usage));
        write(out, "message_start", &json!({ "type": "message_start", "message": message }));
    }

    fn take_delta(&mut self, index: usize, delta: &Delta, out: &mut BytesMut) {
        let Some(at) = self.blocks.iter().rposition(|block| block.index == index && !block.stopped)
        else {
            return;
        };
        match (self.blocks.get_mut(at), at) {
            (Some(block), 0) => block.write(delta, &mut self.next, out),
            (Some(block), _) => block.waiting.push(delta.clone()),
            (None, _) => {}
        }
    }

    /// Writes what waits for its turn, block by block, up to the first that is still open.
    fn advance(&mut self, out: &mut BytesMut) {
        while let Some(block) = self.blocks.front_mut() {
            for delta in std::mem::take(&mut block.waiting) {
                block.write(&delta, &mut self.next, out);
            }
            if !block.stopped {
                return;
            }
            if let Some(block) = self.blocks.pop_front() {
                block.close(&mut self.next, out);
            }
        }
    }

    fn end(&mut self, reason: &FinishReason, stop_sequence: Option<&str>, out: &mut BytesMut) {
        self.ended = true;
        for block in &mut self.blocks {
            block.stopped = true;
        }
        self.advance(out);
        let stop_reason = response::stop_reason(reason, stop_sequence);
        let last = json!({
            "type": "message_delta",
            "delta": { "stop_reason": stop_reason, "stop_sequence": stop_sequence },
            "usage": response::write_usage(&self.usage),
        });
        write(out, "message_delta", &last);
        write(out, "message_stop", &json!({ "type": "message_stop" }));
    }
}

impl StreamEncoder for Encoder {
    fn encode(&mut self, event: &StreamEvent, out: &mut BytesMut) {
        if self.ended {
            return;
        }
        if let StreamEvent::Usage(usage) = event {
            self.usage.merge(usage);
        }
        if !matches!(event, StreamEvent::Start { .. } | StreamEvent::Failed(_)) {
            self.begin(out);
        }
        match event {
            StreamEvent::Start { id, model, .. } => {
                let named = [("id", id), ("model", model)];
                for (name, value) in
                    named.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?)))
                {
                    if let Some(message) = &mut self.message {
                        message.insert(name.to_owned(), value.as_str().into());
                    }
                }
            }
            StreamEvent::BlockStart { index, block } => {
                self.blocks.push_back(Block::new(*index, block.clone()));
            }
            StreamEvent::Delta { index, delta } => self.take_delta(*index, delta, out),
            StreamEvent::BlockStop { index } => {
                let found = self.blocks.iter_mut().rev().find(|block| block.index == *index);
                if let Some(block) = found {
                    block.stopped = true;
                }
                self.advance(out);
            }
            StreamEvent::Usage(_) => {}
            StreamEvent::Finish { reason, stop_sequence } => {
                self.end(reason, stop_sequence.as_deref(), out)
            }
            StreamEvent::Failed(failure) => self.fail(failure, out),
        }
    }

    fn fail(&mut self, failure: &Failure, out: &mut BytesMut) {
        if !self.ended {
            self.ended = true;
            write_event(out, "error", &failure::encode(failure, None, &self.request_id));
        }
    }
}

impl Block {
    fn new(index: usize, start: BlockStart) -> Self {
        let (waiting, held) = (Vec::new(), String::new());
        Self { index, start, announced: false, proof: None, waiting, held, stopped: false }
    }

    /// Writes a delta of the open block.
    fn write(&mut self, delta: &Delta, next: &mut usize, out: &mut BytesMut) {
        match (&self.start, delta) {
            (BlockStart::ToolCall { .. }, Delta::Arguments(text)) => {
                self.write_arguments(text, next, out)
            }
            (BlockStart::ToolCall { .. }, Delta::Signature(proof)) if !self.announced => {
                whole_block(&proof::carrier(proof), next, out);
            }
            (BlockStart::Text | BlockStart::Refusal, Delta::Text(text)) if !text.is_empty() => {
                self.announce(next, out, || json!({ "type": "text", "text": "" }));
                self.piece(*next, &Piece::Text { text }, out);
            }
            (BlockStart::Text, Delta::Citation(citation)) => {
                self.announce(next, out, || json!({ "type": "text", "text": "" }));
                let citation = &response::write_citation(citation);
                self.piece(*next, &Piece::Citation { citation }, out);
            }
            (BlockStart::Reasoning { .. }, Delta::Text(text)) if !text.is_empty() => {
                self.announce(
                    next,
                    out,
                    || json!({ "type": "thinking", "thinking": "", "signature": "" }),
                );
                self.piece(*next, &Piece::Thinking { thinking: text }, out);
            }
            (BlockStart::Reasoning { .. }, Delta::Signature(proof)) => {
                self.proof = Some(proof.clone())
            }
            // What is left has no form on this wire: empty texts, and the proof of a text (see `proof`).
            _ => {}
        }
    }

    fn write_arguments(&mut self, text: &str, next: &mut usize, out: &mut BytesMut) {
        let BlockStart::ToolCall { custom, .. } = self.start else { return };
        if custom || (!self.announced && self.held.is_empty()) {
            self.held.push_str(text);
            return;
        }
        if !self.announced {
            self.flush_call(next, out);
        }
        if !text.is_empty() {
            self.piece(*next, &Piece::Input { partial_json: text }, out);
        }
    }

    /// Writes the signature of reasoning, which for reasoning without a text is all there is.
    fn sign(&mut self, redacted: bool, next: &mut usize, out: &mut BytesMut) {
        let signature = &proof::write(self.proof.as_ref());
        if redacted && !self.announced {
            self.announce(next, out, || json!({ "type": "redacted_thinking", "data": signature }));
            return;
        }
        self.announce(next, out, || json!({ "type": "thinking", "thinking": "", "signature": "" }));
        self.piece(*next, &Piece::Signature { signature }, out);
    }

    /// Announces a tool call and writes the arguments held back.
    fn flush_call(&mut self, next: &mut usize, out: &mut BytesMut) {
        let BlockStart::ToolCall { id, name, custom } = &self.start else { return };
        let mut held = std::mem::take(&mut self.held);
        if *custom {
            held = crate::json::text(&response::input(&held, true).0);
        }
        let block = json!({ "type": "tool_use", "id": id, "name": name, "input": {} });
        self.announce(next, out, || block);
        if !held.is_empty() {
            self.piece(*next, &Piece::Input { partial_json: &held }, out);
        }
    }

    fn announce(
        &mut self,
        next: &mut usize,
        out: &mut BytesMut,
        content_block: impl FnOnce() -> Value,
    ) {
        if !self.announced {
            self.announced = true;
            start(&content_block(), *next, out);
            *next += 1;
        }
    }

    /// Writes a piece of this block; the block's index is the one before `next`.
    fn piece(&self, next: usize, delta: &Piece<'_>, out: &mut BytesMut) {
        piece(next.saturating_sub(1), delta, out);
    }

    fn close(mut self, next: &mut usize, out: &mut BytesMut) {
        match &self.start {
            BlockStart::ToolCall { custom, .. } if *custom || !self.announced => {
                self.flush_call(next, out)
            }
            BlockStart::Reasoning { redacted, .. } if self.announced || self.proof.is_some() => {
                self.sign(*redacted, next, out);
            }
            BlockStart::Opaque(opaque) => write_opaque(opaque, next, out),
            BlockStart::Text
            | BlockStart::Refusal
            | BlockStart::Reasoning { .. }
            | BlockStart::ToolCall { .. }
            | BlockStart::Media(_) => {}
        }
        if self.announced {
            stop(next.saturating_sub(1), out);
        }
    }
}

/// A piece of a block on the wire.
#[derive(Serialize)]
#[serde(tag = "type")]
enum Piece<'a> {
    #[serde(rename = "text_delta")]
    Text { text: &'a str },
    #[serde(rename = "thinking_delta")]
    Thinking { thinking: &'a str },
    #[serde(rename = "signature_delta")]
    Signature { signature: &'a str },
    #[serde(rename = "citations_delta")]
    Citation { citation: &'a Value },
    #[serde(rename = "input_json_delta")]
    Input { partial_json: &'a str },
}

#[derive(Serialize)]
struct BlockDelta<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    index: usize,
    delta: &'a Piece<'a>,
}

/// Writes a block of this protocol. The input of a server tool is streamed, as clients expect it to be.
fn write_opaque(opaque: &Opaque, next: &mut usize, out: &mut BytesMut) {
    if opaque.protocol != ANTHROPIC_MESSAGES {
        return;
    }
    let mut block = opaque.value.clone();
    let input = match block.get_mut("input") {
        Some(input) if input.is_object() && opaque.kind.ends_with("tool_use") => {
            std::mem::replace(input, json!({}))
        }
        _ => return whole_block(&block, next, out),
    };
    start(&block, *next, out);
    piece(*next, &Piece::Input { partial_json: &crate::json::text(&input) }, out);
    stop(*next, out);
    *next += 1;
}

fn whole_block(content_block: &Value, next: &mut usize, out: &mut BytesMut) {
    start(content_block, *next, out);
    stop(*next, out);
    *next += 1;
}

fn start(content_block: &Value, index: usize, out: &mut BytesMut) {
    let event =
        json!({ "type": "content_block_start", "index": index, "content_block": content_block });
    write(out, "content_block_start", &event);
}

fn piece(index: usize, delta: &Piece<'_>, out: &mut BytesMut) {
    write(out, "content_block_delta", &BlockDelta { kind: "content_block_delta", index, delta });
}

fn stop(index: usize, out: &mut BytesMut) {
    write(out, "content_block_stop", &json!({ "type": "content_block_stop", "index": index }));
}

fn write<T: Serialize>(out: &mut BytesMut, event: &str, value: &T) {
    write_event(out, event, &crate::json::write(value));
}
