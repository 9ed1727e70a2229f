//! Reads and writes of one connection.
//!
//! Used by hyper in the place of the socket. It tells `activity` what moves, and does two things that hyper does not: a
//! client that ended its side behind the request still gets its answer, and a client that still sends gets to read why it
//! was refused.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Interval, MissedTickBehavior, Sleep, interval, sleep};

use super::activity::{Activity, End};

/// What a client is told whose request's head did not come in time.
const HEAD_LATE: &[u8] =
    b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
/// An interim answer, which clients skip (RFC 9110, section 15.2). A client that is gone resets the connection upon it.
const ARE_YOU_THERE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
/// How often a client that ended its side is looked for.
const LOOK_PAUSE: Duration = Duration::from_millis(50);
/// How long it may take the surface to find that the body had come as a whole.
const BODY_GRACE: Duration = Duration::from_millis(250);
/// How long a client that still sends may read its answer: at most, and without a further byte.
const LINGER: Duration = Duration::from_secs(30);
const LINGER_PAUSE: Duration = Duration::from_secs(2);
/// How much of what nobody will read is taken at once.
const DISCARD: usize = 16 << 10;

/// The socket of one connection.
pub(super) struct Socket {
    stream: TcpStream,
    activity: Arc<Activity>,
    half_closed: Option<HalfClosed>,
    linger: Option<Linger>,
}

/// The client has ended its side.
struct HalfClosed {
    since: Instant,
    look: Interval,
    /// It may wait for an answer.
    is_awaited: bool,
}

impl HalfClosed {
    fn begin() -> Self {
        let mut look = interval(LOOK_PAUSE);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { since: Instant::now(), look, is_awaited: false }
    }
}

/// The time that a client gets to read its answer.
struct Linger {
    until: Pin<Box<Sleep>>,
    pause: Pin<Box<Sleep>>,
}

impl Socket {
    pub(super) fn new(stream: TcpStream, activity: Arc<Activity>) -> Self {
        Self { stream, activity, half_closed: None, linger: None }
    }

    /// Decides what the end of what the client sends means, and holds it back while an answer is due.
    fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let half_closed = self.half_closed.get_or_insert_with(HalfClosed::begin);
        loop {
            if let Some(error) = self.stream.take_error()? {
                return Poll::Ready(Err(error));
            }

            let is_end = match self.activity.end_of_input() {
                _ if half_closed.is_awaited => !self.activity.is_answering(),
                End::Connection => true,
                End::WithinBody => half_closed.since.elapsed() >= BODY_GRACE,
                // A client that closed its socket looks the same as one that only ended its side. The first resets the
                // connection when something comes, and then the provider's work is cancelled.
                End::BeforeAnswer { knows_interim } => {
                    half_closed.is_awaited = true;
                    if knows_interim {
                        self.stream.try_write(ARE_YOU_THERE)?;
                    }
                    false
                }
                End::WithinAnswer => {
                    half_closed.is_awaited = true;
                    false
                }
            };
            if is_end {
                return Poll::Ready(Ok(()));
            }
            ready!(half_closed.look.poll_tick(context));
        }
    }

    fn noted(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match &written {
            Poll::Ready(Ok(_)) => self.activity.sent(false),
            Poll::Pending => self.activity.sent(true),
            Poll::Ready(Err(_)) => {}
        }
        written
    }

    /// Takes what still comes until the client has closed, or its time is over.
    fn poll_linger(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let has_unread = self.activity.has_unread();
        let mut discarded = [0; DISCARD];
        loop {
            let mut buffer = ReadBuf::new(&mut discarded);
            match Pin::new(&mut self.stream).poll_read(context, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                    let linger = self.linger.get_or_insert_with(Linger::begin);
                    linger.pause.as_mut().reset(Instant::now() + LINGER_PAUSE);
                }
                // Closed or broken: nobody reads any more.
                Poll::Ready(_) => return Poll::Ready(Ok(())),
                // Everything was read before, so closing loses nothing.
                Poll::Pending if !has_unread && self.linger.is_none() => {
                    return Poll::Ready(Ok(()));
                }
                Poll::Pending => {
                    return self.linger.get_or_insert_with(Linger::begin).poll_over(context);
                }
            }
            // A client that sends faster than this is read would never let the time be looked at.
            let linger = self.linger.get_or_insert_with(Linger::begin);
            if linger.until.as_mut().poll(context).is_ready() {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl Linger {
    fn begin() -> Self {
        Self { until: Box::pin(sleep(LINGER)), pause: Box::pin(sleep(LINGER_PAUSE)) }
    }

    fn poll_over(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let is_over = self.until.as_mut().poll(context).is_ready()
            || self.pause.as_mut().poll(context).is_ready();
        if is_over { Poll::Ready(Ok(())) } else { Poll::Pending }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(in_head) = self.activity.expired() {
            if in_head {
                self.stream.try_write(HEAD_LATE).ok();
            }
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        if self.half_closed.is_some() {
            return self.poll_end(context);
        }

        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        if buffer.filled().len() > before {
            self.activity.received();
            return Poll::Ready(Ok(()));
        }
        self.poll_end(context)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.noted(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.noted(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A socket that is closed with unread bytes is reset, and with it what the client has not read yet.
        ready!(Pin::new(&mut self.stream).poll_shutdown(context))?;
        self.poll_linger(context)
    }
}

/// Ends our side of a socket and takes what still comes until the client has closed. The caller limits the time.
pub(super) async fn linger(mut stream: TcpStream) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let mut discarded = [0; 1024];
    stream.shutdown().await.ok();
    while stream.read(&mut discarded).await.is_ok_and(|length| length > 0) {}
}
