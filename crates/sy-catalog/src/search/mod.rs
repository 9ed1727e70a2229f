//! Search over all models, ranked as the npm package minisearch 7.2.0 ranks (BM25+ with field boosts, prefix and fuzzy
//! matches), so that a browser that holds the same list shows the same order.
//!
//! Called by the catalog with the providers of all layers. Connected providers come in as a second step: the ranking itself
//! knows nothing of keys.

mod index;
mod text;

pub(crate) use index::{Combine, Index};

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
    /// How well it fits; comparable within one answer only.
    pub score: f64,
}

/// A model of a connected provider counts as much better: enough to lead among equals, not enough to hide a better name.
const CONNECTED_BOOST: f64 = 1.25;

/// Returns the models that fit, best first. All words must fit; where no model has them all, any of them may.
pub(crate) fn search(layers: &Layers, query: &str, connected: &dyn Connected) -> Vec<Hit> {
    let index = layers.index();
    let mut found = index.search(query, Combine::All);
    if found.is_empty() {
        found = index.search(query, Combine::Any);
    }
    let mut boosts: std::collections::HashMap<&str, f64> = std::collections::HashMap::new();
    let mut hits: Vec<Hit> = found
        .iter()
        .filter_map(|(number, score)| {
            let document = index.document(*number)?;
            let boost = *boosts.entry(&document.provider).or_insert_with(|| {
                let is_connected =
                    layers.row(&document.provider).is_some_and(|row| connected.is_connected(row));
                if is_connected { CONNECTED_BOOST } else { 1.0 }
            });
            Some(Hit {
                provider: document.provider.clone(),
                model: document.model.clone(),
                name: document.name.clone(),
                score: score * boost,
            })
        })
        .collect();
    hits.sort_by(|a, b| {
        let by_name = || (&a.name, &a.provider, &a.model).cmp(&(&b.name, &b.provider, &b.model));
        b.score.total_cmp(&a.score).then_with(by_name)
    });
    hits
}

#[cfg(test)]
mod tests;
