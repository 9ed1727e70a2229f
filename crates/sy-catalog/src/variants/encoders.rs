//! A reasoning level, switch or budget from the data as options of a package.
//!
//! Pure functions of [`Facts`]. Where a package has no word for a kind, the answer is nothing.

use serde_json::{Value, json};

use super::families::{adaptive, is_claude, is_kimi, is_opus_4_5};
use super::{Facts, Options, Variants, set};
use crate::wire_map::Encoder;

/// The largest thinking budget that is offered, in tokens: with 32,000 answer tokens one is left to answer.
const LARGEST_BUDGET: u64 = 31_999;
const USUAL_BUDGET: u64 = 16_000;

/// Returns the options that ask for a level.
pub(super) fn effort(facts: &Facts<'_>, level: &str) -> Option<Options> {
    let options = match facts.encoder {
        Encoder::OpenRouter => json!({"reasoning": {"effort": level}}),
        Encoder::Anthropic => anthropic_effort(facts, level),
        Encoder::Google => {
            json!({"thinkingConfig": {"includeThoughts": true, "thinkingLevel": level}})
        }
        Encoder::Bedrock => return bedrock_effort(facts, level),
        Encoder::Copilot if facts.id.contains("gemini") => return None,
        Encoder::Copilot if facts.id.contains("claude") => json!({"reasoningEffort": level}),
        Encoder::Copilot | Encoder::OpenAi => openai_effort(level),
        Encoder::Sap if is_claude(facts.id) => json!({"modelParams": {
            "thinking": {"type": "adaptive", "display": "summarized"}, "output_config": {"effort": level},
        }}),
        Encoder::Sap => json!({"modelParams": {"reasoning_effort": level}}),
        Encoder::GitLab => return gitlab_effort(facts, level),
        Encoder::Chat | Encoder::Mistral | Encoder::Groq => json!({"reasoningEffort": level}),
        Encoder::Alibaba | Encoder::Cohere | Encoder::Silent => return None,
    };
    Some(set(options))
}

/// Returns the options that switch reasoning off and on.
pub(super) fn toggle(facts: &Facts<'_>) -> Variants {
    let (off, on) = match facts.encoder {
        Encoder::Alibaba => (json!({"enableThinking": false}), json!({"enableThinking": true})),
        Encoder::Cohere => {
            (json!({"thinking": {"type": "disabled"}}), json!({"thinking": {"type": "enabled"}}))
        }
        _ => return Variants::new(),
    };
    named([("none", off), ("high", on)])
}

/// Returns the options that give a budget: `high` and `max`.
pub(super) fn budget(facts: &Facts<'_>, min: Option<u64>, max: Option<u64>) -> Variants {
    let answer = if facts.output_limit == 0 { u64::MAX } else { facts.output_limit - 1 };
    let most = max.unwrap_or(LARGEST_BUDGET).min(answer).min(LARGEST_BUDGET);
    if most == 0 {
        return Variants::new();
    }
    let high = most.div_ceil(2).max(min.unwrap_or(0)).min(most);
    let sets = [("high", high), ("max", most)];
    sets.into_iter()
        .filter_map(|(name, tokens)| Some((name.to_owned(), set(budget_of(facts, tokens)?))))
        .collect()
}

fn budget_of(facts: &Facts<'_>, tokens: u64) -> Option<Value> {
    Some(match facts.encoder {
        Encoder::OpenRouter => json!({"reasoning": {"max_tokens": tokens}}),
        Encoder::Anthropic => json!({"thinking": {"type": "enabled", "budgetTokens": tokens}}),
        Encoder::Google => {
            json!({"thinkingConfig": {"includeThoughts": true, "thinkingBudget": tokens}})
        }
        Encoder::Bedrock => json!({"reasoningConfig": {"type": "enabled", "budgetTokens": tokens}}),
        Encoder::Sap if is_claude(facts.id) => {
            json!({"modelParams": {"thinking": {"type": "enabled", "budget_tokens": tokens}}})
        }
        Encoder::Sap if facts.id.contains("gemini") => {
            json!({"modelParams": {"thinkingConfig": {"includeThoughts": true, "thinkingBudget": tokens}}})
        }
        Encoder::Alibaba => json!({"enableThinking": true, "thinkingBudget": tokens}),
        Encoder::Cohere => json!({"thinking": {"type": "enabled", "tokenBudget": tokens}}),
        _ => return None,
    })
}

/// Level and summary for OpenAI's own API; the encrypted reasoning makes stateless turns possible.
pub(super) fn openai_effort(level: &str) -> Value {
    json!({"reasoningEffort": level, "reasoningSummary": "auto", "include": ["reasoning.encrypted_content"]})
}

/// Level for the messages protocol.
pub(super) fn anthropic_effort(facts: &Facts<'_>, level: &str) -> Value {
    if is_opus_4_5(facts.id) {
        return json!({"thinking": {"type": "enabled", "budgetTokens": usual_budget(facts)}, "effort": level});
    }
    if is_kimi(facts) {
        return json!({"thinking": {"type": "adaptive", "display": "summarized"}, "effort": level});
    }
    match adaptive(facts.id) {
        Some(found) if found.summarized => {
            json!({"thinking": {"type": "adaptive", "display": "summarized"}, "effort": level})
        }
        Some(_) => json!({"thinking": {"type": "adaptive"}, "effort": level}),
        None => json!({"effort": level}),
    }
}

/// 16,000 tokens, or less where the answer is short.
pub(super) fn usual_budget(facts: &Facts<'_>) -> u64 {
    if facts.output_limit == 0 {
        USUAL_BUDGET
    } else {
        USUAL_BUDGET.min((facts.output_limit / 2).saturating_sub(1))
    }
}

/// 31,999 tokens, or less where the answer is short.
pub(super) fn largest_budget(facts: &Facts<'_>) -> u64 {
    if facts.output_limit == 0 {
        LARGEST_BUDGET
    } else {
        LARGEST_BUDGET.min(facts.output_limit - 1)
    }
}

fn bedrock_effort(facts: &Facts<'_>, level: &str) -> Option<Options> {
    let config = match adaptive(facts.id) {
        Some(found) if found.summarized => {
            json!({"type": "adaptive", "maxReasoningEffort": level, "display": "summarized"})
        }
        Some(_) => json!({"type": "adaptive", "maxReasoningEffort": level}),
        None if is_opus_4_5(facts.id) => {
            json!({"type": "enabled", "budgetTokens": usual_budget(facts), "maxReasoningEffort": level})
        }
        None if is_claude(facts.id) => return None,
        None => json!({"type": "enabled", "maxReasoningEffort": level}),
    };
    Some(set(json!({ "reasoningConfig": config })))
}

fn gitlab_effort(facts: &Facts<'_>, level: &str) -> Option<Options> {
    let family = facts.family.unwrap_or_default();
    if family.starts_with("gpt") {
        return Some(set(json!({"reasoningEffort": level})));
    }
    family
        .starts_with("claude")
        .then(|| set(json!({"thinking": {"type": "adaptive", "effort": level}})))
}

/// Makes named sets of JSON objects.
pub(super) fn named<const N: usize>(sets: [(&str, Value); N]) -> Variants {
    sets.into_iter().map(|(name, options)| (name.to_owned(), set(options))).collect()
}
