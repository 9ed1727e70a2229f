//! Gemini generateContent, on both faces: a client may speak it to us, and we speak it to providers.
//!
//! Called through [`crate::registry`]. The model and the action (whole or streamed) stand in the path, not in the body, and a
//! stream has no end marker: each frame is a whole answer fragment, and the connection closes after the last. Both spellings
//! of field names are read (`systemInstruction`, `system_instruction`), since the API takes both; camelCase is written.
//!
//! Facts of the wire were read from the API reference (ai.google.dev/api/generate-content, ai.google.dev/gemini-api/docs, 2026-11)
//! and from recordings. It deliberately does not speak Vertex's `:predict` nor the Interactions API.

mod answer;
mod build;
mod contents;
mod count;
mod decoder;
mod encoder;
mod failure;
mod history;
mod naming;
mod partial;
mod parts;
mod proof;
mod relay;
mod relay_decoder;
mod request;
mod response;
mod thinking;
mod tools;

pub(crate) use naming::{combines_tools, fields, model_name, model_path, nested};

use bytes::Bytes;
use serde_json::{Map, Value, json};
use sy_types::chat::{ChatRequest, ChatResponse};
use sy_types::{CallBody, Failure, ProtocolId, Target};

use crate::face::{
    Built, Downstream, Hints, Outgoing, ReplyInfo, StreamDecoder, StreamEncoder, StreamForm,
    Upstream,
};
use crate::ids::GEMINI_GENERATE;
use crate::inbound::Head;
use crate::patch::Spans;

/// Why a part or tool that only another protocol knows is left out.
const FOREIGN: &str = "only its own protocol knows it";

/// The protocol, both faces.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GeminiGenerate;

impl Upstream for GeminiGenerate {
    fn id(&self) -> ProtocolId {
        GEMINI_GENERATE
    }

    fn path(&self, target: &Target, stream: bool) -> String {
        let model = naming::model_path(&target.upstream_model);
        if stream {
            format!("{model}:streamGenerateContent?alt=sse")
        } else {
            format!("{model}:generateContent")
        }
    }

    fn build(&self, chat: &ChatRequest, target: &Target, _stream: bool) -> Result<Built, Failure> {
        Ok(build::build(chat, target))
    }

    fn relay(&self, outgoing: &Outgoing<'_>) -> Result<CallBody, Failure> {
        relay::relay(outgoing)
    }

    fn stream_decoder(&self) -> Box<dyn StreamDecoder> {
        Box::new(decoder::Decoder::default())
    }

    fn relay_decoder(&self) -> Box<dyn StreamDecoder> {
        Box::new(relay_decoder::RelayDecoder::default())
    }

    fn decode_response(&self, body: &[u8]) -> Result<ChatResponse, Failure> {
        response::decode(body)
    }

    /// 1,000 is the most for one page (API reference, models.list).
    fn models_path(&self) -> Option<&'static str> {
        Some("/models?pageSize=1000")
    }

    fn decode_failure(&self, status: u16, body: &[u8]) -> Failure {
        failure::decode(status, body)
    }

    fn count_path(&self, target: &Target) -> Option<String> {
        Some(format!("{}:countTokens", naming::model_path(&target.upstream_model)))
    }

    fn count_body(&self, body: Map<String, Value>, target: &Target) -> Map<String, Value> {
        count::body(body, target)
    }

    fn relay_count(&self, outgoing: &Outgoing<'_>) -> Result<CallBody, Failure> {
        count::relay(outgoing)
    }

    fn decode_count(&self, body: &[u8]) -> Option<u64> {
        crate::json::read::<Value>(body).ok()?.get("totalTokens")?.as_u64()
    }
}

impl Downstream for GeminiGenerate {
    fn id(&self) -> ProtocolId {
        GEMINI_GENERATE
    }

    fn head(&self, body: &Bytes, hints: &Hints) -> Result<Head, Failure> {
        Spans::find(body, &[])?;
        let named =
            hints.model.as_deref().map(|model| model.strip_prefix("models/").unwrap_or(model));
        let Some(model) = named.filter(|model| !model.is_empty()) else {
            return Err(Failure::invalid(
                "the path must name a model: /v1beta/models/MODEL:generateContent",
            ));
        };
        let form = if hints.stream && !hints.sse { StreamForm::JsonArray } else { StreamForm::Sse };
        Ok(Head { model: model.to_owned(), stream: hints.stream, form })
    }

    fn decode(&self, body: &[u8], head: &Head) -> Result<ChatRequest, Failure> {
        request::decode(body, head)
    }

    fn encode_response(&self, info: &ReplyInfo<'_>, response: &ChatResponse) -> Bytes {
        Bytes::from(crate::json::write(&response::encode(info, response)))
    }

    fn stream_encoder(&self, info: &ReplyInfo<'_>) -> Box<dyn StreamEncoder> {
        Box::new(encoder::Encoder::new(info))
    }

    fn encode_failure(&self, failure: &Failure, status: u16, request_id: &str) -> Bytes {
        Bytes::from(crate::json::write(&failure::encode(failure, status, request_id)))
    }

    fn encode_count(&self, tokens: u64) -> Bytes {
        Bytes::from(crate::json::write(&json!({ "totalTokens": tokens })))
    }
}

#[cfg(test)]
mod tests;
