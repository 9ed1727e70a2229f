//! What is left of a batch of raw bytes when frames are kept back from a relay.

use bytes::{Bytes, BytesMut};

/// The raw bytes of a batch less the frames that are kept back.
pub(super) struct Kept {
    raw: Bytes,
    /// What was kept so far, once a frame was left out: in front of `raw` from `from` on.
    front: Option<BytesMut>,
    from: usize,
    to: usize,
}

impl Kept {
    pub(super) fn new(raw: Bytes) -> Self {
        let to = raw.len();
        Self { raw, front: None, from: 0, to }
    }

    pub(super) fn leave_out(&mut self, begin: usize, end: usize) {
        let kept = self.raw.get(self.from..begin).unwrap_or_default();
        self.front.get_or_insert_default().extend_from_slice(kept);
        self.from = end;
    }

    pub(super) fn cut(&mut self, at: usize) {
        self.to = at.max(self.from);
    }

    pub(super) fn into_bytes(self) -> Bytes {
        match self.front {
            None => self.raw.slice(self.from..self.to),
            Some(mut front) => {
                front.extend_from_slice(self.raw.get(self.from..self.to).unwrap_or_default());
                front.freeze()
            }
        }
    }
}
