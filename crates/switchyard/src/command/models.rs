//! `models`: lists or searches models. Lines are `provider/model`, so that they can be copied and searched.

use std::process::ExitCode;

use anyhow::{Result, anyhow};
use serde_json::{Value, json};
use sy_server::Local;
use sy_types::{ErrorKind, Failure, Media, ModelInfo, Side};

use crate::cli::Models;
use crate::context::Context;
use crate::output;

/// Runs the command.
pub(crate) async fn run(arguments: Models, context: &Context) -> Result<ExitCode> {
    let local = sy_server::local(context.composed(false)?)?;
    if arguments.refresh {
        let _fetching = output::progress("fetching the catalog");
        local.catalog().refresh(true).await?;
    }
    let found = match &arguments.search {
        Some(query) => search(&local, query, arguments.provider.as_deref()),
        None => list(&local, &arguments)?,
    };
    if arguments.json {
        output::json(&Value::Array(found.iter().map(|found| as_json(found)).collect()));
    } else if arguments.verbose {
        output::table(&["MODEL", "CONTEXT", "OUTPUT", "IN $/M", "OUT $/M", "CAN", "NAME"], found.iter().map(row).collect());
    } else {
        for found in &found {
            output::line(&found.id);
        }
    }
    if found.is_empty() {
        hint(&arguments).await;
    }
    Ok(ExitCode::SUCCESS)
}

struct Found {
    id: String,
    connected: bool,
    info: std::sync::Arc<ModelInfo>,
}

fn list(local: &Local, arguments: &Models) -> Result<Vec<Found>> {
    let wanted = arguments.provider.as_deref();
    let mut rows = local.catalog().rows();
    if let Some(wanted) = wanted {
        let id = local.catalog().provider_id(wanted).ok_or_else(|| {
            anyhow!(Failure::new(ErrorKind::NotFound, Side::Caller, format!("there is no provider {wanted:?}: `switchyard auth login` lists them")))
        })?;
        rows.retain(|row| *row.id == *id);
    }
    let mut found = Vec::new();
    for row in rows {
        let connected = local.is_connected(&row);
        if !connected && wanted.is_none() && !arguments.all {
            continue;
        }
        let Some(provider) = local.catalog().provider(&row.id) else { continue };
        found.extend(provider.models.iter().map(|(id, info)| Found { id: format!("{}/{id}", row.id), connected, info: info.clone() }));
    }
    Ok(found)
}

fn search(local: &Local, query: &str, provider: Option<&str>) -> Vec<Found> {
    let hits = local.search(query);
    let wanted = hits.into_iter().filter(|hit| provider.is_none_or(|provider| *hit.provider == *provider));
    wanted
        .take(100)
        .filter_map(|hit| {
            let info = local.catalog().provider(&hit.provider)?.models.get(&*hit.model)?.clone();
            let connected = local.is_provider_connected(&hit.provider);
            Some(Found { id: format!("{}/{}", hit.provider, hit.model), connected, info })
        })
        .collect()
}

async fn hint(arguments: &Models) {
    if arguments.search.is_some() {
        output::note("no model matches");
        return;
    }
    output::note("no provider is connected: `switchyard auth login` connects one, `switchyard models --all` lists every model");
    for server in crate::local_servers::find().await {
        output::note(&format!("found {} at {}: `switchyard auth login {}` adds it", server.name, server.base_url, server.id));
    }
}

fn row(found: &Found) -> Vec<String> {
    let Found { id, info, .. } = found;
    let tokens = |count: u64| if count == 0 { "-".to_owned() } else { count.to_string() };
    let price = |usd: f64| format!("{usd}");
    vec![
        id.clone(),
        tokens(info.limits.context),
        tokens(info.limits.output),
        price(info.price.base.usd_per_million_input),
        price(info.price.base.usd_per_million_output),
        abilities(info).join(","),
        info.name.clone(),
    ]
}

fn abilities(info: &ModelInfo) -> Vec<&'static str> {
    let can = &info.capabilities;
    let mut words = Vec::new();
    let flags = [("tools", can.tool_call), ("reasoning", can.reasoning), ("json", can.structured_output)];
    words.extend(flags.into_iter().filter(|(_, flag)| *flag == Some(true)).map(|(word, _)| word));
    words.extend(can.input.iter().filter(|media| **media != Media::Text).map(|media| media.name()));
    words
}

fn as_json(found: &Found) -> Value {
    let Found { id, connected, info } = found;
    let can = &info.capabilities;
    json!({
        "id": id,
        "name": info.name,
        "connected": connected,
        "family": info.family,
        "release_date": info.release_date,
        "limit": {"context": info.limits.context, "input": info.limits.input, "output": info.limits.output},
        "cost": {"input": info.price.base.usd_per_million_input, "output": info.price.base.usd_per_million_output,
            "cache_read": info.price.base.usd_per_million_cache_read, "cache_write": info.price.base.usd_per_million_cache_write},
        "tool_call": can.tool_call, "reasoning": can.reasoning, "structured_output": can.structured_output,
        "temperature": can.temperature, "attachment": can.attachment,
        "modalities": {"input": can.input.iter().map(|media| media.name()).collect::<Vec<_>>(),
            "output": can.output.iter().map(|media| media.name()).collect::<Vec<_>>()},
        "variants": info.variants.keys().collect::<Vec<_>>(),
    })
}
