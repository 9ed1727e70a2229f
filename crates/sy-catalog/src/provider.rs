//! A provider and its models, as the layers together describe them.
//!
//! Made by `assemble`, kept by the catalog until a layer changes, read by everything that answers a question. A plain value
//! without behaviour.

use std::sync::Arc;

use indexmap::IndexMap;
use sy_config::Headers;
use sy_types::ModelInfo;

use crate::callable::NotCallable;
use crate::variants::{Options, Variants};

/// What the index alone tells about a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderRow {
    /// The id (`anthropic`).
    pub id: String,
    /// The display name.
    pub name: String,
    /// Environment variables that hold its key; the first set one wins.
    pub env: Vec<String>,
    /// Environment variables that its address needs, such as an account or a region.
    pub settings: Vec<String>,
    /// The package whose protocol it speaks by default.
    pub npm: String,
    /// The base URL, possibly with `${NAME}` in it; `None` where the package knows it.
    pub api: Option<String>,
    /// How many models the catalog has of it, before filters; for a provider that only the configuration knows, how many
    /// it declares. [`Provider::models`] holds those that can be used.
    pub model_count: usize,
    /// Whether the configuration has a section for it.
    pub configured: bool,
    /// Whether it cannot be called without a key: false for a server on this machine or in its network that the
    /// configuration adds without naming a key. Such a server gets a key only where one is stored for it.
    pub needs_key: bool,
}

/// A provider with its models.
#[derive(Clone, Debug)]
pub struct Provider {
    /// The facts without models.
    pub row: ProviderRow,
    /// The models that can be used, by id, in the catalog's order.
    pub models: IndexMap<String, Arc<ModelInfo>>,
    /// How each model is reached.
    pub(crate) routes: IndexMap<String, Route>,
    /// How a model is reached that is not listed.
    pub(crate) unlisted: Route,
    /// What [`Provider::callable`] returns.
    pub(crate) callable: Result<(), NotCallable>,
}

impl Provider {
    /// Returns why no model of this provider can be called, keys apart: a protocol that is not
    /// supported, an account or a region that is not set, an unknown address.
    ///
    /// # Errors
    /// The reason, with what to do about it.
    pub fn callable(&self) -> Result<(), &NotCallable> {
        self.callable.as_ref().copied()
    }
}

/// How a model is reached, besides what its provider says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Route {
    /// The id on the wire.
    pub(crate) upstream: String,
    /// The package whose protocol it speaks.
    pub(crate) npm: String,
    /// The base URL template, where somebody gave one.
    pub(crate) api: Option<String>,
    /// Whether the operator wrote the base URL.
    pub(crate) api_is_configured: bool,
    pub(crate) headers: Headers,
    /// Body options, in the words of the AI SDK.
    pub(crate) options: Options,
    /// Option sets, in the words of the AI SDK.
    pub(crate) variants: Variants,
    /// The operator's word on streaming.
    pub(crate) streaming: Option<bool>,
    /// The operator's word on a request parameter for reasoning.
    pub(crate) reasoning_param: Option<bool>,
    /// Whether anybody said where reasoning goes in the history.
    pub(crate) says_interleaved: bool,
    /// The operator's word on which of OpenAI's two protocols is spoken.
    pub(crate) shape: Option<sy_config::Shape>,
}
