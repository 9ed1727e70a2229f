//! What an operator sees: one access line and a few counters per request.
//!
//! The router tells us of every finished exchange through its observer port; requests that never reached it are told
//! by the surfaces. It deliberately shows no prompt, no answer and no credential.

mod access_log;
mod departure;
pub mod figures;
pub mod lines;
pub(crate) mod metrics;
mod screen;
pub mod tracing;

use http::{Method, StatusCode};
use sy_protocol::Downstream;
use sy_router::{Observer, Outcome, Record};
use sy_types::Failure;

use crate::caller::Caller;
pub(crate) use departure::Departure;
use metrics::Metrics;

/// Where finished requests are told.
pub(crate) struct Observatory {
    pub(crate) metrics: Metrics,
}

impl Observatory {
    pub(crate) fn new() -> Result<Self, Failure> {
        Ok(Self { metrics: Metrics::new()? })
    }

    /// Tells of a request that was answered without the router.
    pub(crate) fn answered(
        &self,
        caller: &Caller,
        method: &Method,
        endpoint: &'static str,
        status: StatusCode,
    ) {
        self.counted(caller, method, endpoint, status);
        access_log::answered(caller, endpoint, status.as_u16(), caller.began.elapsed());
    }

    /// Tells of a request that was refused before the router.
    pub(crate) fn refused(
        &self,
        caller: &Caller,
        method: &Method,
        path: &str,
        status: StatusCode,
        failure: &Failure,
    ) {
        let endpoint = metrics::endpoint(path);
        self.counted(caller, method, endpoint, status);
        access_log::refused(caller, endpoint, status.as_u16(), caller.began.elapsed(), failure);
    }

    /// Tells of a request whose client left before there was an answer. `is_told` says that the router's record brings the
    /// access line.
    pub(crate) fn left(
        &self,
        caller: &Caller,
        method: &Method,
        endpoint: &'static str,
        is_told: bool,
    ) {
        self.counted(caller, method, endpoint, departure::status());
        if !is_told {
            access_log::left(
                caller,
                endpoint,
                departure::status().as_u16(),
                caller.began.elapsed(),
            );
        }
    }

    /// Counts a request whose access line the router's record brings.
    pub(crate) fn counted(
        &self,
        caller: &Caller,
        method: &Method,
        endpoint: &'static str,
        status: StatusCode,
    ) {
        let method = match *method {
            Method::POST => "POST",
            Method::GET => "GET",
            // Whatever else comes is refused; any word can stand there.
            _ => "other",
        };
        self.metrics.http(method, endpoint, status.as_u16(), caller.began.elapsed());
    }
}

/// Returns the status that an exchange ended with. A stream that broke had begun with 200; a client that left saw none.
fn status_of(record: &Record) -> u16 {
    match &record.outcome {
        Outcome::Answered | Outcome::Broken(_) => 200,
        Outcome::ClientGone => 499,
        Outcome::Failed(failure) => {
            let dialect = record.caller_protocol.and_then(sy_protocol::downstream);
            crate::failure::status(failure, dialect.map_or(503, Downstream::overloaded_status))
                .as_u16()
        }
    }
}

impl Observer for Observatory {
    fn finished(&self, record: &Record) {
        self.metrics.exchange(record);
        access_log::exchange(record);
    }
}
