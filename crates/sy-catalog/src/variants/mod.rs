//! Named sets of options of a model (`high`, `max`), chosen by `model:variant`.
//!
//! Called when a model is assembled: `for_model` makes the sets from the data's reasoning options, or from a built-in table
//! where the data say nothing. They are kept in the words of the AI SDK (`reasoningEffort`); [`body::fields`] turns them
//! into body fields of a protocol. Nothing here knows a protocol's whole request.

pub(crate) mod body;
mod builtin;
mod encoders;
mod families;

use indexmap::IndexMap;
use serde_json::{Map, Value};

use crate::models_dev::ReasoningOption;
use crate::wire_map::Encoder;

/// A set of options.
pub(crate) type Options = Map<String, Value>;
/// Sets of options by name, weakest first.
pub(crate) type Variants = IndexMap<String, Options>;

/// What the sets depend on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts<'a> {
    pub(crate) provider: &'a str,
    pub(crate) npm: &'a str,
    pub(crate) encoder: Encoder,
    /// The model's id on the wire, in lower case.
    pub(crate) id: &'a str,
    pub(crate) family: Option<&'a str>,
    pub(crate) release_date: &'a str,
    pub(crate) reasoning: Option<bool>,
    /// The longest answer, in tokens; 0 means unknown.
    pub(crate) output_limit: u64,
    pub(crate) base_url: &'a str,
    pub(crate) reasoning_options: Option<&'a [ReasoningOption]>,
}

/// Returns the sets of a model: from the data where they say something, else from the built-in table.
pub(crate) fn for_model(facts: &Facts<'_>) -> Variants {
    let Some(options) = facts.reasoning_options else { return builtin::variants(facts) };
    if options.is_empty() {
        return Variants::new();
    }
    let effort = options.iter().find_map(|option| match option {
        ReasoningOption::Effort { values } => Some(values),
        _ => None,
    });
    if let Some(values) = effort {
        let levels = values.iter().map(|value| value.as_deref().unwrap_or("none"));
        return levels
            .filter_map(|level| Some((level.to_owned(), encoders::effort(facts, level)?)))
            .collect();
    }
    let mut variants = Variants::new();
    for option in options {
        match option {
            ReasoningOption::Toggle => variants.extend(encoders::toggle(facts)),
            ReasoningOption::BudgetTokens { min, max } => {
                variants.extend(encoders::budget(facts, *min, *max))
            }
            ReasoningOption::Effort { .. } | ReasoningOption::Unknown => {}
        }
    }
    if variants.is_empty() { builtin::variants(facts) } else { variants }
}

/// Makes an option set of a JSON object.
fn set(json: Value) -> Options {
    match json {
        Value::Object(options) => options,
        _ => Options::new(),
    }
}

#[cfg(test)]
mod tests;
