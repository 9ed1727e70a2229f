//! The header of a vault key: what is needed to get the key, in a file of its own.
//!
//! Called by [`super::keys`]. The key itself is in the header only when the header is the key file; a key from the
//! environment is never written down, only a check value by which it is recognised.

use std::num::NonZeroU32;
use std::path::Path;

use aws_lc_rs::{hmac, pbkdf2, rand};
use base64::Engine;
use base64::alphabet::{self, Alphabet};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sy_config::Environment;
use sy_types::Secret;
use zeroize::Zeroizing;

use super::files;
#[cfg(feature = "keyring")]
use super::system_keyring;
use crate::error::Error;

/// The bytes of a key.
pub(super) type KeyBytes = Zeroizing<[u8; 32]>;

const VERSION: u8 = 1;
const SALT_BYTES: usize = 32;
/// OWASP's advice for PBKDF2-HMAC-SHA512. About a tenth of a second, once per start.
const ITERATIONS: u32 = 210_000;
/// Fewer are too weak to accept, more would only keep a start from ending.
const ACCEPTED_ITERATIONS: std::ops::RangeInclusive<u32> = 100_000..=20_000_000;

/// The keys that the operator gives us.
#[derive(Clone, Debug)]
pub(super) struct KeySettings {
    /// `SWITCHYARD_ENCRYPTION_KEY`.
    pub(super) current: Option<Secret>,
    /// `SWITCHYARD_ENCRYPTION_KEY_PREVIOUS`: the value before a change, until a rotation is done.
    pub(super) previous: Option<Secret>,
}

/// Where a key comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum KeySource {
    /// The header file holds it.
    File,
    /// It is derived from `SWITCHYARD_ENCRYPTION_KEY` and the salt.
    Passphrase,
    /// It is the value of `SWITCHYARD_ENCRYPTION_KEY`.
    Environment,
    /// The operating system keeps it.
    Keyring,
}

/// A key's header file. Byte strings are in hexadecimal digits. It has no `Debug`: it may hold the key.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Header {
    v: u8,
    pub(super) kid: String,
    pub(super) source: KeySource,
    created_at: String,
    /// A keyed hash by which a wrong key is told from a damaged record.
    pub(super) check: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<Zeroizing<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    salt: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    iterations: Option<u32>,
    /// The name under which the system keyring has the key; unlike `kid` it is unique among all vaults of the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    entry: Option<String>,
}

/// A key with which of the operator's values gave it.
pub(super) struct Obtained {
    pub(super) bytes: KeyBytes,
    /// True when only the previous value fits.
    pub(super) is_previous: bool,
}

impl KeySettings {
    /// Takes the operator's keys from the environment.
    pub(super) fn of(environment: &Environment) -> Self {
        let secret = |name| environment.get(name).map(Secret::new).filter(|key| !key.is_blank());
        Self {
            current: secret("SWITCHYARD_ENCRYPTION_KEY"),
            previous: secret("SWITCHYARD_ENCRYPTION_KEY_PREVIOUS"),
        }
    }
}

impl KeySource {
    /// Returns true for a key that the operator must give us at every start.
    pub(super) fn is_given(self) -> bool {
        match self {
            Self::Passphrase | Self::Environment => true,
            Self::File | Self::Keyring => false,
        }
    }
}

impl Header {
    /// Makes a key and its header: of the operator's value where there is one, else at random.
    pub(super) fn create(kid: String, settings: &KeySettings) -> Result<(Self, KeyBytes), Error> {
        let mut header = Self {
            v: VERSION,
            kid,
            source: KeySource::File,
            created_at: Timestamp::now().to_string(),
            check: String::new(),
            key: None,
            salt: None,
            iterations: None,
            entry: None,
        };
        let bytes = match &settings.current {
            Some(given) => header.take_given(given)?,
            None => header.take_random()?,
        };
        header.check = hex::encode(hmac::sign(&check_key(&bytes), header.kid.as_bytes()));
        Ok((header, bytes))
    }

    /// Reads a header file.
    pub(super) fn read(file: &Path) -> Result<Self, Error> {
        let bytes = files::read_private(file)?;
        files::make_private(file, 0o600)?;
        let damaged = |reason: String| Error::Damaged { file: file.to_owned(), reason };
        let header: Self = serde_json::from_slice(&bytes).map_err(|err| {
            damaged(format!(
                "it is not a key header (line {}, column {})",
                err.line(),
                err.column()
            ))
        })?;
        if header.v != VERSION {
            return Err(damaged(format!(
                "expected a key header of version {VERSION}, got {}",
                header.v
            )));
        }
        Ok(header)
    }

    /// Writes the header file.
    pub(super) fn write(&self, folder: &Path, name: &str) -> Result<(), Error> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(2048));
        serde_json::to_writer_pretty(&mut *bytes, self)
            .map_err(|_| Error::Crypto("write a key header as JSON"))?;
        bytes.push(b'\n');
        files::replace_file(folder, name, &bytes)
    }

    /// Gets the key.
    ///
    /// # Errors
    /// Why the key is not to be had, as a sentence for the operator.
    pub(super) fn obtain(&self, settings: &KeySettings) -> Result<Obtained, String> {
        match self.source {
            KeySource::File => {
                let bytes = self
                    .key
                    .as_ref()
                    .and_then(|digits| parse_hex(digits))
                    .filter(|bytes| self.fits(bytes));
                let damaged = || {
                    format!(
                        "the key file {}.json of the vault is damaged: restore it from a backup",
                        self.kid
                    )
                };
                bytes.map(|bytes| Obtained { bytes, is_previous: false }).ok_or_else(damaged)
            }
            KeySource::Passphrase | KeySource::Environment => self.obtain_given(settings),
            KeySource::Keyring => self.obtain_kept(),
        }
    }

    fn obtain_given(&self, settings: &KeySettings) -> Result<Obtained, String> {
        for (given, is_previous) in [(&settings.current, false), (&settings.previous, true)] {
            let Some(given) = given else { continue };
            if let Some(bytes) = self.key_of(given)?.filter(|bytes| self.fits(bytes)) {
                return Ok(Obtained { bytes, is_previous });
            }
        }
        Err(match settings.current {
            None => {
                format!(
                    "it is encrypted with key {}, and SWITCHYARD_ENCRYPTION_KEY, which gives it, is not set",
                    self.kid
                )
            }
            Some(_) => format!(
                "SWITCHYARD_ENCRYPTION_KEY is not the key {} that the vault is sealed with: set the former value, or set \
                 it as SWITCHYARD_ENCRYPTION_KEY_PREVIOUS beside the new one and rotate the keys",
                self.kid
            ),
        })
    }

    /// Returns the key that the operator's value stands for; `None` when it is of the other form.
    fn key_of(&self, given: &Secret) -> Result<Option<KeyBytes>, String> {
        let raw = parse_key(given);
        if self.source == KeySource::Environment || raw.is_some() {
            return Ok(raw.filter(|_| self.source == KeySource::Environment));
        }
        let salt = self
            .salt
            .as_ref()
            .and_then(|digits| hex::decode(digits).ok())
            .filter(|salt| salt.len() == SALT_BYTES);
        let iterations = self
            .iterations
            .filter(|count| ACCEPTED_ITERATIONS.contains(count))
            .and_then(NonZeroU32::new);
        let (Some(salt), Some(iterations)) = (salt, iterations) else {
            return Err(format!(
                "the key header {}.json of the vault is damaged: restore it from a backup",
                self.kid
            ));
        };
        Ok(Some(derive(given, &salt, iterations)))
    }

    #[cfg(feature = "keyring")]
    fn obtain_kept(&self) -> Result<Obtained, String> {
        let entry = self.entry.as_deref().unwrap_or_default();
        let bytes = system_keyring::get(entry).map_err(|error| error.to_string())?;
        let fitting = bytes.filter(|bytes| self.fits(bytes));
        let lost = || format!("the system keyring no longer has key {} of the vault", self.kid);
        fitting.map(|bytes| Obtained { bytes, is_previous: false }).ok_or_else(lost)
    }

    #[cfg(not(feature = "keyring"))]
    fn obtain_kept(&self) -> Result<Obtained, String> {
        Err(format!(
            "key {} is in the system keyring, which this build of Switchyard cannot read",
            self.kid
        ))
    }

    fn take_given(&mut self, given: &Secret) -> Result<KeyBytes, Error> {
        if let Some(bytes) = parse_key(given) {
            self.source = KeySource::Environment;
            return Ok(bytes);
        }
        let salt: [u8; SALT_BYTES] = random()?;
        let iterations = NonZeroU32::new(ITERATIONS).unwrap_or(NonZeroU32::MIN);
        self.source = KeySource::Passphrase;
        self.salt = Some(hex::encode(salt));
        self.iterations = Some(iterations.get());
        Ok(derive(given, &salt, iterations))
    }

    fn take_random(&mut self) -> Result<KeyBytes, Error> {
        let bytes = Zeroizing::new(random()?);
        if !self.keep(&bytes)? {
            self.key = Some(Zeroizing::new(hex::encode(*bytes)));
        }
        Ok(bytes)
    }

    /// Gives the key to the system keyring and returns whether it took it.
    #[cfg(feature = "keyring")]
    fn keep(&mut self, bytes: &KeyBytes) -> Result<bool, Error> {
        let entry = format!("vault key {}", hex::encode(random::<8>()?));
        if let Err(error) = system_keyring::set(&entry, bytes) {
            // Servers and containers have no keyring: the private file is the normal case there.
            tracing::info!(%error, "no system keyring: the vault's key is kept in a private file");
            return Ok(false);
        }
        self.source = KeySource::Keyring;
        self.entry = Some(entry);
        Ok(true)
    }

    #[cfg(not(feature = "keyring"))]
    #[expect(
        clippy::unnecessary_wraps,
        clippy::unused_self,
        reason = "the build with a keyring can fail and needs it"
    )]
    fn keep(&mut self, _bytes: &KeyBytes) -> Result<bool, Error> {
        Ok(false)
    }

    /// Removes the key from where the header says it is kept, besides the header itself.
    #[cfg(feature = "keyring")]
    pub(super) fn forget(&self) -> Result<(), Error> {
        self.entry.as_deref().map_or(Ok(()), system_keyring::delete)
    }

    fn fits(&self, bytes: &KeyBytes) -> bool {
        hex::decode(&self.check)
            .is_ok_and(|check| hmac::verify(&check_key(bytes), self.kid.as_bytes(), &check).is_ok())
    }
}

/// Derives a key for one more purpose, so that the cipher's key itself is used for sealing only.
pub(super) fn derived_key(bytes: &KeyBytes, purpose: &str) -> hmac::Key {
    let derived =
        hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, bytes.as_slice()), purpose.as_bytes());
    hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref())
}

fn check_key(bytes: &KeyBytes) -> hmac::Key {
    derived_key(bytes, "switchyard vault key check")
}

fn derive(passphrase: &Secret, salt: &[u8], iterations: NonZeroU32) -> KeyBytes {
    let mut bytes = Zeroizing::new([0; 32]);
    pbkdf2::derive(
        pbkdf2::PBKDF2_HMAC_SHA512,
        iterations,
        salt,
        passphrase.expose().as_bytes(),
        bytes.as_mut_slice(),
    );
    bytes
}

/// Reads 32 bytes in hexadecimal digits or in either alphabet of base64, padded or not. Anything else is a passphrase.
fn parse_key(given: &Secret) -> Option<KeyBytes> {
    let text = given.expose().trim();
    parse_hex(text)
        .or_else(|| parse_base64(text, &alphabet::STANDARD))
        .or_else(|| parse_base64(text, &alphabet::URL_SAFE))
}

fn parse_hex(text: &str) -> Option<KeyBytes> {
    let mut bytes = Zeroizing::new([0; 32]);
    hex::decode_to_slice(text, bytes.as_mut_slice()).ok().map(|()| bytes)
}

fn parse_base64(text: &str, alphabet: &Alphabet) -> Option<KeyBytes> {
    let config =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let decoded = Zeroizing::new(GeneralPurpose::new(alphabet, config).decode(text).ok()?);
    Some(Zeroizing::new(decoded.as_slice().try_into().ok()?))
}

fn random<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).map_err(|_| Error::Crypto("make a random value"))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
    use sy_types::Secret;

    use super::parse_key;

    #[track_caller]
    fn check(text: &str, expected: Option<[u8; 32]>) {
        assert_eq!(parse_key(&Secret::new(text)).map(|bytes| *bytes), expected, "{text}");
    }

    #[test]
    fn thirty_two_bytes_are_a_key_and_all_else_is_a_passphrase() {
        let bytes: [u8; 32] = std::array::from_fn(|index| 255 - index as u8);
        check(&hex::encode(bytes), Some(bytes));
        check(&hex::encode_upper(bytes), Some(bytes));
        check(&format!("{}\n", STANDARD.encode(bytes)), Some(bytes));
        check(&STANDARD_NO_PAD.encode(bytes), Some(bytes));
        check(&URL_SAFE.encode(bytes), Some(bytes));
        check(&URL_SAFE_NO_PAD.encode(bytes), Some(bytes));
        check("correct horse battery staple", None);
        check(&hex::encode(&bytes[1..]), None);
        check(&STANDARD.encode(&bytes[1..]), None);
        check("", None);
    }
}
