//! Changes a configuration file's text and keeps its comments and layout.
//!
//! Called by `config set`, `unset` and `reset`; reading and writing the file is the caller's. A change that would make the
//! file wrong is refused.

use jsonc_parser::cst::{CstInputValue, CstObject, CstRootNode};
use serde_json::Value;

use crate::key_home::known_key;
use crate::key_path::KeyPath;
use crate::load::lint;
use crate::measure::measure;
use crate::node::parse_options;
use crate::problem::Problem;
use crate::schema::schema;

/// Sets the key at a dotted path (`server.port`, `provider.zai.models."glm-4.7".name`) to a value as people type it: JSON
/// where that fits the key, else the text itself. Missing objects are created.
///
/// # Errors
/// When the text or the path cannot be read, or when the result would be wrong in a way that the text was not before.
pub fn set(text: &str, path: &str, value: &str) -> Result<String, Problem> {
    let as_text = Value::String(value.to_owned());
    match serde_json::from_str::<Value>(value) {
        Ok(json) => set_value(text, path, &json)
            .or_else(|problem| set_value(text, path, &as_text).map_err(|_| problem)),
        Err(_) => set_value(text, path, &as_text),
    }
}

/// Sets the key at a dotted path to a value. Missing objects are created.
///
/// # Errors
/// As [`set`].
pub fn set_value(text: &str, path: &str, value: &Value) -> Result<String, Problem> {
    let key = parse_path(path)?;
    let Some((name, parents)) = key.names().split_last() else {
        return Err(problem("expected a path"));
    };
    let root = parse_text(text)?;
    let mut object = root
        .object_value_or_create()
        .ok_or_else(|| problem("expected the configuration to be an object"))?;
    for parent in parents {
        let child = object.object_value_or_create(parent);
        object = child.ok_or_else(|| {
            problem(format!("cannot set `{key}`: expected `{parent}` to be an object"))
        })?;
    }
    match object.get(name) {
        Some(property) => property.set_value(input(value)),
        None => {
            object.append(name, input(value));
        }
    }
    accept(text, root.to_string())
}

/// Removes the key at a dotted path. A known key that is not there is no error; an unknown one that is there can be removed.
///
/// # Errors
/// As [`set`], and when there is no such key at all.
pub fn unset(text: &str, path: &str) -> Result<String, Problem> {
    let key = parse_path(path)?;
    let Some((name, parents)) = key.names().split_last() else {
        return Err(problem("expected a path"));
    };
    let root = parse_text(text)?;
    let mut object: Option<CstObject> = root.object_value();
    for parent in parents {
        object = object.and_then(|object| object.object_value(parent));
    }
    match object.and_then(|object| object.get(name)) {
        Some(property) => property.remove(),
        None => known_key(&schema(), &key)?,
    }
    accept(text, root.to_string())
}

/// Returns the text of a file in which nothing is set.
pub fn reset() -> String {
    "{\n  // Every key is described in docs/reference/config.md.\n}\n".to_owned()
}

/// Accepts a new text when it is wrong in no way that the old text was not.
fn accept(before: &str, after: String) -> Result<String, Problem> {
    let schema = schema();
    let known: Vec<String> =
        lint(before, &schema).into_iter().map(|problem| problem.message).collect();
    match lint(&after, &schema).into_iter().find(|problem| !known.contains(&problem.message)) {
        Some(problem) => Err(Problem { file: String::new(), line: 0, column: 0, ..problem }),
        None => Ok(after),
    }
}

fn parse_path(path: &str) -> Result<KeyPath, Problem> {
    KeyPath::parse(path).map_err(problem)
}

fn parse_text(text: &str) -> Result<CstRootNode, Problem> {
    let known = lint(text, &Value::Bool(true));
    if let Err(excess) = measure(text) {
        return Err(problem(excess.message));
    }
    match CstRootNode::parse(text, &parse_options()) {
        Ok(root) => Ok(root),
        Err(_) => {
            Err(known.into_iter().next().unwrap_or_else(|| problem("not valid JSON with comments")))
        }
    }
}

fn problem(message: impl Into<String>) -> Problem {
    unplaced(message)
}

/// Makes a problem of what was typed and stands in no file.
pub(crate) fn unplaced(message: impl Into<String>) -> Problem {
    Problem { file: String::new(), line: 0, column: 0, message: message.into(), help: None }
}

fn input(value: &Value) -> CstInputValue {
    match value {
        Value::Null => CstInputValue::Null,
        Value::Bool(value) => CstInputValue::Bool(*value),
        Value::Number(number) => CstInputValue::Number(number.to_string()),
        Value::String(text) => CstInputValue::String(text.clone()),
        Value::Array(items) => CstInputValue::Array(items.iter().map(input).collect()),
        Value::Object(map) => CstInputValue::Object(
            map.iter().map(|(name, value)| (name.clone(), input(value))).collect(),
        ),
    }
}
