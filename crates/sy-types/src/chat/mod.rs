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
    Citation, ImageDetail, Media, Message, Opaque, Part, Reasoning, Role, Signature, Source, Text,
    ToolCall, ToolResult,
};
pub use request::{Change, ChatRequest, Dropped, Effort, OutputFormat, ReasoningOptions, Sampling};
pub use response::{ChatResponse, Choice, FinishReason, Fold, TokenLogprob};
pub use tool::{Tool, ToolChoice, ToolKind};
pub use usage::Usage;

/// Returns the text in a form that people can read: halves of surrogate pairs, which pass through this program as private-use
/// characters (see `sy_protocol::json`), become the replacement character.
pub fn readable(text: &str) -> std::borrow::Cow<'_, str> {
    const STAND_INS: std::ops::RangeInclusive<char> = '\u{10F800}'..='\u{10FFFF}';
    if !text.contains(|c| STAND_INS.contains(&c)) {
        return std::borrow::Cow::Borrowed(text);
    }
    let replace = |c| if STAND_INS.contains(&c) { char::REPLACEMENT_CHARACTER } else { c };
    std::borrow::Cow::Owned(text.chars().map(replace).collect())
}

#[cfg(test)]
mod tests {
    #[test]
    fn halves_of_pairs_are_shown_as_unreadable() {
        assert_eq!(super::readable("a\u{10F83D}b"), "a\u{fffd}b");
        assert!(matches!(super::readable("plain 👍"), std::borrow::Cow::Borrowed(_)));
    }
}
