//! OpenAI's legacy completions (`POST /completions`): a text goes on where the prompt ends.
//!
//! Reached through [`crate::legacy_completions`] for requests to that route. It is relayed only, to providers that speak
//! chat completions and have the route as well; what is read here is what must be counted.

use serde_json::{Map, Value};
use sy_types::chat::{ChatRequest, ChatResponse, Delta, FinishReason, Part, StreamEvent};
use sy_types::{CallBody, ErrorKind, Failure, ProtocolId, Side, Target};

use super::failure::{decode, in_band, malformed, read};
use super::usage;
use crate::face::{Built, Outgoing, StreamDecoder, Upstream};
use crate::frame::Frame;
use crate::ids::OPENAI_CHAT;

/// The end marker of a stream.
const DONE: &[u8] = b"[DONE]";

/// The provider's face of legacy completions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LegacyCompletions;

impl Upstream for LegacyCompletions {
    fn id(&self) -> ProtocolId {
        OPENAI_CHAT
    }

    fn path(&self, _target: &Target, _stream: bool) -> String {
        "/completions".to_owned()
    }

    fn build(&self, _chat: &ChatRequest, target: &Target, _stream: bool) -> Result<Built, Failure> {
        let text =
            format!("{} takes legacy completions as they are, and this is none", target.name());
        Err(Failure::new(ErrorKind::Unsupported, Side::Gateway, text))
    }

    fn relay(&self, outgoing: &Outgoing<'_>) -> Result<CallBody, Failure> {
        // Options are meant for chats: this route refuses fields that it does not know.
        let bare = Target { options: Map::new(), ..outgoing.target.clone() };
        let model = Value::from(&*outgoing.target.upstream_model);
        outgoing.inbound.patched(&bare, vec![("model", model)])
    }

    fn stream_decoder(&self) -> Box<dyn StreamDecoder> {
        Box::new(LegacyDecoder::default())
    }

    fn decode_response(&self, body: &[u8]) -> Result<ChatResponse, Failure> {
        let value: Value = crate::json::read(body)
            .map_err(|_| malformed("the provider answered with something that is not JSON"))?;
        if let Some(failure) = in_band(&value, b"", read) {
            return Err(failure);
        }
        let parts = texts(&value).map(Part::text).collect();
        let usage = value.get("usage").and_then(usage::read);
        Ok(ChatResponse { parts, usage, ..ChatResponse::default() })
    }

    fn decode_failure(&self, status: u16, body: &[u8]) -> Failure {
        decode(status, body)
    }
}

/// Returns the texts of an answer or a chunk.
fn texts(value: &Value) -> impl Iterator<Item = &str> {
    let choices = value.get("choices").and_then(Value::as_array);
    choices.into_iter().flatten().filter_map(|choice| choice.get("text")?.as_str())
}

/// Looks at a relayed stream.
#[derive(Debug, Default)]
struct LegacyDecoder {
    is_over: bool,
    is_finished: bool,
}

impl LegacyDecoder {
    fn end(&mut self, events: &mut Vec<StreamEvent>) {
        if !self.is_finished {
            self.is_finished = true;
            events.push(StreamEvent::Finish { reason: FinishReason::Stop, stop_sequence: None });
        }
    }
}

impl StreamDecoder for LegacyDecoder {
    fn decode(&mut self, frame: &Frame, events: &mut Vec<StreamEvent>) -> Result<(), Failure> {
        let data = frame.data.trim_ascii();
        if data.is_empty() {
            return Ok(());
        }
        if data == DONE {
            self.end(events);
            return Ok(());
        }
        let chunk: Value = crate::json::read(data)
            .map_err(|_| malformed("the provider's stream holds something that is not JSON"))?;
        if let Some(failure) = in_band(&chunk, &frame.event, read) {
            return Err(failure);
        }

        let deltas = texts(&chunk).filter(|text| !text.is_empty());
        events.extend(
            deltas.map(|text| StreamEvent::Delta { index: 0, delta: Delta::Text(text.to_owned()) }),
        );
        if let Some(usage) = chunk.get("usage").and_then(usage::read) {
            events.push(StreamEvent::Usage(usage));
        }
        // Usage and the end marker come behind it, so it is held.
        self.is_over |= chunk.pointer("/choices/0/finish_reason").is_some_and(Value::is_string);
        Ok(())
    }

    fn finish(&mut self, events: &mut Vec<StreamEvent>) {
        if self.is_over {
            self.end(events);
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use sy_types::chat::{StreamEvent, Usage};

    use super::{LegacyCompletions, LegacyDecoder};
    use crate::face::{StreamDecoder, Upstream};
    use crate::frame::{FrameReader, Framing};

    #[test]
    fn text_usage_and_end_of_a_stream_are_seen() {
        let stream = "data: {\"choices\":[{\"text\":\"a\",\"finish_reason\":null}]}\n\n\
                      data: {\"choices\":[{\"text\":\"\",\"finish_reason\":\"stop\"}]}\n\n\
                      data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":1}}\n\n\
                      data: [DONE]\n\n";
        let mut reader = FrameReader::new(Framing::Sse, 1 << 20);
        let frames = reader.push(&Bytes::from_static(stream.as_bytes())).unwrap().frames;
        let (mut decoder, mut events) = (LegacyDecoder::default(), Vec::new());
        for frame in &frames {
            decoder.decode(frame, &mut events).unwrap();
        }
        let usage = Usage { input: 3, output: 1, ..Usage::default() };
        assert!(events.first().is_some_and(StreamEvent::is_content));
        assert!(events.contains(&StreamEvent::Usage(usage)));
        assert!(matches!(events.last(), Some(StreamEvent::Finish { .. })), "{events:?}");
    }

    #[test]
    fn errors_in_answers_are_failures() {
        let body = br#"{"error":{"message":"no such model"}}"#;
        assert!(LegacyCompletions.decode_response(body).is_err());
        assert!(LegacyCompletions.decode_response(b"<html>").is_err());
    }
}
