//! Reads a request body once, within a limit, into one piece of memory that is charged to the request's account.
//!
//! The charge grows with the buffer and is given back when the last piece of the body is dropped. What decoding the body would
//! cost is charged by whoever decodes it: a relay does not.

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, header};
use http_body_util::BodyExt;
use sy_protocol::weight::HEAVY;
use sy_router::run_heavy;
use sy_types::memory::megabytes;
use sy_types::{ErrorKind, Failure, MemoryAccount, MemoryCharge, Side};

use crate::connections::Stalled;

/// The most memory that is reserved on the word of a `content-length` header alone.
const RESERVE: usize = 1 << 20;
/// Bodies below this many bytes are copied out of the buffer that they arrived in.
const SMALL: usize = 4096;

/// Reads a body of at most `limit` bytes. It holds what is charged for it.
///
/// # Errors
/// `TooLarge` beyond the limit or what the account allows, `Unavailable` when all requests together take too much memory,
/// `Unsupported` for a compressed body, `Invalid` when the connection breaks.
pub(crate) async fn read(
    headers: &HeaderMap,
    body: Body,
    limit: usize,
    account: &MemoryAccount,
) -> Result<Bytes, Failure> {
    // RFC 9110, section 8.4.1: the names of codings have no letter case.
    let is_plain = |coding: &HeaderValue| coding.as_bytes().eq_ignore_ascii_case(b"identity");
    if let Some(encoding) = headers.get_all(header::CONTENT_ENCODING).iter().find(|c| !is_plain(c))
    {
        let encoding = encoding.to_str().unwrap_or("an unreadable encoding");
        return Err(Failure::new(
            ErrorKind::Unsupported,
            Side::Caller,
            format!(
                "expected an uncompressed body, got content-encoding {encoding:?}: send the body as it is"
            ),
        ));
    }
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > limit) {
        return Err(too_large(limit));
    }
    let mut buffer = Buffer::new(account, announced.unwrap_or(0));
    collect(body, limit, &mut buffer).await?;
    Ok(buffer.finish())
}

async fn collect(mut body: Body, limit: usize, buffer: &mut Buffer) -> Result<(), Failure> {
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| broken(&error))?;
        let Ok(data) = frame.into_data() else { continue };
        if buffer.len() + data.len() > limit {
            return Err(too_large(limit));
        }
        buffer.push(data)?;
    }
    Ok(())
}

/// What came of a body so far.
struct Buffer {
    /// The first piece: a body of one piece is taken as it is, without a copy.
    first: Option<Bytes>,
    whole: BytesMut,
    charge: MemoryCharge,
    /// The length that the head announced; 0 where it did not.
    announced: usize,
}

impl Buffer {
    fn new(account: &MemoryAccount, announced: usize) -> Self {
        Self { first: None, whole: BytesMut::new(), charge: account.open(), announced }
    }

    fn len(&self) -> usize {
        self.whole.len() + self.first.as_ref().map_or(0, Bytes::len)
    }

    fn push(&mut self, data: Bytes) -> Result<(), Failure> {
        if self.whole.is_empty() && self.first.is_none() {
            self.charge.resize(data.len() as u64, || body_text(data.len()))?;
            self.first = Some(data);
            return Ok(());
        }

        self.make_room(data.len())?;
        if let Some(first) = self.first.take() {
            self.whole.extend_from_slice(&first);
        }
        self.whole.extend_from_slice(&data);
        Ok(())
    }

    /// Makes room for so many bytes more, by doubling, but not beyond what was announced once half of that has come.
    fn make_room(&mut self, more: usize) -> Result<(), Failure> {
        let needed = self.len() + more;
        let capacity = self.whole.capacity();
        if needed <= capacity {
            return Ok(());
        }
        let doubled = needed.max(capacity * 2).max(self.announced.min(RESERVE));
        let wanted = match self.announced >= needed {
            true => doubled.min(self.announced),
            false => doubled,
        };

        // While the buffer grows, the old one and the new one live side by side.
        let both = (wanted + capacity.max(self.len())) as u64;
        self.charge.resize(both, || body_text(needed))?;
        self.whole.reserve(wanted - self.whole.len());
        self.charge.resize(self.whole.capacity() as u64, || body_text(needed))
    }

    fn finish(self) -> Bytes {
        let bytes = match self.first {
            // A small piece is part of the connection's read buffer, which it would keep alive as long as the answer runs.
            Some(piece) if piece.len() < SMALL => Bytes::copy_from_slice(&piece),
            Some(piece) => piece,
            None => self.whole.freeze(),
        };
        self.charge.tie_to(bytes)
    }
}

fn body_text(bytes: usize) -> String {
    format!("a body of {} or more", megabytes(bytes as u64))
}

/// Says why a body did not come as a whole.
fn broken(error: &axum::Error) -> Failure {
    let mut causes =
        std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source());
    if causes.any(<dyn std::error::Error>::is::<Stalled>) {
        let message = "the request body did not come in time: send it without pauses, or raise \
                       server.timeouts.body";
        return Failure::new(ErrorKind::Timeout, Side::Caller, message);
    }
    Failure::invalid("the request body broke off: send it again")
}

/// Checks that a body is UTF-8, as JSON is (RFC 8259, section 8.1): a relay does not look into every text of it.
///
/// # Errors
/// `Invalid` with the place of the first byte that is not.
pub(crate) fn text(body: Bytes) -> Result<Bytes, Failure> {
    // Looking costs a hundredth of what reading costs.
    match run_heavy(body.len() > 16 * HEAVY, || std::str::from_utf8(&body)) {
        Ok(_) => Ok(body),
        Err(error) => {
            let at = error.valid_up_to();
            Err(Failure::invalid(format!(
                "expected a body of JSON in UTF-8, got other bytes at position {at}: encode it as UTF-8"
            )))
        }
    }
}

fn too_large(limit: usize) -> Failure {
    Failure::new(
        ErrorKind::TooLarge,
        Side::Caller,
        format!(
            "expected a body of at most {limit} bytes, got more: raise server.body_limit_mb if it is needed"
        ),
    )
}
