//! Reading recordings, and which protocol a file holds.

use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;
use sy_protocol::registry::{
    ANTHROPIC_MESSAGES, GEMINI_GENERATE, OLLAMA_CHAT, OPENAI_CHAT, OPENAI_RESPONSES,
};
use sy_types::ProtocolId;

use super::report::Report;

/// One recorded exchange.
#[derive(Debug, Deserialize)]
pub(super) struct Recording {
    pub(super) id: String,
    #[serde(default)]
    pub(super) path: Option<String>,
    #[serde(default)]
    pub(super) request: Option<String>,
    #[serde(default)]
    pub(super) status: Option<u16>,
    #[serde(default)]
    pub(super) content_type: Option<String>,
    #[serde(default)]
    pub(super) response: Option<String>,
    /// The data payloads of a stream, where the framing was lost.
    #[serde(default)]
    pub(super) events: Option<Events>,
}

/// Payloads of a stream: a list, or one a line.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Events {
    Lines(String),
    List(Vec<serde_json::Value>),
}

impl Events {
    fn payloads(&self) -> Vec<String> {
        match self {
            Self::Lines(text) => {
                text.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect()
            }
            Self::List(list) => list
                .iter()
                .map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned))
                .collect(),
        }
    }
}

impl Recording {
    pub(super) fn read_all(file: &Path) -> Result<Vec<Self>> {
        let opened =
            std::fs::File::open(file).with_context(|| format!("open {}", file.display()))?;
        let lines = BufReader::new(flate2::read::MultiGzDecoder::new(opened)).lines();
        lines
            .enumerate()
            .filter(|(_, line)| line.as_ref().map_or(true, |line| !line.trim().is_empty()))
            .map(|(index, line)| {
                let place = || format!("{}:{}", file.display(), index + 1);
                serde_json::from_str(&line.with_context(place)?).with_context(place)
            })
            .collect()
    }

    /// Returns true when the answer is one of success. A recording without a status is one of success.
    pub(super) fn succeeded(&self) -> bool {
        self.status.is_none_or(|status| (200..300).contains(&status))
    }

    /// Returns the answer as the bytes of a stream, if it is one. Lost framing is made anew.
    pub(super) fn stream(&self, framing: sy_protocol::Framing) -> Option<Vec<u8>> {
        if let Some(events) = &self.events {
            let payloads = events.payloads();
            return Some(
                match framing {
                    sy_protocol::Framing::Sse => {
                        payloads.iter().map(|line| format!("data: {line}\n\n")).collect::<String>()
                    }
                    sy_protocol::Framing::NdJson => {
                        payloads.iter().map(|line| format!("{line}\n")).collect::<String>()
                    }
                }
                .into_bytes(),
            );
        }
        let response = self.response.as_ref()?;
        let content_type = self.content_type.as_deref().unwrap_or_default();
        let start = response.trim_start();
        let streamed = content_type.contains("event-stream")
            || content_type.contains("x-ndjson")
            || start.starts_with("data:")
            || start.starts_with("event:")
            || start.starts_with(": ");
        streamed.then(|| response.clone().into_bytes())
    }
}

/// What a file of recordings holds.
#[derive(Clone, Copy, Debug)]
pub(super) enum Protocol {
    Chat(ProtocolId),
    Embeddings,
    /// A protocol that is not spoken yet.
    Later(&'static str),
}

impl Protocol {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Chat(id) => id.as_str(),
            Self::Embeddings => "openai_embeddings",
            Self::Later(name) => name,
        }
    }

    pub(super) fn check(self, recording: &Recording, report: &mut Report) {
        match self {
            Self::Chat(id) => {
                super::question::check(id, recording, report);
                super::answer::check(id, recording, report);
            }
            Self::Embeddings => super::answer::check_embeddings(recording, report),
            Self::Later(name) => report.later(name),
        }
    }
}

/// Returns the protocol that a file's name says.
pub(super) fn protocol(name: &str) -> Option<Protocol> {
    Some(match name {
        "openai-chat" => Protocol::Chat(OPENAI_CHAT),
        "openai-responses" => Protocol::Chat(OPENAI_RESPONSES),
        "anthropic-messages" => Protocol::Chat(ANTHROPIC_MESSAGES),
        "gemini-generate" => Protocol::Chat(GEMINI_GENERATE),
        "ollama-chat" => Protocol::Chat(OLLAMA_CHAT),
        "openai-embeddings" => Protocol::Embeddings,
        "bedrock-converse" => Protocol::Later("bedrock_converse"),
        "cohere-chat" => Protocol::Later("cohere_chat"),
        _ => return None,
    })
}
