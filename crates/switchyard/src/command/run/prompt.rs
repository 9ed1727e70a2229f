//! The request of `run`: its arguments, standard input and the files.
//!
//! It sends nothing. Files are known by their first bytes, not by their names.

use std::path::Path;

use anyhow::{Context as _, Result, anyhow};
use base64::Engine as _;
use bytes::Bytes;
use sy_types::chat::{ChatRequest, Media, Message, Part, Role, Sampling, Source};

use super::input;
use crate::cli::Run;
use crate::exit::Usage;

/// The largest file that is sent along.
const FILE_LIMIT: u64 = 32 << 20;

/// Makes the request.
pub(crate) fn request(arguments: &Run) -> Result<ChatRequest> {
    let prompt = prompt(&arguments.prompt)?;
    let mut parts =
        arguments.file.iter().map(|path| file_part(path)).collect::<Result<Vec<Part>>>()?;
    parts.push(Part::text(prompt));
    let system = arguments.system.iter().map(|text| Message::text(Role::System, text.clone()));
    Ok(ChatRequest {
        model: arguments.model.clone().unwrap_or_default(),
        stream: true,
        messages: system.chain([Message::new(Role::User, parts)]).collect(),
        max_output_tokens: arguments.max_tokens,
        sampling: Sampling { temperature: arguments.temperature, ..Sampling::default() },
        ..ChatRequest::default()
    })
}

/// Joins the words and what standard input holds. Its text stands where a word `-` is, else behind the words, set off by
/// an empty line: `git diff | switchyard run "Write a commit message"`.
fn prompt(words: &[String]) -> Result<String> {
    let has_mark = words.iter().any(|word| word == "-");
    let input = match words.is_empty() || has_mark {
        true => Some(input::required()?),
        false => input::piped()?,
    };

    let pieces: Vec<String> =
        words.split(|word| word == "-").map(|words| words.join(" ")).collect();
    let prompt = match input {
        None => pieces.concat(),
        Some(input) if has_mark => pieces.join(&format!("\n\n{}\n\n", input.trim_end())),
        Some(input) => format!("{}\n\n{}", pieces.concat(), input.trim_end()),
    };
    if prompt.trim().is_empty() {
        return Err(Usage(
            "the prompt is empty: expected words or text on standard input".to_owned(),
        )
        .into());
    }
    Ok(prompt.trim_matches('\n').to_owned())
}

/// Reads a file into a part: pictures and PDFs as they are, everything else as text.
fn file_part(path: &Path) -> Result<Part> {
    let place = || format!("cannot send {}", path.display());
    let metadata = std::fs::metadata(path).with_context(place)?;
    if !metadata.is_file() {
        return Err(
            Usage(format!("{}: expected a file, got something else", path.display())).into()
        );
    }
    if metadata.len() > FILE_LIMIT {
        return Err(anyhow!(
            "{}: expected at most {FILE_LIMIT} bytes, got {}",
            path.display(),
            metadata.len()
        ));
    }
    let content = std::fs::read(path).with_context(place)?;
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    let Some((kind, mime)) = kind(&content) else {
        let text = String::from_utf8(content).map_err(|_| {
            anyhow!(
                "{}: expected UTF-8 text, a PNG, JPEG, GIF or WebP picture, or a PDF",
                path.display()
            )
        })?;
        return Ok(Part::text(format!(
            "<file name={:?}>\n{text}\n</file>",
            name.unwrap_or_default()
        )));
    };
    // Hardly a protocol has a place for the name of a picture, and the model does without it.
    let name = name.filter(|_| kind == sy_types::Media::Pdf);
    let source =
        Source::Base64(Bytes::from(base64::engine::general_purpose::STANDARD.encode(&content)));
    Ok(Part::Media(Media {
        kind,
        mime: Some(mime.to_owned()),
        source,
        name,
        detail: None,
        cache: false,
    }))
}

fn kind(content: &[u8]) -> Option<(sy_types::Media, &'static str)> {
    match content {
        [0x89, b'P', b'N', b'G', ..] => Some((sy_types::Media::Image, "image/png")),
        [0xFF, 0xD8, 0xFF, ..] => Some((sy_types::Media::Image, "image/jpeg")),
        [b'G', b'I', b'F', b'8', ..] => Some((sy_types::Media::Image, "image/gif")),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => {
            Some((sy_types::Media::Image, "image/webp"))
        }
        [b'%', b'P', b'D', b'F', ..] => Some((sy_types::Media::Pdf, "application/pdf")),
        _ => None,
    }
}
