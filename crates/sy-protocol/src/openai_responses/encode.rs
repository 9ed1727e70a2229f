//! The canonical answer to output items and a whole response object.
//!
//! Called through [`super::OpenAiResponses`]; the stream encoder writes its items with the same functions. Each part becomes an
//! item of its own. A proof that hangs on a text or a call follows it in a reasoning item, see [`super::proof`].

use serde_json::{Value, json};
use sy_types::Media as Kind;
use sy_types::chat::{
    ChatResponse, Citation, FinishReason, Media, Part, Reasoning, Signature, Source, TokenLogprob,
    ToolCall,
};

use super::echo::Echo;
use super::{history, parts, proof};
use crate::face::ReplyInfo;
use crate::ids::OPENAI_RESPONSES;
use crate::logprobs;

/// Writes a whole answer.
pub(super) fn encode(info: &ReplyInfo<'_>, response: &ChatResponse) -> Value {
    let mut echo = Echo::new(info);
    echo.start(response.id.as_deref(), response.model.as_deref(), response.created);
    let mut output = Vec::new();
    for part in &response.parts {
        encode_part(&echo, part, &mut output);
    }
    tell_logprobs(&response.logprobs, &mut output);
    echo.ended(response.finish.as_ref().unwrap_or(&FinishReason::Stop), output, response.usage)
}

/// Puts the likelihood of tokens into the first text.
fn tell_logprobs(tokens: &[TokenLogprob], output: &mut [Value]) {
    let text = output
        .iter_mut()
        .filter_map(|item| item.pointer_mut("/content/0"))
        .find(|part| part.get("type").and_then(Value::as_str) == Some("output_text"));
    if let (Some(Value::Object(part)), false) = (text, tokens.is_empty()) {
        part.insert("logprobs".to_owned(), logprobs::write_openai(tokens).into());
    }
}

fn encode_part(echo: &Echo, part: &Part, output: &mut Vec<Value>) {
    let index = output.len();
    let mut signed = None;
    match part {
        Part::Text(text) => {
            if !text.text.is_empty() || !text.citations.is_empty() {
                let id = echo.item_id("msg", index);
                output.push(message(
                    &id,
                    "completed",
                    vec![text_part(&text.text, &text.citations)],
                ));
                signed = text.signature.as_ref().map(|signature| (id, signature));
            }
        }
        Part::Refusal(text) => {
            output.push(message(
                &echo.item_id("msg", index),
                "completed",
                vec![refusal_part(text)],
            ));
        }
        Part::Reasoning(thought) => output.push(reasoning(&echo.item_id("rs", index), thought)),
        Part::ToolCall(call) => {
            output.push(tool_call(echo, index, call, "completed"));
            signed = call.signature.as_ref().map(|signature| (call.id.clone(), signature));
        }
        Part::Media(media) => output.extend(picture(&echo.item_id("ig", index), media)),
        Part::Opaque(opaque) if opaque.protocol == OPENAI_RESPONSES => {
            output.push(opaque.value.clone())
        }
        Part::Opaque(_) | Part::ToolResult(_) => {}
    }
    if let Some((owner, signature)) = signed {
        output.push(owned_proof(&echo.item_id("rs", output.len()), &owner, signature));
    }
}

/// Writes a message item.
pub(super) fn message(id: &str, status: &str, content: Vec<Value>) -> Value {
    let mut item = json!({"id": id, "type": "message", "status": status, "role": "assistant"});
    if let Value::Object(map) = &mut item {
        map.insert("content".to_owned(), Value::Array(content));
    }
    item
}

/// Writes a text part.
pub(super) fn text_part(text: &str, citations: &[Citation]) -> Value {
    let length = text.chars().count();
    let annotations: Vec<Value> =
        citations.iter().map(|citation| parts::annotation(citation, length)).collect();
    json!({"type": "output_text", "text": text, "annotations": annotations, "logprobs": []})
}

/// Writes a refusal part.
pub(super) fn refusal_part(text: &str) -> Value {
    json!({"type": "refusal", "refusal": text})
}

/// Writes a reasoning item.
pub(super) fn reasoning(id: &str, reasoning: &Reasoning) -> Value {
    let mut item =
        json!({"id": id, "type": "reasoning", "summary": history::summary(&reasoning.text)});
    if let (Some(proof), Value::Object(map)) = (proof::write(reasoning), &mut item) {
        map.insert("encrypted_content".to_owned(), Value::String(proof));
    }
    item
}

/// Writes the reasoning item that carries the proof of another item.
pub(super) fn owned_proof(id: &str, owner: &str, signature: &Signature) -> Value {
    json!({
        "id": id,
        "type": "reasoning",
        "summary": [],
        "encrypted_content": proof::write_owned(owner, signature),
    })
}

/// Writes a tool call in the form in which the client declared the tool.
pub(super) fn tool_call(echo: &Echo, index: usize, call: &ToolCall, status: &str) -> Value {
    let is_custom = call.custom || echo.is_custom(&call.name);
    let declared = echo.declared(&call.name);
    let name = declared.map_or(call.name.as_str(), |tool| &tool.name);
    let mut item = if is_custom {
        json!({
            "id": echo.item_id("ctc", index),
            "type": "custom_tool_call",
            "status": status,
            "call_id": call.id,
            "name": name,
            "input": if call.custom { call.arguments.clone() } else { free_text(&call.arguments) },
        })
    } else {
        json!({
            "id": echo.item_id("fc", index),
            "type": "function_call",
            "status": status,
            "call_id": call.id,
            "name": name,
            "arguments": call.arguments,
        })
    };
    let namespace = declared.and_then(|tool| tool.namespace.as_deref());
    if let (Some(namespace), Value::Object(map)) = (namespace, &mut item) {
        map.insert("namespace".to_owned(), Value::from(namespace));
    }
    item
}

/// Unwraps the input of a custom tool that was offered as a function with one argument `input`.
pub(super) fn free_text(arguments: &str) -> String {
    let value: Option<Value> = crate::json::read(arguments.as_bytes()).ok();
    match value.as_ref().and_then(|value| value.get("input")) {
        Some(Value::String(text)) => text.clone(),
        _ => arguments.to_owned(),
    }
}

/// Writes a picture as what the image tool made; other media and pictures at an address have no place in an answer.
pub(super) fn picture(id: &str, media: &Media) -> Option<Value> {
    match (media.kind, &media.source) {
        (Kind::Image, Source::Base64(data)) => {
            let format =
                media.mime.as_deref().and_then(|mime| mime.strip_prefix("image/")).unwrap_or("png");
            Some(json!({
                "id": id,
                "type": "image_generation_call",
                "status": "completed",
                "output_format": format,
                "result": String::from_utf8_lossy(data),
            }))
        }
        _ => None,
    }
}
