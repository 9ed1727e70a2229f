//! Data URLs and MIME types: what all protocols share about pictures and documents.

use bytes::Bytes;
use sy_types::Media as Kind;
use sy_types::chat::{Media, Source};

/// Makes a media value of a URL as clients write it: a `data:` URL becomes inline bytes.
pub(crate) fn from_url(url: &str, fallback: Kind) -> Media {
    let inline =
        url.strip_prefix("data:").and_then(|rest| rest.split_once(',')).and_then(|(head, data)| {
            let mime = head.strip_suffix(";base64")?;
            let mime = mime.split(';').next().unwrap_or_default();
            Some((mime.to_owned(), data))
        });
    match inline {
        Some((mime, data)) => {
            let mime = Some(mime).filter(|mime| !mime.is_empty());
            inline_media(mime, data, fallback)
        }
        None => Media {
            kind: fallback,
            mime: None,
            source: Source::Url(url.to_owned()),
            name: None,
            detail: None,
            cache: false,
        },
    }
}

/// Makes a media value of base64 text.
pub(crate) fn inline_media(mime: Option<String>, base64: &str, fallback: Kind) -> Media {
    let kind = mime.as_deref().and_then(kind_of).unwrap_or(fallback);
    Media {
        kind,
        mime,
        source: Source::Base64(Bytes::copy_from_slice(base64.as_bytes())),
        name: None,
        detail: None,
        cache: false,
    }
}

/// Returns the URL form of a media value: a `data:` URL for inline bytes; `None` for an uploaded file.
pub(crate) fn to_url(media: &Media) -> Option<String> {
    match &media.source {
        Source::Url(url) => Some(url.clone()),
        Source::Base64(data) => {
            Some(format!("data:{};base64,{}", mime_of(media), String::from_utf8_lossy(data)))
        }
        Source::FileId(_) | Source::Text(_) => None,
    }
}

/// Returns true for the id of a file that was uploaded elsewhere than at a provider of OpenAI's two protocols: Anthropic's begin with
/// `file_`, Gemini's are addresses.
pub(crate) fn is_foreign_upload(id: &str) -> bool {
    id.starts_with("file_") || id.contains("://")
}

/// Returns the MIME type, or the usual one of its kind.
pub(crate) fn mime_of(media: &Media) -> &str {
    media.mime.as_deref().unwrap_or(match media.kind {
        Kind::Text => "text/plain",
        Kind::Audio => "audio/wav",
        Kind::Image => "image/png",
        Kind::Video => "video/mp4",
        Kind::Pdf => "application/pdf",
    })
}

/// Returns the kind of content that a MIME type names.
pub(crate) fn kind_of(mime: &str) -> Option<Kind> {
    Some(match mime.split('/').next()? {
        "image" => Kind::Image,
        "audio" => Kind::Audio,
        "video" => Kind::Video,
        "text" => Kind::Text,
        _ if mime == "application/pdf" => Kind::Pdf,
        _ => return None,
    })
}
