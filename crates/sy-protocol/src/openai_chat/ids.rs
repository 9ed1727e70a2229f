//! Tool-call ids: those a target accepts, and those that a provider left out.
//!
//! Both are pure functions of their input, so that a call and its result stay a pair without a table between requests, and
//! so that a prompt keeps its bytes from turn to turn.

use std::borrow::Cow;

use sy_types::target::ToolCallIds;

/// Letters of a nine-character id.
const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Returns the id in a form that the target accepts.
///
/// Nine characters are made by hashing, not by cutting: ids of one turn often share their first nine.
pub(super) fn accepted(rule: ToolCallIds, id: &str) -> Cow<'_, str> {
    match rule {
        ToolCallIds::Any => Cow::Borrowed(id),
        ToolCallIds::NineAlphanumeric => {
            if id.len() == 9 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                return Cow::Borrowed(id);
            }
            let mut rest = hash(&[id]);
            let letters = std::iter::repeat_with(|| {
                let letter = LETTERS.get((rest % 62) as usize).copied().unwrap_or(b'0');
                rest /= 62;
                char::from(letter)
            });
            Cow::Owned(letters.take(9).collect())
        }
        ToolCallIds::WordCharacters => {
            let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
            if !id.is_empty() && id.chars().all(is_word) {
                return Cow::Borrowed(id);
            }
            let word: String = id.chars().map(|c| if is_word(c) { c } else { '_' }).collect();
            // The hash keeps ids apart that differ only in what was replaced.
            Cow::Owned(format!("{word}_{:x}", hash(&[id]) as u32))
        }
    }
}

/// Makes an id for a call that came without one: unlike within a conversation, the same for the same bytes.
pub(crate) fn made_up(answer: &str, index: usize, name: &str) -> String {
    format!("call_{:016x}", hash(&[answer, &index.to_string(), name]))
}

/// FNV-1a, 64 bits (parameters: draft-eastlake-fnv, read 2026-11-21); the standard hasher may change between versions.
fn hash(words: &[&str]) -> u64 {
    let bytes = words.iter().flat_map(|word| word.bytes().chain([0xFF]));
    bytes.fold(0xCBF2_9CE4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
    })
}

#[cfg(test)]
mod tests {
    use sy_types::target::ToolCallIds;

    use super::{accepted, made_up};

    #[test]
    fn an_accepted_id_is_left_alone() {
        for (rule, id) in [
            (ToolCallIds::Any, "x:y z"),
            (ToolCallIds::NineAlphanumeric, "FI5qQGzDE"),
            (ToolCallIds::WordCharacters, "toolu_01-a"),
        ] {
            assert_eq!(accepted(rule, id), id);
        }
    }

    #[test]
    fn other_ids_get_the_form_and_stay_apart() {
        let nine = |id| accepted(ToolCallIds::NineAlphanumeric, id).into_owned();
        assert!(
            nine("call_1").len() == 9
                && nine("call_1").bytes().all(|byte| byte.is_ascii_alphanumeric())
        );
        assert_eq!(nine("call_1"), nine("call_1"));
        assert_ne!(nine("call_REDACTED_1"), nine("call_REDACTED_2"));
        let word = |id| accepted(ToolCallIds::WordCharacters, id).into_owned();
        assert!(word("functions.a:0").starts_with("functions_a_0_"));
        assert_ne!(word("a:0"), word("a.0"));
    }

    #[test]
    fn made_up_ids_differ_by_answer_index_and_name() {
        let ids = [
            made_up("a", 0, "t"),
            made_up("b", 0, "t"),
            made_up("a", 1, "t"),
            made_up("a", 0, "u"),
        ];
        let unlike: std::collections::HashSet<_> = ids.iter().collect();
        assert_eq!(unlike.len(), 4);
        assert_eq!(made_up("a", 0, "t"), ids[0]);
    }
}
