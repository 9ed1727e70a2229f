//! Messages to input items.
//!
//! Used by the builder of provider requests. A leading system text becomes `instructions`; everything else keeps its place in
//! the flat list of items. Reasoning goes back only to the protocol that signed it; it deliberately never becomes plain text.

use std::borrow::Cow;
use std::collections::HashSet;

use serde_json::{Map, Value, json};
use sy_types::Target;
use sy_types::chat::{Dropped, Media, Message, Part, Reasoning, Role, Text, ToolCall, ToolResult};
use sy_types::target::ToolCallIds;

use super::parts;
use crate::ids::OPENAI_RESPONSES;

/// The longest call id that OpenAI accepts (error text of the API, read 2026-11-21).
const MAX_CALL_ID: usize = 64;

/// Returns the instructions and the input items.
pub(super) fn build(
    messages: &[Message],
    target: &Target,
    dropped: &mut Vec<Dropped>,
) -> (Option<String>, Vec<Value>) {
    // Without any input the API refuses a request, so instructions alone stay there.
    let leading = messages.first().filter(|_| messages.len() > 1);
    let instructions = leading.and_then(leading_text);
    let mut items =
        Items { target, list: Vec::new(), custom: HashSet::new(), dropped, path: String::new() };
    for (index, message) in messages.iter().enumerate().skip(usize::from(instructions.is_some())) {
        items.message(index, message);
    }
    (instructions, items.list)
}

/// Returns true for a part that ends a cacheable prefix.
pub(super) fn is_cache_mark(part: &Part) -> bool {
    match part {
        Part::Text(text) => text.cache,
        Part::Media(media) => media.cache,
        Part::ToolCall(call) => call.cache,
        Part::ToolResult(result) => result.cache || result.parts.iter().any(is_cache_mark),
        Part::Refusal(_) | Part::Reasoning(_) | Part::Opaque(_) => false,
    }
}

/// Only one plain text fits: joining several would change them.
fn leading_text(message: &Message) -> Option<String> {
    match (message.role, message.parts.as_slice()) {
        (Role::System, [Part::Text(text)]) if message.name.is_none() && !text.text.is_empty() => {
            Some(text.text.clone())
        }
        _ => None,
    }
}

struct Items<'a> {
    target: &'a Target,
    list: Vec<Value>,
    /// Ids of calls so far whose tool is custom: their results are items of another type. A later call of the same id may be
    /// of a function.
    custom: HashSet<&'a str>,
    dropped: &'a mut Vec<Dropped>,
    /// The path of the part in hand.
    path: String,
}

impl<'a> Items<'a> {
    fn message(&mut self, index: usize, message: &'a Message) {
        if message.name.is_some() {
            self.dropped.push(Dropped::new(
                format!("messages[{index}].name"),
                "the Responses API has no names",
            ));
        }
        let mut content = Vec::new();
        for (at, part) in message.parts.iter().enumerate() {
            self.path = format!("messages[{index}].parts[{at}]");
            match part {
                Part::Text(text) => content.push(self.text(message.role, text)),
                Part::Refusal(text) if message.role == Role::Assistant => {
                    content.push(json!({"type": "refusal", "refusal": text}));
                }
                Part::Refusal(text) => content.push(json!({"type": "input_text", "text": text})),
                Part::Media(_) if message.role == Role::Assistant => {
                    self.report("the Responses API takes no media from the model");
                }
                Part::Media(media) => content.extend(self.media(media)),
                Part::Opaque(opaque) if opaque.protocol == OPENAI_RESPONSES => {
                    if message.role == Role::Assistant {
                        self.flush(message.role, &mut content);
                        self.list.push(opaque.value.clone());
                    } else {
                        content.push(opaque.value.clone());
                    }
                }
                Part::Opaque(opaque) => {
                    self.path = format!("{} ({})", self.path, opaque.kind);
                    self.report("known only to another protocol");
                }
                Part::Reasoning(_) | Part::ToolCall(_) | Part::ToolResult(_) => {
                    self.flush(message.role, &mut content);
                    self.own_item(part);
                }
            }
        }
        self.flush(message.role, &mut content);
    }

    fn media(&mut self, media: &Media) -> Option<Value> {
        match parts::build_media(media) {
            Ok(part) => {
                if media.name.is_some() && !parts::keeps_name(media) {
                    let path = format!("{}.name", self.path);
                    self.dropped.push(Dropped::new(path, "only inline documents have a name"));
                }
                Some(part)
            }
            Err(reason) => {
                self.report(reason);
                None
            }
        }
    }

    fn report(&mut self, reason: &'static str) {
        self.dropped.push(Dropped::new(self.path.as_str(), reason));
    }

    /// Writes the content gathered so far as one message.
    fn flush(&mut self, role: Role, content: &mut Vec<Value>) {
        if content.is_empty() {
            return;
        }
        let role = match role {
            Role::System if !self.target.dialect.developer_role => "system",
            Role::System | Role::Developer => "developer",
            Role::User | Role::Tool => "user",
            Role::Assistant => "assistant",
        };
        self.list
            .push(json!({"type": "message", "role": role, "content": std::mem::take(content)}));
    }

    fn text(&mut self, role: Role, text: &Text) -> Value {
        if text.signature.is_some() {
            let path = format!("{}.signature", self.path);
            self.dropped.push(Dropped::new(path, "a proof that only another protocol reads"));
        }
        if role != Role::Assistant {
            return json!({"type": "input_text", "text": text.text});
        }
        let mut part = Map::new();
        part.insert("type".to_owned(), Value::from("output_text"));
        part.insert("text".to_owned(), Value::from(text.text.as_str()));
        if !text.citations.is_empty() {
            let length = text.text.chars().count();
            let annotations =
                text.citations.iter().map(|citation| parts::annotation(citation, length)).collect();
            part.insert("annotations".to_owned(), Value::Array(annotations));
        }
        Value::Object(part)
    }

    fn own_item(&mut self, part: &'a Part) {
        match part {
            Part::Reasoning(reasoning) => self.reasoning(reasoning),
            Part::ToolCall(call) => self.call(call),
            Part::ToolResult(result) => self.result(result),
            Part::Text(_) | Part::Refusal(_) | Part::Media(_) | Part::Opaque(_) => {}
        }
    }

    fn reasoning(&mut self, reasoning: &Reasoning) {
        let Some(signature) = &reasoning.signature else {
            return self.report("reasoning without its encrypted form cannot be sent back");
        };
        if signature.protocol != OPENAI_RESPONSES {
            return self.report("reasoning that only another protocol can read");
        }
        let mut item = Map::new();
        item.insert("type".to_owned(), Value::from("reasoning"));
        if let Some(id) = reasoning.id.as_deref().filter(|id| id.starts_with("rs_")) {
            item.insert("id".to_owned(), Value::from(id));
        }
        item.insert("summary".to_owned(), summary(&reasoning.text));
        item.insert("encrypted_content".to_owned(), Value::from(signature.value.as_str()));
        self.list.push(Value::Object(item));
    }

    fn call(&mut self, call: &'a ToolCall) {
        if call.signature.is_some() {
            let path = format!("{}.signature", self.path);
            self.dropped.push(Dropped::new(path, "a proof that only another protocol reads"));
        }
        match call.custom {
            true => self.custom.insert(&call.id),
            false => self.custom.remove(call.id.as_str()),
        };
        let id = self.call_id(&call.id);
        self.list.push(if call.custom {
            json!({"type": "custom_tool_call", "call_id": id, "name": call.name, "input": call.arguments})
        } else {
            let arguments = if call.arguments.is_empty() { "{}" } else { &call.arguments };
            json!({"type": "function_call", "call_id": id, "name": call.name, "arguments": arguments})
        });
    }

    fn result(&mut self, result: &ToolResult) {
        if result.is_error {
            let path = format!("{}.is_error", self.path);
            self.dropped.push(Dropped::new(path, "the Responses API does not mark failed tools"));
        }
        let path = self.path.clone();
        let mut output = Vec::new();
        for (at, part) in result.parts.iter().enumerate() {
            self.path = format!("{path}.parts[{at}]");
            match part {
                Part::Text(text) => output.push(json!({"type": "input_text", "text": text.text})),
                Part::Refusal(text) => output.push(json!({"type": "input_text", "text": text})),
                Part::Media(media) => output.extend(self.media(media)),
                Part::Opaque(opaque) if opaque.protocol == OPENAI_RESPONSES => {
                    output.push(opaque.value.clone())
                }
                Part::Opaque(_) | Part::Reasoning(_) | Part::ToolCall(_) | Part::ToolResult(_) => {
                    self.report("it has no place in the result of a tool");
                }
            }
        }
        let kind = if self.custom.contains(result.call_id.as_str()) {
            "custom_tool_call_output"
        } else {
            "function_call_output"
        };
        let output = match result.parts.as_slice() {
            [Part::Text(text)] => json!(text.text),
            _ if output.is_empty() => json!(""),
            _ => Value::Array(output),
        };
        self.list.push(
            json!({"type": kind, "call_id": self.call_id(&result.call_id), "output": output}),
        );
    }

    /// Brings a call id into the form that the target accepts; the same id always gives the same form.
    fn call_id<'b>(&self, id: &'b str) -> Cow<'b, str> {
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        match self.target.dialect.tool_call_ids {
            ToolCallIds::NineAlphanumeric
                if id.len() == 9 && id.chars().all(|c| c.is_ascii_alphanumeric()) =>
            {
                Cow::Borrowed(id)
            }
            ToolCallIds::NineAlphanumeric => {
                Cow::Owned(format!("{:016x}", hash(id)).chars().take(9).collect())
            }
            ToolCallIds::WordCharacters if !id.chars().all(is_word) => {
                let clean: String =
                    id.chars().take(40).map(|c| if is_word(c) { c } else { '_' }).collect();
                Cow::Owned(format!("{clean}_{:016x}", hash(id)))
            }
            ToolCallIds::Any | ToolCallIds::WordCharacters if id.len() <= MAX_CALL_ID => {
                Cow::Borrowed(id)
            }
            ToolCallIds::Any | ToolCallIds::WordCharacters => {
                Cow::Owned(format!("call_{:016x}", hash(id)))
            }
        }
    }
}

/// Writes reasoning as a summary: a part, or nothing where there is no text.
pub(super) fn summary(text: &str) -> Value {
    if text.is_empty() { json!([]) } else { json!([{"type": "summary_text", "text": text}]) }
}

/// FNV-1a: stable over runs and builds, which a call id must be.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
