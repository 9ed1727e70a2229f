//! Inference servers on this machine, offered as providers.
//!
//! Found by asking their usual ports; used only after the user said so, by a block in the user's configuration.

use std::path::Path;

use anyhow::Result;
use serde_json::{Map, Value, json};
use sy_catalog::LocalServer;

/// Asks the usual ports. Takes a quarter of a second at most.
pub(crate) async fn find() -> Vec<LocalServer> {
    sy_catalog::probe_local(sy_catalog::ProbePorts::default()).await
}

/// Writes a server that was found into the user's configuration file.
pub(crate) fn add(server: &LocalServer, file: &Path) -> Result<()> {
    let models: Map<String, Value> = server.models.iter().map(|model| (model.clone(), json!({}))).collect();
    let block = json!({
        "npm": server.npm,
        "name": server.name,
        "options": {"baseURL": server.base_url},
        "models": models,
    });
    crate::command::set_value(file, &format!("provider.{}", server.id), &block)
}
