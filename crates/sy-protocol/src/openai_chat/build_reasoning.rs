//! How a target is asked to reason: a word, an object, a switch.
//!
//! A part of `build`; `zai_chat` asks with the same words. It deliberately asks for nothing that the model's data deny it.

use serde_json::{Map, Value, json};
use sy_types::chat::{Dropped, Effort, ReasoningOptions};
use sy_types::target::ReasoningRequest;
use sy_types::{ModelInfo, Target};

use crate::reasoning;

/// Asks for reasoning in the field and the words of the target.
pub(super) fn ask(
    asked: &ReasoningOptions,
    target: &Target,
    body: &mut Map<String, Value>,
    dropped: &mut Vec<Dropped>,
) {
    if asked.visible == Some(false) && target.dialect.reasoning_request != ReasoningRequest::Object
    {
        dropped.push(Dropped::new("reasoning.visible", "reasoning cannot be kept back here"));
    }
    let is_asked =
        asked.enabled.is_some() || asked.effort.is_some() || asked.budget_tokens.is_some();
    if !is_asked {
        return;
    }
    let is_off = reasoning::is_off(asked);
    if target.info.capabilities.reasoning == Some(false)
        || target.dialect.reasoning_request == ReasoningRequest::None
    {
        if !is_off {
            dropped.push(Dropped::new("reasoning", "the model cannot be asked to reason"));
        }
        return;
    }
    match target.dialect.reasoning_request {
        ReasoningRequest::Effort => {
            if let Some(word) = effort_word(asked, &target.info, dropped) {
                body.insert("reasoning_effort".to_owned(), word.into());
            }
        }
        ReasoningRequest::Object => {
            let mut object = Map::new();
            match (is_off, asked.effort, asked.budget_tokens) {
                (true, ..) => object.insert("enabled".to_owned(), false.into()),
                (false, _, Some(tokens)) => object.insert("max_tokens".to_owned(), tokens.into()),
                (false, Some(effort), None) => {
                    object.insert("effort".to_owned(), effort.name().into())
                }
                (false, None, None) => object.insert("enabled".to_owned(), true.into()),
            };
            if asked.visible == Some(false) {
                object.insert("exclude".to_owned(), true.into());
            }
            body.insert("reasoning".to_owned(), object.into());
        }
        ReasoningRequest::Thinking => {
            let kind = if is_off { "disabled" } else { "enabled" };
            body.insert("thinking".to_owned(), json!({ "type": kind }));
        }
        ReasoningRequest::None => {}
    }
}

/// Returns the word for effort that the model knows and that is nearest to what was asked.
///
/// The names of the model's variants tell which words it knows; where they tell nothing, only the three that every vendor
/// has are sent.
pub(crate) fn effort_word(
    asked: &ReasoningOptions,
    info: &ModelInfo,
    dropped: &mut Vec<Dropped>,
) -> Option<&'static str> {
    let wanted = if reasoning::is_off(asked) { Effort::None } else { reasoning::effort(asked)? };
    let mut known: Vec<Effort> =
        info.variants.keys().filter_map(|name| Effort::parse(name)).collect();
    if known.is_empty() {
        known = vec![Effort::Low, Effort::Medium, Effort::High];
    }
    if wanted == Effort::None && !known.contains(&Effort::None) {
        dropped.push(Dropped::new("reasoning", "the model cannot be asked not to reason"));
        return None;
    }
    let distance = |word: &Effort| (*word as i32 - wanted as i32).abs();
    let nearest = known
        .into_iter()
        .filter(|word| *word != Effort::None || wanted == Effort::None)
        .min_by_key(distance)?;
    if nearest != wanted {
        dropped.push(Dropped::clamped(
            "reasoning.effort",
            nearest.name(),
            "the nearest word that the model knows",
        ));
    }
    Some(nearest.name())
}
