//! Behaviour of the server's own access control, on temporary files and in-memory headers.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod authenticate;
mod open;
mod origin;

use std::net::IpAddr;
use std::path::Path;

use sy_access::{Access, Settings};
use sy_types::Secret;

/// Settings as a fresh installation has them: loopback, a token file in the given folder.
fn settings(folder: &Path) -> Settings {
    Settings {
        token_file: folder.join("state/token"),
        token: None,
        unauthenticated: false,
        bind: IpAddr::from([127, 0, 0, 1]),
        allowed_hosts: Vec::new(),
        allowed_origins: Vec::new(),
    }
}

/// An open access with a fixed token.
fn access_with(token: &str) -> Access {
    let folder = tempfile::tempdir().unwrap();
    Access::open(Settings { token: Some(Secret::new(token)), ..settings(folder.path()) }).unwrap()
}
