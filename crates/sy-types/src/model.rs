//! What the catalog knows about a model: capabilities, limits, price.
//!
//! Made by sy-catalog; read by the router (planning, metering) and by every surface that lists models.

use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::{Map, Value};

use crate::chat::usage::Usage;

/// A kind of content that a model takes or gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Media {
    /// Plain text.
    Text,
    /// Sound.
    Audio,
    /// Still pictures.
    Image,
    /// Moving pictures.
    Video,
    /// PDF documents.
    Pdf,
}

impl Media {
    /// Reads the catalog's word for it.
    pub fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "text" => Self::Text,
            "audio" => Self::Audio,
            "image" => Self::Image,
            "video" => Self::Video,
            "pdf" => Self::Pdf,
            _ => return None,
        })
    }

    /// Returns the catalog's word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Audio => "audio",
            Self::Image => "image",
            Self::Video => "video",
            Self::Pdf => "pdf",
        }
    }
}

/// Where a model's life stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Status {
    /// In normal use.
    #[default]
    Active,
    /// Early and hidden by default.
    Alpha,
    /// Early but usable.
    Beta,
    /// On its way out.
    Deprecated,
}

/// Whether and how reasoning is woven into assistant messages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Interleaved {
    /// Not at all.
    #[default]
    No,
    /// Yes, in the protocol's own way.
    Yes,
    /// Yes, in the named message field.
    Field(String),
}

/// What a model can do. `None` means that nobody said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// Accepts `temperature`.
    pub temperature: Option<bool>,
    /// Reasons before it answers.
    pub reasoning: Option<bool>,
    /// Accepts attachments.
    pub attachment: Option<bool>,
    /// Calls tools.
    pub tool_call: Option<bool>,
    /// Answers by a JSON Schema.
    pub structured_output: Option<bool>,
    /// Kinds of content that go in; empty when unknown.
    pub input: Vec<Media>,
    /// Kinds of content that come out; empty when unknown.
    pub output: Vec<Media>,
    /// Where reasoning goes in the history.
    pub interleaved: Interleaved,
}

/// Token limits. 0 means unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// The whole window, in tokens.
    pub context: u64,
    /// The prompt alone, in tokens, where it has a limit of its own.
    pub input: Option<u64>,
    /// The answer, in tokens.
    pub output: u64,
}

/// A price per token class, in US dollars per million tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rates {
    /// Prompt tokens that no cache served.
    pub usd_per_million_input: f64,
    /// Answer tokens, reasoning included.
    pub usd_per_million_output: f64,
    /// Prompt tokens read from a cache; `None` counts them as input.
    pub usd_per_million_cache_read: Option<f64>,
    /// Prompt tokens written to a cache; `None` counts them as input.
    pub usd_per_million_cache_write: Option<f64>,
}

/// What a model costs. Absent prices are 0, as in the catalog.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Price {
    /// The rates of a normal prompt.
    pub base: Rates,
    /// Rates for prompts of more than the given number of tokens, smallest first.
    pub over: Vec<(u64, Rates)>,
}

impl Price {
    /// Returns the cost of one exchange in US dollars. The whole prompt is billed at the tier it falls into.
    pub fn cost_usd(&self, usage: &Usage) -> f64 {
        let rates = self
            .over
            .iter()
            .rev()
            .find(|(size, _)| usage.input > *size)
            .map_or(&self.base, |(_, rates)| rates);
        let fresh = usage.input.saturating_sub(usage.cache_read.saturating_add(usage.cache_write));
        let million = |tokens: u64, rate: f64| tokens as f64 * rate / 1_000_000.0;
        million(fresh, rates.usd_per_million_input)
            + million(
                usage.cache_read,
                rates.usd_per_million_cache_read.unwrap_or(rates.usd_per_million_input),
            )
            + million(
                usage.cache_write,
                rates.usd_per_million_cache_write.unwrap_or(rates.usd_per_million_input),
            )
            + million(usage.output, rates.usd_per_million_output)
    }
}

/// A model as the catalog knows it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ModelInfo {
    /// The id within its provider.
    pub id: String,
    /// The display name.
    pub name: String,
    /// What it is good for, in the operator's words.
    pub description: Option<String>,
    /// The family (`claude-sonnet`), where known.
    pub family: Option<String>,
    /// `YYYY-MM[-DD]`, or empty.
    pub release_date: String,
    /// Where its life stands.
    pub status: Status,
    /// What it can do.
    pub capabilities: Capabilities,
    /// How many tokens it takes.
    pub limits: Limits,
    /// What it costs.
    pub price: Price,
    /// Whether anybody said what it costs: a price of 0 may mean that it is free, or that it is
    /// unknown.
    pub is_priced: bool,
    /// What a caller should know before anything else, as a sentence: that nobody listed the model,
    /// say.
    pub notice: Option<Arc<str>>,
    /// Named sets of extra body fields (`high`, `max`), chosen by `model:variant`.
    pub variants: IndexMap<String, Map<String, Value>>,
}

#[cfg(test)]
mod tests {
    use super::{Price, Rates};
    use crate::chat::usage::Usage;

    #[test]
    fn cost_counts_each_token_once() {
        let base = Rates {
            usd_per_million_input: 3.0,
            usd_per_million_output: 15.0,
            usd_per_million_cache_read: Some(0.3),
            usd_per_million_cache_write: Some(3.75),
        };
        let price =
            Price { base, over: vec![(200_000, Rates { usd_per_million_input: 6.0, ..base })] };
        let usage =
            Usage { input: 1_000, cache_read: 600, cache_write: 100, output: 50, reasoning: 20 };
        let expected = (300.0 * 3.0 + 600.0 * 0.3 + 100.0 * 3.75 + 50.0 * 15.0) / 1e6;
        assert!((price.cost_usd(&usage) - expected).abs() < 1e-12);
        let long = Usage { input: 300_000, ..Usage::default() };
        assert!((price.cost_usd(&long) - 1.8).abs() < 1e-9);
    }
}
