//! A fake provider: a real HTTP server on a loopback port that follows scripts and remembers requests.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::Frame;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::connection::Connection;
use crate::script::{End, Script, Step};

/// A request that a fake provider got.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The method.
    pub method: http::Method,
    /// The path with the query.
    pub path: String,
    /// All headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// When it had come in whole.
    pub at: Instant,
    /// Which connection it came on, counted from 0.
    pub connection: usize,
    fate: Arc<Fate>,
}

/// What became of a request.
#[derive(Debug, Default)]
struct Fate {
    left: AtomicBool,
    served: AtomicBool,
}

impl Seen {
    /// Returns true when the client closed the connection before the script was at its end.
    pub fn client_left(&self) -> bool {
        self.fate.left.load(Ordering::Acquire)
    }

    /// Returns true when the script was followed to its end.
    pub fn was_served(&self) -> bool {
        self.fate.served.load(Ordering::Acquire)
    }

    /// Returns a header as text, or an empty one.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Returns the body as JSON, or `null`.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// How long a body rests before its connection is cut, so that what was written has left: a cut takes along what is
/// still in a buffer, and a test could not tell how far the client had read.
const FLUSH_TIME: Duration = Duration::from_millis(25);

type Play = dyn Fn(usize, &Seen) -> Script + Send + Sync;

struct Stage {
    play: Box<Play>,
    seen: Mutex<Vec<Seen>>,
    news: Notify,
    connections: AtomicUsize,
}

/// A fake provider. Dropping it closes its port and all connections.
pub struct FakeUpstream {
    address: SocketAddr,
    stage: Arc<Stage>,
    _alive: DropGuard,
}

impl FakeUpstream {
    /// Starts a provider that asks `play` what to do with each request; requests are counted from 0.
    ///
    /// # Panics
    /// When no loopback port can be opened.
    pub async fn start(play: impl Fn(usize, &Seen) -> Script + Send + Sync + 'static) -> Self {
        #[expect(clippy::expect_used, reason = "without a loopback port no test can run")]
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a loopback port");
        #[expect(clippy::expect_used, reason = "a bound socket has an address")]
        let address = listener.local_addr().expect("the address of a bound socket");
        let stage = Arc::new(Stage {
            play: Box::new(play),
            seen: Mutex::default(),
            news: Notify::new(),
            connections: AtomicUsize::new(0),
        });
        let alive = CancellationToken::new();
        let tracker = TaskTracker::new();
        tracker.spawn(accept(listener, Arc::clone(&stage), tracker.clone(), alive.clone()));
        Self { address, stage, _alive: alive.drop_guard() }
    }

    /// Starts a provider that does the same with every request.
    pub async fn always(script: Script) -> Self {
        Self::start(move |_, _| script.clone()).await
    }

    /// Starts a provider that follows the scripts in order and repeats the last one.
    pub async fn sequence(scripts: impl IntoIterator<Item = Script>) -> Self {
        let scripts: Vec<Script> = scripts.into_iter().collect();
        Self::start(move |number, _| {
            scripts.get(number).or(scripts.last()).cloned().unwrap_or_else(|| Script::status(500))
        })
        .await
    }

    /// Returns the address, without a trailing slash.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns the socket address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns all requests so far.
    pub fn requests(&self) -> Vec<Seen> {
        self.stage.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns how many requests came so far.
    pub fn hits(&self) -> usize {
        self.stage.seen.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Returns how many connections were opened so far.
    pub fn connections(&self) -> usize {
        self.stage.connections.load(Ordering::Acquire)
    }

    /// Waits until so many requests came in.
    ///
    /// # Panics
    /// After twenty seconds.
    pub async fn until_hits(&self, hits: usize) {
        self.until("requests", || self.hits() >= hits).await;
    }

    /// Waits until the client of the given request (counted from 0) has left.
    ///
    /// # Panics
    /// After twenty seconds.
    pub async fn until_left(&self, number: usize) {
        self.until("the client to leave", || {
            self.requests().get(number).is_some_and(Seen::client_left)
        })
        .await;
    }

    async fn until(&self, what: &str, is_so: impl Fn() -> bool) {
        let waiting = async {
            loop {
                let news = self.stage.news.notified();
                if is_so() {
                    return;
                }
                news.await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(20), waiting).await;
        assert!(waited.is_ok(), "waited twenty seconds for {what}");
    }
}

async fn accept(
    listener: TcpListener,
    stage: Arc<Stage>,
    tracker: TaskTracker,
    alive: CancellationToken,
) {
    loop {
        let accepted = tokio::select! {
            () = alive.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else { continue };
        // Only the speed of tests depends on it.
        stream.set_nodelay(true).ok();
        let number = stage.connections.fetch_add(1, Ordering::AcqRel);
        let (stage, alive) = (Arc::clone(&stage), alive.clone());
        tracker.spawn(async move {
            let resets = Arc::new(AtomicBool::new(false));
            let connection = TokioIo::new(Connection::new(stream, Arc::clone(&resets)));
            let service = service_fn(move |request| {
                answer(Arc::clone(&stage), Arc::clone(&resets), number, request)
            });
            let serving =
                hyper::server::conn::http1::Builder::new().serve_connection(connection, service);
            tokio::select! {
                () = alive.cancelled() => {}
                // An end by the client or by a script is what tests are made of.
                ended = serving => drop(ended),
            }
        });
    }
}

/// The error with which a connection is closed on purpose.
#[derive(Debug)]
struct HungUp;

impl std::fmt::Display for HungUp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("hung up by the script")
    }
}

impl std::error::Error for HungUp {}

async fn answer(
    stage: Arc<Stage>,
    resets: Arc<AtomicBool>,
    connection: usize,
    request: Request<Incoming>,
) -> Result<Response<Performance>, HungUp> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| HungUp)?.to_bytes();
    let fate = Arc::new(Fate::default());
    let seen = Seen {
        method: parts.method,
        path: parts.uri.path_and_query().map_or_else(String::new, ToString::to_string),
        headers: parts.headers,
        body,
        at: Instant::now(),
        connection,
        fate: Arc::clone(&fate),
    };
    let number = {
        let mut list = stage.seen.lock().unwrap_or_else(PoisonError::into_inner);
        list.push(seen.clone());
        list.len() - 1
    };
    stage.news.notify_waiters();
    let script = (stage.play)(number, &seen);
    let mut steps: VecDeque<Step> = script.steps.into();
    if matches!(script.end, End::Drop | End::Reset) {
        steps.push_back(Step::Wait(FLUSH_TIME));
    }
    let mut performance = Performance {
        steps,
        waiting: None,
        end: script.end,
        resets,
        watch: Watch { fate, stage, is_over: false },
    };
    if !script.before.is_zero() {
        tokio::time::sleep(script.before).await;
    }
    if !script.headers_come {
        performance.hang_up().await?;
    }
    let mut response = Response::new(performance);
    *response.status_mut() = script.status;
    *response.headers_mut() = script.headers;
    Ok(response)
}

/// Notices that a client left: it is dropped before the script is over.
struct Watch {
    fate: Arc<Fate>,
    stage: Arc<Stage>,
    is_over: bool,
}

impl Watch {
    fn over(&mut self) {
        self.is_over = true;
        self.fate.served.store(true, Ordering::Release);
        self.stage.news.notify_waiters();
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if !self.is_over {
            self.fate.left.store(true, Ordering::Release);
            self.stage.news.notify_waiters();
        }
    }
}

/// A body that follows a script.
struct Performance {
    steps: VecDeque<Step>,
    waiting: Option<Pin<Box<tokio::time::Sleep>>>,
    end: End,
    resets: Arc<AtomicBool>,
    watch: Watch,
}

impl Performance {
    /// Ends without an answer, or never.
    async fn hang_up(&mut self) -> Result<Infallible, HungUp> {
        if self.end == End::Stall {
            std::future::pending::<()>().await;
        }
        self.watch.over();
        self.resets.store(self.end == End::Reset, Ordering::Release);
        Err(HungUp)
    }

    fn poll_end(&mut self) -> Poll<Option<Result<Frame<Bytes>, HungUp>>> {
        match self.end {
            End::Stall => return Poll::Pending,
            End::Complete => {
                self.watch.over();
                return Poll::Ready(None);
            }
            End::Drop => {}
            End::Reset => self.resets.store(true, Ordering::Release),
        }
        self.watch.over();
        Poll::Ready(Some(Err(HungUp)))
    }
}

impl http_body::Body for Performance {
    type Data = Bytes;
    type Error = HungUp;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        loop {
            if let Some(waiting) = &mut self.waiting {
                if waiting.as_mut().poll(context).is_pending() {
                    return Poll::Pending;
                }
                self.waiting = None;
            }
            match self.steps.pop_front() {
                None => return self.poll_end(),
                Some(Step::Wait(time)) => self.waiting = Some(Box::pin(tokio::time::sleep(time))),
                Some(Step::Send(bytes)) => return Poll::Ready(Some(Ok(Frame::data(bytes)))),
            }
        }
    }

    fn size_hint(&self) -> http_body::SizeHint {
        let is_whole = self.waiting.is_none() && self.end == End::Complete;
        let mut length = 0;
        for step in &self.steps {
            match step {
                Step::Send(bytes) => length += bytes.len() as u64,
                Step::Wait(_) => return http_body::SizeHint::default(),
            }
        }
        // One piece goes out with a length, several go out chunked, as real providers do it.
        if is_whole && self.steps.len() <= 1 {
            http_body::SizeHint::with_exact(length)
        } else {
            http_body::SizeHint::default()
        }
    }
}
