//! What operators and machines ask: health, metrics, descriptions.
//!
//! Health and the descriptions are open to anybody whose host and origin are allowed: they tell nothing private. Metrics need the
//! token.

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::get;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use crate::app::App;
use crate::caller::Caller;
use crate::exchange::refuse;
use crate::observe::metrics::endpoint;
use crate::reply;

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
#[utoipa::path(get, path = "/", tag = "System", security(()), responses((status = 200, description = "name, version and where to read on")))]
pub(super) async fn welcome(State(app): State<App>, request: Request) -> Response {
    open(
        &app,
        request,
        |_| json!({"name": "switchyard", "version": env!("CARGO_PKG_VERSION"), "description": "/openapi.json"}),
    )
}

/// Tells how the server is.
#[utoipa::path(get, path = "/health", tag = "System", security(()), responses(
    (status = 200, description = "healthy, or degraded: a part that others can do without is missing")))]
pub(super) async fn health(State(app): State<App>, request: Request) -> Response {
    open(&app, request, report)
}

/// Answers while the process lives.
#[utoipa::path(get, path = "/livez", tag = "System", security(()), responses((status = 200, description = "the process lives")))]
pub(super) async fn livez(State(app): State<App>, request: Request) -> Response {
    open(&app, request, |_| json!({"status": "ok"}))
}

/// Answers when requests can be taken; 503 while the server stops.
#[utoipa::path(get, path = "/readyz", tag = "System", security(()), responses(
    (status = 200, description = "requests can be taken"), (status = 503, description = "the server is stopping")))]
pub(super) async fn readyz(State(app): State<App>, request: Request) -> Response {
    if app.stopping.is_cancelled() {
        return open_with(
            &app,
            request,
            StatusCode::SERVICE_UNAVAILABLE,
            |_| json!({"status": "stopping"}),
        );
    }
    open(&app, request, |_| json!({"status": "ok"}))
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
    open(&app, request, |_| super::openapi::document())
}

/// Gives the JSON Schema of the configuration.
#[utoipa::path(get, path = "/schema/config.json", tag = "System", security(()), responses((status = 200, description = "the JSON Schema")))]
pub(super) async fn config_schema(State(app): State<App>, request: Request) -> Response {
    open(&app, request, |_| sy_config::schema())
}

/// Answers a request that needs no token.
fn open(app: &App, request: Request, value: impl FnOnce(&App) -> Value) -> Response {
    open_with(app, request, StatusCode::OK, value)
}

fn open_with(
    app: &App,
    request: Request,
    status: StatusCode,
    value: impl FnOnce(&App) -> Value,
) -> Response {
    let (parts, _) = request.into_parts();
    let caller = Caller::unknown(&parts);
    let authority = parts.uri.authority().map(http::uri::Authority::as_str);
    if let Err(failure) = app.access.check_origin(&parts.headers, authority) {
        return refuse(app, &caller, app.dialects.chat, &parts, &failure);
    }
    done(app, &caller, &parts, status, Bytes::from(value(app).to_string()))
}

fn done(app: &App, caller: &Caller, parts: &Parts, status: StatusCode, body: Bytes) -> Response {
    app.observatory.answered(caller, &parts.method, endpoint(parts.uri.path()), status);
    reply::json(caller, None, status, body)
}

/// The health report (requirement S4-OP-02): providers are not called for it, only looked at.
fn report(app: &App) -> Value {
    let connected: Vec<Value> = app
        .catalog
        .rows()
        .iter()
        .filter(|row| app.router.is_connected(row))
        .map(|row| json!({"id": row.id, "status": if app.router.is_cooling(&row.id) { "cooling" } else { "ok" }}))
        .collect();
    let stopping = app.stopping.is_cancelled();
    let degraded = stopping
        || connected.iter().any(|provider| provider.get("status") == Some(&Value::from("cooling")));
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
