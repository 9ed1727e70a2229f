//! What no surface serves: unknown routes, wrong methods, and a handler that panicked.

use std::any::Any;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use http::header;
use http::request::Parts;
use sy_protocol::Downstream;
use sy_types::{ErrorKind, Failure, Side};
use tower_http::catch_panic::ResponseForPanic;

use super::base_url;
use crate::app::App;
use crate::caller::Caller;
use crate::exchange::refuse;
use crate::failure::WRONG_METHOD;
use crate::reply;

/// So many characters of a path are repeated in an answer.
const PATH_SHOWN: usize = 200;

/// Answers a request to a route that does not exist. Only callers who may call are told.
pub(super) async fn not_found(State(app): State<App>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let (caller, admitted) = Caller::enter(&app, &parts);
    let failure = admitted.err().unwrap_or_else(|| {
        let path = shortened(parts.uri.path());
        let message = match base_url::fault(&path, &server(&parts)) {
            Some(fault) => format!("there is no route {} {path}: {fault}", parts.method),
            None => format!(
                "there is no route {} {path}: see GET /openapi.json for those there are",
                parts.method
            ),
        };
        Failure::new(ErrorKind::NotFound, Side::Caller, message)
    });
    refuse(&app, &caller, app.dialects.of(&parts), &parts, &failure)
}

/// Returns the address that the client used, which was allowed before, without a path.
fn server(parts: &Parts) -> String {
    let host = parts.headers.get(header::HOST).and_then(|value| value.to_str().ok());
    let host = parts.uri.authority().map(http::uri::Authority::as_str).or(host);
    let is_tls = parts.headers.get("x-forwarded-proto").is_some_and(|scheme| scheme == "https");
    format!("{}://{}", if is_tls { "https" } else { "http" }, host.unwrap_or("localhost"))
}

/// Returns a path as far as it helps whoever reads the answer.
fn shortened(path: &str) -> String {
    match path.char_indices().nth(PATH_SHOWN) {
        Some((end, _)) => format!("{}…", path.get(..end).unwrap_or_default()),
        None => path.to_owned(),
    }
}

/// Answers a request with a method that its route does not have.
pub(super) async fn wrong_method(State(app): State<App>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let (caller, admitted) = Caller::enter(&app, &parts);
    let failure = admitted.err().unwrap_or_else(|| {
        let message = format!(
            "{} does not take {}: see GET /openapi.json",
            shortened(parts.uri.path()),
            parts.method
        );
        Failure::invalid(message).with_code(WRONG_METHOD)
    });
    refuse(&app, &caller, app.dialects.of(&parts), &parts, &failure)
}

/// Answers in one dialect for a handler that panicked: one request fails, the server goes on.
#[derive(Clone, Copy)]
pub(super) struct Panicked(pub(super) &'static dyn Downstream);

impl ResponseForPanic for Panicked {
    type ResponseBody = Body;

    fn response_for_panic(&mut self, _panic: Box<dyn Any + Send + 'static>) -> Response {
        // The panic took the request with it, and so the caller's own id.
        let caller = Caller::lost();
        tracing::error!(
            id = caller.context.id.as_str(),
            "a request handler panicked; the request was answered with 500"
        );
        let text = "the server hit a defect of its own while handling this request";
        reply::refusal(&caller, None, self.0, &Failure::bug(text))
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::extract::Request;
    use axum::routing::get;
    use http_body_util::BodyExt;
    use serde_json::{Value, json};
    use sy_protocol::Downstream;
    use tower::ServiceExt;

    use crate::http::{Dialects, guarded};

    /// Calls a handler of the dialect's surface that panics, and returns the error that is answered.
    async fn answered(dialect: &'static dyn Downstream) -> Value {
        let routes: Router =
            Router::new().route("/", get(async || -> &'static str { panic!("on purpose") }));
        let request = Request::new(Body::empty());
        let response = guarded(routes, dialect).oneshot(request).await.unwrap();
        assert_eq!(
            (response.status(), &response.headers()["content-type"]),
            (
                http::StatusCode::INTERNAL_SERVER_ERROR,
                &http::HeaderValue::from_static("application/json")
            )
        );
        let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert!(!String::from_utf8_lossy(&body).contains("on purpose"));
        let mut body: Value = serde_json::from_slice(&body).unwrap();
        assert!(body.get("request_id").is_none_or(|told| *told == json!(id)), "{body}");
        body["error"].take()
    }

    #[tokio::test]
    async fn a_panic_is_answered_in_the_dialect_of_its_surface() {
        let dialects = Dialects::find().unwrap();
        assert_eq!(answered(dialects.chat).await["code"], "internal");
        assert_eq!(answered(dialects.messages).await["type"], "api_error");
        assert_eq!(answered(dialects.gemini).await["status"], "INTERNAL");
    }
}
