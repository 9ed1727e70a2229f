//! A client's own body for a provider that speaks the same language.
//!
//! The model stands in the path, so usually nothing changes. It deliberately rebuilds only the rare body that spells fields in
//! snake_case and meets options of the target: the API would take the two spellings of one field for a contradiction.

use bytes::Bytes;
use serde_json::{Map, Value};
use sy_types::{CallBody, Failure};

use super::naming;
use crate::face::{Outgoing, merge_missing};
use crate::inbound::Inbound;
use crate::patch::Spans;

/// Makes the body.
pub(super) fn relay(outgoing: &Outgoing<'_>) -> Result<CallBody, Failure> {
    let (inbound, target) = (outgoing.inbound, outgoing.target);
    let body = inbound.body();
    let edits = match Spans::find(body, &["model"])?.get(body, "model") {
        None => Vec::new(),
        // A body that repeats the model of the path must agree with it.
        Some(_) => vec![("model", Value::from(naming::model_name(&target.upstream_model)))],
    };
    if target.options.is_empty() || !is_snake(inbound)? {
        return inbound.patched(target, edits);
    }

    inbound.keep(inbound.charge_translation()?);
    let fields: Map<String, Value> = crate::json::read(body).map_err(|error| {
        Failure::invalid(format!("the request body must be a JSON object: {error}"))
    })?;
    let mut fields = naming::camel_keys(fields);
    camel_in(&mut fields, &["generationConfig", "thinkingConfig"]);
    fields.extend(edits.into_iter().map(|(key, value)| (key.to_owned(), value)));
    merge_missing(&mut fields, &target.options);
    Ok(CallBody::from(Bytes::from(crate::json::write(&fields))))
}

/// Returns true when a field that options may meet is spelt in snake_case.
fn is_snake(inbound: &Inbound) -> Result<bool, Failure> {
    const TOP: [&str; 6] = [
        "generation_config",
        "safety_settings",
        "tool_config",
        "system_instruction",
        "cached_content",
        "generationConfig",
    ];
    let body = inbound.body();
    let spans = Spans::find(body, &TOP)?;
    let is_top = TOP.iter().any(|name| name.contains('_') && spans.get(body, name).is_some());
    let config = spans.get(body, "generationConfig");
    inbound.charge_field(config.unwrap_or_default())?;
    let config = config.and_then(|json| crate::json::read::<Value>(json).ok());
    let is_snake_map = |value: &Value| {
        value.as_object().is_some_and(|map| map.keys().any(|key| key.contains('_')))
    };
    let is_nested = config.is_some_and(|config| {
        is_snake_map(&config) || config.get("thinkingConfig").is_some_and(is_snake_map)
    });
    Ok(is_top || is_nested)
}

/// Rewrites the keys of objects along a path of fields.
fn camel_in(fields: &mut Map<String, Value>, path: &[&str]) {
    let Some((first, rest)) = path.split_first() else { return };
    if let Some(Value::Object(inner)) = fields.get_mut(*first) {
        *inner = naming::camel_keys(std::mem::take(inner));
        camel_in(inner, rest);
    }
}
