//! Reads the two older forms of a stored secret, which were written before this vault existed.
//!
//! Called by [`super::envelope`] for a record without `enc`: `secret` is then plain text, or an object of hexadecimal
//! `iv`, `data` and `tag` sealed by AES-256-GCM with a 16-byte nonce, under PBKDF2-HMAC-SHA512 of the passphrase with
//! the constant salt `salt` and 100,000 iterations. It only reads: the next rotation or `put` writes the present form.

use std::num::NonZeroU32;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{AES_256, EncryptingKey, UnboundCipherKey};
use aws_lc_rs::{constant_time, pbkdf2};
use serde::Deserialize;
use serde_json::Value;
use sy_types::Secret;
use zeroize::Zeroizing;

use super::header::{KeyBytes, KeySettings};
use crate::credential::{Credential, OAuth};
use crate::entry::Entry;
use crate::error::Error;

const SALT: &[u8] = b"salt";
const ITERATIONS: u32 = 100_000;
const BLOCK: usize = 16;
type Block = [u8; BLOCK];

/// The older sealed form.
#[derive(Deserialize)]
struct Sealed {
    iv: String,
    data: String,
    tag: String,
}

/// The tokens of a sign-in in the older form.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Tokens {
    access_token: Secret,
    #[serde(default)]
    refresh_token: Option<Secret>,
    /// Milliseconds since 1970.
    #[serde(default)]
    expires_at: Option<i64>,
    #[serde(default)]
    account_label: Option<String>,
}

/// Reads the `secret` of an older record.
///
/// # Errors
/// [`Error::Invalid`] with a reason that names no value, or [`Error::WrongKey`] where the passphrase is not set.
pub(super) fn read(secret: &Value, kind: &str, settings: &KeySettings) -> Result<Entry, Error> {
    let text = match secret {
        Value::String(text) => Zeroizing::new(text.clone()),
        sealed => open(sealed, settings)?,
    };
    match kind {
        "token" => Ok(Credential::ApiKey(Secret::new(text.as_str())).into()),
        "oauth" => tokens(&text),
        _ => Err(Error::Invalid(
            "expected `kind` to be `token` or `oauth` in a record of the older form".to_owned(),
        )),
    }
}

fn tokens(text: &str) -> Result<Entry, Error> {
    let tokens: Tokens = serde_json::from_str(text)
        .map_err(|_| Error::Invalid("its sign-in is not JSON with an `accessToken`".to_owned()))?;
    Ok(Credential::OAuth(OAuth {
        access: tokens.access_token,
        refresh: tokens.refresh_token.unwrap_or_else(|| Secret::new("")),
        expires_at_ms: tokens.expires_at,
        account_id: tokens.account_label,
        enterprise_url: None,
    })
    .into())
}

/// Opens the sealed form. What carries the marker and does not open is an error, never plain text.
fn open(sealed: &Value, settings: &KeySettings) -> Result<Zeroizing<String>, Error> {
    let malformed = || {
        Error::Invalid(
            "expected `secret` to be text or {iv, data, tag} in hexadecimal digits".to_owned(),
        )
    };
    let sealed = Sealed::deserialize(sealed).map_err(|_| malformed())?;
    let [iv, data, tag] = [&sealed.iv, &sealed.data, &sealed.tag].map(hex::decode);
    let (Ok(iv), Ok(data), Ok(tag)) = (iv, data, tag) else { return Err(malformed()) };
    let given = [&settings.current, &settings.previous];
    if given.iter().all(|secret| secret.is_none()) {
        return Err(Error::WrongKey(
            "it is encrypted in the older form, and SWITCHYARD_ENCRYPTION_KEY, which gives its key, is not set".to_owned(),
        ));
    }
    let plain = given.into_iter().flatten().find_map(|passphrase| {
        let mut key: KeyBytes = Zeroizing::new([0; 32]);
        let iterations = NonZeroU32::new(ITERATIONS)?;
        let passphrase = passphrase.expose().as_bytes();
        pbkdf2::derive(
            pbkdf2::PBKDF2_HMAC_SHA512,
            iterations,
            SALT,
            passphrase,
            key.as_mut_slice(),
        );
        open_gcm(&key, &iv, &[], &data, &tag)
    });
    let plain = plain.ok_or_else(|| {
        Error::Invalid(
            "its older encrypted form does not open: it was changed, or SWITCHYARD_ENCRYPTION_KEY is not its key"
                .to_owned(),
        )
    })?;
    let text = std::str::from_utf8(&plain)
        .map_err(|_| Error::Invalid("what was sealed in it is not text".to_owned()))?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// Opens AES-256-GCM with a nonce of any length (NIST SP 800-38D, 7.2), which the library offers for 12 bytes only.
///
/// For another length the first counter block is a GHASH of the nonce. GHASH is taken from the library's own sealing: a
/// tag is GHASH of what was sealed, combined with an encrypted counter block that sealing nothing shows alone.
fn open_gcm(
    key: &KeyBytes,
    iv: &[u8],
    aad: &[u8],
    data: &[u8],
    tag: &[u8],
) -> Option<Zeroizing<Vec<u8>>> {
    let block_cipher =
        EncryptingKey::ecb(UnboundCipherKey::new(&AES_256, key.as_slice()).ok()?).ok()?;
    let encrypt = |mut block: Block| block_cipher.encrypt(&mut block).ok().map(|_| block);
    let first_counter = match <[u8; 12]>::try_from(iv) {
        Ok(iv) => std::array::from_fn(|index| {
            iv.get(index).copied().unwrap_or(u8::from(index == BLOCK - 1))
        }),
        Err(_) => ghash(key, &[], iv)?,
    };
    let expected = xor(ghash(key, aad, data)?, encrypt(first_counter)?);
    constant_time::verify_slices_are_equal(&expected, tag).ok()?;

    let mut plain = Zeroizing::new(data.to_vec());
    let mut counter = first_counter;
    for chunk in plain.chunks_mut(BLOCK) {
        increment(&mut counter);
        chunk.iter_mut().zip(encrypt(counter)?).for_each(|(byte, pad)| *byte ^= pad);
    }
    Some(plain)
}

/// Returns GHASH of associated data and ciphertext, both padded, and their lengths.
fn ghash(key: &KeyBytes, aad: &[u8], ciphertext: &[u8]) -> Option<Block> {
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key.as_slice()).ok()?);
    // Any nonce does: nothing that is sealed here leaves this function.
    let seal = |aad: &[u8], bytes: &mut [u8]| {
        let nonce = Nonce::assume_unique_for_key([0; 12]);
        let tag = key.seal_in_place_separate_tag(nonce, Aad::from(aad), bytes).ok()?;
        Block::try_from(tag.as_ref()).ok()
    };
    // Sealing the pad combined with the ciphertext yields the ciphertext itself, with the tag over it.
    let mut bytes = vec![0; ciphertext.len()];
    seal(&[], &mut bytes)?;
    bytes.iter_mut().zip(ciphertext).for_each(|(byte, cipher)| *byte ^= cipher);
    let tag = seal(aad, &mut bytes)?;
    let mask = seal(&[], &mut [])?;
    Some(xor(tag, mask))
}

fn xor(left: Block, right: Block) -> Block {
    let mut result = left;
    result.iter_mut().zip(right).for_each(|(byte, other)| *byte ^= other);
    result
}

/// Counts the last four bytes up, without a carry into the others.
fn increment(counter: &mut Block) {
    for byte in counter.iter_mut().rev().take(4) {
        *byte = byte.wrapping_add(1);
        if *byte != 0 {
            break;
        }
    }
}

#[cfg(test)]
mod tests;
