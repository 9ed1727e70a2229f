//! aider: variables, with its own prefix before the model.

use super::{Client, ClientSettings, Connection};

/// aider asks through LiteLLM, which takes the part before the first slash for its own name of the protocol.
pub(crate) const AIDER: Client =
    Client { program: "aider", title: "aider", install: "pip install aider-chat", settings };

fn settings(connection: &Connection) -> ClientSettings {
    let mut settings = ClientSettings::default();
    settings.set(&["OPENAI_API_BASE"], Some(connection.openai_base()));
    settings.set(&["OPENAI_API_KEY"], Some(connection.token.clone()));
    settings.set(&["AIDER_MODEL"], connection.main_model("openai/"));
    settings.set(&["AIDER_WEAK_MODEL"], connection.small_model("openai/"));
    // It would stop and ask because its own list lacks the model.
    settings.set(&["AIDER_SHOW_MODEL_WARNINGS"], Some("false".to_owned()));
    settings
}
