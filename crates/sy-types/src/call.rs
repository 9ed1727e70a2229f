//! An HTTP call as a value.
//!
//! Written by sy-protocol, signed by sy-credentials, sent by sy-router. Nothing here sends anything.

use bytes::Bytes;
use http::{HeaderMap, Method};
use url::Url;

/// How a provider wants to see its credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthScheme {
    /// `Authorization: Bearer KEY`.
    Bearer,
    /// The key alone in the named header (`x-api-key`, `x-goog-api-key`, `api-key`).
    Header(&'static str),
    /// `Authorization: Bearer JWT`, signed for keys of the form `id.secret`; other keys go as they are (Z.AI).
    SignedIdSecret,
    /// No credential at all (a local server).
    None,
}

/// A request body in pieces, so that a patched body shares the bytes of the original.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CallBody {
    pieces: Vec<Bytes>,
}

impl CallBody {
    /// Makes a body of the given pieces; empty pieces are left out.
    pub fn from_pieces(pieces: impl IntoIterator<Item = Bytes>) -> Self {
        Self { pieces: pieces.into_iter().filter(|piece| !piece.is_empty()).collect() }
    }

    /// Returns the pieces in order.
    pub fn pieces(&self) -> &[Bytes] {
        &self.pieces
    }

    /// Takes the pieces out.
    pub fn into_pieces(self) -> Vec<Bytes> {
        self.pieces
    }

    /// Returns the length in bytes.
    pub fn len(&self) -> u64 {
        self.pieces.iter().map(|piece| piece.len() as u64).sum()
    }

    /// Returns true when there is no byte in it.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Copies the pieces into one text: for tests and tools, not for the hot path.
    pub fn concat(&self) -> Vec<u8> {
        self.pieces.iter().flat_map(|piece| piece.iter().copied()).collect()
    }
}

impl From<Bytes> for CallBody {
    fn from(bytes: Bytes) -> Self {
        Self::from_pieces([bytes])
    }
}

/// One HTTP call to a provider.
#[derive(Clone, Debug)]
pub struct HttpCall {
    /// Nearly always POST.
    pub method: Method,
    /// The whole URL. It never holds a credential.
    pub url: Url,
    /// Headers without the credential.
    pub headers: HeaderMap,
    /// The body.
    pub body: CallBody,
}
