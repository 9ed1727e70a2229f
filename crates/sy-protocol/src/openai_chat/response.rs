//! Whole answers, in and out.
//!
//! Called for answers that are not streamed. Shares the reading of messages with the stream decoder (`content`, `calls`,
//! `details`).

use bytes::Bytes;
use serde_json::{Map, Value, json};
use sy_types::Failure;
use sy_types::Media as Kind;
use sy_types::chat::{
    ChatResponse, Choice, Citation, Dropped, FinishReason, Media, Part, Reasoning, Text,
    TokenLogprob, ToolCall,
};

use super::calls;
use super::content::{self, Piece};
use super::details;
use super::encoder;
use super::failure::{self, ReadFailure};
use super::{ids, usage};
use crate::face::ReplyInfo;
use crate::{logprobs, media, reasoning};

/// Reads a whole answer of status 200.
pub(crate) fn decode(body: &[u8], read_failure: ReadFailure) -> Result<ChatResponse, Failure> {
    let answer: Value = crate::json::read(body).map_err(|error| {
        failure::malformed(&format!("the provider's answer is not JSON: {error}"))
    })?;
    if let Some(failure) = failure::in_band(&answer, b"", read_failure) {
        return Err(failure);
    }
    let Some(choice) = answer.pointer("/choices/0") else {
        return Err(failure::malformed("the provider's answer holds no choice"));
    };
    let Some(message) = choice.get("message").filter(|message| message.is_object()) else {
        return Err(failure::malformed(
            "the first choice of the provider's answer holds no message",
        ));
    };
    let word = |field| {
        answer.get(field).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
    };
    let id = word("id");
    let mut parts = read_message(message, id.as_deref().unwrap_or_default());
    cite(&mut parts, content::sources(&answer));
    let has_calls = parts.iter().any(|part| matches!(part, Part::ToolCall(_)));
    let reason = choice.get("finish_reason").and_then(Value::as_str).and_then(content::finish);
    Ok(ChatResponse {
        id,
        model: word("model"),
        created: answer.get("created").and_then(Value::as_i64).filter(|seconds| *seconds > 0),
        parts,
        finish: Some(content::settled(reason, has_calls)),
        stop_sequence: None,
        usage: answer.get("usage").and_then(usage::read),
        logprobs: read_logprobs(choice),
        others: others(&answer),
        unmapped: unmapped(&answer, message),
    })
}

fn read_logprobs(choice: &Value) -> Vec<TokenLogprob> {
    let list = choice.pointer("/logprobs/content").and_then(Value::as_array);
    list.map(|list| logprobs::read_openai(list)).unwrap_or_default()
}

/// Reads the choices behind the first.
fn others(answer: &Value) -> Vec<Choice> {
    let id = answer.get("id").and_then(Value::as_str).unwrap_or_default();
    let choices = answer.get("choices").and_then(Value::as_array).map(Vec::as_slice);
    let read = |(index, choice): (usize, &Value)| {
        let message = choice.get("message").filter(|message| message.is_object())?;
        let parts = read_message(message, &format!("{id}-{index}"));
        let has_calls = parts.iter().any(|part| matches!(part, Part::ToolCall(_)));
        let word = choice.get("finish_reason").and_then(Value::as_str).unwrap_or_default();
        let finish = Some(content::settled(content::finish(word), has_calls));
        Some(Choice { parts, finish, logprobs: read_logprobs(choice) })
    };
    choices.unwrap_or_default().iter().enumerate().skip(1).filter_map(read).collect()
}

fn unmapped(answer: &Value, message: &Value) -> Vec<Dropped> {
    let mut dropped = Vec::new();
    for (holder, path, field) in
        [(message, "choices[0].message", "executed_tools"), (answer, "", "moderation")]
    {
        if holder.get(field).is_some_and(|value| !value.is_null()) {
            let path = if path.is_empty() { field.to_owned() } else { format!("{path}.{field}") };
            dropped.push(Dropped::new(path, "no counterpart in other protocols"));
        }
    }
    dropped
}

/// Reads a message into parts: reasoning, text, refusal, pictures and sound, calls.
fn read_message(message: &Value, answer: &str) -> Vec<Part> {
    let (mut text, mut refusal) = (String::new(), String::new());
    let mut thoughts = vec![content::reasoning(message).to_owned()];
    let mut media = Vec::new();
    for piece in content::pieces(message.get("content")) {
        match piece {
            Piece::Text(more) => text.push_str(&more),
            Piece::Reasoning(more) => thoughts.push(more),
            Piece::Refusal(more) => refusal.push_str(&more),
            Piece::Media(one) => media.push(one),
        }
    }
    let word = |path| message.pointer(path).and_then(Value::as_str).unwrap_or_default();
    refusal.push_str(word("/refusal"));
    if text.is_empty() {
        text.push_str(word("/audio/transcript"));
    }
    media.extend(content::generated(message));
    let details = message
        .get("reasoning_details")
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default();
    let mut parts: Vec<Part> =
        details::read(details, &reasoning::joined(thoughts.iter().map(String::as_str)))
            .into_iter()
            .map(Part::Reasoning)
            .collect();
    let mut calls = read_calls(message, answer);
    let mut signature = content::extra_signature(message);
    if let (Some(first), Some(_)) = (calls.first_mut(), &signature) {
        let signature = signature.take();
        first.signature = first.signature.take().or(signature);
    }
    let citations = content::citations(message);
    if !text.is_empty() || signature.is_some() || !citations.is_empty() {
        parts.push(Part::Text(Text { text, cache: false, citations, signature }));
    }
    if !refusal.is_empty() {
        parts.push(Part::Refusal(refusal));
    }
    parts.extend(media.into_iter().map(Part::Media));
    parts.extend(calls.into_iter().map(Part::ToolCall));
    parts
}

fn read_calls(message: &Value, answer: &str) -> Vec<ToolCall> {
    let listed =
        message.get("tool_calls").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let legacy = message.get("function_call").map(|call| json!({ "function": call }));
    let mut found = Vec::new();
    for call in listed.iter().chain(&legacy) {
        let (function, custom) = calls::function_of(call);
        let name = function.get("name").and_then(Value::as_str).unwrap_or_default();
        let mut arguments = calls::arguments_of(function, custom);
        // One that says nothing is passed over; one without a name alone is an error, which the caller words.
        let is_said = !arguments.is_empty() || call.get("id").is_some_and(|id| !id.is_null());
        if name.is_empty() && !is_said {
            continue;
        }
        if arguments.is_empty() && !custom {
            arguments.push_str("{}");
        }
        let id = call.get("id").and_then(Value::as_str).filter(|id| !id.is_empty());
        found.push(ToolCall {
            id: id.map_or_else(|| ids::made_up(answer, found.len(), name), str::to_owned),
            name: name.to_owned(),
            arguments,
            custom,
            signature: content::extra_signature(call),
            cache: false,
        });
    }
    found
}

/// Hangs sources that stand beside the choices on the text, where it does not name them itself.
fn cite(parts: &mut [Part], sources: Vec<Citation>) {
    let text = parts
        .iter_mut()
        .rev()
        .find_map(|part| if let Part::Text(text) = part { Some(text) } else { None });
    let Some(text) = text else { return };
    for source in sources {
        if text.citations.iter().all(|known| known.url != source.url) {
            text.citations.push(source);
        }
    }
}

/// Writes a whole answer.
pub(super) fn encode(info: &ReplyInfo<'_>, response: &ChatResponse) -> Bytes {
    let custom = encoder::custom_tools(info);
    let model = response.model.as_deref().unwrap_or(&info.inbound.head().model);
    let id = response.id.clone().unwrap_or_else(|| format!("chatcmpl-{}", info.request_id));
    let mut answer = json!({
        "id": id,
        "object": "chat.completion",
        "created": response.created.unwrap_or(info.now),
        "model": model,
        "choices": choices(response, &custom),
    });
    if let (Value::Object(answer), Some(usage)) = (&mut answer, &response.usage) {
        answer.insert("usage".to_owned(), usage::write(usage));
    }
    Bytes::from(crate::json::write(&answer))
}

fn choices(response: &ChatResponse, custom: &[String]) -> Vec<Value> {
    let first = choice(0, &response.parts, response.finish.as_ref(), &response.logprobs, custom);
    let others = response.others.iter().enumerate().map(|(index, one)| {
        choice(index + 1, &one.parts, one.finish.as_ref(), &one.logprobs, custom)
    });
    std::iter::once(first).chain(others).collect()
}

fn choice(
    index: usize,
    parts: &[Part],
    finish: Option<&FinishReason>,
    tokens: &[TokenLogprob],
    custom: &[String],
) -> Value {
    let told = (!tokens.is_empty())
        .then(|| json!({ "content": logprobs::write_openai(tokens), "refusal": null }));
    json!({
        "index": index,
        "message": write_message(parts, custom),
        "logprobs": told,
        "finish_reason": content::finish_word(finish.unwrap_or(&FinishReason::Stop)),
    })
}

fn write_message(parts: &[Part], custom: &[String]) -> Value {
    let mut message = Map::new();
    message.insert("role".to_owned(), "assistant".into());
    let (mut text, mut refusal, mut has_text) = (String::new(), String::new(), false);
    let mut thoughts: Vec<&Reasoning> = Vec::new();
    let (mut calls, mut annotations, mut images) = (Vec::new(), Vec::new(), Vec::new());
    for part in parts {
        match part {
            Part::Text(part) => {
                has_text = true;
                text.push_str(&part.text);
                annotations.extend(part.citations.iter().map(write_citation));
                if let Some(signature) = &part.signature {
                    message.insert("extra_content".to_owned(), content::extra_content(signature));
                }
            }
            Part::Refusal(more) => refusal.push_str(more),
            Part::Reasoning(part) => thoughts.push(part),
            Part::ToolCall(call) => calls.push(write_call(call, custom)),
            Part::Media(media) if media.kind == Kind::Audio => {
                message.insert("audio".to_owned(), write_audio(media));
            }
            Part::Media(media) => images.extend(write_image(media, images.len())),
            // What only one protocol knows has no place here, and a model does not answer with results.
            Part::Opaque(_) | Part::ToolResult(_) => {}
        }
    }
    let has_other = !calls.is_empty() || !refusal.is_empty();
    message.insert(
        "content".to_owned(),
        if has_text || !has_other { text.into() } else { Value::Null },
    );
    message.insert("refusal".to_owned(), Some(refusal).filter(|text| !text.is_empty()).into());
    if thoughts.iter().any(|part| !part.text.is_empty()) {
        let text = reasoning::joined(thoughts.iter().map(|part| part.text.as_str()));
        message.insert("reasoning_content".to_owned(), text.into());
    }
    let lists = [
        ("reasoning_details", details::write(&thoughts)),
        ("annotations", annotations),
        ("images", images),
        ("tool_calls", calls),
    ];
    for (field, list) in lists {
        if !list.is_empty() {
            message.insert(field.to_owned(), Value::Array(list));
        }
    }
    Value::Object(message)
}

/// Writes a call; one of a function that stands for a client's custom tool becomes a call of that tool.
pub(super) fn write_call(call: &ToolCall, custom: &[String]) -> Value {
    let mut written = if call.custom || custom.contains(&call.name) {
        let input = if call.custom { call.arguments.clone() } else { unwrapped(&call.arguments) };
        json!({ "id": call.id, "type": "custom", "custom": { "name": call.name, "input": input } })
    } else {
        json!({ "id": call.id, "type": "function", "function": { "name": call.name, "arguments": call.arguments } })
    };
    if let (Value::Object(written), Some(signature)) = (&mut written, &call.signature) {
        written.insert("extra_content".to_owned(), content::extra_content(signature));
    }
    written
}

/// Takes the free text out of the one argument that a custom tool is given as a function.
fn unwrapped(arguments: &str) -> String {
    let object: Option<Map<String, Value>> = crate::json::read(arguments.as_bytes()).ok();
    match object.as_ref().and_then(|object| object.get("input")) {
        Some(Value::String(input)) => input.clone(),
        _ => arguments.to_owned(),
    }
}

/// Writes a source. Where it stands in the text is not known: the indexes are 0, as OpenRouter's are.
pub(super) fn write_citation(citation: &Citation) -> Value {
    let mut inner = json!({
        "start_index": 0,
        "end_index": 0,
        "url": citation.url,
        "title": citation.title.as_deref().unwrap_or_default(),
    });
    if let (Value::Object(inner), Some(quote)) = (&mut inner, &citation.quote) {
        inner.insert("content".to_owned(), quote.as_str().into());
    }
    json!({ "type": "url_citation", "url_citation": inner })
}

/// Writes a generated picture as OpenRouter does.
pub(super) fn write_image(media: &Media, index: usize) -> Option<Value> {
    let url = media::to_url(media)?;
    Some(json!({ "type": "image_url", "image_url": { "url": url }, "index": index }))
}

/// Writes generated sound as OpenAI does; it does not expire here.
pub(super) fn write_audio(media: &Media) -> Value {
    let data = match &media.source {
        sy_types::chat::Source::Base64(data) => String::from_utf8_lossy(data).into_owned(),
        _ => String::new(),
    };
    json!({ "id": "audio", "data": data, "expires_at": 0, "transcript": "" })
}
