//! Newline-delimited JSON: one value a line (Ollama).

use bytes::Bytes;
use smallvec::SmallVec;

use super::Frame;

/// Returns the place behind the last line feed.
pub(super) fn last_boundary(bytes: &[u8], searched: usize) -> Option<usize> {
    memchr::memrchr(b'\n', bytes.get(searched..)?).map(|at| searched + at + 1)
}

/// Cuts whole lines into frames; blank lines carry none.
pub(super) fn frames(raw: &Bytes) -> SmallVec<[Frame; 1]> {
    let mut frames = SmallVec::new();
    let mut start = 0;
    for at in memchr::memchr_iter(b'\n', raw) {
        if !raw.get(start..at).unwrap_or_default().trim_ascii().is_empty() {
            frames.push(Frame { event: Bytes::new(), data: raw.slice(start..at), end: at + 1 });
        }
        start = at + 1;
    }
    frames
}
