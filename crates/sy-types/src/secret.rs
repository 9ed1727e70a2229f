//! The one type that may hold a key, a token or a password.
//!
//! Called by whoever reads a secret (configuration, vault, environment); opened only where a
//! credential is put on a call. It deliberately has no `Display` and no `Serialize`: a secret
//! cannot slip into a log or a response by accident.

use secrecy::zeroize::Zeroize;
use secrecy::{ExposeSecret, SecretString};

/// A secret text: its memory is wiped on drop and its debug form is redacted.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// Takes ownership of a secret text. The buffer that it came in is wiped: making it fit may
    /// have left a copy there.
    pub fn new(text: impl Into<String>) -> Self {
        let mut text = text.into();
        let secret = SecretString::from(text.as_str());
        text.zeroize();
        Self(secret)
    }

    /// Returns the secret text. Every call site is listed by the tidy check.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// Returns true when the text is empty or only white space.
    pub fn is_blank(&self) -> bool {
        self.0.expose_secret().trim().is_empty()
    }

    /// Returns a form that is safe to show: the last four characters of a text of at least 12, else
    /// only the mark.
    pub fn masked(&self) -> String {
        let text = self.0.expose_secret();
        let count = text.chars().count();
        if count < 12 {
            return "…".to_owned();
        }
        let tail: String = text.chars().skip(count - 4).collect();
        format!("…{tail}")
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret([redacted])")
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

impl Eq for Secret {}

impl<'de> serde::Deserialize<'de> for Secret {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(SecretString::deserialize(deserializer)?))
    }
}

#[cfg(test)]
mod tests {
    use super::Secret;

    #[test]
    fn debug_shows_nothing() {
        let secret = Secret::new("sk-canary-0123456789");
        assert_eq!(format!("{secret:?}"), "Secret([redacted])");
        assert_eq!(secret.masked(), "…6789");
        assert_eq!(Secret::new("short").masked(), "…");
    }
}
