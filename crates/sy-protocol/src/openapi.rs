//! The subset of OpenAPI 3.0 that Gemini's `parameters` and `responseSchema` take, to and from JSON Schema.
//!
//! The subset is that of ai.google.dev/api/caching#Schema (read 2026-11); what OpenCode rewrites for Gemini is part of it. It
//! deliberately loses what the subset cannot say (bounds that are exclusive, negations, conditions).

use serde_json::{Map, Value, json};

/// How deep schemas are followed: references may go round in circles.
const MOST_LEVELS: usize = 32;
/// How many schemas one schema may grow to when references are replaced by what they name.
const MOST_SCHEMAS: usize = 5_000;

/// Keywords that both know and that hold no schema.
const PLAIN: [&str; 14] = [
    "title",
    "description",
    "nullable",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
    "minLength",
    "maxLength",
    "pattern",
    "minimum",
    "maximum",
    "default",
    "propertyOrdering",
];

/// Turns the subset into JSON Schema: lower-case types, `null` as a type, no word that only the subset has. What is JSON Schema
/// already stays as it is.
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

/// Turns JSON Schema into the subset.
pub(crate) fn to_openapi(schema: &Value) -> Value {
    let mut narrowing = Narrowing { root: schema, left: MOST_SCHEMAS };
    narrowing.schema(schema, 0)
}

struct Narrowing<'a> {
    root: &'a Value,
    left: usize,
}

impl<'a> Narrowing<'a> {
    fn schema(&mut self, schema: &'a Value, level: usize) -> Value {
        let Some(map) = schema.as_object() else { return json!({ "type": "string" }) };
        if level > MOST_LEVELS || self.left == 0 {
            // A schema that refers to itself ends in "any object" here.
            return json!({ "type": "object" });
        }
        self.left -= 1;
        if let Some(target) = map.get("$ref").and_then(Value::as_str) {
            let named = target.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer));
            let mut inlined = named
                .map_or_else(|| json!({ "type": "object" }), |named| self.schema(named, level + 1));
            if let (Some(inlined), Some(text)) = (inlined.as_object_mut(), map.get("description")) {
                inlined.insert("description".to_owned(), text.clone());
            }
            return inlined;
        }
        let mut out = Map::new();
        for key in PLAIN {
            out.extend(map.get(key).map(|value| (key.to_owned(), value.clone())));
        }
        if out.get("default").is_some_and(Value::is_null) {
            out.shift_remove("default");
        }
        self.choices(map, level, &mut out);
        self.merge_all(map, level, &mut out);
        self.kind(map, level, &mut out);
        self.values(map, &mut out);
        self.object(map, level, &mut out);
        self.array(map, level, &mut out);
        format(map, &mut out);
        Value::Object(out)
    }

    /// `anyOf` and `oneOf`; a choice of null becomes `nullable`, and a single choice that is left stands for itself.
    fn choices(&mut self, map: &'a Map<String, Value>, level: usize, out: &mut Map<String, Value>) {
        let Some(choices) = map.get("anyOf").or_else(|| map.get("oneOf")).and_then(Value::as_array)
        else {
            return;
        };
        let (nulls, others): (Vec<_>, Vec<_>) = choices
            .iter()
            .partition(|choice| choice.get("type").is_some_and(|word| word == "null"));
        if !nulls.is_empty() {
            out.insert("nullable".to_owned(), Value::Bool(true));
        }
        let mut narrowed: Vec<Value> =
            others.into_iter().map(|choice| self.schema(choice, level + 1)).collect();
        match narrowed.len() {
            0 => {}
            1 => {
                if let Some(Value::Object(only)) = narrowed.pop() {
                    for (key, value) in only {
                        out.entry(key).or_insert(value);
                    }
                }
            }
            _ => {
                out.insert("anyOf".to_owned(), Value::Array(narrowed));
            }
        }
    }

    /// `allOf` is laid over itself, as far as properties and requirements go.
    fn merge_all(
        &mut self,
        map: &'a Map<String, Value>,
        level: usize,
        out: &mut Map<String, Value>,
    ) {
        for part in map.get("allOf").and_then(Value::as_array).into_iter().flatten() {
            let Value::Object(part) = self.schema(part, level + 1) else { continue };
            for (key, value) in part {
                match (out.get_mut(&key), value) {
                    (Some(Value::Object(known)), Value::Object(more)) => known.extend(more),
                    (Some(Value::Array(known)), Value::Array(more)) if key == "required" => {
                        known.extend(more)
                    }
                    (Some(_), _) => {}
                    (None, value) => {
                        out.insert(key, value);
                    }
                }
            }
        }
    }

    /// One type stays; several become `anyOf`, and null among them `nullable`.
    fn kind(&mut self, map: &'a Map<String, Value>, level: usize, out: &mut Map<String, Value>) {
        let types: Vec<&str> = match map.get("type") {
            Some(Value::String(word)) => vec![word],
            Some(Value::Array(words)) => words.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        if types.contains(&"null") {
            out.insert("nullable".to_owned(), Value::Bool(true));
        }
        let types: Vec<&str> = types.into_iter().filter(|word| *word != "null").collect();
        match types.as_slice() {
            [] if out.contains_key("anyOf") || out.contains_key("type") => {}
            [] => out.extend(guess(map).map(|word| ("type".to_owned(), Value::from(word)))),
            [one] => {
                out.insert("type".to_owned(), Value::from(*one));
            }
            several => {
                let choices = several.iter().map(|word| self.choice(map, word, level)).collect();
                out.entry("anyOf").or_insert(Value::Array(choices));
            }
        }
    }

    /// One of several types, with what belongs to it.
    fn choice(&mut self, map: &'a Map<String, Value>, word: &str, level: usize) -> Value {
        let mut out = Map::new();
        out.insert("type".to_owned(), Value::from(word));
        self.array(map, level, &mut out);
        Value::Object(out)
    }

    /// `enum` and `const`: the subset knows texts only.
    fn values(&mut self, map: &Map<String, Value>, out: &mut Map<String, Value>) {
        let single = map.get("const").map(|value| vec![value.clone()]);
        let Some(values) = map.get("enum").and_then(Value::as_array).cloned().or(single) else {
            return;
        };
        if values.iter().any(Value::is_null) {
            out.insert("nullable".to_owned(), Value::Bool(true));
        }
        let texts = values.iter().filter(|value| !value.is_null()).map(|value| match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        });
        let texts: Vec<String> = texts.collect();
        if !texts.is_empty() && !out.contains_key("anyOf") {
            out.insert("type".to_owned(), Value::from("string"));
            out.insert("enum".to_owned(), json!(texts));
        }
    }

    fn object(&mut self, map: &'a Map<String, Value>, level: usize, out: &mut Map<String, Value>) {
        let is_object = out.get("type").is_some_and(|word| word == "object");
        if !is_object {
            if !out.contains_key("anyOf") {
                out.shift_remove("properties");
                out.shift_remove("required");
            }
            return;
        }
        if let Some(properties) = map.get("properties").and_then(Value::as_object) {
            let narrowed = properties
                .iter()
                .map(|(name, inner)| (name.clone(), self.schema(inner, level + 1)));
            let narrowed: Map<String, Value> = narrowed.collect();
            match out.get_mut("properties") {
                Some(Value::Object(known)) => known.extend(narrowed),
                _ => {
                    out.insert("properties".to_owned(), Value::Object(narrowed));
                }
            }
        }
        let merged = out.shift_remove("required");
        let asked =
            map.get("required").into_iter().chain(&merged).filter_map(Value::as_array).flatten();
        let known = out.get("properties").and_then(Value::as_object);
        let is_known = |name: &str| known.is_some_and(|known| known.contains_key(name));
        let mut required: Vec<&str> =
            asked.filter_map(Value::as_str).filter(|name| is_known(name)).collect();
        required.dedup();
        if !required.is_empty() {
            let required = json!(required);
            out.insert("required".to_owned(), required);
        }
    }

    /// An array must say what it holds.
    fn array(&mut self, map: &'a Map<String, Value>, level: usize, out: &mut Map<String, Value>) {
        if out.get("type").is_none_or(|word| word != "array") || out.contains_key("items") {
            return;
        }
        let tuple = map.get("prefixItems").or_else(|| map.get("items")).and_then(Value::as_array);
        let items = match (tuple.and_then(|tuple| tuple.first()), map.get("items")) {
            (Some(first), _) => self.schema(first, level + 1),
            (None, Some(items @ Value::Object(_))) => self.schema(items, level + 1),
            (None, _) => json!({}),
        };
        let says_something = ["type", "anyOf", "enum", "properties", "items"]
            .iter()
            .any(|key| items.get(key).is_some());
        let mut items = items;
        if let Some(items) = items.as_object_mut().filter(|_| !says_something) {
            items.insert("type".to_owned(), Value::from("string"));
        }
        out.insert("items".to_owned(), items);
    }
}

/// Returns the type that the other keywords speak of.
fn guess(map: &Map<String, Value>) -> Option<&'static str> {
    let has = |keys: &[&str]| keys.iter().any(|key| map.contains_key(*key));
    if has(&["properties", "required", "additionalProperties"]) {
        return Some("object");
    }
    if has(&["items", "prefixItems"]) {
        return Some("array");
    }
    has(&["enum", "const", "pattern", "minLength", "maxLength", "format"]).then_some("string")
}

/// Formats that the API accepts for each type; others make it refuse the schema.
fn format(map: &Map<String, Value>, out: &mut Map<String, Value>) {
    let Some(format) = map.get("format").and_then(Value::as_str) else { return };
    let is_known = match out.get("type").and_then(Value::as_str) {
        Some("string") => format == "date-time" || format == "enum",
        Some("number") => format == "float" || format == "double",
        Some("integer") => format == "int32" || format == "int64",
        _ => false,
    };
    if is_known {
        out.insert("format".to_owned(), Value::from(format));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{from_openapi, to_openapi};

    #[track_caller]
    fn narrowed(schema: &Value, expected: &Value) {
        assert_eq!(&to_openapi(schema), expected, "{schema}");
    }

    #[track_caller]
    fn widened(schema: &Value, expected: &Value) {
        let written = from_openapi(schema.clone());
        assert_eq!(written.to_string(), expected.to_string());
    }

    #[test]
    fn the_subset_becomes_json_schema() {
        widened(
            &json!({"type": "OBJECT", "properties": {"type": {"type": "STRING", "nullable": true}}, "required": ["type"]}),
            &json!({"type": "object", "properties": {"type": {"type": ["string", "null"]}}, "required": ["type"]}),
        );
        widened(
            &json!({"any_of": [{"type": "STRING"}, {"type": "INTEGER", "format": "int32"}], "nullable": true}),
            &json!({"anyOf": [{"type": "string"}, {"type": "integer", "format": "int32"}, {"type": "null"}]}),
        );
        widened(
            &json!({"type": "ARRAY", "items": {"type": "STRING", "format": "enum", "enum": ["A"]}, "min_items": "2"}),
            &json!({"type": "array", "items": {"type": "string", "enum": ["A"]}, "minItems": 2}),
        );
        widened(
            &json!({"type": "OBJECT", "properties": {"b": {"type": "STRING"}, "a": {}}, "propertyOrdering": ["a", "b"]}),
            &json!({"type": "object", "properties": {"a": {}, "b": {"type": "string"}}}),
        );
    }

    #[test]
    fn json_schema_passes_untouched() {
        let schema = json!({"type": "object", "$defs": {"A": {"type": "string"}}, "properties": {"nullable": {"$ref": "#/$defs/A"}, "x": {"type": ["string", "null"], "const": "OBJECT"}}, "additionalProperties": false});
        widened(&schema, &schema);
    }

    #[test]
    fn keywords_beyond_the_subset_are_rewritten_or_left_out() {
        narrowed(
            &json!({"$schema": "x", "type": "object", "properties": {"a": {"type": "integer", "enum": [1, 2]}, "b": {"const": "k"}}, "required": ["a", "gone"], "additionalProperties": false}),
            &json!({"type": "object", "properties": {"a": {"type": "string", "enum": ["1", "2"]}, "b": {"type": "string", "enum": ["k"]}}, "required": ["a"]}),
        );
        narrowed(
            &json!({"type": ["string", "null"], "format": "uri"}),
            &json!({"nullable": true, "type": "string"}),
        );
        narrowed(
            &json!({"type": ["string", "array", "null"]}),
            &json!({"nullable": true, "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
        );
        narrowed(
            &json!({"anyOf": [{"type": "integer"}, {"type": "null"}], "default": null}),
            &json!({"nullable": true, "type": "integer"}),
        );
        narrowed(&json!({"type": "array"}), &json!({"type": "array", "items": {"type": "string"}}));
        narrowed(
            &json!({"type": "array", "prefixItems": [{"type": "number"}, {"type": "string"}]}),
            &json!({"type": "array", "items": {"type": "number"}}),
        );
        narrowed(
            &json!({"type": "string", "properties": {"a": {}}, "required": ["a"]}),
            &json!({"type": "string"}),
        );
    }

    #[test]
    fn references_are_replaced_by_what_they_name() {
        narrowed(
            &json!({"type": "object", "$defs": {"Day": {"type": "string", "enum": ["mon"]}}, "properties": {"day": {"$ref": "#/$defs/Day", "description": "when"}}}),
            &json!({"type": "object", "properties": {"day": {"type": "string", "enum": ["mon"], "description": "when"}}}),
        );
    }

    #[test]
    fn a_schema_that_refers_to_itself_ends() {
        let schema = json!({"$defs": {"N": {"type": "object", "properties": {"a": {"$ref": "#/$defs/N"}, "b": {"$ref": "#/$defs/N"}}}}, "$ref": "#/$defs/N"});
        let text = to_openapi(&schema).to_string();
        assert!(!text.contains("$ref") && text.len() < 1_000_000, "{}", text.len());
    }

    #[test]
    fn what_all_of_says_is_laid_together() {
        narrowed(
            &json!({"allOf": [{"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}, {"type": "object", "properties": {"b": {"type": "string"}}, "required": ["b"]}]}),
            &json!({"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}}, "required": ["a", "b"]}),
        );
    }
}
