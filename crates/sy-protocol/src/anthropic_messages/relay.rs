//! What must be looked at where bodies of this protocol are passed on as they are.
//!
//! Called by the router for a client and a provider that both speak it. A conversation may have begun with another provider: then
//! its history holds proofs of other protocols, which this provider would refuse, and they are taken out. So is the billing line
//! of Claude Code, where the provider is not the one that reads it. It deliberately changes nothing else.

use serde_json::Value;
use sy_types::chat::{Dropped, StreamEvent};
use sy_types::{CallBody, Failure};

use super::decoder::Decoder;
use super::proof;
use crate::conversation;
use crate::face::{Outgoing, StreamDecoder};
use crate::frame::Frame;
use crate::patch::Spans;

/// With what a JSON text that we made begins.
const MARKED: &[u8] = b"\"sy1";

/// Patches the client's body for the target.
pub(super) fn relay(outgoing: &Outgoing<'_>) -> Result<CallBody, Failure> {
    let mut edits = vec![("model", Value::from(&*outgoing.target.upstream_model))];
    if outgoing.stream != outgoing.inbound.head().stream {
        edits.push(("stream", Value::Bool(outgoing.stream)));
    }
    let body = outgoing.inbound.body();
    if memchr::memmem::find(body, MARKED).is_some() {
        let charge = outgoing.inbound.charge_translation()?;
        outgoing.inbound.keep(charge);

        let messages = crate::json::read::<Value>(body)
            .ok()
            .and_then(|mut body| body.get_mut("messages").map(Value::take));
        if let Some(Value::Array(messages)) = messages {
            edits.push((
                "messages",
                Value::Array(messages.into_iter().filter_map(own_message).collect()),
            ));
        }
    }
    let system = system_without_billing(outgoing);
    // A system prompt that was nothing but the line is gone.
    let removed: &[&str] = if system == Some(Value::Null) { &["system"] } else { &[] };
    edits.extend(system.filter(|system| !system.is_null()).map(|system| ("system", system)));
    outgoing.inbound.patched_without(outgoing.target, edits, removed)
}

/// Reports what [`relay`] leaves out.
pub(super) fn dropped(outgoing: &Outgoing<'_>) -> Vec<Dropped> {
    system_without_billing(outgoing).map(|_| conversation::billing_report()).into_iter().collect()
}

/// Returns the system prompt without the billing line; `Null` when nothing is left of it, `None` when it stays as it is.
fn system_without_billing(outgoing: &Outgoing<'_>) -> Option<Value> {
    let body = outgoing.inbound.body();
    let is_there = memchr::memmem::find(body, conversation::BILLING_LINE.as_bytes()).is_some();
    if outgoing.target.dialect.billing_line || !is_there {
        return None;
    }

    let spans = Spans::find(body, &["system"]).ok()?;
    match crate::json::read(spans.get(body, "system")?).ok()? {
        Value::String(text) => {
            let rest = conversation::without_billing(&text)?;
            Some(if rest.trim().is_empty() { Value::Null } else { Value::from(rest) })
        }
        Value::Array(mut blocks) => {
            let mut is_found = false;
            blocks.retain_mut(|block| {
                let Some(Value::String(text)) = block.get_mut("text") else { return true };
                let Some(rest) = conversation::without_billing(text).map(str::to_owned) else {
                    return true;
                };
                is_found = true;
                *text = rest;
                !text.trim().is_empty()
            });
            let left = if blocks.is_empty() { Value::Null } else { Value::Array(blocks) };
            is_found.then_some(left)
        }
        _ => None,
    }
}

/// Returns a message without blocks and citations of other protocols; `None` when nothing is left of it.
fn own_message(mut message: Value) -> Option<Value> {
    if let Some(Value::Array(blocks)) = message.get_mut("content") {
        let before = blocks.len();
        blocks.retain(|block| !is_foreign(block));
        if blocks.is_empty() && before > 0 {
            return None;
        }
        for block in blocks.iter_mut().filter_map(Value::as_object_mut) {
            if let Some(Value::Array(citations)) = block.get_mut("citations") {
                citations.retain(|citation| !proof::is_marked(citation.get("encrypted_index")));
                if citations.is_empty() {
                    block.shift_remove("citations");
                }
            }
        }
    }
    Some(message)
}

fn is_foreign(block: &Value) -> bool {
    match block.get("type").and_then(Value::as_str) {
        Some("thinking") => proof::is_marked(block.get("signature")),
        Some("redacted_thinking") => proof::is_marked(block.get("data")),
        _ => false,
    }
}

/// Looks at a relayed stream: everything up to the first content, then only frames that are not about blocks.
#[derive(Debug, Default)]
pub(super) struct RelayDecoder {
    decoder: Decoder,
    has_content: bool,
}

impl StreamDecoder for RelayDecoder {
    fn decode(&mut self, frame: &Frame, events: &mut Vec<StreamEvent>) -> Result<(), Failure> {
        if self.has_content && is_plain_block_frame(frame) {
            return Ok(());
        }
        let before = events.len();
        self.decoder.decode(frame, events)?;
        self.has_content |= events.iter().skip(before).any(StreamEvent::is_content);
        Ok(())
    }

    fn finish(&mut self, events: &mut Vec<StreamEvent>) {
        self.decoder.finish(events);
    }
}

/// Returns true for a frame that says by its name that it is about a block, and that is closed like a JSON object.
fn is_plain_block_frame(frame: &Frame) -> bool {
    let data = frame.data.trim_ascii();
    matches!(&*frame.event, b"content_block_delta" | b"content_block_start" | b"content_block_stop")
        && data.starts_with(b"{")
        && data.ends_with(b"}")
}
