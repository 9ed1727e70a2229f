//! Server-sent events, as the WHATWG HTML standard defines them (read 2026-11-21), reading and writing.

use bytes::{BufMut, Bytes, BytesMut};

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
    bytes.strip_suffix(b"\r\n").or_else(|| bytes.strip_suffix(b"\n")).or_else(|| bytes.strip_suffix(b"\r"))
}

/// Cuts whole events into frames. An event without data (a comment, a lone `retry:`) carries none.
pub(super) fn frames(raw: &Bytes) -> Vec<Frame> {
    let mut frames = Vec::new();
    let mut event = Bytes::new();
    let mut data: Vec<Bytes> = Vec::new();
    let mut start = 0;
    while let Some(found) = memchr::memchr2(b'\n', b'\r', raw.get(start..).unwrap_or_default()) {
        let end = start + found;
        let is_pair = raw.get(end..end + 2) == Some(b"\r\n");
        let next = if is_pair { end + 2 } else { end + 1 };
        let line = raw.slice(start..end);
        start = next;
        if line.is_empty() {
            if !data.is_empty() {
                frames.push(Frame {
                    event: std::mem::take(&mut event),
                    data: join(std::mem::take(&mut data)),
                    end: next,
                });
            }
            event = Bytes::new();
        } else if let Some(value) = field(&line, b"data") {
            data.push(value);
        } else if let Some(value) = field(&line, b"event") {
            event = value;
        }
    }
    frames
}

fn field(line: &Bytes, name: &[u8]) -> Option<Bytes> {
    let rest = line.strip_prefix(name)?;
    match rest {
        [] => Some(Bytes::new()),
        [b':', b' ', ..] => Some(line.slice(name.len() + 2..)),
        [b':', ..] => Some(line.slice(name.len() + 1..)),
        _ => None,
    }
}

fn join(mut lines: Vec<Bytes>) -> Bytes {
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
