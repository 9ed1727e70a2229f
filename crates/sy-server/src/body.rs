//! Reads a request body once, within a limit, into one piece of memory.

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, header};
use http_body_util::BodyExt;
use sy_types::{ErrorKind, Failure, Side};

use crate::connections::Stalled;

/// The most memory that is reserved on the word of a `content-length` header alone.
const RESERVE: usize = 1 << 20;
/// Bodies below this many bytes are copied out of the buffer that they arrived in.
const SMALL: usize = 4096;

/// Reads a body of at most `limit` bytes.
///
/// # Errors
/// `TooLarge` beyond the limit, `Unsupported` for a compressed body, `Invalid` when the connection breaks.
pub(crate) async fn read(headers: &HeaderMap, body: Body, limit: usize) -> Result<Bytes, Failure> {
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
    collect(body, announced.unwrap_or(0).min(RESERVE), limit).await
}

async fn collect(mut body: Body, reserve: usize, limit: usize) -> Result<Bytes, Failure> {
    let mut first: Option<Bytes> = None;
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| broken(&error))?;
        let Ok(data) = frame.into_data() else { continue };
        if whole.len() + first.as_ref().map_or(0, Bytes::len) + data.len() > limit {
            return Err(too_large(limit));
        }
        match first.take() {
            // A body of one piece is taken as it is, without a copy.
            None if whole.is_empty() => first = Some(data),
            begun => {
                if let Some(begun) = begun {
                    whole.reserve(reserve.max(begun.len() + data.len()));
                    whole.extend_from_slice(&begun);
                }
                whole.extend_from_slice(&data);
            }
        }
    }
    Ok(match first {
        // A small piece is part of the connection's read buffer, which it would keep alive as long as the answer runs.
        Some(piece) if piece.len() < SMALL => Bytes::copy_from_slice(&piece),
        Some(piece) => piece,
        None => whole.freeze(),
    })
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
    match std::str::from_utf8(&body) {
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
