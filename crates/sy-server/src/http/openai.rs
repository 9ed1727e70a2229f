//! The OpenAI surface: chat completions, responses, embeddings.

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::post;
use sy_protocol::Hints;
use sy_protocol::embeddings::EmbedWire;

use super::openapi::{
    ChatCompletionsAnswer, ChatCompletionsRequest, CompletionsAnswer, CompletionsRequest,
    EmbeddingsAnswer, EmbeddingsRequest, ErrorAnswer, ResponsesAnswer, ResponsesRequest,
    TokenCount,
};
use super::{BASES, served};
use crate::app::App;
use crate::exchange::{complete, converse, count_tokens, embed};

pub(super) fn routes() -> Router<App> {
    let table = [
        ("/chat/completions", post(chat_completions)),
        ("/completions", post(completions)),
        ("/responses", post(responses)),
        ("/responses/input_tokens", post(input_tokens)),
        ("/embeddings", post(embeddings)),
    ];
    served(&BASES, &table)
}

/// Answers a chat in OpenAI's chat completions format.
#[utoipa::path(post, path = "/v1/chat/completions", tag = "OpenAI", request_body = ChatCompletionsRequest, responses(
    (status = 200, description = "the answer: JSON, or server-sent events when `stream` is true", body = ChatCompletionsAnswer),
    (status = "4XX", description = "the request is at fault", body = ErrorAnswer),
    (status = "5XX", description = "a provider is at fault", body = ErrorAnswer)))]
pub(super) async fn chat_completions(State(app): State<App>, request: Request) -> Response {
    converse(&app, app.dialects.chat, &Hints::default(), request).await
}

/// Relays a request in OpenAI's legacy completions format to a provider that has it.
#[utoipa::path(post, path = "/v1/completions", tag = "OpenAI", request_body = CompletionsRequest, responses(
    (status = 200, description = "the answer: JSON, or server-sent events when `stream` is true", body = CompletionsAnswer),
    (status = "4XX", description = "the request is at fault, or the model is of another protocol", body = ErrorAnswer),
    (status = "5XX", description = "a provider is at fault", body = ErrorAnswer)))]
pub(super) async fn completions(State(app): State<App>, request: Request) -> Response {
    complete(&app, app.dialects.chat, request).await
}

/// Answers a chat in OpenAI's responses format.
#[utoipa::path(post, path = "/v1/responses", tag = "OpenAI", request_body = ResponsesRequest, responses(
    (status = 200, description = "the answer: JSON, or server-sent events when `stream` is true", body = ResponsesAnswer),
    (status = "4XX", description = "the request is at fault", body = ErrorAnswer),
    (status = "5XX", description = "a provider is at fault", body = ErrorAnswer)))]
pub(super) async fn responses(State(app): State<App>, request: Request) -> Response {
    converse(&app, app.dialects.responses, &Hints::default(), request).await
}

/// Counts the prompt tokens of a request in OpenAI's responses format.
#[utoipa::path(post, path = "/v1/responses/input_tokens", tag = "OpenAI", request_body = ResponsesRequest, responses(
    (status = 200, description = "the number of tokens; a header says when it is an estimate", body = TokenCount),
    (status = "4XX", description = "the request is at fault", body = ErrorAnswer)))]
pub(super) async fn input_tokens(State(app): State<App>, request: Request) -> Response {
    count_tokens(&app, app.dialects.responses, &Hints::default(), request).await
}

/// Turns texts into vectors.
#[utoipa::path(post, path = "/v1/embeddings", tag = "OpenAI", request_body = EmbeddingsRequest, responses(
    (status = 200, description = "one vector for each text", body = EmbeddingsAnswer),
    (status = "4XX", description = "the request is at fault", body = ErrorAnswer),
    (status = "5XX", description = "a provider is at fault", body = ErrorAnswer)))]
pub(super) async fn embeddings(State(app): State<App>, request: Request) -> Response {
    embed(&app, app.dialects.chat, EmbedWire::OpenAi, None, request).await
}
