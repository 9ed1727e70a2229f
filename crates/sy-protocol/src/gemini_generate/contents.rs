//! A client's conversation to canonical messages.
//!
//! Called by the request decoder. Results of tools become messages of their own, and calls get ids where the client sent none,
//! as this wire lets results be matched by name and order. It deliberately does not check that every call has a result.

use serde_json::Value;
use sy_types::Failure;
use sy_types::chat::{Dropped, Message, Opaque, Part, Reasoning, Role, Text, ToolCall, ToolResult};

use super::proof::{self, Proof};
use super::{naming, parts};
use crate::fields::{Fields, indexed, wrong};
use crate::ids::GEMINI_GENERATE;
use crate::json;

/// A call that was made so far in the conversation.
struct Call {
    id: String,
    name: String,
    is_answered: bool,
    /// True where the client sent no id with the call.
    is_made_up: bool,
}

/// Collects the messages of a conversation.
#[derive(Default)]
pub(super) struct History {
    messages: Vec<Message>,
    calls: Vec<Call>,
    dropped: Vec<Dropped>,
}

impl History {
    /// Takes the system instruction in: a text, or a content whose role says nothing.
    pub(super) fn instruction(&mut self, value: Value, path: String) -> Result<(), Failure> {
        let parts = match value {
            Value::String(text) => vec![Part::text(text)],
            value @ Value::Object(_) => {
                let mut fields = naming::fields(value, path)?;
                fields.take("role");
                let parts = self.parts(&mut fields, Role::System)?;
                fields.finish(&mut self.dropped);
                parts
            }
            Value::Array(items) => self.each(indexed(&path, items), Role::System)?,
            other => return Err(wrong(&path, "a content object or a string", &other)),
        };
        if !parts.is_empty() {
            self.messages.push(Message::new(Role::System, parts));
        }
        Ok(())
    }

    /// Takes one content in.
    pub(super) fn content(&mut self, value: Value, path: String) -> Result<(), Failure> {
        if let Value::String(text) = value {
            self.messages.push(Message::text(Role::User, text));
            return Ok(());
        }
        let mut fields = naming::fields(value, path)?;
        let role = match fields.string("role")?.as_deref() {
            None | Some("" | "user" | "function" | "tool") => Role::User,
            Some("model") => Role::Assistant,
            Some("system") => Role::System,
            Some(other) => {
                return Err(wrong(
                    &fields.path("role"),
                    "\"user\" or \"model\"",
                    &Value::from(other),
                ));
            }
        };
        let parts = self.parts(&mut fields, role)?;
        fields.finish(&mut self.dropped);
        self.push_runs(role, parts);
        Ok(())
    }

    /// Gives the messages up, and what could not be carried.
    pub(super) fn into_messages(self, mut dropped: Vec<Dropped>) -> (Vec<Message>, Vec<Dropped>) {
        dropped.extend(self.dropped);
        (self.messages, dropped)
    }

    /// Results of tools go into messages of their own, in the order in which they came.
    fn push_runs(&mut self, role: Role, parts: Vec<Part>) {
        let mut run: Option<Message> = None;
        for part in parts {
            let role = if matches!(part, Part::ToolResult(_)) { Role::Tool } else { role };
            match &mut run {
                Some(message) if message.role == role => message.parts.push(part),
                _ => self.messages.extend(run.replace(Message::new(role, vec![part]))),
            }
        }
        self.messages.extend(run);
    }

    fn parts(&mut self, fields: &mut Fields, role: Role) -> Result<Vec<Part>, Failure> {
        let path = fields.path("parts");
        match fields.take("parts") {
            None => Ok(Vec::new()),
            Some(Value::Array(items)) => self.each(indexed(&path, items), role),
            Some(Value::String(text)) => Ok(vec![Part::text(text)]),
            Some(single @ Value::Object(_)) => self.each(vec![(path, single)], role),
            Some(other) => Err(wrong(&path, "an array of parts", &other)),
        }
    }

    fn each(&mut self, items: Vec<(String, Value)>, role: Role) -> Result<Vec<Part>, Failure> {
        let mut parts = Vec::with_capacity(items.len());
        for (path, item) in items {
            match item {
                Value::String(text) => parts.push(Part::text(text)),
                item => {
                    let mut part = self.part(naming::fields(item, path)?, role)?;
                    if role == Role::Assistant {
                        part = part.and_then(|part| join(&mut parts, part));
                    }
                    parts.extend(part);
                }
            }
        }
        Ok(parts)
    }

    fn part(&mut self, mut fields: Fields, role: Role) -> Result<Option<Part>, Failure> {
        let is_thought = fields.bool("thought")?.unwrap_or_default();
        let written = fields.string("thoughtSignature")?.unwrap_or_default();
        let proof = proof::read(&written);
        let part = if let Some(mut call) = naming::nested(&mut fields, "functionCall")? {
            let called = self.call(&mut call)?;
            call.finish(&mut self.dropped);
            Part::ToolCall(ToolCall { signature: proof.signature, ..called })
        } else if let Some(result) = naming::nested(&mut fields, "functionResponse")? {
            Part::ToolResult(self.result(result)?)
        } else if let Some(media) = self.media(&mut fields)? {
            media
        } else if let Some(text) = fields.string("text")? {
            said(text, is_thought && role == Role::Assistant, proof)
        } else {
            let has_proof = proof.signature.is_some();
            let bare = || said(String::new(), is_thought && role == Role::Assistant, proof);
            return Ok(opaque(fields, &written).or_else(|| has_proof.then(bare)));
        };
        fields.finish(&mut self.dropped);
        Ok(Some(part))
    }

    fn media(&mut self, fields: &mut Fields) -> Result<Option<Part>, Failure> {
        if let Some(mut blob) = naming::nested(fields, "inlineData")? {
            let (mime, name) = (blob.string("mimeType")?, blob.string("displayName")?);
            let media = parts::inline(mime, &blob.required_string("data")?, name);
            blob.finish(&mut self.dropped);
            return Ok(Some(Part::Media(media)));
        }
        let Some(mut file) = naming::nested(fields, "fileData")? else { return Ok(None) };
        let (mime, name) = (file.string("mimeType")?, file.string("displayName")?);
        let media = parts::file(mime, file.required_string("fileUri")?, name);
        file.finish(&mut self.dropped);
        Ok(Some(Part::Media(media)))
    }

    fn call(&mut self, fields: &mut Fields) -> Result<ToolCall, Failure> {
        let name = fields.required_string("name")?;
        let given = fields.string("id")?.filter(|id| !id.is_empty());
        let is_made_up = given.is_none();
        let id = given.unwrap_or_else(|| self.unused_id());
        let arguments = match fields.take("args") {
            None => "{}".to_owned(),
            Some(args @ Value::Object(_)) => json::text(&args),
            Some(other) => return Err(wrong(&fields.path("args"), "an object", &other)),
        };
        self.calls.push(Call {
            id: id.clone(),
            name: name.clone(),
            is_answered: false,
            is_made_up,
        });
        Ok(ToolCall { id, name, arguments, custom: false, signature: None, cache: false })
    }

    fn result(&mut self, mut fields: Fields) -> Result<ToolResult, Failure> {
        let name = fields.string("name")?.filter(|name| !name.is_empty());
        let given = fields.string("id")?.filter(|id| !id.is_empty());
        let call_id = self.answered(given, name.as_deref());
        let (text, is_error) =
            fields.take("response").as_ref().map(result_text).unwrap_or_default();
        let mut parts = Vec::new();
        if let Some(items) = fields.array("parts")? {
            for (path, item) in items {
                let mut inner = naming::fields(item, path)?;
                parts.extend(self.media(&mut inner)?);
                inner.finish(&mut self.dropped);
            }
        }
        if !text.is_empty() || parts.is_empty() {
            parts.insert(0, Part::text(text));
        }
        fields.finish(&mut self.dropped);
        Ok(ToolResult { call_id, name, parts, is_error, cache: false })
    }

    /// Finds the call that a result answers: by id, else by name, else the oldest that waits.
    fn answered(&mut self, id: Option<String>, name: Option<&str>) -> String {
        let waiting = |call: &&mut Call| !call.is_answered;
        let is_known = id.as_ref().is_none_or(|id| self.calls.iter().any(|call| call.id == *id));
        // Some clients send ids of their own with results, though the call came without one.
        let unnamed = |call: &&mut Call| {
            !call.is_answered && call.is_made_up && name == Some(call.name.as_str())
        };
        let found = match &id {
            Some(id) if is_known => self.calls.iter_mut().find(|call| call.id == *id),
            Some(_) => self.calls.iter_mut().find(unnamed),
            None if self
                .calls
                .iter()
                .any(|call| !call.is_answered && name == Some(call.name.as_str())) =>
            {
                self.calls.iter_mut().filter(waiting).find(|call| name == Some(call.name.as_str()))
            }
            None => self.calls.iter_mut().find(waiting),
        };
        if let Some(call) = found {
            call.is_answered = true;
            return call.id.clone();
        }
        id.unwrap_or_else(|| self.unused_id())
    }

    fn unused_id(&self) -> String {
        let mut number = self.calls.len();
        loop {
            let id = format!("call_{number}");
            if self.calls.iter().all(|call| call.id != id) {
                return id;
            }
            number += 1;
        }
    }
}

/// Clients keep an answer as the chunks that it came in: pieces of one text, and a proof that comes in an empty piece behind it.
/// Gives the part back where it begins something of its own.
fn join(parts: &mut [Part], part: Part) -> Option<Part> {
    match (parts.last_mut(), part) {
        (Some(Part::Text(text)), Part::Text(more)) if text.signature.is_none() => {
            text.text.push_str(&more.text);
            text.signature = more.signature;
            None
        }
        (Some(Part::Reasoning(thought)), Part::Reasoning(more))
            if thought.signature.is_none() && !more.redacted =>
        {
            thought.text.push_str(&more.text);
            (thought.id, thought.signature) = (more.id, more.signature);
            None
        }
        (_, part) => Some(part),
    }
}

fn said(text: String, is_thought: bool, proof: Proof) -> Part {
    let Proof { signature, id, redacted } = proof;
    if is_thought {
        return Part::Reasoning(Reasoning { id, text, signature, redacted });
    }
    Part::Text(Text { text, signature, ..Text::default() })
}

/// Keeps a part of a kind that only this protocol knows, as it came.
fn opaque(fields: Fields, signature: &str) -> Option<Part> {
    let mut map = fields.into_map();
    let kind = parts::content_key(&map)?.to_owned();
    if !signature.is_empty() {
        map.insert("thoughtSignature".to_owned(), Value::from(signature));
    }
    Some(Part::Opaque(Opaque { protocol: GEMINI_GENERATE, kind, value: Value::Object(map) }))
}

/// Returns the text of a tool's answer, and whether it failed. `result`, `output` and `error` are the API's own words for the
/// one value of an answer; any other object is the answer itself, as JSON.
fn result_text(response: &Value) -> (String, bool) {
    if let Value::Object(map) = response
        && map.len() == 1
        && let Some((key, value)) = map.iter().next()
        && matches!(key.as_str(), "result" | "output" | "error")
    {
        return (plain(value), key == "error");
    }
    (plain(response), false)
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => json::text(other),
    }
}
