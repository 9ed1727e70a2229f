//! A client's request to its canonical form.
//!
//! Called by the router when the chosen target speaks another protocol. Accepts what OpenAI's API accepts and the additions
//! that its large relatives have made common; what has no place is reported through [`Fields::finish`]. Messages are read by
//! `decode_message`.

use indexmap::IndexMap;
use serde_json::{Value, json};
use sy_types::Failure;
use sy_types::chat::{
    ChatRequest, Dropped, Effort, OutputFormat, ReasoningOptions, Sampling, Tool, ToolChoice,
    ToolKind,
};

use super::decode_message;
use crate::fields::{Fields, indexed, missing, wrong};
use crate::ids::OPENAI_CHAT;
use crate::inbound::Head;

/// Reads the whole request.
pub(super) fn decode(body: &[u8], head: &Head) -> Result<ChatRequest, Failure> {
    let mut fields = Fields::root(body)?;
    let mut dropped = Vec::new();
    // Both are known from the head; `stream_options` is answered by the encoder.
    for known in ["model", "stream", "stream_options"] {
        fields.take(known);
    }
    forget_defaults(&mut fields);
    let messages =
        fields.array("messages")?.ok_or_else(|| missing("messages", "an array of messages"))?;
    let mut chat = ChatRequest {
        model: head.model.clone(),
        stream: head.stream,
        messages: decode_message::messages(messages, &mut dropped)?,
        tools: tools(&mut fields, &mut dropped)?,
        tool_choice: tool_choice(&mut fields)?,
        parallel_tool_calls: fields.bool("parallel_tool_calls")?,
        choices: fields.count("n")?.filter(|choices| *choices > 1),
        top_logprobs: top_logprobs(&mut fields)?,
        max_output_tokens: max_tokens(&mut fields, &mut dropped)?,
        stop: stop(&mut fields)?,
        sampling: sampling(&mut fields)?,
        reasoning: reasoning(&mut fields, &mut dropped)?,
        output: output(&mut fields, &mut dropped)?,
        user: user(&mut fields, &mut dropped)?,
        metadata: metadata(&mut fields)?,
        service_tier: fields.string("service_tier")?.filter(|tier| tier != "auto"),
        prompt_cache_key: fields.string("prompt_cache_key")?,
        unmapped: Vec::new(),
    };
    fields.finish(&mut dropped);
    chat.unmapped = dropped;
    Ok(chat)
}

/// Takes fields that only say what is so anyway, so that they are not reported.
fn forget_defaults(fields: &mut Fields) {
    for (name, default) in
        [("logprobs", json!(false)), ("store", json!(false)), ("modalities", json!(["text"]))]
    {
        if fields.peek(name) == Some(&default) {
            fields.take(name);
        }
    }
}

/// Reads how much is to be told of the likelihood of tokens.
fn top_logprobs(fields: &mut Fields) -> Result<Option<u64>, Failure> {
    if fields.peek("logprobs") != Some(&Value::Bool(true)) {
        return Ok(None);
    }
    fields.take("logprobs");
    Ok(Some(fields.count("top_logprobs")?.unwrap_or(0)))
}

/// Both names of the limit are in use; the newer wins.
fn max_tokens(fields: &mut Fields, dropped: &mut Vec<Dropped>) -> Result<Option<u64>, Failure> {
    let older = fields.count("max_tokens")?;
    let newer = fields.count("max_completion_tokens")?;
    if older.is_some() && newer.is_some() && older != newer {
        dropped.push(Dropped::new("max_tokens", "max_completion_tokens, the newer one, stands"));
    }
    Ok(newer.or(older))
}

fn user(fields: &mut Fields, dropped: &mut Vec<Dropped>) -> Result<Option<String>, Failure> {
    let newer = fields.string("safety_identifier")?;
    let Some(user) = fields.string("user")? else { return Ok(newer) };
    if newer.is_some_and(|newer| newer != user) {
        dropped.push(Dropped::new(
            "safety_identifier",
            "only one id of the end user is carried: user",
        ));
    }
    Ok(Some(user))
}

fn stop(fields: &mut Fields) -> Result<Vec<String>, Failure> {
    match fields.take("stop") {
        None => Ok(Vec::new()),
        Some(Value::String(text)) => Ok(vec![text]),
        Some(Value::Array(items)) => {
            let text = |(path, item): (String, Value)| match item {
                Value::String(text) => Ok(text),
                other => Err(wrong(&path, "a string", &other)),
            };
            indexed("stop", items).into_iter().map(text).collect()
        }
        Some(other) => Err(wrong("stop", "a string or an array of strings", &other)),
    }
}

fn sampling(fields: &mut Fields) -> Result<Sampling, Failure> {
    Ok(Sampling {
        temperature: fields.number("temperature")?,
        top_p: fields.number("top_p")?,
        top_k: fields.count("top_k")?,
        frequency_penalty: fields.number("frequency_penalty")?,
        presence_penalty: fields.number("presence_penalty")?,
        seed: fields.integer("seed")?,
    })
}

fn metadata(fields: &mut Fields) -> Result<IndexMap<String, String>, Failure> {
    let Some(notes) = fields.object("metadata")? else { return Ok(IndexMap::new()) };
    let text = |(key, value): (String, Value)| match value {
        Value::String(text) => Ok((key, text)),
        other => Err(wrong(&format!("metadata.{key}"), "a string", &other)),
    };
    notes.into_map().into_iter().map(text).collect()
}

/// Reads the ways in which this family asks for reasoning: `reasoning_effort` (OpenAI), `reasoning` (OpenRouter), `thinking`
/// (Z.AI, DeepSeek, Moonshot), `enable_thinking` (Alibaba).
fn reasoning(fields: &mut Fields, dropped: &mut Vec<Dropped>) -> Result<ReasoningOptions, Failure> {
    let mut options = ReasoningOptions::default();
    let mut effort = fields.string("reasoning_effort")?.map(|word| ("reasoning_effort", word));
    if let Some(mut object) = fields.object("reasoning")? {
        effort = object.string("effort")?.map(|word| ("reasoning.effort", word)).or(effort);
        options.budget_tokens = object.count("max_tokens")?;
        options.enabled = object.bool("enabled")?;
        options.visible = object.bool("exclude")?.map(|excluded| !excluded);
        object.finish(dropped);
    }
    if let Some(mut thinking) = fields.object("thinking")? {
        options.enabled = match thinking.string("type")?.as_deref() {
            None => options.enabled,
            Some("disabled") => Some(false),
            Some("enabled" | "adaptive" | "auto") => Some(true),
            Some(other) => {
                return Err(wrong(
                    "thinking.type",
                    "\"enabled\" or \"disabled\"",
                    &Value::from(other),
                ));
            }
        };
        options.budget_tokens = thinking.count("budget_tokens")?.or(options.budget_tokens);
        thinking.finish(dropped);
    }
    options.enabled = fields.bool("enable_thinking")?.or(options.enabled);
    options.budget_tokens = fields.count("thinking_budget")?.or(options.budget_tokens);
    options.visible = fields.bool("include_reasoning")?.or(options.visible);
    if let Some((path, word)) = effort {
        options.effort = Effort::parse(&word);
        if options.effort.is_none() {
            dropped.push(Dropped::new(path, "not a known word for effort"));
        }
    }
    Ok(options)
}

fn output(fields: &mut Fields, dropped: &mut Vec<Dropped>) -> Result<OutputFormat, Failure> {
    let Some(mut format) = fields.object("response_format")? else { return Ok(OutputFormat::Text) };
    let kind = format.required_string("type")?;
    let output = match kind.as_str() {
        "text" => OutputFormat::Text,
        "json_object" => OutputFormat::JsonObject,
        "json_schema" => {
            let mut schema = format.object("json_schema")?.ok_or_else(|| {
                missing("response_format.json_schema", "an object with name and schema")
            })?;
            let output = OutputFormat::JsonSchema {
                name: schema.string("name")?,
                description: schema.string("description")?,
                schema: schema.take("schema").unwrap_or_else(|| json!({})),
                strict: schema.bool("strict")?,
            };
            schema.finish(dropped);
            output
        }
        _ => {
            dropped.push(Dropped::new("response_format", "no counterpart in other protocols"));
            return Ok(OutputFormat::Text);
        }
    };
    format.finish(dropped);
    Ok(output)
}

fn tools(fields: &mut Fields, dropped: &mut Vec<Dropped>) -> Result<Vec<Tool>, Failure> {
    let mut tools = Vec::new();
    for (path, declaration) in fields.array("tools")?.unwrap_or_default() {
        tools.push(tool(path, declaration, dropped)?);
    }
    for (path, declaration) in fields.array("functions")?.unwrap_or_default() {
        tools.push(function(Fields::of(declaration, path)?, false, dropped)?);
    }
    if let Some(options) = fields.take("web_search_options") {
        let declaration = json!({ "type": "web_search", "web_search_options": options });
        tools.push(server_tool("web_search", declaration));
    }
    Ok(tools)
}

/// Reads one tool. Mistral's clients leave `type` out.
fn tool(path: String, declaration: Value, dropped: &mut Vec<Dropped>) -> Result<Tool, Failure> {
    let kind = declaration.get("type").and_then(Value::as_str).unwrap_or("function").to_owned();
    if !matches!(kind.as_str(), "function" | "custom") {
        return match declaration {
            Value::Object(_) => Ok(server_tool(&kind, declaration)),
            other => Err(wrong(&path, "an object", &other)),
        };
    }
    let mut outer = Fields::of(declaration, path)?;
    outer.take("type");
    let cache = decode_message::cache_mark(&mut outer, dropped);
    let expected = "an object with a name";
    let inner = outer.object(&kind)?.ok_or_else(|| missing(&outer.path(&kind), expected))?;
    let tool = if kind == "custom" {
        custom(inner, cache, dropped)?
    } else {
        function(inner, cache, dropped)?
    };
    outer.finish(dropped);
    Ok(tool)
}

fn function(mut inner: Fields, cache: bool, dropped: &mut Vec<Dropped>) -> Result<Tool, Failure> {
    let parameters = match inner.take("parameters") {
        None => json!({ "type": "object", "properties": {} }),
        Some(schema @ (Value::Object(_) | Value::Bool(_))) => schema,
        Some(other) => return Err(wrong(&inner.path("parameters"), "a JSON Schema", &other)),
    };
    let tool = Tool {
        name: inner.required_string("name")?,
        description: inner.string("description")?,
        kind: ToolKind::Function { parameters, strict: inner.bool("strict")? },
        cache: decode_message::cache_mark(&mut inner, dropped) || cache,
    };
    inner.finish(dropped);
    Ok(tool)
}

fn custom(mut inner: Fields, cache: bool, dropped: &mut Vec<Dropped>) -> Result<Tool, Failure> {
    let tool = Tool {
        name: inner.required_string("name")?,
        description: inner.string("description")?,
        kind: ToolKind::Custom { format: inner.take("format").map(flat) },
        cache,
    };
    inner.finish(dropped);
    Ok(tool)
}

/// Brings the format of a custom tool into the form of the Responses API, which has the grammar's fields beside `type` and not
/// one level below it.
fn flat(mut format: Value) -> Value {
    if let Value::Object(fields) = &mut format
        && let Some(Value::Object(grammar)) = fields.shift_remove("grammar")
    {
        fields.extend(grammar);
    }
    format
}

fn server_tool(kind: &str, declaration: Value) -> Tool {
    let kind_of = ToolKind::Server { protocol: OPENAI_CHAT, declaration };
    Tool { name: kind.to_owned(), description: None, kind: kind_of, cache: false }
}

fn tool_choice(fields: &mut Fields) -> Result<Option<ToolChoice>, Failure> {
    let legacy = fields.take("function_call");
    let choice = fields.take("tool_choice").or(legacy);
    let expected = "\"auto\", \"none\", \"required\" or an object that names a tool";
    Ok(match choice {
        None => None,
        Some(Value::String(word)) => Some(match word.as_str() {
            "auto" => ToolChoice::Auto,
            "none" => ToolChoice::None,
            // `any` is Mistral's word.
            "required" | "any" => ToolChoice::Required,
            _ => return Err(wrong("tool_choice", expected, &Value::from(word))),
        }),
        Some(object) => {
            let named = ["/function/name", "/custom/name", "/name"];
            let name = named.iter().find_map(|path| object.pointer(path)).and_then(Value::as_str);
            match (name, object.pointer("/allowed_tools")) {
                (Some(name), _) => Some(ToolChoice::Named(name.to_owned())),
                (None, Some(allowed)) => Some(allowed_tools(allowed)),
                (None, None) => return Err(wrong("tool_choice", expected, &object)),
            }
        }
    })
}

fn allowed_tools(allowed: &Value) -> ToolChoice {
    let name = |tool: &Value| {
        let name =
            ["/function/name", "/custom/name", "/name"].iter().find_map(|path| tool.pointer(path));
        name.and_then(Value::as_str).map(str::to_owned)
    };
    let tools = allowed.get("tools").and_then(Value::as_array);
    ToolChoice::Allowed {
        names: tools.into_iter().flatten().filter_map(name).collect(),
        required: allowed.get("mode").and_then(Value::as_str) == Some("required"),
    }
}
