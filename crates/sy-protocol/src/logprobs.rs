//! How likely each token of an answer was, in the two forms in use: OpenAI's list and Gemini's two lists side by side.
//!
//! Used by the protocols of OpenAI and by Gemini's. Token ids and bytes differ between models; bytes are made of the text, ids
//! are left out.

use serde_json::{Map, Value, json};
use sy_types::chat::TokenLogprob;

/// Reads OpenAI's list (`logprobs.content` of a choice, `logprobs` of an output text).
pub(crate) fn read_openai(list: &[Value]) -> Vec<TokenLogprob> {
    let one = |item: &Value| {
        let (token, logprob) = pair(item, "token", "logprob")?;
        let top = item.get("top_logprobs").and_then(Value::as_array);
        let top = top.into_iter().flatten().filter_map(|item| pair(item, "token", "logprob"));
        Some(TokenLogprob { token, logprob, top: top.collect() })
    };
    list.iter().filter_map(one).collect()
}

/// Writes OpenAI's list.
pub(crate) fn write_openai(tokens: &[TokenLogprob]) -> Vec<Value> {
    let one = |token: &str, logprob: f64| json!({ "token": token, "logprob": logprob, "bytes": token.as_bytes() });
    let write = |token: &TokenLogprob| {
        let top: Vec<Value> = token.top.iter().map(|(word, logprob)| one(word, *logprob)).collect();
        let mut written = one(&token.token, token.logprob);
        if let Value::Object(written) = &mut written {
            written.insert("top_logprobs".to_owned(), Value::Array(top));
        }
        written
    };
    tokens.iter().map(write).collect()
}

/// Reads Gemini's `logprobsResult`.
pub(crate) fn read_gemini(result: &Value) -> Vec<TokenLogprob> {
    let list = |key: &str| result.get(key).and_then(Value::as_array).map(Vec::as_slice);
    let tops = list("topCandidates").unwrap_or_default();
    let chosen = list("chosenCandidates").unwrap_or_default().iter().enumerate();
    let read = |(index, item): (usize, &Value)| {
        let (token, logprob) = pair(item, "token", "logProbability")?;
        let top = tops.get(index).and_then(|top| top.get("candidates")).and_then(Value::as_array);
        let top =
            top.into_iter().flatten().filter_map(|item| pair(item, "token", "logProbability"));
        Some(TokenLogprob { token, logprob, top: top.collect() })
    };
    chosen.filter_map(read).collect()
}

/// Writes Gemini's `logprobsResult` and `avgLogprobs` into a candidate; nothing where there is nothing to tell.
pub(crate) fn write_gemini(tokens: &[TokenLogprob], candidate: &mut Map<String, Value>) {
    if tokens.is_empty() {
        return;
    }
    let one = |token: &str, logprob: f64| json!({ "token": token, "logProbability": logprob });
    let chosen: Vec<Value> = tokens.iter().map(|token| one(&token.token, token.logprob)).collect();
    let top = tokens.iter().map(|token| {
        let words: Vec<Value> =
            token.top.iter().map(|(word, logprob)| one(word, *logprob)).collect();
        json!({ "candidates": words })
    });
    let sum: f64 = tokens.iter().map(|token| token.logprob).sum();
    candidate.insert("avgLogprobs".to_owned(), json!(sum / tokens.len() as f64));
    candidate.insert(
        "logprobsResult".to_owned(),
        json!({ "chosenCandidates": chosen, "topCandidates": top.collect::<Vec<_>>() }),
    );
}

fn pair(item: &Value, word: &str, number: &str) -> Option<(String, f64)> {
    Some((item.get(word)?.as_str()?.to_owned(), item.get(number)?.as_f64()?))
}
