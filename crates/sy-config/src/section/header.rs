//! Extra request headers, with the secret ones kept as secrets.
//!
//! Filled by the loader, put on calls by the catalog's targets. It does not check the grammar of header names.

use std::borrow::Cow;

use indexmap::IndexMap;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer};
use sy_types::Secret;

/// Extra headers by name, in the order they were written.
pub type Headers = IndexMap<String, HeaderText>;

/// The value of an extra header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderText {
    /// A value that may be shown.
    Plain(String),
    /// A value that must not be shown: the header's name says so, or the value came from the environment or a file.
    Secret(Secret),
}

impl HeaderText {
    /// Returns the value, secret or not. To be called only where a call is put together.
    pub fn expose(&self) -> &str {
        match self {
            Self::Plain(text) => text,
            Self::Secret(secret) => secret.expose(),
        }
    }

    /// Returns true for a value that must not be shown.
    pub fn is_secret(&self) -> bool {
        matches!(self, Self::Secret(_))
    }

    pub(crate) fn conceal(&mut self) {
        if let Self::Plain(text) = self {
            *self = Self::Secret(Secret::new(std::mem::take(text)));
        }
    }
}

impl JsonSchema for HeaderText {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "HeaderText".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        String::json_schema(generator)
    }
}

/// Reads a map of headers and turns the values of secret ones into secrets at once.
pub(crate) fn read_headers<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Headers, D::Error> {
    let texts = IndexMap::<String, String>::deserialize(deserializer)?;
    let classify = |(name, text): (String, String)| {
        let text = if is_secret_header(&name) {
            HeaderText::Secret(Secret::new(text))
        } else {
            HeaderText::Plain(text)
        };
        (name, text)
    };
    Ok(texts.into_iter().map(classify).collect())
}

/// Returns true when a header of this name usually carries a secret. Over-cautious on purpose: a harmless value that is
/// masked costs nothing.
pub(crate) fn is_secret_header(name: &str) -> bool {
    const MARKS: [&str; 8] =
        ["auth", "key", "token", "secret", "cookie", "password", "credential", "signature"];
    let name = name.to_ascii_lowercase();
    MARKS.iter().any(|mark| name.contains(mark))
}

#[cfg(test)]
mod tests {
    use super::is_secret_header;

    #[test]
    fn names_of_headers_tell_which_are_secret() {
        for name in [
            "Authorization",
            "x-api-key",
            "X-Goog-Api-Key",
            "Cookie",
            "cf-aig-authorization",
            "X-Auth-Token",
        ] {
            assert!(is_secret_header(name), "{name}");
        }
        for name in ["anthropic-beta", "HTTP-Referer", "X-Title", "User-Agent"] {
            assert!(!is_secret_header(name), "{name}");
        }
    }
}
