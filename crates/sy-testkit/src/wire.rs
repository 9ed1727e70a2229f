//! Bodies and streams in the four dialects, as providers write them (docs read 2026-11-21).

use bytes::Bytes;
use serde_json::{Value, json};

/// The tokens that every body here reports.
pub const INPUT_TOKENS: u64 = 11;

/// A dialect that providers speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// OpenAI chat completions.
    Chat,
    /// OpenAI responses.
    Responses,
    /// Anthropic messages.
    Anthropic,
    /// Gemini generateContent.
    Gemini,
}

impl Wire {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Chat, Self::Responses, Self::Anthropic, Self::Gemini];

    /// Returns the name under which the product registers the protocol.
    pub fn protocol(self) -> &'static str {
        match self {
            Self::Chat => "openai_chat",
            Self::Responses => "openai_responses",
            Self::Anthropic => "anthropic_messages",
            Self::Gemini => "gemini_generate",
        }
    }

    /// Returns the package by which the catalog knows the protocol.
    pub fn npm(self) -> &'static str {
        match self {
            Self::Chat => "@ai-sdk/openai-compatible",
            Self::Responses => "@ai-sdk/openai",
            Self::Anthropic => "@ai-sdk/anthropic",
            Self::Gemini => "@ai-sdk/google",
        }
    }

    /// Returns a request of one user message.
    pub fn request(self, model: &str, stream: bool) -> Value {
        match self {
            Self::Chat => {
                json!({"model": model, "stream": stream, "messages": [{"role": "user", "content": "hi"}]})
            }
            Self::Responses => json!({"model": model, "stream": stream, "input": "hi"}),
            Self::Anthropic => {
                json!({"model": model, "stream": stream, "max_tokens": 64, "messages": [{"role": "user", "content": "hi"}]})
            }
            Self::Gemini => json!({"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}),
        }
    }

    /// Returns a whole answer of one text.
    pub fn whole(self, text: &str) -> Bytes {
        to_bytes(&match self {
            Self::Chat => json!({
                "id": "chatcmpl-1", "object": "chat.completion", "created": 1_700_000_000, "model": "fake",
                "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
                "usage": {"prompt_tokens": INPUT_TOKENS, "completion_tokens": 1, "total_tokens": INPUT_TOKENS + 1}
            }),
            Self::Responses => responses_object("completed", text, 1),
            Self::Anthropic => json!({
                "id": "msg_1", "type": "message", "role": "assistant", "model": "fake",
                "content": [{"type": "text", "text": text}], "stop_reason": "end_turn", "stop_sequence": null,
                "usage": {"input_tokens": INPUT_TOKENS, "output_tokens": 1}
            }),
            Self::Gemini => gemini_chunk(text, Some(1)),
        })
    }

    /// Returns a stream with `words` content events (`w0 `, `w1 `, …), one frame per piece. It reports `words` answer tokens.
    pub fn stream(self, words: usize) -> Vec<Bytes> {
        let mut frames = self.opening();
        frames.extend((0..words).map(|number| self.word(number)));
        frames.extend(self.closing(words));
        frames
    }

    /// Returns the first `words` content events of a stream, with what comes before them and nothing after.
    pub fn begun(self, words: usize) -> Vec<Bytes> {
        let mut frames = self.opening();
        frames.extend((0..words).map(|number| self.word(number)));
        frames
    }

    /// Returns the frame by which a provider reports an error inside a stream.
    pub fn error_event(self) -> Bytes {
        match self {
            Self::Chat => data(
                &json!({"error": {"message": "the engine is overloaded", "type": "server_error", "code": null}}),
            ),
            Self::Responses => event(
                "error",
                &json!({"type": "error", "code": "server_error", "message": "the engine is overloaded", "param": null, "sequence_number": 99}),
            ),
            Self::Anthropic => event(
                "error",
                &json!({"type": "error", "error": {"type": "overloaded_error", "message": "the engine is overloaded"}}),
            ),
            Self::Gemini => data(
                &json!({"error": {"code": 503, "message": "the engine is overloaded", "status": "UNAVAILABLE"}}),
            ),
        }
    }

    /// Returns a frame that adds nothing to an answer that has begun.
    pub fn blank_event(self) -> Bytes {
        match self {
            Self::Chat => chat_chunk(&json!({"content": ""}), None),
            Self::Responses => event(
                "response.output_text.delta",
                &json!({"type": "response.output_text.delta", "item_id": "msg_1", "output_index": 0,
                    "content_index": 0, "sequence_number": 99, "delta": ""}),
            ),
            Self::Anthropic => event(
                "content_block_delta",
                &json!({"type": "content_block_delta", "index": 0,
                    "delta": {"type": "text_delta", "text": ""}}),
            ),
            Self::Gemini => data(&gemini_chunk("", None)),
        }
    }

    /// Returns the body of an error answer.
    pub fn error(self, status: u16, message: &str) -> Bytes {
        to_bytes(&match self {
            Self::Chat | Self::Responses => {
                json!({"error": {"message": message, "type": "error", "param": null, "code": null}})
            }
            Self::Anthropic => {
                json!({"type": "error", "error": {"type": "error", "message": message}})
            }
            Self::Gemini => {
                json!({"error": {"code": status, "message": message, "status": "UNKNOWN"}})
            }
        })
    }

    fn opening(self) -> Vec<Bytes> {
        match self {
            Self::Chat => vec![chat_chunk(&json!({"role": "assistant", "content": ""}), None)],
            Self::Responses => vec![
                event(
                    "response.created",
                    &json!({"type": "response.created", "response": responses_object("in_progress", "", 0), "sequence_number": 0}),
                ),
                event(
                    "response.output_item.added",
                    &json!({"type": "response.output_item.added", "output_index": 0, "sequence_number": 1,
                    "item": {"id": "msg_1", "type": "message", "status": "in_progress", "role": "assistant", "content": []}}),
                ),
                event(
                    "response.content_part.added",
                    &json!({"type": "response.content_part.added", "item_id": "msg_1", "output_index": 0,
                    "content_index": 0, "sequence_number": 2, "part": {"type": "output_text", "text": "", "annotations": []}}),
                ),
            ],
            Self::Anthropic => vec![
                event(
                    "message_start",
                    &json!({"type": "message_start", "message": {"id": "msg_1", "type": "message", "role": "assistant",
                    "model": "fake", "content": [], "stop_reason": null, "stop_sequence": null,
                    "usage": {"input_tokens": INPUT_TOKENS, "output_tokens": 1}}}),
                ),
                event(
                    "content_block_start",
                    &json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
                ),
                event("ping", &json!({"type": "ping"})),
            ],
            Self::Gemini => vec![],
        }
    }

    fn word(self, number: usize) -> Bytes {
        let text = format!("w{number} ");
        match self {
            Self::Chat => chat_chunk(&json!({"content": text}), None),
            Self::Responses => event(
                "response.output_text.delta",
                &json!({"type": "response.output_text.delta", "item_id": "msg_1", "output_index": 0, "content_index": 0,
                    "sequence_number": number + 3, "delta": text}),
            ),
            Self::Anthropic => event(
                "content_block_delta",
                &json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}),
            ),
            Self::Gemini => data(&gemini_chunk(&text, None)),
        }
    }

    fn closing(self, words: usize) -> Vec<Bytes> {
        let text: String = (0..words).map(|number| format!("w{number} ")).collect();
        match self {
            Self::Chat => vec![
                chat_chunk(&json!({}), Some("stop")),
                data(
                    &json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_700_000_000, "model": "fake", "choices": [],
                    "usage": {"prompt_tokens": INPUT_TOKENS, "completion_tokens": words, "total_tokens": INPUT_TOKENS + words as u64}}),
                ),
                Bytes::from_static(b"data: [DONE]\n\n"),
            ],
            Self::Responses => vec![
                event(
                    "response.output_text.done",
                    &json!({"type": "response.output_text.done", "item_id": "msg_1", "output_index": 0,
                    "content_index": 0, "sequence_number": words + 3, "text": text}),
                ),
                event(
                    "response.content_part.done",
                    &json!({"type": "response.content_part.done", "item_id": "msg_1", "output_index": 0,
                    "content_index": 0, "sequence_number": words + 4, "part": {"type": "output_text", "text": text, "annotations": []}}),
                ),
                event(
                    "response.output_item.done",
                    &json!({"type": "response.output_item.done", "output_index": 0, "sequence_number": words + 5,
                    "item": {"id": "msg_1", "type": "message", "status": "completed", "role": "assistant",
                        "content": [{"type": "output_text", "text": text, "annotations": []}]}}),
                ),
                event(
                    "response.completed",
                    &json!({"type": "response.completed", "sequence_number": words + 6,
                    "response": responses_object("completed", &text, words)}),
                ),
            ],
            Self::Anthropic => vec![
                event("content_block_stop", &json!({"type": "content_block_stop", "index": 0})),
                event(
                    "message_delta",
                    &json!({"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": null},
                    "usage": {"output_tokens": words}}),
                ),
                event("message_stop", &json!({"type": "message_stop"})),
            ],
            Self::Gemini => vec![data(&gemini_chunk("", Some(words)))],
        }
    }
}

fn chat_chunk(delta: &Value, finish: Option<&str>) -> Bytes {
    data(
        &json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_700_000_000, "model": "fake",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}),
    )
}

fn responses_object(status: &str, text: &str, output: usize) -> Value {
    let is_done = status == "completed";
    let message = json!({"id": "msg_1", "type": "message", "status": status, "role": "assistant",
        "content": [{"type": "output_text", "text": text, "annotations": []}]});
    let usage = json!({"input_tokens": INPUT_TOKENS, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": output,
        "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": INPUT_TOKENS + output as u64});
    json!({"id": "resp_1", "object": "response", "created_at": 1_700_000_000, "status": status, "model": "fake", "error": null,
        "incomplete_details": null, "output": if is_done { json!([message]) } else { json!([]) },
        "usage": if is_done { usage } else { Value::Null }})
}

fn gemini_chunk(text: &str, output: Option<usize>) -> Value {
    let mut candidate =
        json!({"index": 0, "content": {"role": "model", "parts": [{"text": text}]}});
    let mut chunk = json!({"responseId": "r1", "modelVersion": "fake"});
    if let (Some(output), Some(candidate), Some(chunk)) =
        (output, candidate.as_object_mut(), chunk.as_object_mut())
    {
        candidate.insert("finishReason".to_owned(), json!("STOP"));
        chunk.insert(
            "usageMetadata".to_owned(),
            json!({"promptTokenCount": INPUT_TOKENS, "candidatesTokenCount": output, "totalTokenCount": INPUT_TOKENS + output as u64}),
        );
    }
    if let Some(chunk) = chunk.as_object_mut() {
        chunk.insert("candidates".to_owned(), json!([candidate]));
    }
    chunk
}

fn to_bytes(value: &Value) -> Bytes {
    Bytes::from(value.to_string())
}

fn data(value: &Value) -> Bytes {
    Bytes::from(format!("data: {value}\n\n"))
}

fn event(name: &str, value: &Value) -> Bytes {
    Bytes::from(format!("event: {name}\ndata: {value}\n\n"))
}
