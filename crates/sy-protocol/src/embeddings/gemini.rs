//! Gemini's `:embedContent` and `:batchEmbedContents` (ai.google.dev/api/embeddings, read 2026-11), both faces.

use bytes::Bytes;
use serde_json::{Map, Value, json};
use sy_types::chat::{Dropped, Usage};
use sy_types::{CallBody, ErrorKind, Failure, Target};

use super::{BuiltEmbed, EmbedInput, EmbedRequest, EmbedResponse, vector};
use crate::failure::Reported;
use crate::fields::{Fields, indexed, missing, wrong};
use crate::gemini_generate::{fields, model_name, nested};

pub(super) fn decode_one(body: &[u8], model: Option<&str>) -> Result<EmbedRequest, Failure> {
    let mut request = fields(Fields::root(body)?.into_map().into(), "")?;
    let mut out = EmbedRequest { model: named(&mut request, model)?, ..EmbedRequest::default() };
    take_one(request, &mut out)?;
    Ok(out)
}

pub(super) fn decode_batch(body: &[u8], model: Option<&str>) -> Result<EmbedRequest, Failure> {
    let mut batch = fields(Fields::root(body)?.into_map().into(), "")?;
    let mut out = EmbedRequest { model: named(&mut batch, model)?, ..EmbedRequest::default() };
    let requests =
        batch.array("requests")?.ok_or_else(|| missing("requests", "an array of requests"))?;
    for (path, request) in requests {
        let mut request = fields(request, path.clone())?;
        request.take("model");
        let mut one = EmbedRequest::default();
        take_one(request, &mut one)?;
        if out.inputs.is_empty() {
            (out.dimensions, out.task_type, out.title) = (one.dimensions, one.task_type, one.title);
        } else if (one.dimensions, &one.task_type, &one.title)
            != (out.dimensions, &out.task_type, &out.title)
        {
            out.unmapped.push(Dropped::new(
                path,
                "its settings differ from the first request's, which count for all",
            ));
        }
        out.inputs.append(&mut one.inputs);
        out.unmapped.append(&mut one.unmapped);
    }
    batch.finish(&mut out.unmapped);
    Ok(out)
}

/// Takes the model: the one in the path counts.
fn named(request: &mut Fields, model: Option<&str>) -> Result<String, Failure> {
    let in_body = request.string("model")?;
    let model = model
        .map(str::to_owned)
        .or(in_body)
        .ok_or_else(|| missing("model", "a model in the path"))?;
    Ok(model.strip_prefix("models/").map(str::to_owned).unwrap_or(model))
}

fn take_one(mut request: Fields, out: &mut EmbedRequest) -> Result<(), Failure> {
    let path = request.path("content");
    let content = request.take("content").ok_or_else(|| missing(&path, "a content object"))?;
    out.inputs.push(EmbedInput::Text(text_of(content, &path)?));
    out.task_type = request.string("taskType")?.filter(|word| word != "TASK_TYPE_UNSPECIFIED");
    out.title = request.string("title")?;
    out.dimensions = request.count("outputDimensionality")?;
    if let Some(mut config) = nested(&mut request, "embedContentConfig")? {
        out.task_type = out.task_type.take().or(config.string("taskType")?);
        out.title = out.title.take().or(config.string("title")?);
        out.dimensions = out.dimensions.or(config.count("outputDimensionality")?);
        config.finish(&mut out.unmapped);
    }
    request.finish(&mut out.unmapped);
    Ok(())
}

/// Returns the text of a content; one vector is made of all its parts, so they are joined.
fn text_of(content: Value, path: &str) -> Result<String, Failure> {
    if let Value::String(text) = content {
        return Ok(text);
    }
    let mut content = fields(content, path)?;
    let parts_path = content.path("parts");
    let parts = match content.take("parts") {
        Some(Value::Array(parts)) => indexed(&parts_path, parts),
        Some(single @ Value::Object(_)) => vec![(parts_path, single)],
        Some(other) => return Err(wrong(&parts_path, "an array of parts", &other)),
        None => return Err(missing(&parts_path, "an array of parts")),
    };
    let mut texts = Vec::with_capacity(parts.len());
    for (path, part) in parts {
        let mut part = fields(part, path.clone())?;
        let text = part.string("text")?;
        texts.push(text.ok_or_else(|| {
            let message = format!("{path}: only text can be embedded through this server");
            Failure::new(ErrorKind::Unsupported, sy_types::Side::Caller, message).with_param(path)
        })?);
    }
    Ok(texts.join("\n"))
}

pub(super) fn build_one(request: &EmbedRequest, target: &Target) -> Result<BuiltEmbed, Failure> {
    match request.inputs.as_slice() {
        [input] => Ok(BuiltEmbed {
            body: embed_content(request, input, target)?,
            dropped: dropped(request),
        }),
        _ => Err(Failure::bug("several inputs were built for the wire of one")),
    }
}

pub(super) fn build_batch(request: &EmbedRequest, target: &Target) -> Result<BuiltEmbed, Failure> {
    let requests =
        request.inputs.iter().map(|input| embed_content(request, input, target).map(Value::Object));
    let mut body = Map::new();
    body.insert("requests".to_owned(), Value::Array(requests.collect::<Result<_, _>>()?));
    Ok(BuiltEmbed { body, dropped: dropped(request) })
}

fn dropped(request: &EmbedRequest) -> Vec<Dropped> {
    request.user.iter().map(|_| Dropped::new("user", "this provider has no place for it")).collect()
}

fn embed_content(
    request: &EmbedRequest,
    input: &EmbedInput,
    target: &Target,
) -> Result<Map<String, Value>, Failure> {
    let EmbedInput::Text(text) = input else {
        let message =
            "input: this model takes texts, not tokens of another tokenizer: send the texts";
        return Err(Failure::new(ErrorKind::Unsupported, sy_types::Side::Caller, message)
            .with_param("input"));
    };
    let mut body = Map::new();
    body.insert("model".to_owned(), Value::from(model_name(&target.upstream_model)));
    body.insert("content".to_owned(), json!({ "parts": [{ "text": text }] }));
    for (key, value) in [("taskType", &request.task_type), ("title", &request.title)] {
        body.extend(value.as_deref().map(|value| (key.to_owned(), Value::from(value))));
    }
    body.extend(
        request.dimensions.map(|count| ("outputDimensionality".to_owned(), Value::from(count))),
    );
    Ok(body)
}

pub(super) fn relay(body: &Bytes, target: &Target) -> Result<CallBody, Failure> {
    let mut map = Fields::root(body)?.into_map();
    let model = Value::from(model_name(&target.upstream_model));
    if let Some(named) = map.get_mut("model") {
        *named = model.clone();
    }
    // Each request of a batch repeats the model, and all must agree with the path.
    for request in map.get_mut("requests").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(request) = request.as_object_mut() {
            request.insert("model".to_owned(), model.clone());
        }
    }
    crate::face::merge_missing(&mut map, &target.options);
    Ok(CallBody::from(Bytes::from(crate::json::write(&map))))
}

pub(super) fn decode_response(body: &[u8]) -> Result<EmbedResponse, Failure> {
    let value: Value = crate::json::read(body).map_err(|error| {
        Failure::provider(
            ErrorKind::Malformed,
            format!("the provider sent an answer that is not JSON: {error}"),
        )
    })?;
    let rows = match (value.get("embeddings"), value.get("embedding")) {
        (Some(Value::Array(rows)), _) => rows.iter().collect(),
        (_, Some(row)) => vec![row],
        _ if value.get("error").is_some() => return Err(Reported::of(&value).into_failure(0)),
        _ => {
            return Err(Failure::provider(
                ErrorKind::Malformed,
                "the provider sent an answer without vectors",
            ));
        }
    };
    let read = |row: &Value| vector::read(row.get("values").unwrap_or(&Value::Null));
    let vectors = rows.into_iter().map(read).collect::<Result<_, _>>()?;
    let tokens = value.pointer("/usageMetadata/promptTokenCount").and_then(crate::json::count);
    let usage = tokens.map(|input| Usage { input, ..Usage::default() });
    Ok(EmbedResponse { model: None, vectors, usage })
}

pub(super) fn encode_one(response: &EmbedResponse) -> Value {
    let values = response.vectors.first().map(Vec::as_slice).unwrap_or_default();
    with_usage(json!({ "embedding": { "values": vector::numbers(values) } }), response)
}

pub(super) fn encode_batch(response: &EmbedResponse) -> Value {
    let rows = response.vectors.iter().map(|floats| json!({ "values": vector::numbers(floats) }));
    with_usage(json!({ "embeddings": rows.collect::<Vec<_>>() }), response)
}

fn with_usage(mut answer: Value, response: &EmbedResponse) -> Value {
    if let (Some(usage), Some(answer)) = (&response.usage, answer.as_object_mut()) {
        answer.insert("usageMetadata".to_owned(), json!({ "promptTokenCount": usage.input }));
    }
    answer
}
