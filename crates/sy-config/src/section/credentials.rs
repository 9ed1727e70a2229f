//! Where keys for providers come from.
//!
//! Read by sy-credentials. It holds no key itself.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where keys for providers come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CredentialSettings {
    /// When true, keys that OpenCode keeps in its `auth.json` are used as well. They are only read, never changed.
    pub opencode_auth: bool,
    /// The set of stored accounts to use. Several sets let one machine keep, say, work and private accounts apart.
    #[schemars(length(min = 1))]
    pub profile: String,
}

impl Default for CredentialSettings {
    fn default() -> Self {
        Self { opencode_auth: true, profile: "default".to_owned() }
    }
}
