//! A provider's stream, cut into frames, read into events, and given on in chunks.
//!
//! Opened by `attempt`, drained by `commit` and then by the caller through the answer's stream. For a relay the raw bytes
//! of the good frames go on as they came and the events are only looked at. It deliberately knows no dialect: a stream
//! that breaks is a failure, and whoever speaks to the client words it.

mod kept;
mod memory;

use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use sy_protocol::weight::HEAVY;
use sy_protocol::{Batch, Frame, FrameReader, StreamDecoder, Upstream};
use sy_types::chat::{Delta, StreamEvent};
use sy_types::{ErrorKind, Failure};

use crate::answer::Chunk;
use crate::heavy::run_heavy;
use crate::limits;
use crate::tally::Tally;
use crate::upstream::ReplyBody;
use crate::watch::Watch;

pub(crate) use memory::Memory;

use kept::Kept;

/// What one block or one source is counted as, where a decoder remembers it: more than an entry with its names.
const ENTRY_COST: usize = 512;
/// How long and how far a stream is read on after its end, so that the connection can be used again.
const DRAIN_TIME: Duration = Duration::from_millis(100);
const DRAIN_LIMIT: usize = 64 << 10;
/// The most bytes before the first content. Some protocols repeat the request's tools and
/// instructions when an answer begins, twice; these reach a megabyte.
const NOISE_LIMIT: usize = 4 << 20;

/// What a stream is for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Purpose {
    /// Its bytes go on as they are.
    pub(crate) relay: bool,
    /// Frames that tell nothing but usage are kept back: the client did not ask for them.
    pub(crate) hide_usage: bool,
}

/// A chunk and whether a reader of it has seen something of the answer.
#[derive(Debug)]
pub(crate) struct Piece {
    pub(crate) chunk: Chunk,
    pub(crate) has_content: bool,
}

#[derive(Debug)]
enum State {
    Reading,
    /// It broke behind the frames that were given on.
    Broken(Failure),
    /// It is complete; so many bytes more may be thrown away.
    Draining(usize),
    Done,
}

/// A provider's stream.
pub(crate) struct Source {
    body: ReplyBody,
    reader: FrameReader,
    upstream: &'static dyn Upstream,
    decoder: Box<dyn StreamDecoder>,
    watch: Watch,
    purpose: Purpose,
    memory: Memory,
    state: State,
    /// The events of one frame of a relay, kept to be used again.
    scratch: Vec<StreamEvent>,
    /// True once content was given on: frames of a relay without events are then more of it.
    has_begun: bool,
    /// How many bytes came before it.
    noise: usize,
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Source")
            .field("purpose", &self.purpose)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

/// How the events of one frame ended.
enum End {
    Open,
    Complete,
    Broken(Failure),
}

impl Source {
    /// Begins to read a stream.
    pub(crate) fn open(
        upstream: &'static dyn Upstream,
        decoder: Box<dyn StreamDecoder>,
        body: ReplyBody,
        watch: Watch,
        purpose: Purpose,
        memory: Memory,
    ) -> Self {
        let reader = FrameReader::new(upstream.framing(), memory.event_limit);
        Self {
            body,
            reader,
            upstream,
            decoder,
            watch,
            purpose,
            memory,
            state: State::Reading,
            scratch: Vec::new(),
            has_begun: false,
            noise: 0,
        }
    }

    /// Returns the next piece, `None` after the last. After a failure it is not polled again.
    pub(crate) fn poll_piece(
        &mut self,
        context: &mut Context<'_>,
        tally: &mut Tally,
    ) -> Poll<Option<Result<Piece, Failure>>> {
        loop {
            match &mut self.state {
                State::Reading => {}
                State::Broken(_) => return Poll::Ready(self.broken()),
                State::Draining(left) => {
                    let left = *left;
                    return self.poll_drain(context, left).map(|()| None);
                }
                State::Done => return Poll::Ready(None),
            }
            let batch = match self.body.poll_chunk(context) {
                Poll::Pending => {
                    let Poll::Ready(failure) = self.watch.poll_expired(context) else {
                        return Poll::Pending;
                    };
                    self.state = State::Done;
                    return Poll::Ready(Some(Err(failure)));
                }
                Poll::Ready(Some(Ok(bytes))) => {
                    self.watch.touch();
                    self.push(&bytes)
                }
                Poll::Ready(Some(Err(failure))) => Err(failure),
                Poll::Ready(None) => {
                    let piece = self.at_end(tally);
                    if piece.is_some() {
                        return Poll::Ready(piece.map(Ok));
                    }
                    continue;
                }
            };
            let piece = match batch {
                Ok(batch) => self.take_in(batch, tally),
                Err(failure) => {
                    self.state = State::Broken(failure);
                    None
                }
            };
            if piece.is_some() {
                return Poll::Ready(piece.map(Ok));
            }
            self.give_up_when_late();
        }
    }

    /// A provider that sends without a pause, and nothing that counts, never lets the timer have
    /// its turn.
    fn give_up_when_late(&mut self) {
        if matches!(self.state, State::Reading)
            && let Some(failure) = self.watch.expired()
        {
            self.state = State::Broken(failure);
        }
    }

    fn push(&mut self, bytes: &Bytes) -> Result<Batch, Failure> {
        self.memory.chunk = self.memory.chunk.max(bytes.len());
        // Before it is copied: the buffer may double.
        self.memory.settle(self.reader.incomplete() * 2 + bytes.len())?;
        self.reader.push(bytes)
    }

    fn broken(&mut self) -> Option<Result<Piece, Failure>> {
        match std::mem::replace(&mut self.state, State::Done) {
            State::Broken(failure) => Some(Err(failure)),
            State::Reading | State::Draining(_) | State::Done => None,
        }
    }

    /// Reads on behind the end for a moment. What comes is thrown away, and a failure no longer matters.
    fn poll_drain(&mut self, context: &mut Context<'_>, mut left: usize) -> Poll<()> {
        loop {
            match self.body.poll_chunk(context) {
                Poll::Ready(Some(Ok(bytes))) if bytes.len() < left => left -= bytes.len(),
                Poll::Ready(_) => break,
                Poll::Pending => {
                    self.state = State::Draining(left);
                    if self.watch.poll_expired(context).is_pending() {
                        return Poll::Pending;
                    }
                    break;
                }
            }
        }
        self.state = State::Done;
        Poll::Ready(())
    }

    fn complete(&mut self) {
        self.watch.drain(DRAIN_TIME);
        self.state = State::Draining(DRAIN_LIMIT);
    }

    /// The connection is at its end: an incomplete last frame counts, and the decoder gives up what it held back.
    fn at_end(&mut self, tally: &mut Tally) -> Option<Piece> {
        let batch = self.reader.finish();
        let mut piece = self.take_in(batch, tally);
        if matches!(self.state, State::Reading) {
            let mut events = Vec::new();
            self.decoder.finish(&mut events);
            let end = settle(&mut events, 0, tally);
            self.state = match end {
                End::Complete => State::Done,
                End::Broken(failure) => State::Broken(failure),
                End::Open => State::Broken(Failure::provider(
                    ErrorKind::Malformed,
                    "the provider's stream ended before the answer was complete",
                )),
            };
            if !events.is_empty() {
                let has_content = events.iter().any(StreamEvent::is_content);
                let piece = piece
                    .get_or_insert_with(|| Piece { chunk: self.empty_chunk(), has_content: false });
                piece.has_content |= has_content;
                if !self.purpose.relay {
                    piece.chunk.events.append(&mut events);
                }
            }
        }
        piece
    }

    fn empty_chunk(&self) -> Chunk {
        Chunk { raw: self.purpose.relay.then(Bytes::new), events: Vec::new() }
    }

    fn take_in(&mut self, batch: Batch, tally: &mut Tally) -> Option<Piece> {
        if batch.raw.is_empty() {
            return None;
        }
        let size = batch.raw.len();
        let piece = if self.purpose.relay {
            self.relay(batch, tally)
        } else {
            self.translate(&batch, tally)
        };

        if piece.has_content {
            self.watch.touch_content();
            self.has_begun = true;
        } else if !self.has_begun {
            self.noise += size;
            if self.noise > NOISE_LIMIT && matches!(self.state, State::Reading) {
                self.state = State::Broken(noisy());
                return None;
            }
        }

        let is_empty =
            piece.chunk.events.is_empty() && piece.chunk.raw.as_ref().is_none_or(Bytes::is_empty);
        (!is_empty).then_some(piece)
    }

    fn translate(&mut self, batch: &Batch, tally: &mut Tally) -> Piece {
        let mut events = Vec::new();
        for frame in &batch.frames {
            let from = events.len();
            let end = match self.decode(frame, &mut events) {
                Ok(()) => settle(&mut events, from, tally),
                Err(failure) => {
                    events.truncate(from);
                    End::Broken(failure)
                }
            };
            self.remember(frame, events.get(from..).unwrap_or_default());
            if self.ended(end) {
                break;
            }
        }
        let has_content = events.iter().any(StreamEvent::is_content);
        Piece { chunk: Chunk { raw: None, events }, has_content }
    }

    fn relay(&mut self, batch: Batch, tally: &mut Tally) -> Piece {
        let mut raw = Kept::new(batch.raw);
        let mut has_content = false;
        let mut events = std::mem::take(&mut self.scratch);
        let mut begin = 0;
        for frame in &batch.frames {
            events.clear();
            let end = match self.decode(frame, &mut events) {
                Ok(()) => settle(&mut events, 0, tally),
                Err(failure) => End::Broken(failure),
            };
            has_content |= events.iter().any(StreamEvent::is_content);
            if self.has_begun && events.is_empty() && matches!(end, End::Open) {
                tally.note_unread();
                // The decoder of a relay passes over content that it need not read, and over what
                // only looks like it.
                has_content |= self.watch.is_stale() && !sy_protocol::is_blank(frame);
            }
            self.has_begun |= has_content;
            if self.purpose.hide_usage && self.upstream.is_usage_only(frame) {
                raw.leave_out(begin, frame.end);
            }
            match &end {
                End::Open => {}
                End::Complete => raw.cut(frame.end),
                End::Broken(_) => raw.cut(begin),
            }
            begin = frame.end;
            if self.ended(end) {
                break;
            }
        }
        self.scratch = events;
        Piece { chunk: Chunk { raw: Some(raw.into_bytes()), events: Vec::new() }, has_content }
    }

    /// Decodes a frame; what a large one costs is charged while it is done.
    fn decode(&mut self, frame: &Frame, events: &mut Vec<StreamEvent>) -> Result<(), Failure> {
        let _charge = limits::charge_event(self.memory.charge.account(), &frame.data)?;
        run_heavy(frame.data.len() > HEAVY, || self.decoder.decode(frame, events))
    }

    /// Counts what a decoder may remember of a frame: all of one that told nothing yet, and an entry for each block and source.
    fn remember(&mut self, frame: &Frame, events: &[StreamEvent]) {
        let is_entry = |event: &&StreamEvent| {
            matches!(
                event,
                StreamEvent::BlockStart { .. }
                    | StreamEvent::Delta { delta: Delta::Citation(_), .. }
            )
        };
        self.memory.remembered += match events {
            [] => frame.data.len(),
            events => events.iter().filter(is_entry).count() * ENTRY_COST,
        };
    }

    fn ended(&mut self, end: End) -> bool {
        match end {
            End::Open => return false,
            End::Complete => self.complete(),
            End::Broken(failure) => self.state = State::Broken(failure),
        }
        true
    }
}

fn noisy() -> Failure {
    let text = format!("the provider sent over {NOISE_LIMIT} bytes without any content");
    Failure::provider(ErrorKind::Malformed, text)
}

/// Counts the events from `from` on and cuts the list behind its end: at a failure, or behind the finish.
fn settle(events: &mut Vec<StreamEvent>, from: usize, tally: &mut Tally) -> End {
    let mut end = End::Open;
    let mut length = from;
    for event in events.iter().skip(from) {
        if let StreamEvent::Failed(failure) = event {
            end = End::Broken(failure.clone());
            break;
        }
        tally.note(event);
        length += 1;
        if matches!(event, StreamEvent::Finish { .. }) {
            end = End::Complete;
            break;
        }
    }
    events.truncate(length);
    end
}
