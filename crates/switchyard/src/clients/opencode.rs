//! OpenCode.

use serde_json::{Map, Value, json};

use super::{CLIENT_TOKEN, Client, ClientSettings, Connection};

/// OpenCode reads `OPENCODE_CONFIG_CONTENT` as a layer of its configuration, above the user's.
pub(crate) const OPENCODE: Client = Client {
    program: "opencode",
    title: "OpenCode",
    install: "npm install -g opencode-ai",
    settings,
};

/// The longest list of models, in bytes: Linux takes no variable over 128 KiB (`MAX_ARG_STRLEN`, execve(2)).
const LONGEST_LIST: usize = 96 << 10;

fn settings(connection: &Connection) -> ClientSettings {
    let mut config = Map::new();
    for (key, model) in [
        ("model", connection.main_model("switchyard/")),
        ("small_model", connection.small_model("switchyard/")),
    ] {
        config.extend(model.map(|model| (key.to_owned(), Value::from(model))));
    }
    config.insert("provider".to_owned(), providers(connection));

    let mut settings = ClientSettings::default();
    settings.set(&[CLIENT_TOKEN], Some(connection.token.clone()));
    settings.set(&["OPENCODE_CONFIG_CONTENT"], Some(Value::Object(config).to_string()));
    settings
}

/// Returns a provider that has all our models, and the vendors' own ones at our address: OpenCode finds the keys that the
/// SDKs read and would send them to the vendors.
fn providers(connection: &Connection) -> Value {
    let key = format!("{{env:{CLIENT_TOKEN}}}");
    let options =
        |path: &str| json!({"baseURL": format!("{}{path}", connection.base), "apiKey": key});
    json!({
        "switchyard": {
            "npm": "@ai-sdk/openai-compatible",
            "name": "Switchyard",
            "options": options("/v1"),
            "models": models(connection),
        },
        "anthropic": {"options": options("/v1")},
        "google": {"options": options("/v1beta")},
        "openai": {"options": options("/v1")},
    })
}

/// Returns the models that OpenCode offers; one that is not among them it would refuse.
fn models(connection: &Connection) -> Map<String, Value> {
    let Some(models) = &connection.models else { return Map::new() };
    let mut offered = Map::new();
    for name in [&models.main, &models.small] {
        offered.insert(name.clone(), json!({}));
    }

    let mut length = 0;
    for (name, facts) in &models.listed {
        length += name.len() + facts.to_string().len() + 6;
        // The two that it is started with are described as well, however many there are.
        if length <= LONGEST_LIST || offered.contains_key(name) {
            offered.insert(name.clone(), facts.clone());
        }
    }
    offered
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::{Connection, Models};
    use super::settings;

    #[test]
    fn a_long_list_of_models_stays_within_what_a_variable_can_hold() {
        let listed =
            (0..5000).map(|n| (format!("many/model-{n}"), json!({"name": "A model", "limit": {}})));
        let models = Models {
            main: "many/model-4999".to_owned(),
            small: "smart".to_owned(),
            listed: listed.collect(),
        };
        let connection = Connection {
            base: "http://127.0.0.1:8080".to_owned(),
            token: "sy-token".to_owned(),
            models: Some(models),
        };

        let settings = settings(&connection);
        let (_, config) = settings.variables.last().expect("the configuration");
        assert!(config.len() < 128 << 10, "{}", config.len());
        assert!(!config.contains("sy-token"));

        let config: Value = serde_json::from_str(config).expect("JSON");
        assert_eq!(config["model"], "switchyard/many/model-4999");
        let offered = &config["provider"]["switchyard"]["models"];
        assert_eq!(offered["many/model-4999"]["name"], "A model");
        assert_eq!(offered["smart"], json!({}));
        assert!(offered["many/model-1000"].is_object());
    }
}
