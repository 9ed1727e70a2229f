//! Anthropic Messages: `POST /v1/messages`, spoken to providers and by clients.
//!
//! Map of this folder:
//! - `request`, `content`: a client's request to canonical (options and tools; messages and blocks).
//! - `build`, `history`, `thinking`, `enforced`: canonical to a provider's request (options and tools; messages; reasoning and
//!   sampling; schemas that are enforced).
//! - `response`: whole answers, both ways, with the words and counts they share with streams.
//! - `decoder`, `encoder`: streams.
//! - `relay`: what must be looked at where bodies are passed on as they are.
//! - `proof`: signatures of other protocols inside blocks of this one.
//! - `failure`: error bodies, both ways.
//!
//! Called by the router and the server through the registry. It deliberately knows no vendor; the one thing it looks at in a
//! model's id is Claude's version, on which the form of the request depends.

mod build;
mod content;
mod decoder;
mod encoder;
mod enforced;
mod failure;
mod history;
mod proof;
mod relay;
mod request;
mod response;
mod thinking;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use serde_json::{Map, Value, json};
use sy_types::chat::{ChatRequest, ChatResponse, Dropped};
use sy_types::{CallBody, Failure, ProtocolId, Target};

use crate::face::{
    Built, Downstream, Hints, Outgoing, ReplyInfo, StreamDecoder, StreamEncoder, Upstream,
};
use crate::ids::ANTHROPIC_MESSAGES;
use crate::inbound::Head;

/// The version of the interface that every call names (docs read 2026-11-21; there is no later one).
const VERSION: HeaderValue = HeaderValue::from_static("2023-06-01");

/// Fields of a messages request that the token-counting call refuses.
const NOT_COUNTED: [&str; 9] = [
    "max_tokens",
    "stream",
    "temperature",
    "top_p",
    "top_k",
    "stop_sequences",
    "metadata",
    "service_tier",
    "container",
];

/// The protocol, with both of its faces.
#[derive(Debug)]
pub(crate) struct AnthropicMessages;

impl Upstream for AnthropicMessages {
    fn id(&self) -> ProtocolId {
        ANTHROPIC_MESSAGES
    }

    fn path(&self, _target: &Target, _stream: bool) -> String {
        "/messages".to_owned()
    }

    fn headers(&self, headers: &mut HeaderMap) {
        headers.insert("anthropic-version", VERSION);
    }

    fn build(&self, chat: &ChatRequest, target: &Target, stream: bool) -> Result<Built, Failure> {
        Ok(build::build(chat, target, stream))
    }

    fn relay(&self, outgoing: &Outgoing<'_>) -> Result<CallBody, Failure> {
        relay::relay(outgoing)
    }

    fn relay_dropped(&self, outgoing: &Outgoing<'_>) -> Result<Vec<Dropped>, Failure> {
        Ok(relay::dropped(outgoing))
    }

    fn stream_decoder(&self) -> Box<dyn StreamDecoder> {
        Box::new(decoder::Decoder::default())
    }

    fn relay_decoder(&self) -> Box<dyn StreamDecoder> {
        Box::new(relay::RelayDecoder::default())
    }

    fn decode_response(&self, body: &[u8]) -> Result<ChatResponse, Failure> {
        response::decode(body)
    }

    /// 1,000 is the most for one page (API reference, List Models).
    fn models_path(&self) -> Option<&'static str> {
        Some("/models?limit=1000")
    }

    fn decode_failure(&self, status: u16, body: &[u8]) -> Failure {
        failure::decode(status, body)
    }

    fn count_path(&self, _target: &Target) -> Option<String> {
        Some("/messages/count_tokens".to_owned())
    }

    fn count_body(&self, mut body: Map<String, Value>, _target: &Target) -> Map<String, Value> {
        body.retain(|field, _| !NOT_COUNTED.contains(&field.as_str()));
        body
    }

    fn decode_count(&self, body: &[u8]) -> Option<u64> {
        crate::json::read::<Value>(body).ok()?.get("input_tokens")?.as_u64()
    }
}

impl Downstream for AnthropicMessages {
    fn id(&self) -> ProtocolId {
        ANTHROPIC_MESSAGES
    }

    fn head(&self, body: &Bytes, _hints: &Hints) -> Result<Head, Failure> {
        Head::read(body)
    }

    fn decode(&self, body: &[u8], head: &Head) -> Result<ChatRequest, Failure> {
        request::decode(body, head, request::Purpose::Answer)
    }

    fn decode_count_request(&self, body: &[u8], head: &Head) -> Result<ChatRequest, Failure> {
        request::decode(body, head, request::Purpose::Count)
    }

    fn encode_response(&self, info: &ReplyInfo<'_>, response: &ChatResponse) -> Bytes {
        response::encode(info, response)
    }

    fn stream_encoder(&self, info: &ReplyInfo<'_>) -> Box<dyn StreamEncoder> {
        Box::new(encoder::Encoder::new(info))
    }

    fn encode_failure(&self, failure: &Failure, status: u16, request_id: &str) -> Bytes {
        failure::encode(failure, Some(status), request_id)
    }

    fn overloaded_status(&self) -> u16 {
        529
    }

    fn encode_count(&self, tokens: u64) -> Bytes {
        Bytes::from(crate::json::write(&json!({ "input_tokens": tokens })))
    }
}

#[cfg(test)]
mod tests;
