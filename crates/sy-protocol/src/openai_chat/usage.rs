//! Token counts of the chat completions family, in and out.
//!
//! Called by both decoders and both encoders of answers. The counts mean the same everywhere except at their edges: some count
//! reasoning or sound beside the totals, and only `total_tokens` tells. It deliberately ignores prices that come along.

use serde_json::{Value, json};
use sy_types::chat::Usage;

/// Reads a `usage` object; `None` when it holds no counts.
pub(super) fn read(value: &Value) -> Option<Usage> {
    let (prompt, completion) = (count(value, "prompt_tokens"), count(value, "completion_tokens"));
    if prompt.is_none() && completion.is_none() {
        return None;
    }
    let (mut input, mut output) = (prompt.unwrap_or(0), completion.unwrap_or(0));
    let most =
        |paths: &[&str]| paths.iter().filter_map(|path| count(value, path)).max().unwrap_or(0);
    let cache_read = most(&[
        "prompt_tokens_details.cached_tokens",
        "prompt_cache_hit_tokens",
        "cache_read_input_tokens",
        "cached_tokens",
    ]);
    let cache_write =
        most(&["prompt_tokens_details.cache_write_tokens", "cache_creation_input_tokens"]);
    let mut reasoning = most(&["completion_tokens_details.reasoning_tokens", "reasoning_tokens"]);
    let beside = count(value, "total_tokens").unwrap_or(0).saturating_sub(input + output);
    if beside > 0 {
        if beside == most(&["prompt_tokens_details.audio_tokens"]) {
            // Sound is counted beside the prompt (recorded with a Mistral model).
            input += beside;
        } else {
            // Reasoning is counted beside the answer (recorded with xAI), or only in the total (recorded with Gemini).
            output += beside;
            reasoning = reasoning.max(beside);
        }
    }
    if cache_read + cache_write > input {
        input += cache_read + cache_write;
    }
    Some(Usage { input, cache_read, cache_write, output, reasoning: reasoning.min(output) })
}

/// Writes a `usage` object. Cache writes have no field at OpenAI; OpenRouter's is used.
pub(super) fn write(usage: &Usage) -> Value {
    json!({
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.total(),
        "prompt_tokens_details": { "cached_tokens": usage.cache_read, "cache_write_tokens": usage.cache_write },
        "completion_tokens_details": { "reasoning_tokens": usage.reasoning },
    })
}

/// Reads the count at a path of keys with a point between them.
fn count(value: &Value, path: &str) -> Option<u64> {
    let value = path.split('.').try_fold(value, |inner, key| inner.get(key))?;
    crate::json::count(value)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use sy_types::chat::Usage;

    use super::{read, write};

    #[track_caller]
    fn check(value: &Value, expected: [u64; 5]) {
        let [input, cache_read, cache_write, output, reasoning] = expected;
        let usage = Usage { input, cache_read, cache_write, output, reasoning };
        assert_eq!(read(value), Some(usage));
        assert_eq!(read(&write(&usage)), Some(usage));
    }

    #[test]
    fn every_class_is_a_part_of_its_total() {
        check(
            &json!({"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13,
                "prompt_tokens_details": {"cached_tokens": 5, "cache_write_tokens": 2},
                "completion_tokens_details": {"reasoning_tokens": 3}}),
            [9, 5, 2, 4, 3],
        );
        check(
            &json!({"prompt_tokens": 9, "completion_tokens": 4, "prompt_cache_hit_tokens": 8}),
            [9, 8, 0, 4, 0],
        );
    }

    #[test]
    fn what_is_counted_beside_a_total_is_added_to_it() {
        check(
            &json!({"prompt_tokens": 12, "completion_tokens": 1, "total_tokens": 241,
                "completion_tokens_details": {"reasoning_tokens": 228}}),
            [12, 0, 0, 229, 228],
        );
        check(
            &json!({"prompt_tokens": 35, "completion_tokens": 12, "total_tokens": 109}),
            [35, 0, 0, 74, 62],
        );
        check(
            &json!({"prompt_tokens": 11, "completion_tokens": 15, "total_tokens": 401,
                "prompt_tokens_details": {"audio_tokens": 375, "cached_tokens": 9}}),
            [386, 9, 0, 15, 0],
        );
    }

    #[test]
    fn more_reasoning_than_answer_is_cut_to_the_answer() {
        check(
            &json!({"prompt_tokens": 5, "completion_tokens": 16, "total_tokens": 21,
                "completion_tokens_details": {"reasoning_tokens": 19}}),
            [5, 0, 0, 16, 16],
        );
    }

    #[test]
    fn absurd_counts_do_not_wrap() {
        let usage = read(&json!({"prompt_tokens": u64::MAX, "completion_tokens": 1e300,
            "total_tokens": u64::MAX, "cache_read_input_tokens": u64::MAX}))
        .unwrap();
        assert!(usage.input >= 1 << 40 && usage.output == 1 << 40 && usage.total() > usage.input);
        assert_eq!(read(&json!({"prompt_tokens": -5, "completion_tokens": -1})), None);
    }

    #[test]
    fn an_object_without_counts_is_no_usage() {
        assert_eq!(read(&json!({"cost": 1})), None);
        assert_eq!(read(&Value::Null), None);
    }
}
