//! A streamed answer as a sequence of events.
//!
//! The grammar: `Start` once, then for each block `BlockStart`, any number of `Delta`s, `BlockStop`; `Usage` at any time,
//! cumulative; `Finish` once. Blocks of different indexes may overlap (parallel tool calls). `Failed` ends a stream at any time.
//! A stream that ends without `Finish` or `Failed` broke off.

use super::message::{Citation, Media, Opaque, Signature};
use super::response::FinishReason;
use super::usage::Usage;
use crate::failure::Failure;

/// What kind of block begins.
#[derive(Clone, Debug, PartialEq)]
pub enum BlockStart {
    /// Text.
    Text,
    /// Words of refusal.
    Refusal,
    /// Reasoning.
    Reasoning {
        /// Its id, where the protocol has one.
        id: Option<String>,
        /// True for reasoning whose text is withheld.
        redacted: bool,
    },
    /// The model asks for a tool; the arguments follow as deltas.
    ToolCall {
        /// The id that the result will refer to.
        id: String,
        /// The tool's name.
        name: String,
        /// True for a custom tool, whose input is free text.
        custom: bool,
    },
    /// A whole picture or sound; no deltas follow.
    Media(Media),
    /// Something only one protocol knows; no deltas follow.
    Opaque(Opaque),
}

/// A piece of a block.
#[derive(Clone, Debug, PartialEq)]
pub enum Delta {
    /// More text, refusal or reasoning, whichever the block is.
    Text(String),
    /// More of a tool call's arguments, as text.
    Arguments(String),
    /// The proof that belongs to the block; it comes whole.
    Signature(Signature),
    /// A source of the block's text.
    Citation(Citation),
}

/// One event of a streamed answer.
#[derive(Clone, Debug, PartialEq)]
pub enum StreamEvent {
    /// The answer begins.
    Start {
        /// The provider's id of the answer.
        id: Option<String>,
        /// The model that answers, in the provider's words.
        model: Option<String>,
        /// When it was made, in unix seconds.
        created: Option<i64>,
    },
    /// A block begins.
    BlockStart {
        /// Counts up from 0 within the answer.
        index: usize,
        /// What kind of block.
        block: BlockStart,
    },
    /// A piece of a block.
    Delta {
        /// The block it belongs to.
        index: usize,
        /// The piece.
        delta: Delta,
    },
    /// A block is complete.
    BlockStop {
        /// The block.
        index: usize,
    },
    /// Token counts so far; later ones are merged over earlier ones.
    Usage(Usage),
    /// The answer is complete.
    Finish {
        /// Why it ended.
        reason: FinishReason,
        /// The stop text that ended it, where known.
        stop_sequence: Option<String>,
    },
    /// The provider reports an error inside the stream.
    Failed(Failure),
}

impl StreamEvent {
    /// Returns true for the first kind of event after which no other target may answer: something a reader could have seen.
    pub fn is_content(&self) -> bool {
        match self {
            Self::Delta { delta, .. } => match delta {
                Delta::Text(text) | Delta::Arguments(text) => !text.is_empty(),
                Delta::Signature(_) | Delta::Citation(_) => true,
            },
            Self::BlockStart { block, .. } => match block {
                BlockStart::ToolCall { .. } | BlockStart::Media(_) | BlockStart::Opaque(_) => true,
                BlockStart::Text | BlockStart::Refusal | BlockStart::Reasoning { .. } => false,
            },
            Self::Finish { .. } => true,
            Self::Start { .. } | Self::BlockStop { .. } | Self::Usage(_) | Self::Failed(_) => false,
        }
    }
}
