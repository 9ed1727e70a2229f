//! The JSON Schema of the configuration, made of the types.
//!
//! Served at `/schema/config.json`, committed as `docs/reference/config.schema.json`, and the rules by which layers are
//! checked. It adds to the derived schema only what types cannot say: `$schema`, `version`, second spellings and `null`.

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use crate::schema_words::branches;
use crate::section::Config;
use crate::spelling::FUNCTION_CALLING;

/// Where the server offers the schema.
pub const SCHEMA_PATH: &str = "/schema/config.json";

/// Returns the JSON Schema (draft 2020-12) of a configuration file.
pub fn schema() -> Value {
    let derived = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<Config>();
    let mut root = derived.to_value();
    tidy(&mut root);
    add_second_spellings(&mut root);
    allow_null(&mut root);
    let Value::Object(derived) = root else { return root };
    let mut schema = Map::new();
    schema.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
    schema.insert("$id".to_owned(), json!(SCHEMA_PATH));
    schema.insert("title".to_owned(), json!("Switchyard configuration"));
    for (name, value) in derived {
        schema.entry(name).or_insert(value);
    }
    let mut properties = Map::new();
    properties.insert("$schema".to_owned(), schema_property());
    properties.insert("version".to_owned(), version_property());
    if let Some(Value::Object(derived)) = schema.remove("properties") {
        properties.extend(derived);
    }
    schema.insert("properties".to_owned(), Value::Object(properties));
    Value::Object(schema)
}

/// Returns the text of the committed schema file.
pub fn schema_text() -> String {
    format!("{:#}\n", schema())
}

/// Returns the defaults of this program as the lowest layer.
pub(crate) fn built_in(schema: &Value) -> Value {
    let properties = schema.get("properties").and_then(Value::as_object);
    let default = |(name, schema): (&String, &Value)| {
        Some((name.clone(), without_nulls(schema.get("default")?)))
    };
    Value::Object(properties.into_iter().flatten().filter_map(default).collect())
}

fn schema_property() -> Value {
    json!({
        "type": "string",
        "description": "The address of this schema, for editors. Any text is accepted, OpenCode's address as well. It has no other effect.",
    })
}

fn version_property() -> Value {
    json!({
        "type": "string",
        "description": "The version of the file, for its readers. Any text is accepted. It has no other effect: there is one format.",
    })
}

/// Removes what the derive adds without telling anything, and joins the lines of descriptions.
fn tidy(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            if map.get("default").is_some_and(Value::is_null) {
                map.remove("default");
            }
            if let Some(default) = map.get_mut("default") {
                *default = without_nulls(default);
            }
            if let Some(Value::String(text)) = map.get_mut("description") {
                *text = text.replace('\n', " ");
            }
            map.values_mut().for_each(tidy);
            if let Some(Value::Array(branches)) = map.get_mut("anyOf") {
                *branches = std::mem::take(branches).into_iter().flat_map(flatten).collect();
            }
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Takes alternatives within an alternative out of it: an optional value of alternatives is derived so.
fn flatten(mut branch: Value) -> Vec<Value> {
    match branch.get_mut("anyOf") {
        Some(Value::Array(inner)) => std::mem::take(inner),
        _ => vec![branch],
    }
}

fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let kept = map.iter().filter(|(_, value)| !value.is_null());
            Value::Object(kept.map(|(name, value)| (name.clone(), without_nulls(value))).collect())
        }
        other => other.clone(),
    }
}

/// Lets editors accept the second spellings that the loader accepts.
fn add_second_spellings(root: &mut Value) {
    let (second, first) = FUNCTION_CALLING;
    add_property(
        root,
        "/$defs/Supports/properties",
        second,
        &json!({
            "type": "boolean",
            "deprecated": true,
            "description": format!("Another spelling of `{first}`."),
        }),
    );
    add_property(
        root,
        "/$defs/DefaultModels/properties",
        "model",
        &json!({
            "$ref": "#/$defs/DefaultModels",
            "deprecated": true,
            "description": "`primary` and `fallbacks` may stand one level deeper, in `models.defaults.model`.",
        }),
    );
}

fn add_property(root: &mut Value, pointer: &str, name: &str, property: &Value) {
    if let Some(properties) = root.pointer_mut(pointer).and_then(Value::as_object_mut) {
        properties.insert(name.to_owned(), property.clone());
    }
}

/// Lets every key be `null`, which removes what lower layers say.
fn allow_null(schema: &mut Value) {
    let Value::Object(map) = schema else { return };
    for (name, part) in map.iter_mut() {
        match (name.as_str(), part) {
            ("properties", Value::Object(properties)) => {
                properties.values_mut().for_each(allow_null_here)
            }
            ("additionalProperties", part @ Value::Object(_)) => allow_null_here(part),
            ("$defs", Value::Object(definitions)) => definitions.values_mut().for_each(allow_null),
            _ => {}
        }
    }
}

fn allow_null_here(schema: &mut Value) {
    allow_null(schema);
    let Value::Object(map) = schema else { return };
    if let Some(Value::Array(branches)) = map.get_mut("anyOf") {
        branches.iter_mut().for_each(allow_null);
        if !branches.iter().any(|branch| branch.get("type").is_some_and(|kind| kind == "null")) {
            branches.push(json!({ "type": "null" }));
        }
        return;
    }
    if let Some(reference) = map.remove("$ref") {
        map.insert("anyOf".to_owned(), json!([{ "$ref": reference }, { "type": "null" }]));
        return;
    }
    let Some(kind @ Value::String(_)) = map.get("type").cloned() else { return };
    map.insert("type".to_owned(), json!([kind, "null"]));
    if let Some(Value::Array(words)) = map.get_mut("enum") {
        words.push(Value::Null);
    }
}

/// Returns the property schemas of an object schema, references followed.
pub(crate) fn properties<'s>(root: &'s Value, schema: &'s Value) -> Option<&'s Map<String, Value>> {
    branches(root, schema).into_iter().find_map(|branch| branch.get("properties")?.as_object())
}
