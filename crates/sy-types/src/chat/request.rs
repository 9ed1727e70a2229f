//! A chat request in canonical form.

use std::fmt;

use indexmap::IndexMap;
use serde_json::Value;

use super::message::Message;
use super::tool::{Tool, ToolChoice};

/// What became of a field that could not be carried as it came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Change {
    /// It was left out.
    #[default]
    Dropped,
    /// A number was raised to this one, the least that is taken.
    Raised(String),
    /// A number or word was brought to this one, the nearest that is taken.
    Clamped(String),
    /// It was sent in another place.
    Moved,
    /// It was sent in another form, which says nearly the same.
    Replaced,
    /// It was left out, and nothing is lost by it: a message that says nothing, a line meant for another vendor.
    Needless,
}

/// A field that could not be carried from one protocol to another as it came.
///
/// Its text form is an item of the header `x-switchyard-dropped`: the field alone where it was left out (`logit_bias`), else
/// with what became of it (`max_tokens;raised=16`, `temperature;clamped=1`, `messages[2];moved`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// The path of the field in the caller's dialect (`logit_bias`, `messages[2].name`).
    pub field: String,
    /// Why, in a few words.
    pub reason: &'static str,
    /// What became of it.
    pub change: Change,
}

impl Dropped {
    /// Names a field and why it was left out.
    pub fn new(field: impl Into<String>, reason: &'static str) -> Self {
        Self { field: field.into(), reason, change: Change::Dropped }
    }

    /// Names a number that was raised, and to which.
    #[expect(clippy::needless_pass_by_value, reason = "a number or a word, often a literal")]
    pub fn raised(field: impl Into<String>, to: impl ToString, reason: &'static str) -> Self {
        Self { field: field.into(), reason, change: Change::Raised(to.to_string()) }
    }

    /// Names a number or word that was brought to the nearest that is taken, and to which.
    #[expect(clippy::needless_pass_by_value, reason = "a number or a word, often a literal")]
    pub fn clamped(field: impl Into<String>, to: impl ToString, reason: &'static str) -> Self {
        Self { field: field.into(), reason, change: Change::Clamped(to.to_string()) }
    }

    /// Names a field that was sent in another place.
    pub fn moved(field: impl Into<String>, reason: &'static str) -> Self {
        Self { field: field.into(), reason, change: Change::Moved }
    }

    /// Names a field that was sent in another form.
    pub fn replaced(field: impl Into<String>, reason: &'static str) -> Self {
        Self { field: field.into(), reason, change: Change::Replaced }
    }

    /// Names a field that was left out because it says nothing.
    pub fn needless(field: impl Into<String>, reason: &'static str) -> Self {
        Self { field: field.into(), reason, change: Change::Needless }
    }

    /// Returns true when something of what the caller asked is lost or changed, which strict mode refuses.
    pub fn is_loss(&self) -> bool {
        self.change != Change::Needless
    }
}

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.field)?;
        match &self.change {
            Change::Dropped | Change::Needless => Ok(()),
            Change::Raised(to) => write!(f, ";raised={to}"),
            Change::Clamped(to) => write!(f, ";clamped={to}"),
            Change::Moved => f.write_str(";moved"),
            Change::Replaced => f.write_str(";replaced"),
        }
    }
}

/// How the next token is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sampling {
    /// Usually 0 to 2.
    pub temperature: Option<f64>,
    /// 0 to 1.
    pub top_p: Option<f64>,
    /// A count.
    pub top_k: Option<u64>,
    /// -2 to 2.
    pub frequency_penalty: Option<f64>,
    /// -2 to 2.
    pub presence_penalty: Option<f64>,
    /// For repeatable answers, best effort.
    pub seed: Option<i64>,
}

/// How hard to reason, as a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effort {
    /// Not at all.
    None,
    /// As little as it can.
    Minimal,
    /// A little.
    Low,
    /// The usual.
    Medium,
    /// A lot.
    High,
    /// More.
    XHigh,
    /// As much as it can.
    Max,
}

impl Effort {
    /// Reads the word that protocols use.
    pub fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "none" => Self::None,
            "minimal" => Self::Minimal,
            "low" => Self::Low,
            "medium" => Self::Medium,
            "high" => Self::High,
            "xhigh" => Self::XHigh,
            "max" => Self::Max,
            _ => return None,
        })
    }

    /// Returns the word that protocols use.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Minimal => "minimal",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::XHigh => "xhigh",
            Self::Max => "max",
        }
    }
}

/// What is asked of the model's reasoning.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReasoningOptions {
    /// `Some(false)` switches it off, `Some(true)` on; `None` leaves it to the model.
    pub enabled: Option<bool>,
    /// How hard, as a word.
    pub effort: Option<Effort>,
    /// How many tokens at most.
    pub budget_tokens: Option<u64>,
    /// Whether reasoning (or a summary of it) is to be shown.
    pub visible: Option<bool>,
}

/// The form of the answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum OutputFormat {
    /// Free text.
    #[default]
    Text,
    /// Any JSON object.
    JsonObject,
    /// JSON by a schema.
    JsonSchema {
        /// The name of the schema, where the protocol wants one.
        name: Option<String>,
        /// What it is for.
        description: Option<String>,
        /// The schema.
        schema: Value,
        /// Whether the provider is to enforce it.
        strict: Option<bool>,
    },
}

/// A chat request in canonical form.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ChatRequest {
    /// The model as the caller named it.
    pub model: String,
    /// Whether the answer is to be streamed.
    pub stream: bool,
    /// The conversation, instructions included, in the caller's order.
    pub messages: Vec<Message>,
    /// The tools on offer.
    pub tools: Vec<Tool>,
    /// Whether one must be called.
    pub tool_choice: Option<ToolChoice>,
    /// Whether several may be called at once.
    pub parallel_tool_calls: Option<bool>,
    /// How many answers are wanted beside each other, where more than one.
    pub choices: Option<u64>,
    /// Whether the likelihood of each token is to be told, and of how many others at its place.
    pub top_logprobs: Option<u64>,
    /// At most this many answer tokens.
    pub max_output_tokens: Option<u64>,
    /// Texts that end the answer.
    pub stop: Vec<String>,
    /// How the next token is chosen.
    pub sampling: Sampling,
    /// What is asked of reasoning.
    pub reasoning: ReasoningOptions,
    /// The form of the answer.
    pub output: OutputFormat,
    /// An id of the end user, for the provider's abuse detection.
    pub user: Option<String>,
    /// Small key-value notes that some protocols carry.
    pub metadata: IndexMap<String, String>,
    /// How fast and dear the answer may be (`service_tier`), in OpenAI's words: `default`, `flex`, `priority`, `scale`. `None` and
    /// `auto` are the same.
    pub service_tier: Option<String>,
    /// A hint that groups requests with a common prefix (OpenAI's `prompt_cache_key`).
    pub prompt_cache_key: Option<String>,
    /// The caller's fields that have no place in this form, with the path in the caller's dialect. They are reported when
    /// the request crosses to another protocol, and untouched when it does not.
    pub unmapped: Vec<Dropped>,
}

#[cfg(test)]
mod tests {
    use super::Dropped;

    #[test]
    fn the_text_form_says_what_became_of_a_field() {
        let check = |dropped: Dropped, expected: &str| assert_eq!(dropped.to_string(), expected);

        check(Dropped::new("logit_bias", "why"), "logit_bias");
        check(Dropped::raised("max_tokens", 16, "why"), "max_tokens;raised=16");
        check(Dropped::clamped("temperature", 1, "why"), "temperature;clamped=1");
        check(Dropped::moved("messages[2]", "why"), "messages[2];moved");
        check(Dropped::replaced("tools[0].format", "why"), "tools[0].format;replaced");
    }
}
