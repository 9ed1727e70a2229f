//! Canonical messages to a provider's `system` and `messages`.
//!
//! Called by `build`. Turns alternate on this wire (the assistant may have the first: recordings show it); results of tools
//! stand first in the user's turn; instructions stand apart. Texts without a visible character are left out without a
//! report: the protocol refuses them and nothing is lost. Tool-call ids hold `[A-Za-z0-9_-]` only; any other character
//! becomes `_`, in calls and results alike. It deliberately repairs no conversation whose calls and results do not match.

use base64::Engine;
use serde_json::{Value, json};
use sy_types::chat::{
    ChatRequest, Dropped, ImageDetail, Media, Message, Part, Reasoning, Role, Source, Text,
    ToolResult,
};
use sy_types::{Media as Kind, Target};

use super::{proof, response, thinking};
use crate::ids::ANTHROPIC_MESSAGES;
use crate::media;

/// Picture types that the protocol takes (docs read 2026-11-21).
const PICTURES: [&str; 4] = ["image/jpeg", "image/png", "image/gif", "image/webp"];

/// The system prompt and the turns, while they are put together.
#[derive(Debug)]
pub(super) struct History<'a> {
    target: &'a Target,
    system: Vec<Value>,
    turns: Vec<Turn>,
}

#[derive(Debug)]
struct Turn {
    is_assistant: bool,
    /// Results of tools: they stand before everything else.
    results: Vec<Value>,
    blocks: Vec<Value>,
}

/// Where a part is, for reports.
#[derive(Clone, Copy)]
struct Place {
    message: usize,
    part: usize,
}

impl Place {
    fn report(self, suffix: &str, reason: &'static str) -> Dropped {
        Dropped::new(format!("messages[{}].parts[{}]{suffix}", self.message, self.part), reason)
    }
}

impl<'a> History<'a> {
    /// Puts the messages of a chat into this protocol's order.
    pub(super) fn of(chat: &ChatRequest, target: &'a Target, dropped: &mut Vec<Dropped>) -> Self {
        let mut history = Self { target, system: Vec::new(), turns: Vec::new() };
        let mut is_leading = true;
        for (index, message) in chat.messages.iter().enumerate() {
            if message.name.is_some() {
                dropped.push(Dropped::new(
                    format!("messages[{index}].name"),
                    "messages have no names",
                ));
            }
            match message.role {
                Role::System | Role::Developer => {
                    if !is_leading {
                        dropped.push(Dropped::moved(
                            format!("messages[{index}]"),
                            "to the system prompt",
                        ));
                    }
                    history.instruct(message, index, dropped);
                }
                Role::User | Role::Tool | Role::Assistant => {
                    is_leading = false;
                    history.say(message, index, dropped);
                }
            }
        }
        history
    }

    /// Adds a text to the end of the system prompt.
    pub(super) fn add_system(&mut self, text: &str) {
        self.system.push(json!({ "type": "text", "text": text }));
    }

    /// Returns the system blocks and the messages.
    pub(super) fn into_values(mut self, dropped: &mut Vec<Dropped>) -> (Vec<Value>, Vec<Value>) {
        self.turns.retain(|turn| !turn.results.is_empty() || !turn.blocks.is_empty());

        // The protocol wants a message. Instructions alone are what the user asks for.
        if self.turns.is_empty() && !self.system.is_empty() {
            dropped.push(Dropped::moved(
                "messages",
                "instructions alone are no conversation here: sent as the user's",
            ));
            let blocks = std::mem::take(&mut self.system);
            self.turns.push(Turn { is_assistant: false, results: Vec::new(), blocks });
        }

        let mut messages: Vec<(bool, Vec<Value>)> = Vec::with_capacity(self.turns.len());
        for turn in self.turns {
            let content = turn.results.into_iter().chain(turn.blocks);
            match messages.last_mut() {
                // Turns in between may have been left empty.
                Some((is_assistant, blocks)) if *is_assistant == turn.is_assistant => {
                    blocks.extend(content)
                }
                _ => messages.push((turn.is_assistant, content.collect())),
            }
        }
        if let Some((true, blocks)) = messages.last_mut() {
            trim_prefill(blocks, dropped);
        }

        let role = |is_assistant| if is_assistant { "assistant" } else { "user" };
        let messages = messages.into_iter().map(
            |(is_assistant, content)| json!({ "role": role(is_assistant), "content": content }),
        );
        (self.system, messages.collect())
    }

    fn instruct(&mut self, message: &Message, index: usize, dropped: &mut Vec<Dropped>) {
        for (part_index, part) in message.parts.iter().enumerate() {
            let place = Place { message: index, part: part_index };
            match part {
                Part::Text(text) => self.system.extend(text_block(text)),
                Part::Refusal(_)
                | Part::Media(_)
                | Part::Reasoning(_)
                | Part::ToolCall(_)
                | Part::ToolResult(_)
                | Part::Opaque(_) => {
                    dropped.push(place.report("", "a system prompt holds texts only"))
                }
            }
        }
    }

    fn say(&mut self, message: &Message, index: usize, dropped: &mut Vec<Dropped>) {
        let is_assistant = message.role == Role::Assistant;
        if self.turns.last().is_none_or(|turn| turn.is_assistant != is_assistant) {
            self.turns.push(Turn { is_assistant, results: Vec::new(), blocks: Vec::new() });
        }
        for (part_index, part) in message.parts.iter().enumerate() {
            let place = Place { message: index, part: part_index };
            let block = self.block(part, is_assistant, place, dropped);
            let Some(turn) = self.turns.last_mut() else { return };
            match part {
                Part::ToolResult(_) if !is_assistant => turn.results.extend(block),
                _ => turn.blocks.extend(block),
            }
        }
    }

    fn block(
        &self,
        part: &Part,
        is_assistant: bool,
        place: Place,
        dropped: &mut Vec<Dropped>,
    ) -> Option<Value> {
        match part {
            Part::Text(text) => {
                if !text.citations.is_empty() {
                    dropped.push(place.report(".citations", "citations cannot be sent back"));
                }
                if text.signature.is_some() {
                    dropped.push(place.report(".signature", "a proof of another protocol"));
                }
                text_block(text)
            }
            Part::Refusal(text) => text_block(&Text { text: text.clone(), ..Text::default() }),
            Part::Media(_) if is_assistant => {
                dropped.push(place.report("", "the assistant's turn holds no media"));
                None
            }
            Part::Media(media) => media_block(media, place, dropped),
            Part::Reasoning(reasoning) => self.reasoning(reasoning, place, dropped),
            Part::ToolCall(call) => {
                if call.signature.is_some() {
                    dropped.push(place.report(" (signature)", "a proof of another protocol"));
                }
                let (input, is_wrapped) = response::input(&call.arguments, call.custom);
                if is_wrapped {
                    dropped.push(
                        place.report(".arguments", "not a JSON object: sent as {\"input\": …}"),
                    );
                }
                let block = json!({
                    "type": "tool_use", "id": call_id(&call.id), "name": call.name, "input": input,
                });
                Some(marked(block, call.cache))
            }
            Part::ToolResult(result) => Some(tool_result(result, place, dropped)),
            Part::Opaque(opaque) if opaque.protocol == ANTHROPIC_MESSAGES => {
                Some(opaque.value.clone())
            }
            Part::Opaque(opaque) => {
                dropped.push(
                    place.report(&format!(" ({})", opaque.kind), "only its own protocol knows it"),
                );
                None
            }
        }
    }

    /// Writes earlier reasoning. Claude takes its own only, and knows it by the signature; others take unsigned texts.
    fn reasoning(
        &self,
        reasoning: &Reasoning,
        place: Place,
        dropped: &mut Vec<Dropped>,
    ) -> Option<Value> {
        match &reasoning.signature {
            Some(proof) if proof::is_native(proof) && reasoning.redacted => {
                Some(json!({ "type": "redacted_thinking", "data": proof.value }))
            }
            Some(proof) if proof::is_native(proof) => Some(
                json!({ "type": "thinking", "thinking": reasoning.text, "signature": proof.value }),
            ),
            Some(_) => {
                dropped.push(place.report(" (reasoning)", "a proof of another protocol"));
                None
            }
            None if reasoning.text.trim().is_empty() => None,
            None if thinking::is_claude(&self.target.upstream_model) => {
                dropped.push(
                    place.report(" (reasoning)", "reasoning without a signature is not accepted"),
                );
                None
            }
            None => {
                Some(json!({ "type": "thinking", "thinking": reasoning.text, "signature": "" }))
            }
        }
    }
}

/// Takes white space from the end of the answer's beginning, which the API refuses ("final assistant content cannot end with
/// trailing whitespace").
fn trim_prefill(blocks: &mut [Value], dropped: &mut Vec<Dropped>) {
    let Some(Value::String(text)) = blocks.last_mut().and_then(|block| block.get_mut("text"))
    else {
        return;
    };
    let length = text.trim_end().len();
    if length < text.len() {
        text.truncate(length);
        dropped.push(Dropped::replaced(
            "messages (the answer's beginning)",
            "white space at its end is not accepted",
        ));
    }
}

fn text_block(text: &Text) -> Option<Value> {
    let is_blank = text.text.trim().is_empty();
    (!is_blank).then(|| marked(json!({ "type": "text", "text": text.text }), text.cache))
}

/// Adds a cache marker where the caller had one.
fn marked(mut block: Value, cache: bool) -> Value {
    if let (true, Some(block)) = (cache, block.as_object_mut()) {
        block.insert("cache_control".to_owned(), json!({ "type": "ephemeral" }));
    }
    block
}

/// Returns the id in the characters that the protocol allows.
fn call_id(id: &str) -> String {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if id.is_empty() {
        return "_".to_owned();
    }
    id.chars().map(|c| if is_allowed(c) { c } else { '_' }).collect()
}

fn tool_result(result: &ToolResult, place: Place, dropped: &mut Vec<Dropped>) -> Value {
    let mut content: Vec<Value> = Vec::with_capacity(result.parts.len());
    for part in &result.parts {
        match part {
            Part::Text(text) => content.extend(text_block(text)),
            Part::Refusal(text) => {
                content.extend(text_block(&Text { text: text.clone(), ..Text::default() }))
            }
            Part::Media(media) => content.extend(media_block(media, place, dropped)),
            Part::Opaque(opaque) if opaque.protocol == ANTHROPIC_MESSAGES => {
                content.push(opaque.value.clone())
            }
            Part::Opaque(_) | Part::Reasoning(_) | Part::ToolCall(_) | Part::ToolResult(_) => {
                dropped.push(place.report(".content", "not a text, picture or document"));
            }
        }
    }
    // A result that reports a failure must not be empty.
    if content.is_empty() && result.is_error {
        content.push(json!({ "type": "text", "text": "The tool failed without output." }));
    }
    let mut block = json!({ "type": "tool_result", "tool_use_id": call_id(&result.call_id) });
    if let Some(block) = block.as_object_mut() {
        if !content.is_empty() {
            block.insert("content".to_owned(), content.into());
        }
        if result.is_error {
            block.insert("is_error".to_owned(), true.into());
        }
    }
    marked(block, result.cache)
}

fn media_block(media: &Media, place: Place, dropped: &mut Vec<Dropped>) -> Option<Value> {
    if !matches!(media.detail, None | Some(ImageDetail::Auto)) {
        dropped.push(place.report(".detail", "pictures are looked at in one way only"));
    }
    let (kind, source) = match media.kind {
        Kind::Image => ("image", picture_source(media)),
        Kind::Pdf => ("document", file_source(media, "application/pdf")),
        Kind::Text => ("document", text_source(media)),
        Kind::Audio | Kind::Video => ("document", Err("sound and video are not accepted")),
    };
    let source = match source {
        Ok(source) => source,
        Err(reason) => {
            dropped.push(place.report(&format!(" ({})", media.kind.name()), reason));
            return None;
        }
    };
    let mut block = json!({ "type": kind, "source": source });
    match (&media.name, kind, block.as_object_mut()) {
        (Some(name), "document", Some(block)) => {
            block.insert("title".to_owned(), name.as_str().into());
        }
        (Some(_), ..) => dropped.push(place.report(".name", "pictures have no name")),
        (None, ..) => {}
    }
    Some(marked(block, media.cache))
}

fn picture_source(media: &Media) -> Result<Value, &'static str> {
    let mime = match media::mime_of(media) {
        "image/jpg" => "image/jpeg",
        other => other,
    };
    if matches!(media.source, Source::Base64(_)) && !PICTURES.contains(&mime) {
        return Err("only JPEG, PNG, GIF and WebP pictures are accepted");
    }
    file_source(media, mime)
}

fn file_source(media: &Media, mime: &str) -> Result<Value, &'static str> {
    match &media.source {
        Source::Base64(bytes) => Ok(
            json!({ "type": "base64", "media_type": mime, "data": String::from_utf8_lossy(bytes) }),
        ),
        Source::Url(url) if url.starts_with("https://") || url.starts_with("http://") => {
            Ok(json!({ "type": "url", "url": url }))
        }
        Source::Url(_) => Err("only http and https addresses are fetched"),
        Source::FileId(_) => Err("an uploaded file is known to its own provider only"),
        Source::Text(_) => Err("a text is no such file"),
    }
}

fn text_source(media: &Media) -> Result<Value, &'static str> {
    let text = match &media.source {
        Source::Text(text) => text.clone(),
        Source::Base64(bytes) => {
            let decoded = base64::engine::general_purpose::STANDARD.decode(bytes).ok();
            decoded.and_then(|bytes| String::from_utf8(bytes).ok()).ok_or("not a text in UTF-8")?
        }
        Source::Url(_) => return Err("text documents are not fetched"),
        Source::FileId(_) => return Err("an uploaded file is known to its own provider only"),
    };
    if text.trim().is_empty() {
        return Err("an empty document");
    }
    Ok(json!({ "type": "text", "media_type": "text/plain", "data": text }))
}
