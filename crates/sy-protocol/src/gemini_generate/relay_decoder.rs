//! Looks at a stream that is relayed: first content, token counts, finish and failure, without building the texts.
//!
//! Every frame is parsed, so a broken one is found, but texts, arguments and pictures are skipped over.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use sy_types::chat::{BlockStart, Delta, FinishReason, StreamEvent, Usage};
use sy_types::{ErrorKind, Failure};

use super::{answer, decoder, failure};
use crate::face::StreamDecoder;
use crate::frame::Frame;

/// What matters of a fragment.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Fragment {
    #[serde(alias = "response_id")]
    response_id: Option<String>,
    #[serde(alias = "model_version")]
    model_version: Option<String>,
    candidates: Option<Vec<Candidate>>,
    #[serde(alias = "usage_metadata")]
    usage_metadata: Option<Value>,
    #[serde(alias = "prompt_feedback")]
    prompt_feedback: Option<Value>,
    error: Option<Value>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Candidate {
    index: Option<u64>,
    content: Option<Content>,
    #[serde(alias = "finish_reason")]
    finish_reason: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Content {
    parts: Option<Vec<Part>>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Part {
    #[serde(alias = "function_call")]
    function_call: Option<IgnoredAny>,
}

/// The state of one relayed stream.
#[derive(Default)]
pub(super) struct RelayDecoder {
    started: bool,
    has_content: bool,
    has_calls: bool,
    word: Option<String>,
    is_blocked: bool,
    usage: Option<Usage>,
    counts_answer: bool,
    /// Frames of another shape than one object (a list, say) are left to the full decoder.
    full: Option<Box<decoder::Decoder>>,
}

impl StreamDecoder for RelayDecoder {
    fn decode(&mut self, frame: &Frame, events: &mut Vec<StreamEvent>) -> Result<(), Failure> {
        let data = frame.data.trim_ascii();
        if data.is_empty() || data == b"[DONE]" {
            return Ok(());
        }
        if let Some(full) = &mut self.full {
            return full.decode(frame, events);
        }
        match serde_json::from_slice::<Fragment>(data) {
            Ok(fragment) => {
                self.take(fragment, data, events);
                Ok(())
            }
            Err(_) if !self.started => self.full.insert(Box::default()).decode(frame, events),
            Err(error) => Err(Failure::provider(
                ErrorKind::Malformed,
                format!("the provider sent a stream event that cannot be read: {error}"),
            )),
        }
    }

    fn finish(&mut self, events: &mut Vec<StreamEvent>) {
        if let Some(full) = &mut self.full {
            return full.finish(events);
        }
        events.extend(self.usage.take().map(StreamEvent::Usage));
        let reason = match self.word.take() {
            Some(word) => answer::finish_reason(&word, self.has_calls),
            None if self.is_blocked => FinishReason::ContentFilter,
            None => return,
        };
        events.push(StreamEvent::Finish { reason, stop_sequence: None });
    }
}

impl RelayDecoder {
    fn take(&mut self, fragment: Fragment, data: &[u8], events: &mut Vec<StreamEvent>) {
        if fragment.error.is_some() {
            let value = crate::json::read(data).unwrap_or_default();
            events.push(StreamEvent::Failed(failure::in_band(&value)));
            return;
        }
        if !self.started {
            self.started = true;
            let (id, model) = (fragment.response_id, fragment.model_version);
            events.push(StreamEvent::Start { id, model, created: None });
        }
        if let Some(metadata) = &fragment.usage_metadata {
            let counts_answer = answer::counts_answer(metadata);
            if counts_answer || !self.counts_answer {
                self.usage = Some(answer::usage(metadata));
                self.counts_answer = counts_answer;
            }
        }
        self.is_blocked |=
            fragment.prompt_feedback.is_some_and(|feedback| feedback.get("blockReason").is_some());
        let first = fragment
            .candidates
            .into_iter()
            .flatten()
            .find(|candidate| candidate.index.unwrap_or_default() == 0);
        let Some(candidate) = first else { return };
        let parts = candidate.content.and_then(|content| content.parts).unwrap_or_default();
        self.has_calls |= parts.iter().any(|part| part.function_call.is_some());
        if !parts.is_empty() && !self.has_content && !crate::blank::says_nothing(data) {
            self.has_content = true;
            // Stands for whatever the first part is: that there is something to read is all that a relay needs to know.
            events.push(StreamEvent::BlockStart { index: 0, block: BlockStart::Text });
            events.push(StreamEvent::Delta { index: 0, delta: Delta::Text(" ".to_owned()) });
        }
        let word = candidate.finish_reason.unwrap_or_default();
        if !word.is_empty() && word != "FINISH_REASON_UNSPECIFIED" {
            self.word = Some(word);
        }
    }
}
