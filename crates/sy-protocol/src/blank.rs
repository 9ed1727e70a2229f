//! Whether a frame of a stream says anything, in whichever protocol.
//!
//! Asked by the router about frames of a relayed stream that its decoder passed over, when it must
//! tell an answer that goes on from a provider that only says that it is alive. It deliberately
//! keeps no state: one frame is judged by itself.

use serde_json::Value;

use crate::frame::Frame;

/// Where the protocols have what a frame adds to an answer: chat completions, messages and
/// responses, Gemini.
const PLACES: [&str; 3] = ["choices", "delta", "candidates"];
/// Fields within these places that only say what kind of thing it is.
const LABELS: [&str; 8] =
    ["type", "role", "id", "index", "name", "finish_reason", "finishReason", "safetyRatings"];

/// Returns true for a frame that adds nothing to an answer: a ping, or a piece without a text. What
/// is no JSON object is not blank, since nobody can tell.
pub fn is_blank(frame: &Frame) -> bool {
    says_nothing(&frame.data)
}

/// Returns the same of the data alone.
pub(crate) fn says_nothing(data: &[u8]) -> bool {
    let Ok(Value::Object(fields)) = crate::json::read(data) else { return false };
    !PLACES.iter().filter_map(|place| fields.get(*place)).any(says_something)
}

fn says_something(value: &Value) -> bool {
    match value {
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => items.iter().any(says_something),
        Value::Object(fields) => fields
            .iter()
            .filter(|(name, _)| !LABELS.contains(&name.as_str()))
            .any(|(_, value)| says_something(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::is_blank;
    use crate::frame::Frame;

    #[track_caller]
    fn check(data: &'static str, expected: bool) {
        let data = Bytes::from_static(data.as_bytes());
        let frame = Frame { event: Bytes::new(), data, end: 0 };
        assert_eq!(is_blank(&frame), expected, "{:?}", frame.data);
    }

    #[test]
    fn a_piece_without_a_text_is_blank_in_every_protocol() {
        check(
            r#"{"id":"a","choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}"#,
            true,
        );
        check(r#"{"choices":[{"delta":{"content":null}}]}"#, true);
        check(r#"{"type":"ping"}"#, true);
        check(r#"{"type":"content_block_delta","delta":{"type":"text_delta","text":""}}"#, true);
        check(r#"{"type":"response.output_text.delta","delta":""}"#, true);
        check(r#"{"candidates":[{"content":{"role":"model","parts":[{"text":""}]}}]}"#, true);
    }

    #[test]
    fn a_piece_with_a_text_is_not() {
        check(r#"{"choices":[{"index":0,"delta":{"content":" "}}]}"#, false);
        check(r#"{"choices":[{"delta":{"tool_calls":[{"function":{"arguments":"{"}}]}}]}"#, false);
        check(
            r#"{"type":"content_block_delta","delta":{"type":"input_json_delta","partial_json":"{"}}"#,
            false,
        );
        check(r#"{"type":"response.output_text.delta","delta":"x"}"#, false);
        check(r#"{"candidates":[{"content":{"parts":[{"text":"x"}]}}]}"#, false);
        check("no JSON", false);
    }
}
