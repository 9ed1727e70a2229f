//! The tool calls of one streamed answer: arguments in pieces, or whole where a vendor sends no pieces.
//!
//! A part of [`super::blocks`], which says what came when. A call's block begins once its id and name are known; arguments that
//! come before are held back, and of those only so many.

use serde_json::{Value, json};
use sy_types::chat::{Delta, StreamEvent};

use super::blocks::Blocks;
use super::response;
use super::seen::{Call, Item, Kind, call_start, find};

/// How many bytes of arguments are held back for a name that does not come.
const HELD_LIMIT: usize = 1 << 20;

impl Blocks {
    pub(super) fn arguments(&mut self, value: &Value, text: &str, events: &mut Vec<StreamEvent>) {
        if text.is_empty() {
            return;
        }
        self.calls_tools = true;
        let next = self.next;
        let Some(item) = find(&mut self.items, value) else { return };
        if let Kind::Other = item.kind {
            item.kind = Kind::Call(Call { index: None, has_arguments: false, held: String::new() });
        }
        let Kind::Call(call) = &mut item.kind else { return };
        if item.done {
            return;
        }

        call.has_arguments = true;
        match call.index {
            Some(index) => {
                events.push(StreamEvent::Delta { index, delta: Delta::Arguments(text.to_owned()) });
            }
            None if call.held.len() + text.len() <= HELD_LIMIT => call.held.push_str(text),
            None => {
                let nameless = json!({"id": value.get("item_id")});
                let index = *call.index.insert(next);
                let place = usize::try_from(item.output_index).unwrap_or_default();
                events.push(StreamEvent::BlockStart { index, block: call_start(place, &nameless) });
                for text in [std::mem::take(&mut call.held), text.to_owned()] {
                    events.push(StreamEvent::Delta { index, delta: Delta::Arguments(text) });
                }
                self.next = next + 1;
            }
        }
    }

    pub(super) fn whole_arguments(
        &mut self,
        value: &Value,
        key: &str,
        events: &mut Vec<StreamEvent>,
    ) {
        let has_arguments = match find(&mut self.items, value) {
            Some(Item { kind: Kind::Call(call), .. }) => call.has_arguments,
            _ => false,
        };
        if !has_arguments {
            self.arguments(value, &response::arguments(value.get(key)), events);
        }
    }

    pub(super) fn call_done(
        &mut self,
        value: &Value,
        inner: &Value,
        events: &mut Vec<StreamEvent>,
    ) {
        self.added(value, events);
        let next = self.next;
        let Some(item) = find(&mut self.items, value) else { return };
        let place = usize::try_from(item.output_index).unwrap_or_default();
        let Kind::Call(call) = &mut item.kind else { return };
        let whole = response::call(place, inner);
        let index = call.index.unwrap_or(next);
        if call.index.is_none() {
            events.push(StreamEvent::BlockStart { index, block: call_start(place, inner) });
        }

        let rest =
            if call.has_arguments { std::mem::take(&mut call.held) } else { whole.arguments };
        if !rest.is_empty() {
            events.push(StreamEvent::Delta { index, delta: Delta::Arguments(rest) });
        }
        events.push(StreamEvent::BlockStop { index });
        self.next = self.next.max(index + 1);
    }
}
