//! Proofs that must come back to the provider that made them, through clients that speak another protocol.
//!
//! A signature of another protocol is written with that protocol's name in front (`sy1.gemini_generate.…`), so that a client that
//! echoes it hands it back to the right reader; one of the own protocol is written as it is.

use sy_types::ProtocolId;
use sy_types::chat::Signature;

const MARK: &str = "sy1.";

/// Writes a signature for a client or provider of the given protocol.
pub(crate) fn write(signature: &Signature, native: ProtocolId) -> String {
    if signature.protocol == native {
        return signature.value.clone();
    }
    format!("{MARK}{}.{}", signature.protocol, signature.value)
}

/// Reads what [`write()`] wrote, or a native signature. A proof of a protocol that is not registered counts as native.
pub(crate) fn read(text: &str, native: ProtocolId) -> Signature {
    let foreign = text.strip_prefix(MARK).and_then(|rest| rest.split_once('.'));
    let known = foreign.and_then(|(name, value)| {
        let protocol = crate::ids::ALL.into_iter().find(|id| id.as_str() == name)?;
        Some(Signature { protocol, value: value.to_owned() })
    });
    known.unwrap_or_else(|| Signature { protocol: native, value: text.to_owned() })
}
