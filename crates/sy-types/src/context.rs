//! Who asked, and under which id: the one context argument of every request.
//!
//! Made by the server at the edge; read by everything below. It is immutable, and cancelling is dropping the future or
//! the stream that works on it: there is no flag to forget.

use std::sync::Arc;

/// The id of one request, echoed in the `x-request-id` response header and in every log line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(Arc<str>);

impl RequestId {
    /// Takes a request id that the caller sent, or one that the server made.
    pub fn new(text: &str) -> Self {
        Self(Arc::from(text))
    }

    /// Returns the id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for RequestId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Who is calling us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Principal {
    /// The holder of the server's own token.
    Owner,
    /// Somebody on loopback, where the operator switched authentication off.
    Anonymous,
}

impl Principal {
    /// Returns a low-cardinality name for logs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Anonymous => "anonymous",
        }
    }
}

/// What happens to a request whose target has no room now, where its chain has a further target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Failover {
    /// The next target is asked at once.
    #[default]
    Immediate,
    /// The wait that the provider asked for is kept where it is short; only then the next target is
    /// asked.
    Wait,
}

impl Failover {
    /// Reads the name that configuration and headers use.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "immediate" => Some(Self::Immediate),
            "wait" => Some(Self::Wait),
            _ => None,
        }
    }
}

/// The context of one request.
#[derive(Clone, Debug)]
pub struct RequestContext {
    /// The id of this request.
    pub id: RequestId,
    /// Who asked.
    pub principal: Principal,
    /// Refuse the request when a field cannot be carried to the target, instead of reporting it as dropped.
    pub strict: bool,
    /// What the caller wants where a target has no room; `None` for what the configuration says.
    pub failover: Option<Failover>,
}
