//! The option sets of a reasoning model of which the data do not say how it is steered.
//!
//! The table of OpenCode 1.18 in the order in which it is read: model families first, then packages. A model that does not
//! reason, or of which nobody said so, has none.

use serde_json::{Value, json};

use super::encoders::{anthropic_effort, effort, largest_budget, named, usual_budget};
use super::families::{adaptive, gpt_levels, is_claude, is_kimi, is_opus_4_5, openai_levels};
use super::{Facts, Variants, set};
use crate::wire_map::Encoder;

/// Families that reason on their own and take no level.
const UNSTEERED: [&str; 10] = [
    "deepseek-chat",
    "deepseek-reasoner",
    "deepseek-r1",
    "deepseek-v3",
    "minimax",
    "glm",
    "kimi",
    "k2p",
    "qwen",
    "big-pickle",
];
const THREE: [&str; 3] = ["low", "medium", "high"];
const FIVE: [&str; 5] = ["low", "medium", "high", "xhigh", "max"];

/// Returns the sets of a model.
pub(super) fn variants(facts: &Facts<'_>) -> Variants {
    if facts.reasoning != Some(true) {
        return Variants::new();
    }
    by_family(facts).unwrap_or_else(|| by_package(facts))
}

fn by_family(facts: &Facts<'_>) -> Option<Variants> {
    let id = facts.id;
    let messages_or_chat = matches!(facts.encoder, Encoder::Anthropic | Encoder::Chat);
    if id.contains("minimax-m3") && messages_or_chat {
        return Some(if ["nvidia", "lilac"].contains(&facts.provider) {
            named([
                ("none", json!({"chat_template_kwargs": {"thinking_mode": "disabled"}})),
                ("thinking", json!({"chat_template_kwargs": {"thinking_mode": "enabled"}})),
            ])
        } else {
            named([
                ("none", json!({"thinking": {"type": "disabled"}})),
                ("thinking", json!({"thinking": {"type": "adaptive"}})),
            ])
        });
    }
    if ["glm-5.2", "glm-5-2", "glm-5p2"].iter().any(|name| id.contains(name)) {
        return Some(match facts.encoder {
            Encoder::OpenRouter => levels(facts, ["high", "xhigh"]),
            Encoder::Chat => levels(facts, ["high", "max"]),
            Encoder::Anthropic => sets(["high", "max"], |level| json!({"effort": level})),
            _ => Variants::new(),
        });
    }
    if is_kimi(facts) && facts.encoder == Encoder::Anthropic {
        return Some(levels(facts, FIVE));
    }
    if UNSTEERED.iter().any(|name| id.contains(name)) {
        return Some(Variants::new());
    }
    if id.contains("grok-3-mini") {
        let chat = |level| json!({"reasoningEffort": level});
        let is_router = facts.encoder == Encoder::OpenRouter;
        return Some(if is_router {
            levels(facts, ["low", "high"])
        } else {
            sets(["low", "high"], chat)
        });
    }
    None
}

fn by_package(facts: &Facts<'_>) -> Variants {
    match facts.encoder {
        Encoder::OpenRouter if facts.id.contains("gpt") => match gpt_levels(facts.id) {
            Some(known) => levels(facts, known.iter().copied()),
            None => levels(facts, ["none", "minimal", "low", "medium", "high", "xhigh"]),
        },
        Encoder::OpenRouter => levels(facts, THREE),
        Encoder::Copilot => copilot(facts),
        Encoder::Chat if facts.npm == "ai-gateway-provider" && facts.id.starts_with("openai/") => {
            levels(facts, openai_levels(facts.id, facts.release_date))
        }
        Encoder::Chat if facts.id.contains("north-mini-code") => levels(facts, ["none", "high"]),
        Encoder::Chat if facts.id.contains("deepseek-v4") => {
            levels(facts, ["low", "medium", "high", "max"])
        }
        Encoder::Chat => levels(facts, THREE),
        Encoder::OpenAi if facts.npm == "@ai-sdk/azure" && facts.id.contains("o1-mini") => {
            Variants::new()
        }
        Encoder::OpenAi if facts.provider == "meta" => {
            levels(facts, ["none", "minimal", "low", "medium", "high", "xhigh"])
        }
        Encoder::OpenAi => levels(facts, openai_levels(facts.id, facts.release_date)),
        Encoder::Anthropic => anthropic(facts),
        Encoder::Bedrock => bedrock(facts),
        Encoder::Google => google(facts, |options| options),
        Encoder::Mistral => {
            const STEERED: [&str; 4] = [
                "mistral-small-2603",
                "mistral-small-latest",
                "mistral-medium-3.5",
                "mistral-medium-2604",
            ];
            if STEERED.iter().any(|name| facts.id.contains(name)) {
                levels(facts, ["high"])
            } else {
                Variants::new()
            }
        }
        Encoder::Groq => levels(facts, ["none", "low", "medium", "high"]),
        Encoder::Sap => sap(facts),
        Encoder::Alibaba | Encoder::Cohere | Encoder::GitLab | Encoder::Silent => Variants::new(),
    }
}

fn copilot(facts: &Facts<'_>) -> Variants {
    let id = facts.id;
    let late = ["5.1-codex-max", "5.2", "5.3"].iter().any(|name| id.contains(name))
        || (id.contains("gpt-5") && facts.release_date >= "2025-12-04");
    let is_openai = !id.contains("gemini") && !id.contains("claude");
    let more = (late && is_openai).then_some("xhigh");
    levels(facts, THREE.into_iter().chain(more))
}

fn anthropic(facts: &Facts<'_>) -> Variants {
    if let Some(found) = adaptive(facts.id) {
        return sets(found.levels.iter().copied(), |level| anthropic_effort(facts, level));
    }
    if is_opus_4_5(facts.id) {
        return levels(facts, THREE);
    }
    let thinking = |tokens: u64| json!({"thinking": {"type": "enabled", "budgetTokens": tokens}});
    named([("high", thinking(usual_budget(facts))), ("max", thinking(largest_budget(facts)))])
}

fn bedrock(facts: &Facts<'_>) -> Variants {
    if let Some(found) = adaptive(facts.id) {
        return levels(facts, found.levels.iter().copied());
    }
    if is_claude(facts.id) {
        let config =
            |tokens: u64| json!({"reasoningConfig": {"type": "enabled", "budgetTokens": tokens}});
        return named([("high", config(16_000)), ("max", config(31_999))]);
    }
    levels(facts, THREE)
}

fn google(facts: &Facts<'_>, wrap: fn(Value) -> Value) -> Variants {
    let id = facts.id;
    if id.contains("2.5") {
        let most = if id.contains("pro") { 32_768 } else { 24_576 };
        let config = |tokens: u64| {
            wrap(json!({"thinkingConfig": {"includeThoughts": true, "thinkingBudget": tokens}}))
        };
        return named([("high", config(16_000)), ("max", config(most))]);
    }
    let known: &[&str] = if id.contains("gemma") {
        &["minimal", "high"]
    } else if id.contains("gemini-1") || id.contains("gemini-2") {
        &["low", "high"]
    } else if id.contains("flash-image") {
        &["minimal", "high"]
    } else if id.contains("pro-image") {
        &["high"]
    } else if id.contains("flash") {
        &["minimal", "low", "medium", "high"]
    } else {
        &THREE
    };
    let level = |level: &str| {
        wrap(json!({"thinkingConfig": {"includeThoughts": true, "thinkingLevel": level}}))
    };
    sets(known.iter().copied(), level)
}

fn sap(facts: &Facts<'_>) -> Variants {
    let id = facts.id;
    if let Some(found) = adaptive(id) {
        return levels(facts, found.levels.iter().copied());
    }
    if is_claude(id) {
        let params = |tokens: u64| json!({"modelParams": {"thinking": {"type": "enabled", "budget_tokens": tokens}}});
        return named([("high", params(16_000)), ("max", params(31_999))]);
    }
    if id.contains("gemini-2.5") {
        return google(facts, |options| json!({ "modelParams": options }));
    }
    let is_openai =
        id.contains("gpt") || id.starts_with("o1") || id.starts_with("o3") || id.starts_with("o4");
    if is_openai {
        levels(facts, openai_levels(id, facts.release_date))
    } else {
        levels(facts, THREE)
    }
}

/// Makes one set per level in the package's usual way.
fn levels<'a>(facts: &Facts<'_>, levels: impl IntoIterator<Item = &'a str>) -> Variants {
    levels.into_iter().filter_map(|level| Some((level.to_owned(), effort(facts, level)?))).collect()
}

/// Makes one set per level in the given way.
fn sets<'a>(
    levels: impl IntoIterator<Item = &'a str>,
    encode: impl Fn(&'a str) -> Value,
) -> Variants {
    levels.into_iter().map(|level| (level.to_owned(), set(encode(level)))).collect()
}
