//! The sources that hold keys in memory: the configuration and the environment.
//!
//! Filled at start and on a reload of the configuration, asked by [`crate::Credentials`] on every request. Which
//! variables belong to a provider is the caller's knowledge. Nothing here reads or changes the process's environment.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use sy_config::{Config, Environment};
use sy_types::Secret;

use crate::credential::{Credential, DEFAULT_ACCOUNT, Lease, Source};
use crate::hygiene::clean_secret;

/// A credential that is ready, or the sentence that says why the one that is there cannot be used.
pub(crate) type Found = Result<Arc<Lease>, Arc<str>>;

/// Makes a lease of a credential after cleaning its secret. `place` begins the sentence about a bad one.
pub(crate) fn found(credential: Credential, source: Source, account: &str, place: &str) -> Found {
    match cleaned(credential) {
        Ok(credential) => Ok(Arc::new(Lease::new(credential, source, account))),
        Err(reason) => Err(format!("{place} {reason}").into()),
    }
}

/// Takes stray white space off the secret that calls carry.
///
/// # Errors
/// A phrase that follows the name of the secret.
pub(crate) fn cleaned(credential: Credential) -> Result<Credential, &'static str> {
    Ok(match credential {
        Credential::ApiKey(key) => Credential::ApiKey(clean_secret(&key)?),
        Credential::OAuth(mut tokens) => {
            tokens.access = clean_secret(&tokens.access)?;
            Credential::OAuth(tokens)
        }
        Credential::WellKnown(mut known) => {
            known.token = clean_secret(&known.token)?;
            Credential::WellKnown(known)
        }
    })
}

/// Collects the keys of the configuration. A blank key counts as absent.
pub(crate) fn configured_keys(config: &Config) -> HashMap<String, Found> {
    let keys = config.provider.iter().filter_map(|(provider, settings)| {
        let key = settings.options.api_key.as_ref().filter(|key| !key.is_blank())?;
        let place = format!("the configuration key `provider.{provider}.options.apiKey`");
        let credential = Credential::ApiKey(key.clone());
        let found = found(credential, Source::Configuration, DEFAULT_ACCOUNT, &place);
        Some((provider.trim_end_matches('/').to_owned(), found))
    });
    keys.collect()
}

/// The environment as a source. A lease is made once per variable and then shared.
pub(crate) struct EnvironmentKeys {
    environment: Environment,
    leases: RwLock<HashMap<String, Found>>,
}

impl EnvironmentKeys {
    pub(crate) fn new(environment: Environment) -> Self {
        Self { environment, leases: RwLock::new(HashMap::new()) }
    }

    /// Returns the key in the first of the variables that is set. Blank counts as not set.
    pub(crate) fn find(&self, names: &[String]) -> Option<Found> {
        key_variables(names).find_map(|name| self.value(name))
    }

    /// Returns the key in one variable.
    pub(crate) fn value(&self, name: &str) -> Option<Found> {
        let value = self.environment.get(name).filter(|value| !value.trim().is_empty())?;
        // The map is complete whenever the lock is free, even after a panic elsewhere.
        if let Some(found) = self.leases.read().unwrap_or_else(PoisonError::into_inner).get(name) {
            return Some(found.clone());
        }
        let place = format!("the environment variable {name}");
        let credential = Credential::ApiKey(Secret::new(value));
        let found =
            found(credential, Source::Environment(name.to_owned()), DEFAULT_ACCOUNT, &place);
        let mut leases = self.leases.write().unwrap_or_else(PoisonError::into_inner);
        Some(leases.entry(name.to_owned()).or_insert(found).clone())
    }
}

/// Passes over the variables of a provider that hold something else than a key.
///
/// A single variable is the key, whatever its name. Of several, those count that are named like a key: the others are
/// regions, hosts and project names. The halves of a key pair are no key by themselves.
pub(crate) fn key_variables(names: &[String]) -> impl Iterator<Item = &str> {
    let is_only = names.len() == 1;
    names.iter().map(String::as_str).filter(move |name| {
        let is_named_like_a_key =
            name.contains("KEY") || name.contains("TOKEN") || name.ends_with("_PAT");
        is_only || (is_named_like_a_key && !name.contains("ACCESS_KEY"))
    })
}

#[cfg(test)]
mod tests {
    use super::key_variables;

    #[track_caller]
    fn check(names: &[&str], expected: &[&str]) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(key_variables(&names).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn only_variables_that_hold_a_key_count() {
        check(&["A_API_KEY"], &["A_API_KEY"]);
        check(&["ODD_NAME"], &["ODD_NAME"]);
        check(&["ONE_ACCESS_KEY"], &["ONE_ACCESS_KEY"]);
        check(
            &["G_API_KEY", "G_GENERATIVE_API_KEY", "GEM_API_KEY"],
            &["G_API_KEY", "G_GENERATIVE_API_KEY", "GEM_API_KEY"],
        );
        check(&["C_ACCOUNT_ID", "C_API_TOKEN"], &["C_API_TOKEN"]);
        check(&["S_ACCOUNT", "S_CORTEX_PAT"], &["S_CORTEX_PAT"]);
        check(
            &["W_ACCESS_KEY_ID", "W_SECRET_ACCESS_KEY", "W_REGION", "W_BEARER_TOKEN"],
            &["W_BEARER_TOKEN"],
        );
        check(&["V_PROJECT", "V_LOCATION", "V_APPLICATION_CREDENTIALS"], &[]);
        check(&[], &[]);
    }
}
