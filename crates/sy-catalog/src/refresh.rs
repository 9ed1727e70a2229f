//! Brings the fetched data up to date, one caller at a time.
//!
//! Called by the catalog, by a timer or on demand. On any failure what was there stays in use.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use sy_types::{ErrorKind, Failure, Side};
use tokio::sync::Mutex;

use crate::Catalog;
use crate::bundle::{Bundle, pack_quickly};
use crate::cache::CacheFile;
use crate::fetch::{Fetched, fetch};
use crate::layers::Layers;

/// How a refresh ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refresh {
    /// The data are younger than the time to live, or the catalog is offline: nobody was asked.
    Fresh,
    /// The source says that the data are current.
    NotModified,
    /// Other data came and are in use.
    Updated {
        /// How many providers they have.
        providers: usize,
        /// How many models they have.
        models: usize,
    },
}

/// Why nothing is fetched, with all three ways to say so.
const OFFLINE: &str = "the catalog is offline, so it is not fetched: unset SWITCHYARD_OFFLINE, \
     leave --offline out, or remove catalog.offline from the configuration";

/// After a failure the source is asked again no sooner than this.
const AFTER_FAILURE: Duration = Duration::from_secs(300);

/// Lets one refresh run at a time, and hands its result to those who came meanwhile.
#[derive(Default)]
pub(crate) struct Flight {
    last: Mutex<Option<Result<Refresh, Failure>>>,
    landed: AtomicU64,
}

impl Flight {
    /// Runs `work`, or waits for the one that runs and returns its result.
    pub(crate) async fn join(
        &self,
        work: impl Future<Output = Result<Refresh, Failure>>,
    ) -> Result<Refresh, Failure> {
        let before = self.landed.load(Ordering::Acquire);
        let mut last = self.last.lock().await;
        if self.landed.load(Ordering::Acquire) != before
            && let Some(result) = last.as_ref()
        {
            return result.clone();
        }
        let result = work.await;
        *last = Some(result.clone());
        self.landed.fetch_add(1, Ordering::Release);
        result
    }
}

impl Catalog {
    /// Fetches the catalog from its source when the fetched copy is older than `catalog.ttl_seconds`, or always with
    /// `force`. Callers that come while a refresh runs get its result. What was there stays in use until other data are
    /// complete, and for good when the refresh fails.
    ///
    /// # Errors
    /// `Unavailable`, `Timeout` or `Malformed` from the source; `Conflict` when it is forced although the catalog is offline.
    pub async fn refresh(&self, force: bool) -> Result<Refresh, Failure> {
        if self.is_offline() {
            return if force {
                Err(Failure::new(ErrorKind::Conflict, Side::Gateway, OFFLINE))
            } else {
                Ok(Refresh::Fresh)
            };
        }
        self.shared.flight.join(Box::pin(self.refresh_alone(force))).await
    }

    /// Refreshes now and whenever the time to live is over, for ever. To be spawned on the server's task tracker and
    /// dropped at shutdown.
    pub async fn keep_fresh(&self) {
        loop {
            let result = self.refresh(false).await;
            let time_to_live =
                Duration::from_secs(self.shared.layers.load().config.catalog.ttl_seconds.max(1));
            let wait = match result {
                Ok(_) => time_to_live,
                Err(failure) => {
                    tracing::warn!(error = %failure, "the catalog cannot be refreshed, the old one stays in use");
                    time_to_live.min(AFTER_FAILURE)
                }
            };
            tokio::time::sleep(wait).await;
        }
    }

    async fn refresh_alone(&self, force: bool) -> Result<Refresh, Failure> {
        let layers = self.shared.layers.load_full();
        let cache = layers.cache.clone();
        let cached = blocking(move || cache.read()).await?.map(Arc::new);
        self.take_if_other(&layers, cached.as_ref());
        let length = cached.as_ref().map_or(0, |bundle| bundle.len());
        let about = cached.and_then(|bundle| layers.cache.about(bundle.len()));
        let time_to_live = Duration::from_secs(layers.config.catalog.ttl_seconds);
        let age = about.as_ref().and_then(|about| about.age(SystemTime::now()));
        if !force && age.is_some_and(|age| age < time_to_live) {
            return Ok(Refresh::Fresh);
        }
        let etag = about.and_then(|about| about.etag);
        match fetch(layers.cache.source(), etag.as_deref(), &layers.environment.authority_files())
            .await?
        {
            Fetched::NotModified => {
                let cache = layers.cache.clone();
                let written =
                    blocking(move || cache.write_about(etag, length, SystemTime::now())).await?;
                note_unwritten(written, &layers.cache);
                Ok(Refresh::NotModified)
            }
            Fetched::Text { text, etag } => self.take_text(&layers, text, etag).await,
        }
    }

    /// Takes over what another process fetched since this one read the cache.
    fn take_if_other(&self, layers: &Layers, cached: Option<&Arc<Bundle>>) {
        let (Some(cached), Some(in_use)) = (cached, layers.fetched_if_read()) else { return };
        if !in_use.is_some_and(|in_use| in_use.is_same(cached)) {
            self.take_fetched(layers.cache.source(), Arc::clone(cached));
        }
    }

    async fn take_text(
        &self,
        layers: &Layers,
        text: Bytes,
        etag: Option<String>,
    ) -> Result<Refresh, Failure> {
        let dictionary = layers.dictionary().to_vec();
        let packed = Bytes::from(blocking(move || pack_quickly(&text, &dictionary)).await??);
        let (cache, bytes) = (layers.cache.clone(), packed.clone());
        let written = blocking(move || cache.write(&bytes, etag, SystemTime::now())).await?;
        note_unwritten(written, &layers.cache);
        let bundle = Bundle::new(packed);
        let providers = bundle.rows().count();
        let models = bundle.rows().map(|row| row.models).sum();
        self.take_fetched(layers.cache.source(), Arc::new(bundle));
        tracing::info!(providers, models, "the catalog was refreshed");
        Ok(Refresh::Updated { providers, models })
    }
}

/// Fetched data are used also where they cannot be kept.
fn note_unwritten(written: std::io::Result<()>, cache: &CacheFile) {
    if let Err(error) = written {
        tracing::warn!(%error, ?cache, "the fetched catalog cannot be written to the cache");
    }
}

/// Runs work that blocks or computes for long beside the runtime's own threads, and waits for it.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Failure::bug(format!("work on the catalog stopped: {error}")))
}
