//! Connections of clients: taken in, bounded in number and in time, ended.
//!
//! Called by `serve` with the bound listener. Map of this folder:
//! - [`Connections::accept`]: the loop that takes connections in, and what drives each of them.
//! - `table`: how many there are, of whom, and which one goes when there is no room.
//! - `activity`: what one connection does now, and until when it may.
//! - `socket`: reads and writes: half-closed clients, answers to clients that still send.
//! - `service`: requests on their way to the surfaces, and their answers back.
//! - `descriptors`: how many open files the system allows.
//!
//! It knows nothing of paths, tokens and models.

mod activity;
mod descriptors;
mod service;
mod socket;
mod table;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, info, warn};

use crate::observe::Observatory;
use activity::{Activity, Limits};
use service::ConnectionService;
use socket::Socket;
use table::{Entry, Room, Table};

pub(crate) use service::{HandedOver, Peer, Stalled};

/// How much of an HTTP/1 request is read ahead on one connection: a large body then costs its own size and little more.
const READ_LIMIT: usize = 64 << 10;
/// How many requests one HTTP/2 connection may have open. RFC 9113, section 6.5.2 asks for no less than 100.
const STREAMS: u32 = 200;
/// What a client may send on one HTTP/2 stream, and on all of a connection, before somebody has read it.
const STREAM_WINDOW: u32 = 256 << 10;
const CONNECTION_WINDOW: u32 = 1 << 20;
/// How much of an answer waits in an HTTP/2 stream for a client that does not read it.
const SEND_BUFFER: usize = 16 << 10;
/// The largest head of an HTTP/2 request, unpacked.
const HEADER_LIST: u32 = 32 << 10;
/// How many streams a client may open and cancel before somebody looked at them ("rapid reset", CVE-2023-44487), and how
/// many of its streams may end by its own mistakes, before the connection ends.
const CANCELLED_STREAMS: usize = 32;
const BROKEN_STREAMS: usize = 128;
/// How often an HTTP/2 client is asked whether it is still there.
const PING_INTERVAL: Duration = Duration::from_secs(30);

/// Below that many connections a few clients can be in each other's way.
const COMFORTABLE: usize = 64;
/// The pause before the next connection is taken in when the system had no room for the last one.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How long an idle connection that must go may take to say goodbye.
const GOODBYE: Duration = Duration::from_millis(100);
/// How long a refused connection is kept so that its refusal arrives, and how many at a time.
const REFUSAL_TIME: Duration = Duration::from_secs(1);
const REFUSALS: usize = 32;
const REFUSAL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\n\
    content-type: application/json\r\ncontent-length: 97\r\n\r\n\
    {\"error\":{\"message\":\"too many connections: ask again in a moment\",\"code\":\"too_many_connections\"}}";

/// Takes connections in and drives them.
#[derive(Clone)]
pub(crate) struct Connections {
    table: Table,
    limits: Arc<Limits>,
    observatory: Arc<Observatory>,
    tasks: TaskTracker,
    refusals: Arc<Semaphore>,
    /// Set when nothing new is taken in and what runs may finish.
    stopping: CancellationToken,
    /// Set when what still runs is dropped.
    ended: CancellationToken,
}

impl Connections {
    /// Raises the limit of open files as far as the system allows and fits the number of connections to it.
    pub(crate) fn new(
        config: &sy_config::Server,
        observatory: Arc<Observatory>,
        stopping: CancellationToken,
    ) -> Self {
        let wanted = usize::try_from(config.connections.max).unwrap_or(usize::MAX);
        let possible = descriptors::room_for_connections();
        let max = possible.map_or(wanted, |possible| wanted.min(possible));
        if max < wanted {
            info!(
                max,
                wanted,
                "the limit of open files leaves room for fewer connections than server.connections.max"
            );
        }
        let per_address = usize::try_from(config.connections.max_per_address).unwrap_or(usize::MAX);
        Self {
            table: Table::new(Room { max, per_address }),
            limits: Arc::new(Limits::of(&config.timeouts)),
            observatory,
            tasks: TaskTracker::new(),
            refusals: Arc::new(Semaphore::new(REFUSALS)),
            stopping,
            ended: CancellationToken::new(),
        }
    }

    /// Warns where a few clients can be in each other's way.
    pub(crate) fn warn_of_little_room(&self) {
        let max = self.table.room().max;
        if max < COMFORTABLE {
            warn!(max, "few connections are possible: raise the limit of open files (ulimit -n)");
        }
    }

    /// Returns how many connections are open.
    pub(crate) fn count(&self) -> usize {
        self.tasks.len()
    }

    /// Takes connections in until the server stops.
    pub(crate) async fn accept(&self, listener: TcpListener, surfaces: Router) {
        let protocols = Arc::new(protocols(&self.limits));
        loop {
            let accepted = tokio::select! {
                biased;
                () = self.stopping.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, address)) => {
                    let peer = address.ip().to_canonical();
                    self.admit(stream, peer, &surfaces, &protocols);
                }
                Err(error) => {
                    // Mostly there are no descriptors left: the files of an idle client are the ones to spare.
                    debug!(%error, "a connection could not be taken in");
                    self.table.dismiss_idle();
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Waits until all connections have ended, at most this long; then drops the rest.
    pub(crate) async fn finish(&self, longest: Duration) {
        self.tasks.close();
        if timeout(longest, self.tasks.wait()).await.is_err() {
            self.ended.cancel();
            self.tasks.wait().await;
        }
    }

    fn admit(
        &self,
        stream: TcpStream,
        peer: IpAddr,
        surfaces: &Router,
        protocols: &Arc<Builder<TokioExecutor>>,
    ) {
        // Small events must not wait for the acknowledgement of the ones before.
        stream.set_nodelay(true).ok();
        let activity = Arc::new(Activity::new());
        let Some(entry) = self.table.enter(peer, &activity) else {
            self.observatory.metrics.connection("refused");
            self.refuse(stream);
            return;
        };

        let service = ConnectionService::new(
            surfaces.clone(),
            Arc::clone(&activity),
            Arc::clone(&self.observatory),
            peer,
            &self.limits,
        );
        let io = TokioIo::new(Socket::new(stream, activity));
        let (connections, protocols) = (self.clone(), Arc::clone(protocols));
        self.tasks.spawn(async move {
            let ended = connections.ended.clone();
            let driven = connections.drive(&protocols, io, service, &entry);
            let reason = ended.run_until_cancelled(driven).await.unwrap_or("cut off");
            connections.observatory.metrics.connection(reason);
        });
    }

    /// Serves one connection until it ends, is out of time, or must make room. Returns how it ended, for the counters.
    async fn drive(
        &self,
        protocols: &Builder<TokioExecutor>,
        io: TokioIo<Socket>,
        service: ConnectionService,
        entry: &Entry,
    ) -> &'static str {
        let activity = entry.activity();
        let serving = protocols.serve_connection(io, service);
        tokio::pin!(serving);
        let mut is_leaving = false;
        loop {
            let look_again = activity.look_again(&self.limits);
            tokio::select! {
                biased;
                _ = serving.as_mut() => return "closed",
                () = entry.dismissed() => {
                    serving.as_mut().graceful_shutdown();
                    // A request that came at the last moment is still answered.
                    if timeout(GOODBYE, serving.as_mut()).await.is_ok() || activity.is_idle() {
                        return "dismissed";
                    }
                }
                () = self.stopping.cancelled(), if !is_leaving => {
                    is_leaving = true;
                    serving.as_mut().graceful_shutdown();
                }
                () = sleep_until(look_again) => {
                    if activity.deadline(&self.limits).is_some_and(|deadline| deadline <= Instant::now()) {
                        // The socket is told by its next read, and says it to the client where that can understand it.
                        activity.expire();
                        timeout(GOODBYE, serving.as_mut()).await.ok();
                        return "timed out";
                    }
                }
            }
        }
    }

    /// Tells a client that there is no room. A connection that is closed at once would lose the answer.
    fn refuse(&self, stream: TcpStream) {
        let Ok(permit) = Arc::clone(&self.refusals).try_acquire_owned() else { return };
        self.tasks.spawn(async move {
            let told = async {
                if stream.writable().await.is_ok() && stream.try_write(REFUSAL).is_ok() {
                    socket::linger(stream).await;
                }
            };
            timeout(REFUSAL_TIME, told).await.ok();
            drop(permit);
        });
    }
}

/// Returns how HTTP is spoken, with the bounds that hold for everybody.
fn protocols(limits: &Limits) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        // `activity` measures that, from the first byte and with an answer; this is only for what it cannot see.
        .header_read_timeout(limits.head.saturating_mul(4).max(limits.idle.saturating_mul(2)))
        .max_buf_size(READ_LIMIT);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .max_header_list_size(HEADER_LIST)
        .max_pending_accept_reset_streams(CANCELLED_STREAMS)
        .max_local_error_reset_streams(BROKEN_STREAMS)
        .keep_alive_interval(Some(PING_INTERVAL));
    builder
}
