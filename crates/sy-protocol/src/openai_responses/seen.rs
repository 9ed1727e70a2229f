//! What is remembered of the items of one streamed answer.
//!
//! Used by [`super::blocks`] alone. Items are told apart by `output_index`, because some vendors change item ids between events
//! (Copilot, LM Studio). No text is kept.

use serde_json::Value;
use sy_types::chat::{BlockStart, StreamEvent};

use super::response;

/// The most items that are remembered of one answer.
const MOST_ITEMS: usize = 1024;

/// One output item of which events have come.
pub(super) struct Item {
    pub(super) output_index: u64,
    pub(super) kind: Kind,
    /// True once its `output_item.done` came.
    pub(super) done: bool,
}

/// What an item is.
pub(super) enum Kind {
    /// Not known yet, or of no concern until it is done.
    Other,
    Message(Vec<Block>),
    Reasoning(Option<Thought>),
    Call(Call),
}

/// One content part of a message.
pub(super) struct Block {
    pub(super) content_index: u64,
    pub(super) index: usize,
    pub(super) has_text: bool,
    pub(super) citations: usize,
    pub(super) open: bool,
}

/// Which of its two fields the text of a reasoning item comes from.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Source {
    Summary,
    Content,
}

/// A reasoning item.
pub(super) struct Thought {
    pub(super) index: usize,
    /// Where its text comes from, and the last part of it.
    pub(super) at: Option<(Source, u64)>,
}

/// A call of a tool.
pub(super) struct Call {
    /// The block, once id and name are known.
    pub(super) index: Option<usize>,
    pub(super) has_arguments: bool,
    /// Arguments that came before the name.
    pub(super) held: String,
}

/// Returns the item that an event is about, making it known if it is new. An event without an index is about the last item.
pub(super) fn find<'a>(items: &'a mut Vec<Item>, value: &Value) -> Option<&'a mut Item> {
    let last = items.last().map_or(0, |item| item.output_index);
    let output_index = value.get("output_index").and_then(Value::as_u64).unwrap_or(last);
    let known = items.iter().rposition(|item| item.output_index == output_index);
    match known {
        Some(at) => items.get_mut(at),
        None => {
            remember(items, output_index);
            items.last_mut()
        }
    }
}

/// Makes an item known. Where there are more than any answer has, the ones that are done are forgotten, else the oldest.
fn remember(items: &mut Vec<Item>, output_index: u64) {
    if items.len() >= MOST_ITEMS {
        items.retain(|item| !item.done);
        if items.len() > MOST_ITEMS / 2 {
            items.drain(..MOST_ITEMS / 2);
        }
    }
    items.push(Item { output_index, kind: Kind::Other, done: false });
}

/// Makes room for an item that begins: some vendors leave `output_index` out or repeat it.
pub(super) fn begin(items: &mut Vec<Item>, value: &Value) {
    let Some(last) = items.last() else { return };
    let given = value.get("output_index").and_then(Value::as_u64);
    let output_index = given.unwrap_or(last.output_index + 1);
    let known = items.iter().rev().find(|item| item.output_index == output_index);
    if known.is_none_or(|item| item.done) {
        remember(items, output_index);
    }
}

pub(super) fn close(blocks: &mut [Block], events: &mut Vec<StreamEvent>) {
    for block in blocks.iter_mut().filter(|block| block.open) {
        block.open = false;
        events.push(StreamEvent::BlockStop { index: block.index });
    }
}

/// Ends an item and the blocks of it that are still open.
pub(super) fn close_item(item: &mut Item, events: &mut Vec<StreamEvent>) {
    match &mut item.kind {
        Kind::Message(blocks) => close(blocks, events),
        Kind::Reasoning(Some(Thought { index, .. }))
        | Kind::Call(Call { index: Some(index), .. }) => {
            events.push(StreamEvent::BlockStop { index: *index });
        }
        Kind::Other | Kind::Reasoning(None) | Kind::Call(_) => {}
    }
    item.done = true;
}

/// Returns true when an item that began as the given kind may end as the given type.
pub(super) fn agrees(kind: &Kind, word: &str) -> bool {
    match kind {
        Kind::Other => true,
        Kind::Message(_) => word == "message",
        Kind::Reasoning(_) => word == "reasoning",
        Kind::Call(_) => matches!(word, "function_call" | "custom_tool_call"),
    }
}

pub(super) fn call_start(place: usize, item: &Value) -> BlockStart {
    let call = response::call(place, item);
    BlockStart::ToolCall { id: call.id, name: call.name, custom: call.custom }
}

pub(super) fn content_index(value: &Value) -> u64 {
    value.get("content_index").and_then(Value::as_u64).unwrap_or(0)
}

pub(super) fn thought_part(value: &Value, source: Source) -> u64 {
    let key = match source {
        Source::Summary => "summary_index",
        Source::Content => "content_index",
    };
    value.get(key).and_then(Value::as_u64).unwrap_or(0)
}
