//! OpenAI chat completions, both faces: the language of about thirty vendors and of most clients.
//!
//! Called by [`crate::encode`] and the router through [`crate::registry`]; `zai_chat` reuses its functions. Vendors differ by
//! the values of [`sy_types::Dialect`]; what they merely answer oddly (missing ids, empty choices, two finish chunks) is read
//! leniently for all. It deliberately holds no vendor's name and no vendor's rules.
//!
//! Two conventions of this folder travel through clients and come back:
//! - proofs of reasoning ride in OpenRouter's `reasoning_details`, see `details`;
//! - proofs of tool calls and texts ride in Google's `extra_content.google.thought_signature`.

mod build;
mod build_message;
mod build_reasoning;
mod calls;
mod content;
mod decode;
mod decode_message;
mod decoder;
mod details;
mod encoder;
mod failure;
mod ids;
mod legacy;
mod relay;
mod response;
mod usage;

use bytes::Bytes;
use serde_json::{Value, json};
use sy_types::chat::{ChatRequest, ChatResponse};
use sy_types::{CallBody, Failure, ProtocolId, Target};

use crate::face::{
    Built, Downstream, Hints, Outgoing, ReplyInfo, StreamDecoder, StreamEncoder, Upstream,
};
use crate::frame::Frame;
use crate::ids::OPENAI_CHAT;
use crate::inbound::Head;

pub(crate) use build::build;
pub(crate) use build_reasoning::effort_word;
pub(crate) use decoder::Decoder;
pub(crate) use ids::made_up as made_up_id;
pub(crate) use legacy::LegacyCompletions;
pub(crate) use relay::{RelayDecoder, adds_usage, is_usage_only, usage_edit};
pub(crate) use response::decode as decode_response_with;

/// Both faces of OpenAI chat completions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OpenAiChat;

/// The path below every base URL of the family.
pub(crate) const PATH: &str = "/chat/completions";

impl Upstream for OpenAiChat {
    fn id(&self) -> ProtocolId {
        OPENAI_CHAT
    }

    fn path(&self, _target: &Target, _stream: bool) -> String {
        PATH.to_owned()
    }

    fn build(&self, chat: &ChatRequest, target: &Target, stream: bool) -> Result<Built, Failure> {
        Ok(build(chat, target, stream))
    }

    fn relay(&self, outgoing: &Outgoing<'_>) -> Result<CallBody, Failure> {
        let mut edits = vec![("model", Value::from(&*outgoing.target.upstream_model))];
        if outgoing.stream != outgoing.inbound.head().stream {
            edits.push(("stream", Value::Bool(outgoing.stream)));
        }
        edits.extend(usage_edit(outgoing)?.map(|value| ("stream_options", value)));
        outgoing.inbound.patched(outgoing.target, edits)
    }

    fn adds_usage(&self, outgoing: &Outgoing<'_>) -> bool {
        adds_usage(outgoing)
    }

    fn is_usage_only(&self, frame: &Frame) -> bool {
        is_usage_only(frame)
    }

    fn stream_decoder(&self) -> Box<dyn StreamDecoder> {
        Box::new(Decoder::new(failure::read))
    }

    fn relay_decoder(&self) -> Box<dyn StreamDecoder> {
        Box::new(RelayDecoder::new(failure::read))
    }

    fn decode_response(&self, body: &[u8]) -> Result<ChatResponse, Failure> {
        response::decode(body, failure::read)
    }

    fn relay_response(&self, body: &[u8]) -> Result<ChatResponse, Failure> {
        match relay::usual_usage(body) {
            Some(usage) => Ok(ChatResponse { usage: Some(usage), ..ChatResponse::default() }),
            None => self.decode_response(body),
        }
    }

    fn models_path(&self) -> Option<&'static str> {
        Some("/models")
    }

    fn decode_failure(&self, status: u16, body: &[u8]) -> Failure {
        failure::decode(status, body)
    }
}

impl Downstream for OpenAiChat {
    fn id(&self) -> ProtocolId {
        OPENAI_CHAT
    }

    fn head(&self, body: &Bytes, _hints: &Hints) -> Result<Head, Failure> {
        Head::read(body)
    }

    fn decode(&self, body: &[u8], head: &Head) -> Result<ChatRequest, Failure> {
        decode::decode(body, head)
    }

    fn encode_response(&self, info: &ReplyInfo<'_>, response: &ChatResponse) -> Bytes {
        response::encode(info, response)
    }

    fn stream_encoder(&self, info: &ReplyInfo<'_>) -> Box<dyn StreamEncoder> {
        Box::new(encoder::Encoder::new(info))
    }

    fn encode_failure(&self, failure: &Failure, _status: u16, _request_id: &str) -> Bytes {
        Bytes::from(crate::json::write(&failure::encode(failure)))
    }

    /// The family has no call that counts tokens; the answer has the shape of `usage.total_tokens`.
    fn encode_count(&self, tokens: u64) -> Bytes {
        Bytes::from(crate::json::write(&json!({ "total_tokens": tokens })))
    }
}

#[cfg(test)]
mod tests;
