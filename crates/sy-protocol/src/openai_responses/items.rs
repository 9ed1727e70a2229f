//! Input items to messages.
//!
//! This protocol's history is flat: reasoning, texts, calls and results are items of one list. What the model said in one go
//! becomes one assistant message, results that follow each other become one tool message. Items that only this protocol knows
//! stay as they are inside the assistant message; it deliberately resolves no reference to a stored item.

use serde_json::{Value, json};
use sy_types::chat::{
    ChatRequest, Dropped, Message, Opaque, Part, Reasoning, Role, Signature, ToolCall, ToolResult,
};
use sy_types::{ErrorKind, Failure, Side};

use super::namespaces::Namespaces;
use super::proof::{self, Proof};
use super::{parts, response, tools};
use crate::fields::{Fields, indexed, missing, wrong};
use crate::ids::OPENAI_RESPONSES;

/// Reads `input` and appends its messages.
///
/// # Errors
/// `Invalid`, naming the field at fault; `Unsupported` for a reference to a stored item.
pub(super) fn decode(
    fields: &mut Fields,
    names: &Namespaces,
    chat: &mut ChatRequest,
    dropped: &mut Vec<Dropped>,
) -> Result<(), Failure> {
    let path = fields.path("input");
    match fields.take("input") {
        None => return Err(missing(&path, "a string or an array of items")),
        Some(Value::String(text)) => chat.messages.push(Message::text(Role::User, text)),
        Some(Value::Array(items)) => {
            let mut history = History {
                chat,
                names,
                dropped,
                proofs: Vec::new(),
                message_ids: Vec::new(),
                after_text: false,
            };
            for (path, item) in indexed(&path, items) {
                history.item(Fields::of(item, path.as_str())?, &path)?;
            }
            history.settle_proofs();
        }
        Some(other) => return Err(wrong(&path, "a string or an array of items", &other)),
    }
    Ok(())
}

/// Returns the lists of tools that are declared within the input.
pub(super) fn additional_tools(input: &Value) -> Vec<&[Value]> {
    let items = input.as_array().into_iter().flatten();
    items
        .filter(|item| response::text(item, "type").as_deref() == Some("additional_tools"))
        .map(|item| response::array(item, "tools"))
        .collect()
}

struct History<'a> {
    chat: &'a mut ChatRequest,
    names: &'a Namespaces,
    dropped: &'a mut Vec<Dropped>,
    /// Proofs that belong to another item, by its id.
    proofs: Vec<(String, Signature)>,
    /// Where the texts of messages with an id are: message and part.
    message_ids: Vec<(String, usize, usize)>,
    /// True when the last item was a message of the model.
    after_text: bool,
}

impl History<'_> {
    fn item(&mut self, mut fields: Fields, path: &str) -> Result<(), Failure> {
        let kind = match fields.string("type")? {
            Some(kind) => kind,
            None if fields.peek("role").is_some() => "message".to_owned(),
            None => return Err(missing(&fields.path("type"), "the type of the item")),
        };
        let after_text = std::mem::take(&mut self.after_text);
        match kind.as_str() {
            "message" => return self.message(fields, after_text),
            "function_call" | "custom_tool_call" => {
                self.call(&mut fields, kind == "custom_tool_call")?
            }
            "function_call_output" | "custom_tool_call_output" => self.result(&mut fields)?,
            "reasoning" => self.reasoning(&mut fields)?,
            "additional_tools" => {
                let declared = fields.array("tools")?.unwrap_or_default();
                let mut found = Vec::new();
                tools::decode(declared, self.names, &mut found, self.dropped)?;
                found.retain(|tool| !self.chat.tools.iter().any(|known| known.name == tool.name));
                self.chat.tools.extend(found);
                fields.take("role");
            }
            "item_reference" => return Err(stored_item(path)),
            _ => {
                let mut value = fields.into_map();
                value.insert("type".to_owned(), Value::from(kind.as_str()));
                let opaque =
                    Opaque { protocol: OPENAI_RESPONSES, kind, value: Value::Object(value) };
                self.say(Part::Opaque(opaque));
                return Ok(());
            }
        }
        for known in ["id", "status"] {
            fields.take(known);
        }
        fields.finish(self.dropped);
        Ok(())
    }

    fn message(&mut self, mut fields: Fields, after_text: bool) -> Result<(), Failure> {
        let word = fields.required_string("role")?;
        let role = match word.as_str() {
            "user" => Role::User,
            "assistant" => Role::Assistant,
            "system" => Role::System,
            "developer" => Role::Developer,
            _ => {
                let expected = "user, assistant, system or developer";
                return Err(wrong(&fields.path("role"), expected, &Value::String(word)));
            }
        };
        let path = fields.path("content");
        let content = fields.take("content");
        let content = parts::decode_content(&path, content, self.dropped)?;
        let id = fields.string("id")?;
        // A phase says whether a text is commentary or the answer: no other protocol tells them apart, and none needs to.
        for known in ["status", "phase"] {
            fields.take(known);
        }
        fields.finish(self.dropped);
        if content.is_empty() {
            return Ok(());
        }
        if role != Role::Assistant {
            self.chat.messages.push(Message::new(role, content));
            return Ok(());
        }
        self.after_text = true;
        let last = self.chat.messages.len().wrapping_sub(1);
        let place = match self.chat.messages.last_mut() {
            Some(message)
                if message.role == Role::Assistant && (!after_text || awaits_results(message)) =>
            {
                let at = message.parts.len();
                message.parts.extend(content);
                (last, at)
            }
            _ => {
                self.chat.messages.push(Message::new(Role::Assistant, content));
                (last.wrapping_add(1), 0)
            }
        };
        self.message_ids.extend(id.map(|id| (id, place.0, place.1)));
        Ok(())
    }

    fn call(&mut self, fields: &mut Fields, custom: bool) -> Result<(), Failure> {
        let id = fields.required_string("call_id")?;
        let name = fields.required_string("name")?;
        let key = if custom { "input" } else { "arguments" };
        let arguments = match fields.take(key) {
            None => String::new(),
            Some(Value::String(text)) => text,
            Some(object @ Value::Object(_)) => crate::json::text(&object),
            Some(other) => return Err(wrong(&fields.path(key), "a string", &other)),
        };
        let group = fields.string("namespace")?;
        let name = self.names.flat_name(group.as_deref(), &name);
        // Who called, the model or its program, is no matter.
        fields.take("caller");
        let call = ToolCall { id, name, arguments, custom, signature: None, cache: false };
        self.say(Part::ToolCall(call));
        Ok(())
    }

    fn result(&mut self, fields: &mut Fields) -> Result<(), Failure> {
        let call_id = fields.required_string("call_id")?;
        let path = fields.path("output");
        let output = fields.take("output");
        let parts = parts::decode_content(&path, output, self.dropped)?;
        // The call knows the name best: a result may leave its namespace out.
        let given = fields.string("name")?;
        let name = self.name_of(&call_id).or(given);
        for known in ["namespace", "caller"] {
            fields.take(known);
        }
        let result =
            Part::ToolResult(ToolResult { call_id, name, parts, is_error: false, cache: false });
        match self.chat.messages.last_mut() {
            Some(message) if message.role == Role::Tool => message.parts.push(result),
            _ => self.chat.messages.push(Message::new(Role::Tool, vec![result])),
        }
        Ok(())
    }

    fn reasoning(&mut self, fields: &mut Fields) -> Result<(), Failure> {
        let item = json!({"summary": fields.take("summary"), "content": fields.take("content")});
        let mut reasoning = Reasoning {
            id: fields.string("id")?,
            text: response::reasoning_text(&item),
            ..Reasoning::default()
        };
        match fields.string("encrypted_content")?.map(|text| proof::read(&text)) {
            None => {}
            Some(Proof::Reasoning { signature, redacted }) => {
                reasoning.signature = Some(signature);
                reasoning.redacted = redacted;
            }
            Some(Proof::Owned { owner, signature }) => {
                self.proofs.push((owner, signature));
                return Ok(());
            }
        }
        self.say(Part::Reasoning(reasoning));
        Ok(())
    }

    /// Adds a part to the assistant message that is being put together.
    fn say(&mut self, part: Part) {
        match self.chat.messages.last_mut() {
            Some(message) if message.role == Role::Assistant => message.parts.push(part),
            _ => self.chat.messages.push(Message::new(Role::Assistant, vec![part])),
        }
    }

    fn name_of(&self, call_id: &str) -> Option<String> {
        let mut calls = self.chat.messages.iter().rev().flat_map(|message| &message.parts);
        calls.find_map(|part| match part {
            Part::ToolCall(call) if call.id == call_id => Some(call.name.clone()),
            _ => None,
        })
    }

    /// Hands the proofs that came in items of their own to their owners.
    fn settle_proofs(&mut self) {
        for (owner, signature) in std::mem::take(&mut self.proofs) {
            let place = self.message_ids.iter().find(|(id, _, _)| *id == owner);
            if let Some((_, message, part)) = place {
                let part = self
                    .chat
                    .messages
                    .get_mut(*message)
                    .and_then(|message| message.parts.get_mut(*part));
                if let Some(Part::Text(text)) = part {
                    text.signature = Some(signature);
                }
                continue;
            }
            let parts = self.chat.messages.iter_mut().flat_map(|message| &mut message.parts);
            for part in parts {
                if let Part::ToolCall(call) = part
                    && call.id == owner
                {
                    call.signature = Some(signature.clone());
                }
            }
        }
    }
}

/// Returns true for a message that holds calls, which must stay together with what follows them.
fn awaits_results(message: &Message) -> bool {
    message.parts.iter().any(|part| matches!(part, Part::ToolCall(_)))
}

fn stored_item(path: &str) -> Failure {
    let message = format!(
        "{path}: the item it refers to is not stored here and this model speaks another protocol; send whole items (store: false) instead"
    );
    Failure::new(ErrorKind::Unsupported, Side::Caller, message).with_param(path)
}
