//! Newline-delimited JSON: one value a line (Ollama).

use bytes::Bytes;

use super::Frame;

/// Returns the place behind the last line feed.
pub(super) fn last_boundary(bytes: &[u8], searched: usize) -> Option<usize> {
    memchr::memrchr(b'\n', bytes.get(searched..)?).map(|at| searched + at + 1)
}

/// Cuts whole lines into frames; blank lines carry none.
pub(super) fn frames(raw: &Bytes) -> Vec<Frame> {
    let mut frames = Vec::new();
    let mut start = 0;
    for at in memchr::memchr_iter(b'\n', raw) {
        let line = raw.slice(start..at);
        if !line.trim_ascii().is_empty() {
            frames.push(Frame { event: Bytes::new(), data: line, end: at + 1 });
        }
        start = at + 1;
    }
    frames
}
