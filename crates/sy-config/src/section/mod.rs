//! The sections of the configuration as typed values.
//!
//! Filled by the loader, read by every crate above. The doc comments here are the user's reference: the schema and
//! `docs/reference/config.md` are made of them. Nothing here reads a file or knows where a value came from.

mod alias;
mod catalog;
mod credentials;
mod header;
mod limit;
mod log;
mod model;
mod provider;
mod retry;
mod server;

use std::collections::BTreeMap;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

pub use alias::{Alias, DefaultModels, ModelDefaults};
pub use catalog::CatalogSettings;
pub use credentials::CredentialSettings;
pub use header::{HeaderText, Headers};
pub use limit::Limit;
pub use log::{Log, LogFormat};
pub use model::{
    Cost, LongContextCost, Modalities, ModelConfig, ModelLimit, ModelProvider, Shape, Supports,
};
pub use provider::{ProviderConfig, ProviderOptions};
pub use retry::{FailoverMode, Retry};
pub use server::{Connections, Server, Timeouts};

pub(crate) use header::is_secret_header;
pub(crate) use limit::{LONGEST_MS, SHORTEST_MS};

/// What the operator asked for, one field per section.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The model that answers when a request names none, as `provider/model` or as the name of an alias. It wins over
    /// `models.defaults.primary`. Without either, the first connected provider's best model answers.
    /// Example: `"anthropic/claude-sonnet-4-5"`.
    pub model: Option<String>,
    /// The model for small jobs such as titles, as `provider/model` or as the name of an alias. Without it, a small model
    /// of the same provider is taken. Example: `"anthropic/claude-haiku-4-5"`.
    pub small_model: Option<String>,
    /// Providers by id. An id that the catalog knows is adjusted; any other id adds a provider, which needs
    /// `options.baseURL` (or `api`) and `models`.
    pub provider: IndexMap<String, ProviderConfig>,
    /// When set, only these providers exist; all others are hidden. Example: `["anthropic", "groq"]`.
    pub enabled_providers: Option<Vec<String>>,
    /// These providers are hidden. It wins over `enabled_providers`.
    pub disabled_providers: Vec<String>,
    /// Names of your own for models. A text stands for one model; a list is an order of fallbacks: the next one is asked
    /// when the one before fails before it answered. Example: `{"fast": "groq/llama-3.3-70b-versatile"}`.
    pub alias: IndexMap<String, Alias>,
    /// Which models answer by default.
    pub models: ModelDefaults,
    /// How a failed call to a provider is repeated.
    pub retry: Retry,
    /// Where the server listens and what it accepts.
    pub server: Server,
    /// Where knowledge about providers and models comes from.
    pub catalog: CatalogSettings,
    /// Where keys for providers come from.
    pub credentials: CredentialSettings,
    /// What is written to the log.
    pub log: Log,
    /// Whether the user's OpenCode configuration (`~/.config/opencode/{config.json,opencode.json,opencode.jsonc}`) is read
    /// as the lowest layer. It is decided before that layer is read, by any layer above it.
    pub opencode_config: bool,
    /// Folders in which the files of projects count (`opencode.json`, `switchyard.jsonc` found upward from the working
    /// directory), with everything below them. `switchyard trust` trusts one folder without what is below it. A path is
    /// absolute or begins with `~/`. `SWITCHYARD_TRUSTED_PROJECTS` adds to it. A project's file cannot set it.
    /// Example: `["~/work"]`.
    pub trusted_projects: Vec<String>,
    /// Where the keys of providers were written (`FILE:LINE`), by id.
    #[serde(skip)]
    #[schemars(skip)]
    pub key_places: BTreeMap<String, String>,
}

impl Config {
    /// Returns the model that answers when a request names none: `model`, else `models.defaults.primary`.
    pub fn primary_model(&self) -> Option<&str> {
        self.model.as_deref().or(self.models.defaults.primary.as_deref())
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            model: None,
            small_model: None,
            provider: IndexMap::new(),
            enabled_providers: None,
            disabled_providers: Vec::new(),
            alias: IndexMap::new(),
            models: ModelDefaults::default(),
            retry: Retry::default(),
            server: Server::default(),
            catalog: CatalogSettings::default(),
            credentials: CredentialSettings::default(),
            log: Log::default(),
            opencode_config: true,
            trusted_projects: Vec::new(),
            key_places: BTreeMap::new(),
        }
    }
}
