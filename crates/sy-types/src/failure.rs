//! What went wrong, grouped by what the caller can do about it.
//!
//! Made by every crate below the server; turned into a status and a body in the caller's dialect by the server and
//! sy-protocol, and into a retry or a fallback by the router. It never holds a secret and never a whole body.

use std::time::Duration;

/// What kind of failure it is. Status, retry and metric label all derive from this, each in one table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The request is malformed or has an illegal value: change it.
    Invalid,
    /// No credential, or one that is not accepted.
    Unauthenticated,
    /// The credential is known but may not do this.
    Forbidden,
    /// The model, provider or route does not exist.
    NotFound,
    /// The state does not allow it now.
    Conflict,
    /// More bytes than we or the provider accept.
    TooLarge,
    /// The prompt does not fit into the model's context window.
    ContextOverflow,
    /// A safety system refused the prompt or the answer.
    ContentFiltered,
    /// The target cannot do what the request asks for.
    Unsupported,
    /// Too many requests now: waiting helps.
    RateLimited,
    /// A quota, a plan or a balance is used up: waiting a moment does not help, another target does.
    QuotaExceeded,
    /// Overloaded, 5xx, refused or reset connection.
    Unavailable,
    /// An answer came that cannot be read, or that stopped in the middle.
    Malformed,
    /// Nothing came in time.
    Timeout,
    /// The caller left.
    Cancelled,
    /// A defect of ours.
    Internal,
}

impl ErrorKind {
    /// Returns the stable snake_case name used in logs, metrics and machine-readable codes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Invalid => "invalid_request",
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::Conflict => "conflict",
            Self::TooLarge => "too_large",
            Self::ContextOverflow => "context_overflow",
            Self::ContentFiltered => "content_filtered",
            Self::Unsupported => "unsupported",
            Self::RateLimited => "rate_limited",
            Self::QuotaExceeded => "quota_exceeded",
            Self::Unavailable => "provider_unavailable",
            Self::Malformed => "provider_malformed",
            Self::Timeout => "timeout",
            Self::Cancelled => "cancelled",
            Self::Internal => "internal",
        }
    }
}

/// Whose side the failure is on: a provider's rejected key is not the caller's missing token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The caller's request.
    Caller,
    /// The provider, or the way to it.
    Provider,
    /// Ours.
    Gateway,
}

/// A failure with everything that is safe to tell.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// The group it belongs to.
    pub kind: ErrorKind,
    /// Whose side it is on.
    pub side: Side,
    /// One sentence: what was expected, what came, how to fix it. No secret, at most about 500 bytes of foreign text.
    pub message: String,
    /// The provider's own machine code (`context_length_exceeded`, `1310`), where it sent one.
    pub code: Option<String>,
    /// The request field at fault, as a path.
    pub param: Option<String>,
    /// The HTTP status that the provider answered with, where it answered.
    pub status: Option<u16>,
    /// How long the provider asked to wait.
    pub retry_after: Option<Duration>,
}

impl Failure {
    /// Makes a failure of the given kind on the given side.
    pub fn new(kind: ErrorKind, side: Side, message: impl Into<String>) -> Self {
        Self {
            kind,
            side,
            message: message.into(),
            code: None,
            param: None,
            status: None,
            retry_after: None,
        }
    }

    /// Makes a failure that the caller can fix by changing the request.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, Side::Caller, message)
    }

    /// Makes a failure on the provider's side.
    pub fn provider(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self::new(kind, Side::Provider, message)
    }

    /// Makes a failure that is a defect of ours: the text says why it cannot happen.
    pub fn bug(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, Side::Gateway, message)
    }

    /// Sets the provider's machine code.
    #[must_use]
    pub fn with_code(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }

    /// Sets the request field at fault.
    #[must_use]
    pub fn with_param(mut self, param: impl Into<String>) -> Self {
        self.param = Some(param.into());
        self
    }

    /// Sets the provider's HTTP status.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    /// Sets how long to wait before another try.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Option<Duration>) -> Self {
        self.retry_after = wait;
        self
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.kind.name(), self.message)
    }
}

impl std::error::Error for Failure {}
