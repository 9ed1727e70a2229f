//! Bytes of a stream to frames.
//!
//! The router pushes network chunks in and gets whole frames out, each with the place where it ends in the raw bytes, so
//! that a stream can be relayed byte for byte while the frames are looked at. Written here and not taken from a library,
//! because libraries give the parsed event without its raw bytes and do not limit its size.

mod ndjson;
mod sse;

use bytes::{Bytes, BytesMut};
use smallvec::SmallVec;
use sy_types::{ErrorKind, Failure};

pub use sse::write_event;

/// How a stream is cut into frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Server-sent events: blocks of lines that an empty line ends.
    Sse,
    /// One JSON value a line.
    NdJson,
}

/// One frame.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// The event name (`event:` line), empty where there is none.
    pub event: Bytes,
    /// The data: `data:` lines joined by line feeds, or the JSON line.
    pub data: Bytes,
    /// Where the frame ends in [`Batch::raw`].
    pub end: usize,
}

/// What one push completed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// The bytes of all completed frames, comments and blank lines included, exactly as they came.
    pub raw: Bytes,
    /// The frames that carry data. Mostly one: providers flush after each event.
    pub frames: SmallVec<[Frame; 1]>,
}

/// Cuts a stream into frames. Holds at most one incomplete frame.
#[derive(Debug)]
pub struct FrameReader {
    framing: Framing,
    /// The most bytes an incomplete frame may have.
    limit: usize,
    tail: BytesMut,
    /// How much of `tail` was searched already, so that a long frame in small chunks stays linear.
    searched: usize,
    /// True once the first bytes were given out: a byte order mark may only stand before them.
    started: bool,
}

impl FrameReader {
    /// Makes a reader that refuses frames of more than `limit` bytes.
    pub fn new(framing: Framing, limit: usize) -> Self {
        Self { framing, limit, tail: BytesMut::new(), searched: 0, started: false }
    }

    /// Returns how many bytes of an incomplete frame are held.
    pub fn incomplete(&self) -> usize {
        self.tail.len()
    }

    /// Takes a chunk in and returns what it completed.
    ///
    /// # Errors
    /// `Malformed` when a frame grows beyond the limit.
    pub fn push(&mut self, chunk: &Bytes) -> Result<Batch, Failure> {
        let raw = if self.tail.is_empty() {
            match self.boundary(chunk) {
                Some(end) => {
                    self.tail.extend_from_slice(chunk.get(end..).unwrap_or_default());
                    chunk.slice(..end)
                }
                None => {
                    self.tail.extend_from_slice(chunk);
                    Bytes::new()
                }
            }
        } else {
            self.tail.extend_from_slice(chunk);
            match self.boundary(&self.tail) {
                Some(end) => self.tail.split_to(end).freeze(),
                None => Bytes::new(),
            }
        };
        self.searched = if raw.is_empty() { self.tail.len().saturating_sub(3) } else { 0 };
        if self.tail.len() > self.limit {
            return Err(Failure::provider(
                ErrorKind::Malformed,
                format!(
                    "the provider sent a stream event of more than {} bytes: raise server.event_limit_mb if it is needed",
                    self.limit
                ),
            ));
        }
        Ok(self.batch(raw))
    }

    /// Ends the stream: an incomplete last frame counts as complete, since some providers leave out the last empty line.
    pub fn finish(&mut self) -> Batch {
        let mut raw = std::mem::take(&mut self.tail);
        self.searched = 0;
        if raw.iter().all(u8::is_ascii_whitespace) {
            return Batch::default();
        }
        match self.framing {
            Framing::Sse => raw.extend_from_slice(b"\n\n"),
            Framing::NdJson => raw.extend_from_slice(b"\n"),
        }
        self.batch(raw.freeze())
    }

    fn boundary(&self, bytes: &[u8]) -> Option<usize> {
        match self.framing {
            Framing::Sse => sse::last_boundary(bytes, self.searched),
            Framing::NdJson => ndjson::last_boundary(bytes, self.searched),
        }
    }

    fn batch(&mut self, mut raw: Bytes) -> Batch {
        if !self.started && !raw.is_empty() {
            self.started = true;
            if raw.starts_with(b"\xEF\xBB\xBF") {
                raw = raw.slice(3..);
            }
        }
        let frames = match self.framing {
            Framing::Sse => sse::frames(&raw),
            Framing::NdJson => ndjson::frames(&raw),
        };
        Batch { raw, frames }
    }
}

#[cfg(test)]
mod tests;
