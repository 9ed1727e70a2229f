//! Pictures and documents as this wire writes them, and whole parts of an answer.
//!
//! Shared by the request's build and the answer's encoders; media are read for both faces here too. It deliberately does not
//! fetch an address.

use serde_json::{Map, Value, json};
use sy_types::Media as Kind;
use sy_types::chat::{Media, Part, Source, ToolCall};

use super::proof;
use crate::ids::GEMINI_GENERATE;
use crate::media;

/// Fields of a part that say something about its content and are not content themselves.
const ABOUT: [&str; 5] =
    ["thought", "thoughtSignature", "videoMetadata", "mediaResolution", "partMetadata"];

/// Makes an object without copying its values.
pub(super) fn object<const COUNT: usize>(fields: [(&str, Value); COUNT]) -> Value {
    Value::Object(fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

/// Returns the field that holds the content of a part.
pub(super) fn content_key(part: &Map<String, Value>) -> Option<&str> {
    part.iter()
        .find(|(key, value)| !value.is_null() && !ABOUT.contains(&key.as_str()))
        .map(|(key, _)| key.as_str())
}

/// Reads inline bytes.
pub(super) fn inline(mime: Option<String>, base64: &str, name: Option<String>) -> Media {
    // A type that is none of the known kinds (application/json, say) is a document.
    Media { name, ..media::inline_media(mime, base64, Kind::Pdf) }
}

/// Reads a file that is named by its address.
pub(super) fn file(mime: Option<String>, uri: String, name: Option<String>) -> Media {
    let guessed = mime.as_deref().and_then(media::kind_of);
    let kind =
        guessed.or_else(|| mime_of_address(&uri).and_then(media::kind_of)).unwrap_or(match &mime {
            Some(_) => Kind::Pdf,
            None if uri.contains("youtube.com/") || uri.contains("youtu.be/") => Kind::Video,
            None => Kind::Image,
        });
    let source = if is_upload(&uri) { Source::FileId(uri) } else { Source::Url(uri) };
    Media { kind, mime, source, name, detail: None, cache: false }
}

/// Returns true for files that only Google can read.
fn is_upload(uri: &str) -> bool {
    let is_files_api =
        uri.starts_with("https://generativelanguage.googleapis.com/") && uri.contains("/files/");
    uri.starts_with("gs://") || uri.starts_with("files/") || is_files_api
}

/// Returns the MIME type that the end of an address tells.
fn mime_of_address(address: &str) -> Option<&'static str> {
    let path = address.split(['?', '#']).next()?;
    let (_, ending) = path.rsplit_once('.')?;
    Some(match ending.to_ascii_lowercase().as_str() {
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "gif" => "image/gif",
        "heic" => "image/heic",
        "pdf" => "application/pdf",
        "mp3" => "audio/mpeg",
        "wav" => "audio/wav",
        "ogg" => "audio/ogg",
        "flac" => "audio/flac",
        "mp4" => "video/mp4",
        "webm" => "video/webm",
        "mov" => "video/quicktime",
        "txt" | "md" => "text/plain",
        _ => return None,
    })
}

/// Writes a picture, document, sound or video; `None` for an upload to somebody else.
pub(super) fn media_part(media: &Media) -> Option<Value> {
    let written = match &media.source {
        Source::Base64(data) => {
            let data = Value::from(String::from_utf8_lossy(data).into_owned());
            object([(
                "inlineData",
                object([("mimeType", Value::from(media::mime_of(media))), ("data", data)]),
            )])
        }
        Source::Url(uri) => file_part(media, uri),
        Source::FileId(id) if is_upload(id) => file_part(media, id),
        Source::FileId(_) => return None,
        Source::Text(text) => json!({ "text": text }),
    };
    Some(written)
}

fn file_part(media: &Media, uri: &str) -> Value {
    let is_page = uri.contains("youtube.com/") || uri.contains("youtu.be/");
    let mime = media
        .mime
        .as_deref()
        .or_else(|| mime_of_address(uri))
        .unwrap_or_else(|| media::mime_of(media));
    if is_page && media.mime.is_none() {
        return json!({ "fileData": { "fileUri": uri } });
    }
    json!({ "fileData": { "mimeType": mime, "fileUri": uri } })
}

/// Writes a tool call.
pub(super) fn call_part(call: &ToolCall) -> Value {
    let arguments =
        if call.custom { json!({ "input": call.arguments }) } else { arguments(&call.arguments).0 };
    let written = object([
        ("id", Value::from(&*call.id)),
        ("name", Value::from(&*call.name)),
        ("args", arguments),
    ]);
    match &call.signature {
        None => object([("functionCall", written)]),
        Some(signature) => object([
            ("functionCall", written),
            ("thoughtSignature", Value::from(proof::write(signature))),
        ]),
    }
}

/// Turns a call's arguments into the object that this wire demands; false where they were none and had to be wrapped.
pub(super) fn arguments(text: &str) -> (Value, bool) {
    // Some providers write `null` for a call without arguments (recorded at Groq).
    if matches!(text.trim(), "" | "null") {
        return (json!({}), true);
    }
    match crate::json::read::<Value>(text.as_bytes()) {
        Ok(value @ Value::Object(_)) => (value, true),
        _ => (json!({ "input": text }), false),
    }
}

/// Writes text, with what marks it.
pub(super) fn text_part(text: &str, thought: bool, proof: Option<String>) -> Value {
    let mut part = Map::new();
    part.insert("text".to_owned(), Value::from(text));
    if thought {
        part.insert("thought".to_owned(), Value::Bool(true));
    }
    if let Some(proof) = proof {
        part.insert("thoughtSignature".to_owned(), Value::from(proof));
    }
    Value::Object(part)
}

/// Writes one part of an answer for a client; `None` for what only another protocol knows.
pub(super) fn answer_part(part: &Part) -> Option<Value> {
    match part {
        Part::Text(text) => {
            Some(text_part(&text.text, false, text.signature.as_ref().map(proof::write)))
        }
        Part::Refusal(text) => Some(text_part(text, false, None)),
        Part::Reasoning(reasoning) => {
            Some(text_part(&reasoning.text, true, proof::write_reasoning(reasoning)))
        }
        Part::ToolCall(call) => Some(call_part(call)),
        Part::Media(media) => media_part(media),
        Part::Opaque(opaque) => (opaque.protocol == GEMINI_GENERATE).then(|| opaque.value.clone()),
        Part::ToolResult(_) => None,
    }
}
