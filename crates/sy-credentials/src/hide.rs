//! Takes secrets out of foreign texts: some providers quote the key that they reject.
//!
//! Called by the router with the bodies of error answers, before anything is read from them, and
//! with the words of errors inside streams. It knows only the secrets that it is given. It finds
//! them as they are, with any of their characters escaped as JSON, URLs or HTML would, within
//! base64, and in part where a text was cut.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use zeroize::Zeroizing;

/// What stands in the place of a secret.
const HIDDEN: &[u8] = b"[redacted]";
/// The fewest bytes of a text that is taken for a secret: a shorter one would take words apart.
const SHORTEST: usize = 8;
/// What stands at the end of a text that was cut.
const CUT: &[u8] = "…".as_bytes();
/// The names that HTML has for the characters that it escapes.
const ENTITIES: [(&[u8], u8); 5] =
    [(b"&amp;", b'&'), (b"&quot;", b'"'), (b"&apos;", b'\''), (b"&lt;", b'<'), (b"&gt;", b'>')];

/// Replaces a secret wherever it stands in a text, and what is left of one at the end of a text that was cut.
pub fn hide(text: &mut Vec<u8>, secret: &[u8]) {
    if secret.len() < SHORTEST {
        return;
    }
    replace(text, secret, |_| false);

    for core in base64_cores(secret) {
        replace(text, &core, is_base64);
    }
}

/// Replaces the value of a header that may be a secret, and what a `Basic` credential consists of.
pub fn hide_header(text: &mut Vec<u8>, value: &[u8]) {
    hide(text, value);
    let Some(space) = value.iter().position(|byte| *byte == b' ') else { return };
    let (scheme, credential) = value.split_at(space);
    let credential = credential.trim_ascii();
    hide(text, credential);

    if scheme.eq_ignore_ascii_case(b"basic")
        && let Ok(pair) = STANDARD.decode(credential).map(Zeroizing::new)
    {
        hide(text, &pair);
        if let Some(colon) = pair.iter().position(|byte| *byte == b':') {
            hide(text, pair.get(colon + 1..).unwrap_or_default());
        }
    }
}

/// Replaces a text wherever it is spelled, with the bytes around it that belong to the same word.
fn replace(text: &mut Vec<u8>, secret: &[u8], belongs: fn(&u8) -> bool) {
    let mut clean = Vec::new();
    let (mut copied, mut at) = (0, 0);
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let Some(length) = spelled(rest, secret) else {
            at += 1;
            continue;
        };
        let before = text.get(copied..at).unwrap_or_default();
        let kept = before.len() - before.iter().rev().take_while(|byte| belongs(byte)).count();
        clean.extend_from_slice(before.get(..kept).unwrap_or_default());
        clean.extend_from_slice(HIDDEN);

        let behind = rest.get(length..).unwrap_or_default();
        at += length + behind.iter().take_while(|byte| belongs(byte)).count();
        copied = at;
    }
    if copied > 0 {
        clean.extend_from_slice(text.get(copied..).unwrap_or_default());
        *text = clean;
    }
}

/// Returns how many bytes at the beginning of a text spell the secret, or the part of it that is
/// left at the text's end.
fn spelled(text: &[u8], secret: &[u8]) -> Option<usize> {
    let mut taken = 0;
    for (index, wanted) in secret.iter().enumerate() {
        let rest = text.get(taken..)?;
        if rest.is_empty() || rest == CUT {
            return (index >= SHORTEST).then_some(text.len());
        }
        taken += spelling(rest, *wanted)?;
    }
    Some(taken)
}

/// Returns how many bytes at the beginning of a text stand for the wanted one.
fn spelling(text: &[u8], wanted: u8) -> Option<usize> {
    let first = *text.first()?;
    let escaped = match first {
        b'\\' => backslashed(text, wanted),
        b'%' => percent_encoded(text, wanted),
        b'&' => entity(text, wanted),
        _ => None,
    };
    escaped.or((first == wanted).then_some(1))
}

/// Reads `\/`, `\u002B` and `\x2B`. JSON within JSON doubles the backslash.
fn backslashed(text: &[u8], wanted: u8) -> Option<usize> {
    let slashes = text.iter().take_while(|byte| **byte == b'\\').count();
    let (kind, rest) = text.get(slashes..)?.split_first()?;
    let digits = match kind {
        b'u' => 4,
        b'x' => 2,
        _ => 0,
    };
    if digits > 0 && hex(rest.get(..digits)) == Some(u32::from(wanted)) {
        return Some(slashes + 1 + digits);
    }
    (*kind == wanted && !wanted.is_ascii_alphanumeric()).then_some(slashes + 1)
}

/// Reads `%2B`, and `%252B` where it was encoded twice.
fn percent_encoded(text: &[u8], wanted: u8) -> Option<usize> {
    let is_wanted = |from: usize| hex(text.get(from..from + 2)) == Some(u32::from(wanted));
    if is_wanted(1) {
        return Some(3);
    }
    (text.starts_with(b"%25") && is_wanted(3)).then_some(5)
}

/// Reads `&#43;`, `&#x2b;` and the names of a few characters.
fn entity(text: &[u8], wanted: u8) -> Option<usize> {
    if let Some((name, _)) =
        ENTITIES.iter().find(|(name, byte)| *byte == wanted && text.starts_with(name))
    {
        return Some(name.len());
    }
    let number = text.strip_prefix(b"&#")?;
    let length = number.iter().take(8).position(|byte| *byte == b';')?;
    let digits = number.get(..length)?;
    let code = match digits.strip_prefix(b"x").or(digits.strip_prefix(b"X")) {
        Some(digits) => hex(Some(digits)),
        None => std::str::from_utf8(digits).ok()?.parse().ok(),
    };
    (code == Some(u32::from(wanted))).then_some(length + 3)
}

fn hex(digits: Option<&[u8]>) -> Option<u32> {
    u32::from_str_radix(std::str::from_utf8(digits?).ok()?, 16).ok()
}

/// Returns what base64 makes of a secret that stands anywhere in a longer text, in both alphabets:
/// the characters that do not depend on what is around it.
fn base64_cores(secret: &[u8]) -> impl Iterator<Item = Zeroizing<Vec<u8>>> {
    let cores = (0..3).filter_map(|offset| {
        let mut padded = Zeroizing::new(vec![0; offset]);
        padded.extend_from_slice(secret);
        let encoded = Zeroizing::new(STANDARD_NO_PAD.encode(&*padded).into_bytes());
        // Three bytes are four characters; those that share bits with a neighbour differ with it.
        let from = [0, 2, 3].get(offset).copied()?;
        let to = encoded.len() - usize::from(padded.len() % 3 != 0);
        Some(Zeroizing::new(encoded.get(from..to)?.to_vec()))
    });
    cores.filter(|core| core.len() >= SHORTEST).flat_map(|core| {
        let url_safe = core.iter().map(|byte| match byte {
            b'+' => b'-',
            b'/' => b'_',
            other => *other,
        });
        let url_safe = Zeroizing::new(url_safe.collect::<Vec<u8>>());
        let is_other = *url_safe != *core;
        std::iter::once(core).chain(is_other.then_some(url_safe))
    })
}

fn is_base64(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_' | b'=')
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

    use super::{hide, hide_header};

    #[track_caller]
    fn check(text: &str, secret: &str, expected: &str) {
        let mut text = text.as_bytes().to_vec();
        hide(&mut text, secret.as_bytes());
        assert_eq!(String::from_utf8(text).unwrap(), expected);
    }

    #[test]
    fn a_secret_is_replaced_wherever_it_stands() {
        check(
            "bad key sk-12345: sk-12345 is not known",
            "sk-12345",
            "bad key [redacted]: [redacted] is not known",
        );
        check("sk-12345sk-12345", "sk-12345", "[redacted][redacted]");
        check("sk-1234", "sk-12345", "sk-1234");
        check("", "sk-12345", "");
        check("a key", "key", "a key");
        check("redacted", "redacted", "[redacted]");
    }

    #[test]
    fn what_is_left_of_a_secret_that_was_cut_is_replaced() {
        check("bad key sk-12345678…", "sk-1234567890", "bad key [redacted]");
        check("bad key sk-12345", "sk-1234567890", "bad key [redacted]");
        check("bad key sk-12…", "sk-1234567890", "bad key sk-12…");
        check("sk-12345 is bad", "sk-1234567890", "sk-12345 is bad");
    }

    #[test]
    fn a_secret_is_found_however_its_characters_are_escaped() {
        let secret = "sk/ab+cd&ef=gh%ij";
        for spelled in [
            r"sk\/ab+cd&ef=gh%ij",
            r"sk\/ab\u002Bcd\u0026ef\u003dgh\u0025ij",
            r"sk\\/ab\\u002bcd&ef=gh%ij",
            r"\u0073\u006B/ab+cd&ef=gh%ij",
            r"sk\x2Fab\x2bcd&ef=gh%ij",
            "sk%2Fab%2bcd%26ef%3Dgh%25ij",
            "sk%252Fab%252bcd%2526ef=gh%25ij",
            "sk/ab&#43;cd&amp;ef&#x3D;gh%ij",
        ] {
            check(&format!("bad key '{spelled}'!"), secret, "bad key '[redacted]'!");
        }
        check(r"sk\/ab-cd", secret, r"sk\/ab-cd");
    }

    #[test]
    fn a_secret_is_found_within_base64() {
        let secret = "sk-0123456789/abc?~";
        for around in ["", "u:", "us:", "use:", "user:"] {
            let whole = format!("{around}{secret}");
            for encoded in [STANDARD.encode(&whole), URL_SAFE_NO_PAD.encode(&whole)] {
                check(&format!("got Basic {encoded}."), secret, "got Basic [redacted].");
                let escaped = encoded.replace('/', r"\/");
                check(&format!("got {escaped}."), secret, "got [redacted].");
            }
        }
    }

    #[test]
    fn a_basic_credential_is_found_in_all_its_forms() {
        let value = format!("Basic {}", STANDARD.encode("someone:pass+word/1"));
        for (text, expected) in [
            (value.clone(), "[redacted]"),
            (value.replacen("Basic ", "", 1), "[redacted]"),
            ("someone:pass+word/1".to_owned(), "[redacted]"),
            ("someone with pass%2Bword/1".to_owned(), "someone with [redacted]"),
        ] {
            let mut bytes = text.into_bytes();
            hide_header(&mut bytes, value.as_bytes());
            assert_eq!(String::from_utf8(bytes).unwrap(), expected);
        }
    }
}
