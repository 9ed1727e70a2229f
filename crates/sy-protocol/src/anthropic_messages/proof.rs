//! Signatures inside blocks of this protocol: the own ones, those of other protocols, and the mark of a missing one.
//!
//! Used by the readers and writers of blocks. A `thinking` block has a `signature` and a `redacted_thinking` block is nothing
//! but one; a tool call has no place for any, so the proof that Gemini wants back with a call travels in a
//! `redacted_thinking` block in front of it, which clients send back untouched. It deliberately offers no such carriage to
//! text: in a stream the proof of a text comes when its block is long begun.

use serde_json::{Value, json};
use sy_types::chat::Signature;

use crate::ids::ANTHROPIC_MESSAGES;
use crate::signature;

/// What every value written here and not by a provider begins with. Providers' own signatures are base64 of a length that is
/// never this.
pub(super) const MARK: &str = "sy1";

/// Stands where a client demands a signature and the reasoning has none: clients drop unsigned reasoning from their history,
/// but some providers want it back.
const UNSIGNED: &str = "sy1.unsigned";

/// In front of a proof that belongs to the next tool call.
const CARRIED: &str = "sy1next.";

/// Reads the signature of a reasoning block.
pub(super) fn read(text: &str) -> Option<Signature> {
    if text.is_empty() || text == UNSIGNED {
        None
    } else {
        Some(signature::read(text, ANTHROPIC_MESSAGES))
    }
}

/// Writes the signature of a reasoning block for a client.
pub(super) fn write(proof: Option<&Signature>) -> String {
    proof.map_or_else(|| UNSIGNED.to_owned(), |proof| signature::write(proof, ANTHROPIC_MESSAGES))
}

/// Makes the block that carries the proof of the tool call behind it.
pub(super) fn carrier(proof: &Signature) -> Value {
    json!({ "type": "redacted_thinking", "data": format!("{CARRIED}{}", signature::write(proof, ANTHROPIC_MESSAGES)) })
}

/// Returns the proof that a block carries for the tool call behind it, if that is what the block is for.
pub(super) fn carried(block: &Value) -> Option<Signature> {
    if block.get("type")?.as_str()? != "redacted_thinking" {
        return None;
    }
    let text = block.get("data")?.as_str()?.strip_prefix(CARRIED)?;
    Some(signature::read(text, ANTHROPIC_MESSAGES))
}

/// Returns true when a provider of this protocol made it.
pub(super) fn is_native(proof: &Signature) -> bool {
    proof.protocol == ANTHROPIC_MESSAGES
}

/// Returns true for a value that no provider of this protocol made.
pub(super) fn is_marked(value: Option<&Value>) -> bool {
    value.and_then(Value::as_str).is_some_and(|text| text.starts_with(MARK))
}
