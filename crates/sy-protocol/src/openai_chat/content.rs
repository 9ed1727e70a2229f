//! What stands in a message or a delta of an answer: texts, lists of parts, pictures, sources, proofs.
//!
//! Called by the reader of whole answers and by the stream decoder, which share every oddity of vendors here. It reads what
//! it understands and passes over the rest: a provider's answer is never refused for an extra field.

use serde_json::Value;
use sy_types::Media as Kind;
use sy_types::chat::{Citation, FinishReason, Media, Signature};

use crate::ids::OPENAI_CHAT;
use crate::media;
use crate::signature;

/// One piece of `content`.
#[derive(Debug, PartialEq)]
pub(super) enum Piece {
    Text(String),
    Reasoning(String),
    Refusal(String),
    Media(Media),
}

/// Reads `content`: a text, or Mistral's list of typed chunks.
pub(super) fn pieces(content: Option<&Value>) -> Vec<Piece> {
    match content {
        Some(Value::String(text)) if !text.is_empty() => vec![Piece::Text(text.clone())],
        Some(Value::Array(items)) => items.iter().filter_map(piece).collect(),
        _ => Vec::new(),
    }
}

fn piece(item: &Value) -> Option<Piece> {
    let text = |field: &str| {
        item.get(field).and_then(Value::as_str).map(str::to_owned).filter(|text| !text.is_empty())
    };
    match item.get("type").and_then(Value::as_str)? {
        "text" | "output_text" => text("text").map(Piece::Text),
        "refusal" => text("refusal").map(Piece::Refusal),
        "thinking" => Some(Piece::Reasoning(thinking(item.get("thinking")?))),
        "image_url" => image(item).map(Piece::Media),
        _ => None,
    }
}

/// Reads the inside of a `thinking` chunk: a text, or a list of texts.
pub(super) fn thinking(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().filter_map(|item| item.get("text")?.as_str()).collect(),
        _ => String::new(),
    }
}

/// Returns the plain reasoning text of a message or delta: `reasoning_content` (most) or `reasoning` (Groq, OpenRouter).
pub(super) fn reasoning(message: &Value) -> &str {
    let field = |name| message.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    field("reasoning_content").or_else(|| field("reasoning")).unwrap_or_default()
}

/// Returns the generated pictures (OpenRouter's `images`) and the generated sound.
pub(super) fn generated(message: &Value) -> Vec<Media> {
    let images = message.get("images").and_then(Value::as_array);
    let mut found: Vec<Media> = images.into_iter().flatten().filter_map(image).collect();
    if let Some(data) =
        message.pointer("/audio/data").and_then(Value::as_str).filter(|data| !data.is_empty())
    {
        found.push(media::inline_media(Some("audio/wav".to_owned()), data, Kind::Audio));
    }
    found
}

fn image(item: &Value) -> Option<Media> {
    let url = item.pointer("/image_url/url").or_else(|| item.get("image_url"))?.as_str()?;
    Some(media::from_url(url, Kind::Image))
}

/// Reads `annotations`: the sources that the model names for its text.
pub(super) fn citations(message: &Value) -> Vec<Citation> {
    let annotations = message.get("annotations").and_then(Value::as_array);
    annotations.into_iter().flatten().filter_map(|item| source(item.get("url_citation")?)).collect()
}

/// Reads the lists of sources that some search models put beside the choices: `search_results` and `citations`
/// (Perplexity), `web_search` (Z.AI), `venice_parameters.web_search_citations` (Venice).
pub(super) fn sources(answer: &Value) -> Vec<Citation> {
    let list =
        |path| answer.pointer(path).and_then(Value::as_array).filter(|list| !list.is_empty());
    let described = list("/search_results")
        .or_else(|| list("/web_search"))
        .or_else(|| list("/venice_parameters/web_search_citations"));
    if let Some(described) = described {
        return described.iter().filter_map(source).collect();
    }
    let bare = list("/citations").into_iter().flatten();
    bare.filter_map(|url| Some(Citation { url: url.as_str()?.to_owned(), ..Citation::default() }))
        .collect()
}

fn source(item: &Value) -> Option<Citation> {
    let field = |name| {
        item.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
    };
    Some(Citation {
        url: field("url").or_else(|| field("link"))?,
        title: field("title"),
        quote: field("content").or_else(|| field("snippet")),
    })
}

/// Reads the proof that Google puts on calls and messages.
pub(super) fn extra_signature(holder: &Value) -> Option<Signature> {
    let text = holder
        .pointer("/extra_content/google/thought_signature")
        .or_else(|| holder.get("thought_signature"));
    let text = text.and_then(Value::as_str).filter(|text| !text.is_empty())?;
    Some(signature::read(text, OPENAI_CHAT))
}

/// Writes the proof as Google does.
pub(super) fn extra_content(signature: &Signature) -> Value {
    serde_json::json!({ "google": { "thought_signature": signature::write(signature, OPENAI_CHAT) } })
}

/// Reads a finish word of any vendor; `None` for none.
pub(crate) fn finish(word: &str) -> Option<FinishReason> {
    Some(match word {
        "" => return None,
        "stop" | "end_turn" | "stop_sequence" | "eos" => FinishReason::Stop,
        "length"
        | "max_tokens"
        | "max_output_tokens"
        | "model_length"
        | "model_context_window_exceeded" => FinishReason::Length,
        "tool_calls" | "function_call" | "tool_use" => FinishReason::ToolCalls,
        "content_filter" | "sensitive" => FinishReason::ContentFilter,
        "refusal" => FinishReason::Refusal,
        "error" | "network_error" | "insufficient_system_resource" => FinishReason::Error,
        other => FinishReason::Other(other.to_owned()),
    })
}

/// Settles why an answer ended: calls that are there must be answered, whatever the word (Gemini and others say `stop`), and
/// an answer without a word that is known to be whole was complete.
pub(super) fn settled(reason: Option<FinishReason>, has_calls: bool) -> FinishReason {
    match reason {
        None | Some(FinishReason::Stop) if has_calls => FinishReason::ToolCalls,
        None => FinishReason::Stop,
        Some(reason) => reason,
    }
}

/// Writes a finish word of OpenAI's, the nearest where it has none. It has none for errors: clients that check the word (the
/// enum of OpenAI's SDKs, read 2026-11) refuse any other.
pub(super) fn finish_word(reason: &FinishReason) -> &'static str {
    match reason {
        FinishReason::Stop | FinishReason::Pause | FinishReason::Error | FinishReason::Other(_) => {
            "stop"
        }
        FinishReason::Length => "length",
        FinishReason::ToolCalls => "tool_calls",
        FinishReason::ContentFilter | FinishReason::Refusal => "content_filter",
    }
}
