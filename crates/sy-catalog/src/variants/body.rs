//! Options in the words of the AI SDK as body fields of a protocol.
//!
//! Called when a target is made. Options that nobody documents under another name are passed on as they are written; an
//! option that the protocol has no place for is left out.

use serde_json::{Map, Value, json};
use sy_types::ProtocolId;

use super::Options;
use crate::wire_map::{ANTHROPIC_MESSAGES, GEMINI_GENERATE, OLLAMA_CHAT, OPENAI_RESPONSES};

/// Where an option goes.
enum Place {
    /// To this path of fields.
    At(&'static [&'static str]),
    /// Nowhere: the protocol does not know it.
    Nowhere,
}
use Place::{At, Nowhere};

/// Chat completions and their cousins.
const CHAT: &[(&str, Place)] = &[
    ("reasoningEffort", At(&["reasoning_effort"])),
    ("effort", At(&["reasoning_effort"])),
    ("reasoningFormat", At(&["reasoning_format"])),
    ("reasoningSummary", Nowhere),
    ("include", Nowhere),
    ("textVerbosity", At(&["verbosity"])),
    ("serviceTier", At(&["service_tier"])),
    ("promptCacheKey", At(&["prompt_cache_key"])),
    ("parallelToolCalls", At(&["parallel_tool_calls"])),
    ("maxCompletionTokens", At(&["max_completion_tokens"])),
    ("enableThinking", At(&["enable_thinking"])),
    ("thinkingBudget", At(&["thinking_budget"])),
    ("veniceParameters", At(&["venice_parameters"])),
    ("searchParameters", At(&["search_parameters"])),
    ("thinkingConfig", Nowhere),
    ("thinkingLevel", At(&["reasoning_effort"])),
];

const RESPONSES: &[(&str, Place)] = &[
    ("reasoningEffort", At(&["reasoning", "effort"])),
    ("reasoning_effort", At(&["reasoning", "effort"])),
    ("effort", At(&["reasoning", "effort"])),
    ("thinkingLevel", At(&["reasoning", "effort"])),
    ("reasoningSummary", At(&["reasoning", "summary"])),
    ("reasoningMode", At(&["reasoning", "mode"])),
    ("textVerbosity", At(&["text", "verbosity"])),
    ("verbosity", At(&["text", "verbosity"])),
    ("serviceTier", At(&["service_tier"])),
    ("promptCacheKey", At(&["prompt_cache_key"])),
    ("parallelToolCalls", At(&["parallel_tool_calls"])),
    ("maxToolCalls", At(&["max_tool_calls"])),
    ("previousResponseId", At(&["previous_response_id"])),
    ("thinkingConfig", Nowhere),
    ("thinking", Nowhere),
];

const MESSAGES: &[(&str, Place)] = &[
    ("effort", At(&["output_config", "effort"])),
    ("reasoningEffort", At(&["output_config", "effort"])),
    ("reasoning_effort", At(&["output_config", "effort"])),
    ("thinkingBudget", At(&["thinking", "budget_tokens"])),
    ("reasoningSummary", Nowhere),
    ("include", Nowhere),
    ("cacheControl", At(&["cache_control"])),
    ("thinkingConfig", Nowhere),
];

const GEMINI: &[(&str, Place)] = &[
    ("thinkingConfig", At(&["generationConfig", "thinkingConfig"])),
    ("thinkingLevel", At(&["generationConfig", "thinkingConfig", "thinkingLevel"])),
    ("thinkingBudget", At(&["generationConfig", "thinkingConfig", "thinkingBudget"])),
    ("reasoningEffort", At(&["generationConfig", "thinkingConfig", "thinkingLevel"])),
    ("reasoning_effort", At(&["generationConfig", "thinkingConfig", "thinkingLevel"])),
    ("reasoningSummary", Nowhere),
    ("include", Nowhere),
    ("responseModalities", At(&["generationConfig", "responseModalities"])),
    ("safetySettings", At(&["safetySettings"])),
];

/// Ollama knows one switch, which also takes a level.
const OLLAMA: &[(&str, Place)] = &[
    ("reasoningEffort", At(&["think"])),
    ("reasoning_effort", At(&["think"])),
    ("reasoningSummary", Nowhere),
];

/// Fields inside an option that have another name on the wire.
const INNER: &[(&str, &str)] = &[
    ("budgetTokens", "budget_tokens"),
    ("blockBinding", "block_binding"),
    ("clearThinking", "clear_thinking"),
];

/// Returns the body fields that a set of options becomes in a protocol.
pub(crate) fn fields(options: &Options, protocol: ProtocolId) -> Map<String, Value> {
    let table = match protocol {
        OPENAI_RESPONSES => RESPONSES,
        ANTHROPIC_MESSAGES => MESSAGES,
        GEMINI_GENERATE => GEMINI,
        OLLAMA_CHAT => OLLAMA,
        _ => CHAT,
    };
    let mut body = Map::new();
    for (name, value) in options {
        let value = if name == "thinking" { renamed(value) } else { value.clone() };
        match table.iter().find(|(known, _)| known == name) {
            Some((_, At(path))) => put(&mut body, path, value),
            Some((_, Nowhere)) => {}
            None => put(&mut body, &[name], value),
        }
    }
    match protocol {
        ANTHROPIC_MESSAGES => complete_thinking(&mut body),
        GEMINI_GENERATE => choose_level_or_budget(&mut body),
        _ => {}
    }
    body
}

/// Gemini refuses a level and a budget together; the one that was laid on top, the later one, stays.
fn choose_level_or_budget(body: &mut Map<String, Value>) {
    let Some(config) =
        body.get_mut("generationConfig").and_then(|config| config.get_mut("thinkingConfig"))
    else {
        return;
    };
    let Some(config) = config.as_object_mut() else { return };
    let place = |name: &str| config.keys().position(|key| key == name);
    if let (Some(level), Some(budget)) = (place("thinkingLevel"), place("thinkingBudget")) {
        config.shift_remove(if level < budget { "thinkingLevel" } else { "thinkingBudget" });
    }
}

/// A budget alone switches thinking on.
fn complete_thinking(body: &mut Map<String, Value>) {
    if let Some(Value::Object(thinking)) = body.get_mut("thinking")
        && thinking.contains_key("budget_tokens")
    {
        thinking.entry("type").or_insert(json!("enabled"));
    }
}

fn put(body: &mut Map<String, Value>, path: &[&str], value: Value) {
    let Some((first, rest)) = path.split_first() else { return };
    if !rest.is_empty() {
        let inner = body.entry(*first).or_insert_with(|| json!({}));
        if let Value::Object(inner) = inner {
            put(inner, rest, value);
        }
        return;
    }
    match (body.get_mut(*first), value) {
        (Some(Value::Object(below)), Value::Object(above)) => {
            crate::models_dev::lay_over(below, &above)
        }
        (_, value) => {
            body.insert((*first).to_owned(), value);
        }
    }
}

fn renamed(value: &Value) -> Value {
    let Value::Object(object) = value else { return value.clone() };
    let rename = |name: &String| {
        INNER
            .iter()
            .find(|(known, _)| known == name)
            .map_or_else(|| name.clone(), |(_, wire)| (*wire).to_owned())
    };
    Value::Object(object.iter().map(|(name, value)| (rename(name), value.clone())).collect())
}
