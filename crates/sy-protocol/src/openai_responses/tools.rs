//! Tools and the choice among them, in both directions.
//!
//! Used by the decoder of client requests and by the builder of provider requests. A `namespace` is a named group of functions
//! (Codex groups the tools of an MCP server in one): its functions are taken out of it under names of `namespaces`, and the
//! group is put back onto calls by the encoder. Hosted tools are carried as they are and deliberately not imitated.

use serde_json::{Map, Value, json};
use sy_types::chat::{Dropped, Tool, ToolChoice, ToolKind};
use sy_types::{Failure, Target};

use super::namespaces::Namespaces;
use super::response;
use crate::fields::{Fields, wrong};
use crate::ids::OPENAI_RESPONSES;
use crate::schema;

/// Reads declarations and appends them, under the names that other protocols know them by.
///
/// # Errors
/// `Invalid`, naming the field at fault.
pub(super) fn decode(
    items: Vec<(String, Value)>,
    names: &Namespaces,
    tools: &mut Vec<Tool>,
    dropped: &mut Vec<Dropped>,
) -> Result<(), Failure> {
    for (path, item) in items {
        let mut fields = Fields::of(item, path)?;
        let kind = fields.required_string("type")?;
        match kind.as_str() {
            "function" => tools.push(function(fields, dropped)?),
            "custom" => tools.push(custom(fields, dropped)?),
            "namespace" if fields.peek("tools").is_some() => {
                namespace(fields, names, tools, dropped)?
            }
            _ => {
                let mut declaration = fields.into_map();
                declaration.insert("type".to_owned(), Value::from(kind.as_str()));
                let kind_of_tool = ToolKind::Server {
                    protocol: OPENAI_RESPONSES,
                    declaration: Value::Object(declaration),
                };
                tools.push(Tool {
                    name: kind,
                    description: None,
                    kind: kind_of_tool,
                    cache: false,
                });
            }
        }
    }
    Ok(())
}

fn kind_of(item: &Value) -> Option<&str> {
    item.get("type").and_then(Value::as_str)
}

fn namespace(
    mut fields: Fields,
    names: &Namespaces,
    tools: &mut Vec<Tool>,
    dropped: &mut Vec<Dropped>,
) -> Result<(), Failure> {
    let group = fields.string("name")?.unwrap_or_default();
    for (path, item) in fields.array("tools")?.unwrap_or_default() {
        let mut inner = Fields::of(item, path.as_str())?;
        let mut tool = match inner.required_string("type")?.as_str() {
            "function" => function(inner, dropped)?,
            "custom" => custom(inner, dropped)?,
            _ => {
                let reason = "a hosted tool has no counterpart in other protocols";
                dropped.push(Dropped::new(path, reason));
                continue;
            }
        };
        tool.name = names.flat_name(Some(&group), &tool.name);
        tools.push(tool);
    }
    fields.finish(dropped);
    Ok(())
}

fn function(mut fields: Fields, dropped: &mut Vec<Dropped>) -> Result<Tool, Failure> {
    let name = fields.required_string("name")?;
    let description = fields.string("description")?;
    let strict = fields.bool("strict")?;
    let parameters = match fields.take("parameters") {
        None => json!({"type": "object", "properties": {}}),
        Some(schema @ Value::Object(_)) => schema,
        Some(other) => {
            return Err(wrong(&fields.path("parameters"), "a JSON Schema object", &other));
        }
    };
    fields.finish(dropped);
    Ok(Tool { name, description, kind: ToolKind::Function { parameters, strict }, cache: false })
}

fn custom(mut fields: Fields, dropped: &mut Vec<Dropped>) -> Result<Tool, Failure> {
    let name = fields.required_string("name")?;
    let description = fields.string("description")?;
    let format = fields.take("format");
    fields.finish(dropped);
    Ok(Tool { name, description, kind: ToolKind::Custom { format }, cache: false })
}

/// Reads a tool choice.
///
/// # Errors
/// `Invalid`, naming the field at fault.
pub(super) fn decode_choice(
    fields: &mut Fields,
    names: &Namespaces,
    dropped: &mut Vec<Dropped>,
) -> Result<Option<ToolChoice>, Failure> {
    let path = fields.path("tool_choice");
    let choice = match fields.take("tool_choice") {
        None => return Ok(None),
        Some(Value::String(word)) => match word.as_str() {
            "auto" => ToolChoice::Auto,
            "none" => ToolChoice::None,
            "required" => ToolChoice::Required,
            _ => {
                return Err(wrong(
                    &path,
                    "auto, none, required or an object",
                    &Value::String(word),
                ));
            }
        },
        Some(value) => {
            let mut choice = Fields::of(value, path.as_str())?;
            let kind = choice.required_string("type")?;
            match kind.as_str() {
                "function" | "custom" => {
                    let group = choice.string("namespace")?;
                    let name = choice.required_string("name")?;
                    ToolChoice::Named(names.flat_name(group.as_deref(), &name))
                }
                "allowed_tools" => return allowed(choice, names, dropped).map(Some),
                _ => {
                    dropped.push(Dropped::new(path, "it names a hosted tool"));
                    return Ok(None);
                }
            }
        }
    };
    Ok(Some(choice))
}

fn allowed(
    mut choice: Fields,
    names: &Namespaces,
    dropped: &mut Vec<Dropped>,
) -> Result<ToolChoice, Failure> {
    let required = choice.string("mode")?.as_deref() == Some("required");
    let mut allowed = Vec::new();
    for (path, tool) in choice.array("tools")?.unwrap_or_default() {
        let kind = kind_of(&tool).unwrap_or("function");
        match response::text(&tool, "name") {
            Some(name) if matches!(kind, "function" | "custom") => {
                let group = response::text(&tool, "namespace");
                allowed.push(names.flat_name(group.as_deref(), &name));
            }
            _ => dropped.push(Dropped::new(format!("{path} ({kind})"), "it names a hosted tool")),
        }
    }
    Ok(ToolChoice::Allowed { names: allowed, required })
}

/// Writes the declarations. A schema is enforced only where the caller said so: this protocol would do it by default.
pub(super) fn build(tools: &[Tool], target: &Target, dropped: &mut Vec<Dropped>) -> Vec<Value> {
    let mut built = Vec::with_capacity(tools.len());
    for (index, tool) in tools.iter().enumerate() {
        let mut item = Map::new();
        match &tool.kind {
            ToolKind::Function { parameters, strict } => {
                item.insert("type".to_owned(), Value::from("function"));
                item.insert("name".to_owned(), Value::from(tool.name.as_str()));
                let schema = schema::rewrite(target.dialect.schema_rules, parameters).into_owned();
                item.insert("parameters".to_owned(), schema);
                item.insert("strict".to_owned(), Value::Bool(strict.unwrap_or(false)));
            }
            ToolKind::Custom { format } => {
                item.insert("type".to_owned(), Value::from("custom"));
                item.insert("name".to_owned(), Value::from(tool.name.as_str()));
                if let Some(format) = format {
                    item.insert("format".to_owned(), format.clone());
                }
            }
            ToolKind::Server { protocol, declaration } if *protocol == OPENAI_RESPONSES => {
                built.push(declaration.clone());
                continue;
            }
            ToolKind::Server { .. } => {
                let field = format!("tools[{index}] ({})", tool.name);
                dropped.push(Dropped::new(field, "a tool that only another provider runs"));
                continue;
            }
        }
        if let Some(description) = &tool.description {
            item.insert("description".to_owned(), Value::from(description.as_str()));
        }
        built.push(Value::Object(item));
    }
    built
}

/// Writes the choice, or reports why it cannot be made at this target.
pub(super) fn build_choice(
    choice: &ToolChoice,
    tools: &[Tool],
    target: &Target,
    dropped: &mut Vec<Dropped>,
) -> Option<Value> {
    if !target.dialect.forced_tool_choice && *choice != ToolChoice::Auto {
        dropped.push(Dropped::new("tool_choice", "the target lets the model decide"));
        return None;
    }
    let named = |name: &String| {
        let is_custom = tools
            .iter()
            .any(|tool| tool.name == *name && matches!(tool.kind, ToolKind::Custom { .. }));
        json!({"type": if is_custom { "custom" } else { "function" }, "name": name})
    };
    Some(match choice {
        ToolChoice::Auto => json!("auto"),
        ToolChoice::None => json!("none"),
        ToolChoice::Required => json!("required"),
        ToolChoice::Named(name) => named(name),
        ToolChoice::Allowed { names, required } => json!({
            "type": "allowed_tools",
            "mode": if *required { "required" } else { "auto" },
            "tools": names.iter().map(named).collect::<Vec<_>>(),
        }),
    })
}
