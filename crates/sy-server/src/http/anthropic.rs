//! The Anthropic surface: messages and token counts. Query strings (`?beta=true`) are accepted and ignored.

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::post;
use sy_protocol::Hints;

use super::openapi::{ErrorAnswer, MessagesAnswer, MessagesRequest, TokenCount};
use super::{BASES, served};
use crate::app::App;
use crate::exchange::{converse, count_tokens};

pub(super) fn routes() -> Router<App> {
    served(&BASES, &[("/messages", post(messages)), ("/messages/count_tokens", post(count))])
}

/// Answers a chat in Anthropic's messages format.
#[utoipa::path(post, path = "/v1/messages", tag = "Anthropic", request_body = MessagesRequest, responses(
    (status = 200, description = "the answer: JSON, or server-sent events when `stream` is true", body = MessagesAnswer),
    (status = "4XX", description = "the request is at fault", body = ErrorAnswer),
    (status = "5XX", description = "a provider is at fault", body = ErrorAnswer)))]
pub(super) async fn messages(State(app): State<App>, request: Request) -> Response {
    converse(&app, app.dialects.messages, &Hints::default(), request).await
}

/// Counts the prompt tokens of a request in Anthropic's messages format.
#[utoipa::path(post, path = "/v1/messages/count_tokens", tag = "Anthropic", request_body = MessagesRequest, responses(
    (status = 200, description = "the number of tokens; a header says when it is an estimate", body = TokenCount),
    (status = "4XX", description = "the request is at fault", body = ErrorAnswer)))]
pub(super) async fn count(State(app): State<App>, request: Request) -> Response {
    count_tokens(&app, app.dialects.messages, &Hints::default(), request).await
}
