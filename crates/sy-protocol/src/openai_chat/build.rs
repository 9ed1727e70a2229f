//! The canonical request to a chat completions body, in the target's dialect.
//!
//! Called by [`crate::encode`] when the client speaks another protocol, and by the dialects of this family. Only fields that
//! nearly every vendor accepts are sent; the rest is reported, since many vendors refuse unknown fields. Messages are written
//! by `build_message`.

use serde_json::{Map, Value, json};
use sy_types::Target;
use sy_types::chat::{ChatRequest, Dropped, OutputFormat, Tool, ToolChoice, ToolKind};
use sy_types::target::{MaxTokensField, StructuredOutput, ToolCallIds};

use super::{build_message, build_reasoning};
use crate::face::Built;
use crate::ids::OPENAI_CHAT;
use crate::schema;

/// Makes a body.
pub(crate) fn build(chat: &ChatRequest, target: &Target, stream: bool) -> Built {
    let (mut body, mut dropped) = (Map::new(), Vec::new());
    let mut set = |key: &str, value: Value| body.insert(key.to_owned(), value);
    set("model", Value::from(&*target.upstream_model));
    set("messages", build_message::messages(&chat.messages, target, &mut dropped).into());
    set("stream", stream.into());
    if stream && target.dialect.stream_options {
        set("stream_options", json!({ "include_usage": true }));
    }
    limit_and_stop(chat, target, &mut body, &mut dropped);
    sampling(chat, target, &mut body, &mut dropped);
    tools(chat, target, &mut body, &mut dropped);
    build_reasoning::ask(&chat.reasoning, target, &mut body, &mut dropped);
    output(&chat.output, target, &mut body, &mut dropped);
    notes(chat, target, &mut body, &mut dropped);
    choices(chat, target, stream, &mut body, &mut dropped);
    Built { body, dropped }
}

/// Asks for further answers and for the likelihood of tokens. Both are told of whole answers only.
fn choices(
    chat: &ChatRequest,
    target: &Target,
    stream: bool,
    body: &mut Map<String, Value>,
    dropped: &mut Vec<Dropped>,
) {
    const STREAMED: &str = "not carried in streams";
    match chat.choices {
        Some(_) if stream => dropped.push(Dropped::new("n", STREAMED)),
        Some(choices) => {
            body.insert("n".to_owned(), choices.into());
        }
        None => {}
    }
    match chat.top_logprobs {
        Some(_) if stream => dropped.push(Dropped::new("logprobs", STREAMED)),
        Some(_) if is_strict(target) => {
            dropped.push(Dropped::new("logprobs", "the target refuses it"));
        }
        Some(top) => {
            body.insert("logprobs".to_owned(), true.into());
            if top > 0 {
                body.insert("top_logprobs".to_owned(), top.into());
            }
        }
        None => {}
    }
}

fn limit_and_stop(
    chat: &ChatRequest,
    target: &Target,
    body: &mut Map<String, Value>,
    dropped: &mut Vec<Dropped>,
) {
    if let Some(asked) = chat.max_output_tokens {
        let most = target.info.limits.output;
        if most > 0 && asked > most {
            dropped.push(Dropped::clamped("max_output_tokens", most, "more than the model gives"));
        }
        let field = match target.dialect.max_tokens_field {
            MaxTokensField::MaxTokens => "max_tokens",
            MaxTokensField::MaxCompletionTokens => "max_completion_tokens",
        };
        body.insert(field.to_owned(), if most > 0 { asked.min(most) } else { asked }.into());
    }
    if !chat.stop.is_empty() {
        body.insert("stop".to_owned(), chat.stop.clone().into());
    }
}

fn sampling(
    chat: &ChatRequest,
    target: &Target,
    body: &mut Map<String, Value>,
    dropped: &mut Vec<Dropped>,
) {
    let sampling = &chat.sampling;
    if !target.dialect.temperature && sampling.temperature.is_some() {
        dropped.push(Dropped::new("temperature", "the model takes none"));
    }
    let numbers = [
        ("temperature", sampling.temperature.filter(|_| target.dialect.temperature)),
        ("top_p", sampling.top_p),
        ("frequency_penalty", sampling.frequency_penalty),
        ("presence_penalty", sampling.presence_penalty),
    ];
    for (field, number) in numbers {
        if let Some(number) = number {
            body.insert(field.to_owned(), number.into());
        }
    }
    if sampling.top_k.is_some() {
        dropped.push(Dropped::new("top_k", "not part of chat completions"));
    }
    match sampling.seed {
        Some(_) if is_strict(target) => dropped.push(Dropped::new("seed", "the target refuses it")),
        Some(seed) => {
            body.insert("seed".to_owned(), seed.into());
        }
        None => {}
    }
}

/// Returns true for targets that answer 422 to every field they do not know: those with ids of nine letters (Mistral's API
/// reference, read 2026-11-21).
fn is_strict(target: &Target) -> bool {
    target.dialect.tool_call_ids == ToolCallIds::NineAlphanumeric
}

fn tools(
    chat: &ChatRequest,
    target: &Target,
    body: &mut Map<String, Value>,
    dropped: &mut Vec<Dropped>,
) {
    let allowed = match &chat.tool_choice {
        // Without a word for "none", not offering tools says the same.
        Some(ToolChoice::None) if !target.dialect.forced_tool_choice => return,
        Some(ToolChoice::Allowed { names, .. }) => Some(names),
        _ => None,
    };
    let mut written = Vec::new();
    for (index, tool) in chat.tools.iter().enumerate() {
        if allowed.is_some_and(|names| !names.contains(&tool.name)) {
            continue;
        }
        written.extend(write_tool(tool, &format!("tools[{index}]"), target, body, dropped));
    }
    if allowed.is_some() {
        dropped.push(Dropped::replaced(
            "tool_choice.allowed_tools",
            "sent as a shorter list of tools",
        ));
    }
    if written.is_empty() {
        let is_forced = matches!(
            chat.tool_choice,
            Some(
                ToolChoice::Required
                    | ToolChoice::Named(_)
                    | ToolChoice::Allowed { required: true, .. }
            )
        );
        if is_forced {
            dropped.push(Dropped::new("tool_choice", "no tool is left to choose"));
        }
        return;
    }
    if !build_message::takes_cache_marks(target) && chat.tools.iter().any(|tool| tool.cache) {
        dropped.push(Dropped::new("tools (cache_control)", "the target caches in its own way"));
    }
    body.insert("tools".to_owned(), written.into());
    if let Some(choice) =
        chat.tool_choice.as_ref().and_then(|choice| write_choice(choice, target, dropped))
    {
        body.insert("tool_choice".to_owned(), choice);
    }
    if let Some(parallel) = chat.parallel_tool_calls {
        body.insert("parallel_tool_calls".to_owned(), parallel.into());
    }
}

fn write_tool(
    tool: &Tool,
    path: &str,
    target: &Target,
    body: &mut Map<String, Value>,
    dropped: &mut Vec<Dropped>,
) -> Option<Value> {
    let (parameters, strict) = match &tool.kind {
        ToolKind::Function { parameters, strict } => {
            (schema::rewrite(target.dialect.schema_rules, parameters).into_owned(), *strict)
        }
        ToolKind::Custom { format } => {
            if format.is_some() {
                dropped.push(Dropped::replaced(
                    format!("{path}.format"),
                    "sent as a function with one text argument",
                ));
            }
            let input = json!({ "type": "string", "description": "The whole input of the tool, as free text." });
            (
                json!({ "type": "object", "properties": { "input": input }, "required": ["input"] }),
                None,
            )
        }
        ToolKind::Server { protocol, declaration } if *protocol == OPENAI_CHAT => {
            match declaration.get("web_search_options") {
                Some(options) => {
                    body.insert("web_search_options".to_owned(), options.clone());
                    return None;
                }
                None => return Some(declaration.clone()),
            }
        }
        ToolKind::Server { .. } => {
            let field = format!("{path} ({})", tool.name);
            dropped.push(Dropped::new(field, "a server tool of another protocol"));
            return None;
        }
    };
    let mut function = Map::new();
    function.insert("name".to_owned(), tool.name.as_str().into());
    if let Some(description) = &tool.description {
        function.insert("description".to_owned(), description.as_str().into());
    }
    function.insert("parameters".to_owned(), parameters);
    if let Some(strict) = strict {
        function.insert("strict".to_owned(), strict.into());
    }
    let mut written = json!({ "type": "function", "function": function });
    if tool.cache && build_message::takes_cache_marks(target) {
        build_message::mark_cache(&mut written);
    }
    Some(written)
}

fn write_choice(choice: &ToolChoice, target: &Target, dropped: &mut Vec<Dropped>) -> Option<Value> {
    if *choice == ToolChoice::Auto {
        return Some("auto".into());
    }
    if !target.dialect.forced_tool_choice {
        let is_auto = matches!(choice, ToolChoice::Allowed { required: false, .. });
        if !is_auto {
            dropped.push(Dropped::new("tool_choice", "the target only knows auto"));
        }
        return Some("auto".into());
    }
    Some(match choice {
        ToolChoice::Auto | ToolChoice::Allowed { required: false, .. } => "auto".into(),
        ToolChoice::None => "none".into(),
        ToolChoice::Required | ToolChoice::Allowed { required: true, .. } => "required".into(),
        ToolChoice::Named(name) => json!({ "type": "function", "function": { "name": name } }),
    })
}

fn output(
    output: &OutputFormat,
    target: &Target,
    body: &mut Map<String, Value>,
    dropped: &mut Vec<Dropped>,
) {
    let format = match (output, target.dialect.structured_output) {
        (OutputFormat::Text, _) => return,
        (OutputFormat::JsonObject, _) => json!({ "type": "json_object" }),
        (OutputFormat::JsonSchema { .. }, StructuredOutput::JsonObject) => {
            dropped.push(Dropped::new(
                "response_format.json_schema",
                "the target only knows json_object",
            ));
            json!({ "type": "json_object" })
        }
        (
            OutputFormat::JsonSchema { name, description, schema, strict },
            StructuredOutput::JsonSchema,
        ) => {
            let mut inner = Map::new();
            inner.insert("name".to_owned(), name.as_deref().unwrap_or("response").into());
            if let Some(description) = description {
                inner.insert("description".to_owned(), description.as_str().into());
            }
            inner.insert("schema".to_owned(), schema.clone());
            if let Some(strict) = strict {
                inner.insert("strict".to_owned(), (*strict).into());
            }
            json!({ "type": "json_schema", "json_schema": inner })
        }
    };
    body.insert("response_format".to_owned(), format);
}

/// Writes the caller's notes where they are safe to send: `metadata` is refused by OpenAI unless the answer is stored, and the
/// cache key and the tier are known to OpenAI's own dialect only.
fn notes(
    chat: &ChatRequest,
    target: &Target,
    body: &mut Map<String, Value>,
    dropped: &mut Vec<Dropped>,
) {
    if let Some(user) = &chat.user {
        if is_strict(target) {
            dropped.push(Dropped::new("user", "the target refuses it"));
        } else {
            body.insert("user".to_owned(), user.as_str().into());
        }
    }
    if !chat.metadata.is_empty() {
        dropped.push(Dropped::new("metadata", "only taken with stored answers"));
    }

    let is_openai = target.dialect.max_tokens_field == MaxTokensField::MaxCompletionTokens;
    match &chat.service_tier {
        Some(tier) if is_openai => {
            body.insert("service_tier".to_owned(), tier.as_str().into());
        }
        // The default is what everybody gives.
        Some(tier) if tier != "default" => {
            dropped.push(Dropped::new("service_tier", "the target has one tier"));
        }
        Some(_) | None => {}
    }
    if let Some(key) = &chat.prompt_cache_key {
        if is_openai {
            body.insert("prompt_cache_key".to_owned(), key.as_str().into());
        } else {
            dropped.push(Dropped::new("prompt_cache_key", "the target caches in its own way"));
        }
    }
}
