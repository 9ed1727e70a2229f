//! The sentences for a request whose provider has no usable credential: what is missing and what to do next.
//!
//! Called by [`crate::Credentials::lease`]. All of them are on our side, not the caller's. It never names a secret.

use sy_types::{ErrorKind, Failure, Side};

use crate::credential::{DEFAULT_ACCOUNT, Lease, Source};
use crate::sources::key_variables;

/// No source has a credential. `accounts` are those that the vault has for the provider.
pub(crate) fn absent(
    provider: &str,
    env_names: &[String],
    account: Option<&str>,
    accounts: &[&str],
) -> Failure {
    let accounts = accounts.join("`, `");
    if let Some(account) = account.filter(|account| *account != DEFAULT_ACCOUNT) {
        let known = if accounts.is_empty() { "none".to_owned() } else { format!("`{accounts}`") };
        return unauthenticated(format!(
            "no credential for account `{account}` of provider `{provider}` (stored: {known}): store one under that name"
        ));
    }
    let mut message = format!(
        "no credential for provider `{provider}`: run `switchyard auth login {provider}`, or set \
         `provider.{provider}.options.apiKey` in the configuration"
    );
    let variables: Vec<&str> = key_variables(env_names).collect();
    if !variables.is_empty() {
        message.push_str(&format!(", or set {} and restart", variables.join(" or ")));
    }
    if !accounts.is_empty() {
        message
            .push_str(&format!("; the stored accounts `{accounts}` have to be named to be used"));
    }
    unauthenticated(message)
}

/// The first source that has a credential has one that cannot be used.
pub(crate) fn unusable(provider: &str, reason: &str) -> Failure {
    unauthenticated(format!("{reason} (provider `{provider}`)"))
}

/// The sign-in is over. No other source is asked instead: it may be billed to somebody else.
pub(crate) fn expired(provider: &str, lease: &Lease) -> Failure {
    let remedy = match lease.source {
        Source::OpenCode => "start OpenCode once, which renews it",
        Source::Configuration | Source::Vault | Source::Environment(_) => "sign in anew",
    };
    unauthenticated(format!(
        "the sign-in for account `{}` at provider `{provider}` ({}) has expired: {remedy}, or store an API key with \
         `switchyard auth login {provider}`",
        lease.account, lease.source
    ))
}

fn unauthenticated(message: String) -> Failure {
    Failure::new(ErrorKind::Unauthenticated, Side::Gateway, message)
}
