//! Schemas that say more than the subset can, and the form in which Gemini takes them as JSON
//! Schema.
//!
//! Gemini's `parametersJsonSchema` and `responseJsonSchema` know references, tuples, open maps and
//! numbers in `enum` (ai.google.dev/api/generate-content#GenerationConfig, read 2026-11). They are
//! used only where the subset would lose something: older models and servers know the subset alone.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::MOST_LEVELS;

/// Returns true when the subset would lose something of the schema that Gemini takes as JSON
/// Schema.
pub(crate) fn exceeds(schema: &Value) -> bool {
    let mut references = References { root: schema, open: Vec::new(), followed: HashSet::new() };
    says_too_much(schema, &mut references, 0)
}

struct References<'a> {
    root: &'a Value,
    /// Those within which the schema in hand stands.
    open: Vec<&'a str>,
    /// Those that were followed to their end, so that none is followed twice.
    followed: HashSet<&'a str>,
}

fn says_too_much<'a>(schema: &'a Value, references: &mut References<'a>, level: usize) -> bool {
    let Some(map) = schema.as_object() else { return false };
    if level > MOST_LEVELS {
        return true;
    }

    // A reference is replaced by what it names, which has no end where it names itself.
    if let Some(name) = map.get("$ref").and_then(Value::as_str) {
        if references.open.contains(&name) {
            return true;
        }
        let named = name.strip_prefix('#').and_then(|pointer| references.root.pointer(pointer));
        let Some(named) = named.filter(|_| references.followed.insert(name)) else {
            return false;
        };
        references.open.push(name);
        let too_much = says_too_much(named, references, level + 1);
        references.open.pop();
        return too_much;
    }

    let is_text = |value: &Value| value.is_string() || value.is_null();
    let values = map.get("enum").and_then(Value::as_array).into_iter().flatten();
    let is_open = map
        .get("additionalProperties")
        .is_some_and(|open| open.as_object().is_some_and(|open| !open.is_empty()));
    let is_tuple = map.get("prefixItems").or_else(|| map.get("items")).is_some_and(|items| {
        items.as_array().is_some_and(|items| {
            items.windows(2).any(|pair| match pair {
                [first, second] => first != second,
                _ => false,
            })
        })
    });
    if is_open || is_tuple || !values.chain(map.get("const")).all(is_text) {
        return true;
    }

    inner(map).any(|inner| says_too_much(inner, references, level + 1))
}

/// Returns the schemas directly inside a schema.
fn inner(map: &Map<String, Value>) -> impl Iterator<Item = &Value> {
    let one = ["items", "additionalProperties"].into_iter().filter_map(|key| map.get(key));
    let lists = ["anyOf", "oneOf", "allOf", "prefixItems"].into_iter();
    let lists = lists.filter_map(|key| map.get(key)?.as_array()).flatten();
    let named = map.get("properties").and_then(Value::as_object).into_iter();
    one.chain(lists).chain(named.flat_map(Map::values))
}

/// Returns a schema as Gemini takes JSON Schema: a reference stands alone, and one fixed value is a
/// list of one.
pub(crate) fn as_json_schema(schema: &Value) -> Value {
    written(schema, 0)
}

fn written(schema: &Value, level: usize) -> Value {
    let Some(map) = schema.as_object().filter(|_| level <= MOST_LEVELS) else {
        return schema.clone();
    };
    if map.contains_key("$ref") {
        let alone = map.iter().filter(|(key, _)| key.starts_with('$'));
        let alone = alone.map(|(key, value)| (key.clone(), definitions(key, value, level)));
        return Value::Object(alone.collect());
    }

    let mut out = Map::with_capacity(map.len());
    for (key, value) in map {
        match (key.as_str(), value) {
            ("const", _) => {
                out.insert("enum".to_owned(), json!([value]));
            }
            ("items" | "additionalProperties" | "not", Value::Object(_)) => {
                out.insert(key.clone(), written(value, level + 1));
            }
            ("items", Value::Array(tuple)) => {
                let tuple = tuple.iter().map(|item| written(item, level + 1)).collect();
                out.insert("prefixItems".to_owned(), Value::Array(tuple));
            }
            ("anyOf" | "oneOf" | "allOf" | "prefixItems", Value::Array(list)) => {
                let list = list.iter().map(|item| written(item, level + 1)).collect();
                out.insert(key.clone(), Value::Array(list));
            }
            _ => {
                out.insert(key.clone(), definitions(key, value, level));
            }
        }
    }
    Value::Object(out)
}

/// Writes a value that is a map of schemas by name; any other stays.
fn definitions(key: &str, value: &Value, level: usize) -> Value {
    match (key, value) {
        ("properties" | "$defs" | "definitions", Value::Object(named)) => {
            let named = named.iter();
            Value::Object(
                named.map(|(key, value)| (key.clone(), written(value, level + 1))).collect(),
            )
        }
        _ => value.clone(),
    }
}
