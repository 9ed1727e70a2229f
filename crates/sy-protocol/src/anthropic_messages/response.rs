//! Whole answers, both ways, and the words, counts and blocks that they share with streams.
//!
//! Called through the faces and by `decoder` and `encoder`. Reading is lenient: it takes what it understands and keeps what only
//! this protocol knows. It deliberately writes nothing for media and for blocks of other protocols, which have no form here.

use bytes::Bytes;
use serde_json::{Map, Value, json};
use sy_types::chat::{
    ChatResponse, Citation, Dropped, FinishReason, Opaque, Part, Reasoning, Text, ToolCall, Usage,
};
use sy_types::{ErrorKind, Failure};

use super::{failure, proof};
use crate::face::ReplyInfo;
use crate::ids::ANTHROPIC_MESSAGES;

/// Fields of an answer that say something no other protocol can say.
const UNMAPPED: [&str; 2] = ["container", "context_management"];

/// Reads a whole answer.
pub(super) fn decode(body: &[u8]) -> Result<ChatResponse, Failure> {
    let value: Value = crate::json::read(body).map_err(|error| {
        Failure::provider(ErrorKind::Malformed, format!("the answer is not JSON: {error}"))
    })?;
    if value.get("error").is_some_and(|error| !error.is_null()) {
        return Err(failure::decode_in_band(&value));
    }
    let Value::Object(mut answer) = value else {
        return Err(no_message("an answer that is no JSON object"));
    };
    let blocks = match answer.remove("content") {
        Some(Value::Array(blocks)) => blocks,
        Some(Value::Null) => Vec::new(),
        Some(Value::String(text)) => vec![json!({ "type": "text", "text": text })],
        _ => return Err(no_message("an answer without content")),
    };
    let text = |name: &str| {
        answer.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
    };
    let mut counts = Counts::default();
    counts.take(answer.get("usage"));
    let mut parts = parts(blocks);
    parts.extend(explanation(&Value::Object(answer.clone())).map(Part::Refusal));
    let unmapped =
        UNMAPPED.into_iter().filter(|name| answer.get(*name).is_some_and(|value| !value.is_null()));
    Ok(ChatResponse {
        id: text("id"),
        model: text("model"),
        created: None,
        parts,
        finish: text("stop_reason").map(|word| finish(&word)),
        stop_sequence: text("stop_sequence"),
        usage: counts.usage(),
        unmapped: unmapped
            .map(|name| Dropped::new(name, "no counterpart in other protocols"))
            .collect(),
        ..ChatResponse::default()
    })
}

/// Returns the provider's explanation of a refusal (`stop_details`), which stands beside `stop_reason` in a whole answer and in
/// the last delta of a stream.
pub(super) fn explanation(holder: &Value) -> Option<String> {
    let text = holder.get("stop_details")?.get("explanation")?.as_str()?;
    (!text.trim().is_empty()).then(|| text.to_owned())
}

fn no_message(what: &str) -> Failure {
    Failure::provider(ErrorKind::Malformed, format!("expected a message with content, got {what}"))
}

fn parts(blocks: Vec<Value>) -> Vec<Part> {
    let mut parts = Vec::with_capacity(blocks.len());
    let mut carried = None;
    for block in blocks {
        if let Some(proof) = proof::carried(&block) {
            carried = Some(proof);
            continue;
        }
        let mut part = part(block);
        if let Some(Part::ToolCall(call)) = &mut part {
            call.signature = carried.take();
        }
        parts.extend(part);
    }
    parts
}

/// Reads one block of an answer; `None` for a value that is no block.
pub(super) fn part(block: Value) -> Option<Part> {
    let kind = block.get("type")?.as_str()?.to_owned();
    let text = |name: &str| block.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    Some(match kind.as_str() {
        "text" => Part::Text(Text {
            text: text("text"),
            citations: block
                .get("citations")
                .and_then(Value::as_array)
                .map_or_else(Vec::new, |list| list.iter().filter_map(citation).collect()),
            ..Text::default()
        }),
        "thinking" => Part::Reasoning(Reasoning {
            text: text("thinking"),
            signature: proof::read(&text("signature")),
            ..Reasoning::default()
        }),
        "redacted_thinking" => Part::Reasoning(Reasoning {
            signature: proof::read(&text("data")),
            redacted: true,
            ..Reasoning::default()
        }),
        "tool_use" => Part::ToolCall(ToolCall {
            id: text("id"),
            name: text("name"),
            arguments: arguments(block.get("input")),
            custom: false,
            signature: None,
            cache: false,
        }),
        _ => Part::Opaque(Opaque { protocol: ANTHROPIC_MESSAGES, kind, value: block }),
    })
}

/// Returns the arguments text of an `input`, which should be an object; some imitators send text.
pub(super) fn arguments(input: Option<&Value>) -> String {
    match input {
        None | Some(Value::Null) => "{}".to_owned(),
        Some(Value::String(text)) if text.is_empty() => "{}".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => crate::json::text(other),
    }
}

/// Returns the `input` object for an arguments text, and whether it had to be wrapped: `{"input": …}` stands for free text and for
/// JSON that is no object.
pub(super) fn input(arguments: &str, custom: bool) -> (Value, bool) {
    if custom {
        return (json!({ "input": arguments }), false);
    }
    if arguments.trim().is_empty() {
        return (json!({}), false);
    }
    match crate::json::read::<Value>(arguments.as_bytes()) {
        Ok(object @ Value::Object(_)) => (object, false),
        Ok(Value::Null) => (json!({}), false),
        Ok(other) => (json!({ "input": other }), true),
        Err(_) => (json!({ "input": arguments }), true),
    }
}

/// Reads one citation: of a web page, a search result or a document.
pub(super) fn citation(value: &Value) -> Option<Citation> {
    let text = |name: &str| {
        value.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
    };
    let citation = Citation {
        url: text("url").or_else(|| text("source")).unwrap_or_default(),
        title: text("title").or_else(|| text("document_title")),
        quote: text("cited_text"),
    };
    (citation != Citation::default()).then_some(citation)
}

/// Writes a citation: of a web page where it has an address, else of a document. `encrypted_index`, which only the search that
/// made it can fill, is marked, so that it is taken out before it reaches a provider.
pub(super) fn write_citation(citation: &Citation) -> Value {
    let quote = citation.quote.as_deref().unwrap_or_default();
    if citation.url.is_empty() {
        return json!({
            "type": "char_location", "cited_text": quote, "document_index": 0, "document_title": citation.title,
            "start_char_index": 0, "end_char_index": quote.chars().count(), "file_id": null,
        });
    }
    json!({
        "type": "web_search_result_location", "cited_text": quote, "url": citation.url, "title": citation.title,
        "encrypted_index": proof::MARK,
    })
}

/// Reads why an answer ended. A full context window is a limit like any other.
pub(super) fn finish(word: &str) -> FinishReason {
    match word {
        "end_turn" | "stop_sequence" => FinishReason::Stop,
        "max_tokens" | "model_context_window_exceeded" => FinishReason::Length,
        "tool_use" => FinishReason::ToolCalls,
        "refusal" => FinishReason::Refusal,
        "pause_turn" => FinishReason::Pause,
        other => FinishReason::Other(other.to_owned()),
    }
}

/// Writes why an answer ended. There is no word for a safety filter (`refusal` is nearest) and none for an error.
pub(super) fn stop_reason(reason: &FinishReason, stop_sequence: Option<&str>) -> &'static str {
    match reason {
        FinishReason::Stop if stop_sequence.is_some() => "stop_sequence",
        FinishReason::Stop | FinishReason::Error | FinishReason::Other(_) => "end_turn",
        FinishReason::Length => "max_tokens",
        FinishReason::ToolCalls => "tool_use",
        FinishReason::ContentFilter | FinishReason::Refusal => "refusal",
        FinishReason::Pause => "pause_turn",
    }
}

/// Token counts as this protocol gives them: cached prompt tokens beside the others, in pieces that add up over a stream.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    fresh: u64,
    cache_read: u64,
    cache_write: u64,
    output: u64,
    thinking: u64,
}

impl Counts {
    /// Takes a report in. Counts are cumulative: a later one replaces an earlier one, also where it is smaller, and prompt counts
    /// are replaced as a whole, since some gateways split a first guess into cached and fresh tokens later. A report of zeros
    /// says nothing.
    pub(super) fn take(&mut self, usage: Option<&Value>) {
        let Some(usage) = usage else { return };
        let count = |name: &str| usage.get(name).and_then(crate::json::count);
        let prompt = [
            count("input_tokens"),
            count("cache_read_input_tokens"),
            count("cache_creation_input_tokens"),
        ];
        if prompt.iter().flatten().any(|tokens| *tokens > 0) {
            let [fresh, read, write] = prompt;
            self.fresh = fresh.unwrap_or(self.fresh);
            self.cache_read = read.unwrap_or(self.cache_read);
            self.cache_write = write.unwrap_or(self.cache_write);
        }

        let output = count("output_tokens");
        let says_something = prompt.iter().flatten().chain(&output).any(|tokens| *tokens > 0);
        self.output = output.filter(|_| says_something).unwrap_or(self.output);
        let details =
            usage.get("output_tokens_details").and_then(|details| details.get("thinking_tokens"));
        let thinking = details.and_then(crate::json::count).filter(|_| says_something);
        self.thinking = thinking.unwrap_or(self.thinking).min(self.output);
    }

    /// Returns the counts in canonical form; `None` as long as all are zero.
    pub(super) fn usage(&self) -> Option<Usage> {
        let usage = Usage {
            input: self.fresh.saturating_add(self.cache_read).saturating_add(self.cache_write),
            cache_read: self.cache_read,
            cache_write: self.cache_write,
            output: self.output,
            reasoning: self.thinking,
        };
        (usage != Usage::default()).then_some(usage)
    }
}

/// Writes token counts.
pub(super) fn write_usage(usage: &Usage) -> Value {
    let mut counts = json!({
        "input_tokens": usage.input.saturating_sub(usage.cache_read.saturating_add(usage.cache_write)),
        "cache_creation_input_tokens": usage.cache_write,
        "cache_read_input_tokens": usage.cache_read,
        "output_tokens": usage.output,
    });
    if let (true, Some(counts)) = (usage.reasoning > 0, counts.as_object_mut()) {
        counts.insert(
            "output_tokens_details".to_owned(),
            json!({ "thinking_tokens": usage.reasoning }),
        );
    }
    counts
}

/// Writes a whole answer.
pub(super) fn encode(info: &ReplyInfo<'_>, response: &ChatResponse) -> Bytes {
    let stop_sequence = response.stop_sequence.as_deref();
    let reason = response.finish.as_ref().unwrap_or(&FinishReason::Stop);
    let mut message = head(info, response.id.as_deref(), response.model.as_deref());
    message.insert("content".to_owned(), response.parts.iter().flat_map(blocks).collect());
    message.insert("stop_reason".to_owned(), stop_reason(reason, stop_sequence).into());
    message.insert("stop_sequence".to_owned(), stop_sequence.into());
    message.insert("usage".to_owned(), write_usage(&response.usage.unwrap_or_default()));
    Bytes::from(crate::json::write(&message))
}

/// Makes the fields with which a message begins, whole or streamed.
pub(super) fn head(
    info: &ReplyInfo<'_>,
    id: Option<&str>,
    model: Option<&str>,
) -> Map<String, Value> {
    let id = id.map_or_else(|| format!("msg_{}", info.request_id), str::to_owned);
    let model = model.unwrap_or(&info.inbound.head().model);
    let mut message = Map::new();
    message.insert("id".to_owned(), id.into());
    message.insert("type".to_owned(), "message".into());
    message.insert("role".to_owned(), "assistant".into());
    message.insert("model".to_owned(), model.into());
    message
}

/// Writes one part as blocks: none where it is empty or has no form here, two where a tool call brings a proof along.
fn blocks(part: &Part) -> Vec<Value> {
    match part {
        Part::Text(text) if !text.text.is_empty() || !text.citations.is_empty() => {
            let mut block = json!({ "type": "text", "text": text.text });
            if let (false, Some(block)) = (text.citations.is_empty(), block.as_object_mut()) {
                block.insert(
                    "citations".to_owned(),
                    text.citations.iter().map(write_citation).collect(),
                );
            }
            vec![block]
        }
        Part::Refusal(text) if !text.is_empty() => vec![json!({ "type": "text", "text": text })],
        Part::Reasoning(reasoning) => reasoning_block(reasoning).into_iter().collect(),
        Part::ToolCall(call) => {
            let (input, _) = input(&call.arguments, call.custom);
            let block =
                json!({ "type": "tool_use", "id": call.id, "name": call.name, "input": input });
            call.signature.iter().map(proof::carrier).chain([block]).collect()
        }
        Part::Opaque(opaque) if opaque.protocol == ANTHROPIC_MESSAGES => vec![opaque.value.clone()],
        Part::Text(_)
        | Part::Refusal(_)
        | Part::Media(_)
        | Part::ToolResult(_)
        | Part::Opaque(_) => Vec::new(),
    }
}

fn reasoning_block(reasoning: &Reasoning) -> Option<Value> {
    let proof = reasoning.signature.as_ref();
    if reasoning.redacted && reasoning.text.is_empty() {
        return proof.map(|_| json!({ "type": "redacted_thinking", "data": proof::write(proof) }));
    }
    let is_empty = reasoning.text.is_empty() && proof.is_none();
    (!is_empty).then(|| json!({ "type": "thinking", "thinking": reasoning.text, "signature": proof::write(proof) }))
}
