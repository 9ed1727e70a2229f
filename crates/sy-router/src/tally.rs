//! Counts what went by in one answer: tokens where the provider tells them, else enough to estimate them.
//!
//! Filled by `stream` and `attempt`, read by `meter`.

use sy_types::chat::{ChatResponse, Delta, Part, StreamEvent, Usage};

/// What went by in one answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// True once a call left.
    pub(crate) is_sent: bool,
    /// True once a provider accepted the request and began to answer.
    pub(crate) begun: bool,
    /// True once the answer was complete.
    pub(crate) finished: bool,
    /// What the provider reported so far.
    usage: Option<Usage>,
    deltas: u64,
    bytes: u64,
}

impl Tally {
    /// Takes an event in.
    pub(crate) fn note(&mut self, event: &StreamEvent) {
        match event {
            StreamEvent::Delta { delta: Delta::Text(text) | Delta::Arguments(text), .. } => {
                self.deltas += 1;
                self.bytes += text.len() as u64;
            }
            StreamEvent::Usage(usage) => self.usage.get_or_insert_default().merge(usage),
            StreamEvent::Finish { .. } => self.finished = true,
            StreamEvent::Start { .. }
            | StreamEvent::BlockStart { .. }
            | StreamEvent::BlockStop { .. }
            | StreamEvent::Delta { .. }
            | StreamEvent::Failed(_) => {}
        }
    }

    /// A content frame went by whose events nobody read.
    pub(crate) fn note_unread(&mut self) {
        self.deltas += 1;
    }

    /// Takes a whole answer in.
    pub(crate) fn note_whole(&mut self, response: &ChatResponse) {
        self.finished = true;
        self.usage = response.usage;
        for part in &response.parts {
            self.bytes += match part {
                Part::Text(text) => text.text.len(),
                Part::Refusal(text) => text.len(),
                Part::Reasoning(reasoning) => reasoning.text.len(),
                Part::ToolCall(call) => call.name.len() + call.arguments.len(),
                Part::Media(_) | Part::ToolResult(_) | Part::Opaque(_) => 0,
            } as u64;
        }
    }

    /// Takes over a count that is the whole answer (embeddings).
    pub(crate) fn note_usage(&mut self, usage: Option<Usage>) {
        self.finished = true;
        self.usage = usage;
    }

    /// Returns the tokens, and whether any of them is an estimate. `prompt` is called only when the provider reported no
    /// prompt tokens.
    ///
    /// The answer of a stream that was cut counts four bytes as a token, but at least one token per delta: providers send
    /// a delta per token or per few tokens.
    pub(crate) fn usage(&self, prompt: impl FnOnce() -> u64) -> (Usage, bool) {
        if !self.begun {
            return (Usage::default(), false);
        }
        let mut usage = self.usage.unwrap_or_default();
        let mut is_estimate = false;
        if usage.input == 0 {
            usage.input = prompt();
            is_estimate = usage.input > 0;
        }
        if !self.finished || self.usage.is_none_or(|usage| usage.output == 0) {
            let seen = self.bytes.div_ceil(4).max(self.deltas);
            if seen > usage.output {
                usage.output = seen;
                is_estimate = true;
            }
        }
        (usage, is_estimate)
    }
}

#[cfg(test)]
mod tests {
    use sy_types::chat::{Delta, FinishReason, StreamEvent, Usage};

    use super::Tally;

    fn text(words: &str) -> StreamEvent {
        StreamEvent::Delta { index: 0, delta: Delta::Text(words.to_owned()) }
    }

    #[track_caller]
    fn check(events: &[StreamEvent], expected: (u64, u64, bool)) {
        let mut tally = Tally { begun: true, ..Tally::default() };
        events.iter().for_each(|event| tally.note(event));
        let (usage, is_estimate) = tally.usage(|| 100);
        assert_eq!((usage.input, usage.output, is_estimate), expected);
    }

    #[test]
    fn reported_tokens_win_and_the_rest_is_estimated() {
        let finish = StreamEvent::Finish { reason: FinishReason::Stop, stop_sequence: None };
        let reported = StreamEvent::Usage(Usage { input: 7, output: 3, ..Usage::default() });
        let first = StreamEvent::Usage(Usage { input: 7, output: 1, ..Usage::default() });
        check(&[text("hello world"), reported, finish.clone()], (7, 3, false));
        check(&[first, text("a"), text("b"), text("c")], (7, 3, true));
        check(&[text("x".repeat(40).as_str()), finish], (100, 10, true));
        check(&[], (100, 0, true));
    }

    #[test]
    fn nothing_is_charged_where_nobody_answered() {
        assert_eq!(Tally::default().usage(|| 100), (Usage::default(), false));
    }
}
