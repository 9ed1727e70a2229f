//! Our own encrypted vault: one file per credential, namespaced by profile, provider and account.
//!
//! Called by [`crate::Credentials`]. Layout below the vault's folder (folders 0700, files 0600):
//! - `profiles/<profile>/<provider>@<account>.json`: one sealed record each ([`envelope`]).
//! - `keys/<kid>.json`: what is needed to get each key ([`header`]).
//! - `.lock`: held by whoever writes.
//!
//! Writers lock, readers do not: a file is replaced whole, so a reader sees the old or the new one. It deliberately has
//! no index: what is not in a file cannot get lost beside it.

mod envelope;
mod files;
mod header;
mod keys;
mod legacy;
#[cfg(feature = "keyring")]
mod system_keyring;

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use sy_config::Environment;

use crate::entry::Entry;
use crate::error::Error;

pub(crate) use envelope::Identity;
pub(crate) use files::{check_own, make_folder, replace_file};

use envelope::Record;
use header::KeySettings;
use keys::Ring;

/// The store of one profile.
#[derive(Debug)]
pub(crate) struct Vault {
    folder: PathBuf,
    profile: String,
    settings: KeySettings,
    /// Keys that were got once are kept: getting one again may cost a tenth of a second.
    ring: Mutex<Ring>,
}

/// One record as it was found.
pub(crate) struct LoadedRecord {
    pub(crate) identity: Identity,
    pub(crate) label: Option<String>,
    pub(crate) masked: String,
    pub(crate) updated_at: Option<String>,
    /// The credential, or why it cannot be read.
    pub(crate) entry: Result<Entry, Error>,
}

/// What a rotation did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// How many records were sealed anew.
    pub records: usize,
    /// The id of the key that seals them now.
    pub kid: String,
}

impl Vault {
    /// Opens the store. Nothing is written before the first credential is stored.
    ///
    /// # Errors
    /// [`Error::WrongKey`] when `SWITCHYARD_ENCRYPTION_KEY` is set and is not the key that the vault is sealed with.
    pub(crate) fn open(
        folder: PathBuf,
        profile: String,
        environment: &Environment,
    ) -> Result<Self, Error> {
        let settings = KeySettings::of(environment);
        for private in [folder.clone(), folder.join("keys"), folder.join("profiles")] {
            files::check_folder(&private)?;
        }
        if folder.exists() {
            files::make_private(&folder, 0o700)?;
        }
        let mut ring = Ring::default();
        ring.reload(&folder.join("keys"), &settings)?;
        ring.check_settings(&settings)?;
        Ok(Self { folder, profile, settings, ring: Mutex::new(ring) })
    }

    /// Returns the name of the profile.
    pub(crate) fn profile(&self) -> &str {
        &self.profile
    }

    /// Returns when a record of this profile was added, replaced or removed last; `None` when there is none yet.
    pub(crate) fn modified(&self) -> Option<SystemTime> {
        fs::metadata(self.profile_folder(&self.profile))
            .and_then(|metadata| metadata.modified())
            .ok()
    }

    /// Reads all records of this profile. A record that cannot be read is an entry with its error, not the end.
    pub(crate) fn load(&self) -> Result<Vec<LoadedRecord>, Error> {
        let first = self.load_once()?;
        let lacks_key = |record: &LoadedRecord| matches!(record.entry, Err(Error::WrongKey(_)));
        // A rotation may have taken a key away between reading a record and reading the keys.
        if first.iter().any(lacks_key) { self.load_once() } else { Ok(first) }
    }

    /// Stores a credential under its identity, in place of one that was there, and returns the time that it bears.
    pub(crate) fn put(
        &self,
        identity: &Identity,
        entry: &Entry,
        label: Option<&str>,
    ) -> Result<String, Error> {
        let name = identity.file_name()?;
        let _lock = files::lock(&self.folder)?;
        let mut ring = self.ring();
        ring.reload(&self.keys_folder(), &self.settings)?;
        let key = ring.active_key(&self.keys_folder(), &self.settings)?;
        let folder = self.profile_folder(&identity.profile);
        files::make_folder(&folder)?;
        files::remove_leftovers(&folder)?;
        let before = Record::read(&folder.join(&name)).ok();
        let label = label
            .map(str::to_owned)
            .or_else(|| before.as_ref().and_then(|record| record.label.clone()));
        let created_at = before.map(|record| record.created_at);
        let record = Record::seal(&key, identity, entry, label, created_at)?;
        files::replace_file(&folder, &name, &record.to_bytes()?)?;
        Ok(record.updated_at)
    }

    /// Removes a credential and returns whether there was one.
    pub(crate) fn remove(&self, identity: &Identity) -> Result<bool, Error> {
        let file = self.profile_folder(&identity.profile).join(identity.file_name()?);
        if !file.exists() {
            return Ok(false);
        }
        let _lock = files::lock(&self.folder)?;
        files::remove_file(&file)
    }

    /// Makes a new key, seals every record of every profile with it, and only then forgets the old keys.
    ///
    /// When it stops in the middle, every record is readable with the old or the new key, and another rotation ends it.
    pub(crate) fn rotate(&self) -> Result<Rotation, Error> {
        let _lock = files::lock(&self.folder)?;
        let mut ring = self.ring();
        let keys = self.keys_folder();
        ring.reload(&keys, &self.settings)?;
        let key = ring.next_key(&keys, &self.settings)?;
        let mut records = 0;
        for profile in self.profiles()? {
            let folder = self.profile_folder(&profile);
            files::remove_leftovers(&folder)?;
            for identity in identities(&folder, &profile)? {
                let name = identity.file_name()?;
                let record = Record::read(&folder.join(&name))?;
                let entry = record.open(&identity, &ring, &self.settings, &folder.join(&name))?;
                let sealed =
                    Record::seal(&key, &identity, &entry, record.label, Some(record.created_at))?;
                files::replace_file(&folder, &name, &sealed.to_bytes()?)?;
                records += 1;
            }
        }
        ring.forget_all_but(&keys, key.kid())?;
        Ok(Rotation { records, kid: key.kid().to_owned() })
    }

    fn load_once(&self) -> Result<Vec<LoadedRecord>, Error> {
        let folder = self.profile_folder(&self.profile);
        let mut records = Vec::new();
        for identity in identities(&folder, &self.profile)? {
            let file = folder.join(identity.file_name()?);
            match Record::read(&file) {
                // Removed since the folder was listed.
                Err(Error::File { source, .. }) if source.kind() == ErrorKind::NotFound => {}
                record => records.push((identity, file, record)),
            }
        }
        if records.is_empty() {
            return Ok(Vec::new());
        }
        // Keys are read after the records: a key's file is there before the first record that needs it.
        let mut ring = self.ring();
        ring.reload(&self.keys_folder(), &self.settings)?;
        Ok(records
            .into_iter()
            .map(|(identity, file, record)| self.opened(&ring, identity, &file, record))
            .collect())
    }

    fn opened(
        &self,
        ring: &Ring,
        identity: Identity,
        file: &Path,
        record: Result<Record, Error>,
    ) -> LoadedRecord {
        match record {
            Ok(record) => {
                let entry = record.open(&identity, ring, &self.settings, file);
                let Record { label, masked, updated_at, .. } = record;
                LoadedRecord { identity, label, masked, updated_at: Some(updated_at), entry }
            }
            Err(error) => LoadedRecord {
                identity,
                label: None,
                masked: "…".to_owned(),
                updated_at: None,
                entry: Err(error),
            },
        }
    }

    fn profiles(&self) -> Result<Vec<String>, Error> {
        let names = files::list(&self.folder.join("profiles"))?;
        Ok(names.iter().filter_map(|name| files::decode_name(name)).collect())
    }

    fn keys_folder(&self) -> PathBuf {
        self.folder.join("keys")
    }

    fn profile_folder(&self, profile: &str) -> PathBuf {
        self.folder.join("profiles").join(files::encode_name(profile))
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        // The ring is a cache of what is on disk and is reloaded before each use.
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lists whose records are in a folder, sorted. Files that are not ours are passed over.
fn identities(folder: &Path, profile: &str) -> Result<Vec<Identity>, Error> {
    let names = files::list(folder)?;
    Ok(names.iter().filter_map(|name| Identity::of_file(profile, name)).collect())
}
