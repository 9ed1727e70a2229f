//! Codex: a provider of its own, given by arguments.

use super::{CLIENT_TOKEN, Client, ClientSettings, Connection};

/// Codex takes its provider from its configuration only, whose keys its command line can override. Its own list of models
/// does not matter then: what is not on it is asked for all the same.
pub(crate) const CODEX: Client =
    Client { program: "codex", title: "Codex", install: "npm install -g @openai/codex", settings };

fn settings(connection: &Connection) -> ClientSettings {
    let provider = "model_providers.switchyard";
    let mut overrides = vec![
        "model_provider=\"switchyard\"".to_owned(),
        format!("{provider}.name=\"Switchyard\""),
        format!("{provider}.base_url=\"{}\"", connection.openai_base()),
        format!("{provider}.env_key=\"{CLIENT_TOKEN}\""),
        format!("{provider}.wire_api=\"responses\""),
    ];
    overrides.extend(connection.main_model("").map(|model| format!("model={model:?}")));

    let arguments = overrides.into_iter().flat_map(|text| ["-c".to_owned(), text]).collect();
    let variables = vec![(CLIENT_TOKEN, connection.token.clone())];
    ClientSettings { variables, arguments, ..ClientSettings::default() }
}
