//! One sealed record: what may be read, and beside it what may not.
//!
//! Called by [`super::Vault`]. The secret is sealed by AES-256-GCM with a fresh random nonce; version, profile, provider,
//! account and kind are authenticated with it, so a record that is moved to another name does not open. It does not
//! touch the lock and does not choose the key.

use std::path::Path;

use aws_lc_rs::aead::{Aad, Nonce};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use zeroize::Zeroizing;

use super::files::{self, decode_name, encode_name};
use super::header::KeySettings;
use super::keys::{Ring, VaultKey};
use super::legacy;
use crate::credential::DEFAULT_ACCOUNT;
use crate::entry::Entry;
use crate::error::Error;

/// The version of the record and of what is authenticated with it.
const VERSION: u8 = 1;
const ALGORITHM: &str = "AES-256-GCM";
const TAG_BYTES: usize = 16;
/// The longest file name that common file systems take.
const MAX_FILE_NAME: usize = 255;

/// Whose credential it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) profile: String,
    pub(crate) provider: String,
    pub(crate) account: String,
}

/// A record as it is in its file. It has no `Debug`: a record of the older form holds plain text.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Record {
    /// Absent in the older form.
    #[serde(default)]
    v: u8,
    provider_id: String,
    profile_id: String,
    #[serde(default = "default_account")]
    account_id: String,
    kind: String,
    /// The name that the user gave it.
    #[serde(default)]
    pub(super) label: Option<String>,
    /// The last characters, for telling keys apart.
    #[serde(default = "no_tail")]
    pub(super) masked: String,
    /// A keyed hash, the same for the same secret under the same key: for finding duplicates.
    #[serde(default)]
    fingerprint: String,
    #[serde(default)]
    enc: Option<Sealed>,
    /// The secret in the older form; we never write it.
    #[serde(default, skip_serializing)]
    secret: Option<Value>,
    #[serde(default)]
    pub(super) created_at: String,
    #[serde(default)]
    pub(super) updated_at: String,
    #[serde(default)]
    expires_at: Option<String>,
}

/// What is sealed, with all that is needed besides the key. Byte strings are in hexadecimal digits.
#[derive(Deserialize, Serialize)]
struct Sealed {
    alg: String,
    kid: String,
    iv: String,
    data: String,
    tag: String,
}

impl Identity {
    /// Returns the name of the record's file.
    pub(super) fn file_name(&self) -> Result<String, Error> {
        let name = format!("{}@{}.json", encode_name(&self.provider), encode_name(&self.account));
        if name.len() > MAX_FILE_NAME {
            return Err(Error::Invalid(format!(
                "the names of provider and account together make a file name of {} bytes; at most {MAX_FILE_NAME} fit",
                name.len()
            )));
        }
        Ok(name)
    }

    /// Reads whose record a file is; `None` when it is not one.
    pub(super) fn of_file(profile: &str, name: &str) -> Option<Self> {
        let (provider, account) = name.strip_suffix(".json")?.split_once('@')?;
        Some(Self {
            profile: profile.to_owned(),
            provider: decode_name(provider)?,
            account: decode_name(account)?,
        })
    }

    /// Makes the text that is authenticated with the secret. Encoded names have no `/`, so it can be read in one way.
    fn associated(&self, kind: &str) -> String {
        let [profile, provider, account] =
            [&self.profile, &self.provider, &self.account].map(|name| encode_name(name));
        format!("{VERSION}/{profile}/{provider}/{account}/{kind}")
    }
}

impl Record {
    /// Seals a credential.
    pub(super) fn seal(
        key: &VaultKey,
        identity: &Identity,
        entry: &Entry,
        label: Option<String>,
        created_at: Option<String>,
    ) -> Result<Self, Error> {
        let kind = entry.credential.kind().name();
        let mut bytes = entry.to_bytes()?;
        let secret = entry.credential.secret();
        let fingerprint = key.fingerprint(secret.expose().as_bytes());
        let (nonce, tag) = key
            .cipher()
            .seal_in_place_separate_tag(Aad::from(identity.associated(kind)), &mut bytes)
            .map_err(|_| Error::Crypto("seal a credential"))?;
        let now = Timestamp::now();
        let created_at =
            created_at.filter(|time| !time.is_empty()).unwrap_or_else(|| now.to_string());
        let expiry = entry
            .credential
            .expires_at_ms()
            .and_then(|time| Timestamp::from_millisecond(time).ok());
        Ok(Self {
            v: VERSION,
            provider_id: identity.provider.clone(),
            profile_id: identity.profile.clone(),
            account_id: identity.account.clone(),
            kind: kind.to_owned(),
            label,
            masked: secret.masked(),
            fingerprint,
            enc: Some(Sealed {
                alg: ALGORITHM.to_owned(),
                kid: key.kid().to_owned(),
                iv: hex::encode(nonce.as_ref()),
                data: hex::encode(&*bytes),
                tag: hex::encode(tag.as_ref()),
            }),
            secret: None,
            created_at,
            updated_at: now.to_string(),
            expires_at: expiry.map(|time| time.to_string()),
        })
    }

    /// Reads a record's file without opening what is sealed in it.
    pub(super) fn read(file: &Path) -> Result<Self, Error> {
        let bytes = files::read_private(file)?;
        // The parser's own words may repeat a value, so only the place is told.
        let record: Self = serde_json::from_slice(&bytes).map_err(|err| {
            damaged(
                file,
                format!(
                    "it is not a credential record (line {}, column {})",
                    err.line(),
                    err.column()
                ),
            )
        })?;
        if record.v > VERSION {
            let newest = format!(
                "expected a record of version {VERSION} or older, got {}: update Switchyard",
                record.v
            );
            return Err(damaged(file, newest));
        }
        Ok(record)
    }

    /// Opens what is sealed in the record that was found under this identity.
    pub(super) fn open(
        &self,
        identity: &Identity,
        ring: &Ring,
        settings: &KeySettings,
        file: &Path,
    ) -> Result<Entry, Error> {
        let is_owner = self.provider_id == identity.provider
            && self.profile_id == identity.profile
            && self.account_id == identity.account;
        if !is_owner {
            return Err(damaged(
                file,
                "it holds the record of another provider, profile or account".to_owned(),
            ));
        }
        match (&self.enc, &self.secret) {
            (Some(sealed), _) => {
                sealed.open(ring.key(&sealed.kid)?, &identity.associated(&self.kind), file)
            }
            (None, Some(secret)) => legacy::read(secret, &self.kind, settings).map_err(|error| {
                if let Error::Invalid(reason) = error { damaged(file, reason) } else { error }
            }),
            (None, None) => Err(damaged(file, "it has no `enc`".to_owned())),
        }
    }

    /// Writes the record as text.
    pub(super) fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        let mut bytes =
            serde_json::to_vec_pretty(self).map_err(|_| Error::Crypto("write a record as JSON"))?;
        bytes.push(b'\n');
        Ok(bytes)
    }
}

impl Sealed {
    fn open(&self, key: &VaultKey, associated: &str, file: &Path) -> Result<Entry, Error> {
        if self.alg != ALGORITHM {
            return Err(damaged(file, format!("expected the algorithm {ALGORITHM}")));
        }
        let unreadable = || {
            damaged(
                file,
                "its sealed part is not in hexadecimal digits of the right length".to_owned(),
            )
        };
        let nonce = hex::decode(&self.iv).map_err(|_| unreadable())?;
        let nonce = Nonce::try_assume_unique_for_key(&nonce).map_err(|_| unreadable())?;
        let tag = hex::decode(&self.tag).map_err(|_| unreadable())?;
        if tag.len() != TAG_BYTES {
            return Err(unreadable());
        }
        let mut bytes = Zeroizing::new(hex::decode(&self.data).map_err(|_| unreadable())?);
        bytes.extend_from_slice(&tag);
        let plain = key.cipher().open_in_place(nonce, Aad::from(associated), &mut bytes).map_err(|_| {
            damaged(
                file,
                "it was changed, or moved from another name, since it was encrypted: store the key again".to_owned(),
            )
        })?;
        Entry::from_bytes(plain)
            .ok_or_else(|| damaged(file, "what was sealed in it is not a credential".to_owned()))
    }
}

fn damaged(file: &Path, reason: String) -> Error {
    Error::Damaged { file: file.to_owned(), reason }
}

fn default_account() -> String {
    DEFAULT_ACCOUNT.to_owned()
}

fn no_tail() -> String {
    "…".to_owned()
}
