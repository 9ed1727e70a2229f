//! What providers said of each credential when it was used last.
//!
//! Noted by the router after each answer, in memory; written to one file of the state folder now
//! and then by whoever runs in the background, and read by listings. It holds no secret: a key is
//! told from its successor by 16 bits of its hash.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use aws_lc_rs::digest::{SHA256, digest};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::credential::Lease;
use crate::error::Error;
use crate::vault::{make_folder, replace_file};
use crate::{Credentials, Source};

/// Outcomes of more credentials than these are forgotten, the oldest first.
const KEPT: usize = 500;
/// A larger file is not one of ours.
const LARGEST_FILE: u64 = 1 << 20;

/// Whether a provider took a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It answered.
    Ok,
    /// It does not know the credential, or does not let it in.
    Rejected,
}

/// What a provider said of a credential when it was used last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyOutcome {
    /// Whether it was taken.
    pub verdict: Verdict,
    /// The HTTP status.
    pub status: u16,
    /// When, to the second.
    pub at: Timestamp,
}

/// One line of the file.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Noted {
    provider: String,
    account: String,
    source: String,
    /// Tells a key from another one that took its place.
    mark: u16,
    outcome: Verdict,
    status: u16,
    /// In seconds since 1970.
    at: i64,
}

/// All outcomes, and the file that keeps them.
#[derive(Debug, Default)]
pub(crate) struct Outcomes {
    file: Option<PathBuf>,
    noted: Mutex<Memory>,
}

#[derive(Debug, Default)]
struct Memory {
    /// A list of as many entries as there are credentials in use: a handful.
    entries: Vec<Noted>,
    is_changed: bool,
}

impl Credentials {
    /// Notes what a provider said of a credential that a call carried. Costs a look through a short
    /// list; no I/O.
    pub fn note(&self, provider: &str, lease: &Lease, verdict: Verdict, status: u16) {
        self.inner.outcomes.note(provider, lease, verdict, status);
    }

    /// Returns what the provider said of the credential last, if it was ever used.
    pub fn outcome(&self, provider: &str, lease: &Lease) -> Option<KeyOutcome> {
        self.inner.outcomes.of(provider, lease)
    }

    /// Writes the outcomes to their file if there are new ones, together with those that other
    /// processes wrote there.
    ///
    /// # Errors
    /// When the file cannot be written. What is noted stays noted, and another call tries again.
    pub fn save_outcomes(&self) -> Result<(), Error> {
        self.inner.outcomes.save()
    }
}

impl Outcomes {
    /// Takes over what the file has. It is a memory and no duty: one that cannot be read is as good
    /// as none.
    pub(crate) fn open(file: Option<PathBuf>) -> Self {
        let entries = file.as_deref().map(read).unwrap_or_default();
        Self { file, noted: Mutex::new(Memory { entries, is_changed: false }) }
    }

    fn note(&self, provider: &str, lease: &Lease, verdict: Verdict, status: u16) {
        let mark = mark(lease);
        let at = Timestamp::now().as_second();
        let mut memory = self.memory();
        memory.is_changed = true;

        let known = memory.entries.iter_mut().find(|noted| noted.is_of(provider, lease));
        if let Some(noted) = known {
            (noted.mark, noted.outcome, noted.status, noted.at) = (mark, verdict, status, at);
            return;
        }
        memory.entries.push(Noted {
            provider: provider.to_owned(),
            account: lease.account.clone(),
            source: lease.source.to_string(),
            mark,
            outcome: verdict,
            status,
            at,
        });
    }

    pub(crate) fn of(&self, provider: &str, lease: &Lease) -> Option<KeyOutcome> {
        let memory = self.memory();
        let noted = memory.entries.iter().find(|noted| noted.is_of(provider, lease))?;
        // The outcome of a key says nothing of the one that replaced it.
        let is_same_key = noted.mark == mark(lease);
        let at = Timestamp::from_second(noted.at).ok()?;
        is_same_key.then_some(KeyOutcome { verdict: noted.outcome, status: noted.status, at })
    }

    fn save(&self) -> Result<(), Error> {
        let Some(file) = &self.file else { return Ok(()) };
        let (Some(folder), Some(name)) =
            (file.parent(), file.file_name().and_then(|name| name.to_str()))
        else {
            return Ok(());
        };

        // What is noted while the file is written counts for the next time.
        let entries = {
            let mut memory = self.memory();
            if !memory.is_changed {
                return Ok(());
            }
            memory.is_changed = false;
            merge(&mut memory.entries, read(file));
            memory.entries.clone()
        };

        let written = serde_json::to_vec_pretty(&entries)
            .map_err(|_| Error::Crypto("write the outcomes as JSON"))
            .and_then(|bytes| {
                make_folder(folder)?;
                replace_file(folder, name, &bytes)
            });
        if written.is_err() {
            self.memory().is_changed = true;
        }
        written
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        // The list is complete whenever the lock is free.
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Noted {
    fn is_of(&self, provider: &str, lease: &Lease) -> bool {
        self.provider == provider
            && self.account == lease.account
            && is_named(&lease.source, &self.source)
    }

    fn is_same(&self, other: &Self) -> bool {
        self.provider == other.provider
            && self.account == other.account
            && self.source == other.source
    }
}

/// Compares without making a text of the source, for the request's path.
fn is_named(source: &Source, name: &str) -> bool {
    match source {
        Source::Environment(variable) => {
            name.strip_prefix(Source::ENVIRONMENT).is_some_and(|rest| rest == variable)
        }
        Source::Configuration | Source::Vault | Source::OpenCode => source.name() == name,
    }
}

/// Takes over what another process knows better, and keeps the newest ones.
fn merge(entries: &mut Vec<Noted>, others: Vec<Noted>) {
    for other in others {
        match entries.iter_mut().find(|noted| noted.is_same(&other)) {
            Some(noted) if noted.at < other.at => *noted = other,
            Some(_) => {}
            None => entries.push(other),
        }
    }
    entries.sort_by_key(|noted| std::cmp::Reverse(noted.at));
    entries.truncate(KEPT);
}

fn read(file: &Path) -> Vec<Noted> {
    let text = match fs::metadata(file) {
        Ok(metadata) if metadata.is_file() && metadata.len() <= LARGEST_FILE => fs::read(file),
        Ok(_) => return Vec::new(),
        Err(error) => Err(error),
    };
    match text.map(|text| serde_json::from_slice(&text)) {
        Ok(Ok(entries)) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
        Ok(Err(_)) | Err(_) => {
            tracing::debug!(file = %file.display(), "the outcomes of keys cannot be read: begun anew");
            Vec::new()
        }
    }
}

/// Returns 16 bits of the key's hash: enough to notice another key, too few to tell anything about
/// it.
fn mark(lease: &Lease) -> u16 {
    *lease.prepared.mark.get_or_init(|| {
        let hash = digest(&SHA256, lease.credential.secret().expose().as_bytes());
        match hash.as_ref() {
            [first, second, ..] => u16::from_be_bytes([*first, *second]),
            _ => 0,
        }
    })
}

#[cfg(test)]
mod tests {
    use sy_types::Secret;

    use super::{Outcomes, Verdict};
    use crate::{Credential, Lease, Source};

    fn lease(key: &str, source: Source) -> Lease {
        Lease::new(Credential::ApiKey(Secret::new(key)), source, "default")
    }

    #[test]
    fn an_outcome_belongs_to_one_key_of_one_source() {
        let outcomes = Outcomes::default();
        let stored = lease("sk-first-0123456789", Source::Vault);
        let variable = lease("sk-first-0123456789", Source::Environment("A_KEY".to_owned()));
        outcomes.note("a", &stored, Verdict::Rejected, 401);
        outcomes.note("a", &variable, Verdict::Ok, 200);
        let of = |lease: &Lease| outcomes.of("a", lease).map(|known| (known.verdict, known.status));
        assert_eq!(of(&stored), Some((Verdict::Rejected, 401)));
        assert_eq!(of(&variable), Some((Verdict::Ok, 200)));
        assert_eq!(of(&lease("sk-second-0123456789", Source::Vault)), None);
        assert_eq!(of(&lease("k", Source::Environment("B_KEY".to_owned()))), None);
    }

    #[test]
    fn processes_add_to_one_file_and_no_secret_is_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("state/key-outcomes.json");
        let (first, second) =
            (Outcomes::open(Some(file.clone())), Outcomes::open(Some(file.clone())));
        let key = lease("sk-canary-0123456789", Source::Vault);
        first.note("a", &key, Verdict::Ok, 200);
        second.note("b", &key, Verdict::Rejected, 403);
        first.save().unwrap();
        second.save().unwrap();
        let third = Outcomes::open(Some(file.clone()));
        assert_eq!(third.of("a", &key).map(|known| known.status), Some(200));
        assert_eq!(third.of("b", &key).map(|known| known.status), Some(403));
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(!text.contains("canary") && !text.contains("6789"), "{text}");
    }

    #[test]
    fn a_file_of_somebody_else_is_no_obstacle() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key-outcomes.json");
        std::fs::write(&file, "{not ours").unwrap();
        let outcomes = Outcomes::open(Some(file));
        outcomes.note("a", &lease("k", Source::Vault), Verdict::Ok, 200);
        outcomes.save().unwrap();
    }
}
