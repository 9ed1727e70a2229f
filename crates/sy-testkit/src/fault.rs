//! What can go wrong with a provider, and the script that makes it go wrong.

use crate::script::{End, Script};
use crate::wire::Wire;

/// The number of content events before a fault goes up to this.
pub const WORDS: usize = 20;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The connection ends without the stream's end.
    Drop,
    /// The dialect's own error event.
    InBand,
    /// Nothing more comes.
    Stall,
    /// The connection is reset.
    Reset,
    /// Half an event.
    Malformed,
    /// Another status than 200.
    Status(u16),
    /// A rate limit with a wait that is longer than the longest that is waited for.
    RetryAfter,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Drop,
        Self::InBand,
        Self::Stall,
        Self::Reset,
        Self::Malformed,
        Self::Status(401),
        Self::Status(500),
        Self::Status(529),
        Self::RetryAfter,
    ];

    /// Returns behind how many content events it can come: a status comes before all.
    pub fn places(self) -> std::ops::RangeInclusive<usize> {
        match self {
            Self::Status(_) | Self::RetryAfter => 0..=0,
            _ => 0..=WORDS,
        }
    }

    /// Makes the answer of a provider that fails so behind `words` content events.
    pub fn script(self, wire: Wire, words: usize) -> Script {
        let begun = wire.begun(words);
        match self {
            Self::Drop => Script::events(begun).end(End::Drop),
            Self::Stall => Script::events(begun).end(End::Stall),
            Self::Reset => Script::events(begun).end(End::Reset),
            Self::InBand => Script::events(begun).send(wire.error_event()),
            Self::Malformed => Script::events(begun).send("data: {\"broken\n\n"),
            Self::Status(status) => Script::json(status, wire.error(status, "no")),
            Self::RetryAfter => {
                Script::json(429, wire.error(429, "slow")).header("retry-after", "300")
            }
        }
    }
}
