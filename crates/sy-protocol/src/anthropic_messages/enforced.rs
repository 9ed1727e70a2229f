//! Schemas that Claude is to enforce, brought into the part of JSON Schema that it can.
//!
//! Used for strict tools and for structured output. Claude answers 400 for bounds of numbers, texts
//! and lists, for most formats, for patterns with looking around, for `oneOf` and for open objects
//! (docs.claude.com structured outputs, read 2026-11). Bounds go into the description, where the
//! model still reads them. It deliberately gives up on a schema that would change its meaning: what
//! refers to itself, a map with keys of any name, a tuple.

use std::collections::HashSet;

use serde_json::{Map, Value};

/// How deep a schema is followed.
const MOST_LEVELS: usize = 32;
/// Formats that are enforced.
const FORMATS: [&str; 10] =
    ["date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"];
/// Keywords that stay as they are.
const KEPT: [&str; 8] = [
    "$schema",
    "type",
    "title",
    "description",
    "default",
    "required",
    "additionalProperties",
    "$ref",
];
/// Keywords that say nothing about values.
const NOTES: [&str; 6] = ["$id", "$comment", "$anchor", "deprecated", "readOnly", "writeOnly"];
/// Keywords without which a schema means something else.
const ESSENTIAL: [&str; 3] = ["patternProperties", "prefixItems", "$dynamicRef"];
/// Starts of groups that look around, which no grammar can.
const LOOKS_AROUND: [&str; 6] = ["(?=", "(?!", "(?<", "\\b", "\\B", "(?P"];

/// A schema that can be enforced.
#[derive(Debug)]
pub(super) struct Enforced {
    /// The schema.
    pub(super) schema: Value,
    /// Whether objects were closed.
    pub(super) closed: bool,
    /// Whether keywords went into descriptions.
    pub(super) described: bool,
}

/// Brings a schema into the enforced part; `None` where that would change what it means.
pub(super) fn enforced(schema: &Value) -> Option<Enforced> {
    let (open, followed) = (Vec::new(), HashSet::new());
    let mut fitting = Fitting { root: schema, open, followed, closed: false, described: false };
    let written = fitting.schema(schema, 0)?;
    Some(Enforced { schema: written, closed: fitting.closed, described: fitting.described })
}

struct Fitting<'a> {
    root: &'a Value,
    /// The references within which the schema in hand stands.
    open: Vec<&'a str>,
    /// The references that were followed to their end, so that none is followed twice.
    followed: HashSet<&'a str>,
    closed: bool,
    described: bool,
}

impl<'a> Fitting<'a> {
    fn schema(&mut self, schema: &'a Value, level: usize) -> Option<Value> {
        let Some(map) = schema.as_object() else { return Some(schema.clone()) };
        if level > MOST_LEVELS || ESSENTIAL.iter().any(|key| map.contains_key(*key)) {
            return None;
        }
        if let Some(name) = map.get("$ref").and_then(Value::as_str) {
            self.follow(name, level)?;
        }

        let mut out = Map::new();
        let mut told = Vec::new();
        for (key, value) in map {
            match key.as_str() {
                key if NOTES.contains(&key) => {}
                key if KEPT.contains(&key) || stays(key, value) => {
                    out.insert(key.to_owned(), value.clone());
                }
                "properties" | "$defs" | "definitions" => {
                    out.insert(key.clone(), self.named(value, level)?);
                }
                "items" if value.is_object() => {
                    out.insert(key.clone(), self.schema(value, level + 1)?);
                }
                "items" if value.is_array() => return None,
                "anyOf" | "allOf" => {
                    out.insert(key.clone(), self.list(value, level)?);
                }
                // It is known as `anyOf` only; that no two hold is then up to the model.
                "oneOf" if !map.contains_key("anyOf") => {
                    self.described = true;
                    out.insert("anyOf".to_owned(), self.list(value, level)?);
                }
                _ => told.push(format!("{key}: {}", crate::json::text(value))),
            }
        }

        self.close(&mut out)?;
        self.describe(&told, &mut out);
        Some(Value::Object(out))
    }

    /// Follows a reference to see whether it leads back to itself or outside.
    fn follow(&mut self, name: &'a str, level: usize) -> Option<()> {
        let named = self.root.pointer(name.strip_prefix('#')?)?;
        if self.open.contains(&name) {
            return None;
        }
        if !self.followed.insert(name) {
            return Some(());
        }
        self.open.push(name);
        let end = self.schema(named, level + 1);
        self.open.pop();
        end.map(|_| ())
    }

    fn named(&mut self, value: &'a Value, level: usize) -> Option<Value> {
        let Some(map) = value.as_object() else { return Some(value.clone()) };
        let mut out = Map::with_capacity(map.len());
        for (name, inner) in map {
            out.insert(name.clone(), self.schema(inner, level + 1)?);
        }
        Some(Value::Object(out))
    }

    fn list(&mut self, value: &'a Value, level: usize) -> Option<Value> {
        let Some(items) = value.as_array() else { return Some(value.clone()) };
        items
            .iter()
            .map(|item| self.schema(item, level + 1))
            .collect::<Option<Vec<_>>>()
            .map(Value::Array)
    }

    /// Closes an object; `None` for a map whose values have a schema but whose keys have any name.
    fn close(&mut self, out: &mut Map<String, Value>) -> Option<()> {
        let is_object = match out.get("type") {
            Some(Value::Array(words)) => words.iter().any(|word| word == "object"),
            Some(word) => word == "object",
            None => out.contains_key("properties"),
        };
        match out.get("additionalProperties") {
            Some(Value::Bool(false)) => {}
            Some(Value::Object(map)) if !map.is_empty() => return None,
            None if !is_object => {}
            _ => {
                out.insert("additionalProperties".to_owned(), false.into());
                self.closed = true;
            }
        }
        Some(())
    }

    /// Writes the description, with what cannot be enforced behind it.
    fn describe(&mut self, told: &[String], out: &mut Map<String, Value>) {
        let given = out.get("description").and_then(Value::as_str).unwrap_or_default();
        // A reference stands alone.
        if out.contains_key("$ref") {
            self.described |= !told.is_empty();
            out.retain(|key, _| matches!(key.as_str(), "$ref" | "$defs" | "definitions"));
            return;
        }
        if told.is_empty() {
            return;
        }
        let told = told.join("; ");
        let text = if given.is_empty() { told } else { format!("{given} ({told})") };
        self.described = true;
        out.insert("description".to_owned(), text.into());
    }
}

/// Returns true for a keyword that is enforced with some values only, and has one of them.
fn stays(key: &str, value: &Value) -> bool {
    let is_plain = |value: &Value| !value.is_object() && !value.is_array();
    match key {
        "format" => value.as_str().is_some_and(|word| FORMATS.contains(&word)),
        "minItems" => value.as_u64().is_some_and(|count| count <= 1),
        "const" => is_plain(value),
        "enum" => value.as_array().is_some_and(|values| values.iter().all(is_plain)),
        "pattern" => value.as_str().is_some_and(is_simple),
        _ => false,
    }
}

/// Returns true for a pattern without looking around and without naming an earlier group.
fn is_simple(pattern: &str) -> bool {
    let refers_back = pattern
        .as_bytes()
        .windows(2)
        .any(|pair| matches!(pair, [b'\\', digit] if digit.is_ascii_digit()));
    !refers_back && !LOOKS_AROUND.iter().any(|part| pattern.contains(part))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::enforced;

    #[track_caller]
    fn becomes(schema: &Value, expected: &Value) {
        assert_eq!(&enforced(schema).expect("it can be enforced").schema, expected, "{schema}");
    }

    #[test]
    fn bounds_go_into_descriptions() {
        becomes(
            &json!({"type": "object", "properties": {
                "n": {"type": "integer", "minimum": 1, "maximum": 5, "description": "How many."},
                "s": {"type": "string", "minLength": 2, "format": "email"},
                "l": {"type": "array", "items": {"type": "string", "maxLength": 9}, "minItems": 1, "maxItems": 3},
                "p": {"type": "string", "pattern": "^(?!x)"},
            }, "required": ["n"]}),
            &json!({"type": "object", "properties": {
                "n": {"type": "integer", "description": "How many. (minimum: 1; maximum: 5)"},
                "s": {"type": "string", "format": "email", "description": "minLength: 2"},
                "l": {"type": "array", "items": {"type": "string", "description": "maxLength: 9"}, "minItems": 1, "description": "maxItems: 3"},
                "p": {"type": "string", "description": "pattern: \"^(?!x)\""},
            }, "required": ["n"], "additionalProperties": false}),
        );
    }

    #[test]
    fn properties_named_like_keywords_stay() {
        let schema = json!({"type": "object", "properties": {"minimum": {"type": "number"}, "format": {"type": "string"}}, "additionalProperties": false});
        becomes(&schema, &schema);
    }

    #[test]
    fn one_of_becomes_any_of() {
        becomes(
            &json!({"oneOf": [{"type": "string"}, {"type": "number", "multipleOf": 2}]}),
            &json!({"anyOf": [{"type": "string"}, {"type": "number", "description": "multipleOf: 2"}]}),
        );
    }

    #[test]
    fn what_would_mean_something_else_is_not_enforced() {
        for schema in [
            json!({"$defs": {"N": {"type": "object", "properties": {"next": {"$ref": "#/$defs/N"}}}}, "$ref": "#/$defs/N"}),
            json!({"type": "object", "additionalProperties": {"type": "string"}}),
            json!({"type": "array", "prefixItems": [{"type": "string"}]}),
            json!({"$ref": "https://example.com/schema"}),
        ] {
            assert!(enforced(&schema).is_none(), "{schema}");
        }
    }
}
