//! The handle of the catalog.
//!
//! Made once by the server or a command, cloned freely. Every answer comes from one set of layers, so a reload never shows
//! half of a change.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use bytes::Bytes;
use sy_config::{Config, Environment};
use sy_types::{Failure, ProtocolId, Target};

use crate::bundle::Bundle;
use crate::cache::CacheFile;
use crate::callable::NotCallable;
use crate::layers::Layers;
use crate::lists::Lists;
use crate::pin::Difference;
use crate::provider::{Provider, ProviderRow};
use crate::refresh::Flight;
use crate::resolve::Resolved;
use crate::search::Hit;
use crate::{Gap, choose, gaps, resolve, search, suggest, target};

/// The catalog that is built in: models.dev, packed by `xtask snapshot`.
static BUNDLED: &[u8] = include_bytes!("../data/models.bin");

/// What a catalog is made of.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The operator's configuration.
    pub config: Arc<Config>,
    /// The folder of the fetched copy; made when something is fetched.
    pub cache_dir: PathBuf,
    /// The environment, for variables in addresses.
    pub environment: Environment,
    /// Never fetch, whatever the configuration says.
    pub offline: bool,
}

/// Knows which providers can be called now; usually by their keys.
pub trait Connected: Send + Sync {
    /// Returns true when the provider can be called.
    fn is_connected(&self, row: &ProviderRow) -> bool;

    /// Returns the environment variable that holds the provider's key, where nothing closer does:
    /// no sign-in and no configuration. It says less about the user's wish than those.
    fn key_variable(&self, row: &ProviderRow) -> Option<String> {
        let _ = row;
        None
    }
}

/// How much of the catalog is of use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Providers that are switched on.
    pub providers: usize,
    /// Their models, without those that are deprecated or hidden.
    pub models: usize,
    /// Providers that can be called, given a key.
    pub callable_providers: usize,
    /// Models that can be called, given a key.
    pub callable_models: usize,
    /// Providers that can be called now.
    pub connected_providers: usize,
    /// Models that can be called now.
    pub connected_models: usize,
}

/// Which models exist, what they can do and how they are reached. Clones share everything.
#[derive(Clone)]
pub struct Catalog {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) layers: ArcSwap<Layers>,
    pub(crate) flight: Flight,
    pub(crate) lists: Arc<Lists>,
    cache_dir: PathBuf,
    offline: bool,
    generation: AtomicU64,
    /// Held while layers are exchanged, so that no change is lost.
    writer: Mutex<()>,
}

impl Catalog {
    /// Makes a catalog. Nothing is read or decoded yet.
    pub fn new(settings: Settings) -> Self {
        let Settings { config, cache_dir, environment, offline } = settings;
        let cache = CacheFile::new(&cache_dir, &config.catalog.url);
        let bundled = Arc::new(Bundle::new(Bytes::from_static(BUNDLED)));
        let is_offline = offline || config.catalog.offline;
        let lists = Lists::new((!is_offline).then(|| cache_dir.join("provider-models.json")));
        let layers = Layers::new(config, environment, cache, bundled).with_lists(&lists);
        let layers = ArcSwap::from_pointee(layers);
        let flight = Flight::default();
        let generation = AtomicU64::new(1);
        let writer = Mutex::new(());
        Self {
            shared: Arc::new(Shared {
                layers,
                flight,
                lists,
                cache_dir,
                offline,
                generation,
                writer,
            }),
        }
    }

    /// Takes another configuration. Answers come from the old one or the new one, never from a mixture.
    pub fn reconfigure(&self, config: Arc<Config>) {
        self.swap(|old| {
            let cache = CacheFile::new(&self.shared.cache_dir, &config.catalog.url);
            let same_source = cache.source() == old.cache.source();
            let layers =
                Layers::new(config, old.environment.clone(), cache, Arc::clone(old.bundled()));
            match old.fetched_if_read().filter(|_| same_source) {
                Some(fetched) => layers.with_fetched(fetched),
                None => layers,
            }
        });
    }

    /// Returns a number that changes whenever an answer could change.
    pub fn generation(&self) -> u64 {
        self.shared.generation.load(Ordering::Acquire)
    }

    /// Returns what the index tells about each provider that is switched on: the catalog's order, then the configuration's.
    pub fn rows(&self) -> Vec<ProviderRow> {
        self.shared.layers.load().rows().values().cloned().collect()
    }

    /// Returns a provider with its models; `None` when there is none of this id, or when it is switched off.
    pub fn provider(&self, id: &str) -> Option<Arc<Provider>> {
        self.shared.layers.load().provider(id)
    }

    /// Returns the protocols in which a model of a provider can be called, the preferred one first; none where it cannot, or
    /// where there is no such provider. The empty name stands for any model that is not listed.
    pub fn protocols(&self, provider: &str, model: &str) -> &'static [ProtocolId] {
        let layers = self.shared.layers.load();
        let provider = layers.provider(provider);
        provider.map_or(&[], |provider| target::protocols(&layers, &provider, model))
    }

    /// Returns the id of the provider that a typed name stands for: the name itself, else one of which it is another name.
    pub fn provider_id(&self, typed: &str) -> Option<String> {
        resolve::provider_id(&self.shared.layers.load(), typed)
    }

    /// Returns what the operator's section of a provider lacks for it to be called.
    pub fn gaps(&self, id: &str) -> Vec<Gap> {
        gaps::gaps(&self.shared.layers.load(), id)
    }

    /// Finds the one model that a name stands for: `provider/model`, `provider/model:variant`, or the bare id of a model
    /// that exactly one connected provider has.
    ///
    /// # Errors
    /// `Invalid` with the candidates when the name is ambiguous; `NotFound` with suggestions when nothing fits.
    pub fn resolve(&self, name: &str, connected: &dyn Connected) -> Result<Resolved, Failure> {
        resolve::resolve(&self.shared.layers.load(), name, connected)
    }

    /// Returns everything needed to call a model in the protocol that its place prefers.
    ///
    /// # Errors
    /// As [`Catalog::target_for`].
    pub fn target(&self, resolved: &Resolved) -> Result<Arc<Target>, Failure> {
        self.target_for(resolved, None)
    }

    /// Returns everything needed to call a model, in the caller's own protocol where the place speaks it.
    ///
    /// # Errors
    /// `NotFound` when the model left the catalog since it was resolved; `Unsupported` when no protocol of ours reaches it,
    /// or when its address is unknown or lacks an environment variable.
    pub fn target_for(
        &self,
        resolved: &Resolved,
        caller: Option<ProtocolId>,
    ) -> Result<Arc<Target>, Failure> {
        target::target(&self.shared.layers.load(), resolved, caller).map(Arc::new)
    }

    /// Returns the model that answers when nobody names one.
    ///
    /// # Errors
    /// As [`Catalog::resolve`] for a configured name; `NotFound` when no provider is connected.
    pub fn default_model(&self, connected: &dyn Connected) -> Result<Resolved, Failure> {
        choose::default_model(&self.shared.layers.load(), connected)
    }

    /// Returns the model for small jobs: the configured one, else a small one of the given provider.
    pub fn small_model(&self, provider: &str) -> Option<Resolved> {
        choose::small_model(&self.shared.layers.load(), provider)
    }

    /// Returns the models that fit a query, best first. The first search after a change of a layer reads the whole catalog,
    /// which takes some tens of milliseconds.
    pub fn search(&self, query: &str, connected: &dyn Connected) -> Vec<Hit> {
        search::search(&self.shared.layers.load(), query, connected)
    }

    /// Returns the ids of providers that a wrong name may stand for, best first; at most three.
    pub fn providers_like(&self, typed: &str) -> Vec<String> {
        suggest::providers(&self.shared.layers.load(), typed)
    }

    /// Returns why a model cannot be called, keys apart.
    ///
    /// # Errors
    /// The reason, with what to do about it. A model that is not listed is taken for one of its
    /// provider's usual ones.
    pub fn callable(&self, provider: &Provider, model: &str) -> Result<(), NotCallable> {
        target::check(&self.shared.layers.load(), provider, model)
    }

    /// Counts what can be listed, called and reached now. Reads the whole catalog, which takes some
    /// tens of milliseconds.
    pub fn counts(&self, connected: &dyn Connected) -> Counts {
        let layers = self.shared.layers.load();
        let mut counts = Counts::default();
        for row in layers.rows().values() {
            let provider = layers.provider_once(row);
            let models = provider.models.keys();
            let callable =
                models.filter(|model| target::check(&layers, &provider, model).is_ok()).count();
            counts.providers += 1;
            counts.models += provider.models.len();
            counts.callable_providers += usize::from(provider.callable().is_ok());
            counts.callable_models += callable;
            if provider.callable().is_ok() && connected.is_connected(row) {
                counts.connected_providers += 1;
                counts.connected_models += callable;
            }
        }
        counts
    }

    /// Lists what the fetched catalog would change and may not: other hosts, plain http, other
    /// variables, and variables of new providers. Each displays as a sentence. Reads the whole
    /// fetched catalog, which takes some tens of milliseconds.
    pub fn differences(&self) -> Vec<Difference> {
        self.shared.layers.load().differences()
    }

    /// Returns how many provider entries were decoded since the last change of a layer and before: what laziness saves.
    pub fn decoded_providers(&self) -> usize {
        self.shared.layers.load().decoded()
    }

    pub(crate) fn is_offline(&self) -> bool {
        self.shared.offline || self.shared.layers.load().config.catalog.offline
    }

    /// Puts fetched data in use, unless the source was changed meanwhile.
    pub(crate) fn take_fetched(&self, source: &str, bundle: Arc<Bundle>) {
        self.swap(|old| {
            let layers = Layers::new(
                Arc::clone(&old.config),
                old.environment.clone(),
                old.cache.clone(),
                Arc::clone(old.bundled()),
            );
            if old.cache.source() == source {
                return layers.with_fetched(Some(bundle));
            }
            match old.fetched_if_read() {
                Some(fetched) => layers.with_fetched(fetched),
                None => layers,
            }
        });
    }

    /// Puts new lists of custom providers in use.
    pub(crate) fn take_lists(&self) {
        self.swap(|old| {
            let layers = Layers::new(
                Arc::clone(&old.config),
                old.environment.clone(),
                old.cache.clone(),
                Arc::clone(old.bundled()),
            );
            match old.fetched_if_read() {
                Some(fetched) => layers.with_fetched(fetched),
                None => layers,
            }
        });
    }

    fn swap(&self, change: impl FnOnce(&Layers) -> Layers) {
        let _one_writer = self.shared.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = change(&self.shared.layers.load()).with_lists(&self.shared.lists);
        self.shared.layers.store(Arc::new(changed));
        self.shared.generation.fetch_add(1, Ordering::AcqRel);
    }
}

impl std::fmt::Debug for Catalog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Catalog").field("generation", &self.generation()).finish_non_exhaustive()
    }
}
