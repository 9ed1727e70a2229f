//! Shows the configuration in force, safe to print.
//!
//! Called by `config view` and by the server. It shows references as they were written and masks secrets.

use serde_json::{Value, json};

use crate::edit::unplaced;
use crate::key_home::known_key;
use crate::key_path::KeyPath;
use crate::layer::{Layer, Loaded, Origin};
use crate::problem::Problem;
use crate::schema::schema;
use crate::trust::OPERATORS_ONLY;

/// Returns the merged configuration with the origin of every leaf:
/// `{"config": {…}, "provenance": {"/server/port": {"layer", "source", "line", "column"}}, "layers": […], "notices": […]}`.
/// `line` and `column` are absent where the source has no lines.
pub fn view(loaded: &Loaded) -> Value {
    let provenance =
        loaded.provenance.iter().map(|(pointer, origin)| (pointer.clone(), view_origin(origin)));
    json!({
        "config": loaded.value,
        "provenance": provenance.collect::<serde_json::Map<_, _>>(),
        "layers": loaded.layers.iter().map(view_layer).collect::<Vec<_>>(),
        "notices": notices(loaded),
    })
}

/// Returns what is worth knowing, what a project's files were not allowed included.
fn notices(loaded: &Loaded) -> Vec<String> {
    let of_project = loaded.project.iter().filter_map(|project| project.notice.clone());
    of_project.chain(loaded.notices.iter().map(ToString::to_string)).collect()
}

/// Returns the value in force at a dotted path, safe to print; `None` where the key is known and nothing sets it.
///
/// # Errors
/// When there is no such key, with the nearest one.
pub fn get(loaded: &Loaded, path: &str) -> Result<Option<Value>, Problem> {
    let key = KeyPath::parse(path).map_err(unplaced)?;
    let found = loaded.value.pointer(&key.pointer()).cloned();
    match found {
        Some(value) => Ok(Some(value)),
        None => known_key(&schema(), &key).map(|()| None),
    }
}

/// Returns the JSON pointer of a dotted path, as [`Loaded::provenance`] has them.
///
/// # Errors
/// When the path cannot be read.
pub fn pointer(path: &str) -> Result<String, Problem> {
    Ok(KeyPath::parse(path).map_err(unplaced)?.pointer())
}

/// Returns true for a key that no project's file can set, whatever the user trusts.
pub fn is_operators_only(path: &str) -> bool {
    let key = KeyPath::parse(path).ok();
    let top = key.as_ref().and_then(|key| key.names().first());
    top.is_some_and(|name| OPERATORS_ONLY.contains(&name.as_str()))
}

fn view_origin(origin: &Origin) -> Value {
    if origin.line == 0 {
        return json!({ "layer": origin.layer.name(), "source": origin.source });
    }
    json!({ "layer": origin.layer.name(), "source": origin.source, "line": origin.line, "column": origin.column })
}

fn view_layer(layer: &Layer) -> Value {
    match layer.restriction {
        Some(restriction) => {
            json!({ "layer": layer.kind.name(), "source": layer.source, "restriction": restriction })
        }
        None => json!({ "layer": layer.kind.name(), "source": layer.source }),
    }
}
