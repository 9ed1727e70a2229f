//! Gemini CLI.

use super::{Client, ClientSettings, Connection};

/// Gemini CLI takes its address, key and model from variables.
pub(crate) const GEMINI: Client = Client {
    program: "gemini",
    title: "Gemini CLI",
    install: "npm install -g @google/gemini-cli",
    settings,
};

fn settings(connection: &Connection) -> ClientSettings {
    let mut settings = ClientSettings {
        // Each of them makes it sign in at Google instead of using the key.
        unset: &["GOOGLE_API_KEY", "GOOGLE_GENAI_USE_VERTEXAI", "GOOGLE_GENAI_USE_GCA"],
        ..ClientSettings::default()
    };
    settings.set(&["GOOGLE_GEMINI_BASE_URL"], Some(connection.base.clone()));
    settings.set(&["GEMINI_API_KEY"], Some(connection.token.clone()));
    settings.set(&["GEMINI_MODEL"], connection.main_model(""));
    settings
}
