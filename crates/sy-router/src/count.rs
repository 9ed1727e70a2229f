//! How many tokens a request has: asked of the provider where it can tell, else estimated.
//!
//! Called by the surfaces that have a counting route, and by the meter for streams whose provider reported nothing. The
//! estimate is a rule of thumb, and every answer says whether it is one.

use bytes::Bytes;
use http::{HeaderMap, Method};
use sy_protocol::{Inbound, Outgoing, Upstream, face};
use sy_types::chat::{ChatRequest, ImageDetail, Media, Message, Part, Source, ToolKind};
use sy_types::{CallBody, ErrorKind, Failure, HttpCall, Target};
use tokio::time::Instant;

use crate::Inner;
use crate::answer::Trail;
use crate::attempt::{Signed, pass_on, protocol_of};
use crate::heavy::run_heavy;
use crate::limits::{self, AnswerLimits};
use crate::plan::Planned;
use crate::tally::Tally;
use crate::upstream::Missed;
use crate::weigh::weigh;

/// Bytes of UTF-8 per token: about right for English prose and code (4 characters), for Cyrillic and Greek (2 characters)
/// and for Chinese and Japanese (a little over 1 character).
const BYTES_PER_TOKEN: u64 = 4;
/// What a message costs beside its text: role and separators.
pub(crate) const PER_MESSAGE: u64 = 4;
/// What a tool costs beside its schema.
pub(crate) const PER_TOOL: u64 = 8;
/// A picture: between OpenAI's 765 for 1024×1024 and Anthropic's 1,600 for its largest.
pub(crate) const PER_IMAGE: u64 = 1_000;
/// A picture at low detail (OpenAI's flat price, docs read 2026-11-21).
const PER_COARSE_IMAGE: u64 = 85;
/// A document, recording or film whose length nobody knows.
const PER_FILE: u64 = 2_000;

/// The number of tokens of a request.
#[derive(Clone, Debug)]
pub struct Counted {
    /// Which way the request went; nothing was called for an estimate.
    pub trail: Trail,
    /// The number of prompt tokens.
    pub tokens: u64,
    /// True when the number is a rule of thumb.
    pub is_estimate: bool,
    /// The provider's own answer, to be relayed, where the client speaks its language.
    pub raw: Option<Bytes>,
}

/// Estimates the prompt tokens of a request for an answer. A body that was not read for another
/// reason is not built for this.
pub(crate) fn estimate(inbound: &Inbound) -> u64 {
    let body = inbound.body();
    match inbound.decoded() {
        Some(chat) => of_request(chat),
        None => {
            run_heavy(inbound.is_heavy(), || weigh(body)).unwrap_or_else(|| of_length(body.len()))
        }
    }
}

/// Estimates the prompt tokens of a request for a count.
///
/// # Errors
/// `Invalid` when it cannot be read.
pub(crate) fn estimate_count(inbound: &Inbound) -> Result<u64, Failure> {
    run_heavy(inbound.is_heavy(), || inbound.counted_chat().map(|chat| of_request(&chat)))
}

impl Inner {
    /// Asks a target for the number of tokens; `None` where it cannot tell. The provider's own answer comes with it where the
    /// client speaks its language.
    pub(crate) async fn ask_count(
        &self,
        inbound: &Inbound,
        passthrough: &HeaderMap,
        (planned, limits): (&Planned, AnswerLimits),
        trail: &mut Trail,
    ) -> Result<Option<(u64, Option<Bytes>)>, Missed> {
        let target = &*planned.target;
        let upstream = protocol_of(target)?;
        let Some(path) = upstream.count_path(target) else { return Ok(None) };
        let relay = inbound.protocol() == Some(upstream.wire());
        let mut call = HttpCall {
            method: Method::POST,
            url: face::join(&target.base_url, &path)?,
            headers: face::call_headers(upstream, target),
            body: run_heavy(inbound.is_heavy(), || {
                counting_body(upstream, target, inbound, relay)
            })?,
        };
        if relay {
            pass_on(passthrough, &mut call.headers);
        }
        let shown = self.sign(planned, &mut call)?;
        trail.turn_to(target);
        trail.relay = relay;

        let signed = Signed { upstream, target, call, shown: &shown, awaits_content: false };
        let called = self.call(signed, Instant::now(), trail, &mut Tally::default()).await;
        let (mut reply, mut watch) = called?;
        let read = reply.body.whole(&mut watch, limits.whole, inbound.account()).await;
        let raw = read.map_err(|failure| shown.tell(failure))?;
        let _charge = limits::charge_whole(inbound.account(), &raw)?;
        match upstream.decode_count(&raw) {
            Some(tokens) => Ok(Some((tokens, relay.then_some(raw)))),
            None => {
                let text = "the provider answered a token count with something else";
                Err(shown.tell(Failure::provider(ErrorKind::Malformed, text)).into())
            }
        }
    }
}

/// Returns true when an estimate is a better answer than the failure.
pub(crate) fn can_be_estimated(failure: &Failure) -> bool {
    match failure.kind {
        ErrorKind::NotFound
        | ErrorKind::Unsupported
        | ErrorKind::RateLimited
        | ErrorKind::QuotaExceeded
        | ErrorKind::Unavailable
        | ErrorKind::Malformed
        | ErrorKind::Timeout
        | ErrorKind::Conflict => true,
        ErrorKind::Invalid
        | ErrorKind::Unauthenticated
        | ErrorKind::Forbidden
        | ErrorKind::TooLarge
        | ErrorKind::ContextOverflow
        | ErrorKind::ContentFiltered
        | ErrorKind::Cancelled
        | ErrorKind::Internal => false,
    }
}

/// Makes the body. Options of the target stay out: counting routes refuse fields that they do not know.
fn counting_body(
    upstream: &dyn Upstream,
    target: &Target,
    inbound: &Inbound,
    relay: bool,
) -> Result<CallBody, Failure> {
    if !relay {
        let body = face::build(upstream, &*inbound.counted_chat()?, target, false)?.0.body;
        return Ok(CallBody::from(Bytes::from(sy_protocol::json::write(
            &upstream.count_body(body, target),
        ))));
    }
    let mut bare = target.clone();
    bare.options = serde_json::Map::new();
    bare.dialect.force_usage = false;
    upstream.relay_count(&Outgoing { target: &bare, inbound, stream: inbound.head().stream })
}

fn of_request(chat: &ChatRequest) -> u64 {
    let messages: u64 = chat.messages.iter().map(of_message).sum();
    let tools: u64 = chat
        .tools
        .iter()
        .map(|tool| {
            let declared = match &tool.kind {
                ToolKind::Function { parameters, .. } => sy_protocol::json::text(parameters).len(),
                ToolKind::Custom { format } => {
                    format.as_ref().map_or(0, |format| sy_protocol::json::text(format).len())
                }
                ToolKind::Server { declaration, .. } => sy_protocol::json::text(declaration).len(),
            };
            let words = tool.name.len() + tool.description.as_ref().map_or(0, String::len);
            PER_TOOL + of_length(declared + words)
        })
        .sum();
    messages + tools
}

fn of_message(message: &Message) -> u64 {
    PER_MESSAGE + message.parts.iter().map(of_part).sum::<u64>()
}

fn of_part(part: &Part) -> u64 {
    match part {
        Part::Text(text) => of_length(text.text.len()),
        Part::Refusal(text) => of_length(text.len()),
        Part::Reasoning(reasoning) => of_length(reasoning.text.len()),
        Part::ToolCall(call) => PER_MESSAGE + of_length(call.name.len() + call.arguments.len()),
        Part::ToolResult(result) => PER_MESSAGE + result.parts.iter().map(of_part).sum::<u64>(),
        Part::Media(media) => of_media(media),
        Part::Opaque(opaque) => of_length(sy_protocol::json::text(&opaque.value).len()),
    }
}

fn of_media(media: &Media) -> u64 {
    match (&media.source, media.kind) {
        (Source::Text(text), _) => of_length(text.len()),
        (_, sy_types::Media::Image) if media.detail == Some(ImageDetail::Low) => PER_COARSE_IMAGE,
        (_, sy_types::Media::Image) => PER_IMAGE,
        (
            _,
            sy_types::Media::Text
            | sy_types::Media::Audio
            | sy_types::Media::Video
            | sy_types::Media::Pdf,
        ) => PER_FILE,
    }
}

pub(crate) fn of_length(bytes: usize) -> u64 {
    (bytes as u64).div_ceil(BYTES_PER_TOKEN)
}

#[cfg(test)]
mod tests {
    use sy_protocol::Inbound;
    use sy_types::chat::{
        ChatRequest, ImageDetail, Media, Message, Part, Role, Source, Tool, ToolKind,
    };

    use super::estimate;

    #[test]
    fn every_part_counts() {
        let image = |detail| {
            Part::Media(Media {
                kind: sy_types::Media::Image,
                mime: None,
                source: Source::Url("http://x.test/a.png".to_owned()),
                name: None,
                detail,
                cache: false,
            })
        };
        let check = |parts: Vec<Part>, tools: Vec<Tool>, expected: u64| {
            let messages = vec![Message::new(Role::User, parts)];
            let chat = ChatRequest { messages, tools, ..ChatRequest::default() };
            assert_eq!(estimate(&Inbound::from_chat(chat)), expected);
        };
        check(vec![Part::text("x".repeat(400))], vec![], 104);
        check(vec![Part::text("漢字漢字")], vec![], 7);
        check(vec![image(None), image(Some(ImageDetail::Low))], vec![], 1089);
        let kind =
            ToolKind::Function { parameters: serde_json::json!({"type": "object"}), strict: None };
        let tool = Tool { name: "read".to_owned(), description: None, kind, cache: false };
        // A message that says nothing is left out.
        check(vec![], vec![tool], 8 + 6);
    }
}
