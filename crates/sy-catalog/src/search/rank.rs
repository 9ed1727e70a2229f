//! The rules by which models that fit a query are put in order.
//!
//! A score of words does not know that `gpt-5` is OpenAI's and that ninety others sell it. So, the
//! first difference decides:
//!
//! 1. How exactly it is named: the full id (`openai/gpt-5`), then the model's id (`gpt-5`, `GPT 5`,
//!    and `vendor/gpt-5` of a gateway), then each word as a whole, then beginnings and typing
//!    errors.
//! 2. The vendor's own place before all others.
//! 3. Connected providers before others.
//! 4. At the vendor's place: fewer further words in the id, then the newer model.
//! 5. The score of the words, then the name.
//!
//! `data/search-cases.json` holds queries and the ids that come first, for this and for any other
//! implementation.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use super::index::Document;
use super::text::words;
use crate::aliases;

/// What somebody looks for.
pub(super) struct Query {
    text: String,
    words: Vec<String>,
}

impl Query {
    pub(super) fn new(text: &str) -> Self {
        Self { text: text.trim().to_lowercase(), words: lower(text) }
    }
}

/// How exactly a query names a model; the first is the best.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Exactness {
    FullId,
    ModelId,
    Words,
    Loose,
}

/// Where a model stands among those that fit; the least comes first.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    exactness: Exactness,
    is_elsewhere: bool,
    is_unconnected: bool,
    further_words: usize,
    release_date: Reverse<String>,
}

impl Rank {
    pub(super) fn of(query: &Query, document: &Document, is_connected: bool) -> Self {
        let is_own = aliases::vendor_of(&document.model) == Some(document.provider.as_str());
        let exactness = exactness(query, document);
        let (further_words, release_date) = if is_own {
            let further = lower(&document.model);
            let further = further.iter().filter(|word| !query.words.contains(word)).count();
            (further, document.release_date.clone())
        } else {
            (0, String::new())
        };

        Self {
            exactness,
            is_elsewhere: !is_own,
            is_unconnected: !is_connected,
            further_words,
            release_date: Reverse(release_date),
        }
    }
}

fn exactness(query: &Query, document: &Document) -> Exactness {
    let (provider, model) = (document.provider.to_lowercase(), document.model.to_lowercase());
    let model_words = lower(&model);
    let full_words: Vec<String> = lower(&provider).into_iter().chain(model_words.clone()).collect();
    if query.text == format!("{provider}/{model}") || query.words == full_words {
        return Exactness::FullId;
    }

    let last = model.rsplit('/').next().unwrap_or_default();
    if query.words == model_words || query.words == lower(last) {
        return Exactness::ModelId;
    }

    let names = aliases::others(&document.provider).join(" ");
    let known: BTreeSet<String> =
        full_words.into_iter().chain(lower(&document.name)).chain(lower(&names)).collect();
    if query.words.iter().all(|word| known.contains(word)) {
        Exactness::Words
    } else {
        Exactness::Loose
    }
}

fn lower(text: &str) -> Vec<String> {
    words(text).into_iter().filter(|word| !word.is_empty()).map(str::to_lowercase).collect()
}
