//! What can go wrong with a provider, and the script that makes it go wrong.

use std::time::Duration;

use bytes::Bytes;

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
    /// Nothing more than pings comes.
    Pings,
    /// Nothing more than pieces without a text comes.
    Blanks,
    /// More bytes than any answer begins with, and none of them content.
    Noise,
    /// A refusal whose body never ends.
    Drip,
    /// A rate limit with a wait that is longer than the longest that is waited for.
    RetryAfter,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Drop,
        Self::InBand,
        Self::Stall,
        Self::Reset,
        Self::Malformed,
        Self::Status(401),
        Self::Status(500),
        Self::Status(529),
        Self::Pings,
        Self::Blanks,
        Self::Noise,
        Self::Drip,
        Self::RetryAfter,
    ];

    /// Returns behind how many content events it can come: a status comes before all.
    pub fn places(self) -> std::ops::RangeInclusive<usize> {
        match self {
            Self::Status(_) | Self::RetryAfter | Self::Noise | Self::Drip => 0..=0,
            // They take their time, and one place behind the first content is like another.
            Self::Pings | Self::Blanks => 0..=1,
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
            Self::Pings => lasting(Script::events(begun), &Bytes::from_static(b": ping\n\n")),
            Self::Blanks => lasting(Script::events(begun), &wire.blank_event()),
            Self::Noise => {
                let noise = Bytes::from(format!(": {}\n\n", "x".repeat(64 << 10)));
                Script::events(begun).send_often(&noise, 80).end(End::Stall)
            }
            Self::Drip => {
                let script = Script::status(500).header("content-type", "application/json");
                lasting(script, &Bytes::from_static(b" "))
            }
            Self::RetryAfter => {
                Script::json(429, wire.error(429, "slow")).header("retry-after", "300")
            }
        }
    }
}

/// Sends the bytes again and again for longer than anybody waits.
fn lasting(script: Script, bytes: &Bytes) -> Script {
    (0..200)
        .fold(script, |script, _| script.send(bytes.clone()).wait(Duration::from_millis(100)))
        .end(End::Stall)
}
