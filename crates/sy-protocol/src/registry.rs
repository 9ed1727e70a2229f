//! The protocols: one line each.
//!
//! Looked into by the server (a client's face by route) and the router (a target's face by id). Adding a protocol is a folder
//! and a line here.

use sy_types::ProtocolId;

use crate::anthropic_messages::AnthropicMessages;
use crate::face::{Downstream, Upstream};
use crate::gemini_generate::GeminiGenerate;
pub use crate::ids::{
    ANTHROPIC_MESSAGES, GEMINI_GENERATE, OLLAMA_CHAT, OPENAI_CHAT, OPENAI_RESPONSES, ZAI_CHAT,
};
use crate::ollama_chat::OllamaChat;
use crate::openai_chat::{LegacyCompletions, OpenAiChat};
use crate::openai_responses::OpenAiResponses;
use crate::zai_chat::ZaiChat;

/// A protocol and its faces.
pub struct Entry {
    /// The id.
    pub id: ProtocolId,
    /// How we speak it to a provider.
    pub upstream: Option<&'static dyn Upstream>,
    /// How a client speaks it to us.
    pub downstream: Option<&'static dyn Downstream>,
}

/// Every protocol there is.
pub static REGISTRY: &[Entry] = &[
    Entry {
        id: ANTHROPIC_MESSAGES,
        upstream: Some(&AnthropicMessages),
        downstream: Some(&AnthropicMessages),
    },
    Entry {
        id: GEMINI_GENERATE,
        upstream: Some(&GeminiGenerate),
        downstream: Some(&GeminiGenerate),
    },
    Entry { id: OLLAMA_CHAT, upstream: Some(&OllamaChat), downstream: None },
    Entry { id: OPENAI_CHAT, upstream: Some(&OpenAiChat), downstream: Some(&OpenAiChat) },
    Entry {
        id: OPENAI_RESPONSES,
        upstream: Some(&OpenAiResponses),
        downstream: Some(&OpenAiResponses),
    },
    Entry { id: ZAI_CHAT, upstream: Some(&ZaiChat), downstream: None },
];

/// Returns the provider face of a protocol.
pub fn upstream(id: ProtocolId) -> Option<&'static dyn Upstream> {
    REGISTRY.iter().find(|entry| entry.id == id)?.upstream
}

/// Returns the provider face of OpenAI's legacy completions, which targets that speak chat completions may have as well.
pub fn legacy_completions() -> &'static dyn Upstream {
    &LegacyCompletions
}

/// Returns the client face of a protocol.
pub fn downstream(id: ProtocolId) -> Option<&'static dyn Downstream> {
    REGISTRY.iter().find(|entry| entry.id == id)?.downstream
}
