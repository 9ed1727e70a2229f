//! The answer of `run`: text as it comes, or one JSON event a line.
//!
//! Failures are the caller's to tell.

use serde_json::{Value, json};
use sy_types::chat::{BlockStart, Delta, FinishReason, StreamEvent};

use crate::cli::RunFormat;
use crate::output::{self, Unwritten};

/// Writes events as they come.
pub(crate) struct Printer {
    format: RunFormat,
    /// Reasoning is for a person who watches, not for a pipe.
    shows_reasoning: bool,
    at_line_start: bool,
    /// The indexes of reasoning blocks.
    reasoning: Vec<usize>,
    /// True while the last words were reasoning.
    is_dim: bool,
}

impl Printer {
    pub(crate) fn new(format: RunFormat) -> Self {
        Self {
            format,
            shows_reasoning: output::is_watched(),
            at_line_start: true,
            reasoning: Vec::new(),
            is_dim: false,
        }
    }

    /// Writes one event.
    pub(crate) fn print(&mut self, event: &StreamEvent) -> Result<(), Unwritten> {
        if self.format == RunFormat::Json {
            return as_json(event).map_or(Ok(()), |value| output::line(&value.to_string()));
        }
        match event {
            StreamEvent::BlockStart { index, block: BlockStart::Reasoning { .. } } => {
                self.reasoning.push(*index)
            }
            StreamEvent::BlockStart { block: BlockStart::ToolCall { name, .. }, .. } => {
                self.end_line()?;
                output::note(&format!(
                    "the model asks for the tool {name}, which this command does not have"
                ));
            }
            StreamEvent::Delta { index, delta: Delta::Text(text) } => self.text(*index, text)?,
            StreamEvent::Finish { reason, .. } => {
                if let Some(remark) = unusual_end(reason) {
                    self.end_line()?;
                    output::warning(remark);
                }
            }
            StreamEvent::Start { .. }
            | StreamEvent::BlockStart { .. }
            | StreamEvent::Delta { .. }
            | StreamEvent::BlockStop { .. }
            | StreamEvent::Usage(_)
            | StreamEvent::Failed(_) => {}
        }
        Ok(())
    }

    fn text(&mut self, index: usize, text: &str) -> Result<(), Unwritten> {
        let text = sy_types::chat::readable(text);
        if self.reasoning.contains(&index) {
            if self.shows_reasoning {
                output::dim(&text);
                self.is_dim = true;
            }
            return Ok(());
        }
        if std::mem::take(&mut self.is_dim) {
            output::note("");
        }
        if !text.is_empty() {
            self.at_line_start = text.ends_with('\n');
        }
        output::part(&text)
    }

    /// Ends a line that the answer left open.
    pub(crate) fn end_line(&mut self) -> Result<(), Unwritten> {
        if std::mem::replace(&mut self.at_line_start, true) { Ok(()) } else { output::line("") }
    }
}

/// Returns what a reader should know about the end of an answer; a reader cannot tell a cut answer from a whole one.
fn unusual_end(reason: &FinishReason) -> Option<&'static str> {
    match reason {
        FinishReason::Length => {
            Some("the answer is cut: it reached the limit of tokens, which --max-tokens raises")
        }
        FinishReason::ContentFilter => Some("the answer is cut: the provider's filter stopped it"),
        FinishReason::Refusal => Some("the model refused"),
        FinishReason::Pause => Some("the answer is cut: the provider paused it"),
        FinishReason::Stop
        | FinishReason::ToolCalls
        | FinishReason::Error
        | FinishReason::Other(_) => None,
    }
}

fn as_json(event: &StreamEvent) -> Option<Value> {
    Some(match event {
        StreamEvent::Start { id, model, .. } => {
            json!({"type": "message", "id": id, "model": model})
        }
        StreamEvent::BlockStart { index, block } => {
            json!({"type": "block", "index": index, "kind": kind(block)})
        }
        StreamEvent::Delta { index, delta } => match delta {
            Delta::Text(text) => {
                json!({"type": "text", "index": index, "text": sy_types::chat::readable(text)})
            }
            Delta::Arguments(text) => {
                json!({"type": "arguments", "index": index, "text": sy_types::chat::readable(text)})
            }
            Delta::Citation(citation) => {
                json!({"type": "citation", "index": index, "url": citation.url, "title": citation.title})
            }
            Delta::Signature(_) => return None,
        },
        StreamEvent::Usage(usage) => {
            json!({"type": "usage", "input_tokens": usage.input, "output_tokens": usage.output,
            "cache_read_tokens": usage.cache_read, "cache_write_tokens": usage.cache_write, "reasoning_tokens": usage.reasoning})
        }
        StreamEvent::Finish { reason, .. } => json!({"type": "finish", "reason": reason.name()}),
        StreamEvent::BlockStop { .. } | StreamEvent::Failed(_) => return None,
    })
}

fn kind(block: &BlockStart) -> Value {
    match block {
        BlockStart::Text => json!("text"),
        BlockStart::Refusal => json!("refusal"),
        BlockStart::Reasoning { .. } => json!("reasoning"),
        BlockStart::ToolCall { id, name, .. } => json!({"tool_call": {"id": id, "name": name}}),
        BlockStart::Media(media) => json!({"media": media.mime}),
        BlockStart::Opaque(opaque) => json!({"other": opaque.kind}),
    }
}
