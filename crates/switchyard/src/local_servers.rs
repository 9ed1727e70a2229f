//! Inference servers on this machine, offered as providers.
//!
//! Found by asking their usual ports; used only after the user said so, by a block in the user's configuration.

use std::path::Path;

use anyhow::Result;
use serde_json::{Map, Value, json};
use sy_catalog::{LocalServer, ProbePorts};
use sy_config::{Environment, Inputs, ProviderConfig};

/// Asks the usual ports, but for that of our own server where it runs. Takes half a second at most.
pub(crate) async fn find(inputs: &Inputs) -> Vec<LocalServer> {
    let running = sy_server::running(&inputs.paths);
    let own = running.and_then(|running| running.url.rsplit_once(':')?.1.parse().ok());
    find_beside(&inputs.environment, own).await
}

/// Asks the usual ports but one, which is our own server's.
pub(crate) async fn find_beside(environment: &Environment, own: Option<u16>) -> Vec<LocalServer> {
    sy_catalog::probe_local(ProbePorts::usual(environment).without(own)).await
}

/// Writes a server that was found into the user's configuration file and returns how many models came with it. A
/// provider that is configured already stays as it is and only gets the models that it lacks.
pub(crate) fn add(
    server: &LocalServer,
    configured: Option<&ProviderConfig>,
    file: &Path,
) -> Result<usize> {
    let is_new =
        |model: &&String| configured.is_none_or(|provider| !provider.models.contains_key(*model));
    let models: Vec<&String> = server.models.iter().filter(is_new).collect();
    let block = format!("provider.{:?}", server.id);
    crate::command::change(file, |text| {
        if configured.is_some() {
            let add_model = |text: String, model: &&String| {
                sy_config::edit::set_value(&text, &format!("{block}.models.{model:?}"), &json!({}))
            };
            return models.iter().try_fold(text.to_owned(), add_model);
        }
        let entries: Map<String, Value> =
            models.iter().map(|model| ((*model).clone(), json!({}))).collect();
        let value = json!({
            "npm": server.npm,
            "name": server.name,
            "options": {"baseURL": server.base_url},
            "models": entries,
        });
        sy_config::edit::set_value(text, &block, &value)
    })?;
    Ok(models.len())
}

#[cfg(test)]
mod tests {
    use sy_catalog::LocalServer;
    use sy_config::Environment;

    use super::add;

    fn server(models: &[&str]) -> LocalServer {
        LocalServer {
            id: "llama.cpp".to_owned(),
            name: "llama.cpp".to_owned(),
            base_url: "http://127.0.0.1:8081/v1".to_owned(),
            npm: "@ai-sdk/openai-compatible".to_owned(),
            models: models.iter().map(|&model| model.to_owned()).collect(),
        }
    }

    #[test]
    fn a_server_becomes_a_provider_of_the_users_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("config/switchyard.jsonc");
        assert_eq!(add(&server(&["qwen3:0.6b", "a/b.gguf"]), None, &file).expect("added"), 2);
        let text = std::fs::read_to_string(&file).expect("the file");
        let config = sy_config::parse(&text, &Environment::default()).expect("a valid file");
        let provider = &config.provider["llama.cpp"];
        assert_eq!(provider.options.base_url.as_deref(), Some("http://127.0.0.1:8081/v1"));
        assert_eq!(provider.models.keys().collect::<Vec<_>>(), ["qwen3:0.6b", "a/b.gguf"]);
    }

    #[test]
    fn a_server_that_is_configured_gets_only_the_models_that_it_lacks() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("switchyard.jsonc");
        let text = r#"{
  // mine
  "provider": {"llama.cpp": {"npm": "@ai-sdk/openai-compatible", "options": {"baseURL": "http://127.0.0.1:9/v1"}, "models": {"a": {"name": "A"}}}}
}
"#;
        std::fs::write(&file, text).expect("written");
        let config = sy_config::parse(text, &Environment::default()).expect("valid");
        assert_eq!(
            add(&server(&["a", "b-1.5"]), config.provider.get("llama.cpp"), &file).expect("added"),
            1
        );
        let changed = std::fs::read_to_string(&file).expect("the file");
        let config = sy_config::parse(&changed, &Environment::default()).expect("valid");
        let provider = &config.provider["llama.cpp"];
        assert!(changed.contains("// mine"), "{changed}");
        assert_eq!(provider.options.base_url.as_deref(), Some("http://127.0.0.1:9/v1"));
        assert_eq!(provider.models["a"].name.as_deref(), Some("A"));
        assert!(provider.models.contains_key("b-1.5"));
    }
}
