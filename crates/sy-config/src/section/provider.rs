//! One provider as the operator adjusts or adds it.
//!
//! Laid over the catalog's entry by sy-catalog; the key is read by sy-credentials. It does not know the catalog.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use sy_types::Secret;

use super::header::{Headers, read_headers};
use super::{Limit, ModelConfig};

/// One provider. What is not set is taken from the catalog.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ProviderConfig {
    /// The AI SDK package whose wire protocol the provider speaks. Nothing is installed: the name selects a protocol.
    /// A provider that the catalog does not know speaks `@ai-sdk/openai-compatible` unless this says otherwise.
    pub npm: Option<String>,
    /// The display name.
    pub name: Option<String>,
    /// The base URL, where `options.baseURL` is not set. `${NAME}` of an unset variable stays for the catalog to fill.
    pub api: Option<String>,
    /// Environment variables that hold the key, the first set one wins. Example: `["GROQ_API_KEY"]`.
    pub env: Option<Vec<String>>,
    /// When set, only these models of the provider exist.
    pub whitelist: Option<Vec<String>>,
    /// These models of the provider are hidden.
    pub blacklist: Option<Vec<String>>,
    /// How the provider is called. Any further key in it is a body option: it is sent as a top-level field of each request
    /// body.
    pub options: ProviderOptions,
    /// Models by the name that requests use. A name that the catalog knows is adjusted; any other adds a model.
    pub models: IndexMap<String, ModelConfig>,
}

/// How a provider is called. Any further key is a body option.
#[derive(Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ProviderOptions {
    /// The base URL, up to and including the version. `${NAME}` of an unset variable stays for the catalog to fill.
    /// Example: `"https://api.example.com/v1"`.
    #[serde(rename = "baseURL")]
    pub base_url: Option<String>,
    /// The key. Better a reference than the key itself: `"{env:GROQ_API_KEY}"` or `"{file:~/.keys/groq}"`.
    #[serde(rename = "apiKey")]
    #[schemars(with = "Option<String>", extend("writeOnly" = true))]
    pub api_key: Option<Secret>,
    /// Extra headers on each request.
    #[serde(deserialize_with = "read_headers")]
    pub headers: Headers,
    /// The limit for the whole exchange, in milliseconds, or `false` for none. Without it there is no limit.
    pub timeout: Option<Limit>,
    /// The limit until the response headers, in milliseconds, or `false` for none. Without it the limit is 300000.
    #[serde(rename = "headerTimeout")]
    pub header_timeout: Option<Limit>,
    /// The limit from the request until the first content of a streamed answer, in milliseconds, or
    /// `false` for none: pings, blank lines and empty pieces are no content. When it passes, the
    /// next target of the chain is asked. Without it the limit is `headerTimeout` or
    /// `chunkTimeout`, whichever is longer: 300000 where neither is set.
    #[serde(rename = "firstContentTimeout")]
    pub first_content_timeout: Option<Limit>,
    /// The limit between two pieces of a streamed answer, in milliseconds, or `false` for none.
    /// Pings, blank lines and empty pieces put it off, up to three times the limit. Without it the
    /// limit is 300000.
    #[serde(rename = "chunkTimeout")]
    pub chunk_timeout: Option<Limit>,
    /// Whether a stream asks for token counts (`stream_options.include_usage`). Without it, it does.
    #[serde(rename = "includeUsage")]
    pub include_usage: Option<bool>,
    /// Body options: sent as top-level fields of each request body.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl std::fmt::Debug for ProviderOptions {
    /// Shows the names of body options but not their values, which may hold anything.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProviderOptions")
            .field("base_url", &self.base_url)
            .field("api_key", &self.api_key)
            .field("headers", &self.headers)
            .field("timeout", &self.timeout)
            .field("header_timeout", &self.header_timeout)
            .field("first_content_timeout", &self.first_content_timeout)
            .field("chunk_timeout", &self.chunk_timeout)
            .field("include_usage", &self.include_usage)
            .field("extra", &self.extra.keys().collect::<Vec<_>>())
            .finish()
    }
}
