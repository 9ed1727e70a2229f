//! Relayed answers: usage that the client did not ask for, and reading that builds no texts.
//!
//! Used where client and target both speak chat completions, so that the bytes pass through. Every frame of a stream is searched
//! for the few fields that matter and read only where one of them holds something; of a whole answer only the usage is built.

use std::sync::LazyLock;

use memchr::memmem::Finder;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use sy_types::Failure;
use sy_types::chat::{StreamEvent, Usage};

use super::decoder::Decoder;
use super::failure::ReadFailure;
use super::usage;
use crate::face::{Outgoing, StreamDecoder};
use crate::frame::Frame;
use crate::inbound::Inbound;
use crate::patch::Spans;

// Made once: making a finder costs as much as using it on a frame.
static CHOICES: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"choices\""));
static USAGE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"usage\""));
static FINISH_REASON: LazyLock<Finder<'static>> =
    LazyLock::new(|| Finder::new("\"finish_reason\""));
static ERROR: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"error\""));

/// Returns true when a body asks for usage at the end of a stream.
pub(super) fn asks_for_usage(inbound: &Inbound) -> Result<bool, Failure> {
    let options = stream_options(inbound)?;
    Ok(options.is_some_and(|options| options.get("include_usage") == Some(&Value::Bool(true))))
}

/// Returns true when a relayed stream asks for usage on the target's behalf though the client did not: the extra frame
/// ([`is_usage_only`]) is then to be kept from the client.
pub(crate) fn adds_usage(outgoing: &Outgoing<'_>) -> bool {
    outgoing.target.dialect.force_usage
        && outgoing.stream
        && asks_for_usage(outgoing.inbound).is_ok_and(|asked| !asked)
}

/// Returns the `stream_options` to send where [`adds_usage`] holds.
pub(crate) fn usage_edit(outgoing: &Outgoing<'_>) -> Result<Option<Value>, Failure> {
    if !adds_usage(outgoing) {
        return Ok(None);
    }
    let mut options =
        stream_options(outgoing.inbound)?.filter(Value::is_object).unwrap_or_else(|| json!({}));
    if let Value::Object(options) = &mut options {
        options.insert("include_usage".to_owned(), Value::Bool(true));
    }
    Ok(Some(options))
}

fn stream_options(inbound: &Inbound) -> Result<Option<Value>, Failure> {
    let body = inbound.body();
    let spans = Spans::find(body, &["stream_options"])?;
    let Some(raw) = spans.get(body, "stream_options") else { return Ok(None) };
    inbound.charge_field(raw)?;
    Ok(crate::json::read(raw).ok())
}

/// Returns true for the frame that carries nothing but usage: `choices` is empty and `usage` is there.
pub(crate) fn is_usage_only(frame: &Frame) -> bool {
    if !holds(&frame.data, &USAGE, |byte| byte == b'{') {
        return false;
    }
    let Ok(chunk) = crate::json::read::<Value>(&frame.data) else { return false };
    chunk.get("choices").and_then(Value::as_array).is_some_and(Vec::is_empty)
}

/// Looks at a relayed stream: start, first content, usage, finish and failure.
pub(crate) struct RelayDecoder {
    decoder: Decoder,
    has_content: bool,
}

impl RelayDecoder {
    /// Makes a decoder that reads errors in the given way.
    pub(crate) fn new(read_failure: ReadFailure) -> Self {
        Self { decoder: Decoder::new(read_failure), has_content: false }
    }

    /// Returns true when a frame may hold more than another piece of content.
    fn matters(&self, frame: &Frame) -> bool {
        let data = frame.data.trim_ascii();
        let is_object = data.first() == Some(&b'{') && data.last() == Some(&b'}');
        !self.has_content
            || !is_object
            || !frame.event.is_empty()
            || CHOICES.find(data).is_none()
            || holds(data, &USAGE, |byte| byte == b'{')
            || holds(data, &FINISH_REASON, |byte| byte == b'"')
            || holds(data, &ERROR, |byte| byte != b'n')
    }
}

impl StreamDecoder for RelayDecoder {
    fn decode(&mut self, frame: &Frame, events: &mut Vec<StreamEvent>) -> Result<(), Failure> {
        if !self.matters(frame) {
            return Ok(());
        }
        let before = events.len();
        self.decoder.decode(frame, events)?;
        self.has_content |=
            events.get(before..).unwrap_or_default().iter().any(StreamEvent::is_content);
        Ok(())
    }

    fn finish(&mut self, events: &mut Vec<StreamEvent>) {
        self.decoder.finish(events);
    }
}

/// A whole answer as far as its usage tells all that is counted.
#[derive(Deserialize)]
struct Usual<'a> {
    #[serde(borrow)]
    choices: Vec<UsualChoice<'a>>,
    usage: Value,
    error: Option<IgnoredAny>,
    object: Option<Value>,
}

#[derive(Deserialize)]
struct UsualChoice<'a> {
    #[serde(borrow)]
    message: &'a RawValue,
    error: Option<IgnoredAny>,
}

/// Reads the usage of a whole answer without building its texts. `None` where anything is unusual: an error inside, no
/// choice, no counts. Such an answer must be read whole.
pub(super) fn usual_usage(body: &[u8]) -> Option<Usage> {
    let answer: Usual<'_> = serde_json::from_slice(body).ok()?;
    let choice = answer.choices.first()?;
    let is_usual = answer.error.is_none()
        && choice.error.is_none()
        && choice.message.get().starts_with('{')
        && answer.object.is_none_or(|object| object != "error");
    usage::read(&answer.usage).filter(|usage| is_usual && usage.input > 0 && usage.output > 0)
}

/// Returns true when the quoted word stands somewhere with a value behind it whose first byte passes the test. In a JSON text
/// the quotes of such a word would be escaped, so a hit is a key or a whole string.
fn holds(data: &[u8], word: &Finder<'_>, test: fn(u8) -> bool) -> bool {
    word.find_iter(data).any(|at| {
        let rest = data.get(at + word.needle().len()..).unwrap_or_default().trim_ascii_start();
        match rest.strip_prefix(b":") {
            Some(value) => value.trim_ascii_start().first().is_none_or(|byte| test(*byte)),
            // The word is a value, such as the one of `"object":"error"`.
            None => true,
        }
    })
}
