//! OpenAI's Responses API, on both faces (docs read 2026-11-21).
//!
//! - `decode`, `items`: a client's request to the canonical form.
//! - `build`, `history`: the canonical request to a provider's body.
//! - `parts`, `tools`: what both directions share of requests.
//! - `response`, `decoder`, `blocks`, `seen`: a provider's answers to the canonical form, whole and streamed.
//! - `encode`, `encoder`, `echo`: answers for a client, whole and streamed, inside the response object that SDKs expect.
//! - `namespaces`: tools in groups, as one flat list and back.
//! - `proof`, `failure`: signatures inside `encrypted_content`; errors in this protocol's words.
//!
//! Nothing here stores an answer: each request is whole.

mod blocks;
mod build;
mod calls;
mod decode;
mod decoder;
mod echo;
mod encode;
mod encoder;
mod failure;
mod history;
mod items;
mod namespaces;
mod parts;
mod proof;
mod response;
mod seen;
mod tools;

use bytes::Bytes;
use serde_json::{Value, json};
use sy_types::chat::{ChatRequest, ChatResponse};
use sy_types::{Failure, ProtocolId, Target};

use crate::face::{Built, Downstream, Hints, ReplyInfo, StreamDecoder, StreamEncoder, Upstream};
use crate::failure::Reported;
use crate::ids::OPENAI_RESPONSES;
use crate::inbound::Head;

/// The protocol.
pub(crate) struct OpenAiResponses;

impl Upstream for OpenAiResponses {
    fn id(&self) -> ProtocolId {
        OPENAI_RESPONSES
    }

    fn path(&self, _target: &Target, _stream: bool) -> String {
        "/responses".to_owned()
    }

    fn build(&self, chat: &ChatRequest, target: &Target, stream: bool) -> Result<Built, Failure> {
        build::build(chat, target, stream)
    }

    fn stream_decoder(&self) -> Box<dyn StreamDecoder> {
        Box::new(decoder::Decoder::full())
    }

    fn relay_decoder(&self) -> Box<dyn StreamDecoder> {
        Box::new(decoder::Decoder::lean())
    }

    fn decode_response(&self, body: &[u8]) -> Result<ChatResponse, Failure> {
        response::decode(body)
    }

    fn models_path(&self) -> Option<&'static str> {
        Some("/models")
    }

    fn decode_failure(&self, status: u16, body: &[u8]) -> Failure {
        Reported::read(body).into_failure(status)
    }

    fn count_path(&self, _target: &Target) -> Option<String> {
        Some("/responses/input_tokens".to_owned())
    }

    fn decode_count(&self, body: &[u8]) -> Option<u64> {
        let value: Value = crate::json::read(body).ok()?;
        value.get("input_tokens")?.as_u64()
    }
}

impl Downstream for OpenAiResponses {
    fn id(&self) -> ProtocolId {
        OPENAI_RESPONSES
    }

    fn head(&self, body: &Bytes, _hints: &Hints) -> Result<Head, Failure> {
        Head::read(body)
    }

    fn decode(&self, body: &[u8], head: &Head) -> Result<ChatRequest, Failure> {
        decode::decode(body, head)
    }

    fn encode_response(&self, info: &ReplyInfo<'_>, response: &ChatResponse) -> Bytes {
        Bytes::from(crate::json::write(&encode::encode(info, response)))
    }

    fn stream_encoder(&self, info: &ReplyInfo<'_>) -> Box<dyn StreamEncoder> {
        Box::new(encoder::Encoder::new(info))
    }

    fn encode_failure(&self, failure: &Failure, _status: u16, _request_id: &str) -> Bytes {
        Bytes::from(crate::json::write(&json!({"error": failure::object(failure)})))
    }

    fn encode_count(&self, tokens: u64) -> Bytes {
        Bytes::from(crate::json::write(
            &json!({"object": "response.input_tokens", "input_tokens": tokens}),
        ))
    }
}

#[cfg(test)]
mod tests;
