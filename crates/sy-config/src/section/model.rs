//! One model as the operator adjusts or adds it, key by key as in OpenCode.
//!
//! Laid over the catalog's entry by sy-catalog. It does not check that the model exists.

use std::borrow::Cow;

use indexmap::IndexMap;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use sy_types::{Interleaved, Media, Status};

use super::header::{Headers, read_headers};

/// One model. What is not set is taken from the catalog.
#[derive(Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ModelConfig {
    /// The model's id at the provider, where it differs from the name that requests use.
    pub id: Option<String>,
    /// The display name.
    pub name: Option<String>,
    /// What it is good for, shown where models are listed in detail.
    pub description: Option<String>,
    /// The family. Example: `"claude-sonnet"`.
    pub family: Option<String>,
    /// When it was released. Example: `"2025-09-29"`.
    pub release_date: Option<String>,
    /// Whether it accepts attachments.
    pub attachment: Option<bool>,
    /// Whether it reasons before it answers.
    pub reasoning: Option<bool>,
    /// Whether it accepts `temperature`.
    pub temperature: Option<bool>,
    /// Whether it calls tools.
    pub tool_call: Option<bool>,
    /// Where earlier reasoning is sent back: `false` for nowhere, `true` for the protocol's own way, or the name of a
    /// message field, as a text or as `{"field": "reasoning_content"}`.
    #[serde(deserialize_with = "read_interleaved")]
    #[schemars(with = "Option<InterleavedSchema>")]
    pub interleaved: Option<Interleaved>,
    /// What it costs.
    pub cost: Cost,
    /// How many tokens it takes.
    pub limit: ModelLimit,
    /// Kinds of content it takes and gives.
    pub modalities: Modalities,
    /// Where its life stands. `deprecated` and `alpha` models are hidden.
    #[serde(deserialize_with = "read_status")]
    #[schemars(with = "Option<StatusSchema>")]
    pub status: Option<Status>,
    /// Where it differs from its provider.
    pub provider: ModelProvider,
    /// Body options of this model: sent as top-level fields of each request body. They win over the provider's.
    pub options: Map<String, Value>,
    /// Extra headers on requests for this model. They win over the provider's.
    #[serde(deserialize_with = "read_headers")]
    pub headers: Headers,
    /// Named sets of body options, chosen by `model:variant`. A set with `"disabled": true` is removed.
    /// Example: `{"high": {"reasoning_effort": "high"}}`.
    pub variants: IndexMap<String, Map<String, Value>>,
    /// What the model really supports. It wins over everything else that is known about it.
    pub supports: Supports,
}

impl std::fmt::Debug for ModelConfig {
    /// Shows the names of body options and variants but not their values, which may hold anything.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ModelConfig")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("description", &self.description)
            .field("family", &self.family)
            .field("release_date", &self.release_date)
            .field("attachment", &self.attachment)
            .field("reasoning", &self.reasoning)
            .field("temperature", &self.temperature)
            .field("tool_call", &self.tool_call)
            .field("interleaved", &self.interleaved)
            .field("cost", &self.cost)
            .field("limit", &self.limit)
            .field("modalities", &self.modalities)
            .field("status", &self.status)
            .field("provider", &self.provider)
            .field("options", &self.options.keys().collect::<Vec<_>>())
            .field("headers", &self.headers)
            .field("variants", &self.variants.keys().collect::<Vec<_>>())
            .field("supports", &self.supports)
            .finish()
    }
}

/// What a model costs, in US dollars per million tokens. Each price that is not set is taken from the catalog.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Cost {
    /// Prompt tokens, in US dollars per million.
    #[schemars(range(min = 0))]
    pub input: Option<f64>,
    /// Answer tokens, in US dollars per million.
    #[schemars(range(min = 0))]
    pub output: Option<f64>,
    /// Prompt tokens read from a cache, in US dollars per million.
    #[schemars(range(min = 0))]
    pub cache_read: Option<f64>,
    /// Prompt tokens written to a cache, in US dollars per million.
    #[schemars(range(min = 0))]
    pub cache_write: Option<f64>,
    /// Prices for prompts of more than 200000 tokens.
    pub context_over_200k: Option<LongContextCost>,
}

/// Prices for long prompts, in US dollars per million tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LongContextCost {
    /// Prompt tokens, in US dollars per million.
    #[schemars(range(min = 0))]
    pub input: Option<f64>,
    /// Answer tokens, in US dollars per million.
    #[schemars(range(min = 0))]
    pub output: Option<f64>,
    /// Prompt tokens read from a cache, in US dollars per million.
    #[schemars(range(min = 0))]
    pub cache_read: Option<f64>,
    /// Prompt tokens written to a cache, in US dollars per million.
    #[schemars(range(min = 0))]
    pub cache_write: Option<f64>,
}

/// How many tokens a model takes. 0 means unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ModelLimit {
    /// The whole window, in tokens.
    pub context: Option<u64>,
    /// The prompt alone, in tokens.
    pub input: Option<u64>,
    /// The answer, in tokens.
    pub output: Option<u64>,
}

/// Kinds of content a model takes and gives.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Modalities {
    /// Kinds that go in.
    #[serde(deserialize_with = "read_media")]
    #[schemars(with = "Option<Vec<MediaSchema>>")]
    pub input: Option<Vec<Media>>,
    /// Kinds that come out.
    #[serde(deserialize_with = "read_media")]
    #[schemars(with = "Option<Vec<MediaSchema>>")]
    pub output: Option<Vec<Media>>,
}

/// Where a model differs from its provider.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ModelProvider {
    /// The AI SDK package whose wire protocol this model speaks.
    pub npm: Option<String>,
    /// The base URL for this model.
    pub api: Option<String>,
    /// Which of OpenAI's two protocols this model is called in, where its package speaks both. Without it, a client's own
    /// protocol is kept.
    pub shape: Option<Shape>,
}

/// One of OpenAI's two chat protocols.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// Chat completions.
    Completions,
    /// Responses.
    Responses,
}

/// What a model really supports; not set means that nobody said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Supports {
    /// Whether it takes pictures.
    pub vision: Option<bool>,
    /// Whether it calls tools. The spelling `function-calling` is read as well.
    pub function_calling: Option<bool>,
    /// Whether it streams. When false, a stream is made of the whole answer.
    pub streaming: Option<bool>,
    /// Whether it accepts a request parameter for reasoning.
    pub reasoning_param: Option<bool>,
}

/// The schema of `interleaved`.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
enum InterleavedSchema {
    Switch(bool),
    Field(String),
    Object(InterleavedField),
}

/// The object form of `interleaved`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
struct InterleavedField {
    /// The name of the message field.
    field: String,
}

struct StatusSchema;

impl JsonSchema for StatusSchema {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Status".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "enum": ["alpha", "beta", "deprecated", "active"] })
    }
}

struct MediaSchema;

impl JsonSchema for MediaSchema {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Media".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "enum": ["text", "audio", "image", "video", "pdf"] })
    }
}

fn read_interleaved<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Interleaved>, D::Error> {
    let read = Option::<InterleavedSchema>::deserialize(deserializer)?;
    Ok(read.map(|read| match read {
        InterleavedSchema::Switch(false) => Interleaved::No,
        InterleavedSchema::Switch(true) => Interleaved::Yes,
        InterleavedSchema::Field(field) | InterleavedSchema::Object(InterleavedField { field }) => {
            Interleaved::Field(field)
        }
    }))
}

fn read_status<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Status>, D::Error> {
    let Some(word) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
    match word.as_str() {
        "alpha" => Ok(Some(Status::Alpha)),
        "beta" => Ok(Some(Status::Beta)),
        "deprecated" => Ok(Some(Status::Deprecated)),
        "active" => Ok(Some(Status::Active)),
        _ => Err(D::Error::custom("expected alpha, beta, deprecated or active")),
    }
}

fn read_media<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<Media>>, D::Error> {
    let Some(words) = Option::<Vec<String>>::deserialize(deserializer)? else { return Ok(None) };
    let unknown = || D::Error::custom("expected text, audio, image, video or pdf");
    words
        .iter()
        .map(|word| Media::parse(word).ok_or_else(unknown))
        .collect::<Result<_, _>>()
        .map(Some)
}
