//! A canonical request to the body of this protocol.
//!
//! Called for clients that speak another protocol. What cannot be carried is listed, field by field. It deliberately leaves
//! model and streaming out: they stand in the path.

use serde_json::{Map, Value, json};
use sy_types::Target;
use sy_types::chat::{ChatRequest, Dropped, OutputFormat};
use sy_types::target::{SchemaRules, StructuredOutput};

use super::history::Contents;
use super::{parts, thinking, tools};
use crate::face::Built;
use crate::{gemini_schema, schema};

/// The most stop texts that the API takes (ai.google.dev/api/generate-content, read 2026-11).
const MOST_STOP_TEXTS: usize = 5;

/// Makes the body.
pub(super) fn build(chat: &ChatRequest, target: &Target) -> Built {
    let mut body = Map::new();
    let mut dropped = Vec::new();
    let Contents { contents, instruction } = Contents::build(&chat.messages, target, &mut dropped);
    body.insert("contents".to_owned(), Value::Array(contents));
    if !instruction.is_empty() {
        body.insert(
            "systemInstruction".to_owned(),
            parts::object([("parts", Value::Array(instruction))]),
        );
    }
    tools::build(chat, target, &mut body, &mut dropped);
    let config = generation_config(chat, target, &mut dropped);
    if !config.is_empty() {
        body.insert("generationConfig".to_owned(), Value::Object(config));
    }
    report_rest(chat, &mut dropped);
    Built { body, dropped }
}

fn generation_config(
    chat: &ChatRequest,
    target: &Target,
    dropped: &mut Vec<Dropped>,
) -> Map<String, Value> {
    let mut config = Map::new();
    let mut set =
        |key: &str, value: Option<Value>| config.extend(value.map(|value| (key.to_owned(), value)));
    let sampling = &chat.sampling;
    if target.dialect.temperature {
        set("temperature", sampling.temperature.map(Value::from));
    } else if sampling.temperature.is_some() {
        dropped.push(Dropped::new("temperature", "the model does not take it"));
    }
    set("topP", sampling.top_p.map(Value::from));
    set("topK", sampling.top_k.map(Value::from));
    set("presencePenalty", sampling.presence_penalty.map(Value::from));
    set("frequencyPenalty", sampling.frequency_penalty.map(Value::from));
    // The API takes 32 bits.
    let seed = sampling.seed.map(|seed| i32::try_from(seed).map_err(|_| seed));
    match seed {
        Some(Err(_)) => dropped.push(Dropped::new("seed", "this provider takes 32 bits")),
        Some(Ok(seed)) => set("seed", Some(Value::from(seed))),
        None => {}
    }
    set("maxOutputTokens", max_output_tokens(chat, target, dropped).map(Value::from));
    let (stop, too_many) = chat.stop.split_at(chat.stop.len().min(MOST_STOP_TEXTS));
    set("stopSequences", (!stop.is_empty()).then(|| json!(stop)));
    if !too_many.is_empty() {
        dropped
            .push(Dropped::new(format!("stop[{MOST_STOP_TEXTS}..]"), "this provider takes five"));
    }
    if chat.stream {
        // Further answers and the likelihood of tokens are told of whole answers only.
        for (name, is_set) in
            [("n", chat.choices.is_some()), ("logprobs", chat.top_logprobs.is_some())]
        {
            dropped.extend(is_set.then(|| Dropped::new(name, "not carried in streams")));
        }
    } else {
        set("candidateCount", chat.choices.map(Value::from));
        set("responseLogprobs", chat.top_logprobs.map(|_| Value::Bool(true)));
        set("logprobs", chat.top_logprobs.filter(|top| *top > 0).map(Value::from));
    }
    set("thinkingConfig", thinking::build(&chat.reasoning, target, dropped));
    config.extend(output_format(&chat.output, target, dropped));
    config
}

fn max_output_tokens(
    chat: &ChatRequest,
    target: &Target,
    dropped: &mut Vec<Dropped>,
) -> Option<u64> {
    let asked = chat.max_output_tokens?;
    let most = target.info.limits.output;
    if most == 0 || asked <= most {
        return Some(asked);
    }
    dropped.push(Dropped::clamped("max_output_tokens", most, "more than the model gives"));
    Some(most)
}

fn output_format(
    output: &OutputFormat,
    target: &Target,
    dropped: &mut Vec<Dropped>,
) -> Map<String, Value> {
    let mut config = Map::new();
    if matches!(output, OutputFormat::Text) {
        return config;
    }
    config.insert("responseMimeType".to_owned(), Value::from("application/json"));
    // The schema's name and its strictness say nothing here: every schema is enforced.
    let OutputFormat::JsonSchema { description, schema, .. } = output else { return config };
    if description.is_some() {
        dropped
            .push(Dropped::new("response_format.description", "this provider has no place for it"));
    }
    // A schema that says nothing is "any JSON", which the type alone asks for; an empty one is refused.
    if schema.as_object().is_none_or(Map::is_empty) {
        return config;
    }
    match (target.dialect.structured_output, target.dialect.schema_rules) {
        (StructuredOutput::JsonObject, _) => {
            dropped.push(Dropped::new(
                "response_format.schema",
                "this provider only takes \"any JSON object\"",
            ));
        }
        (StructuredOutput::JsonSchema, SchemaRules::Gemini) if gemini_schema::exceeds(schema) => {
            let schema = gemini_schema::as_json_schema(schema);
            config.insert("responseJsonSchema".to_owned(), schema);
        }
        (StructuredOutput::JsonSchema, SchemaRules::Gemini) => {
            let rewritten = schema::rewrite(SchemaRules::Gemini, schema);
            if *rewritten != *schema {
                dropped.push(Dropped::new(
                    "response_format.schema",
                    "rewritten to the schema subset of this provider",
                ));
            }
            config.insert("responseSchema".to_owned(), rewritten.into_owned());
        }
        (StructuredOutput::JsonSchema, rules @ (SchemaRules::Any | SchemaRules::Moonshot)) => {
            config.insert(
                "responseJsonSchema".to_owned(),
                schema::rewrite(rules, schema).into_owned(),
            );
        }
    }
    config
}

fn report_rest(chat: &ChatRequest, dropped: &mut Vec<Dropped>) {
    const NO_PLACE: &str = "this provider has no place for it";
    if chat.parallel_tool_calls == Some(false) {
        dropped.push(Dropped::new(
            "parallel_tool_calls",
            "this provider cannot be limited to one call",
        ));
    }
    for (name, is_set) in [
        ("user", chat.user.is_some()),
        ("metadata", !chat.metadata.is_empty()),
        ("service_tier", chat.service_tier.as_deref().is_some_and(|tier| tier != "default")),
        ("prompt_cache_key", chat.prompt_cache_key.is_some()),
    ] {
        if is_set {
            dropped.push(Dropped::new(name, NO_PLACE));
        }
    }
    if chat.messages.iter().flat_map(|message| &message.parts).any(super::history::is_cache_mark)
        || chat.tools.iter().any(|tool| tool.cache)
    {
        dropped.push(Dropped::new("cache_control", "this provider decides itself what it caches"));
    }
}
