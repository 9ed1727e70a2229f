//! Tool schemas whose root is a choice, made into one object.
//!
//! Used before a request is written for a target. Claude refuses `anyOf`, `oneOf` and `allOf` at
//! the root of a tool's schema, OpenAI also `enum` and `not`, and Gemini's `parameters` is one
//! object. Servers of tools have such schemas: a union in their source becomes one. The properties
//! of all alternatives are offered, what every alternative demands is demanded, and the
//! alternatives are told to the model in words. It deliberately leaves everything below the root as
//! it is.

use serde_json::{Map, Value, json};

/// Keywords that make a root more than one object.
const CHOICES: [&str; 3] = ["anyOf", "oneOf", "allOf"];
/// Keywords beside them that a root must not have.
const REFUSED: [&str; 8] =
    ["enum", "const", "not", "if", "then", "else", "dependentSchemas", "dependentRequired"];
/// How deep alternatives and references are followed.
const MOST_LEVELS: usize = 16;
/// How many schemas are laid together: alternatives may name each other again and again.
const MOST_SCHEMAS: usize = 1_000;

/// One object schema, and what it could not say.
#[derive(Debug)]
pub(super) struct Merged {
    /// The schema.
    pub(super) schema: Value,
    /// The alternatives in words, for the tool's description.
    pub(super) words: Option<String>,
}

/// Returns the schema with an object at its root, or nothing when it has one already.
pub(super) fn merge(schema: &Value) -> Option<Merged> {
    let map = schema.as_object()?;
    let is_plain = match map.get("type") {
        None => true,
        Some(word) => word.is_string(),
    };
    let is_more = |key: &str| key == "$ref" || CHOICES.contains(&key) || REFUSED.contains(&key);
    if is_plain && !map.keys().any(|key| is_more(key)) {
        return None;
    }

    let mut merger = Merger { root: schema, left: MOST_SCHEMAS };
    // Where no alternative is an object, what the root says by itself is all that a tool can be
    // called with.
    let object = merger.object(map, 0).or_else(|| Object::of(map)).unwrap_or_default();
    Some(object.write(map))
}

/// An object schema while it is put together.
#[derive(Debug, Default)]
struct Object {
    properties: Map<String, Value>,
    required: Vec<String>,
    /// `Some(false)` for a closed one.
    open: Option<Value>,
    /// Sentences about alternatives.
    words: Vec<String>,
    /// What it is, in its author's words.
    label: Option<String>,
}

struct Merger<'a> {
    root: &'a Value,
    left: usize,
}

impl<'a> Merger<'a> {
    /// Reads a schema as an object; `None` for one of another type.
    fn object(&mut self, map: &'a Map<String, Value>, level: usize) -> Option<Object> {
        if level > MOST_LEVELS || self.left == 0 {
            return None;
        }
        self.left -= 1;

        let mut object = Object::of(map)?;
        if let Some(named) = self.named(map) {
            object.lay_over(self.object(named, level + 1)?);
        }
        for part in self.list(map, "allOf") {
            object.lay_over(self.object(part, level + 1)?);
        }

        // Each of these keywords narrows further, so both may stand beside each other.
        for (key, how) in [("anyOf", "at least one"), ("oneOf", "exactly one")] {
            let given = self.list(map, key);
            let choices: Vec<Object> =
                given.iter().filter_map(|choice| self.object(choice, level + 1)).collect();
            // A choice among other types than objects is none that a tool can be called with.
            if choices.is_empty() && !given.is_empty() {
                return None;
            }
            object.choose(choices, how);
        }
        Some(object)
    }

    fn named(&self, map: &'a Map<String, Value>) -> Option<&'a Map<String, Value>> {
        let pointer = map.get("$ref")?.as_str()?.strip_prefix('#')?;
        self.root.pointer(pointer)?.as_object()
    }

    fn list(&self, map: &'a Map<String, Value>, key: &str) -> Vec<&'a Map<String, Value>> {
        let list = map.get(key).and_then(Value::as_array);
        list.into_iter().flatten().filter_map(Value::as_object).collect()
    }
}

impl Object {
    /// Reads what a schema says by itself; `None` for one of another type.
    fn of(map: &Map<String, Value>) -> Option<Self> {
        let is_object = match map.get("type") {
            None => true,
            Some(Value::Array(words)) => words.iter().any(|word| word == "object"),
            Some(word) => word == "object",
        };
        if !is_object {
            return None;
        }

        let text = |key: &str| map.get(key).and_then(Value::as_str).map(str::to_owned);
        let required = map.get("required").and_then(Value::as_array).into_iter().flatten();
        Some(Self {
            properties: map
                .get("properties")
                .and_then(Value::as_object)
                .cloned()
                .unwrap_or_default(),
            required: required.filter_map(Value::as_str).map(str::to_owned).collect(),
            open: map.get("additionalProperties").cloned(),
            words: Vec::new(),
            label: text("title").or_else(|| text("description")),
        })
    }

    /// Adds another schema that holds as well.
    fn lay_over(&mut self, other: Self) {
        for (name, schema) in other.properties {
            let both = match self.properties.shift_remove(&name) {
                Some(known) => both(known, schema),
                None => schema,
            };
            self.properties.insert(name, both);
        }
        for name in other.required {
            if !self.required.contains(&name) {
                self.required.push(name);
            }
        }
        // Parts that are closed each would forbid what the others bring; their authors do not mean
        // that.
        self.open = self.open.take().or(other.open);
        self.words.extend(other.words);
        self.label = self.label.take().or(other.label);
    }

    /// Adds the alternatives of a choice.
    fn choose(&mut self, choices: Vec<Self>, how: &str) {
        if choices.len() < 2 {
            return choices.into_iter().for_each(|only| self.lay_over(only));
        }
        if let Some(sentence) = sentence(&choices, how) {
            self.words.push(sentence);
        }

        let demanded = choices.iter().map(|choice| &choice.required);
        let common = demanded.clone().next().cloned().unwrap_or_default();
        for name in common {
            if demanded.clone().all(|names| names.contains(&name)) && !self.required.contains(&name)
            {
                self.required.push(name);
            }
        }

        // The root is closed where all alternatives are; one that is open takes anything.
        let is_closed = choices.iter().all(|choice| choice.open == Some(Value::Bool(false)));
        if self.open.is_none() && is_closed {
            self.open = Some(Value::Bool(false));
        }

        let mut offered: Map<String, Value> = Map::new();
        for choice in choices {
            self.words.extend(choice.words);
            for (name, schema) in choice.properties {
                let either = match offered.shift_remove(&name) {
                    Some(known) => either(known, schema),
                    None => schema,
                };
                offered.insert(name, either);
            }
        }
        let offered = Self { properties: offered, ..Self::default() };
        self.lay_over(offered);
    }

    /// Writes the schema; what else the root says (definitions, a title) stays.
    fn write(self, root: &Map<String, Value>) -> Merged {
        let is_said = |key: &str| {
            CHOICES.contains(&key)
                || REFUSED.contains(&key)
                || ["$ref", "type", "properties", "required", "additionalProperties"].contains(&key)
        };
        let mut schema = Map::new();
        schema.insert("type".to_owned(), "object".into());
        let rest = root.iter().filter(|(key, _)| !is_said(key));
        schema.extend(rest.map(|(key, value)| (key.clone(), value.clone())));
        schema.insert("properties".to_owned(), Value::Object(self.properties));
        if !self.required.is_empty() {
            schema.insert("required".to_owned(), self.required.into());
        }
        if let Some(open) = self.open {
            schema.insert("additionalProperties".to_owned(), open);
        }

        let words = (!self.words.is_empty()).then(|| self.words.join(" "));
        Merged { schema: Value::Object(schema), words }
    }
}

/// Joins two schemas that both hold: their keywords side by side, or `allOf` where they say
/// different things.
fn both(first: Value, second: Value) -> Value {
    if first == second {
        return first;
    }
    match (first, second) {
        (Value::Object(first), Value::Object(second)) => {
            let agree =
                second.iter().all(|(key, value)| first.get(key).is_none_or(|known| known == value));
            if agree {
                let joined = first.into_iter().chain(second);
                return Value::Object(joined.collect());
            }
            json!({ "allOf": [first, second] })
        }
        // `true` allows everything.
        (Value::Bool(true), other) | (other, Value::Bool(true)) => other,
        (first, second) => json!({ "allOf": [first, second] }),
    }
}

/// Joins two schemas of which one holds: fixed values become one list, others `anyOf`.
fn either(first: Value, second: Value) -> Value {
    if first == second {
        return first;
    }
    if let (Some(mut values), Some(more)) = (fixed(&first), fixed(&second)) {
        values.extend(more.into_iter().filter(|value| !values.contains(value)).collect::<Vec<_>>());
        let mut joined = Map::new();
        let word = first.get("type").filter(|word| second.get("type") == Some(word));
        joined.extend(word.map(|word| ("type".to_owned(), word.clone())));
        joined.insert("enum".to_owned(), Value::Array(values));
        let text = first.get("description").or_else(|| second.get("description"));
        joined.extend(text.map(|text| ("description".to_owned(), text.clone())));
        return Value::Object(joined);
    }
    match first {
        // Made here before: a third alternative joins the two.
        Value::Object(mut map)
            if map.len() == 1 && map.get("anyOf").is_some_and(Value::is_array) =>
        {
            if let Some(Value::Array(list)) = map.get_mut("anyOf")
                && !list.contains(&second)
            {
                list.push(second);
            }
            Value::Object(map)
        }
        first => json!({ "anyOf": [first, second] }),
    }
}

/// Returns the values of a schema that only lists values.
fn fixed(schema: &Value) -> Option<Vec<Value>> {
    let map = schema.as_object()?;
    if !map.keys().all(|key| matches!(key.as_str(), "type" | "const" | "enum" | "description")) {
        return None;
    }
    let one = map.get("const").map(|value| vec![value.clone()]);
    one.or_else(|| map.get("enum").and_then(Value::as_array).cloned())
}

/// Tells a model what the alternatives are: what each demands, with the values that tell them
/// apart.
fn sentence(choices: &[Object], how: &str) -> Option<String> {
    let mut told: Vec<String> = Vec::new();
    for choice in choices {
        let fields = choice.required.iter().map(|name| {
            let value = choice.properties.get(name).and_then(|schema| schema.get("const"));
            match value {
                Some(value) => format!("{name} = {}", crate::json::text(value)),
                None => name.clone(),
            }
        });
        let fields = fields.collect::<Vec<_>>().join(", ");
        let optional = choice.properties.keys().filter(|name| !choice.required.contains(name));
        let optional = optional.map(String::as_str).collect::<Vec<_>>().join(", ");
        let fields = match (fields.is_empty(), optional.is_empty()) {
            (false, false) => format!("{fields} (optional: {optional})"),
            (false, true) => fields,
            (true, false) => format!("optional: {optional}"),
            (true, true) => "no fields".to_owned(),
        };
        told.push(match &choice.label {
            Some(label) => format!("{label}: {fields}"),
            None => fields,
        });
    }
    told.dedup();
    if told.len() < 2 {
        return None;
    }
    let list = told.iter().enumerate().map(|(at, text)| format!("({}) {text}", at + 1));
    let list = list.collect::<Vec<_>>().join("; ");
    Some(format!("The arguments must fit {how} of: {list}."))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::merge;

    #[track_caller]
    fn merged(schema: &Value, expected: &Value) -> Option<String> {
        let merged = merge(schema).expect("it is a choice");
        assert_eq!(&merged.schema, expected, "{schema}");
        merged.words
    }

    #[test]
    fn one_object_stays() {
        let inner = json!({"type": "object", "properties": {"a": {"anyOf": [{}, {}]}}});
        assert!(merge(&inner).is_none() && merge(&json!({})).is_none());
    }

    #[test]
    fn alternatives_are_offered_together_and_told() {
        let words = merged(
            &json!({"oneOf": [
                {"type": "object", "title": "File", "properties": {"kind": {"type": "string", "const": "file"}, "path": {"type": "string"}, "n": {"type": "integer"}}, "required": ["kind", "path"], "additionalProperties": false},
                {"type": "object", "properties": {"kind": {"type": "string", "const": "url"}, "url": {"type": "string"}, "n": {"type": "string"}}, "required": ["kind", "url"], "additionalProperties": false},
            ]}),
            &json!({"type": "object", "properties": {
                "kind": {"type": "string", "enum": ["file", "url"]}, "path": {"type": "string"}, "url": {"type": "string"},
                "n": {"anyOf": [{"type": "integer"}, {"type": "string"}]},
            }, "required": ["kind"], "additionalProperties": false}),
        );
        assert_eq!(
            words.as_deref(),
            Some(
                "The arguments must fit exactly one of: (1) File: kind = \"file\", path (optional: n); \
                 (2) kind = \"url\", url (optional: n)."
            )
        );
    }

    #[test]
    fn what_holds_together_is_demanded_together() {
        let words = merged(
            &json!({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "$defs": {"B": {"properties": {"b": {"type": "number"}}, "required": ["b"]}},
                "allOf": [{"$ref": "#/$defs/B"}, {"properties": {"a": {"minLength": 1}}}]}),
            &json!({"type": "object", "$defs": {"B": {"properties": {"b": {"type": "number"}}, "required": ["b"]}},
                "properties": {"a": {"type": "string", "minLength": 1}, "b": {"type": "number"}}, "required": ["a", "b"]}),
        );
        assert_eq!(words, None);
    }

    #[test]
    fn a_root_that_refers_to_itself_or_is_no_object_ends() {
        let circle = json!({"$ref": "#"});
        assert_eq!(
            merge(&circle).map(|merged| merged.schema),
            Some(json!({"type": "object", "properties": {}}))
        );
        let texts = json!({"anyOf": [{"type": "string"}, {"type": "null"}], "description": "d"});
        assert_eq!(
            merge(&texts).map(|merged| merged.schema),
            Some(json!({"type": "object", "description": "d", "properties": {}}))
        );
        let deep = json!({"$defs": {"A": {"anyOf": [{"$ref": "#/$defs/A"}, {"$ref": "#/$defs/A"}]}}, "$ref": "#/$defs/A"});
        assert!(merge(&deep).is_some());
    }

    #[test]
    fn a_nullable_root_is_an_object() {
        merged(
            &json!({"type": ["object", "null"], "properties": {"a": {}}}),
            &json!({"type": "object", "properties": {"a": {}}}),
        );
    }
}
