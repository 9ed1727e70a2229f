//! The canonical request to Ollama's body (docs/api.md of Ollama, read 2026-11-21).
//!
//! Called by [`crate::encode`]. Content is one text per message with pictures beside it; arguments are objects; numbers of
//! sampling go into `options`. What cannot be carried is reported.

use serde_json::{Map, Value, json};
use sy_types::chat::{
    ChatRequest, Dropped, Effort, ImageDetail, Media, Message, OutputFormat, Part, Role, Source,
    ToolCall, ToolChoice, ToolKind, ToolResult,
};
use sy_types::{Media as Kind, Target};

use crate::face::Built;
use crate::reasoning;

const NO_COUNTERPART: &str = "no counterpart in the target's protocol";

/// Makes a body.
pub(super) fn build(chat: &ChatRequest, target: &Target, stream: bool) -> Built {
    let (mut body, mut dropped) = (Map::new(), Vec::new());
    body.insert("model".to_owned(), Value::from(&*target.upstream_model));
    body.insert("messages".to_owned(), messages(&chat.messages, target, &mut dropped).into());
    body.insert("stream".to_owned(), stream.into());
    let tools = tools(chat, &mut dropped);
    if !tools.is_empty() {
        body.insert("tools".to_owned(), tools.into());
    }
    match &chat.output {
        OutputFormat::Text => {}
        OutputFormat::JsonObject => {
            body.insert("format".to_owned(), "json".into());
        }
        OutputFormat::JsonSchema { schema, description, .. } => {
            body.insert("format".to_owned(), schema.clone());
            if description.is_some() {
                dropped.push(Dropped::new("output schema (description)", NO_COUNTERPART));
            }
        }
    }
    if let Some(think) = think(chat, target, &mut dropped) {
        body.insert("think".to_owned(), think);
    }
    let options = options(chat, target, &mut dropped);
    if !options.is_empty() {
        body.insert("options".to_owned(), options.into());
    }
    for (field, is_set) in [
        ("parallel_tool_calls", chat.parallel_tool_calls == Some(false)),
        ("cache_control", has_cache_mark(chat)),
        ("user", chat.user.is_some()),
        ("metadata", !chat.metadata.is_empty()),
        ("n", chat.choices.is_some()),
        ("logprobs", chat.top_logprobs.is_some()),
        ("service_tier", chat.service_tier.as_deref().is_some_and(|tier| tier != "default")),
        ("prompt_cache_key", chat.prompt_cache_key.is_some()),
    ] {
        if is_set {
            dropped.push(Dropped::new(field, NO_COUNTERPART));
        }
    }
    Built { body, dropped }
}

fn options(chat: &ChatRequest, target: &Target, dropped: &mut Vec<Dropped>) -> Map<String, Value> {
    let sampling = &chat.sampling;
    if !target.dialect.temperature && sampling.temperature.is_some() {
        dropped.push(Dropped::new("temperature", "the model takes none"));
    }
    let stop = (!chat.stop.is_empty()).then(|| Value::from(chat.stop.clone()));
    let temperature = sampling.temperature.filter(|_| target.dialect.temperature);
    let values = [
        ("num_predict", chat.max_output_tokens.map(Value::from)),
        ("stop", stop),
        ("temperature", temperature.map(Value::from)),
        ("top_p", sampling.top_p.map(Value::from)),
        ("top_k", sampling.top_k.map(Value::from)),
        ("frequency_penalty", sampling.frequency_penalty.map(Value::from)),
        ("presence_penalty", sampling.presence_penalty.map(Value::from)),
        ("seed", sampling.seed.map(Value::from)),
    ];
    values.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

fn has_cache_mark(chat: &ChatRequest) -> bool {
    fn is_marked(part: &Part) -> bool {
        match part {
            Part::Text(text) => text.cache,
            Part::Media(media) => media.cache,
            Part::ToolCall(call) => call.cache,
            Part::ToolResult(result) => result.cache || result.parts.iter().any(is_marked),
            Part::Refusal(_) | Part::Reasoning(_) | Part::Opaque(_) => false,
        }
    }
    chat.tools.iter().any(|tool| tool.cache)
        || chat.messages.iter().flat_map(|message| &message.parts).any(is_marked)
}

/// Returns `think`: a word for models whose variants name it, else on or off. A model that cannot think refuses the field.
fn think(chat: &ChatRequest, target: &Target, dropped: &mut Vec<Dropped>) -> Option<Value> {
    let asked = &chat.reasoning;
    if asked.visible == Some(false) && !reasoning::is_off(asked) {
        dropped.push(Dropped::new("reasoning.visible", "reasoning cannot be kept back here"));
    }
    let is_asked =
        asked.enabled.is_some() || asked.effort.is_some() || asked.budget_tokens.is_some();
    if !is_asked {
        return None;
    }
    if target.info.capabilities.reasoning == Some(false) {
        if !reasoning::is_off(asked) {
            dropped.push(Dropped::new("reasoning", "the model does not reason"));
        }
        return None;
    }
    if reasoning::is_off(asked) {
        return Some(false.into());
    }
    let word = reasoning::effort(asked)
        .map(Effort::name)
        .filter(|word| target.info.variants.contains_key(*word));
    if word.is_none() && (asked.effort.is_some() || asked.budget_tokens.is_some()) {
        dropped.push(Dropped::new("reasoning.effort", "the model only knows reasoning on and off"));
    }
    Some(word.map_or(Value::Bool(true), Value::from))
}

fn tools(chat: &ChatRequest, dropped: &mut Vec<Dropped>) -> Vec<Value> {
    let allowed = match &chat.tool_choice {
        None | Some(ToolChoice::Auto) => None,
        // Not offering tools says "none".
        Some(ToolChoice::None) => return Vec::new(),
        Some(ToolChoice::Required | ToolChoice::Named(_)) => {
            dropped.push(Dropped::new("tool_choice", "the target only knows auto"));
            None
        }
        Some(ToolChoice::Allowed { names, .. }) => {
            dropped.push(Dropped::replaced(
                "tool_choice.allowed_tools",
                "sent as a shorter list of tools",
            ));
            Some(names)
        }
    };
    let mut written = Vec::new();
    for (index, tool) in chat.tools.iter().enumerate() {
        if allowed.is_some_and(|names| !names.contains(&tool.name)) {
            continue;
        }
        let parameters = match &tool.kind {
            ToolKind::Function { parameters, strict } => {
                if *strict == Some(true) {
                    dropped.push(Dropped::new(
                        format!("tools[{index}].strict"),
                        "the target enforces no schema",
                    ));
                }
                parameters.clone()
            }
            ToolKind::Custom { format } => {
                if format.is_some() {
                    let field = format!("tools[{index}].format");
                    dropped.push(Dropped::replaced(
                        field,
                        "sent as a function with one text argument",
                    ));
                }
                json!({ "type": "object", "properties": { "input": { "type": "string" } }, "required": ["input"] })
            }
            ToolKind::Server { .. } => {
                let field = format!("tools[{index}] ({})", tool.name);
                dropped.push(Dropped::new(field, "a server tool of another protocol"));
                continue;
            }
        };
        let description = tool.description.as_deref().unwrap_or_default();
        let function =
            json!({ "name": tool.name, "description": description, "parameters": parameters });
        written.push(json!({ "type": "function", "function": function }));
    }
    written
}

fn messages(messages: &[Message], target: &Target, dropped: &mut Vec<Dropped>) -> Vec<Value> {
    let mut written = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        let mut draft = Draft {
            target,
            dropped,
            texts: Vec::new(),
            thinking: String::new(),
            images: Vec::new(),
            calls: Vec::new(),
        };
        let path = format!("messages[{index}]");
        if message.name.is_some() {
            draft.drop(format!("{path}.name"), "messages have no names");
        }
        for (place, part) in message.parts.iter().enumerate() {
            let path = format!("{path}.parts[{place}]");
            match part {
                Part::ToolResult(result) => written.push(draft.result(result, &path)),
                part => draft.take(part, path),
            }
        }
        let role = match message.role {
            Role::System | Role::Developer => "system",
            Role::User => "user",
            Role::Assistant => "assistant",
            Role::Tool => "tool",
        };
        let has_results = message.parts.iter().any(|part| matches!(part, Part::ToolResult(_)));
        if !(has_results && draft.is_empty()) {
            written.push(draft.finish(role));
        }
    }
    written
}

/// A message in the making.
struct Draft<'a> {
    target: &'a Target,
    dropped: &'a mut Vec<Dropped>,
    texts: Vec<String>,
    thinking: String,
    images: Vec<Value>,
    calls: Vec<Value>,
}

impl Draft<'_> {
    fn is_empty(&self) -> bool {
        self.texts.is_empty()
            && self.images.is_empty()
            && self.calls.is_empty()
            && self.thinking.is_empty()
    }

    fn take(&mut self, part: &Part, path: String) {
        match part {
            Part::Text(text) => {
                if !text.citations.is_empty() {
                    self.drop(format!("{path}.citations"), "sources cannot be sent back");
                }
                if text.signature.is_some() {
                    self.drop(format!("{path}.signature"), "a proof for another protocol");
                }
                self.texts.push(text.text.clone());
            }
            Part::Refusal(text) => self.texts.push(text.clone()),
            Part::Media(media) => self.media(media, path),
            Part::Reasoning(part) => {
                if self.target.dialect.reasoning_history.is_some() {
                    let pieces = [self.thinking.as_str(), part.text.as_str()];
                    self.thinking = reasoning::joined(pieces.into_iter());
                } else if !part.text.is_empty() {
                    self.drop(path.clone(), "the target does not take reasoning back");
                }
                if part.signature.is_some() {
                    self.drop(format!("{path}.signature"), "a proof for another protocol");
                }
            }
            Part::ToolCall(call) => {
                let written = self.call(call, &path);
                self.calls.push(written);
            }
            Part::Opaque(opaque) => {
                self.drop(format!("{path} ({})", opaque.kind), "known to another protocol only")
            }
            Part::ToolResult(_) => {}
        }
    }

    fn media(&mut self, media: &Media, path: String) {
        if media.name.is_some() {
            self.drop(format!("{path}.name"), NO_COUNTERPART);
        }
        if !matches!(media.detail, None | Some(ImageDetail::Auto)) {
            self.drop(format!("{path}.detail"), NO_COUNTERPART);
        }
        match (&media.source, media.kind) {
            (Source::Base64(data), Kind::Image) => {
                self.images.push(String::from_utf8_lossy(data).into())
            }
            (Source::Text(text), _) => self.texts.push(text.clone()),
            (Source::Url(_), Kind::Image) => self.drop(path, "pictures must be sent inline"),
            (Source::Base64(_) | Source::Url(_) | Source::FileId(_), _) => {
                self.drop(path, "only inline pictures are taken");
            }
        }
    }

    fn call(&mut self, call: &ToolCall, path: &str) -> Value {
        let parsed: Option<Map<String, Value>> = match call.custom {
            true => None,
            false if call.arguments.trim().is_empty() => Some(Map::new()),
            false => crate::json::read(call.arguments.as_bytes()).ok(),
        };
        let arguments = match parsed {
            Some(object) => Value::Object(object),
            None => {
                if !call.custom {
                    self.drop(format!("{path}.arguments"), "not a JSON object: sent as one text");
                }
                json!({ "input": call.arguments })
            }
        };
        if call.signature.is_some() {
            self.drop(format!("{path}.signature"), "a proof for another protocol");
        }
        json!({ "id": call.id, "type": "function", "function": { "name": call.name, "arguments": arguments } })
    }

    fn result(&mut self, result: &ToolResult, path: &str) -> Value {
        let target = self.target;
        let mut inner = Draft {
            target,
            dropped: self.dropped,
            texts: Vec::new(),
            thinking: String::new(),
            images: Vec::new(),
            calls: Vec::new(),
        };
        for (index, part) in result.parts.iter().enumerate() {
            inner.take(part, format!("{path}.parts[{index}]"));
        }
        if result.is_error {
            inner.drop(format!("{path}.is_error"), "results cannot be marked as failed");
        }
        let mut written = inner.finish("tool");
        if let Value::Object(written) = &mut written {
            if let Some(name) = &result.name {
                written.insert("tool_name".to_owned(), name.as_str().into());
            }
            written.insert("tool_call_id".to_owned(), result.call_id.as_str().into());
        }
        written
    }

    fn finish(self, role: &str) -> Value {
        let mut message = json!({ "role": role, "content": self.texts.join("\n\n") });
        if let Value::Object(message) = &mut message {
            if !self.thinking.is_empty() {
                message.insert("thinking".to_owned(), self.thinking.into());
            }
            for (field, list) in [("images", self.images), ("tool_calls", self.calls)] {
                if !list.is_empty() {
                    message.insert(field.to_owned(), list.into());
                }
            }
        }
        message
    }

    fn drop(&mut self, field: String, reason: &'static str) {
        self.dropped.push(Dropped::new(field, reason));
    }
}
