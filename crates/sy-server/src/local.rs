//! The parts without a server: for commands that ask a model or list models in their own process.
//!
//! Called by the binary. It opens no port, makes no token and writes no access log.

use std::sync::{Arc, Mutex, PoisonError};

use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use http::HeaderMap;
use sy_catalog::{Catalog, Connected, Hit, ProviderRow};
use sy_config::{Config, Environment, Paths};
use sy_credentials::{Credentials, Lease};
use sy_protocol::Inbound;
use sy_router::{Attempted, Body, KeyCheck, Observer, Record, Router};
use sy_types::chat::{ChatRequest, StreamEvent};
use sy_types::{ErrorKind, Failover, Failure, Principal, RequestContext, RequestId, Side, Target};

use crate::compose::{ComposeError, Composed, Core, core};

/// The parts without a server.
pub struct Local {
    config: Arc<Config>,
    catalog: Catalog,
    credentials: Credentials,
    router: Router,
    environment: Environment,
    last: Arc<LastRecord>,
}

/// An answer that begins.
pub struct Asked {
    /// Who answers.
    pub provider: String,
    /// The model that answers.
    pub model: String,
    /// What could not be carried to it as it was, each in the form of the header `x-switchyard-dropped`.
    pub dropped: Vec<String>,
    /// What failed or was passed over before, in order.
    pub failed_before: Vec<Attempted>,
    /// The answer. Dropping it cancels the provider's work.
    pub events: BoxStream<'static, Result<StreamEvent, Failure>>,
}

/// Puts the parts together without a server.
///
/// # Errors
/// When the vault cannot be opened.
pub fn local(outside: Composed) -> Result<Local, ComposeError> {
    let Composed { live, paths, environment, unauthenticated: _ } = outside;
    let config = live.config();
    let last = Arc::new(LastRecord::default());
    let observer = Arc::clone(&last) as Arc<dyn Observer>;
    let Core { catalog, credentials, router } = core(&live, &paths, &environment, observer)?;
    Ok(Local { config, catalog, credentials, router, environment, last })
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
    /// Returns the configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

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
        let resolved =
            self.catalog.default_model(self).map_err(|failure| self.with_unreadable(failure))?;
        Ok(format!("{}/{}", resolved.provider, resolved.model))
    }

    /// Checks a key, which need not be stored yet, by a call that costs nothing. Takes ten seconds at most.
    pub async fn check_key(&self, provider: &str, lease: &Arc<Lease>) -> KeyCheck {
        self.router.check_key(provider, lease).await
    }

    /// Asks a provider for the ids of its models, with a key or without. Takes five seconds at most.
    ///
    /// # Errors
    /// Where the provider cannot be called, or refuses, or answers with something else.
    pub async fn list_models(
        &self,
        provider: &str,
        lease: Option<&Arc<Lease>>,
    ) -> Result<Vec<String>, Failure> {
        self.router.list_models(provider, lease).await
    }

    /// Returns the target that is asked first for a model's or an alias's name.
    ///
    /// # Errors
    /// Where the name leads nowhere, as a request would fail.
    pub fn first_target(&self, name: &str) -> Result<Arc<Target>, Failure> {
        self.router.first_target(name)
    }

    /// Returns the full name of the model for small jobs beside a model of the given provider; `None` where there is none.
    pub fn small_model(&self, provider: &str) -> Option<String> {
        let resolved = self.catalog.small_model(provider)?;
        Some(format!("{}/{}", resolved.provider, resolved.model))
    }

    /// Returns what is to be told of the last request: once, and only after its events ended or were dropped.
    pub fn take_record(&self) -> Option<Record> {
        self.last.0.lock().unwrap_or_else(PoisonError::into_inner).take()
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
            .map_err(|refused| self.with_unreadable(refused.failure));
        self.save_outcomes();
        let answer = answer?;
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
            dropped: answer.trail.dropped.iter().map(ToString::to_string).collect(),
            failed_before: answer.failed_before,
            events,
        })
    }
}

impl Local {
    /// Returns why stored keys cannot be read, where nothing is connected because of it.
    pub fn unreadable_keys(&self) -> Option<String> {
        if self.catalog.rows().iter().any(|row| self.router.is_connected(row)) {
            return None;
        }
        let keys = self.credentials.list();
        let problems: Vec<&str> = keys.iter().filter_map(|key| key.problem.as_deref()).collect();
        let first = problems.first()?;
        Some(match problems.len() {
            1 => format!("no provider is connected, and {first}"),
            count => format!("no provider is connected, and {count} keys cannot be used: {first}"),
        })
    }

    /// That no key can be read is the fault, and not that nobody is signed in.
    fn with_unreadable(&self, failure: Failure) -> Failure {
        let is_about_keys =
            matches!(failure.kind, ErrorKind::NotFound | ErrorKind::Unauthenticated);
        match self.unreadable_keys().filter(|_| is_about_keys && failure.status.is_none()) {
            Some(text) => Failure::new(ErrorKind::Unauthenticated, Side::Gateway, text),
            None => failure,
        }
    }

    /// Keeps what providers said of our keys. A command does not fail for it.
    pub fn save_outcomes(&self) {
        if let Err(error) = self.credentials.save_outcomes() {
            tracing::debug!(%error, "what the provider said of the key was not kept");
        }
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

/// Keeps what is told of the last request for the command that made it: it is nobody else's business.
#[derive(Default)]
struct LastRecord(Mutex<Option<Record>>);

impl Observer for LastRecord {
    fn finished(&self, record: &Record) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(record.clone());
    }
}
