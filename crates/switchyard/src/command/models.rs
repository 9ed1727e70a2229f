//! `models`: lists or searches models. Lines are `provider/model`, so that they can be copied and searched.
//!
//! It asks the catalog and which providers are connected; it calls no provider.

use std::collections::HashSet;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Result, anyhow};
use serde_json::{Value, json};
use sy_catalog::Refresh;
use sy_server::Local;
use sy_types::{ErrorKind, Failure, Media, ModelInfo, Side};

use crate::cli::Models;
use crate::context::Context;
use crate::output;

/// More hits than this are not read by anybody.
const MOST_HITS: usize = 100;

/// Runs the command.
pub(crate) async fn run(arguments: Models, context: &Context) -> Result<ExitCode> {
    let local = sy_server::local(context.composed()?)?;
    if arguments.refresh {
        refresh(&local).await?;
    }
    let provider =
        arguments.provider.as_deref().map(|typed| known_provider(&local, typed)).transpose()?;
    let found = match &arguments.search {
        Some(query) => search(&local, query, provider.as_deref()),
        None => list(&local, provider.as_deref(), arguments.all),
    };
    if arguments.output.is_json() {
        output::json(&Value::Array(found.iter().map(as_json).collect()))?;
    } else if found.is_empty() {
        hint(&arguments, &local, context).await;
    } else if arguments.verbose {
        let headers = ["MODEL", "CONTEXT", "OUTPUT", "IN $/M", "OUT $/M", "CAN", "NAME"];
        output::table(&headers, found.iter().map(row).collect())?;
    } else {
        output::lines(found.iter().map(|found| found.id.as_str()))?;
    }
    Ok(ExitCode::SUCCESS)
}

struct Found {
    id: String,
    connected: bool,
    model: Arc<ModelInfo>,
}

async fn refresh(local: &Local) -> Result<()> {
    let outcome = {
        let _fetching = output::progress("fetching the catalog");
        local.catalog().refresh(true).await?
    };
    output::note(&match outcome {
        Refresh::Updated { providers, models } => {
            format!("the catalog was updated: {providers} providers, {models} models")
        }
        Refresh::NotModified | Refresh::Fresh => "the catalog is up to date".to_owned(),
    });
    Ok(())
}

fn known_provider(local: &Local, typed: &str) -> Result<String> {
    local.catalog().provider_id(typed).ok_or_else(|| {
        let message =
            format!("there is no provider {typed:?}: `switchyard models --all` names all of them before the slash");
        anyhow!(Failure::new(ErrorKind::NotFound, Side::Caller, message))
    })
}

fn list(local: &Local, provider: Option<&str>, all: bool) -> Vec<Found> {
    let mut found = Vec::new();
    for row in local.catalog().rows() {
        let connected = local.is_connected(&row);
        let is_wanted = provider.map_or(connected || all, |provider| *row.id == *provider);
        let Some(provider) = is_wanted.then(|| local.catalog().provider(&row.id)).flatten() else {
            continue;
        };
        let models = provider.models.iter();
        found.extend(models.map(|(id, model)| Found {
            id: format!("{}/{id}", row.id),
            connected,
            model: Arc::clone(model),
        }));
    }
    found
}

fn search(local: &Local, query: &str, provider: Option<&str>) -> Vec<Found> {
    let rows = local.catalog().rows();
    let connected: HashSet<String> =
        rows.into_iter().filter(|row| local.is_connected(row)).map(|row| row.id).collect();
    let hits = local
        .search(query)
        .into_iter()
        .filter(|hit| provider.is_none_or(|provider| *hit.provider == *provider));
    hits.take(MOST_HITS)
        .filter_map(|hit| {
            let model = local.catalog().provider(&hit.provider)?.models.get(&*hit.model)?.clone();
            let connected = connected.contains(&*hit.provider);
            Some(Found { id: format!("{}/{}", hit.provider, hit.model), connected, model })
        })
        .collect()
}

/// Says why there is nothing to show.
async fn hint(arguments: &Models, local: &Local, context: &Context) {
    if arguments.search.is_some() {
        output::note("no model matches");
        return;
    }
    if let Some(provider) = &arguments.provider {
        output::note(&format!(
            "{provider} has no models that can be used: see its whitelist, blacklist and models in the configuration"
        ));
        return;
    }
    if let Some(reason) = local.unreadable_keys() {
        output::warning(&reason);
        output::help("`switchyard doctor --check auth` looks at each key");
        return;
    }
    output::note(
        "no provider is connected: `switchyard auth login` connects one, `switchyard models --all` lists every model",
    );
    for server in crate::local_servers::find(&context.inputs).await {
        output::note(&format!(
            "found {} at {}: `switchyard auth login {}` adds it",
            server.name, server.base_url, server.id
        ));
    }
}

fn row(found: &Found) -> Vec<String> {
    let Found { id, model, .. } = found;
    let tokens = |count: u64| if count == 0 { "-".to_owned() } else { count.to_string() };
    let price = |usd: f64| format!("{usd}");
    vec![
        id.clone(),
        tokens(model.limits.context),
        tokens(model.limits.output),
        price(model.price.base.usd_per_million_input),
        price(model.price.base.usd_per_million_output),
        abilities(model).join(","),
        model
            .description
            .as_ref()
            .map_or_else(|| model.name.clone(), |text| format!("{}: {text}", model.name)),
    ]
}

fn abilities(model: &ModelInfo) -> Vec<&'static str> {
    let can = &model.capabilities;
    let mut words = Vec::new();
    let flags =
        [("tools", can.tool_call), ("reasoning", can.reasoning), ("json", can.structured_output)];
    words.extend(flags.into_iter().filter(|(_, flag)| *flag == Some(true)).map(|(word, _)| word));
    words.extend(can.input.iter().filter(|media| **media != Media::Text).map(|media| media.name()));
    words
}

fn as_json(found: &Found) -> Value {
    let Found { id, connected, model } = found;
    let can = &model.capabilities;
    json!({
        "id": id,
        "name": model.name,
        "description": model.description,
        "connected": connected,
        "family": model.family,
        "release_date": model.release_date,
        "limit": {"context": model.limits.context, "input": model.limits.input, "output": model.limits.output},
        "cost": {"input": model.price.base.usd_per_million_input, "output": model.price.base.usd_per_million_output,
            "cache_read": model.price.base.usd_per_million_cache_read, "cache_write": model.price.base.usd_per_million_cache_write},
        "tool_call": can.tool_call, "reasoning": can.reasoning, "structured_output": can.structured_output,
        "temperature": can.temperature, "attachment": can.attachment,
        "modalities": {"input": can.input.iter().map(|media| media.name()).collect::<Vec<_>>(),
            "output": can.output.iter().map(|media| media.name()).collect::<Vec<_>>()},
        "variants": model.variants.keys().collect::<Vec<_>>(),
    })
}
