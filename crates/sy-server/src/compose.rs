//! The only place where concrete parts meet.
//!
//! Called by the binary and by tests with everything that comes from outside: configuration, folders, environment. It reads the
//! token and the vault; it calls nobody.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sy_access::{Access, TokenSource};
use sy_catalog::Catalog;
use sy_config::{Config, Environment, Live, Paths};
use sy_credentials::Credentials;
use sy_router::{Observer, Parts, Router};
use sy_types::{Failure, MemoryBudget};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use crate::app::App;
use crate::http::Dialects;
use crate::machine::memory_limits;
use crate::observe::Observatory;
use crate::serve::{ServeError, resolve_host};

/// How often the times of requests are sorted into their buckets.
const SORT_PAUSE: Duration = Duration::from_secs(5);
/// How often what providers said of our keys is written down, where it is news.
const OUTCOME_PAUSE: Duration = Duration::from_secs(5);

/// How often it is looked whether a custom provider is to be asked for its models.
const ASK_PAUSE: Duration = Duration::from_secs(60);

/// Everything that comes from outside.
pub struct Composed {
    /// The configuration and how to read it again.
    pub live: Live,
    /// The folders.
    pub paths: Paths,
    /// The environment snapshot.
    pub environment: Environment,
    /// True for `--dangerously-unauthenticated`.
    pub unauthenticated: bool,
}

/// The parts, put together.
pub struct Composition {
    /// The parts.
    pub app: App,
    pub(crate) background: Background,
    pub(crate) bind: IpAddr,
    pub(crate) paths: Paths,
}

/// Why the parts cannot be put together.
#[derive(Debug, thiserror::Error)]
pub enum ComposeError {
    /// The address is wrong.
    #[error(transparent)]
    Address(#[from] ServeError),
    /// The token or the bind address is not safe.
    #[error(transparent)]
    Access(#[from] sy_access::Error),
    /// The vault cannot be opened.
    #[error(transparent)]
    Credentials(#[from] sy_credentials::Error),
    /// A part refused its settings.
    #[error("{0}")]
    Part(Failure),
}

/// Puts the parts together.
///
/// # Errors
/// When the vault or the token cannot be read or made, or the bind address is not safe.
pub fn compose(outside: Composed) -> Result<Composition, ComposeError> {
    let Composed { live, paths, environment, unauthenticated } = outside;
    let config = live.config();
    let bind = resolve_host(&config.server.host)?;
    let access = Access::open(sy_access::Settings {
        token_file: token_file(&paths),
        token: environment.secret("SWITCHYARD_TOKEN"),
        unauthenticated,
        bind,
        allowed_hosts: config.server.allowed_hosts.clone(),
        allowed_origins: config.server.allowed_origins.clone(),
    })?;
    if let TokenSource::NewFile(file) = access.token_source() {
        info!(file = %file.display(), "made the server's token: clients must show it");
    }
    let observatory = Arc::new(Observatory::new().map_err(ComposeError::Part)?);
    let Core { catalog, credentials, router } =
        core(&live, &paths, &environment, Arc::clone(&observatory) as Arc<dyn Observer>)?;
    let (all, one) = memory_limits(&live.config().server);
    let app = App {
        live,
        catalog,
        credentials,
        access: Arc::new(access),
        router,
        dialects: Dialects::find().map_err(ComposeError::Part)?,
        observatory,
        memory: MemoryBudget::new(all, one),
        started: Instant::now(),
        tasks: TaskTracker::new(),
        stopping: CancellationToken::new(),
        cut: CancellationToken::new(),
    };
    Ok(Composition { app, background: Background, bind, paths })
}

/// The parts that answer requests, with or without a server around them.
pub(crate) struct Core {
    pub(crate) catalog: Catalog,
    pub(crate) credentials: Credentials,
    pub(crate) router: Router,
}

/// Puts the parts together that answer requests.
pub(crate) fn core(
    live: &Live,
    paths: &Paths,
    environment: &Environment,
    observer: Arc<dyn Observer>,
) -> Result<Core, ComposeError> {
    let config = live.config();
    let credentials = open_credentials(live, paths, environment)?;
    let catalog = Catalog::new(sy_catalog::Settings {
        config: Arc::clone(&config),
        cache_dir: paths.cache.clone(),
        environment: environment.clone(),
        // The catalog reads `catalog.offline` in each configuration: a reload may change it.
        offline: false,
    });
    let authorities = environment.authority_files();
    let parts = Parts {
        catalog: catalog.clone(),
        credentials: credentials.clone(),
        config,
        observer,
        authorities,
    };
    let router = Router::new(parts).map_err(ComposeError::Part)?;
    Ok(Core { catalog, credentials, router })
}

/// Returns where the server's token is kept.
pub fn token_file(paths: &Paths) -> PathBuf {
    paths.state.join("token")
}

/// Opens the vault alone, for commands that need nothing else.
///
/// # Errors
/// When the vault cannot be read or its key not be made.
pub fn open_credentials(
    live: &Live,
    paths: &Paths,
    environment: &Environment,
) -> Result<Credentials, sy_credentials::Error> {
    let config = live.config();
    // Whether the file is read says the configuration, which may change while we run.
    let opencode_auth = sy_config::paths::opencode_data(environment);
    Credentials::open(sy_credentials::Settings {
        directory: paths.data.join("credentials"),
        profile: config.credentials.profile.clone(),
        environment: environment.clone(),
        opencode_auth: opencode_auth.map(|folder| folder.join("auth.json")),
        outcomes: Some(paths.state.join("key-outcomes.json")),
        config,
    })
}

/// Work beside the requests: configuration reload and catalog refresh.
pub(crate) struct Background;

impl Background {
    /// Starts it on the tracker that shutdown waits for.
    pub(crate) fn start(self, app: &App) {
        app.tasks.spawn(watch_configuration(app.clone()));
        app.tasks.spawn(keep_catalog_fresh(app.clone()));
        app.tasks.spawn(keep_lists_fresh(app.clone()));
        app.tasks.spawn(keep_times_sorted(app.clone()));
        app.tasks.spawn(keep_outcomes(app.clone()));
    }
}

/// Follows the configuration files. A bad file keeps the last good configuration and says so.
async fn watch_configuration(app: App) {
    let stopping = app.stopping.clone();
    let started_with = app.config();
    let mut known = Vec::new();
    let watching = app.live.clone().watch(stopping.cancelled_owned(), move |outcome| match outcome {
        Ok(false) => {}
        Ok(true) => {
            let config = app.live.config();
            app.catalog.reconfigure(Arc::clone(&config));
            app.credentials.reconfigure(&config);
            let (all, one) = memory_limits(&config.server);
            app.memory.set_limits(all, one);
            app.router.reconfigure(config);
            info!("the configuration was read again");
            tell_restarts(&started_with, &app.config(), &mut known);
        }
        Err(problems) => {
            for problem in problems {
                warn!(%problem, "the configuration has a mistake: the last good one stays in force");
            }
        }
    });
    watching.await;
}

/// Says which changed keys wait for the next start, each once until it is changed back.
fn tell_restarts(started_with: &Config, now: &Config, known: &mut Vec<&'static str>) {
    let waiting = sy_config::restart_keys(started_with, now);
    for key in waiting.iter().filter(|key| !known.contains(key)) {
        warn!(key, "{key} changed: restart to apply");
    }
    *known = waiting;
}

/// Asks custom providers for their models, so that no request has to wait for it.
async fn keep_lists_fresh(app: App) {
    loop {
        let asking = app.router.discover_models();
        if app.stopping.run_until_cancelled(asking).await.is_none() {
            return;
        }
        if app.stopping.run_until_cancelled(tokio::time::sleep(ASK_PAUSE)).await.is_none() {
            return;
        }
    }
}

/// Keeps the counters from growing with the number of requests.
async fn keep_times_sorted(app: App) {
    while app.stopping.run_until_cancelled(tokio::time::sleep(SORT_PAUSE)).await.is_some() {
        app.observatory.metrics.sort_times();
    }
}

/// Writes down what providers said of our keys, off the requests' path, and once more at the end.
async fn keep_outcomes(app: App) {
    loop {
        let pause = tokio::time::sleep(OUTCOME_PAUSE);
        let is_last = app.stopping.run_until_cancelled(pause).await.is_none();

        let credentials = app.credentials.clone();
        let saved = tokio::task::spawn_blocking(move || credentials.save_outcomes()).await;
        if let Ok(Err(error)) = saved {
            tracing::debug!(%error, "what providers said of the keys could not be written down");
        }
        if is_last {
            return;
        }
    }
}

/// Fetches the catalog when it is older than its time to live. A failure keeps what is there.
async fn keep_catalog_fresh(app: App) {
    loop {
        let settings = app.config().catalog.clone();
        if !settings.offline {
            match app.stopping.run_until_cancelled(app.catalog.refresh(false)).await {
                None => return,
                Some(Ok(refresh)) => tracing::debug!(?refresh, "catalog refreshed"),
                Some(Err(failure)) => {
                    info!(reason = %failure, "the catalog could not be refreshed: what is there stays in use")
                }
            }
        }
        // Offline may end with a reload; to look costs nothing.
        let seconds = if settings.offline { 60 } else { settings.ttl_seconds.max(60) };
        let pause = Duration::from_secs(seconds);
        if app.stopping.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
            return;
        }
    }
}
