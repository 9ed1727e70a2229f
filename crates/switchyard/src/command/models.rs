//! `models`: lists or searches models. Lines are `provider/model`, so that they can be copied and searched.
//!
//! It asks the catalog and which providers are connected; it calls no provider for an answer.

use std::collections::HashMap;
use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Result, anyhow};
use serde_json::{Map, Value, json};
use sy_catalog::{Counts, Provider, Refresh};
use sy_config::Config;
use sy_server::Local;
use sy_types::{ErrorKind, Failure, Media, ModelInfo, Side};

use crate::cli::Models;
use crate::context::Context;
use crate::output;

/// More hits than this are not read by anybody.
const MOST_HITS: usize = 100;
/// More differences of a fetched catalog than these are counted, not told.
const MOST_DIFFERENCES: usize = 20;

/// Runs the command.
pub(crate) async fn run(arguments: Models, context: &Context) -> Result<ExitCode> {
    let config = context.load()?.config;
    let local = sy_server::local(context.composed()?)?;
    if arguments.refresh {
        refresh(&local).await?;
    }
    local.discover_models().await;
    let provider =
        arguments.provider.as_deref().map(|typed| known_provider(&local, typed)).transpose()?;

    let mut found = if provider.is_none() { aliases(&local, &config, &arguments) } else { vec![] };
    match &arguments.search {
        Some(query) => found.extend(search(&local, query, provider.as_deref())),
        None => found.extend(list(&local, provider.as_deref(), arguments.all)),
    }
    let whole = found.len();
    if arguments.search.is_some() && !arguments.all {
        found.truncate(MOST_HITS);
    }

    if arguments.output.is_json() {
        output::json(&Value::Array(found.iter().map(as_json).collect()))?;
        return Ok(ExitCode::SUCCESS);
    }
    if found.is_empty() {
        hint(&local, &arguments, provider.as_deref(), context).await;
        return Ok(ExitCode::SUCCESS);
    }
    show(&found, &arguments)?;
    say_what_is_left_out(&local, &arguments, &found, whole);
    Ok(ExitCode::SUCCESS)
}

struct Found {
    /// What is written into `model`.
    id: String,
    connected: bool,
    /// Why it cannot be called, with the fix.
    obstacle: Option<String>,
    /// What an alias stands for; empty for a model.
    stands_for: Vec<String>,
    model: Arc<ModelInfo>,
}

/// Prints what was found. On a terminal the best hits of a search come last, nearest the prompt.
fn show(found: &[Found], arguments: &Models) -> Result<()> {
    let mut shown: Vec<&Found> = found.iter().collect();
    if arguments.search.is_some() && std::io::stdout().is_terminal() {
        shown.reverse();
    }
    if arguments.verbose {
        let headers = ["MODEL", "CONTEXT", "OUTPUT", "IN $/M", "OUT $/M", "CAN", "NAME"];
        output::table(&headers, shown.into_iter().map(row).collect())?;
    } else {
        output::lines(shown.into_iter().map(|found| found.id.as_str()))?;
    }
    Ok(())
}

/// Says how much there is beside what was shown, and what of it cannot be called. On standard
/// error, behind the list.
fn say_what_is_left_out(local: &Local, arguments: &Models, found: &[Found], whole: usize) {
    for (provider, reason) in obstacles(found) {
        output::note(&format!("{provider} cannot be called: {reason}"));
    }
    if found.len() < whole {
        output::note(&format!("{} of {whole} models; --all shows all of them", found.len()));
    } else if arguments.all && arguments.search.is_none() && arguments.provider.is_none() {
        output::note(&of_counts(&local.catalog().counts(local)));
    }
}

/// Returns a sentence about how much of the catalog is of use.
fn of_counts(counts: &Counts) -> String {
    let Counts {
        providers,
        models,
        callable_providers,
        callable_models,
        connected_providers,
        connected_models,
    } = counts;
    format!(
        "{models} models of {providers} providers; {callable_models} of {callable_providers} can \
         be called with a key, {connected_models} of {connected_providers} are connected"
    )
}

/// Collects the reasons, once for each provider of which nothing can be called.
fn obstacles(found: &[Found]) -> Vec<(&str, &str)> {
    let mut reasons: Vec<(&str, Option<&str>)> = Vec::new();
    for found in found.iter().filter(|found| found.connected && found.stands_for.is_empty()) {
        let provider = found.id.split('/').next().unwrap_or_default();
        match reasons.iter_mut().find(|(known, _)| *known == provider) {
            Some((_, reason)) if found.obstacle.is_none() => *reason = None,
            Some(_) => {}
            None => reasons.push((provider, found.obstacle.as_deref())),
        }
    }
    reasons.into_iter().filter_map(|(provider, reason)| Some((provider, reason?))).collect()
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

    let differences = local.catalog().differences();
    for difference in differences.iter().take(MOST_DIFFERENCES) {
        output::note(&difference.to_string());
    }
    if differences.len() > MOST_DIFFERENCES {
        output::note(&format!("and {} more differences", differences.len() - MOST_DIFFERENCES));
    }
    Ok(())
}

fn known_provider(local: &Local, typed: &str) -> Result<String> {
    local.catalog().provider_id(typed).ok_or_else(|| {
        let near = local.catalog().providers_like(typed);
        let near: Vec<String> = near.iter().map(|id| format!("`{id}`")).collect();
        let next = match near.as_slice() {
            [] => "; `switchyard models --all` names all of them before the slash".to_owned(),
            near => format!("; did you mean {}?", near.join(", ")),
        };
        let message = format!("there is no provider {typed:?}{next}");
        anyhow!(Failure::new(ErrorKind::NotFound, Side::Caller, message))
    })
}

/// Lists the aliases of the configuration; of a search those that have it in their name.
fn aliases(local: &Local, config: &Config, arguments: &Models) -> Vec<Found> {
    let query = arguments.search.as_deref().map(str::to_lowercase);
    let is_wanted =
        |name: &str| query.as_ref().is_none_or(|query| name.to_lowercase().contains(query));
    let wanted = config.alias.iter().filter(|(name, _)| is_wanted(name));
    wanted
        .map(|(name, alias)| {
            let stands_for: Vec<String> = alias.names().to_vec();
            let resolved =
                stands_for.first().and_then(|first| local.catalog().resolve(first, local).ok());
            let provider =
                resolved.as_ref().and_then(|one| local.catalog().provider(&one.provider));
            let of_target = provider
                .as_ref()
                .zip(resolved.as_ref())
                .and_then(|(provider, one)| provider.models.get(&one.model))
                .map(|model| ModelInfo::clone(model))
                .unwrap_or_default();
            let model = ModelInfo { id: name.clone(), name: name.clone(), ..of_target };
            Found {
                id: name.clone(),
                connected: provider.is_some_and(|provider| local.is_connected(&provider.row)),
                obstacle: None,
                stands_for,
                model: Arc::new(model),
            }
        })
        .collect()
}

fn list(local: &Local, provider: Option<&str>, all: bool) -> Vec<Found> {
    let mut found = Vec::new();
    for row in local.catalog().rows() {
        let connected = local.is_connected(&row);
        let is_wanted = provider.map_or(connected || all, |provider| *row.id == *provider);
        let Some(provider) = is_wanted.then(|| local.catalog().provider(&row.id)).flatten() else {
            continue;
        };
        let models = provider.models.values();
        found.extend(models.map(|model| of_model(local, &provider, model, connected)));
    }
    found
}

fn of_model(local: &Local, provider: &Provider, model: &Arc<ModelInfo>, connected: bool) -> Found {
    let obstacle = local.catalog().callable(provider, &model.id).err();
    Found {
        id: format!("{}/{}", provider.row.id, model.id),
        connected,
        obstacle: obstacle.map(|reason| reason.to_string()),
        stands_for: Vec::new(),
        model: Arc::clone(model),
    }
}

fn search(local: &Local, query: &str, provider: Option<&str>) -> Vec<Found> {
    let rows = local.catalog().rows();
    let connected: HashMap<String, bool> =
        rows.into_iter().map(|row| (row.id.clone(), local.is_connected(&row))).collect();
    let hits = local
        .search(query)
        .into_iter()
        .filter(|hit| provider.is_none_or(|provider| *hit.provider == *provider));
    hits.filter_map(|hit| {
        let provider = local.catalog().provider(&hit.provider)?;
        let model = provider.models.get(&*hit.model)?;
        let connected = connected.get(&hit.provider).copied().unwrap_or_default();
        Some(of_model(local, &provider, model, connected))
    })
    .collect()
}

/// Says why there is nothing to show.
async fn hint(local: &Local, arguments: &Models, provider: Option<&str>, context: &Context) {
    if arguments.search.is_some() {
        output::note("no model matches");
        return;
    }
    if let Some(id) = provider {
        let found = local.catalog().provider(id);
        let reason = found.as_ref().and_then(|provider| provider.callable().err());
        output::note(&match (&found, reason) {
            (Some(_), Some(reason)) => format!("{id} cannot be called: {reason}"),
            (Some(_), None) => format!(
                "{id} lists no models: any id of its own can be called as `{id}/MODEL`, unless \
                 whitelist or blacklist in the configuration keep it out"
            ),
            (None, _) => format!(
                "{id} is switched off: see disabled_providers and enabled_providers in the \
                 configuration"
            ),
        });
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
    let Found { id, model, stands_for, .. } = found;
    let tokens = |count: u64| if count == 0 { "-".to_owned() } else { count.to_string() };
    let price = |usd: f64| if model.is_priced { format!("{usd}") } else { "-".to_owned() };
    let name = match (&model.description, stands_for.as_slice()) {
        (_, [_, ..]) => format!("alias of {}", stands_for.join(", ")),
        (Some(text), []) => format!("{}: {text}", model.name),
        (None, []) => model.name.clone(),
    };
    vec![
        id.clone(),
        tokens(model.limits.context),
        tokens(model.limits.output),
        price(model.price.base.usd_per_million_input),
        price(model.price.base.usd_per_million_output),
        abilities(model).join(","),
        name,
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

/// What is unknown is absent: 0 would be a price or a limit.
fn as_json(found: &Found) -> Value {
    let Found { id, connected, obstacle, stands_for, model } = found;
    let can = &model.capabilities;
    let known = |count: u64| (count > 0).then_some(count);
    let limit = [
        ("context", known(model.limits.context)),
        ("input", model.limits.input.and_then(known)),
        ("output", known(model.limits.output)),
    ];
    let rates = model.price.base;
    let cost = [
        ("input", Some(rates.usd_per_million_input)),
        ("output", Some(rates.usd_per_million_output)),
        ("cache_read", rates.usd_per_million_cache_read),
        ("cache_write", rates.usd_per_million_cache_write),
    ];
    let cost = if model.is_priced { present(cost) } else { Map::new() };

    let mut json = json!({
        "id": id,
        "name": model.name,
        "connected": connected,
        "callable": obstacle.is_none(),
        "limit": present(limit),
        "cost": cost,
        "modalities": {"input": can.input.iter().map(|media| media.name()).collect::<Vec<_>>(),
            "output": can.output.iter().map(|media| media.name()).collect::<Vec<_>>()},
        "variants": model.variants.keys().collect::<Vec<_>>(),
    });
    let date = Some(model.release_date.as_str()).filter(|date| !date.is_empty());
    let more = [
        ("description", model.description.as_deref().map(Value::from)),
        ("family", model.family.as_deref().map(Value::from)),
        ("release_date", date.map(Value::from)),
        ("tool_call", can.tool_call.map(Value::from)),
        ("reasoning", can.reasoning.map(Value::from)),
        ("structured_output", can.structured_output.map(Value::from)),
        ("temperature", can.temperature.map(Value::from)),
        ("attachment", can.attachment.map(Value::from)),
        ("reason", obstacle.as_deref().map(Value::from)),
        ("alias_of", (!stands_for.is_empty()).then(|| Value::from(stands_for.clone()))),
    ];
    if let Value::Object(json) = &mut json {
        json.extend(present(more));
    }
    json
}

/// Returns an object of those fields that have a value.
fn present<T: Into<Value>>(
    fields: impl IntoIterator<Item = (&'static str, Option<T>)>,
) -> Map<String, Value> {
    let known =
        fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.into())));
    known.collect()
}
