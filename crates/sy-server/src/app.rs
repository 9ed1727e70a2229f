//! The parts of a running server, handed to every handler.
//!
//! Made by `compose`; cloned per request, which clones handles only.

use std::sync::Arc;
use std::time::Instant;

use sy_access::Access;
use sy_catalog::Catalog;
use sy_config::{Config, Live};
use sy_credentials::Credentials;
use sy_router::Router;
use sy_types::MemoryBudget;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::http::Dialects;
use crate::observe::Observatory;

/// The parts of a running server.
#[derive(Clone)]
pub struct App {
    pub(crate) live: Live,
    pub(crate) catalog: Catalog,
    pub(crate) credentials: Credentials,
    pub(crate) access: Arc<Access>,
    pub(crate) router: Router,
    pub(crate) dialects: Dialects,
    pub(crate) observatory: Arc<Observatory>,
    /// How much memory requests may take.
    pub(crate) memory: MemoryBudget,
    pub(crate) started: Instant,
    /// Every task that shutdown waits for.
    pub(crate) tasks: TaskTracker,
    /// Set when the server begins to stop: background work ends.
    pub(crate) stopping: CancellationToken,
    /// Set when the time for draining is over: waiting requests are refused, open streams end with an error event.
    pub(crate) cut: CancellationToken,
}

impl App {
    /// Returns the configuration as it is now.
    pub fn config(&self) -> Arc<Config> {
        self.live.config()
    }

    /// Returns the catalog.
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// Returns our credentials for other people's services.
    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// Returns the router.
    pub fn router(&self) -> &Router {
        &self.router
    }
}
