//! Reads the part of JSON Schema that our types give: what a schema accepts, and how to say so in words.
//!
//! Asked by the checker and by the reference page. It is no general validator.

use serde_json::Value;

use crate::node::{Kind, Node};

/// Follows a `$ref` into the schema's definitions.
pub(crate) fn follow<'s>(root: &'s Value, schema: &'s Value) -> &'s Value {
    let target = schema
        .get("$ref")
        .and_then(Value::as_str)
        .and_then(|reference| root.pointer(reference.strip_prefix('#')?));
    target.unwrap_or(schema)
}

/// Returns the alternatives of a schema, references followed and `null` left out; a schema without any is its own.
pub(crate) fn branches<'s>(root: &'s Value, schema: &'s Value) -> Vec<&'s Value> {
    let schema = follow(root, schema);
    let listed = schema.get("anyOf").or_else(|| schema.get("oneOf")).and_then(Value::as_array);
    match listed {
        Some(listed) => listed.iter().flat_map(|branch| branches(root, branch)).collect(),
        None if schema.get("type").and_then(Value::as_str) == Some("null") => Vec::new(),
        None => vec![schema],
    }
}

/// Returns true when a value is of a kind that the schema knows, whatever its content.
pub(crate) fn accepts_kind(schema: &Value, node: &Node) -> bool {
    if let Some(constant) = schema.get("const") {
        return matches!(
            (constant, &node.kind),
            (Value::Bool(_), Kind::Bool(_)) | (Value::String(_), Kind::Text(_))
        );
    }
    let mut kinds = kinds(schema).peekable();
    if kinds.peek().is_none() {
        return true;
    }
    kinds.any(|kind| match &node.kind {
        Kind::Null => kind == "null",
        Kind::Bool(_) => kind == "boolean",
        Kind::Number(number) => kind == "number" || (kind == "integer" && !number.is_f64()),
        Kind::Text(_) => kind == "string",
        Kind::Array(_) => kind == "array",
        Kind::Object(_) => kind == "object",
    })
}

/// Returns true when a value of a fitting kind fits in content too. A text whose references are not resolved fits.
pub(crate) fn accepts_scalar(schema: &Value, node: &Node) -> bool {
    match &node.kind {
        Kind::Bool(value) => {
            schema.get("const").is_none_or(|constant| constant.as_bool() == Some(*value))
        }
        Kind::Number(number) => {
            let value = number.as_f64().unwrap_or(f64::NAN);
            let above = bound(schema, "minimum").is_none_or(|least| value >= least);
            above && bound(schema, "maximum").is_none_or(|most| value <= most)
        }
        Kind::Text(text) => {
            let words = schema.get("enum").and_then(Value::as_array);
            let content = match &text.resolved {
                Some(resolved) => resolved.expose(),
                None if text.has_reference() => return true,
                None => &text.written,
            };
            let least = schema.get("minLength").and_then(Value::as_u64).unwrap_or(0);
            let is_long_enough = content.chars().count() as u64 >= least;
            is_long_enough
                && words.is_none_or(|words| words.iter().any(|word| word.as_str() == Some(content)))
        }
        Kind::Null | Kind::Array(_) | Kind::Object(_) => true,
    }
}

/// Says in words what a schema accepts.
pub(crate) fn describe(root: &Value, schema: &Value) -> String {
    let parts: Vec<String> =
        branches(root, schema).into_iter().map(|branch| describe_one(root, branch)).collect();
    parts.join(", or ")
}

/// Returns the schema's types except `null`.
pub(crate) fn kinds(schema: &Value) -> impl Iterator<Item = &str> {
    let listed = schema.get("type");
    let many = listed.and_then(Value::as_array).into_iter().flatten();
    listed
        .filter(|listed| listed.is_string())
        .into_iter()
        .chain(many)
        .filter_map(Value::as_str)
        .filter(|kind| *kind != "null")
}

fn describe_one(root: &Value, schema: &Value) -> String {
    if let Some(constant) = schema.get("const") {
        return constant.to_string();
    }
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        return format!(
            "one of {}",
            words.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
        );
    }
    match kinds(schema).next() {
        Some("string") if schema.get("minLength").is_some() => "a non-empty string".to_owned(),
        Some("string") => "a string".to_owned(),
        Some("boolean") => "true or false".to_owned(),
        Some("integer") => format!("a whole number{}", range(schema)),
        Some("number") => format!("a number{}", range(schema)),
        Some("array") => {
            let items = schema.get("items").map(|items| describe(root, items)).unwrap_or_default();
            let what = items
                .strip_prefix("a ")
                .map_or_else(|| format!("values, each {items}"), |one| format!("{one}s"));
            let size = if schema.get("minItems").is_some() { "non-empty " } else { "" };
            format!("a {size}list of {what}")
        }
        Some("object") => "an object".to_owned(),
        _ => "any value".to_owned(),
    }
}

/// Says in words between which bounds a number must be; the empty text when there is none worth telling.
pub(crate) fn range(schema: &Value) -> String {
    match (schema.get("minimum"), schema.get("maximum")) {
        (Some(least), Some(most)) => format!(" from {least} to {most}"),
        (Some(least), None) => format!(" of at least {least}"),
        (None, Some(most)) => format!(" of at most {most}"),
        (None, None) => String::new(),
    }
}

fn bound(schema: &Value, name: &str) -> Option<f64> {
    schema.get(name).and_then(Value::as_f64)
}
