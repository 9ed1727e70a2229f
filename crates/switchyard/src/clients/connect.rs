//! Which server and which models clients are pointed at.
//!
//! Asked by `env` and `launch`. It looks at what is configured and connected; it calls no provider and starts no server.

use anyhow::Result;
use serde_json::{Map, Value, json};
use sy_server::Local;
use sy_types::{Media, ModelInfo};

use super::Models;
use crate::context::Context;
use crate::exit::Usage;

/// Returns the address at which clients on this machine reach the server: that of the one that runs, else the configured
/// one.
pub(crate) fn address(context: &Context) -> Result<String> {
    if let Some(running) = sy_server::running(&context.inputs.paths) {
        return Ok(running.url);
    }
    let config = context.load()?.config;
    Ok(url(&config.server.host, config.server.port))
}

/// Returns the models that clients are started with: the one that was asked for, else the configured one, else the best of
/// what is connected; `None` where nothing is connected and none was asked for.
///
/// # Errors
/// When the name that was asked for, or the configured one, leads nowhere.
pub(crate) fn models(local: &Local, asked: Option<&str>) -> Result<Option<Models>> {
    if asked.is_some_and(|name| name.trim().is_empty()) {
        return Err(Usage("expected a model after -m, got an empty name".to_owned()).into());
    }
    let config = local.config();
    let main = match asked.or(config.primary_model()) {
        Some(name) => name.to_owned(),
        None => match local.default_model() {
            Ok(name) => name,
            Err(_) => return Ok(None),
        },
    };

    let target = local.first_target(&main)?;
    let small = match &config.small_model {
        Some(name) => name.clone(),
        // A client that was given one model of its own should not ask another for its titles.
        None if asked.is_some() => main.clone(),
        None => local.small_model(&target.provider).unwrap_or_else(|| main.clone()),
    };
    Ok(Some(Models { main, small, listed: listed(local) }))
}

/// Returns what can be chosen: aliases, then the models of connected providers.
fn listed(local: &Local) -> Vec<(String, Value)> {
    let aliases = local.config().alias.keys().map(|name| (name.clone(), json!({}))).collect();
    let connected = local.catalog().rows().into_iter().filter(|row| local.is_connected(row));

    connected.filter_map(|row| local.catalog().provider(&row.id)).fold(
        aliases,
        |mut listed: Vec<_>, provider| {
            let models = provider.models.iter();
            listed.extend(
                models.map(|(id, model)| (format!("{}/{id}", provider.row.id), facts(model))),
            );
            listed
        },
    )
}

/// Describes a model in OpenCode's words. What is unknown is left out.
fn facts(model: &ModelInfo) -> Value {
    let can = &model.capabilities;
    let mut facts = Map::new();
    facts.insert("name".to_owned(), json!(model.name));
    let flags = [
        ("tool_call", can.tool_call),
        ("reasoning", can.reasoning),
        ("attachment", can.attachment),
        ("temperature", can.temperature),
    ];
    let known = flags.into_iter().filter_map(|(name, flag)| Some((name, flag?)));
    facts.extend(known.map(|(name, flag)| (name.to_owned(), Value::from(flag))));

    if model.limits.context > 0 && model.limits.output > 0 {
        let limit = json!({"context": model.limits.context, "output": model.limits.output});
        facts.insert("limit".to_owned(), limit);
    }
    if can.input.iter().any(|media| *media != Media::Text) {
        let names = |list: &[Media]| list.iter().map(|media| media.name()).collect::<Vec<_>>();
        let modalities = json!({"input": names(&can.input), "output": names(&can.output)});
        facts.insert("modalities".to_owned(), modalities);
    }
    Value::Object(facts)
}

/// Returns the URL of a configured host and port for clients on this machine.
fn url(host: &str, port: u16) -> String {
    match host.trim_start_matches('[').trim_end_matches(']') {
        "0.0.0.0" | "::" => format!("http://127.0.0.1:{port}"),
        host if host.contains(':') => format!("http://[{host}]:{port}"),
        host => format!("http://{host}:{port}"),
    }
}

#[cfg(test)]
mod tests {
    use super::url;

    #[test]
    fn the_address_is_one_that_a_client_can_call() {
        assert_eq!(url("127.0.0.1", 8080), "http://127.0.0.1:8080");
        assert_eq!(url("localhost", 1), "http://localhost:1");
        assert_eq!(url("0.0.0.0", 8080), "http://127.0.0.1:8080");
        assert_eq!(url("::1", 8080), "http://[::1]:8080");
        assert_eq!(url("[::1]", 8080), "http://[::1]:8080");
    }
}
