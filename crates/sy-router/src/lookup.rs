//! What the surfaces ask beside sending: what a name stands for, who can be called, who rests.
//!
//! Called by listings, health and commands; nothing here calls a provider.

use std::sync::Arc;

use sy_catalog::{ProviderRow, Resolved};
use sy_types::{Failure, Target};

use crate::Router;
use crate::plan::Linked;

impl Router {
    /// Returns true when requests to the provider can be authorised now.
    pub fn is_connected(&self, row: &ProviderRow) -> bool {
        use sy_catalog::Connected;
        Linked(&self.inner.credentials).is_connected(row)
    }

    /// Returns the environment variable that holds the provider's key, where nothing closer does.
    pub fn key_variable(&self, row: &ProviderRow) -> Option<String> {
        use sy_catalog::Connected;
        Linked(&self.inner.credentials).key_variable(row)
    }

    /// Finds the one model that a name stands for. Aliases of the configuration stand for chains and are not looked up.
    ///
    /// # Errors
    /// As [`sy_catalog::Catalog::resolve`].
    pub fn resolve(&self, name: &str) -> Result<Resolved, Failure> {
        self.inner.catalog.resolve(name, &Linked(&self.inner.credentials))
    }

    /// Returns the target that is asked first when a request names this model or alias, or the default one where the name
    /// is empty.
    ///
    /// # Errors
    /// Where the name leads nowhere, as a request would fail.
    pub fn first_target(&self, name: &str) -> Result<Arc<Target>, Failure> {
        let config = self.inner.config.load_full();
        let plan = self.inner.plan(&config, name, None)?;
        let first = plan.targets.first().ok_or_else(|| Failure::bug("a plan without a target"))?;
        Ok(Arc::clone(&first.target))
    }

    /// Returns true when a target of the provider rests because the provider said that it has enough.
    pub fn is_cooling(&self, provider: &str) -> bool {
        self.inner.cooling.has(provider)
    }
}
