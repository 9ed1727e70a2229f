//! Where knowledge about providers and models comes from.
//!
//! Read by sy-catalog. It fetches nothing itself.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where knowledge about providers and models comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CatalogSettings {
    /// The address of the catalog; `/api.json` is appended. A mirror of models.dev works as well.
    pub url: String,
    /// When true, nothing is fetched: the built-in snapshot and the cached copy must do.
    /// `SWITCHYARD_OFFLINE=1` sets it too.
    pub offline: bool,
    /// For how many seconds a fetched catalog counts as fresh.
    #[schemars(range(min = 1))]
    pub ttl_seconds: u64,
}

impl Default for CatalogSettings {
    fn default() -> Self {
        Self { url: "https://models.dev".to_owned(), offline: false, ttl_seconds: 3600 }
    }
}
