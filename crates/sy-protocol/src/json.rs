//! JSON that survives what real peers send: lone surrogates (`\ud83d`) and bytes that are not UTF-8.
//!
//! JavaScript peers cut text between the two halves of a surrogate pair and send each half as an escape of its own, which no
//! Rust string can hold. Reading maps a lone half to a private-use character (U+10F800 to U+10FFFF, one for each of the 2,048
//! halves), writing maps it back, so that halves pass through the hub unharmed and meet again at the other end. Used by every
//! decoder and encoder. Text that really holds one of those private-use characters leaves as half of a pair: no such text is
//! known, and nothing in between breaks. It deliberately repairs only after a plain read has failed: valid input costs nothing extra.

use std::borrow::Cow;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The first private-use character that stands for a lone surrogate: U+10F800 stands for U+D800.
const FIRST: u32 = 0x10_F800;

/// Reads a value.
///
/// # Errors
/// When the bytes are not JSON or not of the expected shape, even after repair.
pub fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, serde_json::Error> {
    match serde_json::from_slice(bytes) {
        Ok(value) => Ok(value),
        Err(error) => match repair(bytes) {
            Cow::Borrowed(_) => Err(error),
            Cow::Owned(repaired) => serde_json::from_slice(&repaired),
        },
    }
}

/// Writes a value as compact JSON.
///
/// A value whose `Serialize` fails (no type of this crate does) is written as `null`.
pub fn write<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    let mut bytes = serde_json::to_vec(value).unwrap_or_else(|_| b"null".to_vec());
    if let Cow::Owned(restored) = restore(&bytes) {
        bytes = restored;
    }
    bytes
}

/// Writes a value as compact JSON text. Lone surrogates stay in their private-use form: for text that is nested in other JSON.
pub fn text<T: Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned())
}

/// The most tokens that a count is taken for: a million times what any model takes, and far from
/// where sums would wrap.
const COUNT_LIMIT: u64 = 1 << 40;

/// Reads a count of tokens. An absurd one is cut to 2^40, and a negative one is none.
pub fn count(value: &serde_json::Value) -> Option<u64> {
    let whole = value.as_u64();
    // A float to integer cast saturates.
    let float = || value.as_f64().filter(|number| *number >= 0.0).map(|number| number as u64);
    Some(whole.or_else(float)?.min(COUNT_LIMIT))
}

/// Repairs bad UTF-8 and lone surrogate escapes; borrowed when there was nothing to repair.
fn repair(bytes: &[u8]) -> Cow<'_, [u8]> {
    let text = String::from_utf8_lossy(bytes);
    match replace_lone_escapes(text.as_bytes()) {
        Some(repaired) => Cow::Owned(repaired),
        None => match text {
            Cow::Borrowed(_) => Cow::Borrowed(bytes),
            Cow::Owned(owned) => Cow::Owned(owned.into_bytes()),
        },
    }
}

fn replace_lone_escapes(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut out: Option<Vec<u8>> = None;
    let mut copied = 0;
    let mut at = 0;
    while let Some(found) = memchr::memchr(b'\\', bytes.get(at..)?) {
        let start = at + found;
        let Some(unit) = escape_at(bytes, start) else {
            at = start + 2;
            continue;
        };
        at = start + 6;
        let is_high = (0xD800..0xDC00).contains(&unit);
        if is_high && escape_at(bytes, at).is_some_and(|low| (0xDC00..0xE000).contains(&low)) {
            at += 6;
            continue;
        }
        if (0xD800..0xE000).contains(&unit) {
            let out = out.get_or_insert_with(Vec::new);
            out.extend_from_slice(bytes.get(copied..start)?);
            let stand_in =
                char::from_u32(FIRST + (unit - 0xD800)).unwrap_or(char::REPLACEMENT_CHARACTER);
            out.extend_from_slice(stand_in.encode_utf8(&mut [0; 4]).as_bytes());
            copied = at;
        }
    }
    if let Some(out) = &mut out {
        out.extend_from_slice(bytes.get(copied..)?);
    }
    out
}

/// Reads `\uXXXX` at the given place.
fn escape_at(bytes: &[u8], at: usize) -> Option<u32> {
    let digits = bytes.get(at..at + 6)?.strip_prefix(b"\\u")?;
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// Turns private-use stand-ins back into escapes; borrowed when there are none.
fn restore(bytes: &[u8]) -> Cow<'_, [u8]> {
    let mut out: Option<Vec<u8>> = None;
    let mut copied = 0;
    for start in memchr::memchr_iter(0xF4, bytes) {
        let Some(&[_, 0x8F, third @ 0xA0..=0xBF, fourth]) = bytes.get(start..start + 4) else {
            continue;
        };
        let offset = (u32::from(third) - 0xA0) << 6 | (u32::from(fourth) & 0x3F);
        let out = out.get_or_insert_with(Vec::new);
        out.extend_from_slice(bytes.get(copied..start).unwrap_or_default());
        out.extend_from_slice(format!("\\u{:04x}", 0xD800 + offset).as_bytes());
        copied = start + 4;
    }
    match out {
        None => Cow::Borrowed(bytes),
        Some(mut out) => {
            out.extend_from_slice(bytes.get(copied..).unwrap_or_default());
            Cow::Owned(out)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::{read, write};

    #[track_caller]
    fn check(input: &[u8], expected: &str) {
        let value: Value = read(input).unwrap();
        assert_eq!(String::from_utf8(write(&value)).unwrap(), expected);
    }

    #[test]
    fn lone_halves_pass_through_and_pairs_become_characters() {
        check(br#"["a\ud83d"]"#, r#"["a\ud83d"]"#);
        check(br#"["\udc4d b"]"#, r#"["\udc4d b"]"#);
        check(br#"["\ud83d\ud83d\udc4d"]"#, r#"["\ud83d👍"]"#);
        check(br#"["\\ud83d"]"#, r#"["\\ud83d"]"#);
        check(br#"["\ud800x\udfff"]"#, r#"["\ud800x\udfff"]"#);
        check("[\"👍\"]".as_bytes(), "[\"👍\"]");
    }

    #[test]
    fn halves_that_meet_again_are_one_character_to_a_reader() {
        let first: String = read(br#""\ud83d""#).unwrap();
        let second: String = read(br#""\udc4d""#).unwrap();
        let joined = write(&format!("{first}{second}"));
        assert_eq!(serde_json::from_slice::<String>(&joined).unwrap(), "👍");
    }

    #[test]
    fn numbers_come_out_as_they_went_in() {
        let value: Value =
            read(b"[9999299999999999999999999999, 0.1, 1e-7, 18446744073709551615]").unwrap();
        assert_eq!(read::<Value>(&write(&value)).unwrap(), value);
    }

    #[test]
    fn bad_utf8_becomes_the_replacement_character() {
        check(b"[\"a\xff\xfe\"]", "[\"a\u{fffd}\u{fffd}\"]");
    }

    #[test]
    fn what_is_not_json_stays_an_error() {
        assert!(read::<Value>(br#"{"a": "\ud83d"#).is_err());
        assert!(read::<Value>(br"\u").is_err());
    }
}
