//! A client's request to canonical: options, tools, tool choice. The messages are read by `content`.
//!
//! Called once per request, and only where the target speaks another protocol. What has no counterpart elsewhere is listed,
//! never refused; it deliberately checks types and shapes only, not what a model allows.

use serde_json::{Value, json};
use sy_types::Failure;
use sy_types::chat::{
    ChatRequest, Dropped, Effort, Message, OutputFormat, ReasoningOptions, Role, Sampling, Tool,
    ToolChoice, ToolKind,
};

use super::content::Reader;
use crate::fields::{Fields, missing, wrong};
use crate::ids::ANTHROPIC_MESSAGES;
use crate::inbound::Head;

/// What a body is sent for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// An answer: `max_tokens` must be there.
    Answer,
    /// A count of its tokens: there is no `max_tokens`.
    Count,
}

/// Reads a request.
pub(super) fn decode(body: &[u8], head: &Head, purpose: Purpose) -> Result<ChatRequest, Failure> {
    let mut fields = Fields::root(body)?;
    let mut dropped = Vec::new();
    // Both were read for routing.
    fields.take("model");
    fields.take("stream");
    let max_output_tokens = fields.count("max_tokens")?;
    if max_output_tokens.is_none() && purpose == Purpose::Answer {
        return Err(missing("max_tokens", "a whole number of at least 1"));
    }
    let mut reader = Reader::new(&mut dropped);
    let mut messages: Vec<Message> = match fields.take("system") {
        None => Vec::new(),
        Some(system) => vec![Message::new(Role::System, reader.content(system, "system")?)],
    };
    let turns =
        fields.array("messages")?.ok_or_else(|| missing("messages", "an array of messages"))?;
    for (path, turn) in turns {
        messages.extend(reader.message(turn, &path)?);
    }
    let (tool_choice, parallel_tool_calls) = tool_choice(&mut fields, &mut dropped)?;
    let sampling = Sampling {
        temperature: fields.number("temperature")?,
        top_p: fields.number("top_p")?,
        top_k: fields.count("top_k")?,
        ..Sampling::default()
    };
    let mut chat = ChatRequest {
        model: head.model.clone(),
        stream: head.stream,
        messages,
        tools: tools(&mut fields, &mut dropped)?,
        tool_choice,
        parallel_tool_calls,
        max_output_tokens,
        stop: stop_sequences(&mut fields)?,
        sampling,
        user: user(&mut fields, &mut dropped)?,
        service_tier: service_tier(&mut fields)?,
        ..ChatRequest::default()
    };
    reasoning_and_output(&mut fields, &mut chat, &mut dropped)?;
    fields.finish(&mut dropped);
    chat.unmapped = dropped;
    Ok(chat)
}

/// Reads the tier: `standard_only` is OpenAI's `default`, and `auto` asks for nothing.
fn service_tier(fields: &mut Fields) -> Result<Option<String>, Failure> {
    Ok(match fields.string("service_tier")?.as_deref() {
        Some("standard_only") => Some("default".to_owned()),
        None | Some("auto") => None,
        Some(other) => Some(other.to_owned()),
    })
}

fn stop_sequences(fields: &mut Fields) -> Result<Vec<String>, Failure> {
    let mut texts = Vec::new();
    for (path, item) in fields.array("stop_sequences")?.unwrap_or_default() {
        match item {
            Value::String(text) => texts.push(text),
            other => return Err(wrong(&path, "a string", &other)),
        }
    }
    Ok(texts)
}

fn user(fields: &mut Fields, dropped: &mut Vec<Dropped>) -> Result<Option<String>, Failure> {
    let Some(mut metadata) = fields.object("metadata")? else { return Ok(None) };
    let user = metadata.string("user_id")?;
    metadata.finish(dropped);
    Ok(user)
}

fn tools(fields: &mut Fields, dropped: &mut Vec<Dropped>) -> Result<Vec<Tool>, Failure> {
    let mut tools = Vec::new();
    for (path, value) in fields.array("tools")?.unwrap_or_default() {
        tools.push(tool(Fields::of(value, path)?, dropped)?);
    }
    Ok(tools)
}

/// Reads one tool. A type other than `custom` names a tool that the provider knows by itself.
fn tool(mut fields: Fields, dropped: &mut Vec<Dropped>) -> Result<Tool, Failure> {
    let kind = match fields.peek("type") {
        None => None,
        Some(Value::String(word)) => Some(word.clone()),
        Some(other) => return Err(wrong(&fields.path("type"), "a string", other)),
    };
    if let Some(name) = kind.filter(|word| word != "custom") {
        let declaration = Value::Object(fields.into_map());
        let cache = declaration.get("cache_control").is_some_and(Value::is_object);
        let kind = ToolKind::Server { protocol: ANTHROPIC_MESSAGES, declaration };
        return Ok(Tool { name, description: None, kind, cache });
    }
    fields.take("type");
    let schema_path = fields.path("input_schema");
    let parameters = match fields.take("input_schema") {
        Some(Value::Object(schema)) if schema.is_empty() => {
            json!({ "type": "object", "properties": {} })
        }
        Some(schema @ Value::Object(_)) => schema,
        Some(other) => return Err(wrong(&schema_path, "an object", &other)),
        None => return Err(missing(&schema_path, "a JSON Schema object")),
    };
    let tool = Tool {
        name: fields.required_string("name")?,
        description: fields.string("description")?,
        kind: ToolKind::Function { parameters, strict: fields.bool("strict")? },
        cache: cache_control(&mut fields, dropped)?,
    };
    fields.finish(dropped);
    Ok(tool)
}

/// Takes a cache marker; how long it is to live is reported.
pub(super) fn cache_control(
    fields: &mut Fields,
    dropped: &mut Vec<Dropped>,
) -> Result<bool, Failure> {
    let Some(mut marker) = fields.object("cache_control")? else { return Ok(false) };
    marker.take("type");
    marker.finish(dropped);
    Ok(true)
}

/// Reads `tool_choice`, in which this protocol also says whether several tools may be called at once.
fn tool_choice(
    fields: &mut Fields,
    dropped: &mut Vec<Dropped>,
) -> Result<(Option<ToolChoice>, Option<bool>), Failure> {
    let Some(mut choice) = fields.object("tool_choice")? else { return Ok((None, None)) };
    let path = choice.path("type");
    let kind = choice.required_string("type")?;
    let chosen = match kind.as_str() {
        "auto" => ToolChoice::Auto,
        "any" => ToolChoice::Required,
        "none" => ToolChoice::None,
        "tool" => ToolChoice::Named(choice.required_string("name")?),
        _ => return Err(wrong(&path, "auto, any, tool or none", &Value::String(kind))),
    };
    let parallel = choice.bool("disable_parallel_tool_use")?.map(|disabled| !disabled);
    choice.finish(dropped);
    Ok((Some(chosen), parallel))
}

/// Reads `thinking`, `output_config` and the older `output_format`.
fn reasoning_and_output(
    fields: &mut Fields,
    chat: &mut ChatRequest,
    dropped: &mut Vec<Dropped>,
) -> Result<(), Failure> {
    if let Some(thinking) = fields.object("thinking")? {
        chat.reasoning = reasoning(thinking, dropped)?;
    }
    if let Some(mut config) = fields.object("output_config")? {
        if let Some(word) = config.string("effort")? {
            chat.reasoning.effort = Effort::parse(&word);
            if chat.reasoning.effort.is_none() {
                dropped.push(Dropped::new(config.path("effort"), "an effort that is not known"));
            }
        }
        if let Some(format) = config.object("format")? {
            chat.output = output_format(format, dropped)?;
        }
        config.finish(dropped);
    }
    if let Some(format) = fields.object("output_format")? {
        chat.output = output_format(format, dropped)?;
    }
    Ok(())
}

fn reasoning(
    mut thinking: Fields,
    dropped: &mut Vec<Dropped>,
) -> Result<ReasoningOptions, Failure> {
    let mut options = ReasoningOptions::default();
    let path = thinking.path("type");
    let kind = thinking.required_string("type")?;
    match kind.as_str() {
        "enabled" => {
            let budget_path = thinking.path("budget_tokens");
            let budget = thinking.count("budget_tokens")?;
            options.enabled = Some(true);
            options.budget_tokens =
                Some(budget.ok_or_else(|| missing(&budget_path, "a number of tokens"))?);
        }
        "adaptive" => options.enabled = Some(true),
        "disabled" => options.enabled = Some(false),
        _ => return Err(wrong(&path, "enabled, adaptive or disabled", &Value::String(kind))),
    }
    options.visible = thinking.string("display")?.map(|word| word != "omitted");
    thinking.finish(dropped);
    Ok(options)
}

fn output_format(mut format: Fields, dropped: &mut Vec<Dropped>) -> Result<OutputFormat, Failure> {
    let path = format.path("type");
    let kind = format.required_string("type")?;
    if kind != "json_schema" {
        return Err(wrong(&path, "json_schema", &Value::String(kind)));
    }
    let schema_path = format.path("schema");
    let schema =
        format.take("schema").ok_or_else(|| missing(&schema_path, "a JSON Schema object"))?;
    format.finish(dropped);
    Ok(OutputFormat::JsonSchema { name: None, description: None, schema, strict: Some(true) })
}
