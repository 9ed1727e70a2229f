//! Thought signatures: proofs that a model must see again, as this wire carries them.
//!
//! A `thoughtSignature` is a field of bytes, so SDKs demand base64 and may change its alphabet (`-_` for `+/`) when they send it
//! back. A proof of another protocol therefore travels as base64 of a small JSON object that names its maker. It deliberately
//! does not look into native proofs.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose};
use serde_json::{Map, Value};
use sy_types::chat::{Reasoning, Signature};

use crate::ids::GEMINI_GENERATE;
use crate::signature;

/// Base64 of `skip_thought_signature_validator`: what Google documents for a call whose signature is not known, because another
/// model made it (ai.google.dev/gemini-api/docs/thought-signatures, read 2026-11; recordings show it accepted).
pub(super) const UNKNOWN: &str = "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I=";
const UNKNOWN_PLAIN: &[u8] = b"skip_thought_signature_validator";

/// The field that marks our own wrapper.
const MARK: &str = "sy1";

const STANDARD: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What a `thoughtSignature` says.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Proof {
    /// The proof; `None` for the documented stand-in.
    pub(super) signature: Option<Signature>,
    /// The id of the reasoning it belongs to, where its protocol has one.
    pub(super) id: Option<String>,
    /// True where the reasoning's text was withheld.
    pub(super) redacted: bool,
}

/// Reads a `thoughtSignature`.
pub(super) fn read(text: &str) -> Proof {
    if text.is_empty() || text.as_bytes() == UNKNOWN_PLAIN {
        return Proof::default();
    }
    let native =
        || Proof { signature: Some(signature::read(text, GEMINI_GENERATE)), ..Proof::default() };
    let standard: String = text
        .chars()
        .map(|c| {
            if c == '-' {
                '+'
            } else if c == '_' {
                '/'
            } else {
                c
            }
        })
        .collect();
    let Ok(bytes) = STANDARD.decode(standard) else { return native() };
    if bytes == UNKNOWN_PLAIN {
        return Proof::default();
    }
    if !bytes.starts_with(b"{") {
        return native();
    }
    let Ok(wrapped) = crate::json::read::<Map<String, Value>>(&bytes) else { return native() };
    let Some(marked) = wrapped.get(MARK).and_then(Value::as_str) else { return native() };
    Proof {
        signature: Some(signature::read(marked, GEMINI_GENERATE)),
        id: wrapped.get("id").and_then(Value::as_str).map(str::to_owned),
        redacted: wrapped.get("redacted").and_then(Value::as_bool).unwrap_or_default(),
    }
}

/// Writes the proof of a text or a tool call.
pub(super) fn write(signature: &Signature) -> String {
    write_wrapped(signature, None, false)
}

/// Writes the proof of a piece of reasoning.
pub(super) fn write_reasoning(reasoning: &Reasoning) -> Option<String> {
    let signature = reasoning.signature.as_ref()?;
    Some(write_wrapped(signature, reasoning.id.as_deref(), reasoning.redacted))
}

/// Writes a proof, with what its reasoning needs beside it; a native one as it is.
pub(super) fn write_wrapped(signature: &Signature, id: Option<&str>, redacted: bool) -> String {
    if signature.protocol == GEMINI_GENERATE && id.is_none() && !redacted {
        return signature.value.clone();
    }
    let mut wrapped = Map::new();
    wrapped.insert(MARK.to_owned(), Value::from(signature::write(signature, GEMINI_GENERATE)));
    if let Some(id) = id {
        wrapped.insert("id".to_owned(), Value::from(id));
    }
    if redacted {
        wrapped.insert("redacted".to_owned(), Value::Bool(true));
    }
    general_purpose::STANDARD.encode(crate::json::write(&wrapped))
}

#[cfg(test)]
mod tests {
    use sy_types::chat::Signature;

    use super::{Proof, UNKNOWN, read, write_wrapped};
    use crate::ids::GEMINI_GENERATE;

    fn signature(value: &str) -> Signature {
        Signature { protocol: GEMINI_GENERATE, value: value.to_owned() }
    }

    #[test]
    fn a_native_proof_passes_as_it_is() {
        for value in ["AY89a18a8/Loc2w+", "not base64!", "e30="] {
            assert_eq!(write_wrapped(&signature(value), None, false), value);
            assert_eq!(read(value).signature, Some(signature(value)));
        }
    }

    #[test]
    fn what_belongs_to_a_proof_travels_with_it_even_in_the_other_alphabet() {
        let written = write_wrapped(&signature("a?b>~~~"), Some("rs_1"), true);
        let expected = Proof {
            signature: Some(signature("a?b>~~~")),
            id: Some("rs_1".to_owned()),
            redacted: true,
        };
        assert_eq!(read(&written), expected);
        let changed = written.replace('+', "-").replace('/', "_").trim_end_matches('=').to_owned();
        assert_eq!(read(&changed), expected);
    }

    #[test]
    fn the_documented_stand_in_is_no_proof() {
        assert_eq!(read(UNKNOWN), Proof::default());
        assert_eq!(read("skip_thought_signature_validator"), Proof::default());
    }
}
