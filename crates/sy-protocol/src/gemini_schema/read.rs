//! The subset to JSON Schema.
//!
//! Used for what clients of Gemini send. Words of the subset alone become JSON Schema's; it
//! deliberately checks nothing.

use serde_json::{Map, Value, json};

use super::MOST_LEVELS;

/// Turns the subset into JSON Schema: lower-case types, `null` as a type, no word that only the
/// subset has. What is JSON Schema already stays as it is.
pub(crate) fn from_openapi(schema: Value) -> Value {
    lower(schema, 0)
}

fn lower(schema: Value, level: usize) -> Value {
    let Value::Object(map) = schema else { return schema };
    if level > MOST_LEVELS {
        return Value::Object(map);
    }
    let mut out = Map::with_capacity(map.len());
    let mut is_nullable = false;
    let mut order = Value::Null;
    for (key, value) in map {
        let key = keyword(&key).unwrap_or(key);
        match key.as_str() {
            "nullable" => is_nullable = value == Value::Bool(true),
            "propertyOrdering" => order = value,
            "type" => out.extend(lower_type(value).map(|value| (key, value))),
            "format" if value == "enum" => {}
            "properties" | "$defs" | "definitions" | "patternProperties" => {
                out.insert(key, each_value(value, |inner| lower(inner, level + 1)));
            }
            "items" | "additionalProperties" | "not" => {
                out.insert(key, lower(value, level + 1));
            }
            "anyOf" | "oneOf" | "allOf" | "prefixItems" => {
                out.insert(key, each_item(value, |inner| lower(inner, level + 1)));
            }
            "minItems" | "maxItems" | "minLength" | "maxLength" | "minProperties"
            | "maxProperties" => {
                // Protobuf writes 64-bit numbers as texts.
                let number =
                    value.as_str().and_then(|text| text.parse::<u64>().ok()).map(Value::from);
                out.insert(key, number.unwrap_or(value));
            }
            _ => {
                out.insert(key, value);
            }
        }
    }
    if is_nullable {
        allow_null(&mut out);
    }
    reorder(&mut out, &order);
    Value::Object(out)
}

/// Returns the JSON Schema spelling of a keyword that SDKs write in snake_case.
fn keyword(key: &str) -> Option<String> {
    const WORDS: [&str; 11] = [
        "any_of",
        "one_of",
        "all_of",
        "min_items",
        "max_items",
        "min_length",
        "max_length",
        "min_properties",
        "max_properties",
        "property_ordering",
        "additional_properties",
    ];
    if !WORDS.contains(&key) {
        return None;
    }
    let (first, second) = key.split_once('_')?;
    let (head, tail) = second.split_at_checked(1)?;
    Some(format!("{first}{}{tail}", head.to_ascii_uppercase()))
}

fn lower_type(value: Value) -> Option<Value> {
    match value {
        Value::String(word) if word == "TYPE_UNSPECIFIED" => None,
        Value::String(word) => Some(Value::from(word.to_ascii_lowercase())),
        Value::Array(words) => {
            Some(Value::Array(words.into_iter().filter_map(lower_type).collect()))
        }
        other => Some(other),
    }
}

fn allow_null(schema: &mut Map<String, Value>) {
    match schema.get_mut("type") {
        Some(Value::String(word)) if word != "null" => {
            let both = json!([word, "null"]);
            schema.insert("type".to_owned(), both);
        }
        Some(Value::Array(words)) if !words.iter().any(|word| word == "null") => {
            words.push(Value::from("null"))
        }
        Some(_) => {}
        None => {
            if let Some(Value::Array(choices)) = schema.get_mut("anyOf")
                && !choices
                    .iter()
                    .any(|choice| choice.get("type").is_some_and(|word| word == "null"))
            {
                choices.push(json!({ "type": "null" }));
            }
        }
    }
    if let Some(Value::Array(values)) = schema.get_mut("enum")
        && !values.contains(&Value::Null)
    {
        values.push(Value::Null);
    }
}

/// The order of properties is the order in which a model writes them.
fn reorder(schema: &mut Map<String, Value>, order: &Value) {
    let (Some(names), Some(Value::Object(properties))) =
        (order.as_array(), schema.get_mut("properties"))
    else {
        return;
    };
    let mut ordered = Map::with_capacity(properties.len());
    for name in names.iter().filter_map(Value::as_str) {
        if let Some(property) = properties.shift_remove(name) {
            ordered.insert(name.to_owned(), property);
        }
    }
    ordered.append(properties);
    *properties = ordered;
}

fn each_value(value: Value, change: impl Fn(Value) -> Value) -> Value {
    match value {
        Value::Object(map) => {
            Value::Object(map.into_iter().map(|(key, inner)| (key, change(inner))).collect())
        }
        other => other,
    }
}

fn each_item(value: Value, change: impl Fn(Value) -> Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.into_iter().map(change).collect()),
        other => other,
    }
}
