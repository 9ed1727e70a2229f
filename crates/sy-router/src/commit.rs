//! Holds a stream back until its first content, and gives it on from there.
//!
//! Up to the first content another target may still answer, so what a provider says before it (that it began, who it is,
//! that it is alive) is held. From then on a failure is the stream's end. Called by `attempt`.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::Stream;
use sy_types::chat::StreamEvent;
use sy_types::{ErrorKind, Failure};

use crate::answer::Chunk;
use crate::meter::Meter;
use crate::shown::Shown;
use crate::stream::Source;
use crate::tally::Tally;

/// A stream from which no way leads back.
#[derive(Debug)]
pub(crate) struct Committed {
    held: VecDeque<Chunk>,
    /// `None` where everything is held already.
    source: Option<Box<Source>>,
    /// What must not be in the words of its failure; `None` where it can have none.
    shown: Option<Shown>,
}

/// Reads a stream up to its first content. What is held until then is bounded by the source, in
/// bytes and in time.
///
/// # Errors
/// Whatever broke it before.
pub(crate) async fn commit(
    mut source: Source,
    shown: Shown,
    tally: &mut Tally,
) -> Result<Committed, Failure> {
    let mut held = VecDeque::new();
    loop {
        let piece = poll_fn(|context| source.poll_piece(context, tally)).await;
        let Some(piece) = piece.transpose().map_err(|failure| shown.tell(failure))? else {
            // A stream that ends has had its finish, which is content, unless it only said that it was alive.
            let text = "the provider's stream ended without an answer";
            return Err(shown.tell(Failure::provider(ErrorKind::Malformed, text)));
        };
        held.push_back(piece.chunk);
        if piece.has_content {
            return Ok(Committed { held, source: Some(Box::new(source)), shown: Some(shown) });
        }
    }
}

impl Committed {
    /// Takes the events of a whole answer.
    pub(crate) fn from_events(events: Vec<StreamEvent>) -> Self {
        Self { held: VecDeque::from([Chunk { raw: None, events }]), source: None, shown: None }
    }
}

/// A streamed answer.
///
/// Ends after the first failure. Dropping it cancels the provider's work at once.
#[derive(Debug)]
pub struct AnswerStream {
    committed: Committed,
    meter: Meter,
}

impl AnswerStream {
    pub(crate) fn new(committed: Committed, meter: Meter) -> Self {
        Self { committed, meter }
    }
}

impl Stream for AnswerStream {
    type Item = Result<Chunk, Failure>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { committed: Committed { held, source, shown }, meter } = &mut *self;
        if let Some(chunk) = held.pop_front() {
            return Poll::Ready(Some(Ok(chunk)));
        }
        let Some(open) = source else {
            meter.answered();
            return Poll::Ready(None);
        };
        let Poll::Ready(piece) = open.poll_piece(context, &mut meter.tally) else {
            return Poll::Pending;
        };
        Poll::Ready(match piece {
            Some(Ok(piece)) => Some(Ok(piece.chunk)),
            Some(Err(failure)) => {
                *source = None;
                let failure = match shown {
                    Some(shown) => shown.tell(failure),
                    None => failure,
                };
                meter.broke(&failure);
                Some(Err(failure))
            }
            None => {
                *source = None;
                meter.answered();
                None
            }
        })
    }
}
