//! The oddities of this wire, table by table.

mod build;
mod relay;
mod request;
mod stream;

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Map, Value};
use sy_types::chat::ChatRequest;
use sy_types::{AuthScheme, Dialect, Failure, ModelInfo, Target, Timeouts};

use super::GeminiGenerate;
use crate::face::Hints;
use crate::ids::GEMINI_GENERATE;
use crate::inbound::Inbound;

static FACE: GeminiGenerate = GeminiGenerate;

fn target(model: &str) -> Target {
    Target {
        provider: Arc::from("google"),
        model: Arc::from(model),
        upstream_model: Arc::from(model),
        protocol: GEMINI_GENERATE,
        base_url: "https://api.test/v1beta".parse().unwrap(),
        auth: AuthScheme::None,
        dialect: Dialect::default(),
        headers: Vec::new(),
        options: Map::new(),
        timeouts: Timeouts::default(),
        operator_configured: false,
        info: Arc::new(ModelInfo::default()),
    }
}

fn inbound(body: &Value, stream: bool, sse: bool) -> Inbound {
    let hints = Hints { model: Some("models/gemini-x".to_owned()), stream, sse };
    Inbound::parse(&FACE, Bytes::from(body.to_string()), &hints).unwrap()
}

fn decoded(body: &Value) -> Result<ChatRequest, Failure> {
    inbound(body, false, true).chat().cloned()
}
