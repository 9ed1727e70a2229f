//! A client's messages and content blocks to canonical.
//!
//! Called by `request`. Tool results, which this protocol puts into user messages, become messages of their own; blocks that
//! only this protocol knows stay as they are. It deliberately keeps the order in which the client said things.

use std::collections::HashMap;

use serde_json::Value;
use sy_types::chat::{
    Dropped, Media, Message, Opaque, Part, Reasoning, Role, Source, Text, ToolCall, ToolResult,
};
use sy_types::{Failure, Media as Kind};

use super::request::cache_control;
use super::{proof, response};
use crate::fields::{Fields, indexed, missing, wrong};
use crate::ids::ANTHROPIC_MESSAGES;
use crate::media;

const BLOCKS: &str = "a string or an array of content blocks";

/// Reads messages one after the other and remembers which call had which name.
pub(super) struct Reader<'a> {
    names: HashMap<String, String>,
    dropped: &'a mut Vec<Dropped>,
}

impl<'a> Reader<'a> {
    /// Makes a reader that reports to the given list.
    pub(super) fn new(dropped: &'a mut Vec<Dropped>) -> Self {
        Self { names: HashMap::new(), dropped }
    }

    /// Reads one message of the wire into one or more: results of tools are split off.
    pub(super) fn message(&mut self, value: Value, path: &str) -> Result<Vec<Message>, Failure> {
        let mut fields = Fields::of(value, path)?;
        let role_path = fields.path("role");
        let word = fields.required_string("role")?;
        let role = match word.as_str() {
            "user" => Role::User,
            "assistant" => Role::Assistant,
            "system" => Role::System,
            _ => return Err(wrong(&role_path, "user or assistant", &Value::String(word))),
        };
        let content_path = fields.path("content");
        let content = fields.take("content").ok_or_else(|| missing(&content_path, BLOCKS))?;
        let parts = self.content(content, &content_path)?;
        fields.finish(self.dropped);
        Ok(split(role, parts))
    }

    /// Reads a text or a list of blocks.
    pub(super) fn content(&mut self, value: Value, path: &str) -> Result<Vec<Part>, Failure> {
        let items = match value {
            Value::String(text) => return Ok(vec![Part::text(text)]),
            Value::Array(items) => items,
            other => return Err(wrong(path, BLOCKS, &other)),
        };
        let mut parts = Vec::with_capacity(items.len());
        let mut carried = None;
        for (path, item) in indexed(path, items) {
            if let Some(proof) = proof::carried(&item) {
                carried = Some(proof);
                continue;
            }
            let mut part = self.part(Fields::of(item, path)?)?;
            if let Part::ToolCall(call) = &mut part {
                call.signature = carried.take();
            }
            parts.push(part);
        }
        Ok(parts)
    }

    fn part(&mut self, mut fields: Fields) -> Result<Part, Failure> {
        let kind = match fields.peek("type") {
            Some(Value::String(kind)) => kind.clone(),
            Some(other) => {
                return Err(wrong(&fields.path("type"), "the type of a content block", other));
            }
            None => return Err(missing(&fields.path("type"), "the type of a content block")),
        };
        let part = match kind.as_str() {
            "text" => self.text(&mut fields)?,
            "image" => Part::Media(self.image(&mut fields)?),
            "document" if !has_nested_media(&fields) => Part::Media(self.document(&mut fields)?),
            "search_result" => Part::Media(self.search_result(&mut fields)?),
            "thinking" => Part::Reasoning(Reasoning {
                text: fields.string("thinking")?.unwrap_or_default(),
                signature: fields.string("signature")?.as_deref().and_then(proof::read),
                ..Reasoning::default()
            }),
            "redacted_thinking" => Part::Reasoning(Reasoning {
                signature: proof::read(&fields.required_string("data")?),
                redacted: true,
                ..Reasoning::default()
            }),
            "tool_use" => Part::ToolCall(self.tool_use(&mut fields)?),
            "tool_result" => Part::ToolResult(self.tool_result(&mut fields)?),
            _ => {
                let value = Value::Object(fields.into_map());
                return Ok(Part::Opaque(Opaque { protocol: ANTHROPIC_MESSAGES, kind, value }));
            }
        };
        fields.take("type");
        fields.finish(self.dropped);
        Ok(part)
    }

    fn text(&mut self, fields: &mut Fields) -> Result<Part, Failure> {
        let citations = fields.array("citations")?.unwrap_or_default();
        Ok(Part::Text(Text {
            text: fields.required_string("text")?,
            cache: cache_control(fields, self.dropped)?,
            citations: citations
                .iter()
                .filter_map(|(_, citation)| response::citation(citation))
                .collect(),
            signature: None,
        }))
    }

    fn image(&mut self, fields: &mut Fields) -> Result<Media, Failure> {
        let mut media = self.source(fields, Kind::Image)?;
        media.cache = cache_control(fields, self.dropped)?;
        Ok(media)
    }

    fn document(&mut self, fields: &mut Fields) -> Result<Media, Failure> {
        let mut media = self.source(fields, Kind::Pdf)?;
        media.name = fields.string("title")?;
        media.cache = cache_control(fields, self.dropped)?;
        if let Some(mut citations) = fields.object("citations")? {
            if citations.bool("enabled")? == Some(true) {
                self.dropped
                    .push(Dropped::new(citations.path("enabled"), "citations cannot be asked for"));
            }
            citations.finish(self.dropped);
        }
        Ok(media)
    }

    /// Reads the `source` object of a picture or document.
    fn source(&mut self, fields: &mut Fields, kind: Kind) -> Result<Media, Failure> {
        let path = fields.path("source");
        let mut source = fields.object("source")?.ok_or_else(|| missing(&path, "an object"))?;
        let type_path = source.path("type");
        let word = source.required_string("type")?;
        let plain = |kind, mime, source| Media {
            kind,
            mime,
            source,
            name: None,
            detail: None,
            cache: false,
        };
        let media = match word.as_str() {
            "base64" => {
                let mime = source.required_string("media_type")?;
                media::inline_media(Some(mime), &source.required_string("data")?, kind)
            }
            "url" => media::from_url(&source.required_string("url")?, kind),
            "file" => plain(kind, None, Source::FileId(source.required_string("file_id")?)),
            "text" => {
                let mime = source.string("media_type")?.unwrap_or_else(|| "text/plain".to_owned());
                plain(Kind::Text, Some(mime), Source::Text(source.required_string("data")?))
            }
            "content" => {
                let path = source.path("content");
                let content = source.take("content").ok_or_else(|| missing(&path, BLOCKS))?;
                let text = joined(&self.content(content, &path)?);
                plain(Kind::Text, Some("text/plain".to_owned()), Source::Text(text))
            }
            _ => {
                return Err(wrong(
                    &type_path,
                    "base64, url, file, text or content",
                    &Value::String(word),
                ));
            }
        };
        source.finish(self.dropped);
        Ok(media)
    }

    /// Reads a search result as the text document that it is; its address is reported.
    fn search_result(&mut self, fields: &mut Fields) -> Result<Media, Failure> {
        let path = fields.path("content");
        let content =
            fields.take("content").ok_or_else(|| missing(&path, "an array of text blocks"))?;
        let text = joined(&self.content(content, &path)?);
        fields.take("citations");
        Ok(Media {
            kind: Kind::Text,
            mime: Some("text/plain".to_owned()),
            source: Source::Text(text),
            name: fields.string("title")?,
            detail: None,
            cache: cache_control(fields, self.dropped)?,
        })
    }

    fn tool_use(&mut self, fields: &mut Fields) -> Result<ToolCall, Failure> {
        let path = fields.path("input");
        let arguments = match fields.take("input") {
            None => "{}".to_owned(),
            Some(input @ Value::Object(_)) => crate::json::text(&input),
            Some(other) => return Err(wrong(&path, "an object", &other)),
        };
        let call = ToolCall {
            id: fields.required_string("id")?,
            name: fields.required_string("name")?,
            arguments,
            custom: false,
            signature: None,
            cache: cache_control(fields, self.dropped)?,
        };
        let caller =
            fields.peek("caller").and_then(|caller| caller.get("type")).and_then(Value::as_str);
        if caller == Some("direct") {
            fields.take("caller");
        }
        self.names.insert(call.id.clone(), call.name.clone());
        Ok(call)
    }

    fn tool_result(&mut self, fields: &mut Fields) -> Result<ToolResult, Failure> {
        let call_id = fields.required_string("tool_use_id")?;
        let path = fields.path("content");
        let parts = match fields.take("content") {
            None => Vec::new(),
            Some(content) => self.content(content, &path)?,
        };
        Ok(ToolResult {
            name: self.names.get(&call_id).cloned(),
            call_id,
            parts,
            is_error: fields.bool("is_error")?.unwrap_or_default(),
            cache: cache_control(fields, self.dropped)?,
        })
    }
}

/// Cuts a message into runs of tool results and of everything else.
fn split(role: Role, parts: Vec<Part>) -> Vec<Message> {
    let mut messages: Vec<Message> = Vec::new();
    for part in parts {
        let role = if matches!(part, Part::ToolResult(_)) { Role::Tool } else { role };
        match messages.last_mut() {
            Some(last) if last.role == role => last.parts.push(part),
            _ => messages.push(Message::new(role, vec![part])),
        }
    }
    if messages.is_empty() {
        messages.push(Message::new(role, Vec::new()));
    }
    messages
}

/// Returns true for a document made of blocks of which some are no text: other protocols have nothing like it.
fn has_nested_media(fields: &Fields) -> bool {
    let content =
        fields.peek("source").and_then(|source| source.get("content")).and_then(Value::as_array);
    content.is_some_and(|blocks| {
        blocks.iter().any(|block| {
            block.get("type").and_then(Value::as_str).is_some_and(|kind| kind != "text")
        })
    })
}

fn joined(parts: &[Part]) -> String {
    let texts = parts.iter().filter_map(|part| {
        if let Part::Text(text) = part { Some(text.text.as_str()) } else { None }
    });
    texts.collect::<Vec<_>>().join("\n")
}
