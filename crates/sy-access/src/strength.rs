//! Whether a token can be guessed.
//!
//! Asked by [`crate::Access::open`] for servers that other machines reach. It knows common words and patterns, not
//! dictionaries: it keeps placeholders out, and says how to make a token that nobody guesses.

/// The fewest characters.
const SHORTEST: usize = 16;
/// The fewest different characters, and the fewest that are no part of a common word or a run.
const DIFFERENT: usize = 8;
const OWN: usize = 8;
/// What people write where they mean to write something else later.
const COMMON: [&str; 24] = [
    "switchyard",
    "password",
    "passwort",
    "changeme",
    "example",
    "letmein",
    "default",
    "testing",
    "gateway",
    "secret",
    "qwerty",
    "change",
    "please",
    "access",
    "admin",
    "token",
    "local",
    "guest",
    "dummy",
    "test",
    "demo",
    "user",
    "your",
    "key",
];

/// Returns why a token is weak, or `None`.
pub(crate) fn weakness(token: &str) -> Option<&'static str> {
    if token.chars().count() < SHORTEST {
        return Some("it has fewer than 16 characters");
    }
    let mut rest = token.to_ascii_lowercase();
    let mut different: Vec<char> = rest.chars().collect();
    different.sort_unstable();
    different.dedup();
    if different.len() < DIFFERENT {
        return Some("it has fewer than 8 different characters");
    }

    for word in COMMON {
        rest = rest.replace(word, "");
    }
    if own_characters(&rest) < OWN {
        return Some("it is made of common words, or of characters in a row");
    }
    None
}

/// Counts the letters and digits that do not just follow the one before (`1234`, `abcd`, `aaaa`).
fn own_characters(text: &str) -> usize {
    let mut before = None;
    let mut count = 0;
    for character in text.chars().filter(|character| character.is_alphanumeric()) {
        let code = u32::from(character);
        let follows = before.is_some_and(|before: u32| code.abs_diff(before) <= 1);
        count += usize::from(!follows);
        before = Some(code);
    }
    count
}

#[cfg(test)]
mod tests {
    use super::weakness;

    #[track_caller]
    fn check(token: &str, is_weak: bool) {
        assert_eq!(weakness(token).is_some(), is_weak, "{token}: {:?}", weakness(token));
    }

    #[test]
    fn placeholders_are_weak_and_random_texts_are_not() {
        for token in [
            "",
            "sk-1234",
            "hunter2",
            "changeme-changeme-changeme",
            "my-secret-password",
            "switchyard-token-test",
            "1234567890123456",
            "abcdefghijklmnopqrstuvwxyz",
            "aaaaaaaaaaaaaaaaaaaaaaaa",
            "abababababababababababab",
        ] {
            check(token, true);
        }
        for token in [
            "sy-ZkLw0Qx1V7uM3nT9aBcDeFgHiJkLmNoPqRsTuVwXyZ0",
            "9f86d081884c7d659a2feaa0c55ad015",
            "correct-horse-battery-staple",
            "sy-of-the-operator",
        ] {
            check(token, false);
        }
    }
}
