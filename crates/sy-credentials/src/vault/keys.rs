//! The ring of vault keys: all that may open a record, and the one that seals.
//!
//! Called by [`super::Vault`], always under its lock when something is written. Keys are numbered (`k1`, `k2`, …) and
//! the newest one seals, as long as it is still what the operator's settings ask for. It never opens a record itself.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, RandomizedNonceKey};
use aws_lc_rs::hmac;

use super::files;
use super::header::{Header, KeyBytes, KeySettings, KeySource, derived_key};
use crate::error::Error;

/// A key that is ready to use.
pub(super) struct VaultKey {
    kid: String,
    check: String,
    source: KeySource,
    /// True when only the operator's previous value gives it.
    is_previous: bool,
    cipher: RandomizedNonceKey,
    fingerprints: hmac::Key,
}

/// All keys of a vault.
#[derive(Default)]
pub(super) struct Ring {
    keys: HashMap<String, Arc<VaultKey>>,
    /// Why a key that has a header cannot be used.
    missing: HashMap<String, String>,
    newest: Option<Newest>,
}

/// What is known of the newest key even when it cannot be had.
#[derive(Clone)]
struct Newest {
    number: u32,
    /// `None` when its header is damaged.
    source: Option<KeySource>,
}

impl VaultKey {
    fn new(header: &Header, bytes: &KeyBytes, is_previous: bool) -> Result<Arc<Self>, Error> {
        let cipher = RandomizedNonceKey::new(&AES_256_GCM, bytes.as_slice())
            .map_err(|_| Error::Crypto("use a key"))?;
        Ok(Arc::new(Self {
            kid: header.kid.clone(),
            check: header.check.clone(),
            source: header.source,
            is_previous,
            cipher,
            fingerprints: derived_key(bytes, "switchyard vault fingerprint"),
        }))
    }

    /// Returns the id that records name.
    pub(super) fn kid(&self) -> &str {
        &self.kid
    }

    /// Returns the cipher, which makes a fresh random nonce for everything it seals.
    pub(super) fn cipher(&self) -> &RandomizedNonceKey {
        &self.cipher
    }

    /// Returns a keyed hash that is the same for the same text.
    pub(super) fn fingerprint(&self, text: &[u8]) -> String {
        format!("hmac-sha256:{}", hex::encode(hmac::sign(&self.fingerprints, text)))
    }
}

impl Ring {
    /// Reads the headers anew and gets the keys that are not here yet.
    pub(super) fn reload(&mut self, folder: &Path, settings: &KeySettings) -> Result<(), Error> {
        let known = std::mem::take(self);
        for name in files::list(folder)? {
            let Some(number) = number_of(&name) else { continue };
            let source = match Header::read(&folder.join(&name)) {
                Ok(header) if header.kid == kid_of(number) => {
                    self.add(&header, &known, settings)?
                }
                Ok(_) => self
                    .lack(number, format!("the key header {name} of the vault names another key")),
                Err(error) => self.lack(number, error.to_string()),
            };
            if self.newest.as_ref().is_none_or(|newest| newest.number < number) {
                self.newest = Some(Newest { number, source });
            }
        }
        Ok(())
    }

    /// Checks at the start that a key which the operator gives is the right one.
    pub(super) fn check_settings(&self, settings: &KeySettings) -> Result<(), Error> {
        let Some(newest) = &self.newest else { return Ok(()) };
        let is_given = newest.source.is_some_and(KeySource::is_given);
        if settings.current.is_some() && is_given {
            self.key(&kid_of(newest.number)).map(|_| ())
        } else {
            Ok(())
        }
    }

    /// Returns the key that a record names.
    pub(super) fn key(&self, kid: &str) -> Result<&Arc<VaultKey>, Error> {
        self.keys.get(kid).ok_or_else(|| {
            let reason = self.missing.get(kid).cloned();
            // The id comes from a file: what is not of our form is not repeated.
            let kid =
                if number_of(&format!("{kid}.json")).is_some() { kid } else { "that is unknown" };
            Error::WrongKey(reason.unwrap_or_else(|| {
                format!("it is encrypted with key {kid}, which the vault does not have")
            }))
        })
    }

    /// Returns the key that seals, making one where there is none yet or the operator gives another.
    pub(super) fn active_key(
        &mut self,
        folder: &Path,
        settings: &KeySettings,
    ) -> Result<Arc<VaultKey>, Error> {
        let Some(newest) = self.newest.clone() else { return self.create(folder, settings) };
        let kid = kid_of(newest.number);
        let is_given = newest.source.is_some_and(KeySource::is_given);
        if settings.current.is_some() && !is_given {
            return self.create(folder, settings);
        }
        // A given key that is not to be had ends here: sealing with another one would hide the mistake.
        let key = Arc::clone(self.key(&kid)?);
        if key.is_previous && settings.current.is_some() {
            self.create(folder, settings)
        } else {
            Ok(key)
        }
    }

    /// Returns another key than the one that sealed until now.
    pub(super) fn next_key(
        &mut self,
        folder: &Path,
        settings: &KeySettings,
    ) -> Result<Arc<VaultKey>, Error> {
        let before = self.newest.as_ref().map(|newest| newest.number);
        let active = self.active_key(folder, settings)?;
        if self.newest.as_ref().map(|newest| newest.number) != before {
            return Ok(active);
        }
        if active.source != KeySource::Environment {
            return self.create(folder, settings);
        }
        if self.keys.len() + self.missing.len() > 1 {
            return Ok(active);
        }
        Err(Error::Invalid(
            "the vault's key is the value of SWITCHYARD_ENCRYPTION_KEY, so only you can make another: set the new value \
             there and the old one as SWITCHYARD_ENCRYPTION_KEY_PREVIOUS, then rotate again"
                .to_owned(),
        ))
    }

    /// Removes every key but one.
    pub(super) fn forget_all_but(&mut self, folder: &Path, kid: &str) -> Result<(), Error> {
        files::remove_leftovers(folder)?;
        for name in files::list(folder)? {
            let Some(number) = number_of(&name).filter(|number| kid_of(*number) != kid) else {
                continue;
            };
            #[cfg(feature = "keyring")]
            if let Ok(header) = Header::read(&folder.join(&name)) {
                header.forget()?;
            }
            files::remove_file(&folder.join(&name))?;
            let old = kid_of(number);
            self.keys.remove(&old);
            self.missing.remove(&old);
        }
        Ok(())
    }

    fn create(&mut self, folder: &Path, settings: &KeySettings) -> Result<Arc<VaultKey>, Error> {
        let number = self.newest.as_ref().map_or(1, |newest| newest.number.saturating_add(1));
        files::make_folder(folder)?;
        files::remove_leftovers(folder)?;
        let (header, bytes) = Header::create(kid_of(number), settings)?;
        header.write(folder, &format!("{}.json", header.kid))?;
        let key = VaultKey::new(&header, &bytes, false)?;
        self.keys.insert(header.kid.clone(), Arc::clone(&key));
        self.newest = Some(Newest { number, source: Some(header.source) });
        Ok(key)
    }

    fn add(
        &mut self,
        header: &Header,
        known: &Self,
        settings: &KeySettings,
    ) -> Result<Option<KeySource>, Error> {
        let kept = known.keys.get(&header.kid).filter(|key| key.check == header.check);
        let key = match kept {
            Some(key) => Arc::clone(key),
            None => match header.obtain(settings) {
                Ok(obtained) => VaultKey::new(header, &obtained.bytes, obtained.is_previous)?,
                Err(reason) => {
                    self.missing.insert(header.kid.clone(), reason);
                    return Ok(Some(header.source));
                }
            },
        };
        self.keys.insert(header.kid.clone(), key);
        Ok(Some(header.source))
    }

    fn lack(&mut self, number: u32, reason: String) -> Option<KeySource> {
        self.missing.insert(kid_of(number), reason);
        None
    }
}

impl std::fmt::Debug for Ring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ring")
            .field("keys", &self.keys.keys())
            .field("missing", &self.missing)
            .finish()
    }
}

fn kid_of(number: u32) -> String {
    format!("k{number}")
}

fn number_of(file_name: &str) -> Option<u32> {
    let number = file_name.strip_suffix(".json")?.strip_prefix('k')?.parse().ok()?;
    (format!("{}.json", kid_of(number)) == file_name).then_some(number)
}
