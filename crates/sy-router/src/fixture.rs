//! Targets for the unit tests of this crate.

use std::sync::Arc;

use sy_types::{AuthScheme, Dialect, ModelInfo, ProtocolId, Target, Timeouts};
use url::Url;

/// Makes a target with nothing special about it.
pub(crate) fn target(provider: &str, model: &str) -> Target {
    Target {
        provider: Arc::from(provider),
        model: Arc::from(model),
        upstream_model: Arc::from(model),
        protocol: ProtocolId::new("openai_chat"),
        base_url: Url::parse("http://127.0.0.1:9/v1").unwrap(),
        auth: AuthScheme::None,
        dialect: Dialect::default(),
        headers: Vec::new(),
        options: serde_json::Map::new(),
        timeouts: Timeouts::default(),
        operator_configured: true,
        info: Arc::new(ModelInfo::default()),
    }
}
