//! The body of a provider's answer, read piece by piece, whole, or from its beginning.

use std::future::poll_fn;
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use sy_types::{ErrorKind, Failure, MemoryAccount};

use super::error;
use crate::limits::{answer_text, of_provider};
use crate::watch::Watch;

/// How much of a refusal's body is read, and for how long: the rest says nothing more.
const REFUSAL_LIMIT: usize = 64 << 10;
const REFUSAL_TIME: Duration = Duration::from_secs(5);

/// The rest of an answer. Dropping it cancels the call.
#[derive(Debug)]
pub(crate) struct ReplyBody(pub(super) reqwest::Response);

impl ReplyBody {
    /// Returns the next piece, or `None` at the end.
    pub(crate) fn poll_chunk(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Failure>>> {
        // The future holds nothing but the borrow of the response, so a new one at each poll loses nothing.
        let next = pin!(self.0.chunk());
        next.poll(context).map(|read| match read {
            Ok(chunk) => chunk.map(Ok),
            Err(error) => Some(Err(Failure::provider(
                ErrorKind::Malformed,
                format!("the provider's answer broke off: {}", error::cause(&error)),
            ))),
        })
    }

    /// Reads a whole answer.
    ///
    /// # Errors
    /// `Timeout` by the watch; `Malformed` when the answer breaks off, has more than `limit` bytes or takes more memory than a
    /// request may; `Unavailable` when all requests together take too much. It stays charged to the account as long as it lives.
    pub(crate) async fn whole(
        &mut self,
        watch: &mut Watch,
        limit: usize,
        account: &MemoryAccount,
    ) -> Result<Bytes, Failure> {
        let mut charge = account.open();
        let mut first: Option<Bytes> = None;
        let mut whole = BytesMut::new();
        while let Some(chunk) = self.next(watch).await? {
            let so_far = whole.len() + first.as_ref().map_or(0, Bytes::len);
            if so_far + chunk.len() > limit {
                let text = format!(
                    "the provider sent an answer of more than {limit} bytes: raise server.answer_limit_mb if it is needed"
                );
                return Err(Failure::provider(ErrorKind::Malformed, text));
            }
            // Some providers send blank lines while they make a whole answer.
            if chunk.iter().any(|byte| !byte.is_ascii_whitespace()) {
                watch.touch_content();
            }
            if let Some(failure) = watch.expired() {
                return Err(failure);
            }
            match first.take() {
                None if whole.is_empty() => first = Some(chunk),
                begun => {
                    let needed = so_far + chunk.len();
                    if needed > whole.capacity() {
                        // While the buffer grows, the old one and the new one live side by side.
                        let grown = needed.max(whole.capacity() * 2);
                        let both = (grown + whole.capacity()) as u64;
                        charge.resize(both, || answer_text(needed, 0)).map_err(of_provider)?;
                        whole.reserve(grown - whole.len());
                        let kept = whole.capacity() as u64;
                        charge.resize(kept, || answer_text(needed, 0)).map_err(of_provider)?;
                    }
                    whole.extend_from_slice(begun.as_deref().unwrap_or_default());
                    whole.extend_from_slice(&chunk);
                }
            }
        }
        Ok(charge.tie_to(first.unwrap_or_else(|| whole.freeze())))
    }

    /// Reads the beginning of a refusal's body, for a moment: what came by then says what it can.
    pub(crate) async fn beginning(&mut self, watch: &mut Watch) -> Vec<u8> {
        watch.drain(REFUSAL_TIME);
        let mut text = Vec::new();
        while text.len() < REFUSAL_LIMIT
            && let Ok(Some(chunk)) = self.next(watch).await
        {
            let room = REFUSAL_LIMIT - text.len();
            text.extend_from_slice(chunk.get(..room).unwrap_or(&chunk));
        }
        text
    }

    async fn next(&mut self, watch: &mut Watch) -> Result<Option<Bytes>, Failure> {
        let read = poll_fn(|context| match self.poll_chunk(context) {
            Poll::Ready(read) => Poll::Ready(read.transpose()),
            Poll::Pending => watch.poll_expired(context).map(Err),
        })
        .await;
        watch.touch();
        read
    }
}
