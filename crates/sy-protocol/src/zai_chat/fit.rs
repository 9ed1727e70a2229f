//! Makes a chat completions body fit for Z.AI.
//!
//! Works on a map of top-level fields: the whole body where it is built, only [`FIELDS`] where a client's body is relayed, so
//! that both ways obey one set of rules. What a rule takes away is reported; moving a number to the end of its range by at
//! most a hundredth is not, since it means the same.

use memchr::memmem;
use serde_json::{Map, Value, json};
use sy_types::Target;
use sy_types::chat::{ChatRequest, Dropped, Effort, ReasoningOptions, ToolKind};

use super::search;
use crate::face::{Built, merge_missing};
use crate::{openai_chat, reasoning};

/// The fields that may change.
pub(super) const FIELDS: &[&str] = &[
    "messages",
    "temperature",
    "top_p",
    "do_sample",
    "max_tokens",
    "max_completion_tokens",
    "stop",
    "tools",
    "tool_choice",
    "tool_stream",
    "web_search_options",
    "response_format",
    "thinking",
    "reasoning",
    "reasoning_effort",
    "presence_penalty",
    "frequency_penalty",
    "seed",
    "logit_bias",
    "n",
    "logprobs",
    "top_logprobs",
];

/// The most stop texts that are taken.
const MAX_STOPS: usize = 4;

/// Makes a body from the canonical request.
pub(super) fn build(chat: &ChatRequest, target: &Target, stream: bool) -> Built {
    let Built { mut body, mut dropped } = openai_chat::build(chat, target, stream);
    let mut searches = Vec::new();
    for (index, tool) in chat.tools.iter().enumerate() {
        let ToolKind::Server { declaration, .. } = &tool.kind else { continue };
        if search::is_search(&tool.name)
            && !declaration.get("web_search_options").is_some_and(Value::is_object)
        {
            searches.push(search::tool(declaration));
            // The plain builder reported it as foreign, or passed it on as its own.
            dropped.retain(|dropped| dropped.field != format!("tools[{index}] ({})", tool.name));
            if let Some(Value::Array(tools)) = body.get_mut("tools") {
                tools.retain(|tool| tool != declaration);
            }
        }
    }
    if !searches.is_empty() {
        match body.get_mut("tools") {
            Some(Value::Array(tools)) => tools.extend(searches),
            _ => {
                body.insert("tools".to_owned(), searches.into());
            }
        }
    }
    for plain in ["reasoning", "reasoning_effort", "thinking"] {
        body.remove(plain);
    }
    // The plain builder's words on reasoning are about another way to ask for it.
    dropped.retain(|dropped| !dropped.field.starts_with("reasoning"));
    if let Some(user) = body.remove("user") {
        let is_fit = user.as_str().is_some_and(|user| (6..=128).contains(&user.chars().count()));
        if is_fit {
            body.insert("user_id".to_owned(), user);
        } else {
            dropped.push(Dropped::new("user", "must have 6 to 128 characters"));
        }
    }
    fit(&mut body, &chat.reasoning, target, stream, &mut dropped);
    Built { body, dropped }
}

/// Reads what a client's own fields ask of reasoning.
pub(super) fn asked(fields: &Map<String, Value>) -> ReasoningOptions {
    let object = fields.get("reasoning").unwrap_or(&Value::Null);
    let word =
        object.get("effort").or_else(|| fields.get("reasoning_effort")).and_then(Value::as_str);
    let kind =
        fields.get("thinking").and_then(|thinking| thinking.get("type")).and_then(Value::as_str);
    ReasoningOptions {
        enabled: match kind {
            Some("disabled") => Some(false),
            Some(_) => Some(true),
            None => object.get("enabled").and_then(Value::as_bool),
        },
        effort: word.and_then(Effort::parse),
        budget_tokens: object.get("max_tokens").and_then(Value::as_u64),
        visible: None,
    }
}

/// Applies every rule.
pub(super) fn fit(
    body: &mut Map<String, Value>,
    asked: &ReasoningOptions,
    target: &Target,
    stream: bool,
    dropped: &mut Vec<Dropped>,
) {
    if let Some(limit) = body.remove("max_completion_tokens") {
        let older = body.insert("max_tokens".to_owned(), limit.clone());
        if older.is_some_and(|older| older != limit) {
            dropped
                .push(Dropped::new("max_tokens", "max_completion_tokens, the newer one, stands"));
        }
    }
    clamp(body, dropped);
    refuse(body, dropped);
    choose(body, dropped);
    search::place(body);
    if stream && has_tools(body) && !body.contains_key("tool_stream") {
        // Else the arguments arrive in one piece after a long silence.
        body.insert("tool_stream".to_owned(), true.into());
    }
    think(body, asked, target, dropped);
    if let Some(messages) = body.get_mut("messages") {
        strip_data_urls(messages);
    }
}

/// Moves `temperature` and `top_p` into their ranges; a temperature of 0 is said with `do_sample`.
fn clamp(body: &mut Map<String, Value>, dropped: &mut Vec<Dropped>) {
    for field in ["temperature", "top_p"] {
        let Some(number) = body.get(field).and_then(Value::as_f64) else { continue };
        let fitting = match number {
            low if low <= 0.0 => 0.01,
            high if high >= 1.0 => 0.99,
            _ => continue,
        };
        if !(0.0..=1.0).contains(&number) {
            dropped.push(Dropped::clamped(field, fitting, "the range is from 0 to 1"));
        }
        body.insert(field.to_owned(), fitting.into());
        if field == "temperature" && number <= 0.0 {
            body.entry("do_sample").or_insert(Value::Bool(false));
        }
    }
}

/// Takes out what is not taken and cuts what is too much.
fn refuse(body: &mut Map<String, Value>, dropped: &mut Vec<Dropped>) {
    let refused = [
        ("presence_penalty", json!(0)),
        ("frequency_penalty", json!(0)),
        ("seed", Value::Null),
        ("logit_bias", json!({})),
        ("n", json!(1)),
        ("logprobs", json!(false)),
        ("top_logprobs", json!(0)),
    ];
    for (field, default) in refused {
        let Some(value) = body.remove(field) else { continue };
        let is_default = value.is_null()
            || value == default
            || value.as_f64() == Some(0.0) && default == json!(0);
        if !is_default {
            dropped.push(Dropped::new(field, "the target does not take it"));
        }
    }
    if let Some(Value::Array(stops)) = body.get_mut("stop")
        && stops.len() > MAX_STOPS
    {
        stops.truncate(MAX_STOPS);
        dropped.push(Dropped::new("stop[4]", "at most four stop texts are taken"));
    }
    let is_schema =
        |format: &Value| format.get("type").and_then(Value::as_str) == Some("json_schema");
    if body.get("response_format").is_some_and(is_schema) {
        body.insert("response_format".to_owned(), json!({ "type": "json_object" }));
        dropped.push(Dropped::replaced(
            "response_format.json_schema",
            "the target only knows json_object",
        ));
    }
}

/// Only `auto` is known as a tool choice; no tools on offer says "none".
fn choose(body: &mut Map<String, Value>, dropped: &mut Vec<Dropped>) {
    match body.get("tool_choice") {
        None | Some(Value::Null) => {}
        Some(Value::String(word)) if word == "auto" => {}
        Some(Value::String(word)) if word == "none" => {
            body.remove("tool_choice");
            body.remove("tools");
            body.remove("web_search_options");
        }
        Some(_) => {
            dropped.push(Dropped::new("tool_choice", "the target only knows auto"));
            body.insert("tool_choice".to_owned(), "auto".into());
        }
    }
    if !has_tools(body) && !body.contains_key("web_search_options") {
        body.remove("tool_choice");
    }
}

fn has_tools(body: &Map<String, Value>) -> bool {
    body.get("tools").and_then(Value::as_array).is_some_and(|tools| !tools.is_empty())
}

/// Writes `thinking`, whose earlier reasoning is to be kept (`clear_thinking: false`), and `reasoning_effort` for the models
/// whose variants name words for it.
fn think(
    body: &mut Map<String, Value>,
    asked: &ReasoningOptions,
    target: &Target,
    dropped: &mut Vec<Dropped>,
) {
    body.remove("reasoning");
    let own = body.remove("reasoning_effort");
    let info = &target.info;
    let is_off = reasoning::is_off(asked);
    let is_asked =
        asked.enabled.is_some() || asked.effort.is_some() || asked.budget_tokens.is_some();
    if info.capabilities.reasoning == Some(false) {
        if is_asked && !is_off {
            dropped.push(Dropped::new("reasoning", "the model does not reason"));
        }
        body.remove("thinking");
        return;
    }
    let mut thinking = match body.remove("thinking") {
        Some(Value::Object(thinking)) => thinking,
        _ => Map::new(),
    };
    if is_asked {
        thinking
            .entry("type")
            .or_insert_with(|| if is_off { "disabled" } else { "enabled" }.into());
    }
    if let Some(Value::Object(option)) = target.options.get("thinking") {
        merge_missing(&mut thinking, option);
    }
    let is_on = thinking.get("type").and_then(Value::as_str) == Some("enabled");
    if is_on {
        thinking.entry("clear_thinking").or_insert(Value::Bool(false));
    }
    if !thinking.is_empty() {
        body.insert("thinking".to_owned(), thinking.into());
    }
    let asks_degree =
        (asked.effort.is_some() || asked.budget_tokens.is_some() || own.is_some()) && !is_off;
    if !asks_degree {
        return;
    }
    let is_declared = info.variants.keys().any(|name| Effort::parse(name).is_some());
    let word = if is_declared { openai_chat::effort_word(asked, info, dropped) } else { None };
    match word {
        Some(word) => {
            body.insert("reasoning_effort".to_owned(), word.into());
        }
        None => dropped
            .push(Dropped::new("reasoning.effort", "the model only knows reasoning on and off")),
    }
}

/// Returns true when a body may hold a picture as a data URL.
pub(super) fn holds_data_url(body: &[u8]) -> bool {
    memmem::find(body, b"data:").is_some()
}

/// Takes the `data:…;base64,` in front of inline pictures away: Z.AI wants the bare base64.
fn strip_data_urls(messages: &mut Value) {
    let contents = messages
        .as_array_mut()
        .into_iter()
        .flatten()
        .filter_map(|message| message.get_mut("content"));
    for part in contents.filter_map(Value::as_array_mut).flatten() {
        let Some(Value::String(url)) = part.pointer_mut("/image_url/url") else { continue };
        let bare = url
            .strip_prefix("data:")
            .and_then(|rest| rest.split_once(";base64,"))
            .map(|(_, data)| data.to_owned());
        if let Some(bare) = bare {
            *url = bare;
        }
    }
}
