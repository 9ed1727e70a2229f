//! What a credential is, where it came from, and how it is handed out.
//!
//! Made by the sources (configuration, vault, OpenCode's file, environment); put on a call by [`crate::apply()`]. It
//! deliberately cannot be printed: every secret is a [`Secret`].

use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Instant;

use http::HeaderValue;
use sy_types::Secret;

use crate::hide::hide;

/// The account that is meant when none is named.
pub const DEFAULT_ACCOUNT: &str = "default";

/// A token counts as expired this long before it is: the call still has to arrive.
const EXPIRY_MARGIN_MS: i64 = 15_000;

/// A secret for one account at one provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// An API key.
    ApiKey(Secret),
    /// The tokens of a sign-in.
    OAuth(OAuth),
    /// A token from an organisation's well-known address.
    WellKnown(WellKnown),
}

/// The tokens of a sign-in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OAuth {
    /// The token that calls carry.
    pub access: Secret,
    /// The token that gets another access token.
    pub refresh: Secret,
    /// When the access token expires, in milliseconds since 1970; `None` for never.
    pub expires_at_ms: Option<i64>,
    /// The provider's id of the account.
    pub account_id: Option<String>,
    /// The host of an enterprise installation.
    pub enterprise_url: Option<String>,
}

/// A token from an organisation's well-known address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WellKnown {
    /// The environment variable that the token stands for.
    pub variable: String,
    /// The token.
    pub token: Secret,
}

/// Which of the three a credential is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An API key.
    Token,
    /// The tokens of a sign-in.
    OAuth,
    /// A token from an organisation's well-known address.
    WellKnown,
}

/// Where a credential came from. The order is the order of preference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// `provider.<id>.options.apiKey` in the configuration.
    Configuration,
    /// Our own encrypted vault.
    Vault,
    /// OpenCode's `auth.json`.
    OpenCode,
    /// The named environment variable.
    Environment(String),
}

/// A credential for the time of a call.
///
/// Header values made of it are kept with it, so that a lease that is shared between calls is prepared once.
#[derive(Debug)]
pub struct Lease {
    /// The credential.
    pub credential: Credential,
    /// Where it came from.
    pub source: Source,
    /// Which account it is for.
    pub account: String,
    pub(crate) prepared: Prepared,
}

/// What is made of a credential once. Header values are kept by form; each is marked as sensitive, so that its `Debug` shows nothing.
#[derive(Debug, Default)]
pub(crate) struct Prepared {
    pub(crate) bearer: OnceLock<HeaderValue>,
    pub(crate) bare: OnceLock<HeaderValue>,
    pub(crate) signed: Mutex<Option<Signed>>,
    /// Bits of the key's hash, by which outcomes are told apart.
    pub(crate) mark: OnceLock<u16>,
}

/// A signed token with the times between which it is used.
#[derive(Clone, Debug)]
pub(crate) struct Signed {
    /// What the clock said when it was made.
    pub(crate) made_ms: i64,
    /// When that was, whatever the clock says now.
    pub(crate) made: Instant,
    pub(crate) value: HeaderValue,
}

impl Signed {
    /// Returns true while the token may be sent. A clock that was set makes it too old, or of the future, for the provider:
    /// neither the clock alone nor the time that has passed tells that.
    pub(crate) fn is_usable(&self, now_ms: i64, use_ms: i64) -> bool {
        let has_passed = i64::try_from(self.made.elapsed().as_millis()).unwrap_or(i64::MAX);
        (self.made_ms..self.made_ms.saturating_add(use_ms)).contains(&now_ms) && has_passed < use_ms
    }
}

/// What may be shown of a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The provider.
    pub provider: String,
    /// The account at the provider.
    pub account: String,
    /// Which kind of credential it is; `None` where the record cannot be read.
    pub kind: Option<Kind>,
    /// The name that the user gave it.
    pub label: Option<String>,
    /// The last characters, or only the mark.
    pub masked: String,
    /// Where it came from.
    pub source: Source,
    /// When it was stored or changed last (RFC 3339), where known.
    pub updated_at: Option<String>,
    /// Why it cannot be used, where it cannot.
    pub problem: Option<String>,
}

impl Credential {
    /// Returns which kind it is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::ApiKey(_) => Kind::Token,
            Self::OAuth(_) => Kind::OAuth,
            Self::WellKnown(_) => Kind::WellKnown,
        }
    }

    /// Returns the secret that a call carries.
    pub fn secret(&self) -> &Secret {
        match self {
            Self::ApiKey(key) => key,
            Self::OAuth(tokens) => &tokens.access,
            Self::WellKnown(known) => &known.token,
        }
    }

    /// Returns when it expires, in milliseconds since 1970; `None` for never.
    pub fn expires_at_ms(&self) -> Option<i64> {
        match self {
            Self::OAuth(tokens) => tokens.expires_at_ms,
            Self::ApiKey(_) | Self::WellKnown(_) => None,
        }
    }

    /// Returns true when it is too late, or nearly, to send it. Reads the clock only where there is an expiry.
    pub(crate) fn is_expired(&self) -> bool {
        self.expires_at_ms()
            .is_some_and(|expiry| now_ms().saturating_add(EXPIRY_MARGIN_MS) >= expiry)
    }
}

impl Kind {
    /// Returns the stable name used on disk and in answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::OAuth => "oauth",
            Self::WellKnown => "wellknown",
        }
    }
}

impl Source {
    /// What comes before the name of a variable where a source is shown.
    pub(crate) const ENVIRONMENT: &str = "environment variable ";

    /// Returns its name, which for a variable is followed by that one's.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::Vault => "vault",
            Self::OpenCode => "OpenCode auth.json",
            Self::Environment(_) => Self::ENVIRONMENT,
        }
    }

    /// Returns the place in the order of preference.
    pub(crate) fn rank(&self) -> u8 {
        match self {
            Self::Configuration => 0,
            Self::Vault => 1,
            Self::OpenCode => 2,
            Self::Environment(_) => 3,
        }
    }
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())?;
        match self {
            Self::Environment(variable) => f.write_str(variable),
            Self::Configuration | Self::Vault | Self::OpenCode => Ok(()),
        }
    }
}

impl Lease {
    /// Makes a lease of a credential.
    pub fn new(credential: Credential, source: Source, account: impl Into<String>) -> Self {
        Self { credential, source, account: account.into(), prepared: Prepared::default() }
    }

    /// Replaces the secret where a foreign text repeats it: some providers quote the key that they reject.
    pub fn hide_in(&self, text: &mut Vec<u8>) {
        hide(text, self.credential.secret().expose().as_bytes());
        let signed = self.prepared.signed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(token) =
            signed.as_ref().and_then(|signed| signed.value.as_bytes().strip_prefix(b"Bearer "))
        {
            hide(text, token);
        }
    }

    /// Returns what may be shown of it.
    pub(crate) fn summary(&self, provider: &str) -> Summary {
        let expired = self.credential.is_expired().then(|| "expired".to_owned());
        Summary {
            provider: provider.to_owned(),
            account: self.account.clone(),
            kind: Some(self.credential.kind()),
            label: None,
            masked: self.credential.secret().masked(),
            source: self.source.clone(),
            updated_at: None,
            problem: expired,
        }
    }
}

/// Returns the time in milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}
