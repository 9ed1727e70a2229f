//! How large and how deep a fetched catalog may be, told from its text before anything is made of
//! it.
//!
//! A value in memory takes many times the bytes of its text, so values are counted, not bytes
//! alone.

use sy_types::{ErrorKind, Failure};

/// Eight times the size of today's catalog (4 MB), in bytes.
pub(crate) const LARGEST_TEXT: usize = 32 << 20;
/// Today's catalog is ten levels deep.
const DEEPEST: usize = 32;
/// Ten times as many values as today's catalog has.
const MOST_VALUES: usize = 2_500_000;
/// An id is a name that people type; the longest today has 61 letters.
const LONGEST_ID: usize = 200;

/// Looks through the text of a catalog once.
///
/// # Errors
/// `Malformed` when it is larger or deeper than a catalog can be, or has more values.
pub(crate) fn check(text: &[u8]) -> Result<(), Failure> {
    if text.len() > LARGEST_TEXT {
        return Err(refused(&format!("at most {} MB", LARGEST_TEXT >> 20)));
    }

    let (mut depth, mut values) = (0_usize, 0_usize);
    let (mut in_text, mut is_escaped) = (false, false);
    for byte in text {
        if in_text {
            in_text = is_escaped || *byte != b'"';
            is_escaped = !is_escaped && *byte == b'\\';
            continue;
        }
        match byte {
            b'"' => in_text = true,
            b'{' | b'[' => (depth, values) = (depth + 1, values + 1),
            b'}' | b']' => depth = depth.saturating_sub(1),
            b',' => values += 1,
            _ => {}
        }
        if depth > DEEPEST {
            return Err(refused(&format!("at most {DEEPEST} levels")));
        }
        if values > MOST_VALUES {
            return Err(refused(&format!("at most {MOST_VALUES} values")));
        }
    }
    Ok(())
}

/// Returns true for an id that can be typed, shown and kept: of a bounded length, without controls
/// or white space.
pub(crate) fn is_id(id: &str) -> bool {
    !id.is_empty()
        && id.len() <= LONGEST_ID
        && !id.chars().any(|letter| letter.is_control() || letter.is_whitespace())
}

fn refused(limit: &str) -> Failure {
    let message = format!("expected a catalog of {limit}, got more");
    Failure::provider(ErrorKind::Malformed, message)
}

#[cfg(test)]
mod tests {
    use super::{DEEPEST, LARGEST_TEXT, MOST_VALUES, check, is_id};

    #[test]
    fn a_catalog_is_bounded_in_size_depth_and_number() {
        let deep = |levels: usize| "[".repeat(levels);
        assert!(check(deep(DEEPEST).as_bytes()).is_ok());
        let many = |count: usize| ",".repeat(count);
        assert!(check(many(MOST_VALUES).as_bytes()).is_ok());
        let check = |text: String, expected: &str| {
            let failure = check(text.as_bytes()).unwrap_err();
            assert!(failure.message.contains(expected), "{failure}");
        };
        check(deep(DEEPEST + 1), "levels");
        check(many(MOST_VALUES + 1), "values");
        check(" ".repeat(LARGEST_TEXT + 1), "MB");
    }

    #[test]
    fn texts_do_not_count() {
        let text = format!(r#"{{"a\\\"{}": "{}"}}"#, ",".repeat(MOST_VALUES), "[".repeat(99));
        assert!(check(text.as_bytes()).is_ok());
    }

    #[test]
    fn ids_can_be_typed() {
        for id in ["gpt-5", "qwen/qwen3.5:free", "模型"] {
            assert!(is_id(id), "{id}");
        }
        for id in ["", "a b", "a\u{1b}[31m", &"x".repeat(201)] {
            assert!(!is_id(id), "{id}");
        }
    }
}
