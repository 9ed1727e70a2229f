//! Pure translation between wire bytes and the canonical chat, in both directions, with no network.
//!
//! Map of this crate:
//! - [`face`]: the two faces a protocol may have: [`Upstream`] (we speak it to a provider) and [`Downstream`] (a client
//!   speaks it to us), with the stream machines behind them.
//! - `ids`, [`registry`]: the names of the protocols, and the table of their faces, one line each.
//! - [`inbound`]: a client's request, looked into only as far as needed.
//! - [`patch`]: changes a few top-level fields of a JSON body and shares the rest of its bytes.
//! - [`frame`]: bytes of a stream to frames (SSE, newline-delimited JSON) and back.
//! - [`embeddings`]: texts to vectors, in the two wires in use.
//! - [`json`]: JSON that survives lone surrogates and bad UTF-8.
//! - [`weight`]: what a JSON text will cost once it is decoded.
//! - `tools`: names, schemas, hosted tools and results, brought into a form that the target takes, and back.
//! - `conversation`: what every provider needs of a conversation, done once behind a client's decoder.
//! - `fields`, `failure`, `logprobs`, `media`, `gemini_schema`, `reasoning`, `schema`, `signature`, `think`: what the protocol folders share.
//! - one folder per protocol.
//!
//! Nothing here knows a vendor, a credential, a socket or a clock.

mod anthropic_messages;
mod blank;
mod conversation;
pub mod embeddings;
pub mod face;
mod failure;
mod fields;
pub mod frame;
mod gemini_generate;
mod gemini_schema;
mod ids;
pub mod inbound;
pub mod json;
mod logprobs;
mod media;
mod ollama_chat;
mod openai_chat;
mod openai_responses;

pub mod patch;
mod reasoning;
pub mod registry;
mod schema;
mod signature;
mod think;
mod tools;
pub mod weight;
mod zai_chat;

pub use blank::is_blank;
pub use face::{
    Built, Downstream, Encoded, Hints, Outgoing, ReplyInfo, StreamDecoder, StreamEncoder,
    StreamForm, Upstream, decode_response, encode, stream_decoder,
};
pub use frame::{Batch, Frame, FrameReader, Framing};
pub use inbound::{Head, Inbound};
pub use registry::{Entry, REGISTRY, downstream, legacy_completions, upstream};
pub use tools::ToolAnswers;
