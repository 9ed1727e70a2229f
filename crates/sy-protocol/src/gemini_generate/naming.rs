//! Names on this wire: the two spellings of fields, and a model's name in a path.
//!
//! Used by everything that reads requests or makes paths. It never touches names inside arguments, results or schemas: those are
//! the caller's own.

use std::fmt::Write as _;

use serde_json::{Map, Value};
use sy_types::Failure;

use crate::fields::Fields;

/// Takes an object whose field names may be in snake_case.
pub(crate) fn fields(value: Value, path: impl Into<String>) -> Result<Fields, Failure> {
    match value {
        Value::Object(map) => Fields::of(Value::Object(camel_keys(map)), path),
        other => Fields::of(other, path),
    }
}

/// Takes an object out of another; its field names may be in snake_case.
pub(crate) fn nested(parent: &mut Fields, key: &str) -> Result<Option<Fields>, Failure> {
    let path = parent.path(key);
    parent.take(key).map(|value| fields(value, path)).transpose()
}

/// Rewrites the keys of one object to camelCase, its nested objects untouched. Where both spellings are given, the first that is
/// not null wins.
pub(super) fn camel_keys(map: Map<String, Value>) -> Map<String, Value> {
    if !map.keys().any(|key| key.contains('_')) {
        return map;
    }
    let mut renamed = Map::with_capacity(map.len());
    for (key, value) in map {
        let key = camel(&key);
        if renamed.get(&key).is_none_or(Value::is_null) {
            renamed.insert(key, value);
        }
    }
    renamed
}

/// Turns `snake_case` into `camelCase`; other names stay.
pub(super) fn camel(name: &str) -> String {
    let mut words = name.split('_');
    let mut out = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut letters = word.chars();
        out.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
        out.push_str(letters.as_str());
    }
    out
}

/// Returns the path of a model: `/models/ID`, or the id itself where it is a whole resource name already.
pub(crate) fn model_path(model: &str) -> String {
    const RESOURCES: [&str; 4] = ["models/", "tunedModels/", "publishers/", "projects/"];
    let is_resource = RESOURCES.iter().any(|prefix| model.starts_with(prefix));
    let mut path = if is_resource { "/".to_owned() } else { "/models/".to_owned() };
    for byte in model.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'@' => {
                path.push(char::from(byte))
            }
            b'/' if is_resource => path.push('/'),
            // Writing to a String cannot fail.
            _ => write!(path, "%{byte:02X}").unwrap_or_default(),
        }
    }
    path
}

/// Returns the name that a body gives for the model of the path (`models/ID`).
pub(crate) fn model_name(model: &str) -> String {
    if model.contains('/') { model.to_owned() } else { format!("models/{model}") }
}

/// Returns the generation that a model's id names (2 for `gemini-2.5-pro`), where it names one.
pub(super) fn generation(model: &str) -> Option<u32> {
    let (_, rest) = model.split_once("gemini-")?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// Returns true for a model that takes functions beside tools that the provider runs (from generation 3 on; before it the API
/// answers 400, ai.google.dev/gemini-api/docs/function-calling, read 2026-11). A model without a number is taken as current.
pub(crate) fn combines_tools(model: &str) -> bool {
    generation(model).is_none_or(|generation| generation >= 3)
}

#[cfg(test)]
mod tests {
    use super::{camel, generation, model_path};

    #[test]
    fn names_turn_to_camel_case() {
        for (from, to) in [
            ("system_instruction", "systemInstruction"),
            ("contents", "contents"),
            ("topP", "topP"),
            ("a_b_c", "aBC"),
        ] {
            assert_eq!(camel(from), to);
        }
    }

    #[test]
    fn a_model_becomes_one_path_segment() {
        for (model, path) in [
            ("gemini-2.5-pro", "/models/gemini-2.5-pro"),
            ("vendor/model:free", "/models/vendor%2Fmodel%3Afree"),
            ("models/gemini-x", "/models/gemini-x"),
            ("tunedModels/my tune", "/tunedModels/my%20tune"),
            ("publishers/google/models/gemini-x@001", "/publishers/google/models/gemini-x@001"),
        ] {
            assert_eq!(model_path(model), path);
        }
    }

    #[test]
    fn the_generation_is_read_from_the_id() {
        for (model, expected) in [
            ("gemini-2.5-pro", Some(2)),
            ("antigravity-gemini-3-pro-high", Some(3)),
            ("gemini-flash-latest", None),
            ("gemma-4", None),
        ] {
            assert_eq!(generation(model), expected, "{model}");
        }
    }
}
