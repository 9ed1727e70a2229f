//! Downloads a catalog.
//!
//! Called by a refresh. With `probe` it is the only file here that speaks HTTP. It keeps nothing and decides nothing: what
//! came is handed back.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http::header::{ACCEPT, ETAG, IF_NONE_MATCH};
use sy_types::{ErrorKind, Failure};

/// As long as OpenCode waits for a connection.
const CONNECT: Duration = Duration::from_secs(10);
/// A slow line needs its time for 4 MB, but a hanging one must not block a forced refresh for ever.
const TOTAL: Duration = Duration::from_secs(60);
/// Ten times the size of today's catalog.
const LARGEST: usize = 64 << 20;

/// What the source answered.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fetched {
    /// The version with the given tag is current.
    NotModified,
    /// Another version.
    Text {
        /// The catalog.
        text: Bytes,
        /// Its tag.
        etag: Option<String>,
    },
}

/// Downloads `<source>/api.json`, unless it still has the given tag.
///
/// # Errors
/// `Unavailable` or `Timeout` when the source does not answer well; `Malformed` when it sends too much.
pub(crate) async fn fetch(source: &str, etag: Option<&str>) -> Result<Fetched, Failure> {
    let address = format!("{source}/api.json");
    let client = reqwest::Client::builder()
        .user_agent(concat!("switchyard/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT)
        .timeout(TOTAL)
        .build()
        .map_err(|error| Failure::bug(format!("the catalog's HTTP client cannot be made: {}", cause(&error))))?;
    let mut request = client.get(&address).header(ACCEPT, "application/json");
    if let Some(etag) = etag {
        request = request.header(IF_NONE_MATCH, etag);
    }
    let mut response = request.send().await.map_err(|error| failed(&address, &error))?;
    let status = response.status();
    if status == StatusCode::NOT_MODIFIED && etag.is_some() {
        return Ok(Fetched::NotModified);
    }
    if !status.is_success() {
        let message = format!("the catalog at {address} answered with status {}", status.as_u16());
        return Err(Failure::provider(ErrorKind::Unavailable, message).with_status(status.as_u16()));
    }
    let etag = response.headers().get(ETAG).and_then(|etag| etag.to_str().ok()).map(str::to_owned);
    let mut text = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| failed(&address, &error))? {
        if text.len() + chunk.len() > LARGEST {
            let message = format!("the catalog at {address} is larger than {} MB", LARGEST >> 20);
            return Err(Failure::provider(ErrorKind::Malformed, message));
        }
        text.extend_from_slice(&chunk);
    }
    Ok(Fetched::Text { text: text.freeze(), etag })
}

fn failed(address: &str, error: &reqwest::Error) -> Failure {
    let kind = if error.is_timeout() { ErrorKind::Timeout } else { ErrorKind::Unavailable };
    Failure::provider(kind, format!("the catalog at {address} cannot be fetched: {}", cause(error)))
}

/// The innermost reason: the outer ones repeat the address.
fn cause(error: &reqwest::Error) -> String {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
