//! `run`: asks a model once and prints its answer. Needs no running server.

use std::io::{IsTerminal, Read};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result, anyhow, bail};
use bytes::Bytes;
use futures::StreamExt;
use serde_json::{Value, json};
use sy_types::chat::{BlockStart, ChatRequest, Delta, Media, Message, Part, Role, Sampling, Source, StreamEvent};

use crate::cli::{Run, RunFormat};
use crate::context::Context;
use crate::output;

/// The largest file that is sent along.
const FILE_LIMIT: u64 = 32 << 20;

/// Runs the command.
pub(crate) async fn run(arguments: Run, context: &Context) -> Result<ExitCode> {
    let request = request(&arguments)?;
    let composed = context.composed(false)?;
    let level = if context.debug { "debug" } else { "off" };
    let log = sy_config::Log { level: level.to_owned(), ..composed.live.config().log.clone() };
    sy_server::observe::tracing::install(&log).map_err(anyhow::Error::msg)?;
    let local = sy_server::local(composed)?;
    let waiting = output::progress("waiting for the model");
    let asked = local.ask(request, arguments.fallback).await;
    drop(waiting);
    let mut asked = asked?;
    let mut printer = Printer { format: arguments.format, at_line_start: true, reasoning: Vec::new(), is_dim: false };
    if arguments.format == RunFormat::Json {
        output::line(&json!({"type": "start", "provider": asked.provider, "model": asked.model, "dropped": asked.dropped}).to_string());
    } else if !asked.dropped.is_empty() {
        output::warning(&format!("not carried to {}: {}", asked.provider, asked.dropped.join(", ")));
    }
    while let Some(event) = asked.events.next().await {
        if let Err(error) = event.map_err(anyhow::Error::new).and_then(|event| printer.print(&event)) {
            printer.end_line();
            return Err(error);
        }
    }
    printer.end_line();
    Ok(ExitCode::SUCCESS)
}

/// Makes the request of the arguments, standard input and the files.
fn request(arguments: &Run) -> Result<ChatRequest> {
    let mut prompt = arguments.prompt.join(" ");
    let piped = !std::io::stdin().is_terminal();
    if prompt.is_empty() || prompt == "-" {
        if !piped {
            bail!("expected a prompt: switchyard run \"…\", or text on standard input");
        }
        prompt.clear();
        std::io::stdin().read_to_string(&mut prompt).context("standard input is not UTF-8 text")?;
    }
    if prompt.trim().is_empty() {
        bail!("the prompt is empty");
    }
    let mut parts = arguments.file.iter().map(|path| file_part(path)).collect::<Result<Vec<Part>>>()?;
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

/// Reads a file into a part: pictures and PDFs as they are, everything else as text.
fn file_part(path: &Path) -> Result<Part> {
    let place = || format!("cannot send {}", path.display());
    let length = std::fs::metadata(path).with_context(place)?.len();
    if length > FILE_LIMIT {
        bail!("{}: expected at most {FILE_LIMIT} bytes, got {length}", path.display());
    }
    let content = std::fs::read(path).with_context(place)?;
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    let kind = match content.as_slice() {
        [0x89, b'P', b'N', b'G', ..] => Some((sy_types::Media::Image, "image/png")),
        [0xFF, 0xD8, 0xFF, ..] => Some((sy_types::Media::Image, "image/jpeg")),
        [b'G', b'I', b'F', b'8', ..] => Some((sy_types::Media::Image, "image/gif")),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some((sy_types::Media::Image, "image/webp")),
        [b'%', b'P', b'D', b'F', ..] => Some((sy_types::Media::Pdf, "application/pdf")),
        _ => None,
    };
    if let Some((kind, mime)) = kind {
        use base64::Engine as _;
        let encoded = base64::engine::general_purpose::STANDARD.encode(&content);
        let source = Source::Base64(Bytes::from(encoded));
        return Ok(Part::Media(Media { kind, mime: Some(mime.to_owned()), source, name, detail: None, cache: false }));
    }
    let text = String::from_utf8(content)
        .map_err(|_| anyhow!("{}: expected UTF-8 text, a PNG, JPEG, GIF or WebP picture, or a PDF", path.display()))?;
    Ok(Part::text(format!("<file name={:?}>\n{text}\n</file>", name.unwrap_or_default())))
}

/// Writes events as they come.
struct Printer {
    format: RunFormat,
    at_line_start: bool,
    /// The indexes of reasoning blocks.
    reasoning: Vec<usize>,
    /// True while the last words were reasoning.
    is_dim: bool,
}

impl Printer {
    fn print(&mut self, event: &StreamEvent) -> Result<()> {
        if self.format == RunFormat::Json {
            if let Some(value) = as_json(event) {
                output::line(&value.to_string());
            }
            return Ok(());
        }
        match event {
            StreamEvent::BlockStart { index, block: BlockStart::Reasoning { .. } } => self.reasoning.push(*index),
            StreamEvent::BlockStart { block: BlockStart::ToolCall { name, .. }, .. } => {
                self.end_line();
                output::note(&format!("the model asks for the tool {name}, which this command does not have"));
            }
            StreamEvent::Delta { index, delta: Delta::Text(text) } => self.text(*index, text),
            StreamEvent::Failed(failure) => return Err(anyhow::Error::new(failure.clone())),
            StreamEvent::Start { .. }
            | StreamEvent::BlockStart { .. }
            | StreamEvent::Delta { .. }
            | StreamEvent::BlockStop { .. }
            | StreamEvent::Usage(_)
            | StreamEvent::Finish { .. } => {}
        }
        Ok(())
    }

    fn text(&mut self, index: usize, text: &str) {
        let text = sy_types::chat::readable(text);
        if self.reasoning.contains(&index) {
            // Reasoning is for a person who watches, not for a pipe.
            if std::io::stdout().is_terminal() {
                output::dim(&text);
                self.is_dim = true;
            }
            return;
        }
        if std::mem::take(&mut self.is_dim) {
            output::note("");
        }
        output::text_part(&text);
        if !text.is_empty() {
            self.at_line_start = text.ends_with('\n');
        }
    }

    fn end_line(&mut self) {
        if !std::mem::replace(&mut self.at_line_start, true) {
            output::line("");
        }
    }
}

fn as_json(event: &StreamEvent) -> Option<Value> {
    Some(match event {
        StreamEvent::Start { id, model, .. } => json!({"type": "message", "id": id, "model": model}),
        StreamEvent::BlockStart { index, block } => {
            let kind = match block {
                BlockStart::Text => json!("text"),
                BlockStart::Refusal => json!("refusal"),
                BlockStart::Reasoning { .. } => json!("reasoning"),
                BlockStart::ToolCall { id, name, .. } => json!({"tool_call": {"id": id, "name": name}}),
                BlockStart::Media(media) => json!({"media": media.mime}),
                BlockStart::Opaque(opaque) => json!({"other": opaque.kind}),
            };
            json!({"type": "block", "index": index, "kind": kind})
        }
        StreamEvent::Delta { index, delta } => match delta {
            Delta::Text(text) => json!({"type": "text", "index": index, "text": sy_types::chat::readable(text)}),
            Delta::Arguments(text) => json!({"type": "arguments", "index": index, "text": sy_types::chat::readable(text)}),
            Delta::Citation(citation) => json!({"type": "citation", "index": index, "url": citation.url, "title": citation.title}),
            Delta::Signature(_) => return None,
        },
        StreamEvent::BlockStop { .. } => return None,
        StreamEvent::Usage(usage) => json!({"type": "usage", "input_tokens": usage.input, "output_tokens": usage.output,
            "cache_read_tokens": usage.cache_read, "cache_write_tokens": usage.cache_write, "reasoning_tokens": usage.reasoning}),
        StreamEvent::Finish { reason, .. } => json!({"type": "finish", "reason": reason.name()}),
        StreamEvent::Failed(failure) => json!({"type": "error", "code": failure.kind.name(), "message": failure.message}),
    })
}
