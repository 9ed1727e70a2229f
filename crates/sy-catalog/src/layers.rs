//! The layers of knowledge at one moment: configuration over fetched data over the bundled snapshot.
//!
//! A value of [`Layers`] never changes what it says; the catalog swaps the whole value when a layer changes. Providers are
//! put together when they are first asked for and kept. It does no network access; the cached copy is read from the disk once,
//! when something first needs it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use indexmap::IndexMap;
use serde_json::{Map, Value};
use sy_config::{Config, Environment, ProviderConfig};

use crate::address::is_near;
use crate::assemble;
use crate::bundle::{Bundle, IndexRow};
use crate::cache::CacheFile;
use crate::models_dev::lay_over;
use crate::provider::{Provider, ProviderRow};
use crate::search::Index;
use crate::wire_map::{Place, extra_keys, holds_key, preset, wire};

/// All layers.
pub(crate) struct Layers {
    pub(crate) config: Arc<Config>,
    pub(crate) environment: Environment,
    pub(crate) cache: CacheFile,
    bundled: Arc<Bundle>,
    fetched: OnceLock<Option<Arc<Bundle>>>,
    providers: Mutex<HashMap<String, Slot>>,
    index: OnceLock<Arc<Index>>,
}

/// A provider that is put together once, while others can be.
type Slot = Arc<OnceLock<Option<Arc<Provider>>>>;

impl Layers {
    pub(crate) fn new(config: Arc<Config>, environment: Environment, cache: CacheFile, bundled: Arc<Bundle>) -> Self {
        Self {
            config,
            environment,
            cache,
            bundled,
            fetched: OnceLock::new(),
            providers: Mutex::new(HashMap::new()),
            index: OnceLock::new(),
        }
    }

    /// Takes fetched data that are in memory already, so that they need not be read from the disk.
    pub(crate) fn with_fetched(self, fetched: Option<Arc<Bundle>>) -> Self {
        // The lock was made a line ago, so it is empty and this cannot fail.
        self.fetched.set(fetched).ok();
        self
    }

    /// Returns the fetched data if something has asked for them already.
    pub(crate) fn fetched_if_read(&self) -> Option<Option<Arc<Bundle>>> {
        self.fetched.get().cloned()
    }

    /// Returns how many entries were decoded so far, of both copies.
    pub(crate) fn decoded(&self) -> usize {
        let fetched = self.fetched.get().and_then(Option::as_ref).map_or(0, |bundle| bundle.decoded());
        self.bundled.decoded() + fetched
    }

    /// Returns the ids of all providers that are switched on: the catalog's order, then those of the configuration.
    pub(crate) fn ids(&self) -> Vec<String> {
        let mut ids: IndexMap<&str, ()> = self.bundled.rows().map(|row| (row.id.as_str(), ())).collect();
        ids.extend(self.fetched().into_iter().flat_map(|bundle| bundle.rows()).map(|row| (row.id.as_str(), ())));
        ids.extend(self.config.provider.keys().map(|id| (id.as_str(), ())));
        ids.into_keys().filter(|id| self.is_enabled(id)).map(str::to_owned).collect()
    }

    /// Returns true unless the configuration switches the provider off.
    pub(crate) fn is_enabled(&self, id: &str) -> bool {
        let named = |list: &[String]| list.iter().any(|known| known == id);
        !named(&self.config.disabled_providers) && self.config.enabled_providers.as_deref().is_none_or(named)
    }

    /// Returns true when any layer knows the provider, switched on or not.
    pub(crate) fn knows(&self, id: &str) -> bool {
        self.config.provider.contains_key(id)
            || self.bundled.row(id).is_some()
            || self.fetched().is_some_and(|bundle| bundle.row(id).is_some())
    }

    /// Returns what the index and the configuration tell about a provider that is switched on.
    pub(crate) fn row(&self, id: &str) -> Option<ProviderRow> {
        if !self.is_enabled(id) || !self.knows(id) {
            return None;
        }
        let fetched = self.fetched().and_then(|bundle| bundle.row(id));
        Some(make_row(id, fetched, self.bundled.row(id), self.config.provider.get(id)))
    }

    /// Returns a provider that is switched on, put together on the first call.
    pub(crate) fn provider(&self, id: &str) -> Option<Arc<Provider>> {
        let row = self.row(id)?;
        let slot = {
            let mut providers = self.providers.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(providers.entry(id.to_owned()).or_default())
        };
        slot.get_or_init(|| Some(Arc::new(assemble::provider(row, &self.entry(id), &self.config)))).clone()
    }

    /// Puts a provider together without keeping it: for a pass over all of them.
    pub(crate) fn provider_once(&self, id: &str) -> Option<Arc<Provider>> {
        let kept = self.providers.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned();
        if let Some(provider) = kept.as_ref().and_then(|slot| slot.get()) {
            return provider.clone();
        }
        Some(Arc::new(assemble::provider(self.row(id)?, &self.entry(id), &self.config)))
    }

    /// Returns the search index over all models, made on the first call.
    pub(crate) fn index(&self) -> Arc<Index> {
        Arc::clone(self.index.get_or_init(|| {
            let providers = self.ids().into_iter().filter_map(|id| self.provider_once(&id));
            Arc::new(Index::build(providers))
        }))
    }

    /// The data's entry: the fetched one over the bundled one.
    fn entry(&self, id: &str) -> Map<String, Value> {
        let bundled = self.bundled.row(id).and_then(|_| self.bundled.provider(id));
        let fetched = self.fetched().and_then(|bundle| bundle.row(id).and_then(|_| bundle.provider(id)));
        match (bundled, fetched) {
            (Some(mut bundled), Some(fetched)) => {
                lay_over(&mut bundled, &fetched);
                bundled
            }
            (bundled, fetched) => fetched.or(bundled).unwrap_or_default(),
        }
    }

    fn fetched(&self) -> Option<&Bundle> {
        self.fetched.get_or_init(|| self.cache.read().map(Arc::new)).as_deref()
    }

    /// Returns the dictionary with which fetched data are packed.
    pub(crate) fn dictionary(&self) -> &[u8] {
        self.bundled.dictionary()
    }

    pub(crate) fn bundled(&self) -> &Arc<Bundle> {
        &self.bundled
    }
}

fn make_row(
    id: &str,
    fetched: Option<&IndexRow>,
    bundled: Option<&IndexRow>,
    section: Option<&ProviderConfig>,
) -> ProviderRow {
    let preset = section.and_then(|_| preset(id));
    let from_data = |pick: fn(&IndexRow) -> Option<&String>| fetched.and_then(pick).or_else(|| bundled.and_then(pick));
    let base_url = section.and_then(|section| section.options.base_url.as_ref());
    let api = section.and_then(|section| section.api.as_ref());
    let own_address = base_url.or(api);
    let name = section
        .and_then(|section| section.name.as_ref())
        .or_else(|| from_data(|row| Some(&row.name)))
        .map_or_else(|| preset.map_or(id, |preset| preset.name).to_owned(), Clone::clone);
    // An address that ends in /v1 is the OpenAI-compatible one, also of a server that has a protocol of its own.
    let preset_npm = preset.filter(|_| !own_address.is_some_and(|url| url.trim_end_matches('/').ends_with("/v1")));
    let npm = section
        .and_then(|section| section.npm.as_ref())
        .or_else(|| from_data(|row| row.npm.as_ref()))
        .map_or_else(|| preset_npm.map_or_else(assemble::default_npm, |preset| preset.npm.to_owned()), Clone::clone);
    let api = own_address
        .or_else(|| from_data(|row| row.api.as_ref()))
        .cloned()
        .or_else(|| preset.map(|preset| preset.api.to_owned()));
    let (env, settings) = match section.and_then(|section| section.env.clone()) {
        Some(env) => (env, Vec::new()),
        None => split_env(
            id,
            fetched.or(bundled).map_or_else(
                || preset.map(|preset| preset.env.iter().map(|name| (*name).to_owned()).collect()).unwrap_or_default(),
                |row| row.env.clone(),
            ),
        ),
    };
    let package_base = wire(Place { provider: id, npm: &npm, model: "", reasons: false }).base;
    let has_own_key = |section: &ProviderConfig| {
        section.options.api_key.is_some() || section.env.as_ref().is_some_and(|env| !env.is_empty())
    };
    let needs_key = section.is_some_and(has_own_key) || !api.as_deref().or(package_base).is_some_and(is_near);
    let declared = section.map_or(0, |section| section.models.len());
    let model_count = fetched.into_iter().chain(bundled).map(|row| row.models).max().unwrap_or(declared);
    ProviderRow {
        id: id.to_owned(),
        name,
        env,
        settings,
        npm,
        api,
        model_count,
        configured: section.is_some(),
        needs_key,
    }
}

/// Tells variables that hold a key from those that hold an account, a region or an address.
fn split_env(id: &str, variables: Vec<String>) -> (Vec<String>, Vec<String>) {
    let is_only_one = variables.len() == 1;
    let (mut keys, settings): (Vec<_>, Vec<_>) = variables.into_iter().partition(|name| is_only_one || holds_key(name));
    for extra in extra_keys(id) {
        if !keys.iter().any(|name| name == extra) {
            keys.push((*extra).to_owned());
        }
    }
    (keys, settings)
}
