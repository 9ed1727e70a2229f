//! `reasoning_details`, the OpenRouter form in which reasoning and its proofs travel (docs read 2026-11-21).
//!
//! Called wherever an assistant message is read or written. A list of details becomes reasoning parts, each with one proof:
//! a proof of another protocol stands alone in `signature` or `data`; one of this family is kept as the list itself without
//! its texts, since the provider wants back exactly what it sent. It deliberately never looks into a proof.

use serde_json::{Map, Value, json};
use sy_types::ProtocolId;
use sy_types::chat::{Reasoning, Signature};

use crate::ids::{ANTHROPIC_MESSAGES, GEMINI_GENERATE, OPENAI_CHAT, OPENAI_RESPONSES};
use crate::signature;

/// The format word of Claude's reasoning, whose withheld blocks are a kind of their own.
const CLAUDE: &str = "anthropic-claude-v1";

/// What is known of a reasoning block beside its text.
#[derive(Debug, Default)]
pub(super) struct Proof {
    /// The details without their texts.
    skeleton: Vec<Map<String, Value>>,
    foreign: Option<Signature>,
    /// True once a signature or encrypted data came.
    is_complete: bool,
}

impl Proof {
    /// Returns true once the proof came: what follows belongs to another block.
    pub(super) fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// Returns true when a detail belongs to another block than the ones before it.
    pub(super) fn ends_before(&self, detail: &Value) -> bool {
        let Some(last) = self.skeleton.last() else { return self.foreign.is_some() };
        let same_place =
            last.get("type") == detail.get("type") && last.get("index") == detail.get("index");
        let is_foreign = sealed(detail)
            .is_some_and(|seal| signature::read(seal, OPENAI_CHAT).protocol != OPENAI_CHAT);
        match kind(detail) {
            "reasoning.encrypted" => self.is_complete || (is_foreign && !same_place),
            _ => !same_place || (self.is_complete && !text(detail).is_empty()),
        }
    }

    /// Takes a detail in.
    pub(super) fn push(&mut self, detail: &Value) {
        let Value::Object(fields) = detail else { return };
        let signature = sealed(detail).map(|seal| signature::read(seal, OPENAI_CHAT));
        self.is_complete |= signature.is_some();
        match signature {
            Some(signature) if signature.protocol != OPENAI_CHAT => self.foreign = Some(signature),
            _ => self.add(fields),
        }
    }

    fn add(&mut self, detail: &Map<String, Value>) {
        let bare: Map<String, Value> = detail
            .iter()
            .filter(|(key, value)| !matches!(key.as_str(), "text" | "summary") && !is_blank(value))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        match self.skeleton.last_mut() {
            Some(last)
                if last.get("type") == bare.get("type")
                    && last.get("index") == bare.get("index") =>
            {
                last.extend(bare);
            }
            _ => self.skeleton.push(bare),
        }
    }

    /// Returns the proof, if one came.
    pub(super) fn signature(&self) -> Option<Signature> {
        if self.foreign.is_some() {
            return self.foreign.clone();
        }
        let value = crate::json::text(&self.skeleton);
        self.is_complete.then_some(Signature { protocol: OPENAI_CHAT, value })
    }
}

/// Returns the text of a detail.
pub(super) fn text(detail: &Value) -> &str {
    let field = detail.get("text").or_else(|| detail.get("summary"));
    field.and_then(Value::as_str).unwrap_or_default()
}

/// Returns the id of a detail.
pub(super) fn id(detail: &Value) -> Option<String> {
    detail.get("id").and_then(Value::as_str).filter(|id| !id.is_empty()).map(str::to_owned)
}

/// Returns true for a block whose text is withheld.
pub(super) fn is_redacted(detail: &Value) -> bool {
    kind(detail) == "reasoning.encrypted"
        && detail.get("format").and_then(Value::as_str) == Some(CLAUDE)
}

/// Reads the details of a whole message. `plain` is the message's plain reasoning text, used where the details hold none.
pub(super) fn read(details: &[Value], plain: &str) -> Vec<Reasoning> {
    let mut blocks: Vec<(Reasoning, Proof)> = Vec::new();
    for detail in details.iter().filter(|detail| detail.is_object()) {
        if blocks.last().is_none_or(|(_, proof)| proof.ends_before(detail)) {
            let redacted = is_redacted(detail);
            blocks.push((Reasoning { redacted, ..Reasoning::default() }, Proof::default()));
        }
        let Some((reasoning, proof)) = blocks.last_mut() else { continue };
        reasoning.text.push_str(text(detail));
        reasoning.id = reasoning.id.take().or_else(|| id(detail));
        proof.push(detail);
    }
    if blocks.iter().all(|(reasoning, _)| reasoning.text.is_empty()) && !plain.is_empty() {
        match blocks.iter_mut().find(|(reasoning, _)| !reasoning.redacted) {
            Some((reasoning, _)) => plain.clone_into(&mut reasoning.text),
            None => {
                let reasoning = Reasoning { text: plain.to_owned(), ..Reasoning::default() };
                blocks.insert(0, (reasoning, Proof::default()));
            }
        }
    }
    let sealed = |(reasoning, proof): (Reasoning, Proof)| Reasoning {
        signature: proof.signature(),
        ..reasoning
    };
    blocks
        .into_iter()
        .map(sealed)
        .filter(|block| !block.text.is_empty() || block.signature.is_some())
        .collect()
}

/// Writes the details of a whole message; nothing where no part carries a proof.
pub(super) fn write(parts: &[&Reasoning]) -> Vec<Value> {
    if parts.iter().all(|part| part.signature.is_none()) {
        return Vec::new();
    }
    parts.iter().enumerate().flat_map(|(index, part)| write_one(part, index, true)).collect()
}

/// Writes the details that end a streamed block: its proof without its text, which has been sent.
pub(super) fn write_proof(part: &Reasoning, index: usize) -> Vec<Value> {
    write_one(part, index, false)
}

fn write_one(part: &Reasoning, index: usize, with_text: bool) -> Vec<Value> {
    let Some(signature) = &part.signature else {
        return vec![
            json!({ "type": "reasoning.text", "text": part.text, "format": "unknown", "index": index }),
        ];
    };
    if let Some(list) = own_list(signature) {
        return list
            .into_iter()
            .map(|detail| if with_text { filled(detail, &part.text) } else { detail })
            .collect();
    }
    let protocol = signature.protocol;
    let seal = signature::write(signature, OPENAI_CHAT);
    let mut detail = Map::new();
    if part.redacted || (part.text.is_empty() && protocol != ANTHROPIC_MESSAGES) {
        detail.insert("type".to_owned(), "reasoning.encrypted".into());
        detail.insert("data".to_owned(), seal.into());
    } else {
        detail.insert("type".to_owned(), "reasoning.text".into());
        if with_text {
            detail.insert("text".to_owned(), part.text.as_str().into());
        }
        detail.insert("signature".to_owned(), seal.into());
    }
    detail.insert("format".to_owned(), format_word(protocol).into());
    if let Some(id) = &part.id {
        detail.insert("id".to_owned(), id.as_str().into());
    }
    detail.insert("index".to_owned(), index.into());
    vec![Value::Object(detail)]
}

/// Reads back the list that [`Proof::signature`] made.
pub(super) fn own_list(signature: &Signature) -> Option<Vec<Value>> {
    if signature.protocol != OPENAI_CHAT || !signature.value.starts_with("[{") {
        return None;
    }
    serde_json::from_str(&signature.value).ok()
}

/// Puts the text back into the detail that had it.
fn filled(mut detail: Value, text: &str) -> Value {
    let field = match kind(&detail) {
        "reasoning.text" => "text",
        "reasoning.summary" => "summary",
        _ => return detail,
    };
    if let Value::Object(map) = &mut detail {
        map.insert(field.to_owned(), text.into());
    }
    detail
}

fn kind(detail: &Value) -> &str {
    detail.get("type").and_then(Value::as_str).unwrap_or_default()
}

/// Returns the proof in a detail.
fn sealed(detail: &Value) -> Option<&str> {
    let field = |name| detail.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    field("signature").or_else(|| field("data"))
}

fn is_blank(value: &Value) -> bool {
    value.is_null() || value.as_str() == Some("")
}

fn format_word(protocol: ProtocolId) -> &'static str {
    if protocol == ANTHROPIC_MESSAGES {
        CLAUDE
    } else if protocol == OPENAI_RESPONSES {
        "openai-responses-v1"
    } else if protocol == GEMINI_GENERATE {
        "google-gemini-v1"
    } else {
        "unknown"
    }
}
