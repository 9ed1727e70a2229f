//! The operating system's keyring as a place for the vault's keys.
//!
//! Called by [`super::header`] in builds with the feature `keyring`. It holds keys of the vault
//! only, never a credential: those stay in their files, so that a backup of the folder has them all.

use keyring::v1::{Entry, Error as KeyringError};
use zeroize::Zeroizing;

use super::header::KeyBytes;
use crate::error::Error;

const SERVICE: &str = "switchyard";

/// Reads a key; `None` when the keyring has none of that name.
pub(super) fn get(name: &str) -> Result<Option<KeyBytes>, Error> {
    match entry(name)?.get_secret() {
        Ok(secret) => Ok(Zeroizing::new(secret).as_slice().try_into().ok().map(Zeroizing::new)),
        Err(KeyringError::NoEntry) => Ok(None),
        Err(source) => Err(Error::Keyring { doing: "read", source }),
    }
}

/// Stores a key.
pub(super) fn set(name: &str, key: &KeyBytes) -> Result<(), Error> {
    entry(name)?
        .set_secret(key.as_slice())
        .map_err(|source| Error::Keyring { doing: "write to", source })
}

/// Removes a key.
pub(super) fn delete(name: &str) -> Result<(), Error> {
    match entry(name)?.delete_credential() {
        Ok(()) | Err(KeyringError::NoEntry) => Ok(()),
        Err(source) => Err(Error::Keyring { doing: "remove a key from", source }),
    }
}

fn entry(name: &str) -> Result<Entry, Error> {
    Entry::new(SERVICE, name).map_err(|source| Error::Keyring { doing: "open", source })
}
