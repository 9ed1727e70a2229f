//! The vendors' SDKs and everything that is built on them.

use super::{ClientSettings, Connection};

/// Returns the variables that the vendors' own SDKs read. OpenAI's want `/v1` in the address, the others do not.
pub(crate) const SDKS: fn(&Connection) -> ClientSettings = |connection| {
    let token = Some(connection.token.clone());
    let base = Some(connection.base.clone());

    let mut settings = ClientSettings::default();
    // Two spellings: the older one is what LiteLLM and LangChain read.
    settings.set(&["OPENAI_BASE_URL", "OPENAI_API_BASE"], Some(connection.openai_base()));
    settings.set(&["ANTHROPIC_BASE_URL", "GOOGLE_GEMINI_BASE_URL"], base);
    // The last one is what the AI SDK reads for Google.
    let keys =
        ["OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "GOOGLE_GENERATIVE_AI_API_KEY"];
    settings.set(&keys, token);
    settings
};
