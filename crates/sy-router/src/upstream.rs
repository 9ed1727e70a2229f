//! Sends a call to a provider and gives its answer back piece by piece.
//!
//! Called by `attempt`. The only file of this crate that knows the HTTP client: who is called, with which credential and
//! how often is decided elsewhere. It deliberately follows no redirect, keeps no cookie and asks for no compression, so
//! that bytes arrive as the provider wrote them.

mod body;
mod error;
mod lookup;

use std::collections::{HashMap, HashSet};
use std::future::poll_fn;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode};
use sy_types::{CallBody, Failure, HttpCall, Target};
use url::{Host, Url};

use crate::egress::{self, Denied, Reach};
use crate::watch::Watch;

pub(crate) use body::ReplyBody;

use lookup::Guard;

/// Bodies up to this size are copied into one piece: cheaper than several writes to the socket.
const JOIN_LIMIT: u64 = 32 << 10;
/// Idle connections kept per host: enough for a burst, and the provider closes them after a minute or so anyway.
const IDLE_PER_HOST: usize = 256;
/// How long an idle connection is kept. Many load balancers close theirs after 60 s; a shorter time avoids the race.
const IDLE_TIME: Duration = Duration::from_secs(50);
/// The most clients: one for each way out and connect limit, and both come from configuration.
const CLIENT_LIMIT: usize = 32;
/// The most hosts that have a client of their own. Fewer than there may be clients.
const RENEWED_LIMIT: usize = 16;
/// How long an HTTP/2 connection with an open call may be silent before its peer is asked for a
/// sign of life, and how long that may take. Without it a connection whose peer is gone carries
/// calls until the system gives up, after many minutes.
const PING_AFTER: Duration = Duration::from_secs(20);
const PING_TIME: Duration = Duration::from_secs(10);

/// A call that brought no answer.
#[derive(Debug)]
pub(crate) struct Missed {
    pub(crate) failure: Failure,
    /// True when the connection broke before the first byte of an answer: a pooled connection that the provider had
    /// closed meanwhile looks like that, and the call is worth repeating at once.
    pub(crate) broke: bool,
}

impl From<Failure> for Missed {
    fn from(failure: Failure) -> Self {
        Self { failure, broke: false }
    }
}

/// The beginning of an answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: ReplyBody,
}

/// A call that is ready to be sent.
#[derive(Debug)]
pub(crate) struct Ready<'t> {
    target: &'t Target,
    way: Way,
    client: reqwest::Client,
    request: reqwest::Request,
}

/// The way out: one client per reach and connect limit, each built at its first use.
#[derive(Debug, Default)]
pub(crate) struct Connector {
    clients: RwLock<Vec<(Exit, reqwest::Client)>>,
    /// Hosts that did not answer in time, each with the number of the client that took over.
    renewed: RwLock<HashMap<Box<str>, u64>>,
    renewals: AtomicU64,
    /// Hosts that were called as public ones: their names must resolve to public addresses. The name of an HTTP proxy is
    /// never among them unless it is also a provider's.
    public: Arc<RwLock<HashSet<Box<str>>>>,
    /// PEM files of further certificate authorities.
    authorities: Vec<PathBuf>,
}

/// What tells one client from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Exit {
    reach: Reach,
    way: Way,
    connect: Duration,
    /// The number of a host's own client, where it has one.
    renewed: Option<u64>,
}

/// Whether an HTTP proxy of the environment is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// As the environment says.
    Usual,
    /// Never: the host is this machine or in its network.
    Direct,
}

impl Connector {
    /// Makes a connector that also trusts the authorities of the given PEM files.
    pub(crate) fn new(authorities: Vec<PathBuf>) -> Self {
        Self { authorities, ..Self::default() }
    }

    /// Makes a call ready to be sent; nothing leaves yet.
    ///
    /// # Errors
    /// `Forbidden` for an address that is refused.
    pub(crate) fn prepare<'t>(
        &self,
        target: &'t Target,
        call: HttpCall,
    ) -> Result<Ready<'t>, Failure> {
        let reach = if target.operator_configured { Reach::Operator } else { Reach::Public };
        egress::check_url(&call.url, reach)?;
        let way =
            if reach == Reach::Operator && is_near(&call.url) { Way::Direct } else { Way::Usual };
        let client = self.client(
            &call.url,
            Exit { reach, way, connect: target.timeouts.connect, renewed: None },
        )?;

        let HttpCall { method, url, headers, body } = call;
        let mut request = reqwest::Request::new(method, url);
        *request.headers_mut() = headers;
        *request.body_mut() = Some(request_body(body));
        Ok(Ready { target, way, client, request })
    }

    /// Sends a call and waits for the headers of the answer.
    ///
    /// # Errors
    /// `Timeout` by the watch or the connect limit, `Forbidden` for a name that leads to a refused
    /// address, `Unavailable` when the connection fails.
    pub(crate) async fn send(&self, ready: Ready<'_>, watch: &mut Watch) -> Result<Reply, Missed> {
        let Ready { target, way, client, request } = ready;
        let url = request.url().clone();
        let mut sending = pin!(client.execute(request));
        let sent = poll_fn(|context| match sending.as_mut().poll(context) {
            Poll::Ready(sent) => Poll::Ready(Ok(sent)),
            Poll::Pending => watch.poll_expired(context).map(Err),
        })
        .await;
        let sent = sent.inspect_err(|_| self.renew(&url))?;
        watch.touch();
        let mut response = sent.map_err(|error| {
            let proxy = (way == Way::Usual).then(|| error::proxy(&url)).flatten();
            error::missed(&error, target, proxy)
        })?;
        let (status, headers) = (response.status(), std::mem::take(response.headers_mut()));
        Ok(Reply { status, headers, body: ReplyBody(response) })
    }

    fn client(&self, url: &Url, exit: Exit) -> Result<reqwest::Client, Failure> {
        let host = url.host_str().unwrap_or_default();
        if exit.reach == Reach::Public {
            self.note_public(host);
        }
        let renewed =
            self.renewed.read().unwrap_or_else(PoisonError::into_inner).get(host).copied();
        let wanted = Exit { renewed, ..exit };
        let known = self.clients.read().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, client)) = known.iter().find(|(key, _)| *key == wanted) {
            return Ok(client.clone());
        }
        drop(known);
        let client = self.build(wanted)?;
        let mut known = self.clients.write().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, client)) = known.iter().find(|(key, _)| *key == wanted) {
            return Ok(client.clone());
        }
        if known.len() >= CLIENT_LIMIT {
            known.remove(0);
        }
        known.push((wanted, client.clone()));
        Ok(client)
    }

    /// Has the next call to a host go over a new connection: the one that does not answer may be
    /// dead without showing it, and one of HTTP/2 carries all calls. Plain HTTP has no HTTP/2 here,
    /// and a call that is given up ends its connection.
    fn renew(&self, url: &Url) {
        if url.scheme() != "https" {
            return;
        }
        let host = url.host_str().unwrap_or_default();
        let number = self.renewals.fetch_add(1, Ordering::Relaxed);
        let mut renewed = self.renewed.write().unwrap_or_else(PoisonError::into_inner);
        if renewed.len() >= RENEWED_LIMIT {
            renewed.clear();
        }
        let former = renewed.insert(host.into(), number);
        drop(renewed);

        // What still runs on the former client keeps it until it ends.
        if former.is_some() {
            let mut known = self.clients.write().unwrap_or_else(PoisonError::into_inner);
            known.retain(|(exit, _)| exit.renewed.is_none() || exit.renewed != former);
        }
    }

    fn note_public(&self, host: &str) {
        if self.public.read().unwrap_or_else(PoisonError::into_inner).contains(host) {
            return;
        }
        self.public.write().unwrap_or_else(PoisonError::into_inner).insert(host.into());
    }

    fn build(&self, exit: Exit) -> Result<reqwest::Client, Failure> {
        let Exit { reach, way, connect, renewed: _ } = exit;
        let guard = Guard { reach, public: Arc::clone(&self.public) };
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("switchyard/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .dns_resolver(guard)
            .connect_timeout(connect)
            .tcp_nodelay(true)
            .tcp_keepalive(Duration::from_secs(60))
            .pool_max_idle_per_host(IDLE_PER_HOST)
            .pool_idle_timeout(IDLE_TIME)
            .http2_adaptive_window(true)
            .http2_keep_alive_interval(PING_AFTER)
            .http2_keep_alive_timeout(PING_TIME)
            .no_gzip()
            .no_brotli()
            .no_zstd()
            .no_deflate();
        if way == Way::Direct {
            builder = builder.no_proxy();
        }
        for file in &self.authorities {
            builder = builder.tls_certs_merge(sy_catalog::certificates(file)?);
        }
        builder.build().map_err(|error| {
            Failure::bug(format!("the HTTP client cannot be built: {}", error::cause(&error)))
        })
    }
}

/// Returns true for a host that no proxy can reach better than we: an address of this machine or its network.
fn is_near(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => {
            egress::judge(address.into(), Reach::Public) == Err(Denied::Private)
        }
        Some(Host::Ipv6(address)) => {
            egress::judge(address.into(), Reach::Public) == Err(Denied::Private)
        }
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    }
}

fn request_body(body: CallBody) -> reqwest::Body {
    let length = body.len();
    let mut pieces = body.into_pieces();
    if pieces.len() <= 1 {
        return reqwest::Body::from(pieces.pop().unwrap_or_default());
    }
    if length <= JOIN_LIMIT {
        let mut whole = BytesMut::with_capacity(usize::try_from(length).unwrap_or_default());
        for piece in &pieces {
            whole.extend_from_slice(piece);
        }
        return reqwest::Body::from(whole.freeze());
    }
    reqwest::Body::wrap(Pieces { left: length, pieces: pieces.into_iter() })
}

/// A request body in pieces of known length, so that it goes out with a `content-length`.
struct Pieces {
    pieces: std::vec::IntoIter<Bytes>,
    left: u64,
}

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        let Some(piece) = self.pieces.next() else { return Poll::Ready(None) };
        self.left -= piece.len() as u64;
        Poll::Ready(Some(Ok(http_body::Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> http_body::SizeHint {
        http_body::SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests;
