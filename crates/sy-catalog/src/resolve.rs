//! "The name that somebody typed" → one model of one provider.
//!
//! Called by the catalog for each request. Order: `provider/model` by the first slash, the provider's other names, then a
//! unique match among the connected providers. The operator's own aliases are not looked up here: the router does that.

use std::sync::Arc;

use sy_types::{ErrorKind, Failure, Side};

use crate::Connected;
use crate::aliases;
use crate::bounds::is_id;
use crate::layers::Layers;
use crate::provider::Provider;
use crate::suggest;
use crate::wire_map::is_everyday;

/// One model of one provider, and perhaps one of its variants.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Resolved {
    /// The provider's id.
    pub provider: String,
    /// The model's id within the provider.
    pub model: String,
    /// The variant's name.
    pub variant: Option<String>,
    /// Whether the catalog or the configuration lists the model. One that is not listed is passed
    /// on as it is named; what it can do is unknown.
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
        return within(layers, &id, rest, connected);
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

fn within(
    layers: &Layers,
    id: &str,
    rest: &str,
    connected: &dyn Connected,
) -> Result<Resolved, Failure> {
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

    if let Some(failure) = unknown_variant(&provider, rest) {
        return Err(failure);
    }
    if connected.is_connected(&provider.row) && takes_unlisted(layers, &provider, rest) {
        return Ok(unlisted(id, rest));
    }
    let near = suggest::models_of(&provider, rest);
    let hint = suggest::did_you_mean(&near);
    Err(not_found(format!("the provider {id} has no model `{rest}`{hint}")))
}

fn unlisted(provider: &str, model: &str) -> Resolved {
    Resolved {
        provider: provider.to_owned(),
        model: model.to_owned(),
        variant: None,
        is_listed: false,
    }
}

/// Returns true when a model that nobody listed may be asked for: the catalog is no gate, but the
/// operator's lists are.
fn takes_unlisted(layers: &Layers, provider: &Provider, model: &str) -> bool {
    let section = layers.config.provider.get(&provider.row.id);
    let is_refused = section.is_some_and(|section| {
        let is_named = |list: &Vec<String>| list.iter().any(|known| known == model);
        section.whitelist.is_some() || section.blacklist.as_ref().is_some_and(is_named)
    });
    !is_refused && is_id(model)
}

/// Says which variants a model has, where somebody wrote another one behind it.
fn unknown_variant(provider: &Provider, name: &str) -> Option<Failure> {
    let (model, variant) = name.rsplit_once(':')?;
    let route = provider.routes.get(model)?;
    // Where ids have colons themselves, what stands behind one may be an id that is newer than the
    // data.
    let is_part_of_ids = aliases::takes_suffixes(&provider.row.id)
        || provider.models.keys().any(|id| id.contains(':'));
    if is_part_of_ids && !route.variants.contains_key(variant) && route.variants.is_empty() {
        return None;
    }
    if is_part_of_ids && !suggest::is_like_any(variant, route.variants.keys()) {
        return None;
    }

    let known: Vec<&str> = route.variants.keys().map(String::as_str).collect();
    let known = match known.as_slice() {
        [] => "it has none".to_owned(),
        names => format!("it has {}", names.join(", ")),
    };
    let full = format!("{}/{model}", provider.row.id);
    Some(not_found(format!("the model `{full}` has no variant `{variant}`: {known}")))
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
    let mut found: Vec<(Resolved, bool)> = providers
        .iter()
        .filter_map(|provider| Some((find(provider, name)?, is_chosen(provider, connected))))
        .collect();
    // A variable that other tools use as well makes no name ambiguous.
    if found.iter().any(|(_, is_chosen)| *is_chosen) {
        found.retain(|(_, is_chosen)| *is_chosen);
    }

    match found.as_slice() {
        [(only, _)] => Ok(only.clone()),
        [] => unknown(layers, name, &providers, connected),
        several => {
            let mut names: Vec<String> =
                several.iter().take(LISTED).map(|(one, _)| format!("`{}`", one.name())).collect();
            if several.len() > LISTED {
                names.push(format!("{} more", several.len() - LISTED));
            }
            let message =
                format!("the model `{name}` is ambiguous: write one of {}", names.join(", "));
            Err(about_model(Failure::invalid(message).with_code("ambiguous_model")))
        }
    }
}

/// Returns false for a provider that is only connected by a variable that other tools use as well.
pub(crate) fn is_chosen(provider: &Provider, connected: &dyn Connected) -> bool {
    provider.row.configured
        || connected.key_variable(&provider.row).is_none_or(|name| !is_everyday(&name))
}

/// Returns the connected providers in the catalog's order.
pub(crate) fn connected_providers(
    layers: &Layers,
    connected: &dyn Connected,
) -> Vec<Arc<Provider>> {
    let rows = layers.rows().values().filter(|row| connected.is_connected(row));
    rows.filter_map(|row| layers.provider(&row.id)).collect()
}

/// Passes a bare id on where one provider is meant, and it is no typing error; else says what is
/// near.
fn unknown(
    layers: &Layers,
    name: &str,
    providers: &[Arc<Provider>],
    connected: &dyn Connected,
) -> Result<Resolved, Failure> {
    if let Some(failure) = providers.iter().find_map(|provider| unknown_variant(provider, name)) {
        return Err(failure);
    }
    let near = suggest::names(layers, name, providers);
    if !near.is_typing_error
        && let Some(provider) = meant(name, providers, connected)
        && takes_unlisted(layers, provider, name)
    {
        return Ok(unlisted(&provider.row.id, name));
    }

    let where_looked = match providers.len() {
        0 => "and no provider is connected".to_owned(),
        1 => "in the connected provider".to_owned(),
        count => format!("in any of the {count} connected providers"),
    };
    Err(not_found(format!(
        "there is no model `{name}` {where_looked}{}; write `provider/model` to name the provider",
        suggest::did_you_mean(&near.names)
    )))
}

/// Returns the one connected provider that a bare id must be meant for: the only one with models of
/// that family, or the only one at all, unless the family is known to be another's.
fn meant<'a>(
    name: &str,
    providers: &'a [Arc<Provider>],
    connected: &dyn Connected,
) -> Option<&'a Arc<Provider>> {
    let family = match name.split_once('/') {
        Some((head, _)) => format!("{head}/"),
        None => name.chars().take_while(|letter| letter.is_alphabetic()).collect(),
    };
    let chosen: Vec<&Arc<Provider>> =
        providers.iter().filter(|provider| is_chosen(provider, connected)).collect();
    let has_family = |provider: &Provider| {
        !family.is_empty() && provider.models.keys().any(|model| model.starts_with(&family))
    };
    let of_family: Vec<&Arc<Provider>> =
        chosen.iter().copied().filter(|provider| has_family(provider)).collect();

    match (of_family.as_slice(), chosen.as_slice()) {
        ([only], _) => Some(*only),
        ([], [only]) if only.models.is_empty() => Some(*only),
        ([], [only]) if !name.contains('/') && aliases::vendor_of(name).is_none() => Some(*only),
        _ => None,
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
