//! The catalog as its callers see it: names, layers, targets, refreshes.

#[cfg(test)]
mod callable;
#[cfg(test)]
mod layers;
#[cfg(test)]
mod names;
#[cfg(test)]
mod refresh;
#[cfg(test)]
mod snapshot;
#[cfg(test)]
mod source;
#[cfg(test)]
mod targets;

use std::path::Path;
use std::sync::Arc;

use serde_json::Value;
use sy_catalog::{Catalog, Connected, ProviderRow, Settings};
use sy_config::{Config, Environment};

/// These providers count as connected.
struct Connections(&'static [&'static str]);

impl Connected for Connections {
    fn is_connected(&self, row: &ProviderRow) -> bool {
        self.0.contains(&row.id.as_str())
    }
}

#[cfg(test)]
fn config(json: Value) -> Arc<Config> {
    Arc::new(serde_json::from_value(json).expect("a configuration"))
}

/// A catalog of the bundled snapshot and the given configuration, without a network.
fn catalog(json: Value) -> Catalog {
    catalog_with(json, &[])
}

fn catalog_with(json: Value, variables: &[(&str, &str)]) -> Catalog {
    Catalog::new(Settings {
        config: config(json),
        cache_dir: Path::new("/nonexistent/switchyard-test").to_owned(),
        environment: Environment::of(variables.iter().copied()),
        offline: true,
    })
}
