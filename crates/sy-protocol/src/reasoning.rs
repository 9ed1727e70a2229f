//! Reasoning as a word and reasoning as a number of tokens: some protocols take one, some the other.

use sy_types::chat::{Effort, ReasoningOptions};

/// What sets two pieces of reasoning apart where a protocol has one text for all of them.
pub(crate) const SEPARATOR: &str = "\n\n";

/// The smallest thinking budget that Anthropic accepts, in tokens (docs read 2026-11-21).
pub(crate) const MIN_BUDGET: u64 = 1024;

/// Tokens that stand for a word, in rising order. `high` and `max` follow OpenCode's variants (16,000 and 31,999).
const LADDER: [(Effort, u64); 6] = [
    (Effort::Minimal, 1_024),
    (Effort::Low, 4_096),
    (Effort::Medium, 8_192),
    (Effort::High, 16_000),
    (Effort::XHigh, 24_000),
    (Effort::Max, 31_999),
];

/// Returns the budget to ask for: the caller's own number, else the one that stands for its word.
pub(crate) fn budget(options: &ReasoningOptions) -> Option<u64> {
    options.budget_tokens.or_else(|| {
        let effort = options.effort?;
        LADDER.iter().find(|(word, _)| *word == effort).map(|(_, tokens)| *tokens)
    })
}

/// Returns the word to ask for: the caller's own, else the smallest one that covers its number.
pub(crate) fn effort(options: &ReasoningOptions) -> Option<Effort> {
    options.effort.or_else(|| {
        let budget = options.budget_tokens?;
        if budget == 0 {
            return Some(Effort::None);
        }
        LADDER
            .iter()
            .find(|(_, tokens)| budget <= *tokens)
            .map_or(Some(Effort::Max), |(word, _)| Some(*word))
    })
}

/// Joins pieces of reasoning into one text: each is a thought of its own, so an empty line sets them apart.
pub(crate) fn joined<'a>(pieces: impl Iterator<Item = &'a str>) -> String {
    pieces.filter(|piece| !piece.is_empty()).collect::<Vec<_>>().join(SEPARATOR)
}

/// Returns true when the caller asked for reasoning to be off.
pub(crate) fn is_off(options: &ReasoningOptions) -> bool {
    options.enabled == Some(false)
        || options.effort == Some(Effort::None)
        || options.budget_tokens == Some(0)
}
