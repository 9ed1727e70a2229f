//! Proofs inside `encrypted_content`, the one field that every client of this protocol sends back untouched.
//!
//! Read and written by both faces. A proof that hangs on a text or a tool call (Gemini) has no field of its own here, so it
//! travels in a reasoning item that names its owner. It deliberately does not look into any proof.

use sy_types::chat::{Reasoning, Signature};

use crate::ids::OPENAI_RESPONSES;
use crate::signature;

/// Stands before the data of a block whose text was withheld (Anthropic's `redacted_thinking`).
const REDACTED: &str = "sy1-redacted.";
/// Stands before the length of the owner's id, a dot, the id and the proof.
const OWNED: &str = "sy1-of.";

/// What an `encrypted_content` holds.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Proof {
    /// The proof of the reasoning item itself.
    Reasoning {
        /// The proof.
        signature: Signature,
        /// Whether the reasoning's text was withheld.
        redacted: bool,
    },
    /// The proof of another item.
    Owned {
        /// The call id of a tool call, or the item id of a message.
        owner: String,
        /// The proof.
        signature: Signature,
    },
}

/// Reads an `encrypted_content`.
pub(super) fn read(text: &str) -> Proof {
    if let Some((owner, rest)) = text.strip_prefix(OWNED).and_then(split_owner) {
        return Proof::Owned {
            owner: owner.to_owned(),
            signature: signature::read(rest, OPENAI_RESPONSES),
        };
    }
    match text.strip_prefix(REDACTED) {
        Some(rest) => {
            Proof::Reasoning { signature: signature::read(rest, OPENAI_RESPONSES), redacted: true }
        }
        None => {
            Proof::Reasoning { signature: signature::read(text, OPENAI_RESPONSES), redacted: false }
        }
    }
}

/// Writes the proof of a reasoning part.
pub(super) fn write(reasoning: &Reasoning) -> Option<String> {
    let text = signature::write(reasoning.signature.as_ref()?, OPENAI_RESPONSES);
    Some(if reasoning.redacted { format!("{REDACTED}{text}") } else { text })
}

/// Writes the proof of the item with the given id.
pub(super) fn write_owned(owner: &str, signature: &Signature) -> String {
    format!("{OWNED}{}.{owner}{}", owner.len(), signature::write(signature, OPENAI_RESPONSES))
}

fn split_owner(text: &str) -> Option<(&str, &str)> {
    let (length, rest) = text.split_once('.')?;
    rest.split_at_checked(length.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use sy_types::chat::{Reasoning, Signature};

    use super::{Proof, read, write, write_owned};
    use crate::ids::OPENAI_RESPONSES;

    #[test]
    fn what_is_written_is_read_back() {
        let signature = Signature { protocol: OPENAI_RESPONSES, value: "gAAAA.x".to_owned() };
        for redacted in [false, true] {
            let reasoning =
                Reasoning { signature: Some(signature.clone()), redacted, ..Reasoning::default() };
            let expected = Proof::Reasoning { signature: signature.clone(), redacted };
            assert_eq!(read(&write(&reasoning).unwrap()), expected);
        }
        let expected = Proof::Owned { owner: "call.1".to_owned(), signature: signature.clone() };
        assert_eq!(read(&write_owned("call.1", &signature)), expected);
    }

    #[test]
    fn a_broken_owner_counts_as_a_proof_of_the_item_itself() {
        assert!(matches!(read("sy1-of.99.x"), Proof::Reasoning { redacted: false, .. }));
    }
}
