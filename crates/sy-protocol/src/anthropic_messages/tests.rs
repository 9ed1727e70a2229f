//! What both faces do with the odd cases, as tables.

#![expect(clippy::needless_pass_by_value, reason = "payloads are written where they are used")]

mod build;
mod request;
mod stream;

use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;
use sy_types::chat::ChatRequest;
use sy_types::{AuthScheme, Dialect, Failure, Limits, ModelInfo, Target, Timeouts};
use url::Url;

use super::AnthropicMessages;
use crate::face::{Hints, ReplyInfo};
use crate::ids::ANTHROPIC_MESSAGES;
use crate::inbound::Inbound;

fn inbound(body: &Value) -> Inbound {
    Inbound::parse(&AnthropicMessages, Bytes::from(body.to_string()), &Hints::default()).unwrap()
}

fn decode(body: &Value) -> Result<ChatRequest, Failure> {
    inbound(body).chat().cloned()
}

fn info(inbound: &Inbound) -> ReplyInfo<'_> {
    ReplyInfo { inbound, request_id: "req_1", now: 0 }
}

fn target(model: &str) -> Target {
    Target {
        provider: Arc::from("p"),
        model: Arc::from(model),
        upstream_model: Arc::from(model),
        protocol: ANTHROPIC_MESSAGES,
        base_url: Url::parse("https://api.test/v1").unwrap(),
        auth: AuthScheme::None,
        dialect: Dialect::default(),
        headers: Vec::new(),
        options: serde_json::Map::new(),
        timeouts: Timeouts::default(),
        operator_configured: false,
        info: Arc::new(ModelInfo {
            limits: Limits { context: 200_000, input: None, output: 64_000 },
            ..ModelInfo::default()
        }),
    }
}
