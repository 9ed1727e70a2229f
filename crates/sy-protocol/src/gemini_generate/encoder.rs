//! Events to the stream of this protocol: server-sent events without an end marker, or one JSON array.
//!
//! Every chunk is a whole answer fragment. A tool call is sent when it is complete, because this wire has no half ones that every
//! SDK reads; token counts and the finish reason come in the last chunk.

use std::collections::BTreeMap;

use bytes::{BufMut as _, BytesMut};
use serde_json::{Map, Value};
use sy_types::Failure;
use sy_types::chat::{
    BlockStart, Citation, Delta, FinishReason, Part, StreamEvent, ToolCall, Usage,
};

use super::{answer, failure, parts, proof};
use crate::face::{ReplyInfo, StreamEncoder, StreamForm};
use crate::frame::write_event;

/// A block that is not complete yet.
enum Block {
    Text,
    Reasoning { id: Option<String>, redacted: bool },
    Call(ToolCall),
}

/// The state of one stream.
pub(super) struct Encoder {
    form: StreamForm,
    id: String,
    model: String,
    request_id: String,
    /// True once a chunk was written.
    has_written: bool,
    is_over: bool,
    blocks: BTreeMap<usize, Block>,
    usage: Option<Usage>,
    citations: Vec<Citation>,
}

impl Encoder {
    /// Makes the encoder for a client.
    pub(super) fn new(info: &ReplyInfo<'_>) -> Self {
        let head = info.inbound.head();
        Self {
            form: head.form,
            id: info.request_id.to_owned(),
            model: head.model.clone(),
            request_id: info.request_id.to_owned(),
            has_written: false,
            is_over: false,
            blocks: BTreeMap::new(),
            usage: None,
            citations: Vec::new(),
        }
    }

    fn begin(&mut self, index: usize, block: &BlockStart, out: &mut BytesMut) {
        let block = match block {
            BlockStart::Text | BlockStart::Refusal => Block::Text,
            BlockStart::Reasoning { id, redacted } => {
                Block::Reasoning { id: id.clone(), redacted: *redacted }
            }
            BlockStart::ToolCall { id, name, custom } => Block::Call(ToolCall {
                id: id.clone(),
                name: name.clone(),
                arguments: String::new(),
                custom: *custom,
                signature: None,
                cache: false,
            }),
            BlockStart::Media(media) => return self.part(&Part::Media(media.clone()), out),
            BlockStart::Opaque(opaque) => return self.part(&Part::Opaque(opaque.clone()), out),
        };
        self.blocks.insert(index, block);
    }

    fn extend(&mut self, index: usize, delta: &Delta, out: &mut BytesMut) {
        let Some(block) = self.blocks.get_mut(&index) else { return };
        let part = match (block, delta) {
            (Block::Call(call), Delta::Arguments(more) | Delta::Text(more)) => {
                call.arguments.push_str(more);
                return;
            }
            (Block::Call(call), Delta::Signature(signature)) => {
                call.signature = Some(signature.clone());
                return;
            }
            (Block::Text | Block::Reasoning { .. }, Delta::Text(text)) if text.is_empty() => return,
            (Block::Text, Delta::Text(text)) => parts::text_part(text, false, None),
            (Block::Reasoning { .. }, Delta::Text(text)) => parts::text_part(text, true, None),
            (Block::Text, Delta::Signature(signature)) => {
                parts::text_part("", false, Some(proof::write(signature)))
            }
            (Block::Reasoning { id, redacted }, Delta::Signature(signature)) => parts::text_part(
                "",
                true,
                Some(proof::write_wrapped(signature, id.as_deref(), *redacted)),
            ),
            (_, Delta::Citation(citation)) => {
                self.citations.push(citation.clone());
                return;
            }
            (Block::Text | Block::Reasoning { .. }, Delta::Arguments(_)) => return,
        };
        self.chunk(part, None, out);
    }

    fn end(&mut self, index: usize, out: &mut BytesMut) {
        if let Some(Block::Call(call)) = self.blocks.remove(&index) {
            self.part(&Part::ToolCall(call), out);
        }
    }

    fn part(&mut self, part: &Part, out: &mut BytesMut) {
        if let Some(part) = parts::answer_part(part) {
            self.chunk(part, None, out);
        }
    }

    fn close(&mut self, reason: &FinishReason, out: &mut BytesMut) {
        let open: Vec<usize> = self.blocks.keys().copied().collect();
        for index in open {
            self.end(index, out);
        }
        self.chunk(parts::text_part("", false, None), Some(reason), out);
        if self.form == StreamForm::JsonArray {
            out.put_slice(b"]");
        }
        self.is_over = true;
    }

    fn chunk(&mut self, part: Value, finish: Option<&FinishReason>, out: &mut BytesMut) {
        let mut candidate = Map::new();
        candidate.insert(
            "content".to_owned(),
            parts::object([("parts", Value::Array(vec![part])), ("role", Value::from("model"))]),
        );
        if let Some(reason) = finish {
            candidate.insert("finishReason".to_owned(), Value::from(answer::finish_word(reason)));
            if let Some(grounding) = answer::grounding_metadata(&self.citations) {
                candidate.insert("groundingMetadata".to_owned(), grounding);
            }
        }
        candidate.insert("index".to_owned(), Value::from(0));
        let mut fragment = Map::new();
        fragment.insert("candidates".to_owned(), Value::Array(vec![Value::Object(candidate)]));
        if let Some(usage) = self.usage.as_ref().filter(|_| finish.is_some()) {
            fragment.insert("usageMetadata".to_owned(), answer::usage_metadata(usage));
        }
        fragment.insert("modelVersion".to_owned(), Value::from(self.model.as_str()));
        fragment.insert("responseId".to_owned(), Value::from(self.id.as_str()));
        self.write(&Value::Object(fragment), out);
    }

    fn write(&mut self, fragment: &Value, out: &mut BytesMut) {
        let json = crate::json::write(fragment);
        match self.form {
            StreamForm::Sse => write_event(out, "", &json),
            StreamForm::JsonArray => {
                out.put_slice(if self.has_written { b",\n" } else { b"[" });
                out.put_slice(&json);
                out.put_slice(b"\n");
            }
        }
        self.has_written = true;
    }
}

impl StreamEncoder for Encoder {
    fn encode(&mut self, event: &StreamEvent, out: &mut BytesMut) {
        if self.is_over {
            return;
        }
        match event {
            StreamEvent::Start { id, model, .. } => {
                self.id = id.clone().unwrap_or_else(|| std::mem::take(&mut self.id));
                self.model = model.clone().unwrap_or_else(|| std::mem::take(&mut self.model));
            }
            StreamEvent::BlockStart { index, block } => self.begin(*index, block, out),
            StreamEvent::Delta { index, delta } => self.extend(*index, delta, out),
            StreamEvent::BlockStop { index } => self.end(*index, out),
            StreamEvent::Usage(usage) => self.usage.get_or_insert_default().merge(usage),
            StreamEvent::Finish { reason, .. } => self.close(reason, out),
            StreamEvent::Failed(failure) => self.fail(failure, out),
        }
    }

    fn fail(&mut self, failure: &Failure, out: &mut BytesMut) {
        if self.is_over {
            return;
        }
        let error = failure::encode(failure, failure::status_of(failure.kind), &self.request_id);
        self.write(&error, out);
        if self.form == StreamForm::JsonArray {
            out.put_slice(b"]");
        }
        self.is_over = true;
    }
}
