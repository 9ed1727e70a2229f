//! What an open stream is charged for.

use sy_types::{Failure, MemoryAccount, MemoryCharge};

use crate::limits::{answer_text, of_provider};

/// Smaller changes of what a stream takes are not charged one by one.
const CHARGE_STEP: u64 = 64 << 10;

/// What a stream takes: the bytes of an incomplete event, what the connection has read ahead, and what its decoder remembers.
#[derive(Debug)]
pub(crate) struct Memory {
    pub(super) charge: MemoryCharge,
    /// The largest event, in bytes.
    pub(super) event_limit: usize,
    /// The largest chunk: the connection has as much in its buffer, and one more on the way.
    pub(super) chunk: usize,
    /// At most so much the decoder remembers.
    pub(super) remembered: usize,
}

impl Memory {
    /// Charges a stream to an account; one event of it may have `event_limit` bytes.
    pub(crate) fn new(account: &MemoryAccount, event_limit: usize) -> Self {
        Self { charge: account.open(), event_limit, chunk: 0, remembered: 0 }
    }

    /// Charges what the stream takes now, where that is more than a little more or less than before.
    pub(super) fn settle(&mut self, incomplete: usize) -> Result<(), Failure> {
        let bytes = (incomplete + 2 * self.chunk + self.remembered) as u64;
        if bytes.abs_diff(self.charge.bytes()) <= CHARGE_STEP {
            return Ok(());
        }
        let what = || answer_text(incomplete + self.remembered, 0);
        self.charge.resize(bytes, what).map_err(of_provider)
    }
}
