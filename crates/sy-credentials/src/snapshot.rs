//! The credentials on disk as they were read last, and when to look again.
//!
//! Kept by [`crate::Credentials`] behind an `ArcSwap`: a request takes the snapshot and looks a name up. A change by
//! another process shows in the time stamps of one folder and one file, which are looked at once a second at most. It
//! deliberately watches nothing: a watch per server costs more than two `stat` calls a second.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use sy_types::Secret;

use crate::credential::{DEFAULT_ACCOUNT, Source, Summary};
use crate::error::Error;
use crate::opencode::{AuthFile, AuthKeys};
use crate::sources::{Found, found};
use crate::vault::{LoadedRecord, Vault};

/// How long a change by another process may go unseen.
const LOOK_EVERY_MS: u64 = 1_000;
/// File systems stamp with the grain of a clock tick, a few milliseconds, so a second change may have the same stamp as
/// the first. A stamp counts once it is older than this.
const STAMP_SETTLES: Duration = Duration::from_secs(1);

/// When the files were changed last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stamp {
    records: Option<SystemTime>,
    auth_file: Option<(SystemTime, u64)>,
}

/// One credential of the vault.
pub(crate) struct Held {
    pub(crate) found: Found,
    pub(crate) summary: Summary,
}

/// Everything that was on disk.
#[derive(Default)]
pub(crate) struct Snapshot {
    /// By provider, then by account. An account list is short.
    pub(crate) vault: HashMap<String, Vec<Held>>,
    pub(crate) opencode: AuthKeys,
    stamp: Stamp,
    is_settled: bool,
}

/// Lets one caller per interval through, without a lock.
#[derive(Default)]
pub(crate) struct Gate {
    last_ms: AtomicU64,
}

impl Gate {
    /// Returns true for one of the callers once the interval is over. `now_ms` counts from any fixed point.
    pub(crate) fn is_due(&self, now_ms: u64) -> bool {
        let last = self.last_ms.load(Ordering::Relaxed);
        now_ms.saturating_sub(last) >= LOOK_EVERY_MS
            && self
                .last_ms
                .compare_exchange(last, now_ms, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }
}

impl Stamp {
    fn of(vault: &Vault, auth_file: &AuthFile) -> Self {
        Self { records: vault.modified(), auth_file: auth_file.stamp() }
    }

    fn is_settled(&self) -> bool {
        let times = [self.records, self.auth_file.map(|(time, _)| time)];
        times
            .into_iter()
            .flatten()
            .all(|time| time.elapsed().map_or(true, |age| age >= STAMP_SETTLES))
    }
}

impl Snapshot {
    /// Reads everything. What cannot be read is in it with its reason; `auth.json`, which is not ours, is then left out.
    ///
    /// # Errors
    /// When the vault's folder cannot be listed.
    pub(crate) fn load(vault: &Vault, auth_file: &AuthFile) -> Result<Self, Error> {
        // The stamp comes first: a change while reading then shows as a change after it.
        let stamp = Stamp::of(vault, auth_file);
        let mut snapshot = Self { is_settled: stamp.is_settled(), stamp, ..Self::default() };
        for record in vault.load()? {
            let provider = record.identity.provider.clone();
            snapshot.vault.entry(provider).or_default().push(Held::of(record));
        }
        match auth_file.load() {
            Ok(keys) => snapshot.opencode = keys,
            Err(error) => tracing::warn!(%error, "OpenCode's credentials are left out"),
        }
        Ok(snapshot)
    }

    /// Returns true when the files may have changed since.
    pub(crate) fn is_stale(&self, vault: &Vault, auth_file: &AuthFile) -> bool {
        !self.is_settled || self.stamp != Stamp::of(vault, auth_file)
    }

    /// Returns the vault's credential of an account. Without a name it is the account `default`, else the only one.
    pub(crate) fn held(&self, provider: &str, account: Option<&str>) -> Option<&Held> {
        let accounts = self.vault.get(provider)?;
        let name = account.unwrap_or(DEFAULT_ACCOUNT);
        let only = || accounts.first().filter(|_| account.is_none() && accounts.len() == 1);
        accounts.iter().find(|held| held.summary.account == name).or_else(only)
    }

    /// Returns the names of a provider's accounts in the vault.
    pub(crate) fn accounts(&self, provider: &str) -> Vec<&str> {
        self.vault
            .get(provider)
            .into_iter()
            .flatten()
            .map(|held| held.summary.account.as_str())
            .collect()
    }
}

impl Held {
    fn of(record: LoadedRecord) -> Self {
        let LoadedRecord { identity, label, masked, updated_at, entry } = record;
        let place = format!(
            "the stored credential of account `{}` at `{}`",
            identity.account, identity.provider
        );
        let found = match entry {
            Ok(entry) => found(entry.credential, Source::Vault, &identity.account, &place),
            Err(error) => Err(format!("{place} cannot be read: {error}").into()),
        };
        if let Err(reason) = &found {
            tracing::warn!(provider = identity.provider, account = identity.account, %reason, "a stored credential is unusable");
        }
        let summary = match &found {
            Ok(lease) => Summary { label, updated_at, ..lease.summary(&identity.provider) },
            Err(reason) => unusable(identity.provider, identity.account, Source::Vault, reason)
                .labelled(label, masked, updated_at),
        };
        Self { found, summary }
    }

    /// Returns the secret, where it can be read.
    pub(crate) fn secret(&self) -> Option<&Secret> {
        self.found.as_ref().ok().map(|lease| lease.credential.secret())
    }
}

impl Summary {
    fn labelled(self, label: Option<String>, masked: String, updated_at: Option<String>) -> Self {
        Self { label, masked, updated_at, ..self }
    }
}

/// Makes the summary of a credential that cannot be used.
pub(crate) fn unusable(provider: String, account: String, source: Source, reason: &str) -> Summary {
    Summary {
        provider,
        account,
        kind: None,
        label: None,
        masked: "…".to_owned(),
        source,
        updated_at: None,
        problem: Some(reason.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::Gate;

    #[test]
    fn the_gate_opens_once_a_second() {
        let gate = Gate::default();
        let opened: Vec<u64> = [0, 999, 1_000, 1_001, 1_999, 2_000, 9_000, 9_500]
            .into_iter()
            .filter(|now| gate.is_due(*now))
            .collect();
        assert_eq!(opened, [1_000, 2_000, 9_000]);
    }
}
