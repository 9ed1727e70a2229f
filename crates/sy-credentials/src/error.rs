//! What can go wrong while keeping credentials.
//!
//! Returned by everything that changes or opens the vault; a request gets a `Failure` instead. No message holds a
//! secret or a part of a file's contents.

use std::io;
use std::path::{Path, PathBuf};

use sy_types::{ErrorKind, Failure, Side};

/// What keeps credentials from being read or stored.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The input is not acceptable: change it.
    #[error("{0}")]
    Invalid(String),
    /// The vault is sealed with a key that is not at hand.
    #[error("{0}")]
    WrongKey(String),
    /// A file is not what we wrote.
    #[error("{} is damaged: {reason}", file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The system refused to read or write.
    #[error("cannot {doing} {}: {source}", path.display())]
    File {
        /// The operation as a verb.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A file or folder that must be ours is not.
    #[error("{} {fault}, so it is not used: make it a file or folder of your own", path.display())]
    Foreign {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it, as a clause.
        fault: String,
    },
    /// A cryptographic operation failed that cannot fail with valid input.
    #[error("cannot {0}: the cryptographic library refused")]
    Crypto(&'static str),
    /// The operating system's keyring refused.
    #[cfg(feature = "keyring")]
    #[error("cannot {doing} the system keyring: {source}")]
    Keyring {
        /// The operation as a verb.
        doing: &'static str,
        /// What the keyring said.
        #[source]
        source: keyring::v1::Error,
    },
}

impl Error {
    /// Returns the group that status and log level derive from.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Invalid(_) => ErrorKind::Invalid,
            Self::WrongKey(_) => ErrorKind::Conflict,
            Self::Damaged { .. } | Self::File { .. } | Self::Foreign { .. } | Self::Crypto(_) => {
                ErrorKind::Internal
            }
            #[cfg(feature = "keyring")]
            Self::Keyring { .. } => ErrorKind::Internal,
        }
    }

    /// Refuses a file or folder that is not ours.
    pub(crate) fn foreign(path: &Path, fault: &str) -> Self {
        Self::Foreign { path: path.to_owned(), fault: fault.to_owned() }
    }

    /// Wraps what the system said about a path.
    pub(crate) fn file(
        doing: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { doing, path, source }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let kind = error.kind();
        let side = if kind == ErrorKind::Invalid { Side::Caller } else { Side::Gateway };
        Self::new(kind, side, error.to_string())
    }
}
