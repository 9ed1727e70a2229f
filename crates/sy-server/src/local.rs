//! The parts without a server: for commands that ask a model or list models in their own process.
//!
//! Called by the binary. It opens no port, makes no token and writes no access log.

use std::sync::Arc;

use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use http::HeaderMap;
use sy_catalog::{Catalog, Connected, Hit, ProviderRow};
use sy_config::{Environment, Paths};
use sy_credentials::Credentials;
use sy_protocol::Inbound;
use sy_router::{Body, Observer, Record, Router};
use sy_types::chat::{ChatRequest, StreamEvent};
use sy_types::{Failover, Failure, Principal, RequestContext, RequestId};

use crate::compose::{ComposeError, Composed, Core, core};

/// The parts without a server.
pub struct Local {
    catalog: Catalog,
    credentials: Credentials,
    router: Router,
    environment: Environment,
}

/// An answer that begins.
pub struct Asked {
    /// Who answers.
    pub provider: String,
    /// The model that answers.
    pub model: String,
    /// What could not be carried to it.
    pub dropped: Vec<String>,
    /// The answer. Dropping it cancels the provider's work.
    pub events: BoxStream<'static, Result<StreamEvent, Failure>>,
}

/// Puts the parts together without a server.
///
/// # Errors
/// When the vault cannot be opened.
pub fn local(outside: Composed) -> Result<Local, ComposeError> {
    let Composed { live, paths, environment, unauthenticated: _ } = outside;
    let Core { catalog, credentials, router } =
        core(&live, &paths, &environment, Arc::new(Unobserved))?;
    Ok(Local { catalog, credentials, router, environment })
}

/// Returns the server's token as clients must show it, or `None` when none was made yet.
///
/// # Errors
/// When the token file cannot be read.
pub fn current_token(
    paths: &Paths,
    environment: &Environment,
) -> Result<Option<String>, sy_access::Error> {
    if let Some(token) = environment.get("SWITCHYARD_TOKEN") {
        return Ok(Some(token.to_owned()));
    }
    let token = sy_access::read_token(&crate::compose::token_file(paths))?;
    Ok(token.map(|token| sy_access::reveal(&token)))
}

impl Local {
    /// Returns the catalog.
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// Returns our credentials for other people's services.
    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// Returns the environment snapshot.
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// Returns true when requests to the provider can be authorised.
    pub fn is_connected(&self, row: &ProviderRow) -> bool {
        self.router.is_connected(row)
    }

    /// Returns true when requests to the named provider can be authorised.
    pub fn is_provider_connected(&self, provider: &str) -> bool {
        self.catalog.rows().iter().any(|row| *row.id == *provider && self.router.is_connected(row))
    }

    /// Asks custom providers whose models nobody wrote down which they have; takes about three
    /// seconds at most. Nobody is asked offline, nor twice within five minutes.
    pub async fn discover_models(&self) {
        self.router.discover_models().await;
    }

    /// Searches all models, best first; connected providers rank higher among equals.
    pub fn search(&self, query: &str) -> Vec<Hit> {
        self.catalog.search(query, self)
    }

    /// Returns the full name of the model that answers when none is named.
    ///
    /// # Errors
    /// When nothing is connected.
    pub fn default_model(&self) -> Result<String, Failure> {
        let resolved = self.catalog.default_model(self)?;
        Ok(format!("{}/{}", resolved.provider, resolved.model))
    }

    /// Asks a model; the answer comes as events.
    ///
    /// # Errors
    /// When no target answers.
    pub async fn ask(&self, request: ChatRequest, prefer_fallback: bool) -> Result<Asked, Failure> {
        let id = RequestId::new(&format!("req_{}", uuid::Uuid::now_v7().simple()));
        let failover = prefer_fallback.then_some(Failover::Immediate);
        let context = RequestContext { id, principal: Principal::Owner, strict: false, failover };
        let inbound = Arc::new(Inbound::from_chat(request));
        let answer = self
            .router
            .answer(&context, inbound, HeaderMap::new())
            .await
            .map_err(|refused| refused.failure)?;
        let events = match answer.body {
            Body::Whole(whole) => {
                let events = whole.response.unwrap_or_default().to_events();
                stream::iter(events).map(Ok).boxed()
            }
            Body::Stream(chunks) => {
                chunks.map_ok(|chunk| stream::iter(chunk.events).map(Ok)).try_flatten().boxed()
            }
        };
        Ok(Asked {
            provider: answer.trail.provider.to_string(),
            model: answer.trail.model.to_string(),
            dropped: answer.trail.dropped.into_iter().map(|dropped| dropped.field).collect(),
            events,
        })
    }
}

impl Connected for Local {
    fn is_connected(&self, row: &ProviderRow) -> bool {
        self.router.is_connected(row)
    }

    fn key_variable(&self, row: &ProviderRow) -> Option<String> {
        self.router.key_variable(row)
    }
}

/// A command's own request is nobody else's business.
struct Unobserved;

impl Observer for Unobserved {
    fn finished(&self, _record: &Record) {}
}
