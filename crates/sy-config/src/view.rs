//! Shows the configuration in force, safe to print.
//!
//! Called by `config view` and by the server. It shows references as they were written and masks secrets.

use serde_json::{Value, json};

use crate::layer::{Layer, Loaded, Origin};

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
        "notices": loaded.notices.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

fn view_origin(origin: &Origin) -> Value {
    if origin.line == 0 {
        return json!({ "layer": origin.layer.name(), "source": origin.source });
    }
    json!({ "layer": origin.layer.name(), "source": origin.source, "line": origin.line, "column": origin.column })
}

fn view_layer(layer: &Layer) -> Value {
    json!({ "layer": layer.kind.name(), "source": layer.source })
}
