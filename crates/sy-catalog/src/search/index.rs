//! The index: words, where they occur, and the score of a document for a query.
//!
//! Words are in an `fst` map, which answers exact, prefix and edit-distance queries; postings are beside it. It does not
//! know providers' keys or any order other than the score.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use fst::automaton::{Automaton, Levenshtein, Str};
use fst::{IntoStreamer, Streamer};
use sy_types::ModelInfo;

use super::text::{length, words};
use crate::aliases;
use crate::provider::{Provider, ProviderRow};

/// The fields, in the order in which minisearch adds their scores, and what a match in each is worth.
pub(super) const FIELDS: [(&str, f64); 6] = [
    ("model", 3.0),
    ("name", 3.0),
    ("provider", 2.0),
    ("provider_name", 2.0),
    ("alias", 2.0),
    ("family", 1.0),
];

/// Words shorter than this are not matched with spelling errors.
pub(super) const FUZZY_FROM: usize = 4;
/// The share of a word's letters that may be wrong.
pub(super) const FUZZY: f64 = 0.2;

const PREFIX_WEIGHT: f64 = 0.375;
const FUZZY_WEIGHT: f64 = 0.45;
const LARGEST_DISTANCE: u32 = 6;
/// BM25+ as minisearch sets it: saturation, length normalisation, and the lower bound for long fields.
const BM25_K: f64 = 1.2;
const BM25_B: f64 = 0.7;
const BM25_D: f64 = 0.5;

/// How the words of a query combine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Combine {
    /// A document must fit each word.
    All,
    /// A document must fit some word.
    Any,
}

/// What is searched of a model.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    pub(crate) provider: String,
    pub(crate) model: String,
    pub(crate) name: String,
    /// `YYYY-MM[-DD]`, or empty.
    pub(crate) release_date: String,
}

/// A search index. Immutable.
pub(crate) struct Index {
    documents: Vec<Document>,
    terms: fst::Map<Vec<u8>>,
    /// By term number, then in the order of the fields: the field and how often the term occurs in which document.
    postings: Vec<Vec<FieldPosting>>,
    /// By field, then by document: how many different words.
    lengths: [Vec<u32>; FIELDS.len()],
    averages: [f64; FIELDS.len()],
}

/// A field, and how often a term occurs in it in which document.
type FieldPosting = (usize, Vec<(usize, u32)>);
/// Term, field, document, count.
type Occurrences = BTreeMap<String, BTreeMap<usize, BTreeMap<usize, u32>>>;

impl Index {
    /// Indexes the models of the given providers.
    pub(crate) fn build(providers: impl Iterator<Item = Arc<Provider>>) -> Self {
        let mut documents = Vec::new();
        let mut occurrences = Occurrences::new();
        let mut lengths: [Vec<u32>; FIELDS.len()] = Default::default();
        for provider in providers {
            for model in provider.models.values() {
                let number = documents.len();
                let texts = texts(&provider.row, model);
                for ((field, text), lengths) in texts.iter().enumerate().zip(&mut lengths) {
                    lengths.push(add_field(&mut occurrences, field, number, text));
                }
                documents.push(Document {
                    provider: provider.row.id.clone(),
                    model: model.id.clone(),
                    name: model.name.clone(),
                    release_date: model.release_date.clone(),
                });
            }
        }
        let count = documents.len().max(1) as f64;
        let averages =
            lengths.each_ref().map(|lengths| f64::from(lengths.iter().sum::<u32>()) / count);
        let (terms, postings) = freeze(occurrences);
        Self { documents, terms, postings, lengths, averages }
    }

    /// Returns a document by its number.
    pub(crate) fn document(&self, number: usize) -> Option<&Document> {
        self.documents.get(number)
    }

    /// Returns the documents that fit with their scores, in no particular order.
    pub(crate) fn search(&self, query: &str, combine: Combine) -> HashMap<usize, f64> {
        let mut results: Option<HashMap<usize, Fit>> = None;
        for raw in words(query) {
            let word = raw.to_lowercase();
            if word.is_empty() {
                continue;
            }
            let found = self.search_word(&word);
            results = Some(match results {
                None => found
                    .into_iter()
                    .map(|(number, score)| (number, Fit::new(score, &word)))
                    .collect(),
                Some(before) => merge(before, &found, &word, combine),
            });
        }
        // A document counts once more for each different word of the query that it fits.
        let quality = |fit: &Fit| fit.score * fit.words.len().max(1) as f64;
        results.unwrap_or_default().iter().map(|(number, fit)| (*number, quality(fit))).collect()
    }

    fn search_word(&self, word: &str) -> HashMap<usize, f64> {
        let mut scores = HashMap::new();
        if let Some(number) = self.terms.get(word) {
            self.add_term(number, 1.0, &mut scores);
        }
        let letters = length(word);
        let mut as_prefix = HashSet::new();
        let mut stream = self.terms.search(Str::new(word).starts_with()).into_stream();
        while let Some((term, number)) = stream.next() {
            let size = std::str::from_utf8(term).map_or(0, length);
            if size > letters {
                let distance = (size - letters) as f64;
                self.add_term(
                    number,
                    PREFIX_WEIGHT * size as f64 / (size as f64 + 0.3 * distance),
                    &mut scores,
                );
                as_prefix.insert(number);
            }
        }
        if letters >= FUZZY_FROM {
            // Rounded half up, as Math.round does.
            let distance = ((letters as f64 * FUZZY + 0.5).floor() as u32).min(LARGEST_DISTANCE);
            for (number, size, distance) in self.near(word, distance) {
                if distance > 0 && !as_prefix.contains(&number) {
                    self.add_term(
                        number,
                        FUZZY_WEIGHT * size as f64 / (size + distance) as f64,
                        &mut scores,
                    );
                }
            }
        }
        scores
    }

    /// Returns the terms within an edit distance: number, length, distance.
    fn near(&self, word: &str, most: u32) -> Vec<(u64, usize, usize)> {
        let mut found = Vec::new();
        let mut keep = |term: &[u8], number: u64| {
            let Ok(term) = std::str::from_utf8(term) else { return };
            let distance = strsim::levenshtein(word, term);
            if distance <= most as usize {
                found.push((number, length(term), distance));
            }
        };
        match Levenshtein::new(word, most) {
            Ok(automaton) => {
                let mut stream = self.terms.search(automaton).into_stream();
                while let Some((term, number)) = stream.next() {
                    keep(term, number);
                }
            }
            // The automaton of a long word with many errors would be too large: all words are compared instead.
            Err(_) => {
                let mut stream = self.terms.stream();
                while let Some((term, number)) = stream.next() {
                    keep(term, number);
                }
            }
        }
        found
    }

    fn add_term(&self, number: u64, weight: f64, scores: &mut HashMap<usize, f64>) {
        let postings = usize::try_from(number).ok().and_then(|number| self.postings.get(number));
        for (field, documents) in postings.into_iter().flatten() {
            let (Some((_, boost)), Some(lengths), Some(average)) =
                (FIELDS.get(*field), self.lengths.get(*field), self.averages.get(*field))
            else {
                continue;
            };
            let matching = documents.len() as f64;
            let rarity =
                (1.0 + (self.documents.len() as f64 - matching + 0.5) / (matching + 0.5)).ln();
            for (document, count) in documents {
                let length = lengths.get(*document).copied().map_or(0.0, f64::from);
                let count = f64::from(*count);
                let saturation = count + BM25_K * (1.0 - BM25_B + BM25_B * length / average);
                let score = rarity * (BM25_D + count * (BM25_K + 1.0) / saturation);
                *scores.entry(*document).or_default() += weight * boost * score;
            }
        }
    }
}

/// What a document got so far, and for which different words.
struct Fit {
    score: f64,
    words: Vec<String>,
}

impl Fit {
    fn new(score: f64, word: &str) -> Self {
        Self { score, words: vec![word.to_owned()] }
    }

    fn add(&mut self, score: f64, word: &str) {
        self.score += score;
        if !self.words.iter().any(|known| known == word) {
            self.words.push(word.to_owned());
        }
    }
}

fn merge(
    mut before: HashMap<usize, Fit>,
    found: &HashMap<usize, f64>,
    word: &str,
    combine: Combine,
) -> HashMap<usize, Fit> {
    if combine == Combine::All {
        before.retain(|number, _| found.contains_key(number));
    }
    for (number, score) in found {
        match before.get_mut(number) {
            Some(fit) => fit.add(*score, word),
            None if combine == Combine::Any => {
                before.insert(*number, Fit::new(*score, word));
            }
            None => {}
        }
    }
    before
}

/// Returns the text of each field.
pub(super) fn texts(row: &ProviderRow, model: &ModelInfo) -> [String; FIELDS.len()] {
    [
        model.id.clone(),
        model.name.clone(),
        row.id.clone(),
        row.name.clone(),
        aliases::others(&row.id).join(" "),
        model.family.clone().unwrap_or_default(),
    ]
}

/// Adds the words of a field and returns how many different raw ones there are.
fn add_field(occurrences: &mut Occurrences, field: usize, document: usize, text: &str) -> u32 {
    let raw = words(text);
    for word in &raw {
        let word = word.to_lowercase();
        if !word.is_empty() {
            *occurrences
                .entry(word)
                .or_default()
                .entry(field)
                .or_default()
                .entry(document)
                .or_default() += 1;
        }
    }
    let different: HashSet<&str> = raw.into_iter().collect();
    u32::try_from(different.len()).unwrap_or(u32::MAX)
}

fn freeze(occurrences: Occurrences) -> (fst::Map<Vec<u8>>, Vec<Vec<FieldPosting>>) {
    // The words come sorted and once each, which is all that the map asks for; an empty map stands for a defect.
    let numbered = occurrences.keys().enumerate().map(|(number, word)| (word, number as u64));
    let terms = fst::Map::from_iter(numbered).unwrap_or_default();
    let postings = occurrences
        .into_values()
        .map(|fields| {
            fields
                .into_iter()
                .map(|(field, documents)| (field, documents.into_iter().collect()))
                .collect()
        })
        .collect();
    (terms, postings)
}
