//! The HTTP surfaces, merged.
//!
//! Each file serves the routes of one dialect or one purpose; a handler names its dialect and hands on. Request-wide layers are
//! only what is true of every request: browsers of allowed origins get their CORS headers.

mod anthropic;
mod base_url;
mod fallback;
mod gemini;
mod models;
mod openai;
mod openapi;
mod system;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::MethodRouter;
use http::request::Parts;
use http::{HeaderValue, Method};
use sy_protocol::Downstream;
use sy_protocol::registry::{
    ANTHROPIC_MESSAGES, GEMINI_GENERATE, OPENAI_CHAT, OPENAI_RESPONSES, downstream,
};
use sy_types::{Failure, ProtocolId};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

use crate::app::App;

/// What clients put before a route, as their base URL has it or not: all of these are served.
const BASES: [&str; 2] = ["", "/v1"];
/// The same for routes that Gemini's clients call as well.
const MODEL_BASES: [&str; 3] = ["", "/v1", "/v1beta"];

/// The faces of the protocols that have a surface.
#[derive(Clone, Copy)]
pub(crate) struct Dialects {
    pub(crate) chat: &'static dyn Downstream,
    pub(crate) responses: &'static dyn Downstream,
    pub(crate) messages: &'static dyn Downstream,
    pub(crate) gemini: &'static dyn Downstream,
}

impl Dialects {
    /// Finds the faces in the registry.
    ///
    /// # Errors
    /// `Internal` when a protocol that has a surface is not registered.
    pub(crate) fn find() -> Result<Self, Failure> {
        let face = |id: ProtocolId| {
            downstream(id).ok_or_else(|| Failure::bug(format!("protocol {id} has no client face")))
        };
        Ok(Self {
            chat: face(OPENAI_CHAT)?,
            responses: face(OPENAI_RESPONSES)?,
            messages: face(ANTHROPIC_MESSAGES)?,
            gemini: face(GEMINI_GENERATE)?,
        })
    }

    /// Returns the dialect in which a request that no surface takes is best refused: by its path, else by the headers that
    /// only one family of clients sends.
    pub(crate) fn of(&self, parts: &Parts) -> &'static dyn Downstream {
        let path = parts.uri.path();
        if path.contains("/v1beta") || parts.headers.contains_key("x-goog-api-key") {
            self.gemini
        } else if path.split('/').any(|segment| segment == "messages")
            || parts.headers.contains_key("anthropic-version")
        {
            self.messages
        } else {
            self.chat
        }
    }
}

/// Returns the service of all surfaces.
pub(crate) fn service(app: App) -> Router {
    let cors = cors(&app.config().server.allowed_origins);
    let dialects = app.dialects;
    let router = Router::new()
        .merge(openai::routes())
        .merge(guarded(anthropic::routes(), dialects.messages))
        .merge(guarded(gemini::routes(), dialects.gemini))
        .merge(models::routes())
        .merge(system::routes())
        .fallback(fallback::not_found)
        .method_not_allowed_fallback(fallback::wrong_method)
        // Bodies are read by `body`, which has the configured limit and answers in the caller's dialect.
        .layer(DefaultBodyLimit::disable())
        .with_state(app);
    let router = guarded(router, dialects.chat);
    match cors {
        Some(cors) => router.layer(cors),
        None => router,
    }
}

/// Serves the routes of a table under each of the bases.
fn served(bases: &[&str], table: &[(&str, MethodRouter<App>)]) -> Router<App> {
    let mut routes = Router::new();
    for (path, methods) in table {
        for base in bases {
            routes = routes.route(&format!("{base}{path}"), methods.clone());
        }
    }
    routes
}

/// Answers for handlers that panic, in their surface's dialect. The innermost guard answers.
fn guarded<S: Clone + Send + Sync + 'static>(
    routes: Router<S>,
    dialect: &'static dyn Downstream,
) -> Router<S> {
    routes.layer(CatchPanicLayer::custom(fallback::Panicked(dialect)))
}

/// Browsers ask before they call: only listed origins are told yes. Without any, no answer carries a CORS header.
fn cors(origins: &[String]) -> Option<CorsLayer> {
    let origins: Vec<HeaderValue> =
        origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok()).collect();
    if origins.is_empty() {
        return None;
    }
    // Which headers a page may send is not ours to list: SDKs add their own, and the page was let in by name.
    let cors = CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_headers(AllowHeaders::mirror_request());
    Some(cors.allow_methods([Method::GET, Method::POST]).expose_headers(crate::reply::SHOWN))
}
