//! Whether keys can be read, and what providers said of them when they were used last.

use sy_credentials::Source;
use sy_server::Local;

use super::Finding;
use crate::command::auth::{self, Connected};

/// Checks the keys. It calls nobody: what is told of a provider's word is what it said last.
pub(super) fn check(local: &Local) -> Vec<Finding> {
    let connected = auth::connected(local, None);
    let mut findings: Vec<Finding> = connected.iter().filter_map(fault).collect();
    let good: Vec<&Connected> = connected.iter().filter(|key| key.is_good()).collect();

    for key in &good {
        if let Some(outcome) = key.outcome {
            let text =
                format!("{}: {}, key from {}", key.provider, auth::used_at(outcome), key.source);
            findings.push(Finding::Good(text));
        }
    }
    let keyless = good.iter().filter(|key| key.masked.is_empty());
    let keyless: Vec<&str> = keyless.map(|key| key.provider.as_str()).collect();
    if !keyless.is_empty() {
        findings.push(Finding::Good(format!("configured, no key needed: {}", keyless.join(", "))));
    }
    let unused = good.iter().filter(|key| key.outcome.is_none() && !key.masked.is_empty());
    let unused: Vec<&str> = unused.map(|key| key.provider.as_str()).collect();
    if !unused.is_empty() {
        let text = format!("keys that were not used yet: {}", unused.join(", "));
        findings.push(Finding::Remark(text));
    }

    if connected.is_empty() {
        findings.push(Finding::Bad {
            what: "no provider is connected".to_owned(),
            next: Some("`switchyard auth login` connects one".to_owned()),
        });
    }
    findings
}

/// Says what is wrong with a key.
fn fault(key: &Connected) -> Option<Finding> {
    let Connected { provider, account, source, .. } = key;
    let is_configured = *source == Source::Configuration.to_string();
    if let Some(problem) = &key.problem {
        let next = if is_configured {
            "change the configuration as the message says".to_owned()
        } else {
            format!("store the key again: `switchyard auth login {provider}`")
        };
        let what = format!("the key of {provider} (account {account}) cannot be used: {problem}");
        return Some(Finding::Bad { what, next: Some(next) });
    }

    let outcome = key.outcome.filter(|_| key.is_rejected() && key.is_used)?;
    let what = format!("{provider}: {}, key from {source}", auth::used_at(outcome));
    let next = if is_configured {
        format!("change provider.{provider}.options.apiKey: it is used before a stored key")
    } else {
        format!("store another: `switchyard auth login {provider}`")
    };
    Some(Finding::Bad { what, next: Some(next) })
}
