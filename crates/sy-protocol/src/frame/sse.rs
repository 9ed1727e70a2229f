//! Server-sent events, as the WHATWG HTML standard defines them (read 2026-11-21), reading and writing.

use bytes::{BufMut, Bytes, BytesMut};
use smallvec::SmallVec;

use super::Frame;

/// Returns the place behind the last complete event: behind an empty line. Lines end with LF, CR LF or CR.
///
/// `searched` bytes are known to hold no boundary. A CR at the very end may be half of a CR LF and is left for later.
pub(super) fn last_boundary(bytes: &[u8], searched: usize) -> Option<usize> {
    let tail = bytes.get(searched..)?;
    for at in memchr::memrchr2_iter(b'\n', b'\r', tail) {
        let end = searched + at + 1;
        if bytes.get(end - 1) == Some(&b'\r') && end == bytes.len() {
            continue;
        }
        if bytes.get(end - 1) == Some(&b'\r') && bytes.get(end) == Some(&b'\n') {
            continue;
        }
        if ends_with_empty_line(bytes.get(..end)?) {
            return Some(end);
        }
    }
    None
}

/// Returns true when the bytes, which end with a line end, end with two of them (or are one alone).
fn ends_with_empty_line(bytes: &[u8]) -> bool {
    let Some(rest) = strip_line_end(bytes) else { return false };
    rest.is_empty() || matches!(rest.last(), Some(b'\n' | b'\r'))
}

fn strip_line_end(bytes: &[u8]) -> Option<&[u8]> {
    bytes
        .strip_suffix(b"\r\n")
        .or_else(|| bytes.strip_suffix(b"\n"))
        .or_else(|| bytes.strip_suffix(b"\r"))
}

/// Cuts whole events into frames. An event without data (a comment, a lone `retry:`) carries none.
pub(super) fn frames(raw: &Bytes) -> SmallVec<[Frame; 1]> {
    let mut frames = SmallVec::new();
    let mut event = Bytes::new();
    let mut data: SmallVec<[Bytes; 1]> = SmallVec::new();
    let mut start = 0;
    while let Some(found) = memchr::memchr2(b'\n', b'\r', raw.get(start..).unwrap_or_default()) {
        let end = start + found;
        let is_pair = raw.get(end..end + 2) == Some(b"\r\n");
        let next = if is_pair { end + 2 } else { end + 1 };
        let line = raw.get(start..end).unwrap_or_default();
        if line.is_empty() {
            if !data.is_empty() {
                frames.push(Frame { event, data: join(std::mem::take(&mut data)), end: next });
            }
            event = Bytes::new();
        } else if let Some(value) = value_of(line, b"data") {
            data.push(raw.slice(start + value..end));
        } else if let Some(value) = value_of(line, b"event") {
            event = raw.slice(start + value..end);
        }
        start = next;
    }
    frames
}

/// Returns where the value begins in a line of the given field.
fn value_of(line: &[u8], name: &[u8]) -> Option<usize> {
    match line.strip_prefix(name)? {
        [] => Some(name.len()),
        [b':', b' ', ..] => Some(name.len() + 2),
        [b':', ..] => Some(name.len() + 1),
        _ => None,
    }
}

fn join(mut lines: SmallVec<[Bytes; 1]>) -> Bytes {
    if lines.len() == 1 {
        return lines.pop().unwrap_or_default();
    }
    Bytes::from(lines.join(b"\n".as_slice()))
}

/// Writes one event. `event` may be empty for none; `data` must hold no line break (compact JSON never does).
pub fn write_event(out: &mut BytesMut, event: &str, data: &[u8]) {
    out.reserve(event.len() + data.len() + 18);
    if !event.is_empty() {
        out.put_slice(b"event: ");
        out.put_slice(event.as_bytes());
        out.put_u8(b'\n');
    }
    out.put_slice(b"data: ");
    out.put_slice(data);
    out.put_slice(b"\n\n");
}
