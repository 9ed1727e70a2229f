//! Puts a provider together: the data's entry, its modes, the configuration on top, then the filters.
//!
//! Called by the catalog when a provider is first asked for. Everything here is pure; which layers there are is decided by
//! the caller.

use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::{Map, Value};
use sy_config::{Config, HeaderText, ProviderConfig};
use sy_types::{ModelInfo, Status};

use crate::models_dev::{Mode, ModelEntry, lay_over, read_price};
use crate::overlay::{overlay_model, refresh_variants};
use crate::provider::{Provider, ProviderRow, Route};
use crate::variants;
use crate::wire_map::{Place, Speech, wire};

/// A model under construction.
#[derive(Clone, Debug, Default)]
pub(crate) struct Draft {
    pub(crate) info: ModelInfo,
    pub(crate) route: Route,
    pub(crate) reasoning_options: Option<Vec<crate::models_dev::ReasoningOption>>,
}

/// Models that are listed but do not work as chat models there.
const REMOVED: [(&str, &str); 4] = [
    ("openai", "gpt-5-chat-latest"),
    ("github-copilot", "gpt-5-chat-latest"),
    ("openrouter", "gpt-5-chat-latest"),
    ("openrouter", "openai/gpt-5-chat"),
];

/// Makes a provider of its row, the data's entry (empty for one that only the configuration knows) and the configuration.
pub(crate) fn provider(row: ProviderRow, entry: &Map<String, Value>, config: &Config) -> Provider {
    let section = config.provider.get(&row.id);
    let unlisted = unlisted_route(&row, section);
    let mut drafts = from_data(&row, entry, section);
    if let Some(section) = section {
        for (name, model) in &section.models {
            overlay_model(&mut drafts, name, model, &row, section);
        }
    }
    drafts.retain(|name, draft| is_listed(&row.id, name, draft, section));
    let mut models = IndexMap::with_capacity(drafts.len());
    let mut routes = IndexMap::with_capacity(drafts.len());
    for (name, mut draft) in drafts {
        draft.info.variants = shown_variants(&row.id, &draft);
        models.insert(name.clone(), Arc::new(draft.info));
        routes.insert(name, draft.route);
    }
    // Whether it can be called is known when its routes are.
    Provider { row, models, routes, unlisted, callable: Ok(()) }
}

/// Returns how a model is reached that neither the data nor the configuration lists: as its
/// provider usually is.
fn unlisted_route(row: &ProviderRow, section: Option<&ProviderConfig>) -> Route {
    let own_api = section.and_then(|section| section.api.clone());
    Route {
        npm: row.npm.clone(),
        api_is_configured: own_api.is_some(),
        api: own_api.or_else(|| row.api.clone()),
        ..Route::default()
    }
}

/// Adds models of which only the provider's own list tells; all that is known of them is their
/// names.
pub(crate) fn add_named(provider: &mut Provider, names: Vec<String>, config: &Config) {
    let section = config.provider.get(&provider.row.id);
    for name in names.into_iter().filter(|name| is_allowed(name, section)) {
        let info = ModelInfo { id: name.clone(), name: name.clone(), ..ModelInfo::default() };
        let route = Route { upstream: name.clone(), ..provider.unlisted.clone() };
        provider.models.insert(name.clone(), Arc::new(info));
        provider.routes.insert(name, route);
    }
}

fn from_data(
    row: &ProviderRow,
    entry: &Map<String, Value>,
    section: Option<&ProviderConfig>,
) -> IndexMap<String, Draft> {
    let mut drafts = IndexMap::new();
    for (id, json) in entry.get("models").and_then(Value::as_object).into_iter().flatten() {
        let Some(model) = ModelEntry::read(id, json) else { continue };
        let mut draft = draft_of(row, id, &model, section);
        refresh_variants(&row.id, &mut draft);
        for (mode_name, mode) in &model.experimental.modes {
            let (name, draft) = mode_of(&draft, mode_name, mode, &model.cost);
            drafts.insert(name, draft);
        }
        drafts.insert(id.clone(), draft);
    }
    drafts
}

fn draft_of(
    row: &ProviderRow,
    id: &str,
    model: &ModelEntry,
    section: Option<&ProviderConfig>,
) -> Draft {
    let own_npm = section.and_then(|section| section.npm.clone());
    let own_api = section.and_then(|section| section.api.clone());
    let info = ModelInfo {
        id: id.to_owned(),
        name: model.name.clone().unwrap_or_else(|| id.to_owned()),
        description: None,
        family: model.family.clone(),
        release_date: model.release_date.clone().unwrap_or_default(),
        status: model.status(),
        capabilities: model.capabilities(),
        limits: model.limits(),
        price: read_price(&model.cost),
        is_priced: !model.cost.is_empty(),
        notice: None,
        variants: IndexMap::new(),
    };
    let route = Route {
        upstream: id.to_owned(),
        npm: own_npm.or_else(|| model.provider.npm.clone()).unwrap_or_else(|| row.npm.clone()),
        api_is_configured: own_api.is_some(),
        api: own_api.or_else(|| model.provider.api.clone()).or_else(|| row.api.clone()),
        says_interleaved: model.says_interleaved(),
        ..Route::default()
    };
    Draft { info, route, reasoning_options: model.reasoning_options.clone() }
}

/// Makes the further model that a mode stands for. Its id on the wire stays that of the model.
fn mode_of(
    base: &Draft,
    name: &str,
    mode: &Mode,
    base_cost: &Map<String, Value>,
) -> (String, Draft) {
    let mut draft = base.clone();
    draft.info.id = format!("{}-{name}", base.info.id);
    let mut letters = name.chars();
    let title: String =
        letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect();
    draft.info.name = format!("{} {title}", base.info.name);
    let mut cost = base_cost.clone();
    lay_over(&mut cost, &mode.cost);
    draft.info.price = read_price(&cost);
    draft.info.is_priced = !cost.is_empty();
    let headers = mode.provider.headers.iter();
    draft.route.headers =
        headers.map(|(name, value)| (name.clone(), HeaderText::Plain(value.clone()))).collect();
    draft.route.options = mode.provider.body.clone();
    (draft.info.id.clone(), draft)
}

fn is_listed(provider: &str, name: &str, draft: &Draft, section: Option<&ProviderConfig>) -> bool {
    is_allowed(name, section)
        && !matches!(draft.info.status, Status::Alpha | Status::Deprecated)
        && !REMOVED.contains(&(provider, name))
}

fn is_allowed(name: &str, section: Option<&ProviderConfig>) -> bool {
    let named = |list: &Option<Vec<String>>| {
        list.as_ref().map(|list| list.iter().any(|known| known == name))
    };
    section.is_none_or(|section| {
        named(&section.whitelist).unwrap_or(true) && !named(&section.blacklist).unwrap_or(false)
    })
}

/// The sets as body fields of the model's preferred protocol; as they are where no protocol is known.
fn shown_variants(provider: &str, draft: &Draft) -> IndexMap<String, Map<String, Value>> {
    let speech = wire(place(provider, draft)).speech;
    let preferred = match speech {
        Speech::Speaks(protocols) => protocols.first().copied(),
        Speech::Missing(_) => None,
    };
    let show = |options: &Map<String, Value>| match preferred {
        Some(protocol) => variants::body::fields(options, protocol),
        None => options.clone(),
    };
    draft.route.variants.iter().map(|(name, options)| (name.clone(), show(options))).collect()
}

/// Returns what the wire tables look at.
pub(crate) fn place<'a>(provider: &'a str, draft: &'a Draft) -> Place<'a> {
    Place {
        provider,
        npm: &draft.route.npm,
        model: &draft.route.upstream,
        reasons: draft.info.capabilities.reasoning == Some(true),
    }
}
