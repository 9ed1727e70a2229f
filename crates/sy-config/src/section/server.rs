//! Where the server listens and what it accepts.
//!
//! Read by the server; which keys wait for its next start says `restart`. Who may call is sy-access's business.

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
    /// How much memory all requests together may take, in MiB. Beyond it requests are refused with 503 and a time to wait.
    /// Without it, half of what the machine or its container has, at most 4096.
    #[schemars(range(min = 16))]
    pub memory_mb: Option<u64>,
    /// How much memory one request may take, in MiB: its body, what that is decoded into when it must be translated, and
    /// what is kept of the answer. Beyond it the request is refused with 413. Each value of a translated JSON body counts
    /// 512 bytes. Without it, a quarter of `memory_mb`, at most 512.
    #[schemars(range(min = 4))]
    pub request_memory_mb: Option<u64>,
    /// The largest event of a provider's stream, in MiB. A stream with a larger one ends with an error.
    #[schemars(range(min = 1, max = 1024))]
    pub event_limit_mb: u64,
    /// The largest answer of a provider that comes in one piece, in MiB.
    #[schemars(range(min = 1, max = 4096))]
    pub answer_limit_mb: u64,
    /// How long running requests may take to finish when the server stops, in seconds.
    #[schemars(range(min = 0, max = 3600))]
    pub shutdown_seconds: u64,
    /// How many connections of clients there may be.
    pub connections: Connections,
    /// How long a client may take, in seconds. Nothing here limits how long a provider takes to answer.
    pub timeouts: Timeouts,
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
            memory_mb: None,
            request_memory_mb: None,
            event_limit_mb: 8,
            answer_limit_mb: 64,
            shutdown_seconds: 30,
            connections: Connections::default(),
            timeouts: Timeouts::default(),
            strict: false,
        }
    }
}

/// How many connections of clients there may be. Where there are more, the one that has been idle for longest is closed;
/// where all are at work, the new one is answered with 503.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Connections {
    /// The most connections in all. Where the limit of open files (`ulimit -n`, which is raised as far as the system allows)
    /// leaves room for fewer, it is fewer: (files - 64) / 2.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max: u64,
    /// The most connections of one address; of an IPv6 address its /64 network counts. All clients behind a reverse proxy
    /// have the proxy's address.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_per_address: u64,
}

impl Default for Connections {
    fn default() -> Self {
        Self { max: 4096, max_per_address: 1024 }
    }
}

/// How long a client may take, in seconds. Nothing here limits how long a provider takes to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Timeouts {
    /// From the connection, and from the first byte of each later request, to the end of the request's head. A connection
    /// that stays silent is closed after it.
    #[schemars(range(min = 1, max = 3600))]
    pub head: u64,
    /// Without a further byte of a request's body. The whole body may take twenty times as long.
    #[schemars(range(min = 1, max = 3600))]
    pub body: u64,
    /// Without a request on a connection that had one before.
    #[schemars(range(min = 1, max = 86_400))]
    pub idle: u64,
    /// Without the client taking a further byte of an answer that is there.
    #[schemars(range(min = 1, max = 86_400))]
    pub send: u64,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { head: 15, body: 30, idle: 180, send: 300 }
    }
}
