//! A request whose client may leave before there is an answer.
//!
//! Held by the connection while a surface works. A client that leaves drops it, and so its request is told of as well.

use std::sync::Arc;
use std::time::Instant;

use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};

use super::Observatory;
use super::metrics::endpoint;
use crate::caller::{Caller, REQUEST_ID};
use crate::connections::HandedOver;

/// Tells of a request unless it was answered.
pub(crate) struct Departure {
    observatory: Arc<Observatory>,
    method: Method,
    endpoint: &'static str,
    id: Option<HeaderValue>,
    began: Instant,
    handed_over: HandedOver,
    is_answered: bool,
}

impl Departure {
    pub(crate) fn watch<B>(
        observatory: Arc<Observatory>,
        request: &Request<B>,
        handed_over: HandedOver,
    ) -> Self {
        Self {
            observatory,
            method: request.method().clone(),
            endpoint: endpoint(request.uri().path()),
            id: request.headers().get(REQUEST_ID).cloned(),
            began: Instant::now(),
            handed_over,
            is_answered: false,
        }
    }

    /// Notes that there is an answer: the surface has told of it.
    pub(crate) fn answered(mut self) {
        self.is_answered = true;
    }
}

impl Drop for Departure {
    fn drop(&mut self) {
        if self.is_answered {
            return;
        }
        let mut headers = HeaderMap::new();
        if let Some(id) = self.id.take() {
            headers.insert(REQUEST_ID, id);
        }
        let caller = Caller { began: self.began, ..Caller::with(&headers) };
        self.observatory.left(&caller, &self.method, self.endpoint, self.handed_over.is_noted());
    }
}

/// Returns the status of a client that left, which nobody sees but the log (as nginx writes it).
pub(super) fn status() -> StatusCode {
    StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST)
}
