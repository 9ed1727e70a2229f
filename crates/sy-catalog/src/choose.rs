//! The model that answers when nobody names one, and the small one for titles.
//!
//! Called by the catalog. It looks at the configuration first, then at preferences by name and family. Fallbacks are not its
//! business: the router plans those.

use sy_config::{Alias, Config};
use sy_types::{ErrorKind, Failure, ModelInfo, Side};

use crate::Connected;
use crate::layers::Layers;
use crate::provider::{Provider, ProviderRow};
use crate::resolve::{Resolved, connected_providers, resolve};

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

/// Returns the default model: the configured one, else the best of the first connected provider, configured ones first.
///
/// # Errors
/// As [`resolve`] for the configured name; `NotFound` when nothing is connected.
pub(crate) fn default_model(
    layers: &Layers,
    connected: &dyn Connected,
) -> Result<Resolved, Failure> {
    if let Some(name) = layers.config.primary_model() {
        return resolve(layers, behind_alias(&layers.config, name), connected);
    }
    let providers = connected_providers(layers, connected);
    let configured = providers.iter().filter(|provider| provider.row.configured);
    let others = providers.iter().filter(|provider| !provider.row.configured);
    for provider in configured.chain(others) {
        if let Some(model) = best(provider) {
            return Ok(resolved(provider, model));
        }
    }
    Err(Failure::new(
        ErrorKind::NotFound,
        Side::Caller,
        "no model was named and no provider is connected: add a key with `switchyard auth login`, or set `model`",
    )
    .with_param("model"))
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

fn best(provider: &Provider) -> Option<&ModelInfo> {
    let rank = |id: &str| PREFERRED.iter().position(|part| id.contains(part));
    let models = provider
        .models
        .values()
        .map(AsRef::as_ref)
        .filter(|model: &&ModelInfo| answers_in_text(model));
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
