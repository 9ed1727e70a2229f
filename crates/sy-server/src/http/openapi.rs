//! The OpenAPI document, made from the handlers' own annotations.
//!
//! The chat formats belong to their vendors and are described there in full; here stands what this server itself reads.

use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi, ToSchema};

/// A request in OpenAI's chat completions format; further fields are passed on.
#[derive(Serialize, ToSchema)]
pub(super) struct ChatCompletionsRequest {
    /// `provider/model`, an alias, or a bare id that only one connected provider has.
    #[schema(example = "anthropic/claude-sonnet-4-5")]
    model: String,
    /// The conversation.
    messages: Vec<Map<String, Value>>,
    /// Whether the answer is to be streamed.
    #[schema(required = false)]
    stream: bool,
}

/// A request in OpenAI's responses format; further fields are passed on.
#[derive(Serialize, ToSchema)]
pub(super) struct ResponsesRequest {
    /// `provider/model`, an alias, or a bare id that only one connected provider has.
    #[schema(example = "openai/gpt-5")]
    model: String,
    /// The conversation: a text or a list of items.
    input: Value,
    /// Whether the answer is to be streamed.
    #[schema(required = false)]
    stream: bool,
}

/// A request in Anthropic's messages format; further fields are passed on.
#[derive(Serialize, ToSchema)]
pub(super) struct MessagesRequest {
    /// `provider/model`, an alias, or a bare id that only one connected provider has.
    #[schema(example = "anthropic/claude-sonnet-4-5")]
    model: String,
    /// The most tokens that the answer may have.
    max_tokens: u64,
    /// The conversation.
    messages: Vec<Map<String, Value>>,
    /// Whether the answer is to be streamed.
    #[schema(required = false)]
    stream: bool,
}

/// A request in Gemini's generateContent format; further fields are passed on.
#[derive(Serialize, ToSchema)]
pub(super) struct GenerateContentRequest {
    /// The conversation.
    contents: Vec<Map<String, Value>>,
}

/// A request for vectors; further fields are passed on.
#[derive(Serialize, ToSchema)]
pub(super) struct EmbeddingsRequest {
    /// `provider/model`, an alias, or a bare id that only one connected provider has.
    #[schema(example = "openai/text-embedding-3-small")]
    model: String,
    /// A text or a list of texts.
    input: Value,
}

/// A failure, in OpenAI's shape. The other surfaces use the shape of their own protocol.
#[derive(Serialize, ToSchema)]
pub(super) struct ErrorAnswer {
    /// What went wrong: `message`, `type`, `code`, `param`.
    error: Map<String, Value>,
}

#[derive(OpenApi)]
#[openapi(
    info(title = "Switchyard", description = "One server between every AI client and every model."),
    paths(
        super::openai::chat_completions,
        super::openai::responses,
        super::openai::input_tokens,
        super::openai::embeddings,
        super::anthropic::messages,
        super::anthropic::count,
        super::gemini::act,
        super::models::list,
        super::models::show,
        super::system::welcome,
        super::system::health,
        super::system::livez,
        super::system::readyz,
        super::system::metrics,
        super::system::openapi,
        super::system::config_schema,
    ),
    security(("token" = [])),
    modifiers(&Token, &BothVersions)
)]
struct Api;

struct Token;

impl Modify for Token {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        document
            .components
            .get_or_insert_default()
            .add_security_scheme("token", SecurityScheme::Http(scheme));
    }
}

/// Routes below `/v1/models` and `/v1beta/models` are the same; each handler names one of them.
struct BothVersions;

impl Modify for BothVersions {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let paths = &mut document.paths.paths;
        for path in ["/models", "/models/{id}"] {
            let [first, second] = ["/v1", "/v1beta"].map(|version| format!("{version}{path}"));
            let mut item = paths.get(&first).cloned().unwrap_or_default();
            if let Some(other) = paths.get(&second) {
                item.merge_operations(other.clone());
            }
            paths.insert(first, item.clone());
            for operation in [&mut item.get, &mut item.post].into_iter().flatten() {
                operation.operation_id =
                    operation.operation_id.take().map(|id| format!("{id}_v1beta"));
            }
            paths.insert(second, item);
        }
    }
}

/// Returns the document.
pub(super) fn document() -> Value {
    serde_json::to_value(Api::openapi()).unwrap_or_default()
}
