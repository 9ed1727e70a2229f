//! How much a model is asked to think: a level for newer generations, a number of tokens for 2.x.
//!
//! Used by request decode and build. Ranges are those of ai.google.dev/gemini-api/docs/thinking (read 2026-11). It deliberately
//! does not decide whether a model can think: the catalog says so.

use serde_json::{Map, Value};
use sy_types::Target;
use sy_types::chat::{Dropped, Effort, ReasoningOptions};

use super::naming;
use crate::fields::{Fields, wrong};
use crate::reasoning;
use sy_types::Failure;

/// Reads `thinkingConfig`.
pub(super) fn decode(
    mut fields: Fields,
    dropped: &mut Vec<Dropped>,
) -> Result<ReasoningOptions, Failure> {
    let mut options = ReasoningOptions {
        visible: fields.bool("includeThoughts")?,
        ..ReasoningOptions::default()
    };
    match fields.integer("thinkingBudget")? {
        None => {}
        Some(-1) => options.enabled = Some(true),
        Some(budget) => {
            let budget = u64::try_from(budget).map_err(|_| {
                wrong(
                    &fields.path("thinkingBudget"),
                    "a whole number of at least -1",
                    &Value::from(budget),
                )
            })?;
            options.enabled = Some(budget > 0);
            options.budget_tokens = Some(budget);
        }
    }
    if let Some(level) = fields.string("thinkingLevel")? {
        options.effort = Effort::parse(&level.to_ascii_lowercase());
        if options.effort.is_none() && level != "THINKING_LEVEL_UNSPECIFIED" {
            let expected = "one of minimal, low, medium, high";
            return Err(wrong(&fields.path("thinkingLevel"), expected, &Value::from(level)));
        }
    }
    fields.finish(dropped);
    Ok(options)
}

const ALWAYS: &str = "this model always reasons: asked for the least";

/// Writes `thinkingConfig`; `None` when nothing was asked.
pub(super) fn build(
    options: &ReasoningOptions,
    target: &Target,
    dropped: &mut Vec<Dropped>,
) -> Option<Value> {
    if *options == ReasoningOptions::default() {
        return None;
    }
    if target.info.capabilities.reasoning == Some(false) {
        if !reasoning::is_off(options) {
            dropped.push(Dropped::new("reasoning", "the model does not reason"));
        }
        return None;
    }
    let mut config = Map::new();
    let model = &*target.upstream_model;
    let (key, value) = match naming::generation(model) {
        Some(0..=2) => ("thinkingBudget", budget(options, model, dropped)),
        Some(_) => ("thinkingLevel", level(options, model, dropped)),
        None if reasoning::is_off(options) => ("thinkingBudget", Some(Value::from(0))),
        None if options.budget_tokens.is_some() => {
            ("thinkingBudget", options.budget_tokens.map(Value::from))
        }
        None => ("thinkingLevel", level(options, model, dropped)),
    };
    config.extend(value.map(|value| (key.to_owned(), value)));
    config.extend(
        options.visible.map(|visible| ("includeThoughts".to_owned(), Value::Bool(visible))),
    );
    (!config.is_empty()).then_some(Value::Object(config))
}

fn budget(options: &ReasoningOptions, model: &str, dropped: &mut Vec<Dropped>) -> Option<Value> {
    let (least, most) = match model {
        _ if model.contains("pro") => (128, 32_768),
        _ if model.contains("lite") => (512, 24_576),
        _ => (1, 24_576),
    };
    if reasoning::is_off(options) {
        if model.contains("pro") {
            dropped.push(Dropped::clamped("reasoning", least, ALWAYS));
            return Some(Value::from(least));
        }
        return Some(Value::from(0));
    }
    match reasoning::budget(options) {
        Some(asked) => {
            if options.budget_tokens.is_some_and(|asked| !(least..=most).contains(&asked)) {
                dropped.push(Dropped::clamped(
                    "reasoning.budget_tokens",
                    asked.clamp(least, most),
                    "outside the model's range: the nearest was taken",
                ));
            }
            Some(Value::from(asked.clamp(least, most)))
        }
        // -1 lets the model decide.
        None => (options.enabled == Some(true)).then(|| Value::from(-1)),
    }
}

fn level(options: &ReasoningOptions, model: &str, dropped: &mut Vec<Dropped>) -> Option<Value> {
    let least = if model.contains("pro") { "low" } else { "minimal" };
    if reasoning::is_off(options) {
        dropped.push(Dropped::clamped("reasoning", least, ALWAYS));
        return Some(Value::from(least));
    }
    let word = match reasoning::effort(options)? {
        Effort::None | Effort::Minimal => least,
        Effort::Low => "low",
        Effort::Medium => "medium",
        Effort::High | Effort::XHigh | Effort::Max => "high",
    };
    Some(Value::from(word))
}
