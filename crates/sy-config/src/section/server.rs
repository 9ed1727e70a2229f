//! Where the server listens and what it accepts.
//!
//! Read by the server at start; `host` and `port` take effect at the next start. Who may call is sy-access's business.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where the server listens and what it accepts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Server {
    /// The address to listen on: an IP address or `localhost`. `0.0.0.0` listens on every interface; then also set
    /// `allowed_hosts`.
    #[schemars(length(min = 1))]
    pub host: String,
    /// The TCP port. 0 lets the system choose one.
    pub port: u16,
    /// Names by which clients may call the server (the `Host` header) besides loopback names and addresses.
    /// Example: `["gateway.example.com"]`.
    pub allowed_hosts: Vec<String>,
    /// Web origins that may call the server from a browser. Example: `["https://app.example.com"]`.
    pub allowed_origins: Vec<String>,
    /// The largest request body, in MiB.
    #[schemars(range(min = 1, max = 4096))]
    pub body_limit_mb: u64,
    /// How long running requests may take to finish when the server stops, in seconds.
    #[schemars(range(min = 0, max = 3600))]
    pub shutdown_seconds: u64,
    /// When true, a request with a field that the target cannot take is refused. When false, the field is dropped and the
    /// answer says so in a header.
    pub strict: bool,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            host: "127.0.0.1".to_owned(),
            port: 8080,
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            body_limit_mb: 64,
            shutdown_seconds: 30,
            strict: false,
        }
    }
}
