//! One model at one place, and how that place likes to be spoken to.
//!
//! Made by sy-catalog from data; read by sy-protocol (dialect), sy-credentials (auth scheme) and sy-router (timeouts).
//! A vendor is a row of these values. Nothing here names a vendor.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use serde_json::{Map, Value};
use url::Url;

use crate::call::AuthScheme;
use crate::model::ModelInfo;

/// The id of a wire protocol. Opaque: only sy-protocol knows what one means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProtocolId(&'static str);

impl ProtocolId {
    /// Names a protocol. That the name is registered is checked when the server is put together.
    pub const fn new(name: &'static str) -> Self {
        Self(name)
    }

    /// Returns the name.
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

impl std::fmt::Display for ProtocolId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

/// The request field that limits the answer's length, in the chat completions family.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MaxTokensField {
    /// `max_tokens`, which nearly every vendor accepts.
    #[default]
    MaxTokens,
    /// `max_completion_tokens`, which OpenAI's reasoning models demand.
    MaxCompletionTokens,
}

/// How reasoning is asked for in the chat completions family.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReasoningRequest {
    /// `reasoning_effort: "low"`.
    #[default]
    Effort,
    /// `reasoning: {effort | max_tokens | enabled}` (OpenRouter).
    Object,
    /// `thinking: {type: enabled | disabled}` (Z.AI, Moonshot, MiMo).
    Thinking,
    /// It cannot be asked for.
    None,
}

/// Which JSON Schema rewriting the target needs for tool parameters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SchemaRules {
    /// Sent as it came.
    #[default]
    Any,
    /// `$ref` has no siblings and `items` is one schema (Moonshot, Kimi).
    Moonshot,
    /// The OpenAPI subset that Gemini takes.
    Gemini,
}

/// Which tool-call ids the target accepts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ToolCallIds {
    /// Any text.
    #[default]
    Any,
    /// Exactly nine of `[A-Za-z0-9]` (Mistral).
    NineAlphanumeric,
    /// Only `[A-Za-z0-9_-]` (Claude).
    WordCharacters,
}

/// Which tool names the target accepts: `[A-Za-z0-9_-]`, within these limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ToolNames {
    /// The most characters.
    pub longest: usize,
    /// True when the first must be a letter or `_` (Gemini, Moonshot).
    pub letter_first: bool,
}

impl Default for ToolNames {
    /// 64 characters, beginning with any of them: what OpenAI and Claude accept, and all who follow them.
    fn default() -> Self {
        Self { longest: 64, letter_first: false }
    }
}

/// Which forms of structured output the target knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StructuredOutput {
    /// A JSON Schema.
    #[default]
    JsonSchema,
    /// Only "answer with a JSON object".
    JsonObject,
}

/// How a vendor differs within its protocol: values, never logic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dialect {
    /// The field that limits the answer's length.
    pub max_tokens_field: MaxTokensField,
    /// True when system instructions are sent with the role `developer`.
    pub developer_role: bool,
    /// True when a stream that we build asks for usage (`stream_options.include_usage`).
    pub stream_options: bool,
    /// True when usage is asked for even on a relayed stream whose client did not ask; its extra frame is then kept back.
    pub force_usage: bool,
    /// How reasoning is asked for.
    pub reasoning_request: ReasoningRequest,
    /// The assistant-message field in which earlier reasoning is sent back, if the target wants it back.
    pub reasoning_history: Option<&'static str>,
    /// Which tool-call ids are accepted.
    pub tool_call_ids: ToolCallIds,
    /// Which tool names are accepted.
    pub tool_names: ToolNames,
    /// Which schema rewriting tool parameters need.
    pub schema_rules: SchemaRules,
    /// Which forms of structured output are known.
    pub structured_output: StructuredOutput,
    /// True when the place runs its protocol's own tools: web search, reading of pages, code.
    pub hosted_tools: bool,
    /// True when a tool choice other than `auto` is accepted.
    pub forced_tool_choice: bool,
    /// False when the target must be called without streaming; a stream is then made of the whole answer.
    pub streaming: bool,
    /// True when temperature may be sent.
    pub temperature: bool,
    /// True when models put their reasoning between `<think>` and `</think>` in front of the answer's text.
    pub think_tags: bool,
    /// True when the place reads the billing line that its own client puts into the system prompt; elsewhere the line, which
    /// changes with each request, keeps prompts from being found in a cache, and is left out.
    pub billing_line: bool,
}

impl Default for Dialect {
    fn default() -> Self {
        Self {
            max_tokens_field: MaxTokensField::MaxTokens,
            developer_role: false,
            stream_options: true,
            force_usage: false,
            reasoning_request: ReasoningRequest::Effort,
            reasoning_history: Some("reasoning_content"),
            tool_call_ids: ToolCallIds::Any,
            tool_names: ToolNames::default(),
            schema_rules: SchemaRules::Any,
            structured_output: StructuredOutput::JsonSchema,
            hosted_tools: false,
            forced_tool_choice: true,
            streaming: true,
            temperature: true,
            think_tags: false,
            billing_line: false,
        }
    }
}

/// How long to wait for what. Every limit is separate; none implies another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Until the connection stands.
    pub connect: Duration,
    /// From the request until the response headers.
    pub first_byte: Duration,
    /// From the request until the first content of a streamed answer: signs of life do not count.
    pub first_content: Duration,
    /// Between two chunks of a body. Signs of life put it off, but not for ever.
    pub idle: Duration,
    /// The whole exchange; `None` for no limit.
    pub total: Option<Duration>,
}

impl Default for Timeouts {
    /// 10 s to connect, 300 s to the first byte, 300 s between chunks (the values OpenCode uses),
    /// 300 s to the first content (models that think long say nothing for minutes), no total limit.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            first_byte: Duration::from_secs(300),
            first_content: Duration::from_secs(300),
            idle: Duration::from_secs(300),
            total: None,
        }
    }
}

/// A model at a place: everything needed to call it except the credential.
#[derive(Clone, Debug)]
pub struct Target {
    /// The provider's id (`anthropic`).
    pub provider: Arc<str>,
    /// The model's id within the provider, as our users name it.
    pub model: Arc<str>,
    /// The model's id on the wire.
    pub upstream_model: Arc<str>,
    /// Which protocol is spoken there.
    pub protocol: ProtocolId,
    /// The base URL without a trailing slash; the protocol appends its path to it, keeping the base path as it is.
    pub base_url: Url,
    /// How the credential is shown.
    pub auth: AuthScheme,
    /// How this place differs within its protocol.
    pub dialect: Dialect,
    /// Extra headers from configuration and data. They override the protocol's own.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Extra top-level body fields from configuration, data and the chosen variant. The caller's own fields win.
    pub options: Map<String, Value>,
    /// How long to wait for what.
    pub timeouts: Timeouts,
    /// True where the operator configured this address, so that private ranges are allowed.
    pub operator_configured: bool,
    /// What the catalog knows about the model.
    pub info: Arc<ModelInfo>,
}

impl Target {
    /// Returns `provider/model`, the full name of the target.
    pub fn name(&self) -> String {
        format!("{}/{}", self.provider, self.model)
    }
}
