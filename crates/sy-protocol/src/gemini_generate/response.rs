//! Whole answers, both ways.
//!
//! A provider's answer is read by the same machine that reads its streams, so that both give the same parts.

use serde_json::{Map, Value, json};
use sy_types::chat::{
    ChatResponse, Choice, Citation, Dropped, FinishReason, Fold, Part, Text, TokenLogprob,
};
use sy_types::{ErrorKind, Failure};

use super::decoder::Decoder;
use super::{answer, parts};
use crate::face::ReplyInfo;
use crate::logprobs;

/// Fields of a candidate that the canonical form has a place for, or that say nothing a client could miss.
const KNOWN: [&str; 9] = [
    "content",
    "finishReason",
    "finishMessage",
    "index",
    "groundingMetadata",
    "citationMetadata",
    "avgLogprobs",
    "logprobsResult",
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
        report_rest(fragment, value.is_object(), &mut unmapped);
    }
    let (logprobs, others) = beside(&value)?;

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
    (response.unmapped, response.logprobs, response.others) = (unmapped, logprobs, others);
    Ok(response)
}

/// Reads what a stream of events has no place for: how likely the tokens were, and the candidates behind the first.
fn beside(answer: &Value) -> Result<(Vec<TokenLogprob>, Vec<Choice>), Failure> {
    let tokens = |candidate: &Value| {
        candidate.get("logprobsResult").map(logprobs::read_gemini).unwrap_or_default()
    };
    let candidates = answer.get("candidates").and_then(Value::as_array).map(Vec::as_slice);
    let (mut first, mut others) = (Vec::new(), Vec::new());
    for (at, candidate) in candidates.unwrap_or_default().iter().enumerate() {
        let index = candidate.get("index").and_then(Value::as_u64).unwrap_or(at as u64);
        if index == 0 {
            first = tokens(candidate);
            continue;
        }

        // Read as the answer that it would be alone; its own index would have it passed over.
        let mut alone = candidate.clone();
        if let Value::Object(alone) = &mut alone {
            alone.shift_remove("index");
        }
        let (mut decoder, mut events, mut fold) = (Decoder::default(), Vec::new(), Fold::default());
        decoder.fragment(json!({ "candidates": [alone] }), &mut events)?;
        decoder.complete(&mut events);
        events.iter().for_each(|event| fold.push(event));
        let ChatResponse { parts, finish, .. } = fold.into_response()?;
        others.push(Choice { parts, finish, logprobs: tokens(candidate) });
    }
    Ok((first, others))
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

/// Reports what a fragment holds that has no place. Only one that is the whole answer gives all its candidates.
fn report_rest(fragment: &Value, is_whole: bool, unmapped: &mut Vec<Dropped>) {
    let candidates =
        fragment.get("candidates").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    for (index, candidate) in candidates.iter().enumerate() {
        if index > 0 && !is_whole {
            report_once(unmapped, format!("candidates[{index}]"), "one answer is given");
            continue;
        }
        for key in candidate.as_object().into_iter().flat_map(Map::keys) {
            if !KNOWN.contains(&key.as_str()) {
                report_once(
                    unmapped,
                    format!("candidates[{index}].{key}"),
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
    let first = candidate(0, &response.parts, response.finish.as_ref(), &response.logprobs);
    let others = response.others.iter().enumerate().map(|(index, choice)| {
        candidate(index + 1, &choice.parts, choice.finish.as_ref(), &choice.logprobs)
    });
    let mut out = Map::new();
    out.insert("candidates".to_owned(), std::iter::once(first).chain(others).collect());
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

fn candidate(
    index: usize,
    said: &[Part],
    finish: Option<&FinishReason>,
    tokens: &[TokenLogprob],
) -> Value {
    let written: Vec<Value> = said.iter().filter_map(parts::answer_part).collect();
    let reason = finish.unwrap_or(&FinishReason::Stop);
    let citations: Vec<Citation> = said.iter().flat_map(citations_of).cloned().collect();

    let mut candidate = Map::new();
    candidate.insert(
        "content".to_owned(),
        parts::object([("parts", Value::Array(written)), ("role", Value::from("model"))]),
    );
    candidate.insert("finishReason".to_owned(), Value::from(answer::finish_word(reason)));
    candidate.insert("index".to_owned(), Value::from(index));
    if let Some(grounding) = answer::grounding_metadata(&citations) {
        candidate.insert("groundingMetadata".to_owned(), grounding);
    }
    logprobs::write_gemini(tokens, &mut candidate);
    Value::Object(candidate)
}

fn citations_of(part: &Part) -> &[Citation] {
    if let Part::Text(text) = part { &text.citations } else { &[] }
}
