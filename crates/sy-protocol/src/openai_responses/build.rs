//! The canonical request to a body for a provider.
//!
//! Called through [`super::OpenAiResponses`] when the client speaks another protocol. Nothing is stored at the provider
//! (`store: false`), so reasoning is asked for in its encrypted form wherever the model reasons. It deliberately never uses
//! `previous_response_id`.

use serde_json::{Map, Value, json};
use sy_types::chat::{ChatRequest, Dropped, OutputFormat, Tool, ToolChoice};
use sy_types::target::{ReasoningRequest, StructuredOutput};
use sy_types::{Failure, Target};

use super::decode::LOGPROBS;
use super::{history, tools};
use crate::face::Built;
use crate::reasoning;

/// The least that OpenAI accepts as `max_output_tokens` (docs read 2026-11-21).
const MIN_OUTPUT_TOKENS: u64 = 16;
/// The longest name of a schema that OpenAI accepts.
const MAX_SCHEMA_NAME: usize = 64;

/// Makes the body.
///
/// # Errors
/// None today: what cannot be carried is reported.
pub(super) fn build(chat: &ChatRequest, target: &Target, stream: bool) -> Result<Built, Failure> {
    let mut dropped = Vec::new();
    let mut body = Map::new();
    let mut set = |key: &str, value: Value| body.insert(key.to_owned(), value);
    set("model", Value::from(&*target.upstream_model));
    set("stream", Value::Bool(stream));
    set("store", Value::Bool(false));
    let (instructions, input) = history::build(&chat.messages, target, &mut dropped);
    if let Some(text) = instructions {
        set("instructions", Value::String(text));
    }
    set("input", Value::Array(input));
    let declared = tools::build(&chat.tools, target, &mut dropped);
    let offers_tools = !declared.is_empty();
    if offers_tools {
        set("tools", Value::Array(declared));
    }
    let is_forced = matches!(
        chat.tool_choice,
        Some(ToolChoice::Required | ToolChoice::Named(_) | ToolChoice::Allowed { .. })
    );
    if is_forced && !offers_tools {
        dropped.push(Dropped::new("tool_choice", "no tool is left to choose"));
    } else if let Some(choice) = &chat.tool_choice {
        tools::build_choice(choice, &chat.tools, target, &mut dropped)
            .map(|choice| set("tool_choice", choice));
    }
    if let Some(parallel) = chat.parallel_tool_calls {
        set("parallel_tool_calls", Value::Bool(parallel));
    }
    if let Some(limit) = max_output_tokens(chat, target, &mut dropped) {
        set("max_output_tokens", Value::from(limit));
    }
    reasoning_options(chat, target, &mut body, &mut dropped);
    sampling(chat, target, &mut body, &mut dropped);
    output(&chat.output, target, &mut body, &mut dropped);
    notes(chat, &mut body);
    logprobs(chat, stream, &mut body, &mut dropped);
    report_caching(chat, &mut dropped);
    Ok(Built { body, dropped })
}

fn max_output_tokens(
    chat: &ChatRequest,
    target: &Target,
    dropped: &mut Vec<Dropped>,
) -> Option<u64> {
    let asked = chat.max_output_tokens?;
    let most = target.info.limits.output;
    if most > 0 && asked > most {
        dropped.push(Dropped::clamped("max_output_tokens", most, "more than the model gives"));
        return Some(most.max(MIN_OUTPUT_TOKENS));
    }
    if asked < MIN_OUTPUT_TOKENS {
        dropped.push(Dropped::raised(
            "max_output_tokens",
            MIN_OUTPUT_TOKENS,
            "raised to the least this protocol accepts",
        ));
    }
    Some(asked.max(MIN_OUTPUT_TOKENS))
}

fn reasoning_options(
    chat: &ChatRequest,
    target: &Target,
    body: &mut Map<String, Value>,
    dropped: &mut Vec<Dropped>,
) {
    let options = &chat.reasoning;
    let is_off = reasoning::is_off(options);
    let effort =
        if is_off { Some(sy_types::chat::Effort::None) } else { reasoning::effort(options) };
    let is_asked = !is_off
        && (effort.is_some() || options.enabled == Some(true) || options.visible == Some(true));
    if target.info.capabilities.reasoning == Some(false)
        || target.dialect.reasoning_request == ReasoningRequest::None
    {
        if is_asked {
            dropped.push(Dropped::new("reasoning", "the target takes no wishes about reasoning"));
        }
        return;
    }
    let mut wishes = Map::new();
    if let Some(effort) = effort {
        wishes.insert("effort".to_owned(), Value::from(effort.name()));
    }
    if options.visible == Some(true) && !is_off {
        wishes.insert("summary".to_owned(), Value::from("auto"));
    }
    if !wishes.is_empty() {
        body.insert("reasoning".to_owned(), Value::Object(wishes));
    }
    // Models that do not reason refuse the field, so it is sent only where reasoning is known or wished for.
    if !is_off && (is_asked || target.info.capabilities.reasoning == Some(true)) {
        body.insert("include".to_owned(), json!(["reasoning.encrypted_content"]));
    }
}

fn sampling(
    chat: &ChatRequest,
    target: &Target,
    body: &mut Map<String, Value>,
    dropped: &mut Vec<Dropped>,
) {
    let sampling = &chat.sampling;
    let takes_temperature =
        target.dialect.temperature && target.info.capabilities.temperature != Some(false);
    if let Some(temperature) = sampling.temperature {
        if takes_temperature {
            body.insert("temperature".to_owned(), json!(temperature));
        } else {
            dropped.push(Dropped::new("temperature", "the model does not take it"));
        }
    }
    if let Some(top_p) = sampling.top_p {
        body.insert("top_p".to_owned(), json!(top_p));
    }
    let absent = [
        ("top_k", sampling.top_k.is_some()),
        ("frequency_penalty", sampling.frequency_penalty.is_some_and(|penalty| penalty != 0.0)),
        ("presence_penalty", sampling.presence_penalty.is_some_and(|penalty| penalty != 0.0)),
        ("seed", sampling.seed.is_some()),
        ("stop", !chat.stop.is_empty()),
    ];
    for (field, _) in absent.into_iter().filter(|(_, is_set)| *is_set) {
        dropped.push(Dropped::new(field, "the Responses API does not have it"));
    }
}

fn output(
    format: &OutputFormat,
    target: &Target,
    body: &mut Map<String, Value>,
    dropped: &mut Vec<Dropped>,
) {
    let takes_schema = target.dialect.structured_output == StructuredOutput::JsonSchema;
    let format = match format {
        OutputFormat::Text => return,
        OutputFormat::JsonObject => json!({"type": "json_object"}),
        OutputFormat::JsonSchema { .. } if !takes_schema => {
            dropped.push(Dropped::new(
                "response_format.json_schema",
                "the target only knows JSON objects",
            ));
            json!({"type": "json_object"})
        }
        OutputFormat::JsonSchema { name, description, schema, strict } => {
            let mut format = Map::new();
            format.insert("type".to_owned(), Value::from("json_schema"));
            format.insert("name".to_owned(), Value::String(schema_name(name.as_deref())));
            format.insert("schema".to_owned(), schema.clone());
            if let Some(description) = description {
                format.insert("description".to_owned(), Value::from(description.as_str()));
            }
            if let Some(strict) = strict {
                format.insert("strict".to_owned(), Value::Bool(*strict));
            }
            Value::Object(format)
        }
    };
    body.insert("text".to_owned(), json!({"format": format}));
}

/// A name is demanded, of letters, digits, `_` and `-`.
fn schema_name(name: Option<&str>) -> String {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let name: String = name
        .unwrap_or_default()
        .chars()
        .take(MAX_SCHEMA_NAME)
        .map(|c| if is_allowed(c) { c } else { '_' })
        .collect();
    if name.is_empty() { "answer".to_owned() } else { name }
}

/// Asks for the likelihood of tokens, which is told of whole answers only. Further answers are unknown here.
fn logprobs(
    chat: &ChatRequest,
    stream: bool,
    body: &mut Map<String, Value>,
    dropped: &mut Vec<Dropped>,
) {
    if chat.choices.is_some() {
        dropped.push(Dropped::new("n", "the Responses API does not have it"));
    }
    match chat.top_logprobs {
        Some(_) if stream => dropped.push(Dropped::new("logprobs", "not carried in streams")),
        Some(top) => {
            body.insert("top_logprobs".to_owned(), top.into());
            if let Value::Array(included) = body.entry("include").or_insert_with(|| json!([])) {
                included.push(LOGPROBS.into());
            }
        }
        None => {}
    }
}

fn notes(chat: &ChatRequest, body: &mut Map<String, Value>) {
    if let Some(user) = &chat.user {
        body.insert("user".to_owned(), Value::from(user.as_str()));
    }
    if let Some(key) = &chat.prompt_cache_key {
        body.insert("prompt_cache_key".to_owned(), Value::from(key.as_str()));
    }
    if let Some(tier) = &chat.service_tier {
        body.insert("service_tier".to_owned(), Value::from(tier.as_str()));
    }
    if !chat.metadata.is_empty() {
        body.insert("metadata".to_owned(), json!(chat.metadata));
    }
}

/// Marks of cacheable prefixes are reported once, not one by one: providers of this protocol cache without them.
fn report_caching(chat: &ChatRequest, dropped: &mut Vec<Dropped>) {
    let mut parts = chat.messages.iter().flat_map(|message| &message.parts);
    if chat.tools.iter().any(|tool: &Tool| tool.cache) || parts.any(history::is_cache_mark) {
        dropped.push(Dropped::new("cache_control", "the provider caches prefixes by itself"));
    }
}
