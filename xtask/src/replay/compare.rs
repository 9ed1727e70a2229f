//! What two requests or two answers must have in common to say the same.
//!
//! Protocols cut messages differently (results in user messages, system prompts beside the conversation), so both sides are
//! brought into one sequence of items first.

use serde_json::Value;
use sy_types::chat::{
    ChatRequest, ChatResponse, Dropped, FinishReason, Media, Part, Role, Source, Tool, ToolCall,
    ToolChoice, ToolKind, Usage,
};

/// What stands before media of a tool's result where they cannot stand in the result itself. It says where they come from, and
/// nothing that was not said.
const RESULT_LABEL: &str = "Attached media from tool result:";

/// One thing that a request says.
#[derive(Clone, Debug, PartialEq)]
enum Item {
    Text(Speaker, String),
    Media(Speaker, String),
    Call { name: String, arguments: Value },
    Result { of: String, text: String },
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Speaker {
    User,
    Assistant,
}

/// Says how two requests differ beyond what the reports cover; `None` when they do not.
pub(super) fn questions_differ(
    before: &ChatRequest,
    after: &ChatRequest,
    reports: &[Dropped],
) -> Option<String> {
    let reported = |words: &[&str]| {
        reports
            .iter()
            .filter(|dropped| words.iter().any(|word| dropped.field.starts_with(word)))
            .count()
    };
    let content = reported(&["messages", "input", "contents", "system", "instructions"]);
    let (first, second) = (instructions(before), instructions(after));
    // A target without a JSON mode is told in words to answer in JSON, and says so.
    let told_json = reported(&["text.format", "response_format", "generationConfig", "output"]) > 0
        && second.starts_with(&first);
    if first != second && content == 0 && !told_json {
        return Some(format!("instructions: {} became {}", short(&first), short(&second)));
    }
    let (first, second) = (conversation(before), conversation(after));
    let missing: Vec<&Item> = first.iter().filter(|item| !second.contains(item)).collect();
    let added: Vec<&Item> = second.iter().filter(|item| !first.contains(item)).collect();
    if missing.len().max(added.len()) > content {
        return Some(format!(
            "conversation: {content} reports, but lost {} and gained {}",
            short(&format!("{missing:?}")),
            short(&format!("{added:?}"))
        ));
    }
    if missing.is_empty() && added.is_empty() && first != second && content == 0 {
        return Some("conversation: the order changed".to_owned());
    }
    let (first, second) = (tools(before), tools(after));
    let lost: Vec<_> = first.iter().filter(|tool| !second.contains(tool)).collect();
    if lost.len() > reported(&["tools", "web_search", "functions", "tool_choice", "toolConfig"])
        || second.len() > first.len()
    {
        return Some(format!(
            "tools: lost {}, of {} came {}",
            short(&format!("{lost:?}")),
            first.len(),
            second.len()
        ));
    }
    if choice(before) != choice(after)
        && reported(&["tool_choice", "tool_config", "toolConfig", "function_call", "tools"]) == 0
    {
        return Some(format!(
            "tool choice: {:?} became {:?}",
            before.tool_choice, after.tool_choice
        ));
    }
    None
}

fn instructions(chat: &ChatRequest) -> String {
    let spoken = chat
        .messages
        .iter()
        .filter(|message| matches!(message.role, Role::System | Role::Developer));
    let texts = spoken.flat_map(|message| &message.parts).filter_map(text_of);
    texts.map(str::trim).filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n")
}

fn conversation(chat: &ChatRequest) -> Vec<Item> {
    let mut items: Vec<Item> = Vec::new();
    let mut calls: Vec<(String, String)> = Vec::new();
    for message in &chat.messages {
        let speaker = match message.role {
            Role::System | Role::Developer => continue,
            Role::User | Role::Tool => Speaker::User,
            Role::Assistant => Speaker::Assistant,
        };
        for part in &message.parts {
            match part {
                Part::Text(text) => say(&mut items, speaker, &text.text),
                Part::Refusal(text) => say(&mut items, speaker, text),
                // A document of plain text is text wherever there are no documents.
                Part::Media(media) if plain_text(media).is_some() => {
                    say(&mut items, speaker, &plain_text(media).unwrap_or_default())
                }
                Part::Media(media) => items.push(Item::Media(speaker, media_name(media))),
                Part::ToolCall(call) => {
                    calls.push((call.id.clone(), call.name.clone()));
                    items.push(Item::Call { name: call.name.clone(), arguments: arguments(call) });
                }
                Part::ToolResult(result) => {
                    let of = calls
                        .iter()
                        .rev()
                        .find(|(id, _)| *id == result.call_id)
                        .map(|(_, name)| name.clone());
                    let of = of.or_else(|| result.name.clone()).unwrap_or_default();
                    push_result(&mut items, of, &result.parts);
                }
                Part::Reasoning(_) | Part::Opaque(_) => {}
            }
        }
    }
    items
}

/// Returns the words of a document that is plain text, however it is carried.
fn plain_text(media: &Media) -> Option<String> {
    match &media.source {
        Source::Text(text) => Some(text.clone()),
        Source::Base64(data) if media.kind == sy_types::Media::Text => {
            use base64::Engine as _;
            String::from_utf8(base64::engine::general_purpose::STANDARD.decode(data).ok()?).ok()
        }
        Source::Base64(_) | Source::Url(_) | Source::FileId(_) => None,
    }
}

/// Pictures and documents of a result stand behind it: some protocols have no place for them inside.
fn push_result(items: &mut Vec<Item>, of: String, parts: &[Part]) {
    let (mut texts, mut media) = (Vec::new(), Vec::new());
    for part in parts {
        match part {
            Part::Text(text) => texts.push(text.text.clone()),
            Part::Media(other) => match plain_text(other) {
                Some(text) => texts.push(text),
                None => media.push(Item::Media(Speaker::User, media_name(other))),
            },
            _ => {}
        }
    }
    items.push(Item::Result { of, text: result_text(&texts.join("\n")) });
    items.extend(media);
}

fn words(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

/// Joins texts of one speaker that follow each other: protocols cut them differently.
fn say(items: &mut Vec<Item>, speaker: Speaker, text: &str) {
    // Where parts are joined, the white space between them differs; words are what counts.
    let text = words(text);
    if text.is_empty() || text == words(RESULT_LABEL) {
        return;
    }
    match items.last_mut() {
        Some(Item::Text(last, said)) if *last == speaker => {
            said.push_str(&text);
        }
        _ => items.push(Item::Text(speaker, text)),
    }
}

/// A result that is JSON is compared as JSON.
fn result_text(text: &str) -> String {
    serde_json::from_str::<Value>(text)
        .map_or_else(|_| text.trim().to_owned(), |value| sorted(&value).to_string())
}

fn text_of(part: &Part) -> Option<&str> {
    match part {
        Part::Text(text) => Some(&text.text),
        _ => None,
    }
}

fn media_name(media: &Media) -> String {
    match &media.source {
        Source::Base64(data) => {
            format!(
                "{:?} inline {} bytes {}",
                media.kind,
                data.len(),
                short(&String::from_utf8_lossy(data))
            )
        }
        Source::Url(url) => format!("{:?} {url}", media.kind),
        // Only the provider knows what is behind an id.
        Source::FileId(id) => format!("file {id}"),
        Source::Text(text) => format!("{:?} text {}", media.kind, short(text)),
    }
}

fn arguments(call: &ToolCall) -> Value {
    match serde_json::from_str::<Value>(&call.arguments) {
        Ok(Value::Null) => Value::Object(serde_json::Map::new()),
        Ok(value) => sorted(&value),
        Err(_) if call.arguments.trim().is_empty() => Value::Object(serde_json::Map::new()),
        // Free text of a custom tool is the one argument of a function where there are no custom tools.
        Err(_) => serde_json::json!({"input": call.arguments}),
    }
}

fn tools(chat: &ChatRequest) -> Vec<(String, Option<String>, Value)> {
    let described = |tool: &Tool| {
        let schema = match &tool.kind {
            ToolKind::Function { parameters, .. } => sorted(parameters),
            ToolKind::Custom { .. } => Value::String("custom".to_owned()),
            ToolKind::Server { .. } => Value::String("server".to_owned()),
        };
        (tool.name.clone(), tool.description.clone().filter(|text| !text.is_empty()), schema)
    };
    chat.tools.iter().map(described).collect()
}

/// `auto` is what an absent choice means, and allowing every tool that is there restricts nothing.
fn choice(chat: &ChatRequest) -> ToolChoice {
    match chat.tool_choice.clone().unwrap_or(ToolChoice::Auto) {
        ToolChoice::Allowed { names, required }
            if chat.tools.iter().all(|tool| names.contains(&tool.name)) =>
        {
            if required {
                ToolChoice::Required
            } else {
                ToolChoice::Auto
            }
        }
        ToolChoice::Allowed { names, required: true } if names.len() == 1 => {
            ToolChoice::Named(names.concat())
        }
        other => other,
    }
}

/// What an answer says.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Said {
    text: String,
    reasoning: String,
    calls: Vec<(String, Value)>,
    finish: &'static str,
    usage: Usage,
}

impl Said {
    pub(super) fn of(response: &ChatResponse) -> Self {
        let mut said = Self {
            text: String::new(),
            reasoning: String::new(),
            calls: Vec::new(),
            finish: "",
            usage: response.usage.unwrap_or_default(),
        };
        for part in &response.parts {
            match part {
                Part::Text(text) => said.text.push_str(&text.text),
                Part::Refusal(text) => said.text.push_str(text),
                Part::Reasoning(reasoning) => said.reasoning.push_str(&reasoning.text),
                Part::ToolCall(call) => said.calls.push((call.name.clone(), arguments(call))),
                Part::Media(_) | Part::ToolResult(_) | Part::Opaque(_) => {}
            }
        }
        said.finish = match response.finish {
            Some(FinishReason::Length) => "length",
            Some(FinishReason::ToolCalls) => "tool calls",
            Some(FinishReason::ContentFilter | FinishReason::Refusal) => "filtered",
            Some(FinishReason::Stop | FinishReason::Pause | FinishReason::Other(_)) | None => {
                "stop"
            }
            Some(FinishReason::Error) => "error",
        };
        said
    }

    /// Anthropic's messages and OpenAI's chat have no word for an answer that its provider ended with an error: it ends as if
    /// it were complete.
    pub(super) fn forget_how_it_ended_after(&mut self, before: &Self) {
        if before.finish == "error" {
            self.finish = before.finish;
        }
    }

    /// Gemini does not tell what was written to a cache.
    pub(super) fn forget_cache_writes(&mut self) {
        self.usage.cache_write = 0;
    }

    /// Says how two answers differ; `None` when they do not.
    pub(super) fn differs(&self, after: &Self) -> Option<String> {
        let field = |name: &str, first: String, second: String| {
            (first != second)
                .then(|| format!("{name}: {} became {}", short(&first), short(&second)))
        };
        field("text", self.text.clone(), after.text.clone())
            // Pieces of reasoning are set apart where they are joined; words are what counts.
            .or_else(|| field("reasoning", words(&self.reasoning), words(&after.reasoning)))
            .or_else(|| {
                field("tool calls", format!("{:?}", self.calls), format!("{:?}", after.calls))
            })
            .or_else(|| field("finish", self.finish.to_owned(), after.finish.to_owned()))
            .or_else(|| field("usage", format!("{:?}", self.usage), format!("{:?}", after.usage)))
    }
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            Value::Object(
                entries.into_iter().map(|(key, value)| (key.clone(), sorted(value))).collect(),
            )
        }
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        Value::Number(number)
            if number.as_f64().is_some_and(|float| float.fract() == 0.0 && float.abs() < 9e15) =>
        {
            // 1 and 1.0 are the same number.
            Value::from(number.as_f64().unwrap_or_default() as i64)
        }
        other => other.clone(),
    }
}

fn short(text: &str) -> String {
    if text.chars().count() <= 160 {
        text.to_owned()
    } else {
        text.chars().take(160).chain("…".chars()).collect()
    }
}
