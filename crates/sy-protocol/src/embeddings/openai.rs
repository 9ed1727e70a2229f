//! OpenAI's `/embeddings` (platform.openai.com/docs/api-reference/embeddings, read 2026-11), both faces.

use bytes::Bytes;
use serde_json::{Map, Value, json};
use sy_types::chat::{Dropped, Usage};
use sy_types::{CallBody, ErrorKind, Failure, Target};

use super::{BuiltEmbed, EmbedInput, EmbedRequest, EmbedResponse, Encoding, vector};
use crate::failure::Reported;
use crate::fields::{Fields, indexed, missing, wrong};
use crate::patch::Spans;

const INPUT: &str = "a text, a list of texts or a list of tokens";

pub(super) fn decode_request(body: &[u8]) -> Result<EmbedRequest, Failure> {
    let mut fields = Fields::root(body)?;
    let model = fields.required_string("model")?;
    let input = fields.take("input").ok_or_else(|| missing("input", INPUT))?;
    let encoding = match fields.string("encoding_format")?.as_deref() {
        None | Some("float") => Encoding::Float,
        Some("base64") => Encoding::Base64,
        Some(other) => {
            return Err(wrong("encoding_format", "\"float\" or \"base64\"", &Value::from(other)));
        }
    };
    let mut request =
        EmbedRequest { model, inputs: inputs(input)?, encoding, ..EmbedRequest::default() };
    request.dimensions = fields.count("dimensions")?;
    if let Some(dimensions) = fields.count("output_dimension")? {
        request.dimensions.get_or_insert(dimensions);
    }
    request.user = fields.string("user")?;
    // Not of OpenAI: the word of Voyage, NVIDIA and Cohere for what a vector is for.
    if let Some(word) = fields.string("input_type")? {
        match word.as_str() {
            "query" | "search_query" => request.task_type = Some("RETRIEVAL_QUERY".to_owned()),
            "document" | "passage" | "search_document" => {
                request.task_type = Some("RETRIEVAL_DOCUMENT".to_owned())
            }
            _ => request.unmapped.push(Dropped::new("input_type", "no counterpart on other wires")),
        }
    }
    fields.finish(&mut request.unmapped);
    Ok(request)
}

fn inputs(input: Value) -> Result<Vec<EmbedInput>, Failure> {
    let items = match input {
        Value::String(text) => return Ok(vec![EmbedInput::Text(text)]),
        Value::Array(items) => items,
        other => return Err(wrong("input", INPUT, &other)),
    };
    if items.first().is_some_and(Value::is_number) {
        return Ok(vec![tokens("input", &items)?]);
    }
    if items.is_empty() {
        return Err(Failure::invalid("input: expected at least one text, got an empty list")
            .with_param("input"));
    }
    indexed("input", items)
        .into_iter()
        .map(|(path, item)| match item {
            Value::String(text) => Ok(EmbedInput::Text(text)),
            Value::Array(items) => tokens(&path, &items),
            other => Err(wrong(&path, "a text or a list of tokens", &other)),
        })
        .collect()
}

fn tokens(path: &str, items: &[Value]) -> Result<EmbedInput, Failure> {
    let read = |item: &Value| {
        item.as_u64().ok_or_else(|| wrong(path, "a list of tokens (whole numbers)", item))
    };
    Ok(EmbedInput::Tokens(items.iter().map(read).collect::<Result<_, _>>()?))
}

pub(super) fn build(request: &EmbedRequest, target: &Target) -> BuiltEmbed {
    let mut dropped = Vec::new();
    let mut body = Map::new();
    body.insert("model".to_owned(), Value::from(&*target.upstream_model));
    let inputs = request.inputs.iter().map(|input| match input {
        EmbedInput::Text(text) => Value::from(text.as_str()),
        EmbedInput::Tokens(tokens) => json!(tokens),
    });
    body.insert("input".to_owned(), inputs.collect());
    if let Some(dimensions) = request.dimensions {
        body.insert("dimensions".to_owned(), Value::from(dimensions));
    }
    // Numbers are what every vendor gives; a client that wants base64 gets it from us.
    body.insert("encoding_format".to_owned(), Value::from("float"));
    if let Some(user) = &request.user {
        body.insert("user".to_owned(), Value::from(user.as_str()));
    }
    for (name, is_set) in
        [("taskType", request.task_type.is_some()), ("title", request.title.is_some())]
    {
        if is_set {
            dropped.push(Dropped::new(name, "this provider has no place for it"));
        }
    }
    BuiltEmbed { body, dropped }
}

pub(super) fn relay(body: &Bytes, target: &Target) -> Result<CallBody, Failure> {
    let names: Vec<&str> =
        std::iter::once("model").chain(target.options.keys().map(String::as_str)).collect();
    let spans = Spans::find(body, &names)?;
    let mut edits = vec![("model", Value::from(&*target.upstream_model))];
    let lacking = target.options.iter().filter(|(name, _)| spans.get(body, name).is_none());
    edits.extend(lacking.map(|(name, option)| (name.as_str(), option.clone())));
    Ok(spans.apply(body, &edits))
}

pub(super) fn decode_response(body: &[u8]) -> Result<EmbedResponse, Failure> {
    let value: Value = crate::json::read(body).map_err(|error| {
        Failure::provider(
            ErrorKind::Malformed,
            format!("the provider sent an answer that is not JSON: {error}"),
        )
    })?;
    let Some(rows) = value.get("data").and_then(Value::as_array) else {
        if value.get("error").is_some_and(|error| !error.is_null()) {
            return Err(Reported::of(&value).into_failure(0));
        }
        return Err(Failure::provider(
            ErrorKind::Malformed,
            "the provider sent an answer without vectors",
        ));
    };
    let mut numbered = Vec::with_capacity(rows.len());
    for (position, row) in rows.iter().enumerate() {
        let index = row.get("index").and_then(Value::as_u64).unwrap_or(position as u64);
        numbered.push((index, vector::read(row.get("embedding").unwrap_or(&Value::Null))?));
    }
    numbered.sort_by_key(|(index, _)| *index);
    let model = value.get("model").and_then(Value::as_str).map(str::to_owned);
    let vectors = numbered.into_iter().map(|(_, vector)| vector).collect();
    Ok(EmbedResponse { model, vectors, usage: value.get("usage").and_then(usage) })
}

/// Voyage reports the total alone.
fn usage(usage: &Value) -> Option<Usage> {
    let count = |key: &str| usage.get(key).and_then(crate::json::count);
    let input = count("prompt_tokens").or_else(|| count("total_tokens"))?;
    Some(Usage { input, ..Usage::default() })
}

pub(super) fn encode_response(request: &EmbedRequest, response: &EmbedResponse) -> Value {
    let row = |(index, floats): (usize, &Vec<f32>)| {
        let embedding = match request.encoding {
            Encoding::Float => vector::numbers(floats),
            Encoding::Base64 => vector::pack(floats),
        };
        json!({ "object": "embedding", "index": index, "embedding": embedding })
    };
    let tokens = response.usage.map(|usage| usage.input).unwrap_or_default();
    json!({
        "object": "list",
        "data": response.vectors.iter().enumerate().map(row).collect::<Vec<_>>(),
        "model": response.model.as_deref().unwrap_or(&request.model),
        "usage": { "prompt_tokens": tokens, "total_tokens": tokens },
    })
}
