//! What no surface serves: unknown routes, wrong methods, and a handler that panicked.

use std::any::Any;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use sy_types::{ErrorKind, Failure, Side};

use crate::app::App;
use crate::caller::Caller;
use crate::exchange::refuse;
use crate::failure::WRONG_METHOD;

/// Answers a request to a route that does not exist. Only callers who may call are told.
pub(super) async fn not_found(State(app): State<App>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let (caller, admitted) = Caller::enter(&app, &parts);
    let failure = admitted.err().unwrap_or_else(|| {
        let message = format!(
            "there is no route {} {}: see GET /openapi.json for those there are",
            parts.method,
            parts.uri.path()
        );
        Failure::new(ErrorKind::NotFound, Side::Caller, message)
    });
    refuse(&app, &caller, app.dialects.of(&parts), &parts, &failure)
}

/// Answers a request with a method that its route does not have.
pub(super) async fn wrong_method(State(app): State<App>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let (caller, admitted) = Caller::enter(&app, &parts);
    let failure = admitted.err().unwrap_or_else(|| {
        let message = format!("{} does not take {}: see GET /openapi.json", parts.uri.path(), parts.method);
        Failure::invalid(message).with_code(WRONG_METHOD)
    });
    refuse(&app, &caller, app.dialects.of(&parts), &parts, &failure)
}

/// Answers for a handler that panicked: one request fails, the server goes on.
pub(super) fn panicked(_panic: Box<dyn Any + Send + 'static>) -> Response {
    tracing::error!("a request handler panicked; the request was answered with 500");
    let body = r#"{"error":{"message":"the server hit a defect of its own while handling this request","type":"server_error","param":null,"code":"internal"}}"#;
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
