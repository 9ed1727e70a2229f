//! Answers: every recorded one is decoded, and comes through each client face, whole and streamed, saying the same.

use bytes::{Bytes, BytesMut};
use sy_protocol::embeddings::{self, EmbedWire};
use sy_protocol::registry::{ANTHROPIC_MESSAGES, GEMINI_GENERATE, OPENAI_CHAT};
use sy_protocol::{Downstream, FrameReader, Hints, Inbound, REGISTRY, ReplyInfo, Upstream};
use sy_types::chat::{ChatResponse, Fold, StreamEvent};
use sy_types::{ErrorKind, Failure, ProtocolId};

use super::compare::Said;
use super::record::Recording;
use super::report::Report;

/// The most bytes that one event may have.
const FRAME_LIMIT: usize = 64 << 20;

/// Checks a recorded answer of the given protocol.
pub(super) fn check(protocol: ProtocolId, recording: &Recording, report: &mut Report) {
    let Some(upstream) = sy_protocol::upstream(protocol) else { return };
    if !recording.succeeded() {
        let status = recording.status.unwrap_or_default();
        let body = recording.response.as_deref().unwrap_or_default();
        let failure = upstream.decode_failure(status, body.as_bytes());
        let outcome = if is_right(status, failure.kind) {
            Ok(())
        } else {
            Err(format!("status {status} became {failure}"))
        };
        return report.note(&recording.id, &format!("{protocol} failure"), outcome);
    }
    let (name, decoded) = match recording.stream(upstream.framing()) {
        Some(stream) => {
            (format!("{protocol} stream"), decode_stream(upstream, &stream, usize::MAX))
        }
        None => match &recording.response {
            Some(body) => {
                let decoded = upstream
                    .decode_response(body.as_bytes())
                    .map(|response| (response.to_events(), response));
                (format!("{protocol} response"), decoded)
            }
            None => return,
        },
    };
    match decoded {
        // An answer of status 200 may itself say that it failed; then that is what it decodes to.
        Err(failure) if failure.kind != ErrorKind::Malformed && says_failure(recording) => {
            report.note(
                &recording.id,
                &format!("{protocol} failure inside an answer of status 200"),
                Ok(()),
            );
        }
        Err(failure) => report.note(&recording.id, &name, Err(failure.to_string())),
        Ok((events, response)) => {
            report.note(&recording.id, &name, Ok(()));
            if let Some(stream) = recording.stream(upstream.framing()) {
                report.note(
                    &recording.id,
                    &format!("{protocol} stream, cut anywhere"),
                    cut_anywhere(upstream, &stream, &response),
                );
            }
            for entry in REGISTRY {
                if let (Some(front), Some(reader)) = (entry.downstream, entry.upstream) {
                    for (form, outcome) in through(front, reader, &events, &response) {
                        report.note(
                            &recording.id,
                            &format!("{protocol} answer via {}{form}", front.id()),
                            outcome,
                        );
                    }
                }
            }
        }
    }
}

/// Sends an answer through a client face, whole and streamed, and reads it back with the provider face of the same protocol.
fn through(
    front: &'static dyn Downstream,
    reader: &dyn Upstream,
    events: &[StreamEvent],
    response: &ChatResponse,
) -> [(&'static str, Result<(), String>); 2] {
    let mut said = Said::of(response);
    if front.id() == GEMINI_GENERATE {
        said.forget_cache_writes();
    }
    let has_no_error = matches!(front.id(), ANTHROPIC_MESSAGES | OPENAI_CHAT);
    let compare = |back: Result<ChatResponse, Failure>| {
        let mut back = Said::of(&back.map_err(|failure| format!("read back: {failure}"))?);
        if has_no_error {
            back.forget_how_it_ended_after(&said);
        }
        said.differs(&back).map_or(Ok(()), Err)
    };
    let whole = ask(front, false).and_then(|inbound| {
        let info = ReplyInfo { inbound: &inbound, request_id: "req_replay", now: 1_700_000_000 };
        compare(reader.decode_response(&front.encode_response(&info, response)))
    });
    let streamed = ask(front, true).and_then(|inbound| {
        let info = ReplyInfo { inbound: &inbound, request_id: "req_replay", now: 1_700_000_000 };
        let mut encoder = front.stream_encoder(&info);
        let mut bytes = BytesMut::new();
        for event in events {
            encoder.encode(event, &mut bytes);
        }
        compare(decode_stream(reader, &bytes, usize::MAX).map(|(_, back)| back))
    });
    [("", whole), (", streamed", streamed)]
}

/// Makes the smallest request of a client face that asks for everything.
fn ask(front: &'static dyn Downstream, stream: bool) -> Result<Inbound, String> {
    let body = serde_json::json!({
        "model": "m", "stream": stream, "stream_options": {"include_usage": true}, "max_tokens": 1000,
        "messages": [{"role": "user", "content": "hi"}], "input": "hi", "contents": [{"role": "user", "parts": [{"text": "hi"}]}],
    });
    let hints = Hints { model: Some("m".to_owned()), stream, sse: true };
    Inbound::parse(front, Bytes::from(body.to_string()), &hints)
        .map_err(|failure| failure.to_string())
}

/// Decodes a stream that arrives in chunks of the given size.
fn decode_stream(
    upstream: &dyn Upstream,
    stream: &[u8],
    size: usize,
) -> Result<(Vec<StreamEvent>, ChatResponse), Failure> {
    let mut reader = FrameReader::new(upstream.framing(), FRAME_LIMIT);
    let mut decoder = upstream.stream_decoder();
    let mut events = Vec::new();
    let ended = |events: &[StreamEvent]| {
        events
            .iter()
            .any(|event| matches!(event, StreamEvent::Finish { .. } | StreamEvent::Failed(_)))
    };
    let mut batches = Vec::new();
    for chunk in stream.chunks(size.min(stream.len().max(1))) {
        batches.push(reader.push(&Bytes::copy_from_slice(chunk))?);
    }
    batches.push(reader.finish());
    for frame in batches.iter().flat_map(|batch| &batch.frames) {
        if ended(&events) {
            break;
        }
        decoder.decode(frame, &mut events)?;
    }
    if !ended(&events) {
        decoder.finish(&mut events);
    }
    let mut fold = Fold::default();
    for event in &events {
        fold.push(event);
    }
    if !ended(&events) {
        return Err(Failure::provider(ErrorKind::Malformed, "the stream broke off"));
    }
    Ok((events, fold.into_response()?))
}

/// A stream says the same however the network cuts it.
fn cut_anywhere(
    upstream: &dyn Upstream,
    stream: &[u8],
    whole: &ChatResponse,
) -> Result<(), String> {
    // Byte by byte for all but very long streams; a few odd sizes for all.
    let sizes: &[usize] = if stream.len() < 200_000 { &[1, 7, 61, 1460] } else { &[61, 1460] };
    for size in sizes {
        let (_, cut) = decode_stream(upstream, stream, *size)
            .map_err(|failure| format!("in chunks of {size}: {failure}"))?;
        if cut != *whole {
            return Err(format!("in chunks of {size} bytes the answer differs"));
        }
    }
    Ok(())
}

/// Returns true when the recorded body carries an error object.
fn says_failure(recording: &Recording) -> bool {
    let body = recording.response.as_deref().unwrap_or_default();
    let streamed = recording.stream(sy_protocol::Framing::Sse).unwrap_or_default();
    let whole: Option<serde_json::Value> = serde_json::from_str(body).ok();
    whole.is_some_and(|value| value.get("error").is_some_and(|error| !error.is_null()))
        || String::from_utf8_lossy(&streamed).contains("\"error\":{")
}

/// Returns true when the kind is one that the status allows.
fn is_right(status: u16, kind: ErrorKind) -> bool {
    match status {
        400 | 422 => matches!(
            kind,
            // Gemini answers a wrong key with 400 and says so in a code.
            ErrorKind::Unauthenticated
                | ErrorKind::Invalid
                | ErrorKind::ContextOverflow
                | ErrorKind::ContentFiltered
                | ErrorKind::Unsupported
                | ErrorKind::NotFound
        ),
        401 => kind == ErrorKind::Unauthenticated,
        402 => kind == ErrorKind::QuotaExceeded,
        403 => kind == ErrorKind::Forbidden,
        404 | 410 => kind == ErrorKind::NotFound,
        413 => matches!(kind, ErrorKind::TooLarge | ErrorKind::ContextOverflow),
        429 => matches!(kind, ErrorKind::RateLimited | ErrorKind::QuotaExceeded),
        501 => kind == ErrorKind::Unsupported,
        408 | 504 => kind == ErrorKind::Timeout,
        500.. => kind == ErrorKind::Unavailable,
        _ => kind != ErrorKind::Internal,
    }
}

/// Checks a recorded embeddings answer.
pub(super) fn check_embeddings(recording: &Recording, report: &mut Report) {
    let body = recording.response.as_deref().unwrap_or_default().as_bytes();
    if recording.succeeded() {
        let outcome = embeddings::decode_response(EmbedWire::OpenAi, body)
            .map(|_| ())
            .map_err(|failure| failure.to_string());
        report.note(&recording.id, "openai_embeddings response", outcome);
    } else if let Some(upstream) = sy_protocol::upstream(sy_protocol::registry::OPENAI_CHAT) {
        let status = recording.status.unwrap_or_default();
        let failure = upstream.decode_failure(status, body);
        let outcome = if is_right(status, failure.kind) {
            Ok(())
        } else {
            Err(format!("status {status} became {failure}"))
        };
        report.note(&recording.id, "openai_embeddings failure", outcome);
    }
}

#[cfg(test)]
mod tests {
    use sy_protocol::{Framing, REGISTRY};

    #[test]
    fn client_faces_speak_server_sent_events() {
        for entry in REGISTRY {
            if let (Some(upstream), Some(_)) = (entry.upstream, entry.downstream) {
                assert_eq!(upstream.framing(), Framing::Sse, "{}", entry.id);
            }
        }
    }
}
