//! What operators and machines ask: health, metrics, descriptions.
//!
//! The descriptions are open to anybody whose host and origin are allowed, and are made once. Of its health the server tells
//! strangers one word; the report and the metrics need the token.

use std::sync::LazyLock;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::get;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};
use sy_catalog::ProviderRow;
use sy_credentials::{KeyOutcome, Verdict};
use sy_types::ErrorKind;

use super::openapi::{Health, Status, Welcome};
use crate::app::App;
use crate::caller::Caller;
use crate::exchange::refuse;
use crate::observe::metrics::endpoint;
use crate::reply;

/// What a part says that is well.
const OK: Bytes = Bytes::from_static(br#"{"status":"ok"}"#);

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/", get(welcome))
        .route("/health", get(health))
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/openapi.json", get(openapi))
        .route("/schema/config.json", get(config_schema))
}

/// Says what this is and where its description is.
#[utoipa::path(get, path = "/", tag = "System", security(()), responses(
    (status = 200, description = "name and where to read on", body = Welcome)))]
pub(super) async fn welcome(State(app): State<App>, request: Request) -> Response {
    open(
        &app,
        request,
        Bytes::from_static(br#"{"name":"switchyard","description":"/openapi.json"}"#),
    )
}

/// Tells how the server is: in one word to everybody, in full to those who show the token.
#[utoipa::path(get, path = "/health", tag = "System", security((), ("token" = [])), responses(
    (status = 200, description = "healthy, or degraded: a part that others can do without is missing", body = Health)))]
pub(super) async fn health(State(app): State<App>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    // A wrong token is no reason to hide that the server is well, but it counts as an attempt.
    let body = match Caller::principal(&app, &parts) {
        Ok(_) => Bytes::from(report(&app).to_string()),
        Err(failure) if failure.kind == ErrorKind::RateLimited => {
            let caller = Caller::unknown(&parts);
            return refuse(&app, &caller, app.dialects.chat, &parts, &failure);
        }
        Err(_) => Bytes::from_static(if app.stopping.is_cancelled() {
            br#"{"status":"unhealthy"}"#
        } else {
            br#"{"status":"healthy"}"#
        }),
    };
    open_to(&app, &parts, StatusCode::OK, body)
}

/// Answers while the process lives.
#[utoipa::path(get, path = "/livez", tag = "System", security(()), responses((status = 200, description = "the process lives", body = Status)))]
pub(super) async fn livez(State(app): State<App>, request: Request) -> Response {
    open(&app, request, OK)
}

/// Answers when requests can be taken; 503 while the server stops.
#[utoipa::path(get, path = "/readyz", tag = "System", security(()), responses(
    (status = 200, description = "requests can be taken", body = Status), (status = 503, description = "the server is stopping")))]
pub(super) async fn readyz(State(app): State<App>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let (status, body) = match app.stopping.is_cancelled() {
        true => (StatusCode::SERVICE_UNAVAILABLE, Bytes::from_static(br#"{"status":"stopping"}"#)),
        false => (StatusCode::OK, OK),
    };
    open_to(&app, &parts, status, body)
}

/// Gives the counters in Prometheus's text form.
#[utoipa::path(get, path = "/metrics", tag = "System", responses((status = 200, description = "the counters", content_type = "text/plain")))]
pub(super) async fn metrics(State(app): State<App>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let (caller, admitted) = Caller::enter(&app, &parts);
    if let Err(failure) = admitted {
        return refuse(&app, &caller, app.dialects.chat, &parts, &failure);
    }
    app.observatory.metrics.memory(&app.memory);
    let text = app.observatory.metrics.render();
    let mut response = done(&app, &caller, &parts, StatusCode::OK, Bytes::from(text));
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; version=0.0.4"));
    response
}

/// Gives this description.
#[utoipa::path(get, path = "/openapi.json", tag = "System", security(()), responses((status = 200, description = "the OpenAPI document")))]
pub(super) async fn openapi(State(app): State<App>, request: Request) -> Response {
    static DOCUMENT: LazyLock<Bytes> =
        LazyLock::new(|| Bytes::from(super::openapi::document().to_string()));
    open(&app, request, DOCUMENT.clone())
}

/// Gives the JSON Schema of the configuration.
#[utoipa::path(get, path = "/schema/config.json", tag = "System", security(()), responses((status = 200, description = "the JSON Schema")))]
pub(super) async fn config_schema(State(app): State<App>, request: Request) -> Response {
    static DOCUMENT: LazyLock<Bytes> =
        LazyLock::new(|| Bytes::from(sy_config::schema().to_string()));
    open(&app, request, DOCUMENT.clone())
}

/// Answers a request that needs no token with a body that is made once and shared.
fn open(app: &App, request: Request, body: Bytes) -> Response {
    let (parts, _) = request.into_parts();
    open_to(app, &parts, StatusCode::OK, body)
}

fn open_to(app: &App, parts: &Parts, status: StatusCode, body: Bytes) -> Response {
    let caller = Caller::unknown(parts);
    let authority = parts.uri.authority().map(http::uri::Authority::as_str);
    if let Err(failure) = app.access.check_origin(&parts.headers, authority) {
        return refuse(app, &caller, app.dialects.chat, parts, &failure);
    }
    done(app, &caller, parts, status, body)
}

fn done(app: &App, caller: &Caller, parts: &Parts, status: StatusCode, body: Bytes) -> Response {
    app.observatory.answered(caller, &parts.method, endpoint(parts.uri.path()), status);
    reply::json(caller, None, status, body)
}

/// Tells of one provider whether it rests, and what it said of the key in use when that was sent last.
fn provider_report(app: &App, row: &ProviderRow) -> Value {
    let is_cooling = app.router.is_cooling(&row.id);
    let mut report = json!({"id": row.id, "status": if is_cooling { "cooling" } else { "ok" }});

    let used = app.credentials.list_of(&row.id, &row.env).into_iter().find(|key| key.is_used);
    if let (Some(key), Value::Object(report)) = (used, &mut report) {
        let outcome = key.outcome.map(|outcome| {
            json!({"outcome": outcome.verdict, "status": outcome.status, "at": outcome.at.to_string()})
        });
        if matches!(key.outcome, Some(KeyOutcome { verdict: Verdict::Rejected, .. })) {
            report.insert("status".to_owned(), Value::from("key_rejected"));
        }
        report.insert(
            "key".to_owned(),
            json!({"source": key.summary.source.to_string(), "last_use": outcome}),
        );
    }
    report
}

/// The health report (requirement S4-OP-02): providers are not called for it, only looked at.
fn report(app: &App) -> Value {
    let connected: Vec<Value> = app
        .catalog
        .rows()
        .iter()
        .filter(|row| app.router.is_connected(row))
        .map(|row| provider_report(app, row))
        .collect();
    let stopping = app.stopping.is_cancelled();
    let degraded = stopping
        || connected.iter().any(|provider| provider.get("status") != Some(&Value::from("ok")));
    json!({
        "status": if degraded { "degraded" } else { "healthy" },
        "timestamp": jiff::Timestamp::now().to_string(),
        "version": env!("CARGO_PKG_VERSION"),
        "uptime": app.started.elapsed().as_secs_f64(),
        "checks": {
            "providers": connected,
            "memory": {"used_bytes": app.memory.used(), "limit_bytes": app.memory.limit()},
        },
    })
}
