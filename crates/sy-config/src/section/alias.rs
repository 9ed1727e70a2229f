//! Names for models: aliases and the defaults.
//!
//! Read by the router when it plans a request. It does not check that a model exists; the catalog knows that.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A name of the operator's own for a model or for an order of fallbacks.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Alias {
    /// One model, as `provider/model` or as another alias.
    One(String),
    /// An order of fallbacks; the first that answers wins.
    #[schemars(with = "NonEmpty")]
    Chain(Vec<String>),
}

impl Alias {
    /// Returns the names it stands for, in order.
    pub fn names(&self) -> &[String] {
        match self {
            Self::One(name) => std::slice::from_ref(name),
            Self::Chain(names) => names,
        }
    }
}

/// Which models answer by default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ModelDefaults {
    /// The default model and what stands in for it. The form `models.defaults.model.primary` (and `.fallbacks`) is read
    /// as well.
    pub defaults: DefaultModels,
}

/// The default model and what stands in for it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DefaultModels {
    /// The model that answers when a request names none, as `provider/model` or alias. `model` wins over it.
    pub primary: Option<String>,
    /// Models that are asked, in order, when the default model fails before it answered.
    pub fallbacks: Vec<String>,
}

/// The schema of a list with at least one name.
#[derive(JsonSchema)]
#[schemars(inline)]
struct NonEmpty(
    #[expect(dead_code, reason = "read by the schema derive only")]
    #[schemars(length(min = 1))]
    Vec<String>,
);
