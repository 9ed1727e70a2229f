//! Finish reasons, token counts and sources of an answer, both ways.
//!
//! Shared by the decoders and encoders of whole and streamed answers. One table each, so that what is written is read back as
//! the same class.

use serde_json::{Map, Value, json};
use sy_types::chat::{Citation, FinishReason, Usage};

/// Finish words that say that a safety system cut the answer (ai.google.dev/api/generate-content and Vertex, read 2026-11;
/// `MODEL_ARMOR` was recorded).
const FILTERED: [&str; 10] = [
    "SAFETY",
    "RECITATION",
    "BLOCKLIST",
    "PROHIBITED_CONTENT",
    "SPII",
    "IMAGE_SAFETY",
    "IMAGE_PROHIBITED_CONTENT",
    "IMAGE_RECITATION",
    "MODEL_ARMOR",
    "JAILBREAK",
];

/// Finish words that say that the model wrote something that could not be used.
const FAILED: [&str; 5] = [
    "MALFORMED_RESPONSE",
    "MALFORMED_FUNCTION_CALL",
    "UNEXPECTED_TOOL_CALL",
    "TOO_MANY_TOOL_CALLS",
    "MISSING_THOUGHT_SIGNATURE",
];

/// Reads a finish word. This wire has none for tool calls: an answer that holds some and stopped waits for them.
pub(super) fn finish_reason(word: &str, has_calls: bool) -> FinishReason {
    match word {
        // `FUNCTION_CALL` is not Google's word, but servers that speak this wire use it.
        "STOP" | "FUNCTION_CALL" if has_calls => FinishReason::ToolCalls,
        "STOP" => FinishReason::Stop,
        "MAX_TOKENS" => FinishReason::Length,
        _ if FILTERED.contains(&word) => FinishReason::ContentFilter,
        _ if FAILED.contains(&word) => FinishReason::Error,
        _ => FinishReason::Other(word.to_owned()),
    }
}

/// Writes a finish word that every SDK of Google's knows. A refusal and a filter are one class here, and errors are said with the
/// oldest word for one; a paused turn and words of others are `OTHER`.
pub(super) fn finish_word(reason: &FinishReason) -> &str {
    match reason {
        FinishReason::Stop | FinishReason::ToolCalls => "STOP",
        FinishReason::Length => "MAX_TOKENS",
        FinishReason::ContentFilter | FinishReason::Refusal => "SAFETY",
        FinishReason::Error => "MALFORMED_FUNCTION_CALL",
        FinishReason::Other(word)
            if matches!(word.as_str(), "LANGUAGE" | "NO_IMAGE" | "IMAGE_OTHER") =>
        {
            word
        }
        FinishReason::Pause | FinishReason::Other(_) => "OTHER",
    }
}

/// Reads token counts. Thoughts and the prompts of server tools are counted beside the rest on this wire.
pub(super) fn usage(metadata: &Value) -> Usage {
    let count = |key: &str| metadata.get(key).and_then(crate::json::count).unwrap_or_default();
    let reasoning = count("thoughtsTokenCount");
    Usage {
        input: count("promptTokenCount").saturating_add(count("toolUsePromptTokenCount")),
        cache_read: count("cachedContentTokenCount"),
        cache_write: 0,
        output: count("candidatesTokenCount").saturating_add(reasoning),
        reasoning,
    }
}

/// Returns true for counts that say something of the answer, not of the prompt alone.
pub(super) fn counts_answer(metadata: &Value) -> bool {
    metadata.get("candidatesTokenCount").is_some() || metadata.get("thoughtsTokenCount").is_some()
}

/// Writes token counts. The API has no field for what was written to a cache: it stays part of the prompt.
pub(super) fn usage_metadata(usage: &Usage) -> Value {
    let mut counts = Map::new();
    counts.insert("promptTokenCount".to_owned(), Value::from(usage.input));
    counts.insert(
        "candidatesTokenCount".to_owned(),
        Value::from(usage.output.saturating_sub(usage.reasoning)),
    );
    counts.insert("totalTokenCount".to_owned(), Value::from(usage.total()));
    if usage.cache_read > 0 {
        counts.insert("cachedContentTokenCount".to_owned(), Value::from(usage.cache_read));
    }
    if usage.reasoning > 0 {
        counts.insert("thoughtsTokenCount".to_owned(), Value::from(usage.reasoning));
    }
    Value::Object(counts)
}

/// Reads the sources that a candidate names.
pub(super) fn citations(candidate: &Value) -> Vec<Citation> {
    let mut found = Vec::new();
    if let Some(grounding) = candidate.get("groundingMetadata") {
        let sources: Vec<Option<Citation>> =
            list(grounding, "groundingChunks").iter().map(source).collect();
        let mut quoted = vec![false; sources.len()];
        for support in list(grounding, "groundingSupports") {
            let quote = support.pointer("/segment/text").and_then(Value::as_str);
            for index in list(support, "groundingChunkIndices") {
                let at = index
                    .as_u64()
                    .and_then(|index| usize::try_from(index).ok())
                    .unwrap_or(usize::MAX);
                let Some(Some(source)) = sources.get(at) else { continue };
                found.push(Citation { quote: quote.map(str::to_owned), ..source.clone() });
                quoted.get_mut(at).into_iter().for_each(|quoted| *quoted = true);
            }
        }
        let unquoted = sources.into_iter().zip(quoted).filter(|(_, quoted)| !quoted);
        found.extend(unquoted.filter_map(|(source, _)| source));
    }
    if let Some(recited) = candidate.get("citationMetadata") {
        let sources = list(recited, "citations").iter().chain(list(recited, "citationSources"));
        found.extend(sources.filter_map(page));
    }
    found
}

/// Reads one grounding chunk; those without an address (file search) name no source that a client could open.
fn source(chunk: &Value) -> Option<Citation> {
    page(chunk.get("web").or_else(|| chunk.get("retrievedContext")).or_else(|| chunk.get("maps"))?)
}

fn page(source: &Value) -> Option<Citation> {
    let text = |key: &str| source.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    let url = text("uri")?.to_owned();
    Some(Citation { url, title: text("title").map(str::to_owned), quote: None })
}

/// Writes sources as `groundingMetadata`; `None` when there are none.
pub(super) fn grounding_metadata(citations: &[Citation]) -> Option<Value> {
    if citations.is_empty() {
        return None;
    }
    let chunks = citations.iter().map(|citation| match &citation.title {
        Some(title) => json!({ "web": { "uri": citation.url, "title": title } }),
        None => json!({ "web": { "uri": citation.url } }),
    });
    let supports = citations.iter().enumerate().filter_map(|(index, citation)| {
        let quote = citation.quote.as_ref()?;
        Some(json!({ "groundingChunkIndices": [index], "segment": { "text": quote } }))
    });
    Some(
        json!({ "groundingChunks": chunks.collect::<Vec<_>>(), "groundingSupports": supports.collect::<Vec<_>>() }),
    )
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}
