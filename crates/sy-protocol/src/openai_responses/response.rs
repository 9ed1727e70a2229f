//! A provider's whole answer to the canonical form.
//!
//! Called through [`super::OpenAiResponses`]; the stream decoder uses the same readers for whole items. It is lenient: vendors
//! leave fields out, and what is not understood is kept as an opaque part.

use serde_json::Value;
use sy_types::Media as Kind;
use sy_types::chat::{
    ChatResponse, Dropped, FinishReason, Opaque, Part, Reasoning, Signature, Text, ToolCall, Usage,
};
use sy_types::{ErrorKind, Failure};

use super::parts;
use super::proof::{self, Proof};
use crate::failure::Reported;
use crate::ids::OPENAI_RESPONSES;
use crate::{logprobs, media};

/// Reads a whole answer.
///
/// # Errors
/// `Malformed` when it cannot be read, or the failure that the body reports.
pub(super) fn decode(body: &[u8]) -> Result<ChatResponse, Failure> {
    let value: Value = crate::json::read(body).map_err(|error| {
        Failure::provider(
            ErrorKind::Malformed,
            format!("the provider's answer is not JSON: {error}"),
        )
    })?;
    if let Some(failure) = reported_failure(&value) {
        return Err(failure);
    }
    let Some(output) = value.get("output").and_then(Value::as_array) else {
        let message = "the provider's answer has no output: expected a response object";
        return Err(Failure::provider(ErrorKind::Malformed, message));
    };
    let mut response = ChatResponse {
        id: text(&value, "id"),
        model: text(&value, "model"),
        created: created(&value),
        usage: value.get("usage").and_then(usage),
        ..ChatResponse::default()
    };
    for (index, item) in output.iter().enumerate() {
        decode_item(index, item, &mut response);
    }
    let calls_tools = response.parts.iter().any(|part| matches!(part, Part::ToolCall(_)));
    response.finish = finish(&value, calls_tools);
    Ok(response)
}

/// Returns the failure that a response object or error body reports.
pub(super) fn reported_failure(value: &Value) -> Option<Failure> {
    let has_error = value.get("error").is_some_and(|error| !error.is_null());
    let status = value.get("status").and_then(Value::as_str);
    match status {
        Some("failed") => Some(Reported::of(value).into_failure(0)),
        Some("cancelled") => Some(Failure::provider(
            ErrorKind::Unavailable,
            "the provider cancelled the answer before it was complete",
        )),
        _ if has_error => Some(Reported::of(value).into_failure(0)),
        _ => None,
    }
}

/// Returns why the answer ended; `None` while the provider still works on it.
pub(super) fn finish(response: &Value, calls_tools: bool) -> Option<FinishReason> {
    match response.get("status").and_then(Value::as_str) {
        Some("queued" | "in_progress") => None,
        Some("incomplete") => {
            let details = response.get("incomplete_details");
            let reason = details.and_then(|details| details.get("reason")).and_then(Value::as_str);
            Some(match reason {
                Some("content_filter") => FinishReason::ContentFilter,
                // How our own answers say that the provider ended with an error.
                None if details.is_some_and(Value::is_object) => FinishReason::Error,
                Some("max_output_tokens" | "max_tokens" | "length") | None => FinishReason::Length,
                Some("error") => FinishReason::Error,
                Some(other) => FinishReason::Other(other.to_owned()),
            })
        }
        _ if calls_tools => Some(FinishReason::ToolCalls),
        _ => Some(FinishReason::Stop),
    }
}

/// Reads token counts. Zero in and zero out is how servers without counts fill the field.
pub(super) fn usage(value: &Value) -> Option<Usage> {
    let count = |value: &Value, key: &str| value.get(key).and_then(crate::json::count);
    let detail = |group: &str, key: &str| {
        value.get(group).and_then(|details| count(details, key)).unwrap_or(0)
    };
    let input = count(value, "input_tokens").unwrap_or(0);
    let mut output = count(value, "output_tokens").unwrap_or(0);
    let reasoning = detail("output_tokens_details", "reasoning_tokens");
    if count(value, "total_tokens").is_some_and(|total| total == input + output + reasoning) {
        // Counted beside the answer, not within it (xAI does so elsewhere).
        output += reasoning;
    }
    let usage = Usage {
        input,
        cache_read: detail("input_tokens_details", "cached_tokens"),
        cache_write: detail("input_tokens_details", "cache_write_tokens"),
        output: output.max(reasoning),
        reasoning,
    };
    (usage != Usage::default()).then_some(usage)
}

fn decode_item(index: usize, item: &Value, response: &mut ChatResponse) {
    match item.get("type").and_then(Value::as_str).unwrap_or_default() {
        "message" => decode_message(index, item, response),
        "reasoning" => match proof_of(item) {
            Some(Proof::Owned { signature, .. }) => attach(&mut response.parts, signature),
            _ => response.parts.push(Part::Reasoning(reasoning(item))),
        },
        "function_call" | "custom_tool_call" => {
            response.parts.push(Part::ToolCall(call(index, item)))
        }
        _ => response.parts.push(other(item)),
    }
}

fn attach(parts: &mut [Part], signature: Signature) {
    match parts.last_mut() {
        Some(Part::Text(text)) => text.signature = Some(signature),
        Some(Part::ToolCall(call)) => call.signature = Some(signature),
        _ => {}
    }
}

fn decode_message(index: usize, item: &Value, response: &mut ChatResponse) {
    if let Some(Value::String(text)) = item.get("content") {
        response.parts.push(Part::text(text.as_str()));
        return;
    }
    for (at, part) in array(item, "content").iter().enumerate() {
        match message_part(part) {
            Some(Part::Text(text)) if text.text.is_empty() && text.citations.is_empty() => {}
            Some(Part::Refusal(text)) if text.is_empty() => {}
            Some(part) => response.parts.push(part),
            None => {}
        }
        let cited = array(part, "annotations");
        if cited.iter().any(|annotation| parts::citation(annotation).is_none()) {
            let field = format!("output[{index}].content[{at}].annotations");
            response.unmapped.push(Dropped::new(field, "only sources at an address are carried"));
        }
        response.logprobs.extend(logprobs::read_openai(array(part, "logprobs")));
    }
}

/// Reads one content part of a message.
pub(super) fn message_part(part: &Value) -> Option<Part> {
    match part.get("type").and_then(Value::as_str).unwrap_or_default() {
        "output_text" | "text" => {
            let citations = parts::citations(part.get("annotations"));
            Some(Part::Text(Text {
                text: text(part, "text").unwrap_or_default(),
                citations,
                ..Text::default()
            }))
        }
        "refusal" => Some(Part::Refusal(text(part, "refusal").unwrap_or_default())),
        _ => None,
    }
}

/// Reads a reasoning item.
pub(super) fn reasoning(item: &Value) -> Reasoning {
    let (signature, redacted) = match proof_of(item) {
        Some(Proof::Reasoning { signature, redacted }) => (Some(signature), redacted),
        Some(Proof::Owned { signature, .. }) => (Some(signature), false),
        None => (None, false),
    };
    Reasoning { id: text(item, "id"), text: reasoning_text(item), signature, redacted }
}

/// Reads the proof of a reasoning item.
pub(super) fn proof_of(item: &Value) -> Option<Proof> {
    text(item, "encrypted_content").filter(|text| !text.is_empty()).map(|text| proof::read(&text))
}

/// Returns the summary, or the reasoning itself where there is none. Parts are set apart by an empty line.
pub(super) fn reasoning_text(item: &Value) -> String {
    let joined = |key: &str| {
        let texts =
            array(item, key).iter().filter_map(|part| part.get("text").and_then(Value::as_str));
        texts.filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n\n")
    };
    let summary = joined("summary");
    if summary.is_empty() { joined("content") } else { summary }
}

/// Reads a tool call. An id is made up where the provider sent none.
pub(super) fn call(index: usize, item: &Value) -> ToolCall {
    let custom = item.get("type").and_then(Value::as_str) == Some("custom_tool_call");
    let given = |key: &str| text(item, key).filter(|id| !id.is_empty());
    ToolCall {
        id: given("call_id").or_else(|| given("id")).unwrap_or_else(|| format!("call_{index}")),
        name: text(item, "name").unwrap_or_default(),
        arguments: arguments(item.get(if custom { "input" } else { "arguments" })),
        custom,
        signature: None,
        cache: false,
    }
}

/// Reads arguments, which some vendors send as an object.
pub(super) fn arguments(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => crate::json::text(other),
    }
}

/// Reads an item that is neither message, reasoning nor call: a picture that was made, or something only this protocol knows.
pub(super) fn other(item: &Value) -> Part {
    let kind = item.get("type").and_then(Value::as_str).unwrap_or_default();
    match item.get("result").and_then(Value::as_str) {
        Some(base64) if kind == "image_generation_call" && !base64.is_empty() => {
            let format = text(item, "output_format").unwrap_or_else(|| "png".to_owned());
            Part::Media(media::inline_media(Some(format!("image/{format}")), base64, Kind::Image))
        }
        _ => Part::Opaque(Opaque {
            protocol: OPENAI_RESPONSES,
            kind: kind.to_owned(),
            value: item.clone(),
        }),
    }
}

/// Returns a text field.
pub(super) fn text(value: &Value, key: &str) -> Option<String> {
    value.get(key).and_then(Value::as_str).map(str::to_owned)
}

/// Returns the items of a list field; none where it is not a list.
pub(super) fn array<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// Returns when a response was made, in unix seconds. Some vendors write a float.
pub(super) fn created(response: &Value) -> Option<i64> {
    let created = response.get("created_at")?;
    created.as_i64().or_else(|| created.as_f64().map(|seconds| seconds as i64))
}
