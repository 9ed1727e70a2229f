//! One run through all decoders and encoders of a protocol: none may panic, hang or lose the end of a stream.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use sy_protocol::{FrameReader, Hints, Inbound, Outgoing, REGISTRY, ReplyInfo, encode};
use sy_types::chat::StreamEvent;
use sy_types::{AuthScheme, Dialect, Limits, ModelInfo, ProtocolId, Target, Timeouts};

pub fn run(protocol: ProtocolId, data: &[u8]) {
    let Some((&choice, rest)) = data.split_first() else { return };
    match choice % 4 {
        0 => request(protocol, rest),
        1 => response(protocol, rest),
        2 => failure(protocol, choice, rest),
        _ => stream(protocol, rest),
    }
}

/// A client's request is refused, or built for every provider and read back.
fn request(protocol: ProtocolId, body: &[u8]) {
    let Some(client) = sy_protocol::downstream(protocol) else { return };
    let hints = Hints { model: Some("m".to_owned()), stream: true, sse: true };
    let Ok(inbound) = Inbound::parse(client, Bytes::copy_from_slice(body), &hints) else { return };
    for entry in REGISTRY {
        let Some(upstream) = entry.upstream else { continue };
        let target = target(entry.id);
        let outgoing = Outgoing { target: &target, inbound: &inbound, stream: true };
        if let Ok(encoded) = encode(upstream, &outgoing) {
            assert!(!encoded.call.body.is_empty());
        }
    }
}

/// A provider's whole answer is refused, or written by every client face.
fn response(protocol: ProtocolId, body: &[u8]) {
    let Some(upstream) = sy_protocol::upstream(protocol) else { return };
    let Ok(response) = upstream.decode_response(body) else { return };
    for_each_client(|client, info| {
        let written = client.encode_response(info, &response);
        assert!(serde_json::from_slice::<serde_json::Value>(&written).is_ok());
    });
    write_stream(&response.to_events());
}

fn failure(protocol: ProtocolId, choice: u8, body: &[u8]) {
    let Some(upstream) = sy_protocol::upstream(protocol) else { return };
    let failure = upstream.decode_failure(400 + u16::from(choice), body);
    assert!(failure.message.chars().count() < 2_000);
    for_each_client(|client, info| {
        let written = client.encode_failure(&failure, 502, info.request_id);
        assert!(serde_json::from_slice::<serde_json::Value>(&written).is_ok());
    });
}

/// A stream gives the same events however it is cut, and every client face can write them.
fn stream(protocol: ProtocolId, bytes: &[u8]) {
    let whole = decode(protocol, bytes, usize::MAX);
    assert_eq!(whole, decode(protocol, bytes, 3));
    if let Some(Ok(events)) = whole {
        write_stream(&events);
    }
}

type Decoded = Option<Result<Vec<StreamEvent>, String>>;

fn decode(protocol: ProtocolId, bytes: &[u8], size: usize) -> Decoded {
    let upstream = sy_protocol::upstream(protocol)?;
    let mut reader = FrameReader::new(upstream.framing(), 1 << 16);
    let (mut decoder, mut relay) = (upstream.stream_decoder(), upstream.relay_decoder());
    let (mut events, mut seen) = (Vec::new(), Vec::new());
    let mut batches = Vec::new();
    for chunk in bytes.chunks(size.min(bytes.len().max(1))) {
        match reader.push(&Bytes::copy_from_slice(chunk)) {
            Ok(batch) => batches.push(batch),
            Err(failure) => return Some(Err(failure.to_string())),
        }
    }
    batches.push(reader.finish());
    for frame in batches.iter().flat_map(|batch| &batch.frames) {
        relay.decode(frame, &mut seen).ok();
        if let Err(failure) = decoder.decode(frame, &mut events) {
            return Some(Err(failure.to_string()));
        }
        if events.iter().any(|event| matches!(event, StreamEvent::Finish { .. } | StreamEvent::Failed(_))) {
            return Some(Ok(events));
        }
    }
    decoder.finish(&mut events);
    Some(Ok(events))
}

fn write_stream(events: &[StreamEvent]) {
    for_each_client(|client, info| {
        let mut encoder = client.stream_encoder(info);
        let mut out = BytesMut::new();
        for event in events {
            encoder.encode(event, &mut out);
        }
        encoder.fail(&sy_types::Failure::invalid("cut"), &mut out);
        assert!(!out.is_empty());
    });
}

fn for_each_client(mut visit: impl FnMut(&'static dyn sy_protocol::Downstream, &ReplyInfo<'_>)) {
    for client in REGISTRY.iter().filter_map(|entry| entry.downstream) {
        let hints = Hints { model: Some("m".to_owned()), stream: true, sse: true };
        let body = r#"{"model":"m","stream":true,"max_tokens":9,"messages":[{"role":"user","content":"hi"}],"input":"hi","contents":[]}"#;
        if let Ok(inbound) = Inbound::parse(client, Bytes::from_static(body.as_bytes()), &hints) {
            visit(client, &ReplyInfo { inbound: &inbound, request_id: "req_fuzz", now: 1_700_000_000 });
        }
    }
}

fn target(protocol: ProtocolId) -> Target {
    let limits = Limits { context: 100_000, input: None, output: 4_096 };
    Target {
        provider: "fuzz".into(),
        model: "m".into(),
        upstream_model: "m".into(),
        protocol,
        base_url: url::Url::parse("http://127.0.0.1:9/v1").unwrap(),
        auth: AuthScheme::None,
        dialect: Dialect::default(),
        headers: Vec::new(),
        options: serde_json::Map::new(),
        timeouts: Timeouts::default(),
        operator_configured: true,
        info: Arc::new(ModelInfo { limits, ..ModelInfo::default() }),
    }
}
