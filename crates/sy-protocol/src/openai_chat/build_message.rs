//! Canonical messages to messages of chat completions.
//!
//! Called by `build`. A message of results becomes one message per result; pictures in results, which `tool` messages cannot
//! hold, follow in a user message of their own. What cannot be carried is reported with its place.

use serde_json::{Map, Value, json};
use sy_types::chat::{
    Dropped, ImageDetail, Media, Message, Part, Reasoning, Role, Signature, Source, Text, ToolCall,
    ToolResult,
};
use sy_types::target::{ReasoningRequest, ToolCallIds};
use sy_types::{Interleaved, Media as Kind, Target};

use super::{content, details, ids};
use crate::ids::OPENAI_CHAT;
use crate::{media, reasoning};

/// Writes messages for one target.
struct Writer<'a> {
    target: &'a Target,
    dropped: &'a mut Vec<Dropped>,
    written: Vec<Value>,
    /// Parts of results that wait for the end of the run of results.
    moved: Vec<Value>,
    lost_cache_mark: bool,
}

/// Writes the messages.
pub(super) fn messages(
    messages: &[Message],
    target: &Target,
    dropped: &mut Vec<Dropped>,
) -> Vec<Value> {
    let mut writer =
        Writer { target, dropped, written: Vec::new(), moved: Vec::new(), lost_cache_mark: false };
    for (index, message) in messages.iter().enumerate() {
        writer.message(message, &format!("messages[{index}]"));
    }
    writer.flush_moved();
    if writer.lost_cache_mark {
        writer.dropped.push(Dropped::new("cache_control", "the target caches in its own way"));
    }
    writer.written
}

/// Returns true for targets that honour cache marks in this family: models that take Claude's ids are Claude.
pub(super) fn takes_cache_marks(target: &Target) -> bool {
    target.dialect.tool_call_ids == ToolCallIds::WordCharacters
}

/// Marks the end of a cacheable prefix.
pub(super) fn mark_cache(part: &mut Value) {
    if let Value::Object(part) = part {
        part.insert("cache_control".to_owned(), json!({ "type": "ephemeral" }));
    }
}

impl Writer<'_> {
    fn message(&mut self, message: &Message, path: &str) {
        let has_results = message.parts.iter().any(|part| matches!(part, Part::ToolResult(_)));
        if !has_results && message.role != Role::Tool {
            self.flush_moved();
        }
        match message.role {
            Role::System | Role::Developer => {
                let role = if self.target.dialect.developer_role { "developer" } else { "system" };
                self.spoken(role, message, path);
            }
            Role::User => self.spoken("user", message, path),
            Role::Assistant => self.assistant(message, path),
            Role::Tool => self.spoken("user", message, path),
        }
    }

    /// Writes a message of the application or the person. Results in it go first, as messages of their own.
    fn spoken(&mut self, role: &str, message: &Message, path: &str) {
        let mut parts = Vec::new();
        for (index, part) in message.parts.iter().enumerate() {
            let path = format!("{path}.parts[{index}]");
            match part {
                Part::ToolResult(result) => self.result(result, &path),
                other => parts.extend(self.part(other, &path)),
            }
        }
        if parts.is_empty()
            && (message.role == Role::Tool
                || message.parts.iter().any(|p| matches!(p, Part::ToolResult(_))))
        {
            return;
        }
        self.flush_moved();
        let mut written = Map::new();
        written.insert("role".to_owned(), role.into());
        written.insert("content".to_owned(), joined(parts));
        if let Some(name) = &message.name {
            written.insert("name".to_owned(), name.as_str().into());
        }
        self.written.push(Value::Object(written));
    }

    /// Writes one part of a spoken message.
    fn part(&mut self, part: &Part, path: &str) -> Option<Value> {
        let (written, cache) = match part {
            Part::Text(text) => {
                self.report_text(text, path);
                (Some(json!({ "type": "text", "text": text.text })), text.cache)
            }
            Part::Media(media) => (self.media(media, path), media.cache),
            Part::Refusal(text) => (Some(json!({ "type": "text", "text": text })), false),
            Part::Opaque(opaque) if opaque.protocol == OPENAI_CHAT => {
                (Some(opaque.value.clone()), false)
            }
            Part::Opaque(opaque) => {
                self.drop(format!("{path} ({})", opaque.kind), "known to another protocol only");
                (None, false)
            }
            Part::Reasoning(_) | Part::ToolCall(_) | Part::ToolResult(_) => {
                self.drop(path.to_owned(), "does not belong into a message of this role");
                (None, false)
            }
        };
        let mut written = written?;
        if cache && takes_cache_marks(self.target) {
            mark_cache(&mut written);
        } else {
            self.lost_cache_mark |= cache;
        }
        Some(written)
    }

    fn media(&mut self, media: &Media, path: &str) -> Option<Value> {
        let is_file = matches!(media.kind, Kind::Pdf | Kind::Text);
        let is_named = is_file && matches!(media.source, Source::Base64(_) | Source::Url(_));
        if media.name.is_some() && !is_named {
            self.drop(format!("{path}.name"), "only documents have a name");
        }
        if let Source::FileId(id) = &media.source {
            if media::is_foreign_upload(id) {
                self.drop(path.to_owned(), "an uploaded file is known to its own provider only");
                return None;
            }
            return Some(json!({ "type": "file", "file": { "file_id": id } }));
        }
        if let Source::Text(text) = &media.source {
            return Some(json!({ "type": "text", "text": text }));
        }
        let url = media::to_url(media)?;
        Some(match media.kind {
            Kind::Image => {
                let mut inner = json!({ "url": url });
                if let (Value::Object(inner), Some(detail)) = (&mut inner, media.detail) {
                    inner.insert("detail".to_owned(), detail_word(detail).into());
                }
                json!({ "type": "image_url", "image_url": inner })
            }
            Kind::Video => json!({ "type": "video_url", "video_url": { "url": url } }),
            Kind::Audio => match &media.source {
                Source::Base64(data) => {
                    let data = String::from_utf8_lossy(data);
                    json!({ "type": "input_audio", "input_audio": { "data": data, "format": audio_format(media) } })
                }
                _ => {
                    self.drop(path.to_owned(), "sound must be sent inline");
                    return None;
                }
            },
            Kind::Pdf | Kind::Text => {
                let usual = if media.kind == Kind::Text { "document.txt" } else { "document.pdf" };
                let name = media.name.as_deref().unwrap_or(usual);
                json!({ "type": "file", "file": { "filename": name, "file_data": url } })
            }
        })
    }

    fn assistant(&mut self, message: &Message, path: &str) {
        let (mut text, mut refusal, mut calls) = (String::new(), String::new(), Vec::new());
        let (mut reasoning, mut cache) = (Vec::new(), false);
        let mut written = Map::new();
        written.insert("role".to_owned(), "assistant".into());
        for (index, part) in message.parts.iter().enumerate() {
            let path = format!("{path}.parts[{index}]");
            match part {
                Part::Text(part) => {
                    text.push_str(&part.text);
                    cache |= part.cache;
                    if !part.citations.is_empty() {
                        self.drop(format!("{path}.citations"), "sources cannot be sent back");
                    }
                    if let Some(signature) = self.own(part.signature.as_ref(), &path) {
                        written
                            .insert("extra_content".to_owned(), content::extra_content(signature));
                    }
                }
                Part::Refusal(more) => refusal.push_str(more),
                Part::Reasoning(part) => reasoning.push((path, part)),
                Part::ToolCall(call) => calls.push(self.call(call, &path)),
                Part::Media(_) => self.drop(path, "a model's own pictures cannot be sent back"),
                Part::Opaque(opaque) => {
                    self.drop(format!("{path} ({})", opaque.kind), "known to another protocol only")
                }
                Part::ToolResult(result) => self.result(result, &path),
            }
        }
        let has_other = !calls.is_empty() || !refusal.is_empty();
        let text = if text.is_empty() && has_other { Value::Null } else { text.into() };
        let content = match cache && takes_cache_marks(self.target) && text.is_string() {
            true => {
                let mut part = json!({ "type": "text", "text": text });
                mark_cache(&mut part);
                Value::Array(vec![part])
            }
            false => text,
        };
        self.lost_cache_mark |= cache && content.is_string();
        written.insert("content".to_owned(), content);
        self.reasoning(&reasoning, &mut written);
        if !refusal.is_empty() {
            written.insert("refusal".to_owned(), refusal.into());
        }
        if !calls.is_empty() {
            written.insert("tool_calls".to_owned(), calls.into());
        }
        if let Some(name) = &message.name {
            written.insert("name".to_owned(), name.as_str().into());
        }
        self.written.push(Value::Object(written));
    }

    /// Sends earlier reasoning back: as text in the field that the target wants, and as details where it made them.
    fn reasoning(&mut self, parts: &[(String, &Reasoning)], written: &mut Map<String, Value>) {
        let text = reasoning::joined(parts.iter().map(|(_, part)| part.text.as_str()));
        let is_demanded =
            matches!(self.target.info.capabilities.interleaved, Interleaved::Field(_));
        match self.target.dialect.reasoning_history {
            Some(field) if !text.is_empty() || is_demanded => {
                written.insert(field.to_owned(), text.into());
            }
            None if !text.is_empty() => {
                let path = parts.first().map(|(path, _)| path.clone()).unwrap_or_default();
                self.drop(path, "the target does not take reasoning back");
            }
            Some(_) | None => {}
        }
        let takes_details = self.target.dialect.reasoning_request == ReasoningRequest::Object;
        let mut own = Vec::new();
        for (path, part) in parts {
            let Some(signature) = self.own(part.signature.as_ref(), path) else { continue };
            if takes_details || details::own_list(signature).is_some() {
                own.push(*part);
            }
        }
        let list = details::write(&own);
        if !list.is_empty() {
            written.insert("reasoning_details".to_owned(), list.into());
        }
    }

    fn call(&mut self, call: &ToolCall, path: &str) -> Value {
        let arguments = match call.custom {
            true => crate::json::text(&json!({ "input": call.arguments })),
            false if call.arguments.trim().is_empty() => "{}".to_owned(),
            false => call.arguments.clone(),
        };
        let mut written = json!({
            "id": ids::accepted(self.target.dialect.tool_call_ids, &call.id),
            "type": "function",
            "function": { "name": call.name, "arguments": arguments },
        });
        if let (Value::Object(written), Some(signature)) =
            (&mut written, self.own(call.signature.as_ref(), path))
        {
            written.insert("extra_content".to_owned(), content::extra_content(signature));
        }
        self.lost_cache_mark |= call.cache;
        written
    }

    fn result(&mut self, result: &ToolResult, path: &str) {
        let mut texts = Vec::new();
        for (index, part) in result.parts.iter().enumerate() {
            let path = format!("{path}.parts[{index}]");
            let is_media =
                matches!(part, Part::Media(media) if !matches!(media.source, Source::Text(_)));
            let Some(written) = self.part(part, &path) else { continue };
            if is_media {
                self.dropped
                    .push(Dropped::moved(path, "moved to a user message behind the results"));
                self.moved.push(written);
            } else {
                texts.push(written);
            }
        }
        if result.is_error {
            self.drop(format!("{path}.is_error"), "results cannot be marked as failed");
        }
        if let Some(last) =
            texts.last_mut().filter(|_| result.cache && takes_cache_marks(self.target))
        {
            mark_cache(last);
        } else {
            self.lost_cache_mark |= result.cache;
        }
        self.written.push(json!({
            "role": "tool",
            "tool_call_id": ids::accepted(self.target.dialect.tool_call_ids, &result.call_id),
            "content": joined(texts),
        }));
    }

    /// Writes what was moved out of results, behind the last of them.
    fn flush_moved(&mut self) {
        if self.moved.is_empty() {
            return;
        }
        let mut parts = vec![json!({ "type": "text", "text": "Attached media from tool result:" })];
        parts.append(&mut self.moved);
        self.written.push(json!({ "role": "user", "content": parts }));
    }

    /// Returns a proof that this family made; reports one of another.
    fn own<'b>(&mut self, signature: Option<&'b Signature>, path: &str) -> Option<&'b Signature> {
        let signature = signature?;
        if signature.protocol == OPENAI_CHAT {
            return Some(signature);
        }
        self.drop(format!("{path}.signature"), "a proof for another protocol");
        None
    }

    fn report_text(&mut self, text: &Text, path: &str) {
        if text.signature.is_some() {
            self.drop(format!("{path}.signature"), "only kept on the model's own texts");
        }
    }

    fn drop(&mut self, field: String, reason: &'static str) {
        self.dropped.push(Dropped::new(field, reason));
    }
}

/// Joins parts into a content: one plain text as a string, which every vendor takes, else the list.
fn joined(parts: Vec<Value>) -> Value {
    match parts.as_slice() {
        [] => "".into(),
        [Value::Object(only)]
            if only.len() == 2 && only.get("type") == Some(&Value::from("text")) =>
        {
            only.get("text").cloned().unwrap_or_default()
        }
        _ => parts.into(),
    }
}

fn detail_word(detail: ImageDetail) -> &'static str {
    match detail {
        ImageDetail::Auto => "auto",
        ImageDetail::Low => "low",
        ImageDetail::High => "high",
        ImageDetail::Original => "original",
    }
}

/// Returns OpenAI's word for a sound format.
fn audio_format(media: &Media) -> &str {
    match media::mime_of(media).strip_prefix("audio/").unwrap_or("wav") {
        "mpeg" => "mp3",
        "x-wav" | "wave" => "wav",
        other => other,
    }
}
