//! Embeddings: texts in, vectors out, in the two wires that are in use.
//!
//! Called by the server (a client's request and its answer) and the router (a provider's). Where client and provider speak the
//! same wire the caller relays ([`relay`] patches the model and nothing else); else it decodes with one wire and encodes with the
//! other. It deliberately does not split large batches: the limits are the provider's.

mod gemini;
mod openai;
mod vector;

use bytes::Bytes;
use serde_json::{Map, Value};
use sy_types::chat::{Dropped, Usage};
use sy_types::{CallBody, Failure, ProtocolId, Target};

use crate::ids::{GEMINI_GENERATE, OPENAI_CHAT, OPENAI_RESPONSES, ZAI_CHAT};

/// A wire on which embeddings are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmbedWire {
    /// OpenAI's `/embeddings`, which nearly every vendor speaks.
    OpenAi,
    /// Gemini's `:embedContent`: one text in, one vector out.
    GeminiOne,
    /// Gemini's `:batchEmbedContents`.
    GeminiBatch,
}

impl EmbedWire {
    /// Returns the wire on which a target of the given protocol is asked, or `None` where it has no embeddings.
    pub fn of(protocol: ProtocolId) -> Option<Self> {
        match protocol {
            OPENAI_CHAT | OPENAI_RESPONSES | ZAI_CHAT => Some(Self::OpenAi),
            GEMINI_GENERATE => Some(Self::GeminiBatch),
            _ => None,
        }
    }

    /// Returns the path that is appended to the target's base URL.
    pub fn path(self, target: &Target) -> String {
        let model = || crate::gemini_generate::model_path(&target.upstream_model);
        match self {
            Self::OpenAi => "/embeddings".to_owned(),
            Self::GeminiOne => format!("{}:embedContent", model()),
            Self::GeminiBatch => format!("{}:batchEmbedContents", model()),
        }
    }
}

/// One thing to embed.
#[derive(Clone, Debug, PartialEq)]
pub enum EmbedInput {
    /// A text.
    Text(String),
    /// A text as tokens of the model's own tokenizer: opaque to everybody else.
    Tokens(Vec<u64>),
}

/// How vectors are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// As JSON numbers.
    #[default]
    Float,
    /// As base64 of little-endian 32-bit floats.
    Base64,
}

/// What is to be embedded, and how.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EmbedRequest {
    /// The model as the caller named it.
    pub model: String,
    /// What to embed, in order.
    pub inputs: Vec<EmbedInput>,
    /// How many dimensions a vector is to have.
    pub dimensions: Option<u64>,
    /// How the caller wants vectors written.
    pub encoding: Encoding,
    /// What the vectors are for, in Gemini's words (`RETRIEVAL_QUERY`).
    pub task_type: Option<String>,
    /// The title of the document that the text is of.
    pub title: Option<String>,
    /// An id of the end user.
    pub user: Option<String>,
    /// The caller's fields that have no place in this form.
    pub unmapped: Vec<Dropped>,
}

/// The vectors.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EmbedResponse {
    /// The model that answered, in the provider's words.
    pub model: Option<String>,
    /// One vector for each input, in order.
    pub vectors: Vec<Vec<f32>>,
    /// Token counts, where reported.
    pub usage: Option<Usage>,
}

/// A body made from the canonical request.
#[derive(Clone, Debug)]
pub struct BuiltEmbed {
    /// The body.
    pub body: Map<String, Value>,
    /// What could not be carried, the decoder's own list included.
    pub dropped: Vec<Dropped>,
}

/// Reads a client's request. `model` is the one in the path, for wires that name it there.
///
/// # Errors
/// `Invalid`, naming the field, what was expected and what came.
pub fn decode_request(
    wire: EmbedWire,
    body: &[u8],
    model: Option<&str>,
) -> Result<EmbedRequest, Failure> {
    match wire {
        EmbedWire::OpenAi => openai::decode_request(body),
        EmbedWire::GeminiOne => gemini::decode_one(body, model),
        EmbedWire::GeminiBatch => gemini::decode_batch(body, model),
    }
}

/// Makes the body for a provider. The target's options are merged in where the body lacks them.
///
/// # Errors
/// `Unsupported` when an input cannot be expressed on the wire.
pub fn build(
    wire: EmbedWire,
    request: &EmbedRequest,
    target: &Target,
) -> Result<BuiltEmbed, Failure> {
    let mut built = match wire {
        EmbedWire::OpenAi => openai::build(request, target),
        EmbedWire::GeminiOne => gemini::build_one(request, target)?,
        EmbedWire::GeminiBatch => gemini::build_batch(request, target)?,
    };
    crate::face::merge_missing(&mut built.body, &target.options);
    built.dropped.splice(0..0, request.unmapped.iter().cloned());
    Ok(built)
}

/// Patches the model into the body of a client that speaks the provider's wire.
///
/// # Errors
/// `Invalid` when the body is not a JSON object.
pub fn relay(wire: EmbedWire, body: &Bytes, target: &Target) -> Result<CallBody, Failure> {
    match wire {
        EmbedWire::OpenAi => openai::relay(body, target),
        EmbedWire::GeminiOne | EmbedWire::GeminiBatch => gemini::relay(body, target),
    }
}

/// Reads a provider's answer of status 200.
///
/// # Errors
/// `Malformed` when it cannot be read, or the failure that the body reports.
pub fn decode_response(wire: EmbedWire, body: &[u8]) -> Result<EmbedResponse, Failure> {
    match wire {
        EmbedWire::OpenAi => openai::decode_response(body),
        EmbedWire::GeminiOne | EmbedWire::GeminiBatch => gemini::decode_response(body),
    }
}

/// Writes the answer for a client.
pub fn encode_response(wire: EmbedWire, request: &EmbedRequest, response: &EmbedResponse) -> Bytes {
    let value = match wire {
        EmbedWire::OpenAi => openai::encode_response(request, response),
        EmbedWire::GeminiOne => gemini::encode_one(response),
        EmbedWire::GeminiBatch => gemini::encode_batch(response),
    };
    Bytes::from(crate::json::write(&value))
}

#[cfg(test)]
mod tests;
