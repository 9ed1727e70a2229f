//! Gemini CLI, as a client of Vertex's express mode.

use super::{Alone, Client, ClientSettings, Connection};

/// Gemini CLI takes its address, key and model from variables.
pub(crate) const GEMINI: Client = Client {
    program: "gemini",
    title: "Gemini CLI",
    install: "npm install -g @google/gemini-cli",
    settings,
};

fn settings(connection: &Connection) -> ClientSettings {
    let base = Some(connection.base.clone());
    let key = Some(connection.token.clone());

    // With an address and a key of the Gemini API alone, version 0.61 chooses a way to sign in
    // (`gateway`) that it then refuses, unless a settings file chose another before. Vertex's
    // express mode, an address and a key as well, is taken from variables.
    let mut alone = ClientSettings::default();
    alone.set(&["GOOGLE_GENAI_USE_VERTEXAI"], Some("true".to_owned()));
    alone.set(&["GOOGLE_VERTEX_BASE_URL"], base.clone());
    alone.set(&["GOOGLE_API_KEY"], key.clone());

    let mut settings = ClientSettings {
        // Each of them leads it, or Google's SDKs, to Google.
        unset: &["GOOGLE_API_KEY", "GOOGLE_GENAI_USE_VERTEXAI", "GOOGLE_GENAI_USE_GCA"],
        alone: Alone { variables: alone.variables, unset: &[] },
        ..ClientSettings::default()
    };
    settings.set(&["GOOGLE_GEMINI_BASE_URL"], base);
    settings.set(&["GEMINI_API_KEY"], key);
    // Of a name without this word it would take the first two parts only.
    settings.set(&["GEMINI_MODEL"], connection.main_model("models/"));
    settings
}
