//! The Gemini surface: `models/MODEL:ACTION`, under `/v1beta`, `/v1` and no version, since its clients use all of them, and under
//! the paths of Vertex's express mode.

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::post;
use percent_encoding::percent_decode_str;
use sy_protocol::Hints;
use sy_protocol::embeddings::EmbedWire;
use sy_types::{ErrorKind, Failure, Side};

use super::openapi::{ErrorAnswer, GenerateContentAnswer, GenerateContentRequest};
use super::{MODEL_BASES, served};
use crate::app::App;
use crate::caller::Caller;
use crate::exchange::{converse, count_tokens, embed, refuse};

pub(super) fn routes() -> Router<App> {
    let vertex = ["/models/{*id}", "/publishers/{publisher}/models/{*id}"];
    served(&MODEL_BASES, &[("/models/{*id}", post(act))])
        .merge(served(&["/v1beta1"], &vertex.map(|path| (path, post(act)))))
}

/// Answers `generateContent`, `streamGenerateContent`, `countTokens`, `embedContent` and `batchEmbedContents`. The same routes are
/// served under `/v1`.
#[utoipa::path(post, path = "/v1beta/models/{id}", tag = "Gemini", request_body = GenerateContentRequest,
    params(("id" = String, Path, description = "the model, a colon and the action: `gemini-2.5-pro:generateContent`")),
    responses(
        (status = 200, description = "the answer: JSON, or server-sent events for a stream with `alt=sse`", body = GenerateContentAnswer),
        (status = "4XX", description = "the request is at fault", body = ErrorAnswer),
        (status = "5XX", description = "a provider is at fault", body = ErrorAnswer)))]
pub(super) async fn act(State(app): State<App>, request: Request) -> Response {
    let Some((hints, action)) = read_path(request.uri()) else {
        return unknown_action(&app, request);
    };
    let dialect = app.dialects.gemini;
    match action.as_str() {
        "generateContent" | "streamGenerateContent" => {
            converse(&app, dialect, &hints, request).await
        }
        "countTokens" => count_tokens(&app, dialect, &hints, request).await,
        "embedContent" => {
            embed(&app, dialect, EmbedWire::GeminiOne, hints.model.as_deref(), request).await
        }
        "batchEmbedContents" => {
            embed(&app, dialect, EmbedWire::GeminiBatch, hints.model.as_deref(), request).await
        }
        _ => unknown_action(&app, request),
    }
}

/// Takes the model and the action out of the path. The action is behind the last colon: models may hold colons themselves.
fn read_path(uri: &http::Uri) -> Option<(Hints, String)> {
    let (before, rest) = uri.path().split_once("/models/")?;
    let rest = percent_decode_str(rest).decode_utf8().ok()?;
    let (model, action) = rest.rsplit_once(':')?;
    // Vertex's clients make `publishers/P/models/M` of `P/M`, and put Google before a bare name.
    let model = match before.rsplit_once("/publishers/") {
        Some((_, publisher)) if publisher != "google" => format!("{publisher}/{model}"),
        _ => model.to_owned(),
    };
    let sse = uri.query().is_some_and(|query| query.split('&').any(|pair| pair == "alt=sse"));
    let hints = Hints { model: Some(model), stream: action == "streamGenerateContent", sse };
    Some((hints, action.to_owned()))
}

fn unknown_action(app: &App, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let (caller, admitted) = Caller::enter(app, &parts);
    let failure = admitted.err().unwrap_or_else(|| {
        let message = "expected models/MODEL:ACTION with one of the actions generateContent, streamGenerateContent, countTokens, embedContent, batchEmbedContents";
        Failure::new(ErrorKind::NotFound, Side::Caller, message)
    });
    refuse(app, &caller, app.dialects.gemini, &parts, &failure)
}

#[cfg(test)]
mod tests {
    use super::read_path;

    #[track_caller]
    fn check(uri: &str, model: &str, action: &str, stream: bool, sse: bool) {
        let (hints, found) = read_path(&uri.parse().unwrap()).unwrap();
        assert_eq!(
            (hints.model.as_deref(), found.as_str(), hints.stream, hints.sse),
            (Some(model), action, stream, sse)
        );
    }

    #[test]
    fn the_path_names_model_and_action() {
        check(
            "/v1beta/models/gemini-2.5-pro:generateContent",
            "gemini-2.5-pro",
            "generateContent",
            false,
            false,
        );
        check(
            "/v1/models/google/g:streamGenerateContent?alt=sse&key=x",
            "google/g",
            "streamGenerateContent",
            true,
            true,
        );
        check(
            "/v1beta/models/ollama%2Fqwen3:8b:countTokens",
            "ollama/qwen3:8b",
            "countTokens",
            false,
            false,
        );
        let vertex = "/v1beta1/publishers/google/models/gemini-2.5-pro:generateContent";
        check(vertex, "gemini-2.5-pro", "generateContent", false, false);
        let other = "/v1beta1/publishers/groq/models/llama:streamGenerateContent?alt=sse";
        check(other, "groq/llama", "streamGenerateContent", true, true);
        assert!(read_path(&"/v1/models/gpt-5".parse().unwrap()).is_none());
    }
}
