//! What a JSON text will cost once it is decoded, told before it is.
//!
//! Asked before a client's body is translated and before a provider's answer is decoded. The texts of a body cost
//! about their length; each value costs the same however short it is written, so two bytes can become hundreds. It
//! deliberately never allocates and never fails: a text that is no JSON is counted somehow and refused by the decoder.

use memchr::memchr2;
use sy_types::chat::{BlockStart, Delta, Source, StreamEvent};

/// The bytes of memory that one JSON value takes at most while its body is decoded, rebuilt and written: a value of
/// `serde_json` is 72 bytes, lists grow by doubling, each element gets a path for messages, and two trees live at once.
/// An estimate on the safe side: a million messages were seen to take about 500 each, fields that no protocol knows 125. What
/// it comes to is watched from outside by `scripts/check hostile memory`.
pub const VALUE_COST: u64 = 512;
/// How many copies of a body's texts live at once while it is translated: decoded, rebuilt, and written in a buffer that grows
/// by doubling.
pub const TEXT_COPIES: u64 = 4;
/// From how many bytes on translating something takes so long that other requests on the same thread would feel it.
pub const HEAVY: usize = 256 << 10;

/// Counts the values of a JSON text that arrives in pieces. Members of objects count once, with their key; an empty list or
/// object counts twice.
#[derive(Clone, Copy, Debug, Default)]
pub struct ValueCounter {
    values: u64,
    in_string: bool,
    /// True when the piece before ended with a backslash inside a string.
    is_escaped: bool,
}

impl ValueCounter {
    /// Counts a whole text.
    pub fn count(text: &[u8]) -> u64 {
        let mut counter = Self::default();
        counter.push(text);
        counter.values()
    }

    /// Takes the next piece in.
    pub fn push(&mut self, piece: &[u8]) {
        let mut rest = piece;
        if std::mem::take(&mut self.is_escaped) {
            rest = rest.get(1..).unwrap_or_default();
        }

        while !rest.is_empty() {
            let read = if self.in_string { self.string(rest) } else { self.outside(rest) };
            rest = rest.get(read..).unwrap_or_default();
        }
    }

    /// Returns how many values were seen so far: at least one, the text itself.
    pub fn values(&self) -> u64 {
        self.values + 1
    }

    /// Skips to the end of a string; returns how many bytes were read.
    fn string(&mut self, text: &[u8]) -> usize {
        let Some(at) = memchr2(b'"', b'\\', text) else { return text.len() };
        if text.get(at) == Some(&b'"') {
            self.in_string = false;
            return at + 1;
        }
        self.is_escaped = at + 1 == text.len();
        at + 2
    }

    /// Counts up to the next string; returns how many bytes were read.
    fn outside(&mut self, text: &[u8]) -> usize {
        let mut found = 0;
        for (at, byte) in text.iter().enumerate() {
            if *byte == b'"' {
                self.in_string = true;
                self.values += found;
                return at + 1;
            }
            // Each comma separates two values, each bracket opens a first one.
            found += u64::from(matches!(byte, b',' | b'[' | b'{'));
        }
        self.values += found;
        text.len()
    }
}

/// Returns what decoding and rebuilding a text costs, in bytes of memory.
pub fn translation_cost(bytes: usize, values: u64) -> u64 {
    (bytes as u64).saturating_mul(TEXT_COPIES).saturating_add(values.saturating_mul(VALUE_COST))
}

/// What one block or one source is counted as, beside its texts.
const ENTRY_COST: usize = 256;
/// How many copies of an answer live at once while a protocol that repeats it closes: the block, its item, and the four events
/// that hold it, written in a buffer that grows by doubling.
const REPEATED_COPIES: usize = 10;

/// Returns how many bytes an encoder may keep of an event until the stream ends. `repeats` is true for a protocol whose
/// closing event repeats the answer ([`crate::StreamEncoder::repeats_answer`]); of the texts of others nothing is kept.
pub fn kept_of(event: &StreamEvent, repeats: bool) -> usize {
    let bytes = match event {
        StreamEvent::Delta { delta: Delta::Text(text), .. } if repeats => text.len(),
        StreamEvent::Delta { delta: Delta::Arguments(text), .. } => text.len(),
        StreamEvent::Delta { delta: Delta::Signature(signature), .. } => signature.value.len(),
        StreamEvent::Delta { delta: Delta::Citation(citation), .. } => {
            let quote = citation.quote.as_ref().map_or(0, String::len);
            ENTRY_COST + citation.url.len() + quote
        }
        StreamEvent::BlockStart { block, .. } => ENTRY_COST + kept_of_block(block, repeats),
        StreamEvent::Start { .. }
        | StreamEvent::Delta { delta: Delta::Text(_), .. }
        | StreamEvent::BlockStop { .. }
        | StreamEvent::Usage(_)
        | StreamEvent::Finish { .. }
        | StreamEvent::Failed(_) => 0,
    };
    if repeats { bytes.saturating_mul(REPEATED_COPIES) } else { bytes }
}

fn kept_of_block(block: &BlockStart, repeats: bool) -> usize {
    match block {
        BlockStart::Text | BlockStart::Refusal => 0,
        BlockStart::Reasoning { id, .. } => id.as_ref().map_or(0, String::len),
        BlockStart::ToolCall { id, name, .. } => id.len() + name.len(),
        // Written at once; kept only where it is repeated.
        BlockStart::Media(media) if repeats => match &media.source {
            Source::Base64(bytes) => bytes.len(),
            Source::Url(text) | Source::FileId(text) | Source::Text(text) => text.len(),
        },
        BlockStart::Opaque(opaque) if repeats => crate::json::text(&opaque.value).len(),
        BlockStart::Media(_) | BlockStart::Opaque(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::ValueCounter;

    #[track_caller]
    fn check(text: &str, expected: u64) {
        assert_eq!(ValueCounter::count(text.as_bytes()), expected, "{text}");
        for at in 0..text.len() {
            let mut counter = ValueCounter::default();
            let (first, second) = text.as_bytes().split_at(at);
            counter.push(first);
            counter.push(second);
            assert_eq!(counter.values(), expected, "{text} cut at {at}");
        }
    }

    #[test]
    fn values_are_counted_wherever_the_text_is_cut() {
        check("1", 1);
        check("[1,2,3]", 4);
        check(r#"{"a":1,"b":[2]}"#, 4);
        check(r#"{"a":"x,[{\",","b\\":"\\"}"#, 3);
        check("[[],[],{}]", 7);
    }
}
