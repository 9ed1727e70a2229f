//! How long, how hard and how randomly: `max_tokens`, `thinking`, `output_config.effort` and sampling, which depend on each other.
//!
//! Called by `build`. Claude models come in three generations, told apart by the version in their id: those that take a thinking
//! budget, those that prefer to choose it themselves (4.6), and those that must (4.7 and later), which take no sampling parameters
//! either. Every other model is asked in the first way. It deliberately changes nothing that the target's own options say.

use serde_json::{Map, Value, json};
use sy_types::Target;
use sy_types::chat::{ChatRequest, Dropped, Effort, ReasoningOptions};

use super::build::is_forced;
use crate::reasoning::{self, MIN_BUDGET};

/// The most answer tokens asked for where the caller does not say (OpenCode's value).
const DEFAULT_LIMIT: u64 = 32_000;

/// The same where the model's limit is unknown: every model takes it.
const UNKNOWN_LIMIT: u64 = 4_096;

/// The budget of a caller who wants reasoning and says no more.
const DEFAULT_BUDGET: u64 = 8_192;

/// The version of a Claude model that has no number in its id.
const LATEST: (u32, u32) = (u32::MAX, 0);

/// Returns true for a Claude model, whoever hosts it.
pub(super) fn is_claude(model: &str) -> bool {
    model.to_ascii_lowercase().contains("claude")
}

/// The version of a Claude model; one without a number in its id is taken as the latest.
fn version(model: &str) -> (u32, u32) {
    let model = model.to_ascii_lowercase();
    let Some((_, rest)) = model.split_once("claude-") else { return LATEST };
    let short = |word: Option<&str>| {
        word.filter(|word| word.len() <= 2).and_then(|word| word.parse::<u32>().ok())
    };
    let mut words = rest.split(['-', '.', '@', ':', '_']);
    let first = words.next();
    let Some(major) = short(first).or_else(|| short(words.next())) else { return LATEST };
    (major, short(words.next()).unwrap_or_default())
}

/// Returns true for models that reason whatever they are asked (all of Fable and Mythos; from 5.5 on all but Haiku) and refuse
/// `disabled` (docs read 2026-11-21).
fn always_thinks(model: &str) -> bool {
    let version = version(model);
    let has = |family: &str| model.to_ascii_lowercase().contains(family);
    is_claude(model)
        && version != LATEST
        && (has("fable") || has("mythos") || (version >= (5, 5) && !has("haiku")))
}

/// Returns true for models that refuse to be made to call a tool: those that always reason, from 5.1 on (docs read 2026-11-21).
pub(super) fn refuses_forced_tools(model: &str) -> bool {
    always_thinks(model) && version(model) >= (5, 1)
}

/// How a model is asked to reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    /// By a number of tokens.
    Budget,
    /// By a word, without `xhigh`.
    Adaptive,
    /// By a word, and its reasoning is hidden unless it is asked for.
    AdaptiveOnly,
}

fn style(model: &str) -> Style {
    if !is_claude(model) {
        return Style::Budget;
    }
    let is_large =
        ["opus", "sonnet"].into_iter().any(|family| model.to_ascii_lowercase().contains(family));
    match version(model) {
        (4, 6) if is_large => Style::Adaptive,
        version if version >= (4, 7) => Style::AdaptiveOnly,
        _ => Style::Budget,
    }
}

/// Adds the fields to a body that has its tool choice and output format already.
pub(super) fn apply(
    body: &mut Map<String, Value>,
    chat: &ChatRequest,
    target: &Target,
    dropped: &mut Vec<Dropped>,
) {
    let mut limit = answer_limit(chat, target, dropped);
    let style = style(&target.upstream_model);
    match thinking(body, chat, target, style, &mut limit, dropped) {
        Some(thinking) => {
            body.insert("thinking".to_owned(), thinking);
        }
        None => make_room(target, &mut limit, dropped),
    }
    if style != Style::Budget {
        effort(body, &chat.reasoning, &target.upstream_model, dropped);
    }
    body.insert("max_tokens".to_owned(), limit.into());
    sampling(body, chat, target, dropped);
}

/// Returns `max_tokens`, which must always be there.
fn answer_limit(chat: &ChatRequest, target: &Target, dropped: &mut Vec<Dropped>) -> u64 {
    let most = target.info.limits.output;
    match chat.max_output_tokens {
        Some(limit) if most > 0 && limit > most => {
            dropped.push(Dropped::clamped("max_output_tokens", most, "more than the model gives"));
            most
        }
        Some(limit) => limit,
        None if most == 0 => UNKNOWN_LIMIT,
        None => most.min(DEFAULT_LIMIT),
    }
}

fn thinking(
    body: &Map<String, Value>,
    chat: &ChatRequest,
    target: &Target,
    style: Style,
    limit: &mut u64,
    dropped: &mut Vec<Dropped>,
) -> Option<Value> {
    let options = &chat.reasoning;
    let wants = options.enabled == Some(true)
        || options.effort.is_some()
        || options.budget_tokens.is_some();
    let model = &*target.upstream_model;
    // Reasoning by budget is refused beside a forced tool; recordings show that the adaptive kind is not.
    if style == Style::Budget && is_claude(model) && body.get("tool_choice").is_some_and(is_forced)
    {
        if wants && !reasoning::is_off(options) {
            dropped
                .push(Dropped::new("reasoning", "not possible together with a forced tool choice"));
        }
        return target.options.contains_key("thinking").then(|| json!({ "type": "disabled" }));
    }
    if reasoning::is_off(options) {
        if always_thinks(model) {
            dropped.push(Dropped::new("reasoning", "the model always reasons"));
            return None;
        }
        let is_on_by_default = style != Style::Budget || !is_claude(model);
        let says_so = is_on_by_default || target.options.contains_key("thinking");
        return says_so.then(|| json!({ "type": "disabled" }));
    }
    if !wants {
        return None;
    }
    if target.info.capabilities.reasoning == Some(false) {
        dropped.push(Dropped::new("reasoning", "the model does not reason"));
        return None;
    }
    match style {
        Style::Budget => budget(chat, target, limit, dropped),
        Style::Adaptive | Style::AdaptiveOnly => Some(adaptive(options, style)),
    }
}

fn adaptive(options: &ReasoningOptions, style: Style) -> Value {
    match (options.visible, style) {
        (Some(false), _) => json!({ "type": "adaptive", "display": "omitted" }),
        (_, Style::AdaptiveOnly) => json!({ "type": "adaptive", "display": "summarized" }),
        (_, Style::Adaptive | Style::Budget) => json!({ "type": "adaptive" }),
    }
}

/// Raises the limit above a reasoning budget that the target's own options bring along.
fn make_room(target: &Target, limit: &mut u64, dropped: &mut Vec<Dropped>) {
    let configured =
        target.options.get("thinking").and_then(|thinking| thinking.get("budget_tokens"));
    let Some(budget) = configured.and_then(Value::as_u64).filter(|budget| budget >= limit) else {
        return;
    };
    *limit = limit.saturating_add(budget);
    dropped.push(Dropped::raised(
        "max_output_tokens",
        *limit,
        "raised, since it must be more than the configured reasoning budget",
    ));
}

/// Asks for reasoning by a number of tokens, which must be at least 1,024 and less than `max_tokens`.
fn budget(
    chat: &ChatRequest,
    target: &Target,
    limit: &mut u64,
    dropped: &mut Vec<Dropped>,
) -> Option<Value> {
    let asked = reasoning::budget(&chat.reasoning).unwrap_or(DEFAULT_BUDGET);
    let mut budget = asked.max(MIN_BUDGET);
    let most = if target.info.limits.output == 0 { u64::MAX } else { target.info.limits.output };
    if chat.max_output_tokens.is_none() {
        *limit = limit.saturating_add(budget).min(most);
    } else if budget >= *limit {
        *limit = limit.saturating_add(budget).min(most);
        dropped.push(Dropped::raised(
            "max_output_tokens",
            *limit,
            "raised, since it must be more than the reasoning budget",
        ));
    }
    if budget >= *limit {
        budget = limit.saturating_sub(1);
    }
    if budget < MIN_BUDGET {
        dropped.push(Dropped::new("reasoning", "the answer's limit leaves no room for it"));
        return None;
    }
    if budget != asked && chat.reasoning.budget_tokens.is_some() {
        dropped.push(Dropped::clamped(
            "reasoning budget",
            budget,
            "changed to what the model accepts",
        ));
    }
    if chat.reasoning.visible == Some(false) && is_claude(&target.upstream_model) {
        return Some(json!({ "type": "enabled", "budget_tokens": budget, "display": "omitted" }));
    }
    Some(json!({ "type": "enabled", "budget_tokens": budget }))
}

/// Writes `output_config.effort` beside what is there. A model that cannot stop reasoning is asked for as little as it can, and one
/// that is told not to reason takes no more than `high`.
fn effort(
    body: &mut Map<String, Value>,
    options: &ReasoningOptions,
    model: &str,
    dropped: &mut Vec<Dropped>,
) {
    let Some(asked) =
        reasoning::effort(options).or_else(|| reasoning::is_off(options).then_some(Effort::None))
    else {
        return;
    };
    let is_off = reasoning::is_off(options);
    let effort = match asked {
        _ if is_off && always_thinks(model) => Effort::Low,
        Effort::None => return,
        Effort::Minimal => Effort::Low,
        Effort::XHigh if style(model) == Style::Adaptive => Effort::High,
        Effort::XHigh | Effort::Max if is_off => Effort::High,
        Effort::Low | Effort::Medium | Effort::High | Effort::XHigh | Effort::Max => asked,
    };
    if Some(effort) != options.effort && options.effort.is_some_and(|asked| asked != Effort::None) {
        dropped.push(Dropped::clamped(
            "reasoning effort",
            effort.name(),
            "changed to the nearest level that the model takes",
        ));
    }
    let config = body.entry("output_config").or_insert_with(|| json!({}));
    if let Some(config) = config.as_object_mut() {
        config.insert("effort".to_owned(), effort.name().into());
    }
}

/// Returns true when the request, or the target's own options, make the model reason.
fn is_thinking(body: &Map<String, Value>, target: &Target) -> bool {
    let thinking = body.get("thinking").or_else(|| target.options.get("thinking"));
    thinking.and_then(|thinking| thinking.get("type")).is_some_and(|kind| kind != "disabled")
}

fn sampling(
    body: &mut Map<String, Value>,
    chat: &ChatRequest,
    target: &Target,
    dropped: &mut Vec<Dropped>,
) {
    const THINKING: &str = "not accepted together with reasoning";
    const REFUSED: &str = "the model does not accept it";
    let is_claude = is_claude(&target.upstream_model);
    let takes_temperature =
        target.dialect.temperature && target.info.capabilities.temperature != Some(false);
    let is_closed = is_claude && (!takes_temperature || version(&target.upstream_model) >= (4, 7));
    let is_thinking = is_claude && is_thinking(body, target);
    let wish = &chat.sampling;
    match wish.temperature {
        None => {}
        Some(_) if !takes_temperature || is_closed => {
            dropped.push(Dropped::new("temperature", REFUSED))
        }
        Some(temperature) if is_thinking && temperature != 1.0 => {
            dropped.push(Dropped::new("temperature", THINKING))
        }
        Some(temperature) => {
            if temperature > 1.0 {
                dropped.push(Dropped::clamped("temperature", 1, "the highest value"));
            }
            body.insert("temperature".to_owned(), temperature.clamp(0.0, 1.0).into());
        }
    }

    match wish.top_p {
        None => {}
        Some(_) if is_closed => dropped.push(Dropped::new("top_p", REFUSED)),
        Some(top_p) if is_thinking && top_p < 0.95 => dropped.push(Dropped::new("top_p", THINKING)),
        // Claude takes one of the two from 4.1 on.
        Some(_)
            if is_claude
                && version(&target.upstream_model) >= (4, 1)
                && body.contains_key("temperature") =>
        {
            dropped.push(Dropped::new("top_p", "not accepted together with temperature"));
        }
        Some(top_p) => {
            body.insert("top_p".to_owned(), top_p.into());
        }
    }

    match wish.top_k {
        None => {}
        Some(_) if is_closed => dropped.push(Dropped::new("top_k", REFUSED)),
        Some(_) if is_thinking => dropped.push(Dropped::new("top_k", THINKING)),
        Some(top_k) => {
            body.insert("top_k".to_owned(), top_k.into());
        }
    }

    let unknown = [
        ("frequency_penalty", wish.frequency_penalty.is_some()),
        ("presence_penalty", wish.presence_penalty.is_some()),
        ("seed", wish.seed.is_some()),
    ];
    unknown
        .into_iter()
        .filter(|(_, asked)| *asked)
        .for_each(|(field, _)| dropped.push(Dropped::new(field, "the protocol has no such field")));
}
