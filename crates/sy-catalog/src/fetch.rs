//! Downloads a catalog.
//!
//! Called by a refresh. With `probe` it is the only file here that speaks HTTP. It keeps nothing and decides nothing: what
//! came is handed back.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http::header::{ACCEPT, ETAG, IF_NONE_MATCH};
use sy_types::{ErrorKind, Failure, Side};

use crate::bounds::LARGEST_TEXT;

/// As long as OpenCode waits for a connection.
const CONNECT: Duration = Duration::from_secs(10);
/// A slow line needs its time for 4 MB, but a hanging one must not block a forced refresh for ever.
const TOTAL: Duration = Duration::from_secs(60);

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

/// Reads the certificate authorities of a PEM file, for a client that shall trust them beside the system's.
///
/// # Errors
/// `Internal`, with the file's name, when it cannot be read or holds something else.
pub fn certificates(file: &Path) -> Result<Vec<reqwest::Certificate>, Failure> {
    let unreadable = |reason: String| {
        let text = format!("expected certificates in PEM form in {}: {reason}", file.display());
        Failure::new(ErrorKind::Internal, Side::Gateway, text)
    };
    let pem = std::fs::read(file).map_err(|error| unreadable(error.to_string()))?;
    reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| unreadable(cause(&error)))
}

/// Downloads `<source>/api.json`, unless it still has the given tag. The authorities of the given PEM files are trusted as well.
///
/// # Errors
/// `Unavailable` or `Timeout` when the source does not answer well; `Malformed` when it sends too much; `Internal` when a PEM
/// file cannot be read.
pub(crate) async fn fetch(
    source: &str,
    etag: Option<&str>,
    authorities: &[PathBuf],
) -> Result<Fetched, Failure> {
    let address = format!("{source}/api.json");
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("switchyard/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT)
        .timeout(TOTAL);
    for file in authorities {
        builder = builder.tls_certs_merge(certificates(file)?);
    }
    let client = builder.build().map_err(|error| {
        Failure::bug(format!("the catalog's HTTP client cannot be made: {}", cause(&error)))
    })?;
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
    // One that says how large it is need not be read to be refused.
    let announced = response.content_length().and_then(|length| usize::try_from(length).ok());
    if announced.is_some_and(|length| length > LARGEST_TEXT) {
        return Err(too_large(&address));
    }

    let mut text = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| failed(&address, &error))? {
        if text.len() + chunk.len() > LARGEST_TEXT {
            return Err(too_large(&address));
        }
        text.extend_from_slice(&chunk);
    }
    Ok(Fetched::Text { text: text.freeze(), etag })
}

fn too_large(address: &str) -> Failure {
    let message = format!("the catalog at {address} is larger than {} MB", LARGEST_TEXT >> 20);
    Failure::provider(ErrorKind::Malformed, message)
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
