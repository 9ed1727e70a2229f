//! Ollama's own `/api/chat`, provider face only.
//!
//! Called like every protocol. Unlike the chat completions that Ollama also offers, it can set the context window and the
//! thinking. Streams are lines of JSON. It deliberately pulls no models and loads none beyond what a chat does by itself.

mod request;
mod response;

use sy_types::chat::{ChatRequest, ChatResponse};
use sy_types::{Failure, ProtocolId, Target};

use crate::face::{Built, StreamDecoder, Upstream};
use crate::failure::Reported;
use crate::frame::Framing;
use crate::ids::OLLAMA_CHAT;

/// The provider face of Ollama.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OllamaChat;

impl Upstream for OllamaChat {
    fn id(&self) -> ProtocolId {
        OLLAMA_CHAT
    }

    fn framing(&self) -> Framing {
        Framing::NdJson
    }

    fn path(&self, _target: &Target, _stream: bool) -> String {
        "/api/chat".to_owned()
    }

    fn build(&self, chat: &ChatRequest, target: &Target, stream: bool) -> Result<Built, Failure> {
        Ok(request::build(chat, target, stream))
    }

    fn stream_decoder(&self) -> Box<dyn StreamDecoder> {
        Box::new(response::Decoder::default())
    }

    fn decode_response(&self, body: &[u8]) -> Result<ChatResponse, Failure> {
        response::decode(body)
    }

    fn models_path(&self) -> Option<&'static str> {
        Some("/api/tags")
    }

    fn decode_failure(&self, status: u16, body: &[u8]) -> Failure {
        Reported::read(body).into_failure(status)
    }
}

#[cfg(test)]
mod tests;
