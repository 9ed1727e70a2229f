//! JSON Schema to the subset.
//!
//! Used for requests to Gemini. What the subset cannot say is left out or said in another way;
//! `beyond` tells beforehand which schemas would lose something that Gemini's other fields, which
//! hold JSON Schema, can carry.

use serde_json::{Map, Value, json};

use super::MOST_LEVELS;

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

/// Turns JSON Schema into the subset.
pub(crate) fn narrow(schema: &Value) -> Value {
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

    /// `anyOf` and `oneOf`; a choice of null becomes `nullable`, and a single choice that is left
    /// stands for itself.
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
