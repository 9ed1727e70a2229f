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
use crate::callable;
use crate::lists::Lists;
use crate::models_dev::lay_over;
use crate::pin::{self, Difference};
use crate::provider::{Provider, ProviderRow};
use crate::search::Index;
use crate::wire_map::{OPENAI_COMPATIBLE, Place, Preset, extra_keys, holds_key, preset, wire};

/// All layers.
pub(crate) struct Layers {
    pub(crate) config: Arc<Config>,
    pub(crate) environment: Environment,
    pub(crate) cache: CacheFile,
    /// What custom providers said that they have; shared by all layers.
    lists: Option<Arc<Lists>>,
    bundled: Arc<Bundle>,
    fetched: OnceLock<Option<Arc<Bundle>>>,
    rows: OnceLock<IndexMap<String, ProviderRow>>,
    providers: Mutex<HashMap<String, Slot>>,
    index: OnceLock<Arc<Index>>,
}

/// A provider that is put together once, while others can be.
type Slot = Arc<OnceLock<Arc<Provider>>>;

impl Layers {
    pub(crate) fn new(
        config: Arc<Config>,
        environment: Environment,
        cache: CacheFile,
        bundled: Arc<Bundle>,
    ) -> Self {
        Self {
            config,
            environment,
            cache,
            lists: None,
            bundled,
            fetched: OnceLock::new(),
            rows: OnceLock::new(),
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

    /// Uses what custom providers said that they have.
    pub(crate) fn with_lists(mut self, lists: &Arc<Lists>) -> Self {
        self.lists = Some(Arc::clone(lists));
        self
    }

    /// Returns the fetched data if something has asked for them already.
    pub(crate) fn fetched_if_read(&self) -> Option<Option<Arc<Bundle>>> {
        self.fetched.get().cloned()
    }

    /// Returns how many entries were decoded so far, of both copies.
    pub(crate) fn decoded(&self) -> usize {
        let fetched =
            self.fetched.get().and_then(Option::as_ref).map_or(0, |bundle| bundle.decoded());
        self.bundled.decoded() + fetched
    }

    /// Returns a row for each provider that is switched on: the catalog's order, then those of the configuration.
    pub(crate) fn rows(&self) -> &IndexMap<String, ProviderRow> {
        self.rows.get_or_init(|| {
            let mut ids: IndexMap<&str, ()> =
                self.bundled.rows().map(|row| (row.id.as_str(), ())).collect();
            ids.extend(
                self.fetched()
                    .into_iter()
                    .flat_map(|bundle| bundle.rows())
                    .map(|row| (row.id.as_str(), ())),
            );
            ids.extend(self.config.provider.keys().map(|id| (id.as_str(), ())));
            let enabled = ids.into_keys().filter(|id| self.is_enabled(id));
            enabled.map(|id| (id.to_owned(), self.sources(id).row(id))).collect()
        })
    }

    /// Returns true unless the configuration switches the provider off.
    pub(crate) fn is_enabled(&self, id: &str) -> bool {
        let named = |list: &[String]| list.iter().any(|known| known == id);
        !named(&self.config.disabled_providers)
            && self.config.enabled_providers.as_deref().is_none_or(named)
    }

    /// Returns true when any layer knows the provider, switched on or not.
    pub(crate) fn knows(&self, id: &str) -> bool {
        self.config.provider.contains_key(id)
            || self.bundled.row(id).is_some()
            || self.fetched().is_some_and(|bundle| bundle.row(id).is_some())
    }

    /// Returns true for a provider that only the configuration knows.
    pub(crate) fn is_added(&self, id: &str) -> bool {
        let is_known = self.bundled.row(id).is_some()
            || self.fetched().is_some_and(|data| data.row(id).is_some());
        self.config.provider.contains_key(id) && !is_known
    }

    /// Returns what the index and the configuration tell about a provider that is switched on.
    pub(crate) fn row(&self, id: &str) -> Option<&ProviderRow> {
        self.rows().get(id)
    }

    /// Returns a provider that is switched on, put together on the first call.
    pub(crate) fn provider(&self, id: &str) -> Option<Arc<Provider>> {
        let row = self.row(id)?;
        let slot = {
            let mut providers = self.providers.lock().unwrap_or_else(PoisonError::into_inner);
            match providers.get(id) {
                Some(slot) => Arc::clone(slot),
                None => Arc::clone(providers.entry(id.to_owned()).or_default()),
            }
        };
        Some(Arc::clone(slot.get_or_init(|| Arc::new(self.assemble(row)))))
    }

    /// Puts a provider together without keeping it: for a pass over all of them.
    pub(crate) fn provider_once(&self, row: &ProviderRow) -> Arc<Provider> {
        let kept =
            self.providers.lock().unwrap_or_else(PoisonError::into_inner).get(&row.id).cloned();
        match kept.as_ref().and_then(|slot| slot.get()) {
            Some(provider) => Arc::clone(provider),
            None => Arc::new(self.assemble(row)),
        }
    }

    /// Returns the search index over all models, made on the first call.
    pub(crate) fn index(&self) -> Arc<Index> {
        Arc::clone(self.index.get_or_init(|| {
            Arc::new(Index::build(self.rows().values().map(|row| self.provider_once(row))))
        }))
    }

    fn assemble(&self, row: &ProviderRow) -> Provider {
        let mut provider = assemble::provider(row.clone(), &self.entry(&row.id), &self.config);
        if provider.models.is_empty() && row.configured {
            let address = row.api.as_deref().unwrap_or_default();
            let named = self.lists.as_ref().map(|lists| lists.of(&row.id, address));
            assemble::add_named(&mut provider, named.unwrap_or_default(), &self.config);
        }
        provider.callable = callable::check(self, &provider);
        provider
    }

    fn sources(&self, id: &str) -> Sources<'_> {
        let section = self.config.provider.get(id);
        let fetched = self.fetched().and_then(|bundle| bundle.row(id));
        let bundled = self.bundled.row(id);
        let (data_npm, data_api) = pin::package_and_address(id, bundled, fetched);
        let preset = section.and_then(|_| preset(id));
        Sources { section, fetched, bundled, data_npm, data_api, preset }
    }

    /// The data's entry: the fetched one over the bundled one.
    fn entry(&self, id: &str) -> Map<String, Value> {
        let bundled = self.bundled.row(id).and_then(|_| self.bundled.provider(id));
        let mut fetched =
            self.fetched().and_then(|bundle| bundle.row(id).and_then(|_| bundle.provider(id)));
        if let Some(fetched) = &mut fetched {
            let Sources { data_npm, data_api, .. } = self.sources(id);
            pin::hold(fetched, id, bundled.as_ref(), (data_npm, data_api));
        }

        match (bundled, fetched) {
            (Some(mut bundled), Some(fetched)) => {
                lay_over(&mut bundled, &fetched);
                bundled
            }
            (bundled, fetched) => fetched.or(bundled).unwrap_or_default(),
        }
    }

    /// Lists what the fetched data say and nobody believes.
    pub(crate) fn differences(&self) -> Vec<Difference> {
        self.fetched().map_or_else(Vec::new, |fetched| pin::differences(&self.bundled, fetched))
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

/// Everything that says something about a provider's row, the closest first.
struct Sources<'a> {
    section: Option<&'a ProviderConfig>,
    fetched: Option<&'a IndexRow>,
    bundled: Option<&'a IndexRow>,
    /// Package and address by the data, as far as they are believed.
    data_npm: Option<&'a str>,
    data_api: Option<&'a str>,
    preset: Option<&'static Preset>,
}

impl<'a> Sources<'a> {
    fn row(&self, id: &str) -> ProviderRow {
        let npm = self.npm();
        let api = self.api();
        let (env, settings) = self.variables(id);
        let package_base = wire(Place { provider: id, npm: &npm, model: "", reasons: false }).base;
        let is_near = api.as_deref().or(package_base).is_some_and(is_near);
        let declared = self.section.map_or(0, |section| section.models.len());
        ProviderRow {
            id: id.to_owned(),
            name: self.name(id),
            env,
            settings,
            npm,
            api,
            model_count: self.data().map(|row| row.models).max().unwrap_or(declared),
            configured: self.section.is_some(),
            needs_key: !self.section.is_some_and(|section| is_near && !has_own_key(section)),
        }
    }

    /// The data's rows, the fetched one first.
    fn data(&self) -> impl Iterator<Item = &'a IndexRow> {
        self.fetched.into_iter().chain(self.bundled)
    }

    fn name(&self, id: &str) -> String {
        let configured = self.section.and_then(|section| section.name.as_deref());
        let from_data = || self.data().next().map(|row| row.name.as_str());
        configured.or_else(from_data).or_else(|| Some(self.preset?.name)).unwrap_or(id).to_owned()
    }

    fn npm(&self) -> String {
        // An address that ends in /v1 is the OpenAI-compatible one, also of a server that has a protocol of its own.
        let is_compatible =
            self.own_address().is_some_and(|url| url.trim_end_matches('/').ends_with("/v1"));
        let configured = self.section.and_then(|section| section.npm.as_deref());
        let from_preset = || self.preset.filter(|_| !is_compatible).map(|preset| preset.npm);
        configured.or(self.data_npm).or_else(from_preset).unwrap_or(OPENAI_COMPATIBLE).to_owned()
    }

    fn api(&self) -> Option<String> {
        self.own_address().or(self.data_api).or_else(|| Some(self.preset?.api)).map(str::to_owned)
    }

    fn own_address(&self) -> Option<&'a str> {
        let section = self.section?;
        section.options.base_url.as_deref().or(section.api.as_deref())
    }

    /// Returns the variables that hold a key and those that the address needs.
    fn variables(&self, id: &str) -> (Vec<String>, Vec<String>) {
        if let Some(env) = self.section.and_then(|section| section.env.clone()) {
            return (env, Vec::new());
        }
        let from_preset =
            || self.preset.map(|preset| preset.env.iter().map(|name| (*name).to_owned()).collect());
        let from_data = || pin::variables(self.bundled).map(<[String]>::to_vec);
        let variables = from_data().or_else(from_preset);
        split_env(id, variables.unwrap_or_default())
    }
}

/// Returns true where the operator named a key, or a variable for it.
fn has_own_key(section: &ProviderConfig) -> bool {
    section.options.api_key.is_some() || section.env.as_ref().is_some_and(|env| !env.is_empty())
}

/// Tells variables that hold a key from those that hold an account, a region or an address.
fn split_env(id: &str, variables: Vec<String>) -> (Vec<String>, Vec<String>) {
    let is_only_one = variables.len() == 1;
    let (mut keys, settings): (Vec<_>, Vec<_>) =
        variables.into_iter().partition(|name| is_only_one || holds_key(name));
    for extra in extra_keys(id) {
        if !keys.iter().any(|name| name == extra) {
            keys.push((*extra).to_owned());
        }
    }
    (keys, settings)
}
