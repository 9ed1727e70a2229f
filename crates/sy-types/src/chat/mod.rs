//! The canonical chat: what every protocol is translated into and out of.
//!
//! Decoders of sy-protocol make these values, encoders read them, the router looks at a few of them. They are wide enough to
//! carry what two protocols have in common and honest about the rest: what has no place here is listed as [`Dropped`].

pub mod event;
pub mod message;
pub mod request;
pub mod response;
pub mod tool;
pub mod usage;

pub use event::{BlockStart, Delta, StreamEvent};
pub use message::{
    Citation, ImageDetail, Media, Message, Opaque, Part, Reasoning, Role, Signature, Source, Text, ToolCall, ToolResult,
};
pub use request::{ChatRequest, Dropped, Effort, OutputFormat, ReasoningOptions, Sampling};
pub use response::{ChatResponse, FinishReason, Fold};
pub use tool::{Tool, ToolChoice, ToolKind};
pub use usage::Usage;
