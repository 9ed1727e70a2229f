//! Sends a call to a provider and gives its answer back piece by piece.
//!
//! Called by `attempt`. The only file of this crate that knows the HTTP client: who is called, with which credential and
//! how often is decided elsewhere. It deliberately follows no redirect, keeps no cookie and asks for no compression, so
//! that bytes arrive as the provider wrote them.

use std::collections::HashSet;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use sy_types::{CallBody, ErrorKind, Failure, HttpCall, MemoryAccount, MemoryCharge, Side, Target};
use url::{Host, Url};

use crate::egress::{self, Denied, Reach};
use crate::limits::{answer_text, of_provider};
use crate::watch::Watch;

/// Bodies up to this size are copied into one piece: cheaper than several writes to the socket.
const JOIN_LIMIT: u64 = 32 << 10;
/// Idle connections kept per host: enough for a burst, and the provider closes them after a minute or so anyway.
const IDLE_PER_HOST: usize = 256;
/// How long an idle connection is kept. Many load balancers close theirs after 60 s; a shorter time avoids the race.
const IDLE_TIME: Duration = Duration::from_secs(50);
/// The most clients: one for each way out and connect limit, and both come from configuration.
const CLIENT_LIMIT: usize = 32;

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

/// The rest of an answer. Dropping it cancels the call.
#[derive(Debug)]
pub(crate) struct ReplyBody(reqwest::Response);

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
                format!("the provider's answer broke off: {}", cause(&error)),
            ))),
        })
    }

    /// Reads the rest into one piece, at most `limit` bytes of it.
    ///
    /// # Errors
    /// `Timeout` by the watch; `Malformed` when the answer breaks off or, unless `cut` is true, grows beyond the limit.
    pub(crate) async fn gather(
        &mut self,
        watch: &mut Watch,
        limit: usize,
        cut: bool,
        charge: &mut MemoryCharge,
    ) -> Result<Bytes, Failure> {
        let mut first: Option<Bytes> = None;
        let mut whole = BytesMut::new();
        while let Some(chunk) = self.next(watch).await? {
            let so_far = whole.len() + first.as_ref().map_or(0, Bytes::len);
            if so_far + chunk.len() > limit {
                if cut {
                    break;
                }
                let text = format!(
                    "the provider sent an answer of more than {limit} bytes: raise server.answer_limit_mb if it is needed"
                );
                return Err(Failure::provider(ErrorKind::Malformed, text));
            }
            match first.take() {
                None if whole.is_empty() => first = Some(chunk),
                begun => {
                    let needed = so_far + chunk.len();
                    if needed > whole.capacity() {
                        // While the buffer grows, the old one and the new one live side by side.
                        let grown = needed.max(whole.capacity() * 2);
                        let both = (grown + whole.capacity()) as u64;
                        charge.resize(both, || answer_text(needed, 0))?;
                        whole.reserve(grown - whole.len());
                        charge.resize(whole.capacity() as u64, || answer_text(needed, 0))?;
                    }
                    whole.extend_from_slice(begun.as_deref().unwrap_or_default());
                    whole.extend_from_slice(&chunk);
                }
            }
        }
        Ok(first.unwrap_or_else(|| whole.freeze()))
    }

    /// Reads a whole answer of at most `limit` bytes. They stay charged to the account as long as they live.
    pub(crate) async fn whole(
        &mut self,
        watch: &mut Watch,
        limit: usize,
        account: &MemoryAccount,
    ) -> Result<Bytes, Failure> {
        let mut charge = account.open();
        let whole = self.gather(watch, limit, false, &mut charge).await.map_err(of_provider)?;
        Ok(charge.tie_to(whole))
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

/// The way out: one client per reach and connect limit, each built at its first use.
#[derive(Debug, Default)]
pub(crate) struct Connector {
    clients: RwLock<Vec<(Exit, reqwest::Client)>>,
    /// Hosts that were called as public ones: their names must resolve to public addresses. The name of an HTTP proxy is
    /// never among them unless it is also a provider's.
    public: Arc<RwLock<HashSet<Box<str>>>>,
    /// PEM files of further certificate authorities.
    authorities: Vec<PathBuf>,
}

/// What tells one client from another: how far it reaches, which way, and its connect limit.
type Exit = (Reach, Way, Duration);

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

    /// Sends a call and waits for the headers of the answer.
    ///
    /// # Errors
    /// `Forbidden` for an address that is refused, `Timeout` by the watch or the connect limit, `Unavailable` when the
    /// connection fails.
    pub(crate) async fn send(
        &self,
        target: &Target,
        call: HttpCall,
        watch: &mut Watch,
    ) -> Result<Reply, Missed> {
        let reach = if target.operator_configured { Reach::Operator } else { Reach::Public };
        egress::check_url(&call.url, reach)?;
        let client = self.client(&call.url, reach, target.timeouts.connect)?;
        let HttpCall { method, url, headers, body } = call;
        let mut request = reqwest::Request::new(method, url);
        *request.headers_mut() = headers;
        *request.body_mut() = Some(request_body(body));
        let mut sending = pin!(client.execute(request));
        let sent = poll_fn(|context| match sending.as_mut().poll(context) {
            Poll::Ready(sent) => Poll::Ready(Ok(sent)),
            Poll::Pending => watch.poll_expired(context).map(Err),
        })
        .await?;
        watch.touch();
        let mut response = sent.map_err(|error| missed(&error, target))?;
        let (status, headers) = (response.status(), std::mem::take(response.headers_mut()));
        Ok(Reply { status, headers, body: ReplyBody(response) })
    }

    fn client(
        &self,
        url: &Url,
        reach: Reach,
        connect: Duration,
    ) -> Result<reqwest::Client, Failure> {
        if reach == Reach::Public {
            self.note_public(url.host_str().unwrap_or_default());
        }
        let way = if reach == Reach::Operator && is_near(url) { Way::Direct } else { Way::Usual };
        let wanted = (reach, way, connect);
        let known = self.clients.read().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, client)) = known.iter().find(|(key, _)| *key == wanted) {
            return Ok(client.clone());
        }
        drop(known);
        let client = self.build(reach, way, connect)?;
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

    fn note_public(&self, host: &str) {
        if self.public.read().unwrap_or_else(PoisonError::into_inner).contains(host) {
            return;
        }
        self.public.write().unwrap_or_else(PoisonError::into_inner).insert(host.into());
    }

    fn build(&self, reach: Reach, way: Way, connect: Duration) -> Result<reqwest::Client, Failure> {
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
            Failure::bug(format!("the HTTP client cannot be built: {}", cause(&error)))
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

/// Looks names up and keeps back the addresses that may not be called, so that a name cannot lead where a literal
/// address may not go, and a second look-up cannot change the answer.
struct Guard {
    reach: Reach,
    public: Arc<RwLock<HashSet<Box<str>>>>,
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let is_public =
            self.public.read().unwrap_or_else(PoisonError::into_inner).contains(name.as_str());
        let reach =
            if self.reach == Reach::Public && is_public { Reach::Public } else { Reach::Operator };
        Box::pin(async move {
            let found: Vec<SocketAddr> =
                tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let addresses = permitted(name.as_str(), reach, found)?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

/// A name that leads only to refused addresses.
#[derive(Debug, thiserror::Error)]
#[error("{host} is refused: {denied}")]
struct Refusal {
    host: String,
    denied: Denied,
}

fn permitted(host: &str, reach: Reach, found: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, Refusal> {
    let mut denied = None;
    let judged = found.into_iter().filter(|address| match egress::judge(address.ip(), reach) {
        Ok(()) => true,
        Err(reason) => {
            denied = Some(reason);
            false
        }
    });
    let kept: Vec<SocketAddr> = judged.collect();
    match denied {
        Some(denied) if kept.is_empty() => Err(Refusal { host: host.to_owned(), denied }),
        _ => Ok(kept),
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

/// Tells what went wrong before an answer came.
fn missed(error: &reqwest::Error, target: &Target) -> Missed {
    if let Some(refusal) = find::<Refusal>(error) {
        return egress::refusal(&refusal.host, refusal.denied).into();
    }
    let provider = &target.provider;
    if error.is_connect() && error.is_timeout() {
        let text = format!("no connection to {provider} within {:?}", target.timeouts.connect);
        return Failure::provider(ErrorKind::Timeout, text).into();
    }
    if error.is_connect() {
        let text = format!("no connection to {provider}: {}", cause(error));
        return Failure::provider(ErrorKind::Unavailable, text).into();
    }
    if error.is_builder() {
        let text = format!("the call to {provider} cannot be made: {}", cause(error));
        return Failure::new(ErrorKind::Internal, Side::Gateway, text).into();
    }
    let text =
        format!("the connection to {provider} broke before an answer came: {}", cause(error));
    Missed { failure: Failure::provider(ErrorKind::Unavailable, text), broke: true }
}

/// Returns the innermost cause, which says what happened; the outer ones repeat the URL.
fn cause(error: &reqwest::Error) -> String {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

fn find<T: std::error::Error + 'static>(error: &reqwest::Error) -> Option<&T> {
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        source = error.source();
    }
    None
}

#[cfg(test)]
mod tests;
