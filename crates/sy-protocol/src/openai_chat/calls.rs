//! The tool calls of one stream, put together from deltas.
//!
//! Owned by the stream decoder. Names and ids arrive late, twice or never, indexes are missing or always 0; a block begins
//! once its name is known and its id is known or has been given up on. It holds back only what came before that.

use serde_json::Value;
use sy_types::chat::{BlockStart, Delta, Signature, StreamEvent};

use super::content;
use super::ids;
use crate::tools::nameless;

/// The most calls of one answer; what comes beyond them counts as more of the last.
const MOST_CALLS: usize = 1024;
/// How many bytes of arguments are held back for a name that does not come.
const HELD_LIMIT: usize = 1 << 20;

/// One call.
#[derive(Debug, Default)]
struct Call {
    /// The provider's own index, where it sends one.
    position: Option<u64>,
    id: String,
    name: String,
    custom: bool,
    /// The block, once begun.
    block: Option<usize>,
    /// Arguments that came before the block began.
    held: String,
    /// Whether any argument came.
    has_arguments: bool,
    signature: Option<Signature>,
    /// Whether a proof came; `signature` is emptied when it is handed on.
    is_signed: bool,
}

/// All calls of one stream.
#[derive(Debug, Default)]
pub(super) struct Calls {
    calls: Vec<Call>,
}

impl Calls {
    /// Returns true while no call came.
    pub(super) fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// Takes one element of `delta.tool_calls` in. `answer` is the answer's id, `next` the next free block.
    pub(super) fn push(
        &mut self,
        delta: &Value,
        answer: &str,
        next: &mut usize,
        events: &mut Vec<StreamEvent>,
    ) {
        let (function, custom) = function_of(delta);
        let field = |holder: &Value, name: &str| {
            holder.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let (id, name) = (field(delta, "id"), field(function, "name"));
        let place = self.place(delta.get("index").and_then(Value::as_u64), &id, &name);
        let Some(call) = self.calls.get_mut(place) else { return };
        call.custom |= custom;
        let was_named = !call.name.is_empty();
        if call.block.is_none() {
            if call.id.is_empty() {
                call.id = id;
            }
            if call.name.is_empty() {
                call.name = name;
            }
        }
        if let Some(signature) = content::extra_signature(delta).filter(|_| !call.is_signed) {
            call.is_signed = true;
            call.signature = Some(signature);
        }
        let arguments = arguments_of(function, custom);
        call.has_arguments |= !arguments.is_empty();
        call.held.push_str(&arguments);
        let is_known = !call.name.is_empty() && (!call.id.is_empty() || was_named);
        if call.block.is_some() || is_known || call.held.len() > HELD_LIMIT {
            call.advance(place, answer, next, events);
        }
    }

    /// Takes a proof that stands on the message: it belongs to the first call, unless that has one.
    pub(super) fn sign_first(&mut self, signature: Signature) {
        if let Some(call) = self.calls.first_mut().filter(|call| !call.is_signed) {
            call.is_signed = true;
            call.signature = Some(signature);
        }
    }

    /// Ends all calls: what never got an id gets one now.
    pub(super) fn close(&mut self, answer: &str, next: &mut usize, events: &mut Vec<StreamEvent>) {
        for (place, call) in self.calls.iter_mut().enumerate() {
            if call.name.is_empty() && call.block.is_none() {
                // An element that says nothing is passed over; one that wants to be run cannot be.
                if call.has_arguments || !call.id.is_empty() {
                    events.push(StreamEvent::Failed(nameless()));
                    return;
                }
                continue;
            }
            if !call.has_arguments && !call.custom {
                call.held.push_str("{}");
            }
            call.advance(place, answer, next, events);
            let Some(index) = call.block else { continue };
            if let Some(signature) = call.signature.take() {
                events.push(StreamEvent::Delta { index, delta: Delta::Signature(signature) });
            }
            events.push(StreamEvent::BlockStop { index });
        }
    }

    /// Returns the call that a delta belongs to, made if need be.
    fn place(&mut self, position: Option<u64>, id: &str, name: &str) -> usize {
        let same = |call: &Call| match position {
            Some(_) => call.position == position,
            None => id.is_empty() || call.id == id,
        };
        // Another id under a known index, with a name, is another call: some servers send index 0 for all.
        let is_other = |call: &Call| {
            !id.is_empty() && !name.is_empty() && !call.id.is_empty() && call.id != id
        };
        let is_nameless_new = position.is_none() && id.is_empty() && !name.is_empty();
        match self.calls.iter().rposition(same) {
            Some(place)
                if !is_nameless_new
                    && self.calls.get(place).is_some_and(|call| !is_other(call)) =>
            {
                place
            }
            _ if self.calls.len() >= MOST_CALLS => MOST_CALLS - 1,
            _ => {
                self.calls.push(Call { position, ..Call::default() });
                self.calls.len() - 1
            }
        }
    }
}

impl Call {
    /// Begins the block if it has not begun, and hands on what is held.
    fn advance(
        &mut self,
        place: usize,
        answer: &str,
        next: &mut usize,
        events: &mut Vec<StreamEvent>,
    ) {
        let index = match self.block {
            Some(index) => index,
            None => {
                if self.id.is_empty() {
                    self.id = ids::made_up(answer, place, &self.name);
                }
                let index = *next;
                *next += 1;
                self.block = Some(index);
                let (id, name) = (self.id.clone(), self.name.clone());
                let block = BlockStart::ToolCall { id, name, custom: self.custom };
                events.push(StreamEvent::BlockStart { index, block });
                if let Some(signature) = self.signature.take() {
                    events.push(StreamEvent::Delta { index, delta: Delta::Signature(signature) });
                }
                index
            }
        };
        if !self.held.is_empty() {
            let delta = Delta::Arguments(std::mem::take(&mut self.held));
            events.push(StreamEvent::Delta { index, delta });
        }
    }
}

/// Returns the object that holds name and arguments, and whether the call is of a custom tool.
pub(super) fn function_of(call: &Value) -> (&Value, bool) {
    let named = |field| {
        call.get(field).filter(|inner| {
            inner.get("name").and_then(Value::as_str).is_some_and(|n| !n.is_empty())
        })
    };
    let is_custom = call.get("type").and_then(Value::as_str) == Some("custom");
    match (named("function"), named("custom").or_else(|| call.get("custom").filter(|_| is_custom)))
    {
        (None, Some(custom)) => (custom, true),
        _ => (call.get("function").unwrap_or(&Value::Null), false),
    }
}

/// Returns the arguments: a text, or an object where a server forgot to write it as one.
pub(super) fn arguments_of(function: &Value, custom: bool) -> String {
    match function.get(if custom { "input" } else { "arguments" }) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => crate::json::text(other),
    }
}
