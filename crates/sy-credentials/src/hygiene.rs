//! What a name and a key must look like.
//!
//! Called where credentials come in: `put`, import, configuration, environment. It never repeats the key, and it never
//! refuses a key because of its vendor's habits: a gateway of one's own may use any.

use sy_types::Secret;

use crate::error::Error;

/// Longer names would not fit into a file name together.
const MAX_NAME_BYTES: usize = 100;

/// Prefixes by which vendors mark their keys, with a word that the id of a provider contains where such a key belongs.
/// It is only good for a warning: vendors change their forms, and gateways borrow them.
const KEY_PREFIXES: &[(&str, &str)] = &[
    ("sk-ant-", "anthropic"),
    ("sk-or-", "openrouter"),
    ("sk-proj-", "openai"),
    ("AIza", "google"),
    ("gsk_", "groq"),
    ("nvapi-", "nvidia"),
    ("pplx-", "perplexity"),
    ("xai-", "xai"),
    ("hf_", "huggingface"),
    ("csk-", "cerebras"),
    ("fw_", "fireworks"),
];

/// Returns a provider's id without trailing slashes, under which every source keeps it.
///
/// # Errors
/// When it is empty, too long or holds control characters.
pub(crate) fn provider_id(provider: &str) -> Result<&str, Error> {
    checked_name("provider", provider.trim_end_matches('/'))
}

/// Checks the name of a profile, provider or account.
pub(crate) fn checked_name<'a>(what: &str, name: &'a str) -> Result<&'a str, Error> {
    if name.trim().is_empty() {
        return Err(Error::Invalid(format!("expected a {what} name, got an empty one")));
    }
    if name.len() > MAX_NAME_BYTES {
        return Err(Error::Invalid(format!(
            "expected a {what} name of at most {MAX_NAME_BYTES} bytes, got {}",
            name.len()
        )));
    }
    if name.chars().any(char::is_control) {
        return Err(Error::Invalid(format!("expected a {what} name without control characters")));
    }
    Ok(name)
}

/// Takes the white space off the ends of a secret, where copying and pipes leave it, and checks that the rest can stand
/// in a header.
///
/// # Errors
/// A phrase for a sentence that begins with what the secret is ("the API key …").
pub(crate) fn clean_secret(secret: &Secret) -> Result<Secret, &'static str> {
    let text = secret.expose().trim();
    if text.is_empty() {
        return Err("is blank");
    }
    if text.chars().any(char::is_whitespace) {
        return Err(
            "has white space inside: copy it again, without line breaks and without a name in front",
        );
    }
    if text.chars().any(char::is_control) {
        return Err("has control characters: copy it again as plain text");
    }
    if !text.is_ascii() {
        return Err("has characters outside ASCII (curly quotes?): copy it again as plain text");
    }
    Ok(Secret::new(text))
}

/// Returns a warning when the key looks like another vendor's.
pub(crate) fn foreign_key_warning(provider: &str, key: &Secret) -> Option<String> {
    let (prefix, owner) =
        KEY_PREFIXES.iter().find(|(prefix, _)| key.expose().starts_with(prefix))?;
    if provider.to_ascii_lowercase().contains(owner) {
        return None;
    }
    Some(format!(
        "the key begins with `{prefix}`, as keys of {owner} do, and was stored for {provider}: \
         check it unless {provider} is a gateway with such keys"
    ))
}

#[cfg(test)]
mod tests {
    use super::{checked_name, clean_secret, foreign_key_warning, provider_id};
    use sy_types::Secret;

    #[track_caller]
    fn check_secret(text: &str, expected: Option<&str>) {
        let cleaned = clean_secret(&Secret::new(text));
        assert_eq!(cleaned.as_ref().ok().map(Secret::expose), expected, "{text:?}");
        if let Err(reason) = cleaned {
            assert!(text.trim().is_empty() || !reason.contains(text.trim()));
        }
    }

    #[test]
    fn takes_keys_that_a_header_can_carry() {
        check_secret("sk-1", Some("sk-1"));
        check_secret("  sk-1\n", Some("sk-1"));
        check_secret("id.secret/+=", Some("id.secret/+="));
        check_secret("", None);
        check_secret(" \t\n", None);
        check_secret("sk 1", None);
        check_secret("KEY=\nsk-1", None);
        check_secret("sk-\u{7}1", None);
        check_secret("sk-\u{7f}1", None);
        check_secret("“sk-1”", None);
        check_secret("sk\u{a0}1", None);
    }

    #[test]
    fn warns_of_another_vendors_key_and_does_not_show_it() {
        let warning = foreign_key_warning("openai", &Secret::new("sk-ant-canary-0123")).unwrap();
        assert!(
            warning.contains("anthropic")
                && warning.contains("openai")
                && !warning.contains("canary"),
            "{warning}"
        );
        assert_eq!(foreign_key_warning("anthropic", &Secret::new("sk-ant-canary")), None);
        assert_eq!(foreign_key_warning("my-openrouter-eu", &Secret::new("sk-or-canary")), None);
        assert_eq!(foreign_key_warning("anything", &Secret::new("sk-canary")), None);
    }

    #[test]
    fn names_are_normal_and_bounded() {
        assert_eq!(provider_id("https://example.org//").unwrap(), "https://example.org");
        assert!(provider_id("///").is_err());
        assert!(checked_name("account", "").is_err());
        assert!(checked_name("account", "a\nb").is_err());
        assert!(checked_name("account", &"a".repeat(101)).is_err());
        assert_eq!(checked_name("account", "Work / Ünïcode").unwrap(), "Work / Ünïcode");
    }
}
