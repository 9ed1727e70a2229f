//! A whole answer, and the two bridges between it and a stream of events.

use super::event::{BlockStart, Delta, StreamEvent};
use super::message::{Part, Reasoning, Text, ToolCall};
use super::request::Dropped;
use super::usage::Usage;
use crate::failure::Failure;

/// Why an answer ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FinishReason {
    /// It was complete, or a stop text came.
    Stop,
    /// The token limit was reached.
    Length,
    /// The model waits for tools.
    ToolCalls,
    /// A safety system cut it.
    ContentFilter,
    /// The model refused (Anthropic's `refusal`).
    Refusal,
    /// A long-running server turn paused and wants to be continued (Anthropic's `pause_turn`).
    Pause,
    /// The provider ended it with an error.
    Error,
    /// Something else, in the provider's word.
    Other(String),
}

impl FinishReason {
    /// Returns a name for people and machines; a provider's own word where it is none of ours.
    pub fn name(&self) -> &str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::ToolCalls => "tool_calls",
            Self::ContentFilter => "content_filter",
            Self::Refusal => "refusal",
            Self::Pause => "pause",
            Self::Error => "error",
            Self::Other(word) => word,
        }
    }
}

/// How likely a token was.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TokenLogprob {
    /// The token's text.
    pub token: String,
    /// The natural logarithm of its likelihood.
    pub logprob: f64,
    /// The likeliest tokens at its place, with theirs.
    pub top: Vec<(String, f64)>,
}

/// A further answer to the same request.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Choice {
    /// What was said, in order.
    pub parts: Vec<Part>,
    /// Why it ended.
    pub finish: Option<FinishReason>,
    /// How likely its tokens were, where told.
    pub logprobs: Vec<TokenLogprob>,
}

/// A whole answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ChatResponse {
    /// The provider's id of the answer.
    pub id: Option<String>,
    /// The model that answered, in the provider's words.
    pub model: Option<String>,
    /// When it was made, in unix seconds.
    pub created: Option<i64>,
    /// What was said, in order.
    pub parts: Vec<Part>,
    /// Why it ended. `None` where the provider did not say.
    pub finish: Option<FinishReason>,
    /// The stop text that ended it, where known.
    pub stop_sequence: Option<String>,
    /// Token counts, where reported.
    pub usage: Option<Usage>,
    /// How likely its tokens were, where told. Not part of a stream of events.
    pub logprobs: Vec<TokenLogprob>,
    /// Further answers, where more than one was asked for. Not part of a stream of events.
    pub others: Vec<Choice>,
    /// The provider's fields that have no place in this form.
    pub unmapped: Vec<Dropped>,
}

impl ChatResponse {
    /// Returns the same answer as a sequence of events, each block in one delta.
    pub fn to_events(&self) -> Vec<StreamEvent> {
        let mut events = vec![StreamEvent::Start {
            id: self.id.clone(),
            model: self.model.clone(),
            created: self.created,
        }];
        for (index, part) in self.parts.iter().enumerate() {
            push_part(&mut events, index, part);
        }
        events.extend(self.usage.map(StreamEvent::Usage));
        let reason = self.finish.clone().unwrap_or(FinishReason::Stop);
        events.push(StreamEvent::Finish { reason, stop_sequence: self.stop_sequence.clone() });
        events
    }
}

fn push_part(events: &mut Vec<StreamEvent>, index: usize, part: &Part) {
    let (block, deltas) = match part {
        Part::Text(text) => {
            let mut deltas = vec![Delta::Text(text.text.clone())];
            deltas.extend(text.citations.iter().cloned().map(Delta::Citation));
            deltas.extend(text.signature.clone().map(Delta::Signature));
            (BlockStart::Text, deltas)
        }
        Part::Refusal(text) => (BlockStart::Refusal, vec![Delta::Text(text.clone())]),
        Part::Reasoning(reasoning) => {
            let mut deltas = Vec::new();
            if !reasoning.text.is_empty() {
                deltas.push(Delta::Text(reasoning.text.clone()));
            }
            deltas.extend(reasoning.signature.clone().map(Delta::Signature));
            (
                BlockStart::Reasoning { id: reasoning.id.clone(), redacted: reasoning.redacted },
                deltas,
            )
        }
        Part::ToolCall(call) => {
            let mut deltas = vec![Delta::Arguments(call.arguments.clone())];
            deltas.extend(call.signature.clone().map(Delta::Signature));
            (
                BlockStart::ToolCall {
                    id: call.id.clone(),
                    name: call.name.clone(),
                    custom: call.custom,
                },
                deltas,
            )
        }
        Part::Media(media) => (BlockStart::Media(media.clone()), Vec::new()),
        Part::Opaque(opaque) => (BlockStart::Opaque(opaque.clone()), Vec::new()),
        Part::ToolResult(_) => return,
    };
    events.push(StreamEvent::BlockStart { index, block });
    events.extend(deltas.into_iter().map(|delta| StreamEvent::Delta { index, delta }));
    events.push(StreamEvent::BlockStop { index });
}

/// Collects events into a whole answer.
#[derive(Debug, Default)]
pub struct Fold {
    response: ChatResponse,
    /// The canonical index of each part of `response.parts`.
    indexes: Vec<usize>,
    failure: Option<Failure>,
}

impl Fold {
    /// Takes one event in.
    pub fn push(&mut self, event: &StreamEvent) {
        match event {
            StreamEvent::Start { id, model, created } => {
                self.response.id.clone_from(id);
                self.response.model.clone_from(model);
                self.response.created = *created;
            }
            StreamEvent::BlockStart { index, block } => {
                self.indexes.push(*index);
                self.response.parts.push(empty_part(block));
            }
            StreamEvent::Delta { index, delta } => self.extend(*index, delta),
            StreamEvent::BlockStop { .. } => {}
            StreamEvent::Usage(usage) => self.response.usage.get_or_insert_default().merge(usage),
            StreamEvent::Finish { reason, stop_sequence } => {
                self.response.finish = Some(reason.clone());
                self.response.stop_sequence.clone_from(stop_sequence);
            }
            StreamEvent::Failed(failure) => self.failure = Some(failure.clone()),
        }
    }

    /// Returns true once the answer is known to be complete.
    pub fn is_finished(&self) -> bool {
        self.response.finish.is_some()
    }

    /// Returns the whole answer.
    ///
    /// # Errors
    /// The failure that the stream reported, if it did.
    pub fn into_response(self) -> Result<ChatResponse, Failure> {
        match self.failure {
            Some(failure) => Err(failure),
            None => Ok(self.response),
        }
    }

    fn extend(&mut self, index: usize, delta: &Delta) {
        let Some(at) = self.indexes.iter().rposition(|known| *known == index) else { return };
        let Some(part) = self.response.parts.get_mut(at) else { return };
        match (part, delta) {
            (Part::Text(text), Delta::Text(more)) => text.text.push_str(more),
            (Part::Text(text), Delta::Citation(citation)) => text.citations.push(citation.clone()),
            (Part::Text(text), Delta::Signature(signature)) => {
                text.signature = Some(signature.clone())
            }
            (Part::Refusal(text), Delta::Text(more)) => text.push_str(more),
            (Part::Reasoning(reasoning), Delta::Text(more)) => reasoning.text.push_str(more),
            (Part::Reasoning(reasoning), Delta::Signature(signature)) => {
                reasoning.signature = Some(signature.clone())
            }
            (Part::ToolCall(call), Delta::Arguments(more)) => call.arguments.push_str(more),
            (Part::ToolCall(call), Delta::Signature(signature)) => {
                call.signature = Some(signature.clone())
            }
            _ => {}
        }
    }
}

fn empty_part(block: &BlockStart) -> Part {
    match block {
        BlockStart::Text => Part::Text(Text::default()),
        BlockStart::Refusal => Part::Refusal(String::new()),
        BlockStart::Reasoning { id, redacted } => Part::Reasoning(Reasoning {
            id: id.clone(),
            redacted: *redacted,
            ..Reasoning::default()
        }),
        BlockStart::ToolCall { id, name, custom } => Part::ToolCall(ToolCall {
            id: id.clone(),
            name: name.clone(),
            arguments: String::new(),
            custom: *custom,
            signature: None,
            cache: false,
        }),
        BlockStart::Media(media) => Part::Media(media.clone()),
        BlockStart::Opaque(opaque) => Part::Opaque(opaque.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::{ChatResponse, FinishReason, Fold};
    use crate::chat::message::{Part, Reasoning, Signature, ToolCall};
    use crate::chat::usage::Usage;
    use crate::target::ProtocolId;

    #[test]
    fn folding_the_events_of_an_answer_gives_the_answer() {
        let signature = Some(Signature { protocol: ProtocolId::new("p"), value: "s".to_owned() });
        let answer = ChatResponse {
            id: Some("1".to_owned()),
            model: Some("m".to_owned()),
            created: Some(7),
            parts: vec![
                Part::Reasoning(Reasoning {
                    text: "hm".to_owned(),
                    signature,
                    ..Reasoning::default()
                }),
                Part::text("hello"),
                Part::ToolCall(ToolCall {
                    id: "c".to_owned(),
                    name: "t".to_owned(),
                    arguments: "{}".to_owned(),
                    custom: false,
                    signature: None,
                    cache: false,
                }),
            ],
            finish: Some(FinishReason::ToolCalls),
            stop_sequence: None,
            usage: Some(Usage { input: 3, output: 2, ..Usage::default() }),
            unmapped: Vec::new(),
            ..ChatResponse::default()
        };
        let mut fold = Fold::default();
        for event in answer.to_events() {
            fold.push(&event);
        }
        assert!(fold.is_finished());
        assert_eq!(fold.into_response(), Ok(answer));
    }
}
