//! What a provider that the operator added lacks to be called.
//!
//! Asked by `config validate`: the configuration alone cannot tell, because it does not know which providers the data know
//! and which packages the tables know.

use crate::layers::Layers;
use crate::wire_map::{OPENAI_COMPATIBLE, Place, package_names, wire};

/// One thing that a provider's section lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gap {
    /// Nothing says where it is called.
    NoAddress,
    /// It names no model.
    NoModels,
    /// Its package is none that stands for a protocol, so it is called as a compatible one.
    UnknownPackage {
        /// The package as it was written.
        npm: String,
        /// The known package that it is most likely a slip of.
        nearest: Option<&'static str>,
        /// What it is called as.
        instead: &'static str,
    },
}

/// How alike two package names must be, from 0 to 1, for one to be proposed for the other.
const ALIKE: f64 = 0.75;

/// Returns what the section of a provider lacks. Nothing for one that is switched off or has no section.
pub(crate) fn gaps(layers: &Layers, id: &str) -> Vec<Gap> {
    let (Some(section), Some(row)) = (layers.config.provider.get(id), layers.row(id)) else {
        return Vec::new();
    };
    let of_models = section.models.values().filter_map(|model| model.provider.npm.as_ref());
    let mut gaps: Vec<Gap> =
        section.npm.iter().chain(of_models).filter_map(|npm| unknown(layers, npm)).collect();
    gaps.dedup();
    if !layers.is_added(id) {
        return gaps;
    }

    let base = wire(Place { provider: id, npm: &row.npm, model: "", reasons: false }).base;
    let is_set = |address: &Option<String>| address.as_ref().is_some_and(|url| !url.is_empty());
    let has_address = base.is_some()
        || is_set(&row.api)
        || is_set(&section.options.base_url)
        || section.models.values().any(|model| is_set(&model.provider.api));
    if !has_address {
        gaps.push(Gap::NoAddress);
    }
    if section.models.is_empty() {
        gaps.push(Gap::NoModels);
    }
    gaps
}

fn unknown(layers: &Layers, npm: &str) -> Option<Gap> {
    let is_known = package_names().any(|known| known == npm)
        || layers.rows().values().any(|row| row.npm == npm && !row.configured);
    if is_known {
        return None;
    }
    // Comparing takes time by the product of the lengths, and no package has a name this long.
    let alike = |known: &&str| strsim::normalized_damerau_levenshtein(known, npm);
    let nearest = package_names()
        .filter(|_| npm.len() <= 214)
        .max_by(|a, b| alike(a).total_cmp(&alike(b)))
        .filter(|best| alike(best) >= ALIKE);
    let npm = npm.chars().take(80).collect();
    Some(Gap::UnknownPackage { npm, nearest, instead: OPENAI_COMPATIBLE })
}
