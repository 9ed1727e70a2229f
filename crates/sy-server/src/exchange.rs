//! One chat request from the socket to the router and back: what all chat surfaces share.
//!
//! A surface names its dialect and what its path says; everything else is the same for all.

use std::sync::Arc;

use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use sy_protocol::embeddings::EmbedWire;
use sy_protocol::{Downstream, Hints, Inbound, ReplyInfo};
use sy_router::{Answer, Body, Refused, Trail, Whole};
use sy_types::{ErrorKind, Failure, Side};

use crate::app::App;
use crate::caller::Caller;
use crate::failure::shutting_down;
use crate::observe::metrics::endpoint;
use crate::reply;

/// Request headers that are passed on to a provider of the caller's own protocol: they switch on features of the
/// protocol, and hold no identity.
const PASSED_ON: [HeaderName; 3] = [
    HeaderName::from_static("anthropic-beta"),
    HeaderName::from_static("anthropic-version"),
    HeaderName::from_static("openai-beta"),
];

/// Says that a token count is a rule of thumb.
const ESTIMATED: HeaderName = HeaderName::from_static("x-switchyard-estimated");

/// What a request whose client left before the answer's head is counted as.
const CLIENT_GONE: u16 = 499;

/// Counts a request when it is answered, or when its client left before.
pub(crate) struct Visit {
    app: App,
    caller: Caller,
    method: Method,
    path: String,
    /// True once the router was asked: from then on its record is the access line.
    in_router: bool,
    is_open: bool,
}

impl Visit {
    fn begin(app: &App, caller: &Caller, parts: &Parts) -> Self {
        let (method, path) = (parts.method.clone(), parts.uri.path().to_owned());
        Self {
            app: app.clone(),
            caller: caller.clone(),
            method,
            path,
            in_router: false,
            is_open: true,
        }
    }

    /// The request was answered, and the router has written its access line.
    fn answered(mut self, status: StatusCode) {
        self.is_open = false;
        self.app.observatory.counted(&self.caller, &self.method, endpoint(&self.path), status);
    }

    /// Somebody else counts the request.
    fn leave(mut self) {
        self.is_open = false;
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        if !self.is_open {
            return;
        }
        let status = StatusCode::from_u16(CLIENT_GONE).unwrap_or(StatusCode::BAD_REQUEST);
        let (observatory, caller) = (&self.app.observatory, &self.caller);
        if self.in_router {
            observatory.counted(caller, &self.method, endpoint(&self.path), status);
        } else {
            let text = "the client left before its request was complete";
            let failure = Failure::new(ErrorKind::Cancelled, Side::Caller, text);
            observatory.refused(caller, &self.method, &self.path, status, &failure);
        }
    }
}

/// A request whose caller is known and whose body was read.
pub(crate) struct Arrival {
    visit: Visit,
    pub(crate) caller: Caller,
    pub(crate) parts: Parts,
    pub(crate) body: Bytes,
}

impl Arrival {
    /// Lets a request in and reads its body.
    ///
    /// # Errors
    /// The finished refusal in the given dialect.
    pub(crate) async fn receive(
        app: &App,
        dialect: &dyn Downstream,
        request: Request,
    ) -> Result<Self, Box<Response>> {
        let (parts, body) = request.into_parts();
        let (caller, admitted) = Caller::enter(app, &parts);
        let visit = Visit::begin(app, &caller, &parts);
        let limit = usize::try_from(app.config().server.body_limit_mb << 20).unwrap_or(usize::MAX);
        let read = match admitted {
            Ok(()) => {
                let reading =
                    app.cut.run_until_cancelled(crate::body::read(&parts.headers, body, limit));
                reading.await.unwrap_or_else(|| Err(shutting_down())).and_then(crate::body::text)
            }
            Err(failure) => Err(failure),
        };
        match read {
            Ok(body) => Ok(Self { visit, caller, parts, body }),
            Err(failure) => {
                visit.leave();
                Err(Box::new(refuse(app, &caller, dialect, &parts, &failure)))
            }
        }
    }
}

/// Answers one chat request.
pub(crate) async fn converse(
    app: &App,
    dialect: &'static dyn Downstream,
    hints: &Hints,
    request: Request,
) -> Response {
    let Arrival { mut visit, caller, parts, body } =
        match Arrival::receive(app, dialect, request).await {
            Ok(arrival) => arrival,
            Err(refusal) => return *refusal,
        };
    let inbound = match Inbound::parse(dialect, body, hints) {
        Ok(inbound) => Arc::new(inbound),
        Err(failure) => {
            visit.leave();
            return refuse(app, &caller, dialect, &parts, &failure);
        }
    };
    visit.in_router = true;
    let routed =
        app.router.answer(&caller.context, Arc::clone(&inbound), passed_on(&parts.headers));
    let response = match until_cut(app, routed).await {
        Ok(answer) => deliver(app, dialect, &caller, &inbound, answer),
        Err(refused) => reply::refusal(&caller, Some(&refused.trail), dialect, &refused.failure),
    };
    visit.answered(response.status());
    response
}

/// Waits for the router, but not beyond the time for draining: what has not begun by then is refused while the connection is
/// still there to say so.
async fn until_cut<T>(
    app: &App,
    routed: impl Future<Output = Result<T, Refused>>,
) -> Result<T, Refused> {
    let cut_off =
        || Refused { failure: shutting_down(), trail: Trail::default(), attempts: Vec::new() };
    app.cut.run_until_cancelled(routed).await.unwrap_or_else(|| Err(cut_off()))
}

fn deliver(
    app: &App,
    dialect: &'static dyn Downstream,
    caller: &Caller,
    inbound: &Inbound,
    answer: Answer,
) -> Response {
    let info = ReplyInfo { inbound, request_id: caller.context.id.as_str(), now: unix_now() };
    match answer.body {
        Body::Whole(Whole { raw: Some(raw), .. }) => {
            reply::json(caller, Some(&answer.trail), StatusCode::OK, raw)
        }
        Body::Whole(Whole { response, raw: None }) => {
            let body = dialect.encode_response(&info, &response.unwrap_or_default());
            reply::json(caller, Some(&answer.trail), StatusCode::OK, body)
        }
        Body::Stream(stream) => {
            let encoder = dialect.stream_encoder(&info);
            reply::stream(
                caller,
                &answer.trail,
                stream,
                encoder,
                inbound.head().form,
                app.cut.clone(),
            )
        }
    }
}

/// Refuses a request that did not reach the router, and writes its access line.
pub(crate) fn refuse(
    app: &App,
    caller: &Caller,
    dialect: &dyn Downstream,
    parts: &Parts,
    failure: &Failure,
) -> Response {
    let response = reply::refusal(caller, None, dialect, failure);
    app.observatory.refused(caller, &parts.method, parts.uri.path(), response.status(), failure);
    response
}

fn passed_on(headers: &HeaderMap) -> HeaderMap {
    let mut passed = HeaderMap::new();
    for name in &PASSED_ON {
        for value in headers.get_all(name) {
            passed.append(name, value.clone());
        }
    }
    passed
}

/// Returns now in unix seconds.
pub(crate) fn unix_now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |elapsed| i64::try_from(elapsed.as_secs()).unwrap_or(i64::MAX))
}

/// Counts the prompt tokens of a chat request.
pub(crate) async fn count_tokens(
    app: &App,
    dialect: &'static dyn Downstream,
    hints: &Hints,
    request: Request,
) -> Response {
    let Arrival { mut visit, caller, parts, body } =
        match Arrival::receive(app, dialect, request).await {
            Ok(arrival) => arrival,
            Err(refusal) => return *refusal,
        };
    let inbound = match Inbound::parse(dialect, body, hints) {
        Ok(inbound) => Arc::new(inbound),
        Err(failure) => {
            visit.leave();
            return refuse(app, &caller, dialect, &parts, &failure);
        }
    };
    visit.in_router = true;
    let response =
        match until_cut(app, app.router.count(&caller.context, inbound, passed_on(&parts.headers)))
            .await
        {
            Ok(counted) => {
                let body = counted.raw.unwrap_or_else(|| dialect.encode_count(counted.tokens));
                let mut response = reply::json(&caller, Some(&counted.trail), StatusCode::OK, body);
                if counted.is_estimate {
                    response.headers_mut().insert(ESTIMATED, HeaderValue::from_static("true"));
                }
                response
            }
            Err(refused) => {
                reply::refusal(&caller, Some(&refused.trail), dialect, &refused.failure)
            }
        };
    visit.answered(response.status());
    response
}

/// Turns texts into vectors. `model` is the one in the path, for wires that name it there.
pub(crate) async fn embed(
    app: &App,
    dialect: &'static dyn Downstream,
    wire: EmbedWire,
    model: Option<&str>,
    request: Request,
) -> Response {
    let Arrival { mut visit, caller, body, .. } =
        match Arrival::receive(app, dialect, request).await {
            Ok(arrival) => arrival,
            Err(refusal) => return *refusal,
        };
    visit.in_router = true;
    let response = match until_cut(app, app.router.embed_on(&caller.context, wire, &body, model))
        .await
    {
        Ok(embedded) => reply::json(&caller, Some(&embedded.trail), StatusCode::OK, embedded.body),
        Err(refused) => reply::refusal(&caller, Some(&refused.trail), dialect, &refused.failure),
    };
    visit.answered(response.status());
    response
}
