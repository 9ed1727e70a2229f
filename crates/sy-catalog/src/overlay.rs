//! The configuration's word on a model, laid over the data's field by field.
//!
//! Called by `assemble` for each configured model. What the operator does not set stays as it was; a capability that nobody
//! mentions stays unknown.

use indexmap::IndexMap;
use serde_json::Value;
use sy_config::{Cost, ModelConfig, ProviderConfig, Supports};
use sy_types::model::Rates;
use sy_types::{Capabilities, Interleaved, Media, ModelInfo, Price};

use crate::assemble::{Draft, place};
use crate::models_dev::lay_over;
use crate::provider::{ProviderRow, Route};
use crate::variants::{Facts, for_model};
use crate::wire_map::{OPENAI_COMPATIBLE, wire};

/// Adjusts the named model, or adds it.
pub(crate) fn overlay_model(
    drafts: &mut IndexMap<String, Draft>,
    name: &str,
    config: &ModelConfig,
    row: &ProviderRow,
    section: &ProviderConfig,
) {
    let base = config.id.as_deref().and_then(|id| drafts.get(id)).or_else(|| drafts.get(name));
    let is_new = base.is_none();
    let mut draft = base.cloned().unwrap_or_else(|| new_draft(name, row, section));
    let npm_before = draft.route.npm.clone();
    if let Some(id) = &config.id {
        draft.route.upstream.clone_from(id);
        if id != name && !is_new {
            name.clone_into(&mut draft.info.name);
        }
    }
    name.clone_into(&mut draft.info.id);
    overlay_route(&mut draft.route, config, section);
    overlay_info(&mut draft.info, config);
    draft.route.says_interleaved |= config.interleaved.is_some();
    if is_new && config.interleaved.is_none() && echoes_reasoning(&draft.route) {
        draft.info.capabilities.interleaved = Interleaved::Field("reasoning_content".to_owned());
        draft.route.says_interleaved = true;
    }
    if is_new || draft.route.npm != npm_before || config.reasoning.is_some() {
        refresh_variants(&row.id, &mut draft);
    }
    overlay_variants(&mut draft.route, config);
    drafts.insert(name.to_owned(), draft);
}

/// Makes the option sets of a model from its facts.
pub(crate) fn refresh_variants(provider: &str, draft: &mut Draft) {
    let id = draft.route.upstream.to_lowercase();
    let encoder = wire(place(provider, draft)).encoder;
    draft.route.variants = for_model(&Facts {
        provider,
        npm: &draft.route.npm,
        encoder,
        id: &id,
        family: draft.info.family.as_deref(),
        release_date: &draft.info.release_date,
        reasoning: draft.info.capabilities.reasoning,
        output_limit: draft.info.limits.output,
        base_url: draft.route.api.as_deref().unwrap_or_default(),
        reasoning_options: draft.reasoning_options.as_deref(),
    });
}

fn new_draft(name: &str, row: &ProviderRow, section: &ProviderConfig) -> Draft {
    let info = ModelInfo { id: name.to_owned(), name: name.to_owned(), ..ModelInfo::default() };
    let route = Route {
        upstream: name.to_owned(),
        npm: row.npm.clone(),
        api: row.api.clone(),
        api_is_configured: section.api.is_some(),
        ..Route::default()
    };
    Draft { info, route, reasoning_options: None }
}

/// DeepSeek's models want their reasoning back, also where nobody lists them.
fn echoes_reasoning(route: &Route) -> bool {
    route.npm == OPENAI_COMPATIBLE && route.upstream.contains("deepseek")
}

fn overlay_route(route: &mut Route, config: &ModelConfig, section: &ProviderConfig) {
    if let Some(npm) = config.provider.npm.as_ref().or(section.npm.as_ref()) {
        route.npm.clone_from(npm);
    }
    if let Some(api) = config.provider.api.as_ref().or(section.api.as_ref()) {
        route.api = Some(api.clone());
        route.api_is_configured = true;
    }
    lay_over(&mut route.options, &config.options);
    for (header, text) in &config.headers {
        route.headers.insert(header.clone(), text.clone());
    }
    route.shape = config.provider.shape.or(route.shape);
    route.streaming = config.supports.streaming.or(route.streaming);
    route.reasoning_param = config.supports.reasoning_param.or(route.reasoning_param);
}

fn overlay_info(info: &mut ModelInfo, config: &ModelConfig) {
    fn set<T: Clone>(value: &mut T, wanted: Option<&T>) {
        if let Some(wanted) = wanted {
            value.clone_from(wanted);
        }
    }
    set(&mut info.name, config.name.as_ref());
    info.description.clone_from(&config.description);
    set(&mut info.release_date, config.release_date.as_ref());
    set(&mut info.status, config.status.as_ref());
    set(&mut info.limits.context, config.limit.context.as_ref());
    set(&mut info.limits.output, config.limit.output.as_ref());
    info.family = config.family.clone().or_else(|| info.family.take());
    info.limits.input = config.limit.input.or(info.limits.input);
    overlay_price(&mut info.price, &config.cost);
    info.is_priced |= config.cost.input.is_some() || config.cost.output.is_some();
    let capabilities = &mut info.capabilities;
    set(&mut capabilities.interleaved, config.interleaved.as_ref());
    set(&mut capabilities.input, config.modalities.input.as_ref());
    set(&mut capabilities.output, config.modalities.output.as_ref());
    capabilities.attachment = config.attachment.or(capabilities.attachment);
    capabilities.reasoning = config.reasoning.or(capabilities.reasoning);
    capabilities.temperature = config.temperature.or(capabilities.temperature);
    capabilities.tool_call = config.tool_call.or(capabilities.tool_call);
    overlay_supports(capabilities, config.supports);
}

fn overlay_supports(capabilities: &mut Capabilities, supports: Supports) {
    capabilities.tool_call = supports.function_calling.or(capabilities.tool_call);
    match supports.vision {
        Some(true) if !capabilities.input.contains(&Media::Image) => {
            if capabilities.input.is_empty() {
                capabilities.input.push(Media::Text);
            }
            capabilities.input.push(Media::Image);
        }
        Some(false) if capabilities.input.is_empty() => capabilities.input.push(Media::Text),
        Some(false) => capabilities.input.retain(|media| *media != Media::Image),
        Some(true) | None => {}
    }
}

fn overlay_price(price: &mut Price, cost: &Cost) {
    let set = |rates: &mut Rates,
               input: Option<f64>,
               output: Option<f64>,
               read: Option<f64>,
               write: Option<f64>| {
        rates.usd_per_million_input = input.unwrap_or(rates.usd_per_million_input);
        rates.usd_per_million_output = output.unwrap_or(rates.usd_per_million_output);
        rates.usd_per_million_cache_read = read.or(rates.usd_per_million_cache_read);
        rates.usd_per_million_cache_write = write.or(rates.usd_per_million_cache_write);
    };
    let says_base = cost.input.is_some() || cost.output.is_some();
    set(&mut price.base, cost.input, cost.output, cost.cache_read, cost.cache_write);
    if says_base {
        // The data's tiers belong to the data's price; an operator's own price holds for every length.
        price.over.clear();
    }
    if let Some(long) = cost.context_over_200k {
        let tier = price
            .over
            .iter()
            .find(|(size, _)| *size == 200_000)
            .map_or(price.base, |(_, rates)| *rates);
        let mut rates = tier;
        set(&mut rates, long.input, long.output, long.cache_read, long.cache_write);
        price.over.retain(|(size, _)| *size != 200_000);
        price.over.push((200_000, rates));
        price.over.sort_by_key(|(size, _)| *size);
    }
}

fn overlay_variants(route: &mut Route, config: &ModelConfig) {
    for (name, options) in &config.variants {
        if options.get("disabled") == Some(&Value::Bool(true)) {
            route.variants.shift_remove(name);
            continue;
        }
        let variant = route.variants.entry(name.clone()).or_default();
        lay_over(variant, options);
        variant.shift_remove("disabled");
        // What the set is for; not a field of any request.
        variant.shift_remove("description");
    }
}
