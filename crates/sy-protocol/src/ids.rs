//! The names of the protocols.
//!
//! A name alone: what speaks it is in [`crate::registry`]. Protocol folders read these, so that they need not know the table that
//! lists them.

use sy_types::ProtocolId;

/// OpenAI chat completions.
pub const OPENAI_CHAT: ProtocolId = ProtocolId::new("openai_chat");
/// OpenAI responses.
pub const OPENAI_RESPONSES: ProtocolId = ProtocolId::new("openai_responses");
/// Anthropic messages.
pub const ANTHROPIC_MESSAGES: ProtocolId = ProtocolId::new("anthropic_messages");
/// Gemini generateContent.
pub const GEMINI_GENERATE: ProtocolId = ProtocolId::new("gemini_generate");
/// Ollama's own `/api/chat`.
pub const OLLAMA_CHAT: ProtocolId = ProtocolId::new("ollama_chat");
/// Z.AI's dialect of chat completions, with rules of its own.
pub const ZAI_CHAT: ProtocolId = ProtocolId::new("zai_chat");

/// Every name.
pub(crate) const ALL: [ProtocolId; 6] =
    [ANTHROPIC_MESSAGES, GEMINI_GENERATE, OLLAMA_CHAT, OPENAI_CHAT, OPENAI_RESPONSES, ZAI_CHAT];
