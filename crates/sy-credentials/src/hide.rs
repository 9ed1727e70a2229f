//! Takes secrets out of foreign texts: some providers quote the key that they reject.
//!
//! Called by the router with the bodies of error answers, before anything is read from them, and with the words of errors
//! inside streams. It knows only the secrets that it is given, and looks for them as they are: not encoded, and in part only
//! where a text was cut.

/// What stands in the place of a secret.
const HIDDEN: &[u8] = b"[redacted]";
/// The fewest bytes of a text that is taken for a secret: a shorter one would take words apart.
const SHORTEST: usize = 8;

/// What stands at the end of a text that was cut.
const CUT: &str = "…";

/// Replaces a secret wherever it stands in a text, and what is left of one at the end of a text that was cut.
pub fn hide(text: &mut Vec<u8>, secret: &[u8]) {
    if secret.len() < SHORTEST {
        return;
    }
    let mut clean = Vec::new();
    let mut rest = text.as_slice();
    while let Some(start) = rest.windows(secret.len()).position(|part| part == secret) {
        let (before, from) = rest.split_at(start);
        clean.extend_from_slice(before);
        clean.extend_from_slice(HIDDEN);
        rest = from.get(secret.len()..).unwrap_or_default();
    }
    if !clean.is_empty() {
        clean.extend_from_slice(rest);
        *text = clean;
    }
    hide_beginning(text, secret);
}

/// Replaces the beginning of a secret at the end of a text.
fn hide_beginning(text: &mut Vec<u8>, secret: &[u8]) {
    let end = text.strip_suffix(CUT.as_bytes()).unwrap_or(text);
    let beginnings = (SHORTEST..secret.len()).rev().filter_map(|length| secret.get(..length));
    let Some(kept) = beginnings.into_iter().find_map(|beginning| end.strip_suffix(beginning))
    else {
        return;
    };
    text.truncate(kept.len());
    text.extend_from_slice(HIDDEN);
}

#[cfg(test)]
mod tests {
    use super::hide;

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
}
