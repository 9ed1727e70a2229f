//! Z.AI's dialect of chat completions, provider face only.
//!
//! Called like every protocol; nearly all of its work is done by `openai_chat`'s functions, on whose bodies `fit` then works.
//! Since it takes the bodies of chat clients ([`Upstream::wire`]), those are patched and not rebuilt: exactly the fields
//! that Z.AI refuses or spells otherwise change, every other byte stays. Facts: docs.z.ai and its SDKs, read 2026-11-21.
//! It deliberately does not sign keys: that is the credential's business.

mod failure;
mod fit;
mod search;

use http::{HeaderMap, HeaderValue, header};
use serde_json::{Map, Value};
use sy_types::chat::{ChatRequest, ChatResponse, Dropped};
use sy_types::{CallBody, Failure, ProtocolId, Target};

use crate::face::{Built, Outgoing, StreamDecoder, Upstream};
use crate::frame::Frame;
use crate::ids::{OPENAI_CHAT, ZAI_CHAT};
use crate::openai_chat;
use crate::patch::Spans;

/// The provider face of Z.AI.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ZaiChat;

impl Upstream for ZaiChat {
    fn id(&self) -> ProtocolId {
        ZAI_CHAT
    }

    fn wire(&self) -> ProtocolId {
        OPENAI_CHAT
    }

    fn path(&self, _target: &Target, _stream: bool) -> String {
        openai_chat::PATH.to_owned()
    }

    /// Without it, error messages are in Chinese.
    fn headers(&self, headers: &mut HeaderMap) {
        headers.insert(header::ACCEPT_LANGUAGE, HeaderValue::from_static("en-US,en"));
    }

    fn build(&self, chat: &ChatRequest, target: &Target, stream: bool) -> Result<Built, Failure> {
        Ok(fit::build(chat, target, stream))
    }

    fn relay(&self, outgoing: &Outgoing<'_>) -> Result<CallBody, Failure> {
        let Patch { before, after, .. } = Patch::of(outgoing)?;
        let mut edits = vec![("model", Value::from(&*outgoing.target.upstream_model))];
        if outgoing.stream != outgoing.inbound.head().stream {
            edits.push(("stream", Value::Bool(outgoing.stream)));
        }
        edits.extend(openai_chat::usage_edit(outgoing)?.map(|value| ("stream_options", value)));
        let changed = after.iter().filter(|(name, value)| before.get(*name) != Some(value));
        edits.extend(changed.map(|(name, value)| (name.as_str(), value.clone())));
        let removed: Vec<&str> =
            before.keys().map(String::as_str).filter(|name| !after.contains_key(*name)).collect();
        outgoing.inbound.patched_without(outgoing.target, edits, &removed)
    }

    fn relay_dropped(&self, outgoing: &Outgoing<'_>) -> Result<Vec<Dropped>, Failure> {
        Ok(Patch::of(outgoing)?.dropped)
    }

    fn adds_usage(&self, outgoing: &Outgoing<'_>) -> bool {
        openai_chat::adds_usage(outgoing)
    }

    fn is_usage_only(&self, frame: &Frame) -> bool {
        openai_chat::is_usage_only(frame)
    }

    fn stream_decoder(&self) -> Box<dyn StreamDecoder> {
        Box::new(openai_chat::Decoder::new(failure::read))
    }

    fn relay_decoder(&self) -> Box<dyn StreamDecoder> {
        Box::new(openai_chat::RelayDecoder::new(failure::read))
    }

    fn decode_response(&self, body: &[u8]) -> Result<ChatResponse, Failure> {
        openai_chat::decode_response_with(body, failure::read)
    }

    fn models_path(&self) -> Option<&'static str> {
        Some("/models")
    }

    fn decode_failure(&self, status: u16, body: &[u8]) -> Failure {
        failure::decode(status, body)
    }
}

/// The fields of a client's body that may have to change, as they came and as they go out.
struct Patch {
    before: Map<String, Value>,
    after: Map<String, Value>,
    dropped: Vec<Dropped>,
}

impl Patch {
    fn of(outgoing: &Outgoing<'_>) -> Result<Self, Failure> {
        let body = outgoing.inbound.body();
        let spans = Spans::find(body, fit::FIELDS)?;
        let mut before = Map::new();
        for name in fit::FIELDS {
            // Messages are only read where a picture has to change; they are by far the largest part.
            if *name == "messages" && !fit::holds_data_url(body) {
                continue;
            }
            let raw = spans.get(body, name).unwrap_or_default();
            outgoing.inbound.charge_field(raw)?;
            let value = crate::json::read(raw).ok();
            if let Some(value) = value {
                before.insert((*name).to_owned(), value);
            }
        }
        let (mut after, mut dropped) = (before.clone(), Vec::new());
        let asked = fit::asked(&before);
        fit::fit(&mut after, &asked, outgoing.target, outgoing.stream, &mut dropped);
        Ok(Self { before, after, dropped })
    }
}

#[cfg(test)]
mod tests;
