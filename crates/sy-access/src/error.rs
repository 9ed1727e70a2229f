//! Why the server may not start with these access settings.
//!
//! Shown once to the operator, who can fix each of them. A refused request is a `Failure`, not one of these.

use std::net::IpAddr;
use std::path::PathBuf;

/// What keeps [`crate::Access`] from opening.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No token at all, outside loopback.
    #[error(
        "binding {bind} lets other machines call, and there is no token\n\
         help: set SWITCHYARD_TOKEN, or start once on 127.0.0.1, which makes {}", file.display()
    )]
    NoToken {
        /// The address asked for.
        bind: IpAddr,
        /// Where a token would have been read.
        file: PathBuf,
    },
    /// `--dangerously-unauthenticated` outside loopback.
    #[error(
        "--dangerously-unauthenticated works on loopback only, and the bind address is {bind}\n\
         help: bind 127.0.0.1, or leave the flag out and give callers the token"
    )]
    OpenWithoutToken {
        /// The address asked for.
        bind: IpAddr,
    },
    /// The setting or the file holds something that no HTTP header can carry.
    #[error(
        "the token in {place} must be visible ASCII characters without white space\n\
         help: use for example the output of `openssl rand -hex 32`"
    )]
    BadToken {
        /// `SWITCHYARD_TOKEN`, or the path of the file.
        place: String,
    },
    /// The token file is there and empty.
    #[error("the token file {} is empty\nhelp: delete it; the next start on loopback makes one", file.display())]
    EmptyTokenFile {
        /// The file.
        file: PathBuf,
    },
    /// The token file holds less than a token, as a full disk or an editor leaves it.
    #[error(
        "the token file {} holds fewer than {shortest} characters\n\
         help: delete it; the next start on loopback makes one", file.display()
    )]
    ShortTokenFile {
        /// The file.
        file: PathBuf,
        /// The fewest characters.
        shortest: usize,
    },
    /// The token file is a link, a folder or a device: whoever made it decides what is read.
    #[error(
        "the token file {} is not a regular file, and links are not followed\n\
         help: delete it; the next start on loopback makes one", file.display()
    )]
    IrregularTokenFile {
        /// The file.
        file: PathBuf,
    },
    /// The token file belongs to somebody else, who knows the token.
    #[error(
        "the token file {} belongs to another user (number {owner}), who can read and change it\n\
         help: delete it; the next start on loopback makes one. Or set SWITCHYARD_TOKEN", file.display()
    )]
    ForeignTokenFile {
        /// The file.
        file: PathBuf,
        /// The owner's number.
        owner: u32,
    },
    /// Others may read or write the token file.
    #[error(
        "the token file {} can be read or changed by other users (mode {mode:03o})\n\
         help: delete it, since others may know the token; the next start on loopback makes one. \
         Or keep it: chmod 600 {}", file.display(), file.display()
    )]
    ExposedTokenFile {
        /// The file.
        file: PathBuf,
        /// The permission bits.
        mode: u32,
    },
    /// A token that can be guessed, on an address that other machines reach.
    #[error(
        "binding {bind} lets other machines call, and the token in {place} can be guessed: {reason}\n\
         help: use for example the output of `openssl rand -hex 32`"
    )]
    WeakToken {
        /// The address asked for.
        bind: IpAddr,
        /// `SWITCHYARD_TOKEN`, or the path of the file.
        place: String,
        /// What makes it weak.
        reason: &'static str,
    },
    /// An entry of `server.allowed_hosts` or `server.allowed_origins` that could never match.
    #[error("{key}: expected {expected}, got `{entry}`")]
    BadEntry {
        /// The configuration key.
        key: &'static str,
        /// The form that is expected.
        expected: &'static str,
        /// The entry as configured.
        entry: String,
    },
    /// Reading or writing the token file failed.
    #[error("cannot {doing} the token file {}: {source}", file.display())]
    File {
        /// The operation as a verb.
        doing: &'static str,
        /// The file.
        file: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}
