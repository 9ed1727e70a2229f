//! Says of a provider's failure who failed, with which key, and what helps.
//!
//! Called by `shown` with every failure of a call, after its secrets are hidden. The provider's own
//! words stay in the sentence. It deliberately leaves failures of our own alone: whoever makes them
//! knows best.

use sy_config::Config;
use sy_credentials::{DEFAULT_ACCOUNT, Lease, Source};
use sy_types::{ErrorKind, Failure, Side, Target};

/// The longest machine code or field name of a provider that is passed on, in characters.
const WORD_LIMIT: usize = 200;

/// Puts into a provider's failure who failed, with which key, and what helps.
pub(crate) fn explain(
    mut failure: Failure,
    target: &Target,
    lease: Option<&Lease>,
    config: &Config,
) -> Failure {
    for word in [&mut failure.code, &mut failure.param].into_iter().flatten() {
        shorten(word, WORD_LIMIT);
    }
    if failure.side != Side::Provider {
        return failure;
    }

    let key = Key { provider: &target.provider, lease, config };
    let status = failure.status.map(|status| format!(" ({status})")).unwrap_or_default();
    let words = failure.message.trim_end().trim_end_matches('.');
    let (provider, model) = (&*target.provider, &*target.model);
    failure.message = match failure.kind {
        ErrorKind::Unauthenticated => {
            format!("{provider} rejected {key}{status} for {model}: {words}; {}", key.remedy())
        }
        ErrorKind::Forbidden => format!(
            "{provider} does not let {key} use {model}{status}: {words}; check what the key may do \
             at the provider, or {}",
            key.remedy()
        ),
        ErrorKind::QuotaExceeded => format!(
            "{provider} says that {key} has no quota left{status} for {model}: {words}; check plan \
             and balance at the provider, or {}",
            key.remedy()
        ),
        ErrorKind::NotFound => format!(
            "{words} ({provider}/{model}{}); see what there is with `switchyard models {provider}`",
            answered(&failure)
        ),
        // Clients look for some of these by how they begin.
        _ => format!("{words} ({provider}/{model}{})", answered(&failure)),
    };
    failure
}

fn answered(failure: &Failure) -> String {
    failure.status.map(|status| format!(" answered {status}")).unwrap_or_default()
}

/// Cuts a text behind so many characters.
pub(crate) fn shorten(text: &mut String, limit: usize) {
    if let Some((at, _)) = text.char_indices().nth(limit) {
        text.truncate(at);
        text.push('…');
    }
}

/// The key that a call carried, in words.
struct Key<'a> {
    provider: &'a str,
    lease: Option<&'a Lease>,
    config: &'a Config,
}

impl Key<'_> {
    /// Returns the place in the configuration that sets the key, where it is known.
    fn place(&self) -> Option<&str> {
        self.config.key_places.get(self.provider).map(String::as_str)
    }

    /// Returns what to do to send another key.
    fn remedy(&self) -> String {
        let provider = self.provider;
        let login = format!("`switchyard auth login {provider}`");
        match self.lease.map(|lease| &lease.source) {
            None => format!("store a key with {login}"),
            Some(Source::Vault | Source::Environment(_)) => format!("set another with {login}"),
            Some(Source::OpenCode) => {
                format!("set another with {login}, or sign in with OpenCode again")
            }
            Some(Source::Configuration) => format!(
                "set another at `provider.{provider}.options.apiKey`{}: it wins over keys that \
                 {login} stores",
                self.place().map(|place| format!(" in {place}")).unwrap_or_default()
            ),
        }
    }
}

impl std::fmt::Display for Key<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Some(lease) = self.lease else { return f.write_str("a call without a key") };
        match &lease.source {
            Source::Environment(name) => write!(f, "the key from {name}"),
            Source::OpenCode => f.write_str("the key from OpenCode's auth.json"),
            Source::Vault if lease.account == DEFAULT_ACCOUNT => f.write_str("the stored key"),
            Source::Vault => write!(f, "the stored key of account `{}`", lease.account),
            Source::Configuration => match self.place() {
                Some(place) => write!(f, "the key from {place}"),
                None => f.write_str("the key from the configuration"),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use sy_config::Config;
    use sy_credentials::{Credential, Lease, Source};
    use sy_types::{ErrorKind, Failure, Secret};

    use super::explain;
    use crate::fixture::target;

    #[track_caller]
    fn check(source: Option<Source>, kind: ErrorKind, status: u16, expected: &str) {
        let key = || Credential::ApiKey(Secret::new("sk-0123456789"));
        let lease = source.map(|source| Lease::new(key(), source, "default"));
        let mut config = Config::default();
        config.key_places.insert("acme".to_owned(), "/etc/switchyard.jsonc:9".to_owned());
        let failure = Failure::provider(kind, "no such key.").with_status(status);
        let failure = explain(failure, &target("acme", "m-1"), lease.as_ref(), &config);
        assert_eq!(failure.message, expected);
    }

    #[test]
    fn a_rejected_key_is_named_by_where_it_is_from_and_what_helps() {
        let rejected = ErrorKind::Unauthenticated;
        check(
            Some(Source::Environment("ACME_API_KEY".to_owned())),
            rejected,
            401,
            "acme rejected the key from ACME_API_KEY (401) for m-1: no such key; set another with \
             `switchyard auth login acme`",
        );
        check(
            Some(Source::Vault),
            rejected,
            401,
            "acme rejected the stored key (401) for m-1: no such key; set another with \
             `switchyard auth login acme`",
        );
        check(
            Some(Source::Configuration),
            rejected,
            401,
            "acme rejected the key from /etc/switchyard.jsonc:9 (401) for m-1: no such key; set \
             another at `provider.acme.options.apiKey` in /etc/switchyard.jsonc:9: it wins over \
             keys that `switchyard auth login acme` stores",
        );
        check(
            None,
            rejected,
            401,
            "acme rejected a call without a key (401) for m-1: no such key; store a key with \
             `switchyard auth login acme`",
        );
    }

    #[test]
    fn other_failures_keep_their_words_in_front() {
        check(Some(Source::Vault), ErrorKind::Invalid, 400, "no such key (acme/m-1 answered 400)");
        check(
            None,
            ErrorKind::NotFound,
            404,
            "no such key (acme/m-1 answered 404); see what there is with `switchyard models acme`",
        );
    }
}
