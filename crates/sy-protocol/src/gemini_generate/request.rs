//! A client's request to canonical form.
//!
//! Called for clients that speak Gemini when the target does not, and for token counting. It deliberately accepts both spellings
//! of every field, and one object where the API wants a list of one.

use serde_json::Value;
use sy_types::Failure;
use sy_types::chat::{ChatRequest, Dropped, OutputFormat};

use super::contents::History;
use super::{naming, thinking, tools};
use crate::fields::{Fields, indexed, missing, wrong};
use crate::gemini_schema;
use crate::inbound::Head;

/// Reads the whole request.
pub(super) fn decode(body: &[u8], head: &Head) -> Result<ChatRequest, Failure> {
    let mut fields = naming::fields(Fields::root(body)?.into_map().into(), "")?;
    // The token-counting call may wrap the request, to count tools and instructions too.
    if fields.peek("contents").is_none()
        && let Some(inner) = naming::nested(&mut fields, "generateContentRequest")?
    {
        fields = inner;
    }
    let mut chat =
        ChatRequest { model: head.model.clone(), stream: head.stream, ..ChatRequest::default() };
    let mut dropped = Vec::new();
    fields.take("model");
    let mut history = History::default();
    if let Some(instruction) = fields.take("systemInstruction") {
        history.instruction(instruction, fields.path("systemInstruction"))?;
    }
    let path = fields.path("contents");
    match fields.take("contents") {
        None => return Err(missing(&path, "an array of contents")),
        Some(Value::Array(items)) => {
            for (path, content) in indexed(&path, items) {
                history.content(content, path)?;
            }
        }
        Some(single @ (Value::Object(_) | Value::String(_))) => history.content(single, path)?,
        Some(other) => return Err(wrong(&path, "an array of contents", &other)),
    }
    (chat.messages, dropped) = history.into_messages(dropped);
    tools::decode(&mut fields, &mut chat, &mut dropped)?;
    if let Some(config) = naming::nested(&mut fields, "generationConfig")? {
        generation_config(config, &mut chat, &mut dropped)?;
    }
    fields.finish(&mut dropped);
    chat.unmapped = dropped;
    Ok(chat)
}

fn generation_config(
    mut config: Fields,
    chat: &mut ChatRequest,
    dropped: &mut Vec<Dropped>,
) -> Result<(), Failure> {
    chat.max_output_tokens = config.count("maxOutputTokens")?;
    chat.sampling.temperature = config.number("temperature")?;
    chat.sampling.top_p = config.number("topP")?;
    chat.sampling.top_k = config.count("topK")?;
    chat.sampling.presence_penalty = config.number("presencePenalty")?;
    chat.sampling.frequency_penalty = config.number("frequencyPenalty")?;
    chat.sampling.seed = config.integer("seed")?;
    for (path, text) in config.array("stopSequences")?.unwrap_or_default() {
        match text {
            Value::String(text) => chat.stop.push(text),
            other => return Err(wrong(&path, "a string", &other)),
        }
    }
    chat.choices = config.count("candidateCount")?.filter(|count| *count > 1);
    if config.bool("responseLogprobs")? == Some(true) {
        chat.top_logprobs = Some(config.count("logprobs")?.unwrap_or(0));
    }
    modalities(&mut config, dropped)?;
    chat.output = output_format(&mut config)?;
    if let Some(thinking) = naming::nested(&mut config, "thinkingConfig")? {
        chat.reasoning = thinking::decode(thinking, dropped)?;
    }
    config.finish(dropped);
    Ok(())
}

/// Text alone is what everybody answers with; other modalities cannot be asked for elsewhere.
fn modalities(config: &mut Fields, dropped: &mut Vec<Dropped>) -> Result<(), Failure> {
    let asked = config.array("responseModalities")?.unwrap_or_default();
    let is_text =
        |value: &Value| value.as_str().is_some_and(|word| word.eq_ignore_ascii_case("text"));
    if asked.iter().any(|(_, value)| !is_text(value)) {
        dropped.push(Dropped::new(config.path("responseModalities"), "only text can be asked for"));
    }
    Ok(())
}

fn output_format(config: &mut Fields) -> Result<OutputFormat, Failure> {
    // The JSON Schema form wins: the API lets only one be set.
    let schema = config.take("responseJsonSchema").or_else(|| config.take("_responseJsonSchema"));
    let schema = schema.or_else(|| config.take("responseSchema").map(gemini_schema::from_openapi));
    if let Some(schema) = schema {
        config.take("responseMimeType");
        return Ok(OutputFormat::JsonSchema {
            name: None,
            description: None,
            schema,
            strict: None,
        });
    }
    let mime =
        config.peek("responseMimeType").and_then(Value::as_str).unwrap_or_default().to_owned();
    match mime.as_str() {
        "application/json" => {
            config.take("responseMimeType");
            Ok(OutputFormat::JsonObject)
        }
        "" | "text/plain" => {
            config.string("responseMimeType")?;
            Ok(OutputFormat::Text)
        }
        _ => Ok(OutputFormat::Text),
    }
}
