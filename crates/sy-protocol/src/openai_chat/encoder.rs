//! The stream encoder: events to chunks as OpenAI's SDKs expect them.
//!
//! Made for each stream that a chat client asked for and another protocol answers. The parts of a chunk that never change are
//! written once. Usage goes out in a chunk of its own, and only when the client asked for it.

use bytes::{BufMut, BytesMut};
use serde_json::{Value, json};
use sy_types::chat::{
    BlockStart, ChatRequest, Delta, Reasoning, StreamEvent, ToolCall, ToolKind, Usage,
};
use sy_types::{Failure, Media as Kind};

use super::{content, details, failure, relay, response, usage};
use crate::face::{ReplyInfo, StreamEncoder};
use crate::frame::write_event;
use crate::ids::OPENAI_CHAT;
use crate::reasoning;

/// What an open block still has to say.
enum Open {
    Text,
    Refusal,
    Reasoning(Reasoning),
    /// A call whose first chunk is held until the event after its first arguments: a proof that comes then rides in it, the
    /// only place where clients look.
    Call {
        call: ToolCall,
        position: usize,
        is_sent: bool,
        is_custom: bool,
    },
    /// Nothing more comes.
    Whole,
}

/// Turns events into chunks.
pub(super) struct Encoder {
    /// `{"id":…,"model":…` up to the choices.
    head: String,
    model: String,
    id: String,
    now: i64,
    with_usage: bool,
    custom: Vec<String>,
    blocks: Vec<(usize, Open)>,
    calls: usize,
    images: usize,
    thoughts: usize,
    /// True once a reasoning text was sent: another one is set apart from it.
    has_reasoned: bool,
    usage: Option<Usage>,
}

/// Returns the names of the tools that the client declared as custom: the target got them as functions.
pub(super) fn custom_tools(info: &ReplyInfo<'_>) -> Vec<String> {
    let is_custom = |chat: &ChatRequest| {
        let tools = chat.tools.iter().filter(|tool| matches!(tool.kind, ToolKind::Custom { .. }));
        tools.map(|tool| tool.name.clone()).collect()
    };
    info.inbound.chat().map(is_custom).unwrap_or_default()
}

impl Encoder {
    /// Makes an encoder for the answer to a request.
    pub(super) fn new(info: &ReplyInfo<'_>) -> Self {
        let asked = info.inbound.protocol() != Some(OPENAI_CHAT)
            || relay::asks_for_usage(info.inbound) == Ok(true);
        Self {
            head: String::new(),
            model: info.inbound.head().model.clone(),
            id: format!("chatcmpl-{}", info.request_id),
            now: info.now,
            with_usage: asked,
            custom: custom_tools(info),
            blocks: Vec::new(),
            calls: 0,
            images: 0,
            thoughts: 0,
            has_reasoned: false,
            usage: None,
        }
    }

    fn start(
        &mut self,
        id: Option<&str>,
        model: Option<&str>,
        created: Option<i64>,
        out: &mut BytesMut,
    ) {
        let word = |text: &str| String::from_utf8_lossy(&crate::json::write(text)).into_owned();
        self.head = format!(
            r#"{{"id":{},"object":"chat.completion.chunk","created":{},"model":{},"#,
            word(id.unwrap_or(&self.id)),
            created.unwrap_or(self.now),
            word(model.unwrap_or(&self.model)),
        );
        self.chunk(&json!({ "role": "assistant", "content": "" }), None, out);
    }

    fn chunk(&self, delta: &Value, finish: Option<&str>, out: &mut BytesMut) {
        let delta = crate::json::write(delta);
        out.reserve(self.head.len() + delta.len() + 96);
        out.put_slice(b"data: ");
        out.put_slice(self.head.as_bytes());
        out.put_slice(br#""choices":[{"index":0,"delta":"#);
        out.put_slice(&delta);
        out.put_slice(br#","logprobs":null,"finish_reason":"#);
        match finish {
            Some(word) => {
                out.put_u8(b'"');
                out.put_slice(word.as_bytes());
                out.put_u8(b'"');
            }
            None => out.put_slice(b"null"),
        }
        out.put_slice(b"}]");
        if self.with_usage {
            out.put_slice(br#","usage":null"#);
        }
        out.put_slice(b"}\n\n");
    }

    fn begin(&mut self, index: usize, block: &BlockStart, out: &mut BytesMut) {
        let open = match block {
            BlockStart::Text => Open::Text,
            BlockStart::Refusal => Open::Refusal,
            BlockStart::Reasoning { id, redacted } => Open::Reasoning(Reasoning {
                id: id.clone(),
                redacted: *redacted,
                ..Reasoning::default()
            }),
            BlockStart::ToolCall { id, name, custom } => {
                let position = self.calls;
                self.calls += 1;
                let (id, name, arguments) = (id.clone(), name.clone(), String::new());
                let is_custom = *custom || self.custom.contains(&name);
                let call = ToolCall {
                    id,
                    name,
                    arguments,
                    custom: *custom,
                    signature: None,
                    cache: false,
                };
                Open::Call { call, position, is_sent: false, is_custom }
            }
            BlockStart::Media(media) if media.kind == Kind::Audio => {
                self.chunk(&json!({ "audio": response::write_audio(media) }), None, out);
                Open::Whole
            }
            BlockStart::Media(media) => {
                if let Some(image) = response::write_image(media, self.images) {
                    self.images += 1;
                    self.chunk(&json!({ "images": [image] }), None, out);
                }
                Open::Whole
            }
            BlockStart::Opaque(_) => Open::Whole,
        };
        self.blocks.push((index, open));
    }

    fn extend(&mut self, index: usize, delta: &Delta, out: &mut BytesMut) {
        let Some(at) = self.blocks.iter().rposition(|(known, _)| *known == index) else { return };
        let mut chunks = Vec::new();
        if let Some((_, open)) = self.blocks.get_mut(at) {
            match (open, delta) {
                (Open::Text, Delta::Text(text)) => chunks.push(json!({ "content": text })),
                (Open::Text, Delta::Citation(citation)) => {
                    chunks.push(json!({ "annotations": [response::write_citation(citation)] }));
                }
                (Open::Text, Delta::Signature(signature)) => {
                    chunks.push(json!({ "extra_content": content::extra_content(signature) }));
                }
                (Open::Refusal, Delta::Text(text)) => chunks.push(json!({ "refusal": text })),
                (Open::Reasoning(thought), Delta::Text(text)) if !text.is_empty() => {
                    let is_first = thought.text.is_empty();
                    // Only whether there was a text matters for the proof; it is not collected.
                    if is_first {
                        thought.text.push(' ');
                    }
                    if is_first && std::mem::replace(&mut self.has_reasoned, true) {
                        chunks.push(json!({ "reasoning_content": reasoning::SEPARATOR }));
                    }
                    chunks.push(json!({ "reasoning_content": text }));
                }
                (Open::Reasoning(reasoning), Delta::Signature(signature)) => {
                    reasoning.signature = Some(signature.clone());
                    chunks.push(json!({ "reasoning_details": details::write_proof(reasoning, self.thoughts) }));
                }
                (Open::Call { call, position, is_sent, is_custom }, delta) => {
                    chunks.extend(extend_call(call, *position, is_sent, *is_custom, delta));
                }
                (Open::Text | Open::Refusal | Open::Reasoning(_) | Open::Whole, _) => {}
            }
        }
        for chunk in chunks {
            self.chunk(&chunk, None, out);
        }
    }

    fn end(&mut self, index: usize, out: &mut BytesMut) {
        let Some(at) = self.blocks.iter().rposition(|(known, _)| *known == index) else { return };
        let (_, open) = self.blocks.swap_remove(at);
        match open {
            Open::Reasoning(_) => self.thoughts += 1,
            Open::Call { call, position, is_sent: false, .. } => {
                let mut written = response::write_call(&call, &self.custom);
                if let Value::Object(written) = &mut written {
                    // The schema of chunks knows the type `function` only (openai-openapi, read 2026-11); the field may be absent.
                    if written.contains_key("custom") {
                        written.shift_remove("type");
                    }
                    written.insert("index".to_owned(), position.into());
                }
                self.chunk(&json!({ "tool_calls": [written] }), None, out);
            }
            Open::Text | Open::Refusal | Open::Call { .. } | Open::Whole => {}
        }
    }
}

/// Takes a delta of a call in and returns what can go out. A custom tool's input goes out whole at the end, since it may have
/// to be unwrapped.
fn extend_call(
    call: &mut ToolCall,
    position: usize,
    is_sent: &mut bool,
    is_custom: bool,
    delta: &Delta,
) -> Option<Value> {
    let mut written = match delta {
        Delta::Arguments(more) => {
            let is_first = !*is_sent && call.arguments.is_empty();
            call.arguments.push_str(more);
            if is_first || is_custom {
                return None;
            }
            let written = match *is_sent {
                true => json!({ "function": { "arguments": call.arguments } }),
                false => response::write_call(call, &[]),
            };
            *is_sent = true;
            call.arguments.clear();
            written
        }
        Delta::Signature(signature) if *is_sent => {
            json!({ "extra_content": content::extra_content(signature) })
        }
        Delta::Signature(signature) => {
            call.signature = Some(signature.clone());
            return None;
        }
        Delta::Text(_) | Delta::Citation(_) => return None,
    };
    if let Value::Object(written) = &mut written {
        written.insert("index".to_owned(), position.into());
    }
    Some(json!({ "tool_calls": [written] }))
}

impl StreamEncoder for Encoder {
    fn encode(&mut self, event: &StreamEvent, out: &mut BytesMut) {
        if self.head.is_empty()
            && !matches!(event, StreamEvent::Start { .. } | StreamEvent::Failed(_))
        {
            self.start(None, None, None, out);
        }
        match event {
            StreamEvent::Start { id, model, created } => {
                self.start(id.as_deref(), model.as_deref(), *created, out)
            }
            StreamEvent::BlockStart { index, block } => self.begin(*index, block, out),
            StreamEvent::Delta { index, delta } => self.extend(*index, delta, out),
            StreamEvent::BlockStop { index } => self.end(*index, out),
            StreamEvent::Usage(usage) => self.usage.get_or_insert_default().merge(usage),
            StreamEvent::Finish { reason, .. } => {
                self.chunk(&json!({}), Some(content::finish_word(reason)), out);
                if self.with_usage {
                    // Clients that ask for usage wait for this chunk, also where the provider told nothing.
                    let usage = self.usage.unwrap_or_default();
                    let counts = crate::json::text(&usage::write(&usage));
                    let chunk = format!(r#"{}"choices":[],"usage":{counts}}}"#, self.head);
                    write_event(out, "", chunk.as_bytes());
                }
                write_event(out, "", b"[DONE]");
            }
            StreamEvent::Failed(failure) => self.fail(failure, out),
        }
    }

    fn fail(&mut self, failure: &Failure, out: &mut BytesMut) {
        write_event(out, "", &crate::json::write(&failure::encode(failure)));
    }
}
