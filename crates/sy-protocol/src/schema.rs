//! Rewriting of tool parameter schemas for targets that take less than JSON Schema, and of schemas that are not quite JSON Schema.
//!
//! Used by every protocol that carries tools. It deliberately does not validate a schema: what is none passes as it is.

use std::borrow::Cow;

use serde_json::Value;
use sy_types::target::SchemaRules;

use crate::gemini_schema;

/// Returns the schema in the form that the rules allow; borrowed when nothing changes.
pub(crate) fn rewrite(rules: SchemaRules, schema: &Value) -> Cow<'_, Value> {
    match rules {
        SchemaRules::Any => Cow::Borrowed(schema),
        SchemaRules::Gemini => Cow::Owned(gemini_schema::narrow(schema)),
        SchemaRules::Moonshot => {
            let mut schema = schema.clone();
            moonshot(&mut schema);
            Cow::Owned(schema)
        }
    }
}

/// `$ref` has no siblings, and tuple `items` become their first element (Moonshot refuses both, observed by OpenCode).
fn moonshot(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            if let Some(reference) = map.get("$ref").cloned() {
                map.clear();
                map.insert("$ref".to_owned(), reference);
                return;
            }
            if let Some(Value::Array(tuple)) = map.get("items") {
                let first =
                    tuple.first().cloned().unwrap_or_else(|| Value::Object(serde_json::Map::new()));
                map.insert("items".to_owned(), first);
            }
            map.values_mut().for_each(moonshot);
        }
        Value::Array(items) => items.iter_mut().for_each(moonshot),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
