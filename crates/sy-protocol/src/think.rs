//! Reasoning that open models write into their text, between `<think>` and `</think>`.
//!
//! Used by [`crate::face`] around the decoders of targets whose dialect says so. The tags count only where they begin the answer:
//! a text about them is a text. A tag may be split over any number of chunks, so as few bytes as can decide it are held back. It
//! deliberately leaves an answer alone that brings reasoning in a field of its own.

use sy_types::Failure;
use sy_types::chat::{BlockStart, ChatResponse, Delta, Part, Reasoning, StreamEvent, Text};

use crate::face::StreamDecoder;
use crate::frame::Frame;

const OPENING: &str = "<think>";
const CLOSING: &str = "</think>";

/// What is known of the answer's first text.
enum State {
    /// Nothing was said yet.
    Silent,
    /// A text block has begun, of which not enough came to tell.
    Undecided { index: usize, held: String },
    /// Within the tags. What may be the beginning of the closing one is held back, with the white space before it.
    Thinking { index: usize, held: String, has_spoken: bool },
    /// Behind them, with white space alone so far: the answer's own text has not begun.
    Between { index: usize },
    /// The answer's own text, in the block behind the reasoning.
    Speaking { index: usize },
    /// There are no tags, or they are over: blocks move up by this many places.
    Over { shift: usize },
}

/// Turns the tags in the events of another decoder into a block of reasoning.
pub(crate) struct ThinkDecoder {
    inner: Box<dyn StreamDecoder>,
    state: State,
    /// The events of one frame, kept to be used again.
    scratch: Vec<StreamEvent>,
}

impl ThinkDecoder {
    /// Puts itself around a decoder.
    pub(crate) fn new(inner: Box<dyn StreamDecoder>) -> Self {
        Self { inner, state: State::Silent, scratch: Vec::new() }
    }

    fn pass_on(&mut self, events: &mut Vec<StreamEvent>) {
        for event in std::mem::take(&mut self.scratch) {
            self.event(event, events);
        }
    }

    fn event(&mut self, event: StreamEvent, events: &mut Vec<StreamEvent>) {
        match event {
            StreamEvent::BlockStart { index, block: BlockStart::Text }
                if matches!(self.state, State::Silent) =>
            {
                self.state = State::Undecided { index, held: String::new() };
            }
            StreamEvent::Delta { index, delta: Delta::Text(text) } if self.is_about(index) => {
                self.text(&text, events);
            }
            StreamEvent::BlockStop { index } if self.is_about(index) => self.stop(events),
            StreamEvent::Delta { index, delta } if self.is_about(index) => {
                // A source or a proof belongs to the text, not to what was thought before it.
                let index = self.speak(events);
                events.push(StreamEvent::Delta { index, delta });
            }
            StreamEvent::BlockStart { .. } | StreamEvent::Finish { .. } => {
                self.stop(events);
                let shift = if let State::Over { shift } = self.state { shift } else { 0 };
                self.state = State::Over { shift };
                events.push(moved(event, shift));
            }
            other => {
                let shift = if let State::Over { shift } = self.state { shift } else { 0 };
                events.push(moved(other, shift));
            }
        }
    }

    /// Returns true for the block that is looked at.
    fn is_about(&self, wanted: usize) -> bool {
        match &self.state {
            State::Undecided { index, .. }
            | State::Thinking { index, .. }
            | State::Between { index }
            | State::Speaking { index } => *index == wanted,
            State::Silent | State::Over { .. } => false,
        }
    }

    fn text(&mut self, more: &str, events: &mut Vec<StreamEvent>) {
        match std::mem::replace(&mut self.state, State::Silent) {
            State::Undecided { index, held } => self.decide(index, held + more, events),
            State::Thinking { index, held, has_spoken } => {
                self.think(index, &(held + more), has_spoken, events);
            }
            State::Between { index } => {
                self.state = State::Between { index };
                let text = more.trim_start();
                if !text.is_empty() {
                    let index = self.speak(events);
                    events.push(text_delta(index, text));
                }
            }
            State::Speaking { index } => {
                self.state = State::Speaking { index };
                events.push(text_delta(index + 1, more));
            }
            other @ (State::Silent | State::Over { .. }) => self.state = other,
        }
    }

    fn decide(&mut self, index: usize, held: String, events: &mut Vec<StreamEvent>) {
        let begun = held.trim_start();
        if let Some(rest) = begun.strip_prefix(OPENING) {
            let block = BlockStart::Reasoning { id: None, redacted: false };
            events.push(StreamEvent::BlockStart { index, block });
            return self.think(index, rest, false, events);
        }
        if OPENING.starts_with(begun) {
            self.state = State::Undecided { index, held };
            return;
        }
        events.push(StreamEvent::BlockStart { index, block: BlockStart::Text });
        events.push(text_delta(index, &held));
        self.state = State::Over { shift: 0 };
    }

    fn think(
        &mut self,
        index: usize,
        held: &str,
        mut has_spoken: bool,
        events: &mut Vec<StreamEvent>,
    ) {
        let held = if has_spoken { held } else { held.trim_start() };
        let (thought, rest) = match held.split_once(CLOSING) {
            Some((thought, rest)) => (thought.trim_end(), Some(rest)),
            None => (held.get(..undoubted(held)).unwrap_or_default(), None),
        };
        if !thought.is_empty() {
            has_spoken = true;
            events.push(text_delta(index, thought));
        }

        match rest {
            Some(rest) => {
                events.push(StreamEvent::BlockStop { index });
                self.state = State::Between { index };
                self.text(rest, events);
            }
            None => {
                let held = held.get(thought.len()..).unwrap_or_default().to_owned();
                self.state = State::Thinking { index, held, has_spoken };
            }
        }
    }

    /// Begins the answer's own text where it has not begun, and returns its block.
    fn speak(&mut self, events: &mut Vec<StreamEvent>) -> usize {
        let (index, is_new) = match &self.state {
            State::Between { index } | State::Thinking { index, .. } => (*index, true),
            State::Speaking { index } => (*index, false),
            State::Undecided { index, held } => {
                let (index, held) = (*index, held.clone());
                events.push(StreamEvent::BlockStart { index, block: BlockStart::Text });
                events.extend((!held.is_empty()).then(|| text_delta(index, &held)));
                self.state = State::Over { shift: 0 };
                return index;
            }
            State::Silent | State::Over { .. } => return 0,
        };
        if let State::Thinking { .. } = self.state {
            events.push(StreamEvent::BlockStop { index });
        }
        if is_new {
            events.push(StreamEvent::BlockStart { index: index + 1, block: BlockStart::Text });
        }
        self.state = State::Speaking { index };
        index + 1
    }

    /// Ends the block that is looked at.
    fn stop(&mut self, events: &mut Vec<StreamEvent>) {
        let shift = match std::mem::replace(&mut self.state, State::Over { shift: 0 }) {
            State::Undecided { index, held } => {
                events.push(StreamEvent::BlockStart { index, block: BlockStart::Text });
                events.extend((!held.is_empty()).then(|| text_delta(index, &held)));
                events.push(StreamEvent::BlockStop { index });
                0
            }
            State::Thinking { index, held, .. } => {
                events.extend((!held.trim().is_empty()).then(|| text_delta(index, &held)));
                events.push(StreamEvent::BlockStop { index });
                0
            }
            State::Speaking { index } => {
                events.push(StreamEvent::BlockStop { index: index + 1 });
                1
            }
            State::Over { shift } => shift,
            State::Silent | State::Between { .. } => 0,
        };
        self.state = State::Over { shift };
    }
}

impl StreamDecoder for ThinkDecoder {
    fn decode(&mut self, frame: &Frame, events: &mut Vec<StreamEvent>) -> Result<(), Failure> {
        if let State::Over { shift: 0 } = self.state {
            return self.inner.decode(frame, events);
        }
        let read = self.inner.decode(frame, &mut self.scratch);
        self.pass_on(events);
        read
    }

    fn finish(&mut self, events: &mut Vec<StreamEvent>) {
        self.inner.finish(&mut self.scratch);
        self.pass_on(events);
    }
}

/// Moves the tags at the beginning of a whole answer's first text into a part of reasoning.
pub(crate) fn split(response: &mut ChatResponse) {
    if response.parts.iter().any(|part| matches!(part, Part::Reasoning(_))) {
        return;
    }
    let Some(at) = response.parts.iter().position(|part| matches!(part, Part::Text(_))) else {
        return;
    };
    let Some(Part::Text(Text { text, .. })) = response.parts.get_mut(at) else { return };
    let Some(rest) = text.trim_start().strip_prefix(OPENING) else { return };

    let (thought, rest) = rest.split_once(CLOSING).unwrap_or((rest, ""));
    let reasoning = Reasoning { text: thought.trim().to_owned(), ..Reasoning::default() };
    *text = rest.trim_start().to_owned();
    if text.is_empty() {
        response.parts.remove(at);
    }
    if !reasoning.text.is_empty() {
        response.parts.insert(at, Part::Reasoning(reasoning));
    }
}

/// Returns how much of a thought is certain to belong to it: all but white space and the beginning of a closing tag at its end.
fn undoubted(held: &str) -> usize {
    let tag = (1..CLOSING.len())
        .rev()
        .find(|length| CLOSING.get(..*length).is_some_and(|start| held.ends_with(start)))
        .unwrap_or(0);
    held.get(..held.len() - tag).unwrap_or_default().trim_end().len()
}

fn text_delta(index: usize, text: &str) -> StreamEvent {
    StreamEvent::Delta { index, delta: Delta::Text(text.to_owned()) }
}

/// Moves a block up by some places.
fn moved(event: StreamEvent, shift: usize) -> StreamEvent {
    match event {
        StreamEvent::BlockStart { index, block } => {
            StreamEvent::BlockStart { index: index + shift, block }
        }
        StreamEvent::Delta { index, delta } => StreamEvent::Delta { index: index + shift, delta },
        StreamEvent::BlockStop { index } => StreamEvent::BlockStop { index: index + shift },
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::json;
    use sy_types::chat::{ChatResponse, Fold, Part, StreamEvent};

    use super::{ThinkDecoder, split};
    use crate::face::{StreamDecoder, Upstream};
    use crate::frame::{FrameReader, Framing};
    use crate::openai_chat::OpenAiChat;

    fn chunk(delta: &serde_json::Value) -> String {
        format!("data: {}\n\n", json!({"id": "a", "choices": [{"index": 0, "delta": delta}]}))
    }

    fn events(stream: &str) -> Vec<StreamEvent> {
        let mut decoder = ThinkDecoder::new(OpenAiChat.stream_decoder());
        let (mut reader, mut events) = (FrameReader::new(Framing::Sse, 1 << 20), Vec::new());
        for frame in reader.push(&Bytes::copy_from_slice(stream.as_bytes())).unwrap().frames {
            decoder.decode(&frame, &mut events).unwrap();
        }
        decoder.finish(&mut events);
        events
    }

    fn shown(answer: &ChatResponse) -> String {
        let part = |part: &Part| match part {
            Part::Text(text) => format!("text({})", text.text),
            Part::Reasoning(thought) => format!("thought({})", thought.text),
            Part::ToolCall(call) => format!("call({})", call.name),
            other => format!("{other:?}"),
        };
        answer.parts.iter().map(part).collect::<Vec<_>>().join(" ")
    }

    /// Checks a text, whole and cut into chunks of every length, with a tool call behind it.
    #[track_caller]
    fn check(text: &str, expected: &str) {
        let letters: Vec<char> = text.chars().collect();
        for length in 1..=letters.len() {
            let mut stream: String = letters
                .chunks(length)
                .map(|piece| chunk(&json!({"content": piece.iter().collect::<String>()})))
                .collect();
            stream.push_str(&chunk(&json!({"tool_calls": [{"index": 0, "id": "c",
                "function": {"name": "f", "arguments": "{}"}}]})));
            stream.push_str("data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\ndata: [DONE]\n\n");

            let events = events(&stream);
            let mut fold = Fold::default();
            events.iter().for_each(|event| fold.push(event));
            let answer = fold.into_response().unwrap();
            assert_eq!(shown(&answer), format!("{expected} call(f)"), "{length} at a time");
            let starts = events.iter().filter_map(|event| match event {
                StreamEvent::BlockStart { index, .. } => Some(*index),
                _ => None,
            });
            assert!(starts.enumerate().all(|(place, index)| place == index), "{events:?}");
        }

        let mut whole = ChatResponse { parts: vec![Part::text(text)], ..ChatResponse::default() };
        split(&mut whole);
        assert_eq!(shown(&whole), expected);
    }

    #[test]
    fn tags_become_reasoning_however_they_are_cut() {
        check("<think>a < b </ c</think>done", "thought(a < b </ c) text(done)");
        check(
            " \n<think>\nhm\n\nso\n</think>\n\nyes </think>",
            "thought(hm\n\nso) text(yes </think>)",
        );
        check("<think>never ends", "thought(never ends)");
        check("<think>only</think>\n", "thought(only)");
    }

    #[test]
    fn other_texts_stay_as_they_are() {
        check("plain", "text(plain)");
        check("<thin", "text(<thin)");
        check("a <think>b</think>", "text(a <think>b</think>)");
    }

    #[test]
    fn reasoning_in_a_field_of_its_own_is_left_alone() {
        let stream = [
            chunk(&json!({"reasoning_content": "r"})),
            chunk(&json!({"content": "<think>x</think>y"})),
            "data: [DONE]\n\n".to_owned(),
        ];
        let mut fold = Fold::default();
        events(&stream.concat()).iter().for_each(|event| fold.push(event));
        let answer = fold.into_response().unwrap();
        assert_eq!(shown(&answer), "thought(r) text(<think>x</think>y)");
    }
}
