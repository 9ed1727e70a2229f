//! The OpenAPI document, made from the handlers' own annotations.
//!
//! The chat formats belong to their vendors and are described there in full; here stands what this server itself reads.

use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{HeaderBuilder, RefOr};
use utoipa::{Modify, OpenApi, ToSchema};

/// A request in OpenAI's chat completions format; further fields are passed on.
#[derive(Serialize, ToSchema)]
pub(super) struct ChatCompletionsRequest {
    /// `provider/model`, an alias, or a bare id that only one connected provider has. Without it, the default model answers.
    #[schema(example = "anthropic/claude-sonnet-4-5")]
    #[schema(required = false)]
    model: String,
    /// The conversation.
    messages: Vec<Map<String, Value>>,
    /// Whether the answer is to be streamed.
    #[schema(required = false)]
    stream: bool,
}

/// A request in OpenAI's legacy completions format; further fields are passed on.
#[derive(Serialize, ToSchema)]
pub(super) struct CompletionsRequest {
    /// `provider/model`, an alias, or a bare id that only one connected provider has. Without it, the default model answers.
    #[schema(example = "openai/gpt-3.5-turbo-instruct")]
    #[schema(required = false)]
    model: String,
    /// A text, a list of texts, or tokens.
    prompt: Value,
    /// Whether the answer is to be streamed.
    #[schema(required = false)]
    stream: bool,
}

/// A request in OpenAI's responses format; further fields are passed on.
#[derive(Serialize, ToSchema)]
pub(super) struct ResponsesRequest {
    /// `provider/model`, an alias, or a bare id that only one connected provider has. Without it, the default model answers.
    #[schema(example = "openai/gpt-5")]
    #[schema(required = false)]
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
    /// `provider/model`, an alias, or a bare id that only one connected provider has. Without it, the default model answers.
    #[schema(example = "anthropic/claude-sonnet-4-5")]
    #[schema(required = false)]
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
    /// `provider/model`, an alias, or a bare id that only one connected provider has. Without it, the default model answers.
    #[schema(example = "openai/text-embedding-3-small")]
    #[schema(required = false)]
    model: String,
    /// A text or a list of texts.
    input: Value,
}

/// An answer in OpenAI's chat completions format; further fields are the provider's.
#[derive(Serialize, ToSchema)]
pub(super) struct ChatCompletionsAnswer {
    /// The answer's id.
    id: String,
    /// `chat.completion`; `chat.completion.chunk` in the events of a stream.
    object: String,
    /// Unix seconds.
    created: i64,
    /// The model that answered.
    model: String,
    /// What was answered.
    choices: Vec<Map<String, Value>>,
    /// What it cost in tokens.
    #[schema(required = false)]
    usage: Map<String, Value>,
}

/// An answer in OpenAI's legacy completions format; further fields are the provider's.
#[derive(Serialize, ToSchema)]
pub(super) struct CompletionsAnswer {
    /// The answer's id.
    id: String,
    /// `text_completion`.
    object: String,
    /// The model that answered.
    model: String,
    /// What was answered.
    choices: Vec<Map<String, Value>>,
}

/// An answer in OpenAI's responses format; further fields are the provider's.
#[derive(Serialize, ToSchema)]
pub(super) struct ResponsesAnswer {
    /// The answer's id.
    id: String,
    /// `response`.
    object: String,
    /// `completed`, `incomplete` or `failed`.
    status: String,
    /// The model that answered.
    model: String,
    /// What was answered.
    output: Vec<Map<String, Value>>,
    /// What it cost in tokens.
    #[schema(required = false)]
    usage: Map<String, Value>,
}

/// An answer in Anthropic's messages format; further fields are the provider's.
#[derive(Serialize, ToSchema)]
pub(super) struct MessagesAnswer {
    /// The answer's id.
    id: String,
    /// `message`.
    r#type: String,
    /// `assistant`.
    role: String,
    /// The model that answered.
    model: String,
    /// What was answered.
    content: Vec<Map<String, Value>>,
    /// Why it ended.
    #[schema(nullable)]
    stop_reason: Option<String>,
    /// What it cost in tokens.
    usage: Map<String, Value>,
}

/// An answer in Gemini's generateContent format. Counts and vectors have the fields of their actions instead.
#[derive(Serialize, ToSchema)]
pub(super) struct GenerateContentAnswer {
    /// What was answered.
    #[schema(required = false)]
    candidates: Vec<Map<String, Value>>,
    /// What it cost in tokens.
    #[schema(required = false)]
    #[serde(rename = "usageMetadata")]
    usage_metadata: Map<String, Value>,
}

/// The number of tokens of a prompt.
#[derive(Serialize, ToSchema)]
pub(super) struct TokenCount {
    /// The number.
    input_tokens: u64,
}

/// Vectors, in OpenAI's format.
#[derive(Serialize, ToSchema)]
pub(super) struct EmbeddingsAnswer {
    /// `list`.
    object: String,
    /// One entry for each text.
    data: Vec<Map<String, Value>>,
    /// The model that answered.
    model: String,
}

/// The models, in OpenAI's format. Anthropic's and Gemini's clients get their own.
#[derive(Serialize, ToSchema)]
pub(super) struct ModelList {
    /// `list`.
    object: String,
    /// The models.
    data: Vec<Model>,
}

/// A model, in OpenAI's format. Anthropic's and Gemini's clients get their own.
#[derive(Serialize, ToSchema)]
pub(super) struct Model {
    /// What a request names.
    id: String,
    /// `model`.
    object: String,
    /// Unix seconds of its release; 0 where that is not known.
    created: i64,
    /// The provider.
    owned_by: String,
}

/// What this server is.
#[derive(Serialize, ToSchema)]
pub(super) struct Welcome {
    /// `switchyard`.
    name: String,
    /// Where its description is.
    description: String,
}

/// How the server or a part of it is.
#[derive(Serialize, ToSchema)]
pub(super) struct Status {
    /// `ok` or `stopping`.
    status: String,
}

/// How the server is. Without the token, `status` is all there is.
#[derive(Serialize, ToSchema)]
pub(super) struct Health {
    /// `healthy` or `degraded`; `unhealthy` while it stops.
    status: String,
    /// When that was so.
    #[schema(required = false)]
    timestamp: String,
    /// The server's version.
    #[schema(required = false)]
    version: String,
    /// Seconds since it began.
    #[schema(required = false)]
    uptime: f64,
    /// The connected providers.
    #[schema(required = false)]
    checks: Map<String, Value>,
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
        super::openai::completions,
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
    servers((url = "/", description = "this server; the routes below /v1 are served without it as well")),
    security(("token" = [])),
    modifiers(&Token, &BothVersions, &OwnHeaders)
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

/// The headers that this server puts on answers of its own, and on those of providers.
struct OwnHeaders;

const ALWAYS: [(&str, &str); 1] =
    [("x-request-id", "the request's id: the caller's own, or one made here")];
const ROUTED: [(&str, &str); 4] = [
    ("x-switchyard-provider", "the provider that answered, or was asked last"),
    ("x-switchyard-model", "the model that answered, or was asked last"),
    ("x-switchyard-attempts", "how many calls were made"),
    ("x-switchyard-dropped", "what of the request the model could not take"),
];

impl Modify for OwnHeaders {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        for item in document.paths.paths.values_mut() {
            describe_headers(item.get.as_mut(), &ALWAYS);
            describe_headers(item.post.as_mut(), &ALWAYS);
            // What is posted goes to a provider.
            describe_headers(item.post.as_mut(), &ROUTED);
        }
    }
}

fn describe_headers(operation: Option<&mut Operation>, headers: &[(&str, &str)]) {
    let Some(operation) = operation else { return };
    for response in operation.responses.responses.values_mut() {
        let RefOr::T(response) = response else { continue };
        for (name, description) in headers {
            let header = HeaderBuilder::new().description(Some(*description)).build();
            response.headers.insert((*name).to_owned(), RefOr::T(header));
        }
    }
}

/// Returns the document.
pub(super) fn document() -> Value {
    serde_json::to_value(Api::openapi()).unwrap_or_default()
}
