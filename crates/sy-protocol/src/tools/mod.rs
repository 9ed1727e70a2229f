//! The tools of a request that crosses to another protocol, brought into a form that the target takes.
//!
//! Called by [`crate::face::build`] before a protocol writes its body, so that every protocol profits alike: names (`names`),
//! schemas whose root is a choice (`root_schema`), tools that the provider runs itself (`hosted`), and calls without their results
//! (`orphans`). [`ToolAnswers`] is the way back. It deliberately copies the request only where something must change.

mod answers;
mod hosted;
mod names;
mod orphans;
mod root_schema;

use std::borrow::Cow;
use std::collections::HashSet;

use serde_json::Value;
use sy_types::chat::{ChatRequest, Dropped, OutputFormat, Tool, ToolKind};
use sy_types::{ProtocolId, Target};

pub use answers::ToolAnswers;
pub(crate) use answers::nameless;
use names::Names;

use crate::ids::{OPENAI_CHAT, OPENAI_RESPONSES};

/// A request whose tools a target takes.
pub(crate) struct Prepared<'a> {
    /// The request.
    pub(crate) chat: Cow<'a, ChatRequest>,
    /// The way back for the answer.
    pub(crate) answers: ToolAnswers,
    /// What was changed or left out.
    pub(crate) dropped: Vec<Dropped>,
}

/// Prepares a request for a target that takes the bodies of the given protocol.
pub(crate) fn prepare<'a>(
    chat: &'a ChatRequest,
    wire: ProtocolId,
    target: &Target,
) -> Prepared<'a> {
    let mut dropped = Vec::new();
    let mut chat = Cow::Borrowed(chat);

    without_twins(&mut chat, &mut dropped);
    schemas(&mut chat, &mut dropped);
    if matches!(wire, OPENAI_CHAT | OPENAI_RESPONSES) {
        optional_fields(&mut chat, &mut dropped);
    }
    hosted::translate(&mut chat, wire, target, &mut dropped);
    orphans::repair(&mut chat, &mut dropped);

    let names = Names::of(&chat, target.dialect.tool_names);
    if !names.is_empty() {
        names.apply(chat.to_mut());
    }

    Prepared { chat, answers: ToolAnswers::new(names), dropped }
}

/// Leaves out tools whose name was declared before: Claude and Gemini refuse a request with two of a name.
fn without_twins(chat: &mut Cow<'_, ChatRequest>, dropped: &mut Vec<Dropped>) {
    let mut known = HashSet::new();
    let is_twin: Vec<bool> = chat
        .tools
        .iter()
        .map(|tool| !matches!(tool.kind, ToolKind::Server { .. }) && !known.insert(&tool.name))
        .collect();
    if !is_twin.contains(&true) {
        return;
    }

    let mut twins = is_twin.into_iter();
    let chat = chat.to_mut();
    let mut index = 0;
    chat.tools.retain(|tool| {
        let is_twin = twins.next().unwrap_or_default();
        if is_twin {
            let field = format!("tools[{index}] ({})", tool.name);
            dropped.push(Dropped::new(field, "a tool of this name was declared before"));
        }
        index += 1;
        !is_twin
    });
}

/// Gives every function one object as its schema.
fn schemas(chat: &mut Cow<'_, ChatRequest>, dropped: &mut Vec<Dropped>) {
    for index in 0..chat.tools.len() {
        let Some(tool) = chat.tools.get(index) else { return };
        let ToolKind::Function { parameters, strict } = &tool.kind else { continue };
        let Some(merged) = root_schema::merge(parameters) else { continue };

        // A strict schema must demand every field, which alternatives laid over each other cannot.
        let loses_strict = *strict == Some(true) && merged.words.is_some();
        let strict = if loses_strict { Some(false) } else { *strict };
        let Some(tool) = chat.to_mut().tools.get_mut(index) else { return };
        if let Some(words) = merged.words {
            let given = tool.description.take().filter(|given| !given.trim().is_empty());
            tool.description = Some(match given {
                Some(given) => format!("{given}\n\n{words}"),
                None => words,
            });
        }
        tool.kind = ToolKind::Function { parameters: merged.schema, strict };

        let path = format!("tools[{index}] ({})", tool.name);
        if loses_strict {
            dropped.push(Dropped::new(format!("{path}.strict"), "its schema is a choice"));
        }
        dropped.push(Dropped::new(
            format!("{path}.parameters"),
            "a choice at the root was made one object, and told in the description",
        ));
    }
}

/// Leaves schemas with optional fields unenforced: OpenAI enforces only what demands every field (docs read 2026-11), and refuses
/// the request otherwise. Claude enforces such schemas too.
fn optional_fields(chat: &mut Cow<'_, ChatRequest>, dropped: &mut Vec<Dropped>) {
    for index in 0..chat.tools.len() {
        let Some(tool) = chat.tools.get(index) else { return };
        let ToolKind::Function { parameters, strict: Some(true) } = &tool.kind else { continue };
        if demands_all(parameters, 0) {
            continue;
        }

        let field = format!("tools[{index}] ({}).strict", tool.name);
        dropped.push(Dropped::new(field, "only schemas that demand every field are enforced"));
        let tool = chat.to_mut().tools.get_mut(index);
        if let Some(Tool { kind: ToolKind::Function { strict, .. }, .. }) = tool {
            *strict = Some(false);
        }
    }

    if let OutputFormat::JsonSchema { schema, strict: Some(true), .. } = &chat.output
        && !demands_all(schema, 0)
    {
        let reason = "only schemas that demand every field are enforced";
        dropped.push(Dropped::new("output schema.strict", reason));
        if let OutputFormat::JsonSchema { strict, .. } = &mut chat.to_mut().output {
            *strict = Some(false);
        }
    }
}

/// Returns true when every object inside a schema is closed and demands all of its fields.
fn demands_all(schema: &Value, level: usize) -> bool {
    const MOST_LEVELS: usize = 32;
    let Some(map) = schema.as_object().filter(|_| level < MOST_LEVELS) else { return true };
    if let Some(properties) = map.get("properties").and_then(Value::as_object) {
        let required = map.get("required").and_then(Value::as_array);
        let is_demanded = |name: &String| {
            required.is_some_and(|names| names.iter().any(|known| known.as_str() == Some(name)))
        };
        let is_closed = map.get("additionalProperties") == Some(&Value::Bool(false));
        if !is_closed || !properties.keys().all(is_demanded) {
            return false;
        }
    }

    let lists = ["anyOf", "oneOf", "allOf"].into_iter().filter_map(|key| map.get(key)?.as_array());
    let named = ["properties", "$defs", "definitions"].into_iter();
    let named = named.filter_map(|key| map.get(key)?.as_object());
    map.get("items")
        .into_iter()
        .chain(lists.flatten())
        .chain(named.flat_map(serde_json::Map::values))
        .all(|inner| demands_all(inner, level + 1))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::demands_all;

    #[test]
    fn optional_fields_are_found_at_any_depth() {
        let inner = |required: &[&str]| json!({"type": "object", "properties": {"a": {}, "b": {}}, "required": required, "additionalProperties": false});
        assert!(demands_all(&inner(&["a", "b"]), 0));
        assert!(!demands_all(&inner(&["a"]), 0));
        assert!(!demands_all(&json!({"type": "array", "items": inner(&["b"])}), 0));
        assert!(!demands_all(&json!({"properties": {}}), 0));
    }
}
