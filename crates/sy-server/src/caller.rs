//! What is true of every request before its surface looks at it: an id, an allowed origin, a known caller.
//!
//! Called first by every handler. It deliberately does not answer: the surface knows the dialect of the refusal.

use std::time::Instant;

use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue};
use sy_types::{Failover, Failure, Principal, RequestContext, RequestId};

use crate::app::App;
use crate::connections::Peer;

/// The response and request header that carries the request id.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The request header that refuses what the server would otherwise drop.
const STRICT: HeaderName = HeaderName::from_static("x-switchyard-strict");

/// The request header that says what happens where a target has no room now.
const FAILOVER: HeaderName = HeaderName::from_static("x-switchyard-failover");

/// A request on its way in.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) context: RequestContext,
    pub(crate) began: Instant,
}

impl Caller {
    /// Looks at the request's head. The second value says why the request must be refused, if it must.
    pub(crate) fn enter(app: &App, parts: &Parts) -> (Self, Result<(), Failure>) {
        let admitted = app
            .access
            .check_origin(&parts.headers, parts.uri.authority().map(http::uri::Authority::as_str))
            .and_then(|()| Self::principal(app, parts));
        let mut caller = Self::unknown(parts);
        caller.context.strict |= app.config().server.strict;
        let refusal = admitted.and_then(|principal| {
            caller.context.principal = principal;
            caller.context.failover = failover(&parts.headers)?;
            Ok(())
        });
        (caller, refusal)
    }

    /// Finds out who is calling. Wrong tokens count for the address that they come from.
    pub(crate) fn principal(app: &App, parts: &Parts) -> Result<Principal, Failure> {
        let peer = parts.extensions.get::<Peer>().map(|peer| peer.0);
        app.access.authenticate_from(peer, &parts.headers, parts.uri.query())
    }

    /// Takes a request whose caller need not be known.
    pub(crate) fn unknown(parts: &Parts) -> Self {
        Self::with(&parts.headers)
    }

    /// Stands for a caller of whose request nothing is left.
    pub(crate) fn lost() -> Self {
        Self::with(&HeaderMap::new())
    }

    /// Takes what the headers say.
    pub(crate) fn with(headers: &HeaderMap) -> Self {
        let strict = headers.get(STRICT).is_some_and(|value| value == "true");
        let id = request_id(headers);
        let context =
            RequestContext { id, principal: Principal::Anonymous, strict, failover: None };
        Self { context, began: Instant::now() }
    }

    /// Returns the id as a header value.
    pub(crate) fn id_header(&self) -> HeaderValue {
        HeaderValue::from_str(self.context.id.as_str())
            .unwrap_or_else(|_| HeaderValue::from_static("invalid"))
    }
}

/// Reads what the caller wants where a target has no room.
fn failover(headers: &HeaderMap) -> Result<Option<Failover>, Failure> {
    let Some(value) = headers.get(FAILOVER) else { return Ok(None) };
    match value.to_str().ok().and_then(Failover::named) {
        Some(failover) => Ok(Some(failover)),
        None => Err(Failure::invalid(format!(
            "{FAILOVER}: expected `immediate` (ask the next target at once) or `wait` (keep a \
             short wait that the provider asked for)"
        ))),
    }
}

/// Takes the caller's id when it is short and plain, else makes one.
fn request_id(headers: &HeaderMap) -> RequestId {
    let sent = headers.get(REQUEST_ID).and_then(|value| value.to_str().ok());
    match sent.filter(|text| {
        (1..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
    }) {
        Some(text) => RequestId::new(text),
        None => RequestId::new(&format!("req_{}", uuid::Uuid::now_v7().simple())),
    }
}
