//! Canonical messages to the contents of this protocol.
//!
//! Called by the request's build. A turn of the model is one content, and all results of its calls are one content directly
//! behind it, because the API counts results against calls there. It deliberately adds no results that the client left out.

use std::collections::HashMap;

use serde_json::{Map, Value, json};
use sy_types::Target;
use sy_types::chat::{
    Dropped, ImageDetail, Media, Message, Opaque, Part, Reasoning, Role, Signature, Source, Text,
};
use sy_types::chat::{ToolCall, ToolResult};

use super::{FOREIGN, naming, parts, proof};
use crate::ids::GEMINI_GENERATE;

/// Why a proof is left out.
const FOREIGN_PROOF: &str = "only the provider that made it can read it";
const NO_PLACE: &str = "this provider has no place for it";

/// What the messages became.
pub(super) struct Contents {
    /// The conversation.
    pub(super) contents: Vec<Value>,
    /// The parts of the system instruction.
    pub(super) instruction: Vec<Value>,
}

/// One content that is being made.
struct Content {
    is_model: bool,
    is_results: bool,
    parts: Vec<Value>,
}

struct Builder<'a> {
    target: &'a Target,
    dropped: &'a mut Vec<Dropped>,
    contents: Vec<Content>,
    /// The names of the calls so far, by id.
    names: HashMap<&'a str, &'a str>,
    /// Media of tool results that the model cannot see there.
    attached: Vec<Value>,
}

/// Returns true where the caller marked the end of a cacheable prefix.
pub(super) fn is_cache_mark(part: &Part) -> bool {
    match part {
        Part::Text(text) => text.cache,
        Part::Media(media) => media.cache,
        Part::ToolCall(call) => call.cache,
        Part::ToolResult(result) => result.cache || result.parts.iter().any(is_cache_mark),
        Part::Refusal(_) | Part::Reasoning(_) | Part::Opaque(_) => false,
    }
}

impl Contents {
    /// Makes the contents and the system instruction.
    pub(super) fn build(messages: &[Message], target: &Target, dropped: &mut Vec<Dropped>) -> Self {
        let mut builder = Builder {
            target,
            dropped,
            contents: Vec::new(),
            names: HashMap::new(),
            attached: Vec::new(),
        };
        let mut instruction = Vec::new();
        for (index, message) in messages.iter().enumerate() {
            let path = format!("messages[{index}]");
            if message.name.is_some() {
                builder.report(format!("{path}.name"), NO_PLACE);
            }
            match message.role {
                Role::System | Role::Developer => {
                    if !builder.contents.is_empty() {
                        builder
                            .dropped
                            .push(Dropped::moved(path.as_str(), "to the system instruction"));
                    }
                    builder.instruction(&message.parts, &path, &mut instruction);
                }
                Role::User => builder.user(&message.parts, &path),
                Role::Assistant => builder.model(&message.parts, &path),
                Role::Tool => builder.results(&message.parts, &path),
            }
        }
        builder.flush_attached();
        if builder.contents.is_empty() && !instruction.is_empty() {
            builder.dropped.push(Dropped::moved(
                "messages",
                "instructions alone are no conversation here: sent as the user's",
            ));
            builder.push(false, std::mem::take(&mut instruction));
        }
        if naming::generation(&target.upstream_model).is_some_and(|generation| generation >= 3) {
            builder.contents.iter_mut().for_each(stand_in);
        }
        let contents = builder.contents.into_iter().map(|content| {
            let role = Value::from(if content.is_model { "model" } else { "user" });
            parts::object([("role", role), ("parts", Value::Array(content.parts))])
        });
        Self { contents: contents.collect(), instruction }
    }
}

/// From generation 3 on, the first call of a turn must carry a proof (ai.google.dev/gemini-api/docs/thought-signatures, read
/// 2026-11); a turn of another model gets the stand-in that is documented for it.
fn stand_in(content: &mut Content) {
    let first = content
        .parts
        .iter_mut()
        .filter_map(Value::as_object_mut)
        .find(|part| part.contains_key("functionCall"));
    if let Some(call) = first.filter(|part| !part.contains_key("thoughtSignature")) {
        call.insert("thoughtSignature".to_owned(), Value::from(proof::UNKNOWN));
    }
}

impl<'a> Builder<'a> {
    fn report(&mut self, path: String, reason: &'static str) {
        self.dropped.push(Dropped::new(path, reason));
    }

    fn instruction(&mut self, parts: &[Part], path: &str, out: &mut Vec<Value>) {
        for (index, part) in parts.iter().enumerate() {
            match part {
                Part::Text(text) if text.text.is_empty() => {}
                Part::Text(text) => out.push(json!({ "text": text.text })),
                Part::Refusal(text) => out.push(json!({ "text": text })),
                Part::Media(_)
                | Part::Reasoning(_)
                | Part::ToolCall(_)
                | Part::ToolResult(_)
                | Part::Opaque(_) => {
                    self.report(format!("{path}.parts[{index}]"), "instructions are text here");
                }
            }
        }
    }

    fn user(&mut self, parts: &'a [Part], path: &str) {
        self.flush_attached();
        let written = self.parts(parts, path);
        self.push(false, written);
    }

    fn model(&mut self, parts: &'a [Part], path: &str) {
        self.flush_attached();
        let written = self.parts(parts, path);
        match self.contents.last_mut() {
            Some(last) if last.is_model => last.parts.extend(written),
            _ => self.push(true, written),
        }
    }

    fn push(&mut self, is_model: bool, parts: Vec<Value>) {
        if !parts.is_empty() {
            self.contents.push(Content { is_model, is_results: false, parts });
        }
    }

    /// Results go directly behind the turn that called, though the user may have spoken in between.
    fn results(&mut self, parts: &'a [Part], path: &str) {
        let mut written = Vec::with_capacity(parts.len());
        for (index, part) in parts.iter().enumerate() {
            let path = format!("{path}.parts[{index}]");
            match part {
                Part::ToolResult(result) => written.push(self.result(result, &path)),
                other => written.extend(self.part(other, &path)),
            }
        }
        let turn = self.contents.iter().rposition(|content| content.is_model);
        let behind = turn.map_or(self.contents.len(), |turn| turn + 1);
        match self.contents.get_mut(behind) {
            Some(content) if content.is_results => content.parts.extend(written),
            _ => {
                let content = Content { is_model: false, is_results: true, parts: written };
                self.contents.insert(behind.min(self.contents.len()), content);
            }
        }
    }

    fn flush_attached(&mut self) {
        if !self.attached.is_empty() {
            let mut parts = vec![json!({ "text": "Attached media from tool result:" })];
            parts.append(&mut self.attached);
            self.push(false, parts);
        }
    }

    fn parts(&mut self, parts: &'a [Part], path: &str) -> Vec<Value> {
        let mut written = Vec::with_capacity(parts.len());
        for (index, part) in parts.iter().enumerate() {
            written.extend(self.part(part, &format!("{path}.parts[{index}]")));
        }
        written
    }

    fn part(&mut self, part: &'a Part, path: &str) -> Option<Value> {
        match part {
            Part::Text(text) => self.text(text, path),
            Part::Refusal(text) => Some(json!({ "text": text })),
            Part::Media(media) => self.media(media, path),
            Part::Reasoning(reasoning) => self.reasoning(reasoning, path),
            Part::ToolCall(call) => Some(self.call(call, path)),
            Part::ToolResult(result) => Some(self.result(result, path)),
            Part::Opaque(opaque) => self.opaque(opaque, path),
        }
    }

    fn text(&mut self, text: &Text, path: &str) -> Option<Value> {
        if !text.citations.is_empty() {
            self.report(format!("{path}.citations"), NO_PLACE);
        }
        let proof = self.proof(text.signature.as_ref(), path);
        // The API refuses a part that says nothing.
        if text.text.is_empty() && proof.is_none() {
            return None;
        }
        Some(parts::text_part(&text.text, false, proof))
    }

    fn proof(&mut self, signature: Option<&Signature>, path: &str) -> Option<String> {
        let signature = signature?;
        if signature.protocol == GEMINI_GENERATE {
            return Some(signature.value.clone());
        }
        self.report(format!("{path}.signature"), FOREIGN_PROOF);
        None
    }

    fn reasoning(&mut self, reasoning: &Reasoning, path: &str) -> Option<Value> {
        match &reasoning.signature {
            Some(signature) if signature.protocol == GEMINI_GENERATE => {
                Some(parts::text_part(&reasoning.text, true, Some(signature.value.clone())))
            }
            Some(_) => {
                self.report(format!("{path} (reasoning)"), FOREIGN_PROOF);
                None
            }
            None => {
                self.report(
                    format!("{path} (reasoning)"),
                    "this provider does not want earlier reasoning back",
                );
                None
            }
        }
    }

    fn call(&mut self, call: &'a ToolCall, path: &str) -> Value {
        self.names.insert(&call.id, &call.name);
        let signature =
            call.signature.clone().filter(|signature| signature.protocol == GEMINI_GENERATE);
        if call.signature.is_some() && signature.is_none() {
            self.report(format!("{path}.signature"), FOREIGN_PROOF);
        }
        if !call.custom && !parts::arguments(&call.arguments).1 {
            self.dropped.push(Dropped::replaced(
                format!("{path}.arguments"),
                "they are no JSON object: sent as one text",
            ));
        }
        parts::call_part(&ToolCall { signature, ..call.clone() })
    }

    fn opaque(&mut self, opaque: &Opaque, path: &str) -> Option<Value> {
        if opaque.protocol == GEMINI_GENERATE {
            return Some(opaque.value.clone());
        }
        self.report(format!("{path} ({})", opaque.kind), FOREIGN);
        None
    }

    fn media(&mut self, media: &Media, path: &str) -> Option<Value> {
        if matches!(
            media.detail,
            Some(ImageDetail::Low | ImageDetail::High | ImageDetail::Original)
        ) {
            self.report(format!("{path}.detail"), NO_PLACE);
        }
        if media.name.is_some() {
            self.report(format!("{path}.name"), NO_PLACE);
        }
        if matches!(media.source, Source::Text(_)) {
            self.dropped.push(Dropped::replaced(path, "a text document is sent as text"));
        }
        let written = parts::media_part(media);
        if written.is_none() {
            self.report(path.to_owned(), "a file that was uploaded elsewhere");
        }
        written
    }

    fn result(&mut self, result: &'a ToolResult, path: &str) -> Value {
        let known = self.names.get(result.call_id.as_str()).copied();
        // The API wants a name; only a client that cut its history short leaves us without one.
        let name = result.name.as_deref().or(known).unwrap_or("unknown");
        let mut texts = Vec::new();
        let mut media = Vec::new();
        let can_see = naming::generation(&self.target.upstream_model)
            .is_some_and(|generation| generation >= 3);
        for (index, part) in result.parts.iter().enumerate() {
            let path = format!("{path}.parts[{index}]");
            match part {
                Part::Text(text) => texts.push(text.text.as_str()),
                Part::Refusal(refusal) => texts.push(refusal),
                Part::Media(item) => {
                    let Some(written) = self.media(item, &path) else { continue };
                    if can_see && written.get("text").is_none() {
                        media.push(written);
                    } else {
                        self.attached.push(written);
                    }
                }
                Part::Opaque(opaque) => self.report(format!("{path} ({})", opaque.kind), FOREIGN),
                Part::Reasoning(_) | Part::ToolCall(_) | Part::ToolResult(_) => {
                    self.report(path, NO_PLACE)
                }
            }
        }
        let key = if result.is_error { "error" } else { "result" };
        let mut response = Map::new();
        response.insert("id".to_owned(), Value::from(result.call_id.as_str()));
        response.insert("name".to_owned(), Value::from(name));
        response.insert("response".to_owned(), json!({ key: texts.join("\n") }));
        if !media.is_empty() {
            response.insert("parts".to_owned(), Value::Array(media));
        }
        parts::object([("functionResponse", Value::Object(response))])
    }
}
