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
    pub(crate) async fn join(&self, work: impl Future<Output = Result<Refresh, Failure>>) -> Result<Refresh, Failure> {
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
                let message = "the catalog is offline: unset catalog.offline or SWITCHYARD_OFFLINE to refresh it";
                Err(Failure::new(ErrorKind::Conflict, Side::Gateway, message))
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
            let time_to_live = Duration::from_secs(self.shared.layers.load().config.catalog.ttl_seconds.max(1));
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
        let about = blocking(move || {
            let bundle = cache.read()?;
            cache.about(bundle.len()).map(|about| (about, bundle.len()))
        })
        .await?;
        let time_to_live = Duration::from_secs(layers.config.catalog.ttl_seconds);
        let is_fresh = |(about, _): &(crate::cache::About, usize)| {
            about.age(SystemTime::now()).is_some_and(|age| age < time_to_live)
        };
        if !force && about.as_ref().is_some_and(is_fresh) {
            return Ok(Refresh::Fresh);
        }
        let etag = about.as_ref().and_then(|(about, _)| about.etag.clone());
        let source = layers.cache.source().to_owned();
        match fetch(&source, etag.as_deref()).await? {
            Fetched::NotModified => {
                let length = about.map_or(0, |(_, length)| length);
                let cache = layers.cache.clone();
                let written = blocking(move || cache.write_about(etag, length, SystemTime::now())).await?;
                note_unwritten(written, &layers.cache);
                Ok(Refresh::NotModified)
            }
            Fetched::Text { text, etag } => {
                let dictionary = layers.dictionary().to_vec();
                let packed = blocking(move || pack_quickly(&text, &dictionary)).await??;
                let packed = Bytes::from(packed);
                let (cache, bytes) = (layers.cache.clone(), packed.clone());
                let written = blocking(move || cache.write(&bytes, etag, SystemTime::now())).await?;
                note_unwritten(written, &layers.cache);
                let bundle = Bundle::new(packed);
                let (providers, models) =
                    bundle.rows().fold((0, 0), |(providers, models), row| (providers + 1, models + row.models));
                self.take_fetched(&source, Arc::new(bundle));
                tracing::info!(providers, models, "the catalog was refreshed");
                Ok(Refresh::Updated { providers, models })
            }
        }
    }
}

/// Fetched data are used also where they cannot be kept.
fn note_unwritten(written: std::io::Result<()>, cache: &CacheFile) {
    if let Err(error) = written {
        tracing::warn!(%error, ?cache, "the fetched catalog cannot be written to the cache");
    }
}

/// Runs work that blocks or computes for long beside the runtime's own threads, and waits for it.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Failure::bug(format!("work on the catalog stopped: {error}")))
}
