//! What somebody may have meant: names that are near a wrong one.
//!
//! Called when a name leads nowhere. It knows typing errors (letters that are missing, doubled or
//! exchanged) and shared words. A name is suggested once, and it always leads somewhere.

use std::sync::Arc;

use crate::aliases;
use crate::choose;
use crate::layers::Layers;
use crate::provider::Provider;

/// No more than these are suggested.
const MOST: usize = 3;
/// How alike a suggested name is at least: similarity, and for each shared word its share.
const NEAR: f64 = 0.8;
/// How alike a name is at least to be the same name with a typing error, from 0 to 1.
const SAME: f64 = 0.85;
/// How alike a provider's name is at least, from 0 to 1: such names are short.
const NEAR_PROVIDER: f64 = 0.65;

/// Names that are near.
#[derive(Debug, Default)]
pub(crate) struct Near {
    /// The names, best first.
    pub(crate) names: Vec<String>,
    /// Whether the best one is most likely meant: what differs are a few letters, not only numbers.
    pub(crate) is_typing_error: bool,
}

/// Returns the full names that a name may stand for: aliases, models of the connected providers,
/// and of others where the provider's part has a typing error.
pub(crate) fn names(layers: &Layers, wanted: &str, providers: &[Arc<Provider>]) -> Near {
    let mut near = Near::default();
    let mut add = |name: String| {
        if near.names.len() < MOST && !near.names.contains(&name) {
            near.names.push(name);
        }
    };

    let mut is_typing_error = false;
    for alias in nearest(wanted, layers.config.alias.keys()) {
        is_typing_error |= is_typo(wanted, &alias);
        add(alias);
    }
    if let Some((head, rest)) = wanted.split_once('/') {
        for id in self::providers(layers, head) {
            is_typing_error |= is_typo(head, &id);
            let Some(provider) = layers.provider(&id) else { continue };
            if provider.models.contains_key(rest) {
                add(format!("{id}/{rest}"));
            } else {
                models_of(&provider, rest).into_iter().for_each(&mut add);
            }
        }
    }
    for id in nearest(wanted, providers.iter().flat_map(|provider| provider.models.keys())) {
        is_typing_error |= is_typo(wanted, &id);
        let having = providers.iter().filter(|provider| provider.models.contains_key(&id));
        having.take(1).for_each(|provider| add(format!("{}/{id}", provider.row.id)));
    }
    // A bare word may be a provider's name; with a number in it, or behind one, it is a model's.
    if !wanted.contains('/') && !wanted.contains(|letter: char| letter.is_ascii_digit()) {
        for id in self::providers(layers, wanted) {
            if !is_typo(wanted, &id) || wanted.starts_with(id.as_str()) {
                continue;
            }
            is_typing_error = true;
            let provider = layers.provider(&id);
            let best = provider.as_ref().and_then(|provider| choose::best(layers, provider));
            best.into_iter().for_each(|model| add(format!("{id}/{}", model.id)));
        }
    }
    near.is_typing_error = is_typing_error;
    near
}

/// Returns the full names of a provider's models that are near a wrong id.
pub(crate) fn models_of(provider: &Provider, wanted: &str) -> Vec<String> {
    let near = nearest(wanted, provider.models.keys());
    near.into_iter().map(|model| format!("{}/{model}", provider.row.id)).collect()
}

/// Returns the ids of providers whose id or other name is near the wanted one, best first.
pub(crate) fn providers(layers: &Layers, wanted: &str) -> Vec<String> {
    let wanted = aliases::normal(wanted);
    let mut scored: Vec<(f64, &String)> = layers
        .rows()
        .values()
        .map(|row| {
            let names =
                std::iter::once(row.id.as_str()).chain(aliases::others(&row.id).iter().copied());
            let best = names.map(|name| similarity(&wanted, name)).fold(0.0, f64::max);
            (best, &row.id)
        })
        .filter(|(score, _)| *score >= NEAR_PROVIDER)
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(b.1)));
    // Beside one that is nearly the same, distant ones are noise.
    let best = scored.first().map_or(0.0, |(score, _)| *score);
    scored.retain(|(score, _)| *score >= best - 0.1);
    scored.into_iter().take(MOST).map(|(_, id)| id.clone()).collect()
}

/// Returns true when a name is one of the known ones but for a typing error.
pub(crate) fn is_like_any<'a>(wanted: &str, known: impl Iterator<Item = &'a String>) -> bool {
    known.into_iter().any(|name| similarity(wanted, name) >= NEAR_PROVIDER)
}

/// Ends a sentence with a question, where there is something to ask.
pub(crate) fn did_you_mean(near: &[String]) -> String {
    match near {
        [] => String::new(),
        names => {
            let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
            format!("; did you mean {}?", quoted.join(", "))
        }
    }
}

/// Returns true when the names differ by a few letters. Another number is another version, not a
/// typing error.
fn is_typo(wanted: &str, known: &str) -> bool {
    let letters = |text: &str| -> String {
        text.to_lowercase().chars().filter(|letter| letter.is_alphanumeric()).collect()
    };
    let (wanted, known) = (letters(wanted), letters(known));
    let without_digits =
        |text: &str| -> String { text.chars().filter(|letter| !letter.is_ascii_digit()).collect() };
    wanted == known
        || (without_digits(&wanted) != without_digits(&known)
            && wanted.chars().count() >= 3
            && similarity(&wanted, &known)
                >= SAME.min(1.0 - 1.0 / known.chars().count().max(3) as f64))
}

fn similarity(wanted: &str, known: &str) -> f64 {
    strsim::normalized_damerau_levenshtein(&wanted.to_lowercase(), &known.to_lowercase())
}

/// Returns the given texts that are most like the wanted one, best first, each once.
fn nearest<'a>(wanted: &str, known: impl Iterator<Item = &'a String>) -> Vec<String> {
    let wanted = wanted.to_lowercase();
    let words: Vec<&str> = wanted
        .split(|letter: char| !letter.is_alphanumeric())
        .filter(|word| word.len() > 1)
        .collect();
    let likeness = |text: &String| {
        let text = text.to_lowercase();
        let contained = words.iter().filter(|word| text.contains(**word)).count();
        let share = if words.is_empty() { 0.0 } else { contained as f64 / words.len() as f64 };
        let alike = strsim::jaro_winkler(&wanted, &text).max(similarity(&wanted, &text));
        (alike + share, similarity(&wanted, &text))
    };

    let mut scored: Vec<((f64, f64), &String)> = known.map(|text| (likeness(text), text)).collect();
    scored.retain(|((score, _), _)| *score >= NEAR);
    scored.sort_by(|a, b| {
        let (left, right) = (a.0.0 + a.0.1, b.0.0 + b.0.1);
        right.total_cmp(&left).then_with(|| a.1.cmp(b.1))
    });
    scored.dedup_by(|a, b| a.1 == b.1);
    scored.into_iter().take(MOST).map(|(_, text)| text.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::{is_typo, nearest};

    #[test]
    fn another_number_is_no_typing_error() {
        for (wanted, known) in [
            ("claude-sonet-4-5", "claude-sonnet-4-5"),
            ("gpt5.4", "gpt-5.4"),
            ("fsat", "fast"),
            ("smrat", "smart"),
        ] {
            assert!(is_typo(wanted, known), "{wanted}");
        }
        for (wanted, known) in [("gpt-99", "gpt-5"), ("gpt-5.9", "gpt-5.4"), ("claude-x", "fast")] {
            assert!(!is_typo(wanted, known), "{wanted}");
        }
    }

    #[test]
    fn a_name_is_suggested_once() {
        let known = ["gpt-5".to_owned(), "gpt-5".to_owned(), "gpt-5-mini".to_owned()];
        assert_eq!(nearest("gtp-5", known.iter()), ["gpt-5"]);
    }
}
