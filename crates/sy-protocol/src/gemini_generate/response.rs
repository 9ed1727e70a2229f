//! Whole answers, both ways.
//!
//! A provider's answer is read by the same machine that reads its streams, so that both give the same parts.

use serde_json::{Map, Value};
use sy_types::chat::{ChatResponse, Citation, Dropped, FinishReason, Fold, Part, Text};
use sy_types::{ErrorKind, Failure};

use super::decoder::Decoder;
use super::{answer, parts};
use crate::face::ReplyInfo;

/// Fields of a candidate that the canonical form has a place for, or that say nothing a client could miss.
const KNOWN: [&str; 8] = [
    "content",
    "finishReason",
    "finishMessage",
    "index",
    "groundingMetadata",
    "citationMetadata",
    "avgLogprobs",
    "tokenCount",
];

/// Reads a whole answer: one object, or the list of fragments that a stream without `alt=sse` is.
pub(super) fn decode(body: &[u8]) -> Result<ChatResponse, Failure> {
    let value: Value = crate::json::read(body).map_err(|error| {
        Failure::provider(
            ErrorKind::Malformed,
            format!("the provider sent an answer that is not JSON: {error}"),
        )
    })?;
    let mut unmapped = Vec::new();
    for fragment in value.as_array().map_or(std::slice::from_ref(&value), Vec::as_slice) {
        report_rest(fragment, &mut unmapped);
    }
    let mut decoder = Decoder::default();
    let mut events = Vec::new();
    decoder.fragment(value, &mut events)?;
    let has_answered = decoder.has_answered();
    let late = decoder.take_citations();
    decoder.complete(&mut events);
    let mut fold = Fold::default();
    events.iter().for_each(|event| fold.push(event));
    let mut response = fold.into_response()?;
    if !has_answered {
        let message = "the provider sent an answer without candidates and without a reason for it";
        return Err(Failure::provider(ErrorKind::Malformed, message));
    }
    hang(late, &mut response.parts);
    response.unmapped = unmapped;
    Ok(response)
}

/// Hangs sources that were named behind a call on the text before it.
fn hang(citations: Vec<Citation>, parts: &mut Vec<Part>) {
    if citations.is_empty() {
        return;
    }
    let last = parts
        .iter_mut()
        .rev()
        .find_map(|part| if let Part::Text(text) = part { Some(text) } else { None });
    match last {
        Some(text) => text.citations.extend(citations),
        None => parts.push(Part::Text(Text { citations, ..Text::default() })),
    }
}

fn report_rest(fragment: &Value, unmapped: &mut Vec<Dropped>) {
    let candidates =
        fragment.get("candidates").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    for (index, candidate) in candidates.iter().enumerate() {
        if index > 0 {
            report_once(unmapped, format!("candidates[{index}]"), "one answer is given");
            continue;
        }
        for key in candidate.as_object().into_iter().flat_map(Map::keys) {
            if !KNOWN.contains(&key.as_str()) {
                report_once(
                    unmapped,
                    format!("candidates[0].{key}"),
                    "no counterpart in other protocols",
                );
            }
        }
    }
}

fn report_once(unmapped: &mut Vec<Dropped>, field: String, reason: &'static str) {
    let dropped = Dropped::new(field, reason);
    if !unmapped.contains(&dropped) {
        unmapped.push(dropped);
    }
}

/// Writes a whole answer.
pub(super) fn encode(info: &ReplyInfo<'_>, response: &ChatResponse) -> Value {
    let written: Vec<Value> = response.parts.iter().filter_map(parts::answer_part).collect();
    let reason = response.finish.as_ref().unwrap_or(&FinishReason::Stop);
    let citations: Vec<Citation> = response.parts.iter().flat_map(citations_of).cloned().collect();
    let mut candidate = Map::new();
    candidate.insert(
        "content".to_owned(),
        parts::object([("parts", Value::Array(written)), ("role", Value::from("model"))]),
    );
    candidate.insert("finishReason".to_owned(), Value::from(answer::finish_word(reason)));
    candidate.insert("index".to_owned(), Value::from(0));
    if let Some(grounding) = answer::grounding_metadata(&citations) {
        candidate.insert("groundingMetadata".to_owned(), grounding);
    }
    let mut out = Map::new();
    out.insert("candidates".to_owned(), Value::Array(vec![Value::Object(candidate)]));
    if let Some(usage) = &response.usage {
        out.insert("usageMetadata".to_owned(), answer::usage_metadata(usage));
    }
    let model = response.model.as_deref().unwrap_or(&info.inbound.head().model);
    out.insert("modelVersion".to_owned(), Value::from(model));
    out.insert(
        "responseId".to_owned(),
        Value::from(response.id.as_deref().unwrap_or(info.request_id)),
    );
    Value::Object(out)
}

fn citations_of(part: &Part) -> &[Citation] {
    if let Part::Text(text) = part { &text.citations } else { &[] }
}
