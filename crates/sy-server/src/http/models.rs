//! `GET /v1/models` and `/v1beta/models`: the models of the connected providers, in the shape that the caller's SDK reads.
//!
//! Anthropic's SDK says so by `anthropic-version`, Gemini's by `x-goog-api-key` or the path; everybody else gets OpenAI's shape.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::get;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use sy_protocol::Downstream;
use sy_types::{ErrorKind, Failure, ModelInfo, Side};

use super::openapi::{ErrorAnswer, Model, ModelList};
use super::{MODEL_BASES, served};
use crate::app::App;
use crate::caller::Caller;
use crate::exchange::refuse;
use crate::reply;

pub(super) fn routes() -> Router<App> {
    let table = [("/models", get(list)), ("/models/", get(list)), ("/models/{*id}", get(show))];
    served(&MODEL_BASES, &table)
}

/// Lists the models of the connected providers, aliases first.
#[utoipa::path(get, path = "/v1/models", tag = "Models", responses(
    (status = 200, description = "the models, in OpenAI's, Anthropic's or Gemini's shape", body = ModelList),
    (status = "4XX", description = "the request is at fault", body = ErrorAnswer)))]
pub(super) async fn list(State(app): State<App>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let shape = Shape::of(&parts);
    let (caller, admitted) = Caller::enter(&app, &parts);
    if let Err(failure) = admitted {
        return refuse(&app, &caller, shape.dialect(&app), &parts, &failure);
    }
    let entries: Vec<Value> = listed(&app).iter().map(|listed| shape.entry(listed)).collect();
    answer(&app, &caller, &parts, &shape.page(&entries))
}

/// Shows one model.
#[utoipa::path(get, path = "/v1/models/{id}", tag = "Models",
    params(("id" = String, Path, description = "`provider/model`, an alias, or a bare id that only one connected provider has")),
    responses(
        (status = 200, description = "the model, in OpenAI's, Anthropic's or Gemini's shape", body = Model),
        (status = "4XX", description = "there is no such model", body = ErrorAnswer)))]
pub(super) async fn show(State(app): State<App>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let shape = Shape::of(&parts);
    let (caller, admitted) = Caller::enter(&app, &parts);
    match admitted.and_then(|()| find(&app, parts.uri.path())) {
        Ok(listed) => answer(&app, &caller, &parts, &shape.entry(&listed)),
        Err(failure) => refuse(&app, &caller, shape.dialect(&app), &parts, &failure),
    }
}

fn answer(app: &App, caller: &Caller, parts: &Parts, value: &Value) -> Response {
    let endpoint = crate::observe::metrics::endpoint(parts.uri.path());
    app.observatory.answered(caller, &parts.method, endpoint, StatusCode::OK);
    reply::json(caller, None, StatusCode::OK, Bytes::from(value.to_string()))
}

/// A model as it is listed.
struct Listed {
    /// What a caller writes into `model`.
    id: String,
    owner: String,
    info: Arc<ModelInfo>,
}

fn listed(app: &App) -> Vec<Listed> {
    let mut all: Vec<Listed> = app.config().alias.keys().map(|name| alias(app, name)).collect();
    for row in app.catalog.rows() {
        if !app.router.is_connected(&row) {
            continue;
        }
        let Some(provider) = app.catalog.provider(&row.id) else { continue };
        let callable = provider
            .models
            .values()
            .filter(|info| app.catalog.callable(&provider, &info.id).is_ok());
        all.extend(callable.map(|info| Listed {
            id: format!("{}/{}", row.id, info.id),
            owner: row.id.to_string(),
            info: Arc::clone(info),
        }));
    }
    all
}

/// An alias has the facts of the model that answers first under it.
fn alias(app: &App, name: &str) -> Listed {
    let config = app.config();
    let first = config.alias.get(name).and_then(|alias| alias.names().first());
    let resolved = first.and_then(|first| app.router.resolve(first).ok());
    let info = resolved.and_then(|one| {
        app.catalog.provider(&one.provider)?.models.get(&one.model).map(|info| (**info).clone())
    });
    let info = ModelInfo { id: name.to_owned(), name: name.to_owned(), ..info.unwrap_or_default() };
    Listed { id: name.to_owned(), owner: "switchyard".to_owned(), info: Arc::new(info) }
}

fn find(app: &App, path: &str) -> Result<Listed, Failure> {
    let id = path.split_once("/models/").map_or("", |(_, id)| id);
    let id = percent_decode_str(id)
        .decode_utf8()
        .map_err(|_| Failure::invalid("the model id is not UTF-8"))?;
    if app.config().alias.contains_key(&*id) {
        return Ok(alias(app, &id));
    }
    let resolved = app.router.resolve(&id)?;
    let provider = app.catalog.provider(&resolved.provider);
    let info = provider.and_then(|provider| provider.models.get(&*resolved.model).cloned());
    let info = info.ok_or_else(|| {
        let message =
            format!("{id:?} is not in the catalog; requests for it are passed on as it is");
        Failure::new(ErrorKind::NotFound, Side::Caller, message)
    })?;
    Ok(Listed {
        id: format!("{}/{}", resolved.provider, resolved.model),
        owner: resolved.provider,
        info,
    })
}

/// The three shapes in use.
enum Shape {
    OpenAi,
    Anthropic,
    Gemini,
}

impl Shape {
    fn of(parts: &Parts) -> Self {
        let has = |headers: &HeaderMap, name: &str| headers.contains_key(name);
        if parts.uri.path().starts_with("/v1beta") || has(&parts.headers, "x-goog-api-key") {
            Self::Gemini
        } else if has(&parts.headers, "anthropic-version") {
            Self::Anthropic
        } else {
            Self::OpenAi
        }
    }

    fn dialect(&self, app: &App) -> &'static dyn Downstream {
        match self {
            Self::OpenAi => app.dialects.chat,
            Self::Anthropic => app.dialects.messages,
            Self::Gemini => app.dialects.gemini,
        }
    }

    fn entry(&self, listed: &Listed) -> Value {
        let Listed { id, owner, info } = listed;
        match self {
            Self::OpenAi => {
                json!({"id": id, "object": "model", "created": unix_day(&info.release_date), "owned_by": owner})
            }
            Self::Anthropic => {
                let created = format!("{}T00:00:00Z", full_date(&info.release_date));
                json!({"type": "model", "id": id, "display_name": info.name, "created_at": created})
            }
            Self::Gemini => gemini_entry(id, info),
        }
    }

    fn page(&self, entries: &[Value]) -> Value {
        match self {
            Self::OpenAi => json!({"object": "list", "data": entries}),
            Self::Anthropic => {
                let id = |entry: Option<&Value>| {
                    entry.and_then(|entry| entry.get("id")).cloned().unwrap_or(Value::Null)
                };
                let (first, last) = (id(entries.first()), id(entries.last()));
                json!({"data": entries, "has_more": false, "first_id": first, "last_id": last})
            }
            Self::Gemini => json!({"models": entries}),
        }
    }
}

/// A limit that is unknown is absent: a client would take 0 for one.
fn gemini_entry(id: &str, info: &ModelInfo) -> Value {
    let mut entry = json!({
        "name": format!("models/{id}"),
        "displayName": info.name,
        "description": info.description.as_ref().unwrap_or(&info.name),
        "supportedGenerationMethods": ["generateContent", "streamGenerateContent", "countTokens"],
    });
    let limits = [
        ("inputTokenLimit", info.limits.input.unwrap_or(info.limits.context)),
        ("outputTokenLimit", info.limits.output),
    ];
    for (field, tokens) in limits.into_iter().filter(|(_, tokens)| *tokens > 0) {
        if let Some(entry) = entry.as_object_mut() {
            entry.insert(field.to_owned(), Value::from(tokens));
        }
    }
    entry
}

/// Completes `YYYY[-MM[-DD]]`; the epoch where the date is unknown.
fn full_date(date: &str) -> String {
    match date.len() {
        10 => date.to_owned(),
        7 => format!("{date}-01"),
        4 => format!("{date}-01-01"),
        _ => "1970-01-01".to_owned(),
    }
}

/// Returns the unix time of the day's start; 0 where the date is unknown.
fn unix_day(date: &str) -> i64 {
    let date: Option<jiff::civil::Date> = full_date(date).parse().ok();
    date.and_then(|date| date.to_zoned(jiff::tz::TimeZone::UTC).ok())
        .map_or(0, |start| start.timestamp().as_second())
}

#[cfg(test)]
mod tests {
    use super::{full_date, unix_day};

    #[test]
    fn short_dates_are_completed() {
        assert_eq!(full_date("2025-09"), "2025-09-01");
        assert_eq!(full_date(""), "1970-01-01");
        assert_eq!(unix_day("2025-09-29"), 1_759_104_000);
        assert_eq!(unix_day("nonsense"), 0);
    }
}
