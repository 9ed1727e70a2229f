//! Tools and the choice among them, both ways.
//!
//! Parameters are sent as `parametersJsonSchema`, which takes JSON Schema as it is (recordings of the
//! Gemini API and of Vertex show current clients doing the same). A target whose dialect asks for it
//! gets the older OpenAPI subset in `parameters`, unless a schema says more than the subset can. Names
//! are legal already (`crate::tools`).

use serde_json::{Map, Value, json};
use sy_types::chat::{ChatRequest, Dropped, Tool, ToolChoice, ToolKind};
use sy_types::target::SchemaRules;
use sy_types::{Failure, Target};

use super::{FOREIGN, naming, parts};
use crate::fields::{Fields, indexed, wrong};
use crate::gemini_schema;
use crate::ids::GEMINI_GENERATE;
use crate::schema;

/// Reads `tools` and `toolConfig`.
pub(super) fn decode(
    fields: &mut Fields,
    chat: &mut ChatRequest,
    dropped: &mut Vec<Dropped>,
) -> Result<(), Failure> {
    let path = fields.path("tools");
    let sets = match fields.take("tools") {
        None => Vec::new(),
        Some(Value::Array(items)) => indexed(&path, items),
        Some(single @ Value::Object(_)) => vec![(path, single)],
        Some(other) => return Err(wrong(&path, "an array", &other)),
    };
    for (path, set) in sets {
        let mut set = naming::fields(set, path)?;
        for (path, declaration) in set.array("functionDeclarations")?.unwrap_or_default() {
            chat.tools.push(function(naming::fields(declaration, path)?, dropped)?);
        }
        for (name, value) in set.into_map() {
            if !value.is_null() {
                let declaration = parts::object([(name.as_str(), value)]);
                let kind = ToolKind::Server { protocol: GEMINI_GENERATE, declaration };
                chat.tools.push(Tool { name, description: None, kind, cache: false });
            }
        }
    }
    let Some(mut config) = naming::nested(fields, "toolConfig")? else { return Ok(()) };
    if let Some(calling) = naming::nested(&mut config, "functionCallingConfig")? {
        chat.tool_choice = choice(calling, dropped)?;
    }
    config.finish(dropped);
    Ok(())
}

fn function(mut fields: Fields, dropped: &mut Vec<Dropped>) -> Result<Tool, Failure> {
    let name = fields.required_string("name")?;
    let description = fields.string("description")?;
    let parameters = match (fields.take("parametersJsonSchema"), fields.take("parameters")) {
        (Some(schema), _) => schema,
        (None, Some(openapi)) => gemini_schema::from_openapi(openapi),
        (None, None) => json!({ "type": "object", "properties": {} }),
    };
    fields.finish(dropped);
    Ok(Tool {
        name,
        description,
        kind: ToolKind::Function { parameters, strict: None },
        cache: false,
    })
}

fn choice(mut fields: Fields, dropped: &mut Vec<Dropped>) -> Result<Option<ToolChoice>, Failure> {
    let mode = fields.string("mode")?.unwrap_or_default().to_ascii_uppercase();
    let mut names = Vec::new();
    for (path, name) in fields.array("allowedFunctionNames")?.unwrap_or_default() {
        match name {
            Value::String(name) => names.push(name),
            other => return Err(wrong(&path, "a string", &other)),
        }
    }
    let choice = match mode.as_str() {
        "" | "MODE_UNSPECIFIED" | "AUTO" | "VALIDATED" if !names.is_empty() => {
            Some(ToolChoice::Allowed { names, required: false })
        }
        "" | "MODE_UNSPECIFIED" => None,
        "AUTO" => Some(ToolChoice::Auto),
        "VALIDATED" => {
            dropped.push(Dropped::new(
                fields.path("mode"),
                "taken as AUTO: validation has no counterpart",
            ));
            Some(ToolChoice::Auto)
        }
        "NONE" => Some(ToolChoice::None),
        "ANY" => Some(match names.len() {
            0 => ToolChoice::Required,
            1 => ToolChoice::Named(names.swap_remove(0)),
            _ => ToolChoice::Allowed { names, required: true },
        }),
        _ => {
            return Err(wrong(
                &fields.path("mode"),
                "AUTO, ANY, NONE or VALIDATED",
                &Value::from(mode),
            ));
        }
    };
    fields.finish(dropped);
    Ok(choice)
}

/// Writes `tools` and `toolConfig`.
pub(super) fn build(
    chat: &ChatRequest,
    target: &Target,
    body: &mut Map<String, Value>,
    dropped: &mut Vec<Dropped>,
) {
    let mut declarations = Vec::new();
    let mut sets = Vec::new();
    // The functions stand together, where the first of them stood.
    let mut place = None;
    for (index, tool) in chat.tools.iter().enumerate() {
        let path = format!("tools[{index}]");
        if !matches!(tool.kind, ToolKind::Server { .. }) {
            place.get_or_insert(sets.len());
        }
        match &tool.kind {
            ToolKind::Function { parameters, strict } => {
                if *strict == Some(true) {
                    dropped.push(Dropped::new(
                        format!("{path}.strict"),
                        "this provider cannot be held to one tool's schema",
                    ));
                }
                declarations.push(declaration(tool, parameters, target, &path, dropped));
            }
            ToolKind::Custom { format } => {
                if format.is_some() {
                    dropped.push(Dropped::replaced(
                        format!("{path}.format"),
                        "sent as a function with one text argument",
                    ));
                }
                let schema = json!({ "type": "object", "properties": { "input": { "type": "string" } }, "required": ["input"] });
                declarations.push(declaration(tool, &schema, target, &path, dropped));
            }
            ToolKind::Server { protocol, declaration } if *protocol == GEMINI_GENERATE => {
                sets.push(declaration.clone())
            }
            ToolKind::Server { .. } => {
                dropped.push(Dropped::new(format!("{path} ({})", tool.name), FOREIGN))
            }
        }
    }
    if let Some(place) = place {
        sets.insert(place, parts::object([("functionDeclarations", Value::Array(declarations))]));
    }
    let has_functions = place.is_some();
    if !sets.is_empty() {
        body.insert("tools".to_owned(), Value::Array(sets));
    }
    match &chat.tool_choice {
        None | Some(ToolChoice::Auto | ToolChoice::None) if !has_functions => {}
        Some(_) if !has_functions => {
            dropped.push(Dropped::new("tool_choice", "no function is on offer"))
        }
        Some(choice) => build_choice(choice, target, body, dropped),
        None => {}
    }
}

fn declaration(
    tool: &Tool,
    parameters: &Value,
    target: &Target,
    path: &str,
    dropped: &mut Vec<Dropped>,
) -> Value {
    let mut out = Map::new();
    out.insert("name".to_owned(), Value::from(tool.name.as_str()));
    if let Some(description) = &tool.description {
        out.insert("description".to_owned(), Value::from(description.as_str()));
    }
    let is_narrow = target.dialect.schema_rules == SchemaRules::Gemini;
    if is_narrow && gemini_schema::exceeds(parameters) {
        let schema = gemini_schema::as_json_schema(parameters);
        out.insert("parametersJsonSchema".to_owned(), schema);
    } else if is_narrow {
        let rewritten = schema::rewrite(SchemaRules::Gemini, parameters);
        if *rewritten != *parameters {
            dropped.push(Dropped::new(
                format!("{path}.parameters"),
                "rewritten to the schema subset of this provider",
            ));
        }
        // An object without properties is refused there.
        if rewritten
            .get("properties")
            .and_then(Value::as_object)
            .is_some_and(|properties| !properties.is_empty())
        {
            out.insert("parameters".to_owned(), rewritten.into_owned());
        }
    } else {
        let schema = schema::rewrite(target.dialect.schema_rules, parameters).into_owned();
        out.insert("parametersJsonSchema".to_owned(), schema);
    }
    Value::Object(out)
}

fn build_choice(
    choice: &ToolChoice,
    target: &Target,
    body: &mut Map<String, Value>,
    dropped: &mut Vec<Dropped>,
) {
    let is_forced =
        matches!(choice, ToolChoice::Required | ToolChoice::Named(_) | ToolChoice::Allowed { .. });
    if is_forced && !target.dialect.forced_tool_choice {
        dropped.push(Dropped::new("tool_choice", "this provider only takes auto"));
        return;
    }
    let config = match choice {
        ToolChoice::Auto => json!({ "mode": "AUTO" }),
        ToolChoice::None => json!({ "mode": "NONE" }),
        ToolChoice::Required => json!({ "mode": "ANY" }),
        ToolChoice::Named(name) => json!({ "mode": "ANY", "allowedFunctionNames": [name] }),
        ToolChoice::Allowed { names, required: true } => {
            json!({ "mode": "ANY", "allowedFunctionNames": names })
        }
        // Names may be given with ANY and VALIDATED only; VALIDATED leaves the choice to the model.
        ToolChoice::Allowed { names, required: false } => {
            json!({ "mode": "VALIDATED", "allowedFunctionNames": names })
        }
    };
    body.insert("toolConfig".to_owned(), json!({ "functionCallingConfig": config }));
}
