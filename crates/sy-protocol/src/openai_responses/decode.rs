//! A client's request to the canonical form.
//!
//! Called through [`super::OpenAiResponses`] when the request crosses to another protocol. It deliberately refuses what
//! refers to state that only OpenAI's servers hold: dropping it would silently lose the conversation.

use indexmap::IndexMap;
use serde_json::{Value, json};
use sy_types::chat::{ChatRequest, Dropped, Effort, Message, OutputFormat, ReasoningOptions, Role};
use sy_types::{ErrorKind, Failure, Side};

use super::namespaces::Namespaces;
use super::{items, tools};
use crate::fields::{Fields, missing, wrong};
use crate::inbound::Head;

/// Fields whose values say what happens anyway, so that they are no loss.
const HARMLESS: [(&str, &[Value]); 5] = [
    ("background", &[Value::Bool(false)]),
    ("store", &[Value::Bool(false)]),
    ("stream_options", &[]),
    ("truncation", &[]),
    ("top_logprobs", &[]),
];

/// What is included to be told how likely tokens were.
pub(super) const LOGPROBS: &str = "message.output_text.logprobs";

/// Reads a whole request.
///
/// # Errors
/// `Invalid`, naming the field at fault; `Unsupported` for a request that continues a conversation stored elsewhere.
pub(super) fn decode(body: &[u8], head: &Head) -> Result<ChatRequest, Failure> {
    let mut fields = Fields::root(body)?;
    refuse_stored_state(&fields)?;
    let mut chat =
        ChatRequest { model: head.model.clone(), stream: head.stream, ..ChatRequest::default() };
    let mut dropped = Vec::new();
    fields.take("model");
    fields.take("stream");
    if let Some(text) = fields.string("instructions")? {
        chat.messages.push(Message::text(Role::System, text));
    }
    let names = namespaces(&fields);
    let declared = fields.array("tools")?.unwrap_or_default();
    tools::decode(declared, &names, &mut chat.tools, &mut dropped)?;
    items::decode(&mut fields, &names, &mut chat, &mut dropped)?;
    chat.tool_choice = tools::decode_choice(&mut fields, &names, &mut dropped)?;
    chat.parallel_tool_calls = fields.bool("parallel_tool_calls")?;
    chat.max_output_tokens = fields.count("max_output_tokens")?;
    chat.sampling.temperature = fields.number("temperature")?;
    chat.sampling.top_p = fields.number("top_p")?;
    chat.reasoning = reasoning(&mut fields, &mut dropped)?;
    chat.output = output(&mut fields, &mut dropped)?;
    let user = fields.string("user")?;
    chat.user = fields.string("safety_identifier")?;
    if user.is_some() && chat.user.is_some() && user != chat.user {
        dropped.push(Dropped::new(
            "user",
            "only one id of the end user is carried: safety_identifier",
        ));
    }
    chat.user = chat.user.or(user);
    chat.metadata = metadata(&mut fields)?;
    chat.service_tier = fields.string("service_tier")?.filter(|tier| tier != "auto");
    chat.prompt_cache_key = fields.string("prompt_cache_key")?;
    settle(&mut fields, &mut chat, &mut dropped)?;
    fields.finish(&mut dropped);
    chat.unmapped = dropped;
    Ok(chat)
}

/// Learns the names of all tools, also of those that are declared in the middle of the input.
fn namespaces(fields: &Fields) -> Namespaces {
    let own = fields.peek("tools").and_then(Value::as_array).map(Vec::as_slice);
    let later = fields.peek("input").map(items::additional_tools).unwrap_or_default();
    Namespaces::of(&own.into_iter().chain(later).collect::<Vec<_>>())
}

/// Refuses what only the servers that stored it can resolve.
fn refuse_stored_state(fields: &Fields) -> Result<(), Failure> {
    let refuse = |field: &str, message: &str| {
        Err(Failure::new(ErrorKind::Unsupported, Side::Caller, format!("{field}: {message}"))
            .with_param(field))
    };
    if fields.peek("previous_response_id").is_some() {
        return refuse(
            "previous_response_id",
            "the answer it names is not stored here and this model speaks another protocol; send the whole conversation in input instead",
        );
    }
    if fields.peek("conversation").is_some() {
        return refuse(
            "conversation",
            "the conversation is not stored here and this model speaks another protocol; send the whole conversation in input instead",
        );
    }
    if fields.peek("prompt").is_some() {
        return refuse(
            "prompt",
            "stored prompts are known only to the provider that stores them and this model speaks another protocol; send instructions and input instead",
        );
    }
    if fields.peek("background").is_some_and(|value| *value == Value::Bool(true)) {
        return refuse(
            "background",
            "this model speaks another protocol, which cannot answer in the background; leave background out",
        );
    }
    Ok(())
}

/// Takes the fields whose value asks for nothing, or for what this face does anyway.
fn settle(
    fields: &mut Fields,
    chat: &mut ChatRequest,
    dropped: &mut Vec<Dropped>,
) -> Result<(), Failure> {
    for (index, (path, entry)) in
        fields.array("include")?.unwrap_or_default().into_iter().enumerate()
    {
        if entry == json!(LOGPROBS) {
            chat.top_logprobs = Some(fields.count("top_logprobs")?.unwrap_or(0));
            continue;
        }
        // Proofs of reasoning are always sent, because the conversation is never stored.
        if entry != json!("reasoning.encrypted_content") {
            let name = entry.as_str().map_or_else(|| index.to_string(), str::to_owned);
            dropped.push(Dropped::new(
                format!("{path} ({name})"),
                "no counterpart in other protocols",
            ));
        }
    }
    for (name, values) in HARMLESS {
        let is_default = match fields.peek(name) {
            None => false,
            Some(value) if values.contains(value) => true,
            Some(Value::String(word)) => {
                matches!(word.as_str(), "auto" | "default" | "disabled") && !is_cutting(name, word)
            }
            Some(value) => {
                (name == "top_logprobs" && value.as_u64() == Some(0)) || name == "stream_options"
            }
        };
        if is_default {
            fields.take(name);
        }
    }
    Ok(())
}

/// `truncation: "auto"` lets the provider cut the conversation, which no other protocol does.
fn is_cutting(name: &str, word: &str) -> bool {
    name == "truncation" && word == "auto"
}

fn reasoning(fields: &mut Fields, dropped: &mut Vec<Dropped>) -> Result<ReasoningOptions, Failure> {
    let mut options = ReasoningOptions::default();
    let Some(mut reasoning) = fields.object("reasoning")? else { return Ok(options) };
    if let Some(word) = reasoning.string("effort")? {
        let path = reasoning.path("effort");
        let expected = "none, minimal, low, medium, high, xhigh or max";
        let effort =
            Effort::parse(&word).ok_or_else(|| wrong(&path, expected, &Value::String(word)))?;
        options.effort = Some(effort);
        options.enabled = (effort == Effort::None).then_some(false);
    }
    let older = reasoning.string("generate_summary")?;
    let summary = reasoning.string("summary")?.or(older);
    options.visible = summary.map(|word| word != "none");
    reasoning.finish(dropped);
    Ok(options)
}

fn output(fields: &mut Fields, dropped: &mut Vec<Dropped>) -> Result<OutputFormat, Failure> {
    let Some(mut text) = fields.object("text")? else { return Ok(OutputFormat::Text) };
    let format = text.object("format")?;
    if text.peek("verbosity") == Some(&json!("medium")) {
        text.take("verbosity");
    }
    text.finish(dropped);
    let Some(mut format) = format else { return Ok(OutputFormat::Text) };
    let kind = format.required_string("type")?;
    match kind.as_str() {
        "text" => Ok(OutputFormat::Text),
        "json_object" => Ok(OutputFormat::JsonObject),
        "json_schema" => {
            let path = format.path("schema");
            let schema =
                format.take("schema").ok_or_else(|| missing(&path, "a JSON Schema object"))?;
            Ok(OutputFormat::JsonSchema {
                name: format.string("name")?,
                description: format.string("description")?,
                schema,
                strict: format.bool("strict")?,
            })
        }
        _ => Err(wrong(
            &format.path("type"),
            "text, json_object or json_schema",
            &Value::String(kind),
        )),
    }
}

fn metadata(fields: &mut Fields) -> Result<IndexMap<String, String>, Failure> {
    let Some(notes) = fields.object("metadata")? else { return Ok(IndexMap::new()) };
    let path = |key: &str| format!("metadata.{key}");
    let mut metadata = IndexMap::new();
    for (key, value) in notes.into_map() {
        match value {
            Value::String(text) => metadata.insert(key, text),
            other => return Err(wrong(&path(&key), "a string", &other)),
        };
    }
    Ok(metadata)
}
