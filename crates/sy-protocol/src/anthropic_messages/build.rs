//! Canonical to a provider's request: everything but the messages (`history`) and reasoning with sampling (`thinking`).
//!
//! Called for every request that comes from another protocol. What cannot be carried is reported. The names of output schemas are
//! labels without effect and go unreported. It deliberately leaves it to the provider to refuse what a certain model lacks.

use serde_json::{Map, Value, json};
use sy_types::Target;
use sy_types::chat::{ChatRequest, Dropped, OutputFormat, Tool, ToolChoice, ToolKind};
use sy_types::target::StructuredOutput;

use super::enforced::enforced;
use super::history::History;
use super::thinking;
use crate::face::Built;
use crate::ids::ANTHROPIC_MESSAGES;

/// The most cache markers that a request may have.
const CACHE_MARKERS: usize = 4;

/// The longest `metadata.user_id`, in characters.
const USER_ID_LIMIT: usize = 256;

const CLOSED: &str = "objects were closed (additionalProperties: false)";
const DESCRIBED: &str = "bounds that the target cannot enforce were put into descriptions";
const CANNOT_ENFORCE: &str =
    "the target cannot enforce such a schema: it refers to itself or takes any key";

/// Makes the body of a request.
pub(super) fn build(chat: &ChatRequest, target: &Target, stream: bool) -> Built {
    let mut dropped = Vec::new();
    let mut history = History::of(chat, target, &mut dropped);
    let mut body = Map::new();
    body.insert("model".to_owned(), (&*target.upstream_model).into());
    tools(&mut body, chat, target, &mut dropped);
    output(&mut body, chat, target, &mut history, &mut dropped);
    let (system, messages) = history.into_values(&mut dropped);
    if !system.is_empty() {
        body.insert("system".to_owned(), system.into());
    }
    body.insert("messages".to_owned(), messages.into());
    thinking::apply(&mut body, chat, target, &mut dropped);
    let stop: Vec<&str> =
        chat.stop.iter().map(String::as_str).filter(|text| !text.trim().is_empty()).collect();
    if stop.len() < chat.stop.len() {
        dropped.push(Dropped::new("stop", "stop texts of white space alone are not accepted"));
    }
    if !stop.is_empty() {
        body.insert("stop_sequences".to_owned(), stop.into());
    }
    user(&mut body, chat, &mut dropped);
    service_tier(&mut body, chat, &mut dropped);
    for (field, is_set) in
        [("n", chat.choices.is_some()), ("logprobs", chat.top_logprobs.is_some())]
    {
        dropped.extend(is_set.then(|| Dropped::new(field, "the protocol has no such field")));
    }
    if stream {
        body.insert("stream".to_owned(), true.into());
    }
    if chat.prompt_cache_key.is_some() {
        dropped.push(Dropped::new(
            "prompt_cache_key",
            "the protocol groups requests by their prefix itself",
        ));
    }
    limit_cache_markers(&mut body, &mut dropped);
    Built { body, dropped }
}

/// Writes the tier. A claim to better service is `auto` here, which uses what was bought in advance; there is none that is cheaper.
fn service_tier(body: &mut Map<String, Value>, chat: &ChatRequest, dropped: &mut Vec<Dropped>) {
    let tier = match chat.service_tier.as_deref() {
        None => return,
        Some("default") => "standard_only",
        Some("priority") => "auto",
        Some(_) => {
            return dropped.push(Dropped::new("service_tier", "the provider has no such tier"));
        }
    };
    body.insert("service_tier".to_owned(), tier.into());
}

fn user(body: &mut Map<String, Value>, chat: &ChatRequest, dropped: &mut Vec<Dropped>) {
    if let Some(user) = &chat.user {
        if user.chars().count() <= USER_ID_LIMIT {
            body.insert("metadata".to_owned(), json!({ "user_id": user }));
        } else {
            dropped.push(Dropped::new("user", "longer than 256 characters"));
        }
    }
    let keys = chat
        .metadata
        .keys()
        .map(|key| Dropped::new(format!("metadata.{key}"), "only a user id can be carried"));
    dropped.extend(keys);
}

fn tools(
    body: &mut Map<String, Value>,
    chat: &ChatRequest,
    target: &Target,
    dropped: &mut Vec<Dropped>,
) {
    let allowed = match &chat.tool_choice {
        Some(ToolChoice::Allowed { names, .. }) => Some(names),
        _ => None,
    };
    let mut tools: Vec<Value> = Vec::new();
    for (index, item) in chat.tools.iter().enumerate() {
        if allowed.is_some_and(|names| !names.contains(&item.name)) {
            dropped.push(Dropped::new(
                format!("tools[{index}] ({})", item.name),
                "not among the allowed tools",
            ));
        } else {
            tools.extend(tool(item, index, target, dropped));
        }
    }
    let choice = tool_choice(chat, target, dropped);
    if tools.is_empty() {
        if matches!(choice, Some(ref choice) if is_forced(choice)) {
            dropped.push(Dropped::new("tool_choice", "there is no tool to choose from"));
        }
        return;
    }
    body.insert("tools".to_owned(), tools.into());
    body.extend(choice.map(|choice| ("tool_choice".to_owned(), choice)));
}

/// Writes one tool. A custom tool becomes a function with one text argument, `input`.
fn tool(tool: &Tool, index: usize, target: &Target, dropped: &mut Vec<Dropped>) -> Option<Value> {
    let path = format!("tools[{index}]");
    let (schema, is_strict) = match &tool.kind {
        ToolKind::Function { parameters, strict } => {
            let schema =
                crate::schema::rewrite(target.dialect.schema_rules, parameters).into_owned();
            held_to(object_schema(schema, &path, dropped), *strict, &path, target, dropped)
        }
        ToolKind::Custom { format } => {
            if format
                .as_ref()
                .is_some_and(|format| format.get("type").and_then(Value::as_str) != Some("text"))
            {
                dropped.push(Dropped::new(
                    format!("{path}.format"),
                    "free text cannot be held to a grammar",
                ));
            }
            let properties = json!({ "input": { "type": "string" } });
            (json!({ "type": "object", "properties": properties, "required": ["input"] }), false)
        }
        ToolKind::Server { protocol, declaration } if *protocol == ANTHROPIC_MESSAGES => {
            return Some(declaration.clone());
        }
        ToolKind::Server { .. } => {
            dropped.push(Dropped::new(
                format!("{path} ({})", tool.name),
                "a tool that only its own provider can run",
            ));
            return None;
        }
    };
    let mut value = Map::new();
    value.insert("name".to_owned(), tool.name.as_str().into());
    if let Some(description) = &tool.description {
        value.insert("description".to_owned(), description.as_str().into());
    }
    value.insert("input_schema".to_owned(), schema);
    if is_strict {
        value.insert("strict".to_owned(), true.into());
    }
    if tool.cache {
        value.insert("cache_control".to_owned(), json!({ "type": "ephemeral" }));
    }
    Some(Value::Object(value))
}

/// Returns the schema of a tool's arguments, and whether it is enforced.
fn held_to(
    schema: Value,
    strict: Option<bool>,
    path: &str,
    target: &Target,
    dropped: &mut Vec<Dropped>,
) -> (Value, bool) {
    if strict != Some(true) {
        return (schema, false);
    }
    if !takes_schema(target) {
        dropped.push(Dropped::new(format!("{path}.strict"), "the target cannot enforce a schema"));
        return (schema, false);
    }

    let Some(enforced) = enforced(&schema) else {
        dropped.push(Dropped::new(format!("{path}.strict"), CANNOT_ENFORCE));
        return (schema, false);
    };
    if enforced.closed {
        dropped.push(Dropped::new(format!("{path}.parameters"), CLOSED));
    }
    if enforced.described {
        dropped.push(Dropped::new(format!("{path}.parameters"), DESCRIBED));
    }
    (enforced.schema, true)
}

/// Returns the schema with the `type` that the protocol demands.
fn object_schema(schema: Value, path: &str, dropped: &mut Vec<Dropped>) -> Value {
    match schema {
        Value::Object(mut map) => {
            if map.get("type").and_then(Value::as_str) != Some("object") {
                dropped.push(Dropped::replaced(
                    format!("{path}.parameters.type"),
                    "set to object, since it must be one",
                ));
                map.insert("type".to_owned(), "object".into());
            }
            Value::Object(map)
        }
        Value::Null => json!({ "type": "object", "properties": {} }),
        _ => {
            dropped.push(Dropped::new(format!("{path}.parameters"), "not a JSON Schema object"));
            json!({ "type": "object", "properties": {} })
        }
    }
}

/// Returns true when the target can hold an answer or arguments to a schema.
fn takes_schema(target: &Target) -> bool {
    target.dialect.structured_output == StructuredOutput::JsonSchema
        && target.info.capabilities.structured_output != Some(false)
}

/// Returns true for a choice that leaves the model no way around a tool.
pub(super) fn is_forced(choice: &Value) -> bool {
    matches!(choice.get("type").and_then(Value::as_str), Some("any" | "tool"))
}

fn tool_choice(chat: &ChatRequest, target: &Target, dropped: &mut Vec<Dropped>) -> Option<Value> {
    let refuses_forced = !target.dialect.forced_tool_choice
        || thinking::refuses_forced_tools(&target.upstream_model);
    let mut choice = match chat.tool_choice.as_ref() {
        None => None,
        Some(ToolChoice::Auto | ToolChoice::Allowed { required: false, .. }) => {
            Some(json!({ "type": "auto" }))
        }
        Some(ToolChoice::None) => Some(json!({ "type": "none" })),
        Some(ToolChoice::Required) => Some(json!({ "type": "any" })),
        Some(ToolChoice::Named(name)) => Some(json!({ "type": "tool", "name": name })),
        Some(ToolChoice::Allowed { names, required: true }) => match names.as_slice() {
            [name] => Some(json!({ "type": "tool", "name": name })),
            _ => Some(json!({ "type": "any" })),
        },
    };
    if choice.as_ref().is_some_and(is_forced) && refuses_forced {
        dropped.push(Dropped::new("tool_choice", "the target cannot be made to call a tool"));
        choice = Some(json!({ "type": "auto" }));
    }
    if chat.parallel_tool_calls == Some(false) && chat.tool_choice != Some(ToolChoice::None) {
        let choice = choice.get_or_insert_with(|| json!({ "type": "auto" }));
        if let Some(choice) = choice.as_object_mut() {
            choice.insert("disable_parallel_tool_use".to_owned(), true.into());
        }
    }
    choice
}

/// Asks for structured output: by schema where the target takes one, else in words at the end of the system prompt.
fn output(
    body: &mut Map<String, Value>,
    chat: &ChatRequest,
    target: &Target,
    history: &mut History<'_>,
    dropped: &mut Vec<Dropped>,
) {
    const IN_WORDS: &str = "asked for in words, since the target cannot enforce it";
    if let OutputFormat::JsonSchema { description: Some(_), .. } = &chat.output {
        dropped
            .push(Dropped::new("output schema (description)", "the protocol has no place for it"));
    }
    match &chat.output {
        OutputFormat::Text => {}
        OutputFormat::JsonSchema { schema, .. } => {
            let schema_here = takes_schema(target).then(|| enforced(schema));
            if let Some(Some(enforced)) = schema_here {
                if enforced.closed {
                    dropped.push(Dropped::new("output schema", CLOSED));
                }
                if enforced.described {
                    dropped.push(Dropped::new("output schema", DESCRIBED));
                }
                let format = json!({ "type": "json_schema", "schema": enforced.schema });
                body.insert("output_config".to_owned(), json!({ "format": format }));
                return;
            }
            history.add_system(&format!(
                "Answer with one JSON object and nothing else. It must be valid against this JSON Schema:\n{}",
                crate::json::text(schema)
            ));
            dropped.push(Dropped::new("output schema", IN_WORDS));
        }
        OutputFormat::JsonObject => {
            history.add_system("Answer with one JSON object and nothing else.");
            dropped.push(Dropped::new("output format", IN_WORDS));
        }
    }
}

/// Leaves the last four cache markers in place: each covers everything before it, so the earliest are needed least.
fn limit_cache_markers(body: &mut Map<String, Value>, dropped: &mut Vec<Dropped>) {
    let mut count = 0;
    each_marked(body, &mut |_| count += 1);
    if count <= CACHE_MARKERS {
        return;
    }
    let mut surplus = count - CACHE_MARKERS;
    each_marked(body, &mut |block| {
        if surplus > 0 {
            surplus -= 1;
            block.shift_remove("cache_control");
        }
    });
    dropped.push(Dropped::new(
        "cache_control",
        "at most four are accepted: the earliest were left out",
    ));
}

/// Visits everything that has a cache marker, in the order of the prompt.
fn each_marked(body: &mut Map<String, Value>, visit: &mut dyn FnMut(&mut Map<String, Value>)) {
    for name in ["tools", "system", "messages"] {
        if let Some(Value::Array(items)) = body.get_mut(name) {
            items.iter_mut().for_each(|item| each_marked_in(item, visit));
        }
    }
}

fn each_marked_in(item: &mut Value, visit: &mut dyn FnMut(&mut Map<String, Value>)) {
    let Value::Object(block) = item else { return };
    if let Some(Value::Array(inner)) = block.get_mut("content") {
        inner.iter_mut().for_each(|item| each_marked_in(item, visit));
    }
    if block.get("cache_control").is_some_and(Value::is_object) {
        visit(block);
    }
}
