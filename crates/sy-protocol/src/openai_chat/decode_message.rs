//! A client's messages to their canonical form.
//!
//! Called by `decode`. Roles and parts of OpenAI and its relatives (Mistral's `document_url` and `thinking`, OpenRouter's
//! `video_url` and `reasoning_details`); a part of an unknown type is kept as it is and reported when it cannot go on.

use std::collections::HashMap;

use serde_json::{Value, json};
use sy_types::chat::{
    Dropped, ImageDetail, Media, Message, Opaque, Part, Reasoning, Role, Source, Text, ToolCall,
    ToolResult,
};
use sy_types::{Failure, Media as Kind};

use super::{content, details, ids};
use crate::fields::{Fields, indexed, missing, wrong};
use crate::ids::OPENAI_CHAT;
use crate::media;

/// What earlier messages tell about later ones.
#[derive(Default)]
struct Seen {
    /// The names of the calls so far, by id.
    names: HashMap<String, String>,
    /// The id made for the last legacy call of each function.
    legacy: HashMap<String, String>,
}

/// Reads the messages.
pub(super) fn messages(
    items: Vec<(String, Value)>,
    dropped: &mut Vec<Dropped>,
) -> Result<Vec<Message>, Failure> {
    let mut seen = Seen::default();
    items
        .into_iter()
        .map(|(path, item)| message(Fields::of(item, path)?, &mut seen, dropped))
        .collect()
}

fn message(
    mut fields: Fields,
    seen: &mut Seen,
    dropped: &mut Vec<Dropped>,
) -> Result<Message, Failure> {
    let role = match fields.required_string("role")?.as_str() {
        "system" => Role::System,
        "developer" => Role::Developer,
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "tool" | "function" => return result(fields, seen, dropped),
        other => {
            let expected = "one of system, developer, user, assistant, tool";
            return Err(wrong(&fields.path("role"), expected, &Value::from(other)));
        }
    };
    let name = fields.string("name")?;
    let cache = cache_mark(&mut fields, dropped);
    let mut parts = match role {
        Role::Assistant => assistant(&mut fields, seen, dropped)?,
        Role::System | Role::Developer | Role::User | Role::Tool => body(&mut fields, dropped)?,
    };
    if cache {
        mark_last(&mut parts);
    }
    // A prefill is what an assistant message at the end is anyway; `false` is the default.
    if fields.peek("prefix") == Some(&Value::Bool(false)) {
        fields.take("prefix");
    }
    fields.finish(dropped);
    Ok(Message { role, parts, name })
}

/// Reads an assistant message: reasoning, content, refusal, calls.
fn assistant(
    fields: &mut Fields,
    seen: &mut Seen,
    dropped: &mut Vec<Dropped>,
) -> Result<Vec<Part>, Failure> {
    let plain = fields.string("reasoning_content")?;
    let plain = fields.string("reasoning")?.or(plain).unwrap_or_default();
    let listed = fields.array("reasoning_details")?.unwrap_or_default();
    let listed: Vec<Value> = listed.into_iter().map(|(_, detail)| detail).collect();
    let mut parts: Vec<Part> =
        details::read(&listed, &plain).into_iter().map(Part::Reasoning).collect();
    parts.extend(body(fields, dropped)?);
    if let Some(refusal) = fields.string("refusal")?.filter(|text| !text.is_empty()) {
        parts.push(Part::Refusal(refusal));
    }
    let mut calls = Vec::new();
    for (path, call) in fields.array("tool_calls")?.unwrap_or_default() {
        calls.push(tool_call(Fields::of(call, path)?, dropped)?);
    }
    if let Some(mut legacy) = fields.object("function_call")? {
        let name = legacy.required_string("name")?;
        let id = ids::made_up(&fields.path(""), calls.len(), &name);
        seen.legacy.insert(name.clone(), id.clone());
        let arguments = legacy.string("arguments")?.unwrap_or_default();
        calls.push(ToolCall { id, name, arguments, custom: false, signature: None, cache: false });
    }
    seen.names.extend(calls.iter().map(|call| (call.id.clone(), call.name.clone())));
    sign(fields, &mut parts, &mut calls);
    parts.extend(calls.into_iter().map(Part::ToolCall));
    // An echo of the answer's sources and of its sound's id tells a model nothing.
    fields.take("annotations");
    Ok(parts)
}

/// Puts Google's proof on the message onto the first call, or else onto the last text.
fn sign(fields: &mut Fields, parts: &mut [Part], calls: &mut [ToolCall]) {
    let Some(extra) = fields.take("extra_content") else { return };
    let signature = content::extra_signature(&json!({ "extra_content": extra }));
    if let Some(call) = calls.first_mut() {
        call.signature = call.signature.take().or(signature);
    } else if let Some(Part::Text(text)) = parts.last_mut() {
        text.signature = signature;
    }
}

fn tool_call(mut fields: Fields, dropped: &mut Vec<Dropped>) -> Result<ToolCall, Failure> {
    fields.take("index");
    let is_custom = fields.string("type")?.as_deref() == Some("custom");
    let signature = fields.take("extra_content").map(|extra| json!({ "extra_content": extra }));
    let id = fields.string("id")?.unwrap_or_default();
    let kind = if is_custom { "custom" } else { "function" };
    let mut inner =
        fields.object(kind)?.ok_or_else(|| missing(&fields.path(kind), "an object with a name"))?;
    let name = inner.required_string("name")?;
    let arguments = match inner.take(if is_custom { "input" } else { "arguments" }) {
        None => String::new(),
        Some(Value::String(text)) => text,
        Some(object @ Value::Object(_)) => crate::json::text(&object),
        Some(other) => return Err(wrong(&inner.path("arguments"), "a string of JSON", &other)),
    };
    let call = ToolCall {
        id,
        name,
        arguments,
        custom: is_custom,
        signature: signature.and_then(|holder| content::extra_signature(&holder)),
        cache: cache_mark(&mut fields, dropped),
    };
    inner.finish(dropped);
    fields.take("custom");
    fields.finish(dropped);
    Ok(call)
}

/// Reads the message that answers a call.
fn result(mut fields: Fields, seen: &Seen, dropped: &mut Vec<Dropped>) -> Result<Message, Failure> {
    let mut name = fields.string("name")?;
    let legacy = name.as_ref().and_then(|name| seen.legacy.get(name)).cloned();
    let call_id = match fields.string("tool_call_id")?.or(legacy) {
        Some(id) => id,
        None => {
            return Err(missing(
                &fields.path("tool_call_id"),
                "the id of the call that this answers",
            ));
        }
    };
    name = name.or_else(|| seen.names.get(&call_id).cloned());
    let mut parts = body(&mut fields, dropped)?;
    let mut cache = cache_mark(&mut fields, dropped);
    for mark in parts.iter_mut().filter_map(cache_of) {
        cache |= std::mem::take(mark);
    }
    fields.finish(dropped);
    let result = ToolResult { call_id, name, parts, is_error: false, cache };
    Ok(Message::new(Role::Tool, vec![Part::ToolResult(result)]))
}

/// Reads `content`: a text, parts, or nothing.
fn body(fields: &mut Fields, dropped: &mut Vec<Dropped>) -> Result<Vec<Part>, Failure> {
    let path = fields.path("content");
    match fields.take("content") {
        None => Ok(Vec::new()),
        Some(Value::String(text)) if text.is_empty() => Ok(Vec::new()),
        Some(Value::String(text)) => Ok(vec![Part::text(text)]),
        Some(Value::Array(items)) => {
            let read = |(path, item): (String, Value)| part(path, item, dropped);
            indexed(&path, items).into_iter().map(read).collect()
        }
        Some(other) => Err(wrong(&path, "a string or an array of parts", &other)),
    }
}

fn part(path: String, item: Value, dropped: &mut Vec<Dropped>) -> Result<Part, Failure> {
    if let Value::String(text) = item {
        return Ok(Part::text(text));
    }
    let whole = item.clone();
    let mut fields = Fields::of(item, path)?;
    let cache = cache_mark(&mut fields, dropped);
    let kind = fields.required_string("type")?;
    let mut part = match kind.as_str() {
        "text" | "input_text" | "output_text" => {
            Part::Text(Text { text: fields.required_string("text")?, cache, ..Text::default() })
        }
        "refusal" => Part::Refusal(fields.required_string("refusal")?),
        "thinking" => {
            fields.take("closed");
            let text = fields
                .take("thinking")
                .map(|inside| content::thinking(&inside))
                .unwrap_or_default();
            Part::Reasoning(Reasoning { text, ..Reasoning::default() })
        }
        "image_url" => Part::Media(image(&mut fields)?),
        "video_url" => Part::Media(media::from_url(&url(&mut fields, "video_url")?, Kind::Video)),
        "input_audio" => Part::Media(audio(&mut fields)?),
        "file" => Part::Media(file(&mut fields, dropped)?),
        "document_url" => {
            let address = url(&mut fields, "document_url")?;
            Part::Media(Media {
                name: fields.string("document_name")?,
                ..media::from_url(&address, Kind::Pdf)
            })
        }
        _ => return Ok(Part::Opaque(Opaque { protocol: OPENAI_CHAT, kind, value: whole })),
    };
    if cache && let Some(mark) = cache_of(&mut part) {
        *mark = true;
    }
    fields.finish(dropped);
    Ok(part)
}

/// Reads an address: a text, or an object with `url`.
fn url(fields: &mut Fields, key: &str) -> Result<String, Failure> {
    if fields.peek(key).is_some_and(Value::is_string) {
        return fields.required_string(key);
    }
    let mut inner =
        fields.object(key)?.ok_or_else(|| missing(&fields.path(key), "an object with a url"))?;
    inner.required_string("url")
}

fn image(fields: &mut Fields) -> Result<Media, Failure> {
    let detail =
        fields.peek("image_url").and_then(|inner| inner.get("detail")).and_then(Value::as_str);
    let detail = detail.and_then(|word| match word {
        "auto" => Some(ImageDetail::Auto),
        "low" => Some(ImageDetail::Low),
        "high" => Some(ImageDetail::High),
        "original" => Some(ImageDetail::Original),
        _ => None,
    });
    Ok(Media { detail, ..media::from_url(&url(fields, "image_url")?, Kind::Image) })
}

/// Reads sound: OpenAI's object of data and format, or Mistral's bare text of base64 or address.
fn audio(fields: &mut Fields) -> Result<Media, Failure> {
    if fields.peek("input_audio").is_some_and(Value::is_string) {
        let text = fields.required_string("input_audio")?;
        return Ok(inline_or_url(&text, None, Kind::Audio));
    }
    let path = fields.path("input_audio");
    let mut inner = fields
        .object("input_audio")?
        .ok_or_else(|| missing(&path, "an object with data and format"))?;
    let mime = inner.string("format")?.map(|format| match format.as_str() {
        "mp3" => "audio/mpeg".to_owned(),
        other => format!("audio/{other}"),
    });
    let data = inner.required_string("data")?;
    Ok(inline_or_url(&data, mime, Kind::Audio))
}

fn file(fields: &mut Fields, dropped: &mut Vec<Dropped>) -> Result<Media, Failure> {
    let path = fields.path("file");
    let mut inner = fields
        .object("file")?
        .ok_or_else(|| missing(&path, "an object with file_data or file_id"))?;
    let name = inner.string("filename")?;
    let (data, id) = (inner.string("file_data")?, inner.string("file_id")?);
    inner.finish(dropped);
    let media = match (data, id) {
        (Some(data), _) => inline_or_url(&data, None, Kind::Pdf),
        (None, Some(id)) => Media {
            kind: Kind::Pdf,
            mime: None,
            source: Source::FileId(id),
            name: None,
            detail: None,
            cache: false,
        },
        (None, None) => {
            return Err(missing(&format!("{path}.file_data"), "a data URL, or else a file_id"));
        }
    };
    Ok(Media { name, ..media })
}

/// Reads a data URL, an address, or bare base64.
fn inline_or_url(text: &str, mime: Option<String>, kind: Kind) -> Media {
    if text.starts_with("data:") || text.contains("://") {
        return media::from_url(text, kind);
    }
    media::inline_media(mime, text, kind)
}

/// Takes the mark that ends a cacheable prefix (Claude's, which gateways of this family take). How long the prefix is to live is
/// reported where it is not the usual five minutes.
pub(super) fn cache_mark(fields: &mut Fields, dropped: &mut Vec<Dropped>) -> bool {
    let Some(mark) = fields.take("cache_control") else { return false };
    let ttl = mark.get("ttl").and_then(Value::as_str).unwrap_or("5m");
    if ttl != "5m" {
        dropped.push(Dropped::clamped(
            format!("{}.ttl", fields.path("cache_control")),
            "5m",
            "prefixes are kept as long as is usual",
        ));
    }
    true
}

/// Returns the cache mark of a part that has one.
fn cache_of(part: &mut Part) -> Option<&mut bool> {
    match part {
        Part::Text(text) => Some(&mut text.cache),
        Part::Media(media) => Some(&mut media.cache),
        Part::ToolCall(call) => Some(&mut call.cache),
        Part::ToolResult(result) => Some(&mut result.cache),
        Part::Refusal(_) | Part::Reasoning(_) | Part::Opaque(_) => None,
    }
}

fn mark_last(parts: &mut [Part]) {
    if let Some(mark) = parts.last_mut().and_then(cache_of) {
        *mark = true;
    }
}
