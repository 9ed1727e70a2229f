//! The model that answers when nobody names one, and the small one for titles.
//!
//! Called by the catalog. It looks at the configuration first, then at preferences by name and family. Fallbacks are not its
//! business: the router plans those.

use std::sync::Arc;

use sy_config::{Alias, Config};
use sy_types::{ErrorKind, Failure, ModelInfo, Side};

use crate::Connected;
use crate::layers::Layers;
use crate::provider::{Provider, ProviderRow};
use crate::resolve::{Resolved, connected_providers, resolve};
use crate::target;
use crate::wire_map::is_everyday;

/// Preferred models by a part of the id; a later one is preferred over an earlier one.
const PREFERRED: [&str; 4] = ["gpt-5", "claude-sonnet-4", "big-pickle", "gemini-3-pro"];

/// Families of small models, best first, by the beginning of the provider's id.
const SMALL: [(&str, &[&str]); 3] = [
    ("opencode", &["gpt-nano"]),
    ("github-copilot", &["gpt-mini", "gemini-flash", "gpt-nano", "claude-haiku"]),
    ("", &["gemini-flash", "gpt-nano", "claude-haiku"]),
];

/// Providers whose models are deployments with names of the operator's own.
const WITHOUT_SMALL: [&str; 2] = ["azure", "azure-cognitive-services"];

/// Alias chains longer than this are taken for a circle.
const LONGEST_CHAIN: usize = 8;

/// Returns the default model. In this order: the configured one (`model`); then the best model of
/// the first provider that can be called, of those that the configuration has a section for, of
/// those that the user signed in to, and of those whose key is in a variable that serves models
/// only. Within each, the catalog's order. A variable that other tools use as well (`GITHUB_TOKEN`,
/// `CLOUDFLARE_API_TOKEN`) never decides by itself.
///
/// # Errors
/// As [`resolve`] for the configured name; `NotFound` when nothing is connected that may decide.
pub(crate) fn default_model(
    layers: &Layers,
    connected: &dyn Connected,
) -> Result<Resolved, Failure> {
    if let Some(name) = layers.config.primary_model() {
        return resolve(layers, behind_alias(&layers.config, name), connected);
    }
    let mut providers: Vec<(Preference, Arc<Provider>)> = connected_providers(layers, connected)
        .into_iter()
        .map(|provider| (preference(&provider, connected), provider))
        .collect();
    providers.sort_by_key(|(preference, _)| *preference);

    let mut may_decide = providers.iter().filter(|(rank, _)| *rank < Preference::Everyday);
    let best = may_decide.find_map(|(_, provider)| Some((provider, best(layers, provider)?)));
    match best {
        Some((provider, model)) => Ok(resolved(provider, model)),
        None => Err(nothing_decides(&providers)),
    }
}

/// How much a connection says about where its owner wants prompts to go; the first is preferred.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Preference {
    Configured,
    SignedIn,
    Variable,
    Everyday,
}

fn preference(provider: &Provider, connected: &dyn Connected) -> Preference {
    match connected.key_variable(&provider.row) {
        _ if provider.row.configured => Preference::Configured,
        None => Preference::SignedIn,
        Some(name) if is_everyday(&name) => Preference::Everyday,
        Some(_) => Preference::Variable,
    }
}

/// Says why nobody answers: nothing is connected, or what is cannot be called, or nobody chose it.
fn nothing_decides(providers: &[(Preference, Arc<Provider>)]) -> Failure {
    let not_callable = providers.iter().find_map(|(_, provider)| {
        let reason = provider.callable().err()?;
        Some(format!("{} cannot be called: {reason}", provider.row.id))
    });
    let everyday = providers.iter().find(|(rank, _)| *rank == Preference::Everyday);
    let message = match (not_callable, everyday, providers.first()) {
        (_, Some((_, provider)), _) => format!(
            "no model was named, and {id} is only connected by a variable that other tools use as \
             well: name a model, set `model`, or run `switchyard auth login {id}`",
            id = provider.row.id
        ),
        (Some(reason), None, _) => format!("no model was named, and {reason}"),
        (None, None, Some((_, provider))) => format!(
            "no model was named, and {id} lists none: write `{id}/MODEL`, or set `model`",
            id = provider.row.id
        ),
        (None, None, None) => "no model was named and no provider is connected: add a key with \
                               `switchyard auth login`, or set `model`"
            .to_owned(),
    };
    Failure::new(ErrorKind::NotFound, Side::Caller, message).with_param("model")
}

/// Returns the small model of a provider: the configured one, else one of a small family; `None` where there is none.
pub(crate) fn small_model(layers: &Layers, provider: &str) -> Option<Resolved> {
    if let Some(name) = &layers.config.small_model {
        return resolve(layers, behind_alias(&layers.config, name), &Only(provider)).ok();
    }
    if WITHOUT_SMALL.contains(&provider) {
        return None;
    }
    let provider = layers.provider(provider)?;
    let (_, families) = SMALL.iter().find(|(start, _)| provider.row.id.starts_with(start))?;
    let region = layers
        .environment
        .get("AWS_REGION")
        .and_then(|region| region.split('-').next())
        .unwrap_or("us");
    families.iter().find_map(|family| of_family(&provider, family, region))
}

fn of_family(provider: &Provider, family: &str, region: &str) -> Option<Resolved> {
    let mut models: Vec<&ModelInfo> = provider
        .models
        .values()
        .map(AsRef::as_ref)
        .filter(|model| model.family.as_deref() == Some(family))
        .collect();
    models.sort_by(|a, b| b.release_date.cmp(&a.release_date).then_with(|| b.id.cmp(&a.id)));
    // Some list a model once per region: the global one is best, then that of the own region, then one without a region.
    let starts = |start: &str| models.iter().find(|model| model.id.starts_with(start));
    let is_regional =
        |id: &str| ["global.", "us.", "eu."].iter().any(|start| id.starts_with(start));
    let model = starts("global.")
        .or_else(|| starts(&format!("{region}.")))
        .or_else(|| models.iter().find(|model| !is_regional(&model.id)))?;
    Some(resolved(provider, model))
}

/// Returns the model of a provider that answers when nobody names one.
pub(crate) fn best<'a>(layers: &Layers, provider: &'a Provider) -> Option<&'a ModelInfo> {
    let rank = |id: &str| PREFERRED.iter().position(|part| id.contains(part));
    let models = provider.models.values().map(AsRef::as_ref).filter(|model: &&ModelInfo| {
        answers_in_text(model) && target::check(layers, provider, &model.id).is_ok()
    });
    models.max_by_key(|model| (rank(&model.id), model.id.contains("latest"), model.id.as_str()))
}

/// Models that only draw, speak or embed do not chat.
fn answers_in_text(model: &ModelInfo) -> bool {
    let output = &model.capabilities.output;
    (output.is_empty() || output.contains(&sy_types::Media::Text)) && !model.id.contains("embed")
}

/// Follows the operator's aliases; of an order of fallbacks the first counts.
fn behind_alias<'a>(config: &'a Config, name: &'a str) -> &'a str {
    let mut name = name;
    for _ in 0..LONGEST_CHAIN {
        match config.alias.get(name).map(Alias::names).and_then(|names| names.first()) {
            Some(next) => name = next,
            None => break,
        }
    }
    name
}

fn resolved(provider: &Provider, model: &ModelInfo) -> Resolved {
    Resolved {
        provider: provider.row.id.clone(),
        model: model.id.clone(),
        variant: None,
        is_listed: true,
    }
}

/// One provider counts as connected.
struct Only<'a>(&'a str);

impl Connected for Only<'_> {
    fn is_connected(&self, row: &ProviderRow) -> bool {
        row.id == self.0
    }
}
