//! What an answer says of tools, on its way back to the client.
//!
//! Made with the request by [`crate::encode`] and used by the router for answers that are not
//! relayed. Names that were changed for the target become the client's again. A call without a name
//! is an error of the provider: no client could run it, and an answer that ends for a tool without
//! naming one leaves its client waiting.

use std::sync::Arc;

use sy_types::chat::{BlockStart, ChatResponse, FinishReason, Part, StreamEvent};
use sy_types::{ErrorKind, Failure};

use super::names::Names;
use crate::face::StreamDecoder;
use crate::frame::Frame;

/// Turns the target's tool names back into the client's.
#[derive(Clone, Debug, Default)]
pub struct ToolAnswers {
    names: Arc<Names>,
}

impl ToolAnswers {
    pub(crate) fn new(names: Names) -> Self {
        Self { names: Arc::new(names) }
    }

    /// Wraps a decoder: calls in its events carry the client's names.
    pub fn decoder(&self, inner: Box<dyn StreamDecoder>) -> Box<dyn StreamDecoder> {
        Box::new(Decoder { inner, answers: self.clone(), has_calls: false, has_content: false })
    }

    /// Puts the client's names into a whole answer.
    ///
    /// # Errors
    /// `Malformed` when a call has no name.
    pub fn whole(&self, mut response: ChatResponse) -> Result<ChatResponse, Failure> {
        let mut has_calls = false;
        for part in &mut response.parts {
            if let Part::ToolCall(call) = part {
                self.name(&mut call.name)?;
                has_calls = true;
            }
        }
        if let Some(reason) = &mut response.finish {
            settle(reason, has_calls, !response.parts.is_empty())?;
        }
        Ok(response)
    }

    fn name(&self, name: &mut String) -> Result<(), Failure> {
        if name.trim().is_empty() {
            return Err(nameless());
        }
        self.names.restore(name);
        Ok(())
    }
}

/// Settles why an answer ended that waits for tools without having called one: with what it said it
/// is complete.
fn settle(reason: &mut FinishReason, has_calls: bool, has_content: bool) -> Result<(), Failure> {
    match reason {
        FinishReason::ToolCalls if !has_calls && !has_content => Err(nameless()),
        FinishReason::ToolCalls if !has_calls => {
            *reason = FinishReason::Stop;
            Ok(())
        }
        _ => Ok(()),
    }
}

/// The failure of an answer that calls a tool without naming it.
pub(crate) fn nameless() -> Failure {
    let text = "the provider's answer calls a tool without naming it: send the request again, or use another model";
    Failure::provider(ErrorKind::Malformed, text)
}

struct Decoder {
    inner: Box<dyn StreamDecoder>,
    answers: ToolAnswers,
    has_calls: bool,
    has_content: bool,
}

impl Decoder {
    /// Reads through the events behind `from`; what is wrong with one ends the stream there.
    fn check(&mut self, events: &mut Vec<StreamEvent>, from: usize) {
        let mut broken = None;
        for (at, event) in events.iter_mut().enumerate().skip(from) {
            if let Err(failure) = self.event(event) {
                broken = Some((at, failure));
                break;
            }
        }
        if let Some((at, failure)) = broken {
            events.truncate(at);
            events.push(StreamEvent::Failed(failure));
        }
    }

    fn event(&mut self, event: &mut StreamEvent) -> Result<(), Failure> {
        match event {
            StreamEvent::BlockStart { block: BlockStart::ToolCall { name, .. }, .. } => {
                self.has_calls = true;
                self.answers.name(name)
            }
            StreamEvent::BlockStart { .. } => {
                self.has_content = true;
                Ok(())
            }
            StreamEvent::Finish { reason, .. } => settle(reason, self.has_calls, self.has_content),
            StreamEvent::Start { .. }
            | StreamEvent::Delta { .. }
            | StreamEvent::BlockStop { .. }
            | StreamEvent::Usage(_)
            | StreamEvent::Failed(_) => Ok(()),
        }
    }
}

impl StreamDecoder for Decoder {
    fn decode(&mut self, frame: &Frame, events: &mut Vec<StreamEvent>) -> Result<(), Failure> {
        let from = events.len();
        let result = self.inner.decode(frame, events);
        self.check(events, from);
        result
    }

    fn finish(&mut self, events: &mut Vec<StreamEvent>) {
        let from = events.len();
        self.inner.finish(events);
        self.check(events, from);
    }
}

#[cfg(test)]
mod tests {
    use sy_types::chat::{BlockStart, ChatResponse, FinishReason, Part, StreamEvent};
    use sy_types::{ErrorKind, Failure};

    use super::ToolAnswers;
    use crate::face::StreamDecoder;
    use crate::frame::Frame;

    /// Gives its events at the end.
    struct Scripted(Vec<StreamEvent>);

    impl StreamDecoder for Scripted {
        fn decode(&mut self, _: &Frame, _: &mut Vec<StreamEvent>) -> Result<(), Failure> {
            Ok(())
        }

        fn finish(&mut self, events: &mut Vec<StreamEvent>) {
            events.append(&mut self.0);
        }
    }

    fn call(name: &str) -> StreamEvent {
        let (id, name) = ("1".to_owned(), name.to_owned());
        StreamEvent::BlockStart {
            index: 0,
            block: BlockStart::ToolCall { id, name, custom: false },
        }
    }

    fn finish() -> StreamEvent {
        StreamEvent::Finish { reason: FinishReason::ToolCalls, stop_sequence: None }
    }

    fn through(events: Vec<StreamEvent>) -> Vec<StreamEvent> {
        let mut read = Vec::new();
        ToolAnswers::default().decoder(Box::new(Scripted(events))).finish(&mut read);
        read
    }

    #[test]
    fn a_call_without_a_name_ends_the_stream() {
        let read = through(vec![call(" "), finish()]);
        assert!(
            matches!(&*read, [StreamEvent::Failed(failure)] if failure.kind == ErrorKind::Malformed)
        );
        let read = through(vec![finish()]);
        assert!(matches!(&*read, [StreamEvent::Failed(_)]));
    }

    #[test]
    fn an_answer_that_only_speaks_waits_for_no_tool() {
        let text = StreamEvent::BlockStart { index: 0, block: BlockStart::Text };
        let read = through(vec![text, finish()]);
        assert!(matches!(
            read.last(),
            Some(StreamEvent::Finish { reason: FinishReason::Stop, .. })
        ));
        let said = ChatResponse {
            parts: vec![Part::text("no")],
            finish: Some(FinishReason::ToolCalls),
            ..ChatResponse::default()
        };
        let whole = ToolAnswers::default().whole(said).unwrap();
        assert_eq!(whole.finish, Some(FinishReason::Stop));
    }
}
