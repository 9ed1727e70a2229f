//! What may be shown of all credentials, and which of them counts.
//!
//! Called by listings and checks of the command line and by the health report. It hands out no
//! secret.

use crate::credential::{DEFAULT_ACCOUNT, Lease, Source, Summary};
use crate::outcome::KeyOutcome;
use crate::snapshot::{Snapshot, unusable};
use crate::sources::{Found, key_variables};
use crate::{Credentials, Inner};

/// One credential that a provider has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// What may be shown of it.
    pub summary: Summary,
    /// Whether calls that name no account carry this one.
    pub is_used: bool,
    /// What the provider said when it was used last.
    pub outcome: Option<KeyOutcome>,
}

impl Credentials {
    /// Lists the credentials of configuration, vault and OpenCode's file, sorted by provider and
    /// account. Those of the environment are not among them, because only the caller knows which
    /// variables belong to which provider.
    pub fn list(&self) -> Vec<Summary> {
        self.inner.look_when_due();
        let snapshot = self.inner.snapshot.load();
        let mut list: Vec<Summary> =
            snapshot.vault.values().flatten().map(|held| held.summary.clone()).collect();

        let configured = self.inner.configured.load();
        for (keys, source) in [
            (&**configured, Source::Configuration),
            (&snapshot.opencode.providers, Source::OpenCode),
        ] {
            list.extend(keys.iter().map(|(provider, found)| summary(provider, found, &source)));
        }

        // Within one account the order is that of preference.
        list.sort_by(|a, b| {
            (&a.provider, &a.account, a.source.rank()).cmp(&(
                &b.provider,
                &b.account,
                b.source.rank(),
            ))
        });
        list
    }

    /// Lists every credential that a provider has, in the order of preference, with the one marked
    /// that is used. `env_names` are the variables that may hold its key.
    pub fn list_of(&self, provider: &str, env_names: &[String]) -> Vec<Listed> {
        self.inner.look_when_due();
        let provider = provider.trim_end_matches('/');
        let used = self.inner.find(provider, env_names, None);
        let mut list: Vec<Listed> = self
            .inner
            .all(provider, env_names)
            .into_iter()
            .map(|(summary, found)| Listed {
                is_used: is_same(used.as_ref(), &found, &summary),
                outcome: found.ok().and_then(|lease| self.outcome(provider, &lease)),
                summary,
            })
            .collect();

        list.sort_by_key(|listed| (!listed.is_used, listed.summary.source.rank()));
        list
    }
}

impl Inner {
    /// Collects what each source has for a provider.
    fn all(&self, provider: &str, env_names: &[String]) -> Vec<(Summary, Found)> {
        let (snapshot, configured) = (self.snapshot.load(), self.configured.load());
        let Snapshot { vault, opencode, .. } = &**snapshot;
        let mut all = Vec::new();
        let mut add = |found: &Found, source: Source| {
            all.push((summary(provider, found, &source), found.clone()));
        };

        if let Some(found) = configured.get(provider) {
            add(found, Source::Configuration);
        }
        if let Some(found) = opencode.providers.get(provider) {
            add(found, Source::OpenCode);
        }
        for name in key_variables(env_names) {
            if let Some(found) = opencode.variables.get(name) {
                add(found, Source::OpenCode);
            }
            if let Some(found) = self.environment.value(name) {
                add(&found, Source::Environment(name.to_owned()));
            }
        }

        let held = vault.get(provider).into_iter().flatten();
        all.extend(held.map(|held| (held.summary.clone(), held.found.clone())));
        all
    }
}

fn summary(provider: &str, found: &Found, source: &Source) -> Summary {
    match found {
        Ok(lease) => lease.summary(provider),
        Err(reason) => {
            unusable(provider.to_owned(), DEFAULT_ACCOUNT.to_owned(), source.clone(), reason)
        }
    }
}

/// The first source that has a credential decides, also when that one cannot be used.
fn is_same(used: Option<&Found>, found: &Found, summary: &Summary) -> bool {
    match (used, found) {
        (Some(Ok(used)), Ok(_)) => {
            let Lease { source, account, .. } = &**used;
            *source == summary.source && *account == summary.account
        }
        (Some(Err(reason)), Err(other)) => reason == other,
        (Some(_) | None, _) => false,
    }
}
