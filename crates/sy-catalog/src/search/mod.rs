//! Search over all models. Words are found and scored as the npm package minisearch 7.2.0 does it
//! (BM25+ with field boosts, prefix and fuzzy matches), then ranked by the rules of `rank`, so that
//! a browser that holds the same list and follows the same rules shows the same order.
//!
//! Called by the catalog with the providers of all layers. Connected providers come in as a second step: the ranking itself
//! knows nothing of keys.

mod index;
mod rank;
mod text;

pub(crate) use index::{Combine, Index};

use std::collections::HashMap;

use rank::{Query, Rank};

use crate::Connected;
use crate::layers::Layers;

/// A model that fits a query.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit {
    /// The provider's id.
    pub provider: String,
    /// The model's id within the provider.
    pub model: String,
    /// The model's display name.
    pub name: String,
    /// How well its words fit, as minisearch counts; comparable within one answer only. The order
    /// of an answer follows further rules.
    pub score: f64,
}

/// Returns the models that fit, best first. All words must fit; where no model has them all, any of
/// them may. `rank` says what is best.
pub(crate) fn search(layers: &Layers, query: &str, connected: &dyn Connected) -> Vec<Hit> {
    let index = layers.index();
    let mut found = index.search(query, Combine::All);
    if found.is_empty() {
        found = index.search(query, Combine::Any);
    }

    let query = Query::new(query);
    let mut is_connected: HashMap<&str, bool> = HashMap::new();
    let mut hits: Vec<(Rank, Hit)> = found
        .iter()
        .filter_map(|(number, score)| {
            let document = index.document(*number)?;
            let is_connected = *is_connected.entry(&document.provider).or_insert_with(|| {
                layers.row(&document.provider).is_some_and(|row| connected.is_connected(row))
            });
            let hit = Hit {
                provider: document.provider.clone(),
                model: document.model.clone(),
                name: document.name.clone(),
                score: *score,
            };
            Some((Rank::of(&query, document, is_connected), hit))
        })
        .collect();

    hits.sort_by(|(left, a), (right, b)| {
        let by_name = || (&a.name, &a.provider, &a.model).cmp(&(&b.name, &b.provider, &b.model));
        left.cmp(right).then_with(|| b.score.total_cmp(&a.score)).then_with(by_name)
    });
    hits.into_iter().map(|(_, hit)| hit).collect()
}

#[cfg(test)]
mod tests;
