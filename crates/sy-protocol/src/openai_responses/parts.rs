//! Content parts: `input_text`, `input_image`, `input_file`, `output_text` and their kin.
//!
//! Used by the decoder of client requests and by the builder of provider requests. It deliberately fetches nothing: a file at
//! an address stays an address.

use serde_json::{Value, json};
use sy_types::Failure;
use sy_types::Media as Kind;
use sy_types::chat::{Citation, Dropped, ImageDetail, Media, Opaque, Part, Source, Text};

use crate::fields::{Fields, indexed, wrong};
use crate::ids::OPENAI_RESPONSES;
use crate::media;

/// Reads a content that is a text or a list of parts.
///
/// # Errors
/// `Invalid`, naming the field at fault.
pub(super) fn decode_content(
    path: &str,
    value: Option<Value>,
    dropped: &mut Vec<Dropped>,
) -> Result<Vec<Part>, Failure> {
    match value {
        None => Ok(Vec::new()),
        Some(Value::String(text)) => Ok(vec![Part::text(text)]),
        Some(Value::Array(items)) => indexed(path, items)
            .into_iter()
            .map(|(path, item)| decode_part(&path, item, dropped))
            .collect(),
        Some(other) => Err(wrong(path, "a string or an array of parts", &other)),
    }
}

fn decode_part(path: &str, value: Value, dropped: &mut Vec<Dropped>) -> Result<Part, Failure> {
    let mut fields = Fields::of(value, path)?;
    let kind = match fields.peek("type") {
        Some(Value::String(kind)) => kind.clone(),
        Some(other) => return Err(wrong(&fields.path("type"), "a string", other)),
        None => return Err(crate::fields::missing(&fields.path("type"), "a string")),
    };
    let part = match kind.as_str() {
        "input_text" | "output_text" | "text" | "summary_text" => {
            decode_text(&mut fields, dropped)?
        }
        "refusal" => Part::Refusal(fields.required_string("refusal")?),
        "input_image" => decode_image(&mut fields)?,
        "input_file" => decode_file(&mut fields)?,
        "input_audio" => decode_audio(&mut fields)?,
        _ => {
            let value = Value::Object(fields.into_map());
            return Ok(Part::Opaque(Opaque { protocol: OPENAI_RESPONSES, kind, value }));
        }
    };
    fields.take("type");
    fields.finish(dropped);
    Ok(part)
}

fn decode_text(fields: &mut Fields, dropped: &mut Vec<Dropped>) -> Result<Part, Failure> {
    let text = fields.required_string("text")?;
    let annotations = fields.take("annotations");
    let citations = citations(annotations.as_ref());
    if annotations
        .and_then(|list| list.as_array().map(Vec::len))
        .is_some_and(|count| count > citations.len())
    {
        dropped.push(Dropped::new(
            fields.path("annotations"),
            "only sources at an address can be carried",
        ));
    }
    if fields.peek("logprobs") == Some(&json!([])) {
        fields.take("logprobs");
    }
    let cache = takes_breakpoint(fields);
    Ok(Part::Text(Text { text, cache, citations, signature: None }))
}

/// Takes the mark that ends a cacheable prefix.
fn takes_breakpoint(fields: &mut Fields) -> bool {
    fields.take("prompt_cache_breakpoint").is_some()
}

fn decode_image(fields: &mut Fields) -> Result<Part, Failure> {
    let url = match fields.take("image_url") {
        Some(Value::String(url)) => Some(url),
        Some(Value::Object(object)) => object.get("url").and_then(Value::as_str).map(str::to_owned),
        Some(other) => return Err(wrong(&fields.path("image_url"), "a string", &other)),
        None => None,
    };
    let mut image = match (url, fields.string("file_id")?) {
        (Some(url), _) => media::from_url(&url, Kind::Image),
        (None, Some(id)) => uploaded(id, Kind::Image),
        (None, None) => {
            return Err(crate::fields::missing(&fields.path("image_url"), "a URL or a data URL"));
        }
    };
    image.detail = match fields.string("detail")?.as_deref() {
        None => None,
        Some("auto") => Some(ImageDetail::Auto),
        Some("low") => Some(ImageDetail::Low),
        Some("high") => Some(ImageDetail::High),
        Some("original") => Some(ImageDetail::Original),
        Some(other) => {
            let path = fields.path("detail");
            return Err(wrong(&path, "auto, low, high or original", &Value::from(other)));
        }
    };
    image.cache = takes_breakpoint(fields);
    Ok(Part::Media(image))
}

fn decode_file(fields: &mut Fields) -> Result<Part, Failure> {
    let name = fields.string("filename")?;
    let inline = fields.string("file_data")?;
    let url = fields.string("file_url")?;
    let mut file = match (inline, url, fields.string("file_id")?) {
        (Some(text), _, _) if text.starts_with("data:") => media::from_url(&text, Kind::Pdf),
        (Some(base64), _, _) => media::inline_media(None, &base64, Kind::Pdf),
        (None, Some(url), _) => {
            Media { source: Source::Url(url), ..uploaded(String::new(), Kind::Pdf) }
        }
        (None, None, Some(id)) => uploaded(id, Kind::Pdf),
        (None, None, None) => {
            return Err(crate::fields::missing(
                &fields.path("file_data"),
                "file_data, file_url or file_id",
            ));
        }
    };
    file.name = name;
    file.cache = takes_breakpoint(fields);
    fields.take("detail");
    Ok(Part::Media(file))
}

fn decode_audio(fields: &mut Fields) -> Result<Part, Failure> {
    let path = fields.path("input_audio");
    let Some(mut audio) = fields.object("input_audio")? else {
        return Err(crate::fields::missing(&path, "an object with data and format"));
    };
    let format = audio.string("format")?.unwrap_or_else(|| "wav".to_owned());
    let base64 = audio.required_string("data")?;
    Ok(Part::Media(media::inline_media(Some(format!("audio/{format}")), &base64, Kind::Audio)))
}

fn uploaded(id: String, kind: Kind) -> Media {
    Media { kind, mime: None, source: Source::FileId(id), name: None, detail: None, cache: false }
}

/// Reads the sources that are addresses; what only the maker of the answer can resolve (files) is left out.
pub(super) fn citations(annotations: Option<&Value>) -> Vec<Citation> {
    let list = annotations.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    list.iter().filter_map(citation).collect()
}

/// Reads one source, if it is an address.
pub(super) fn citation(annotation: &Value) -> Option<Citation> {
    let url = annotation.get("url").and_then(Value::as_str)?.to_owned();
    let title = annotation.get("title").and_then(Value::as_str).filter(|title| !title.is_empty());
    Some(Citation { url, title: title.map(str::to_owned), quote: None })
}

/// Writes a source of a text that is `length` characters long so far: the whole of it, since a citation has no place of its own.
pub(super) fn annotation(citation: &Citation, length: usize) -> Value {
    json!({
        "type": "url_citation",
        "url": citation.url,
        "title": citation.title.as_deref().unwrap_or_default(),
        "start_index": 0,
        "end_index": length,
    })
}

/// Returns true for a medium whose name has a place: an inline document.
pub(super) fn keeps_name(media: &Media) -> bool {
    matches!(media.kind, Kind::Pdf | Kind::Text) && matches!(media.source, Source::Base64(_))
}

/// Writes a picture or document as an input part.
///
/// # Errors
/// The reason why it cannot be carried.
pub(super) fn build_media(media: &Media) -> Result<Value, &'static str> {
    match (media.kind, &media.source) {
        (_, Source::FileId(id)) if media::is_foreign_upload(id) => {
            Err("an uploaded file is known to its own provider only")
        }
        (_, Source::Text(text)) => Ok(json!({"type": "input_text", "text": text})),
        (Kind::Image, source) => Ok(build_image(media, source)),
        (Kind::Video, _) => Err("video has no place in this protocol"),
        // The content of a message is text, picture or file (`ResponseInputContent` of openai-node 6, read 2026-11).
        (Kind::Audio, _) => Err("sound has no place in this protocol"),
        (Kind::Pdf | Kind::Text, source) => Ok(build_file(media, source)),
    }
}

fn build_image(media: &Media, source: &Source) -> Value {
    let detail = match media.detail {
        None | Some(ImageDetail::Auto) => "auto",
        Some(ImageDetail::Low) => "low",
        Some(ImageDetail::High) => "high",
        Some(ImageDetail::Original) => "original",
    };
    match source {
        Source::FileId(id) => json!({"type": "input_image", "file_id": id, "detail": detail}),
        Source::Base64(_) | Source::Url(_) | Source::Text(_) => {
            json!({"type": "input_image", "image_url": media::to_url(media), "detail": detail})
        }
    }
}

/// The name matters: the API tells the type of a file by it.
fn build_file(media: &Media, source: &Source) -> Value {
    match source {
        Source::FileId(id) => json!({"type": "input_file", "file_id": id}),
        Source::Url(url) => json!({"type": "input_file", "file_url": url}),
        Source::Base64(_) | Source::Text(_) => {
            let fallback = if media.kind == Kind::Pdf { "document.pdf" } else { "document.txt" };
            let name = media.name.as_deref().unwrap_or(fallback);
            json!({"type": "input_file", "filename": name, "file_data": media::to_url(media)})
        }
    }
}
