//! "The name that somebody typed" → one model of one provider.
//!
//! Called by the catalog for each request. Order: `provider/model` by the first slash, the provider's other names, then a
//! unique match among the connected providers. The operator's own aliases are not looked up here: the router does that.

use std::sync::Arc;

use sy_types::{ErrorKind, Failure, Side};

use crate::Connected;
use crate::aliases;
use crate::layers::Layers;
use crate::provider::Provider;

/// One model of one provider, and perhaps one of its variants.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Resolved {
    /// The provider's id.
    pub provider: String,
    /// The model's id within the provider.
    pub model: String,
    /// The variant's name.
    pub variant: Option<String>,
    /// Whether the catalog or the configuration lists the model. One that is not listed is passed on as it is named; what
    /// it can do is unknown.
    pub is_listed: bool,
}

impl Resolved {
    /// Returns `provider/model`, with `:variant` where there is one.
    pub fn name(&self) -> String {
        match &self.variant {
            Some(variant) => format!("{}/{}:{variant}", self.provider, self.model),
            None => format!("{}/{}", self.provider, self.model),
        }
    }
}

/// No more candidates than these are listed in a message.
const LISTED: usize = 10;

/// Resolves a name.
///
/// # Errors
/// `Invalid` with the candidates when the name fits several models; `NotFound` with suggestions when it fits none.
pub(crate) fn resolve(
    layers: &Layers,
    name: &str,
    connected: &dyn Connected,
) -> Result<Resolved, Failure> {
    let name = name.trim();
    if name.is_empty() {
        return Err(about_model(Failure::invalid(
            "expected a model name such as `provider/model`, got an empty one",
        )));
    }
    if let Some((head, rest)) = name.split_once('/')
        && let Some(id) = provider_id(layers, head)
    {
        return within(layers, &id, rest);
    }
    among_connected(layers, name, connected)
}

/// Returns the id of the provider that a typed name stands for: the name itself, else one of which it is another name.
pub(crate) fn provider_id(layers: &Layers, typed: &str) -> Option<String> {
    if layers.knows(typed) {
        return Some(typed.to_owned());
    }
    aliases::ids(typed).into_iter().find(|id| layers.knows(id))
}

fn within(layers: &Layers, id: &str, rest: &str) -> Result<Resolved, Failure> {
    let Some(provider) = layers.provider(id) else {
        return Err(not_found(format!(
            "the provider {id} is switched off: see disabled_providers and enabled_providers in the configuration"
        )));
    };
    // Some write the provider twice, once by each of its names: `opencode-zen/zen/big-pickle`.
    let stripped = rest
        .split_once('/')
        .filter(|(head, _)| aliases::stands_for(head, id))
        .map(|(_, rest)| rest);
    for model in std::iter::once(rest).chain(stripped) {
        if let Some(resolved) = find(&provider, model) {
            return Ok(resolved);
        }
    }
    let full: Vec<String> = provider.models.keys().map(|model| format!("{id}/{model}")).collect();
    let near = nearest(&format!("{id}/{rest}"), full.iter());
    Err(not_found(format!("the provider {id} has no model `{rest}`{}", did_you_mean(&near))))
}

/// Finds `model` or `model:variant` in a provider. An id with a colon in it wins over a variant.
fn find(provider: &Provider, name: &str) -> Option<Resolved> {
    let resolved = |model: &str, variant: Option<&str>| Resolved {
        provider: provider.row.id.clone(),
        model: model.to_owned(),
        variant: variant.map(str::to_owned),
        is_listed: true,
    };
    if provider.models.contains_key(name) {
        return Some(resolved(name, None));
    }
    let (model, variant) = name.rsplit_once(':')?;
    let route = provider.routes.get(model)?;
    route.variants.contains_key(variant).then(|| resolved(model, Some(variant)))
}

fn among_connected(
    layers: &Layers,
    name: &str,
    connected: &dyn Connected,
) -> Result<Resolved, Failure> {
    let providers = connected_providers(layers, connected);
    let found: Vec<Resolved> =
        providers.iter().filter_map(|provider| find(provider, name)).collect();
    match found.as_slice() {
        [only] => Ok(only.clone()),
        [] => Err(unknown(layers, name, &providers)),
        _ => {
            let mut names: Vec<String> =
                found.iter().take(LISTED).map(|one| format!("`{}`", one.name())).collect();
            if found.len() > LISTED {
                names.push(format!("{} more", found.len() - LISTED));
            }
            let message =
                format!("the model `{name}` is ambiguous: write one of {}", names.join(", "));
            Err(about_model(Failure::invalid(message).with_code("ambiguous_model")))
        }
    }
}

/// Returns the connected providers in the catalog's order.
pub(crate) fn connected_providers(
    layers: &Layers,
    connected: &dyn Connected,
) -> Vec<Arc<Provider>> {
    let rows = layers.rows().values().filter(|row| connected.is_connected(row));
    rows.filter_map(|row| layers.provider(&row.id)).collect()
}

fn unknown(layers: &Layers, name: &str, providers: &[Arc<Provider>]) -> Failure {
    let models = || {
        providers
            .iter()
            .flat_map(|provider| provider.models.keys().map(|model| (&provider.row.id, model)))
    };
    let mut near: Vec<String> = match name.split_once('/') {
        Some((head, rest)) => nearest(&aliases::normal(head), layers.rows().keys())
            .into_iter()
            .map(|id| format!("{id}/{rest}"))
            .collect(),
        None => Vec::new(),
    };
    for id in nearest(name, models().map(|(_, model)| model)) {
        near.extend(
            models()
                .filter(|(_, model)| **model == id)
                .map(|(provider, model)| format!("{provider}/{model}"))
                .take(1),
        );
    }
    near.truncate(3);
    let where_looked = match providers.len() {
        0 => "and no provider is connected".to_owned(),
        1 => "in the connected provider".to_owned(),
        count => format!("in any of the {count} connected providers"),
    };
    not_found(format!(
        "there is no model `{name}` {where_looked}{}; write `provider/model` to name the provider",
        did_you_mean(&near)
    ))
}

/// Returns up to three of the given texts that are most like the wanted one, best first.
fn nearest<'a>(wanted: &str, known: impl Iterator<Item = &'a String>) -> Vec<String> {
    let wanted = wanted.to_lowercase();
    let words: Vec<&str> = wanted
        .split(|letter: char| !letter.is_alphanumeric())
        .filter(|word| word.len() > 1)
        .collect();
    let likeness = |text: &String| {
        let text = text.to_lowercase();
        let contained = words.iter().filter(|word| text.contains(**word)).count();
        let share = if words.is_empty() { 0.0 } else { contained as f64 / words.len() as f64 };
        strsim::jaro_winkler(&wanted, &text) + share
    };
    let mut scored: Vec<(f64, &String)> = known.map(|text| (likeness(text), text)).collect();
    scored.retain(|(score, _)| *score >= 0.8);
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(b.1)));
    scored.dedup_by(|a, b| a.1 == b.1);
    scored.into_iter().take(3).map(|(_, text)| text.clone()).collect()
}

fn did_you_mean(near: &[String]) -> String {
    match near {
        [] => String::new(),
        names => {
            let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
            format!("; did you mean {}?", quoted.join(", "))
        }
    }
}

fn not_found(message: String) -> Failure {
    about_model(
        Failure::new(ErrorKind::NotFound, Side::Caller, message).with_code("model_not_found"),
    )
}

fn about_model(failure: Failure) -> Failure {
    failure.with_param("model")
}
