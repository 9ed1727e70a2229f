//! One chat request from the socket to the router and back: what all chat surfaces share.
//!
//! A surface names its dialect and what its path says; everything else is the same for all.

use std::sync::Arc;

use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use sy_protocol::embeddings::EmbedWire;
use sy_protocol::weight::HEAVY;
use sy_protocol::{Downstream, Hints, Inbound, ReplyInfo};
use sy_router::{Answer, Body, Refused, Trail, Whole, run_heavy};
use sy_types::chat::{ChatResponse, Part};
use sy_types::{Failure, MemoryAccount};

use crate::app::App;
use crate::caller::Caller;
use crate::connections::HandedOver;
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

/// A request whose caller is known and whose body was read.
pub(crate) struct Arrival {
    pub(crate) caller: Caller,
    pub(crate) parts: Parts,
    pub(crate) body: Bytes,
    /// What the request takes is charged to it.
    account: MemoryAccount,
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
        let limit = usize::try_from(app.config().server.body_limit_mb << 20).unwrap_or(usize::MAX);
        let account = app.memory.account();
        let read = match admitted {
            Ok(()) => {
                let reading = crate::body::read(&parts.headers, body, limit, &account);
                let reading = app.cut.run_until_cancelled(reading);
                reading.await.unwrap_or_else(|| Err(shutting_down())).and_then(crate::body::text)
            }
            Err(failure) => Err(failure),
        };
        match read {
            Ok(body) => Ok(Self { caller, parts, body, account }),
            Err(failure) => Err(Box::new(refuse(app, &caller, dialect, &parts, &failure))),
        }
    }

    /// Looks into the body as far as routing needs it.
    fn inbound(
        &self,
        dialect: &'static dyn Downstream,
        hints: &Hints,
    ) -> Result<Arc<Inbound>, Failure> {
        let parse = || Inbound::parse(dialect, self.body.clone(), hints);
        let inbound = run_heavy(self.body.len() > HEAVY, parse)?;
        Ok(Arc::new(inbound.charged_to(self.account.clone())))
    }
}

/// Answers one chat request.
pub(crate) async fn converse(
    app: &App,
    dialect: &'static dyn Downstream,
    hints: &Hints,
    request: Request,
) -> Response {
    relate(app, dialect, hints, request, false).await
}

/// Relays one request in OpenAI's legacy completions form, whose head reads as that of a chat.
pub(crate) async fn complete(
    app: &App,
    dialect: &'static dyn Downstream,
    request: Request,
) -> Response {
    relate(app, dialect, &Hints::default(), request, true).await
}

async fn relate(
    app: &App,
    dialect: &'static dyn Downstream,
    hints: &Hints,
    request: Request,
    is_legacy: bool,
) -> Response {
    let arrival = match Arrival::receive(app, dialect, request).await {
        Ok(arrival) => arrival,
        Err(refusal) => return *refusal,
    };
    let inbound = arrival.inbound(dialect, hints);
    let Arrival { caller, parts, .. } = arrival;
    let inbound = match inbound {
        Ok(inbound) => inbound,
        Err(failure) => return refuse(app, &caller, dialect, &parts, &failure),
    };

    hand_over(&parts);
    let (asked, passed) = (Arc::clone(&inbound), passed_on(&parts.headers));
    let outcome = match is_legacy {
        true => until_cut(app, app.router.complete(&caller.context, asked, passed)).await,
        false => until_cut(app, app.router.answer(&caller.context, asked, passed)).await,
    };
    let response = match outcome {
        Ok(answer) => deliver(app, dialect, &caller, &inbound, answer),
        Err(refused) => reply::refusal(&caller, Some(&refused.trail), dialect, &refused.failure),
    };
    app.observatory.counted(&caller, &parts.method, endpoint(parts.uri.path()), response.status());
    response
}

/// Notes that the router tells how the request ends, also when its client leaves.
fn hand_over(parts: &Parts) {
    if let Some(handed_over) = parts.extensions.get::<HandedOver>() {
        handed_over.note();
    }
}

/// Waits for the router, but not beyond the time for draining: what has not begun by then is refused while the connection is
/// still there to say so.
async fn until_cut<T>(
    app: &App,
    routed: impl Future<Output = Result<T, Refused>>,
) -> Result<T, Refused> {
    match app.cut.run_until_cancelled(routed).await {
        Some(outcome) => outcome,
        None => Err(Refused {
            failure: shutting_down(),
            trail: Trail::default(),
            attempts: Box::default(),
        }),
    }
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
            let response = response.unwrap_or_default();
            let body = run_heavy(is_heavy(&response), || dialect.encode_response(&info, &response));
            // Held until it was sent; that it was made already cannot be helped, so it is not refused.
            let charge = inbound.account().charge(body.len() as u64, String::new);
            let body = charge.map_or_else(|_| body.clone(), |charge| charge.tie_to(body.clone()));
            reply::json(caller, Some(&answer.trail), StatusCode::OK, body)
        }
        Body::Stream(stream) => {
            let encoder = dialect.stream_encoder(&info);
            let memory = inbound.account().open();
            let parts =
                reply::StreamParts { answer: stream, encoder, memory, cut: app.cut.clone() };
            reply::stream(caller, &answer.trail, parts, inbound.head().form)
        }
    }
}

/// Returns true when writing an answer takes long enough to be felt by other requests on the same thread.
fn is_heavy(response: &ChatResponse) -> bool {
    let size = |part: &Part| match part {
        Part::Text(text) => text.text.len(),
        Part::Refusal(text) => text.len(),
        Part::Reasoning(reasoning) => reasoning.text.len(),
        Part::ToolCall(call) => call.arguments.len(),
        // Seldom, and mostly large.
        Part::Media(_) | Part::Opaque(_) | Part::ToolResult(_) => HEAVY / 4,
    };
    response.parts.iter().map(size).sum::<usize>() + response.parts.len() * 64 > HEAVY
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
    let arrival = match Arrival::receive(app, dialect, request).await {
        Ok(arrival) => arrival,
        Err(refusal) => return *refusal,
    };
    let inbound = arrival.inbound(dialect, hints);
    let Arrival { caller, parts, .. } = arrival;
    let inbound = match inbound {
        Ok(inbound) => inbound,
        Err(failure) => return refuse(app, &caller, dialect, &parts, &failure),
    };
    hand_over(&parts);
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
    app.observatory.counted(&caller, &parts.method, endpoint(parts.uri.path()), response.status());
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
    let Arrival { caller, parts, body, account, .. } =
        match Arrival::receive(app, dialect, request).await {
            Ok(arrival) => arrival,
            Err(refusal) => return *refusal,
        };
    hand_over(&parts);
    let embedded = app.router.embed_on(&caller.context, wire, &body, model, &account);
    let response = match until_cut(app, embedded).await {
        Ok(embedded) => reply::json(&caller, Some(&embedded.trail), StatusCode::OK, embedded.body),
        Err(refused) => reply::refusal(&caller, Some(&refused.trail), dialect, &refused.failure),
    };
    app.observatory.counted(&caller, &parts.method, endpoint(parts.uri.path()), response.status());
    response
}
