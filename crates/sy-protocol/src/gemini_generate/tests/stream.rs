//! Providers' streams, and ours to clients.

use bytes::{Bytes, BytesMut};
use serde_json::{Value, json};
use sy_types::chat::{
    BlockStart, ChatResponse, Citation, Delta, FinishReason, Fold, Opaque, Part, Reasoning,
    Signature, StreamEvent, Text, ToolCall, Usage,
};
use sy_types::{ErrorKind, Failure};

use super::{FACE, inbound};
use crate::face::{Downstream as _, ReplyInfo, Upstream as _};
use crate::frame::{Frame, FrameReader, Framing};
use crate::ids::{GEMINI_GENERATE, OPENAI_CHAT};

fn frame(data: String) -> Frame {
    Frame { event: Bytes::new(), data: Bytes::from(data), end: 0 }
}

fn events(frames: &[Value]) -> Result<Vec<StreamEvent>, Failure> {
    let mut decoder = FACE.stream_decoder();
    let mut events = Vec::new();
    for value in frames {
        decoder.decode(&frame(value.to_string()), &mut events)?;
        if matches!(events.last(), Some(StreamEvent::Failed(_))) {
            return Ok(events);
        }
    }
    decoder.finish(&mut events);
    Ok(events)
}

fn folded(frames: &[Value]) -> ChatResponse {
    let mut fold = Fold::default();
    events(frames).unwrap().iter().for_each(|event| fold.push(event));
    assert!(fold.is_finished());
    fold.into_response().unwrap()
}

fn parts(parts: Value) -> Value {
    let mut fragment =
        json!({"candidates": [{"content": {"role": "model"}, "index": 0}], "responseId": "r-1"});
    fragment["candidates"][0]["content"]["parts"] = parts;
    fragment
}

fn stop() -> Value {
    json!({"candidates": [{"content": {"parts": [{"text": ""}]}, "finishReason": "STOP"}], "usageMetadata": {"promptTokenCount": 10, "toolUsePromptTokenCount": 5, "cachedContentTokenCount": 4, "candidatesTokenCount": 3, "thoughtsTokenCount": 2}})
}

fn signature() -> Option<Signature> {
    Some(Signature { protocol: GEMINI_GENERATE, value: "c2ln".to_owned() })
}

#[test]
fn thoughts_and_texts_become_blocks_and_a_proof_ends_one() {
    let response = folded(&[
        parts(json!([{"text": "h", "thought": true}])),
        parts(json!([{"text": "m", "thought": true}, {"text": "a"}])),
        parts(json!([{"text": "b", "thoughtSignature": "c2ln"}])),
        parts(json!([{"text": "c"}])),
        parts(
            json!([{"functionCall": {"name": "f", "args": {"x": 1.0}}, "thoughtSignature": "c2ln"}, {"functionCall": {"name": "g", "id": "own"}}]),
        ),
        stop(),
    ]);
    let call = |id: &str, name: &str, arguments: &str, signature| {
        Part::ToolCall(ToolCall {
            id: id.to_owned(),
            name: name.to_owned(),
            arguments: arguments.to_owned(),
            custom: false,
            signature,
            cache: false,
        })
    };
    assert_eq!(
        response.parts,
        [
            Part::Reasoning(Reasoning { text: "hm".to_owned(), ..Reasoning::default() }),
            Part::Text(Text { text: "ab".to_owned(), signature: signature(), ..Text::default() }),
            Part::text("c"),
            call("call_r_1_0", "f", r#"{"x":1.0}"#, signature()),
            call("own", "g", "{}", None),
        ]
    );
    assert_eq!(response.finish, Some(FinishReason::ToolCalls));
    assert_eq!(
        response.usage,
        Some(Usage { input: 15, cache_read: 4, cache_write: 0, output: 5, reasoning: 2 })
    );
}

#[test]
fn the_last_full_count_is_the_one_that_counts() {
    let count = |metadata: Value| json!({"usageMetadata": metadata});
    let response = folded(&[
        count(
            json!({"promptTokenCount": 8, "thoughtsTokenCount": 400, "candidatesTokenCount": 20}),
        ),
        stop(),
        count(json!({"promptTokenCount": 8})),
    ]);
    assert_eq!(response.usage.unwrap().output, 5);
}

#[test]
fn sources_hang_on_the_text_they_belong_to() {
    let grounding = json!({"groundingChunks": [{"web": {"uri": "https://a.test", "title": "A"}}, {"web": {"uri": "https://b.test"}}, {"retrievedContext": {"text": "x"}}], "groundingSupports": [{"groundingChunkIndices": [0, 2, 9], "segment": {"text": "words"}}]});
    let mut last = stop();
    last["candidates"][0]["groundingMetadata"] = grounding.clone();
    let mut first = parts(json!([{"text": "words"}]));
    first["candidates"][0]["groundingMetadata"] = grounding;
    let response = folded(&[first, last]);
    let [Part::Text(text)] = response.parts.as_slice() else { panic!("{response:?}") };
    let source = |url: &str, title: Option<&str>, quote: Option<&str>| Citation {
        url: url.to_owned(),
        title: title.map(str::to_owned),
        quote: quote.map(str::to_owned),
    };
    assert_eq!(
        text.citations,
        [source("https://a.test", Some("A"), Some("words")), source("https://b.test", None, None)]
    );
}

#[test]
fn what_only_this_wire_knows_stays_as_it_is() {
    let code = json!({"executableCode": {"code": "1"}, "thoughtSignature": "c2ln"});
    let response = folded(&[
        parts(
            json!([{"text": "a"}, code, {"inline_data": {"mime_type": "image/png", "data": "AA=="}}, {"text": "b"}]),
        ),
        stop(),
    ]);
    let [Part::Text(_), Part::Opaque(opaque), Part::Media(media), Part::Text(_)] =
        response.parts.as_slice()
    else {
        panic!("{response:?}")
    };
    assert_eq!(
        (opaque.kind.as_str(), &opaque.value, media.mime.as_deref()),
        ("executableCode", &code, Some("image/png"))
    );
}

#[test]
fn an_end_without_a_finish_reason_is_no_end() {
    for frames in [
        vec![],
        vec![parts(json!([{"text": "a"}]))],
        vec![json!({"usageMetadata": {"promptTokenCount": 1}})],
    ] {
        assert!(
            !events(&frames)
                .unwrap()
                .iter()
                .any(|event| matches!(event, StreamEvent::Finish { .. })),
            "{frames:?}"
        );
    }
    let blocked = folded(&[
        json!({"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 4}}),
    ]);
    assert_eq!((blocked.finish, blocked.parts.len()), (Some(FinishReason::ContentFilter), 0));
    let done = events(&[stop(), json!([parts(json!([{"text": "late"}]))])]).unwrap();
    assert!(
        done.iter().any(|event| matches!(event, StreamEvent::Delta { delta: Delta::Text(text), .. } if text == "late"))
    );
}

#[test]
fn errors_and_nonsense_end_a_stream() {
    let error = json!({"error": {"code": 503, "message": "busy", "status": "UNAVAILABLE"}});
    for frames in [vec![parts(json!([])), error.clone()], vec![json!([error])]] {
        let events = events(&frames).unwrap();
        let Some(StreamEvent::Failed(failure)) = events.last() else { panic!("{events:?}") };
        assert_eq!((failure.kind, failure.message.as_str()), (ErrorKind::Unavailable, "busy"));
    }
    for data in ["nonsense", "1", r#"{"candidates":"#] {
        let failure =
            FACE.stream_decoder().decode(&frame(data.to_owned()), &mut Vec::new()).unwrap_err();
        assert_eq!(failure.kind, ErrorKind::Malformed, "{data}");
    }
    assert!(events(&[parts(json!([{"functionCall": {"args": {"x": 1}}}]))]).is_err());
    assert!(FACE.stream_decoder().decode(&frame("[DONE]".to_owned()), &mut Vec::new()).is_ok());
}

#[test]
fn finish_words_have_classes_and_are_written_back_as_their_class() {
    for (word, reason, written) in [
        ("STOP", FinishReason::Stop, "STOP"),
        ("MAX_TOKENS", FinishReason::Length, "MAX_TOKENS"),
        ("RECITATION", FinishReason::ContentFilter, "SAFETY"),
        ("UNEXPECTED_TOOL_CALL", FinishReason::Error, "MALFORMED_FUNCTION_CALL"),
        ("LANGUAGE", FinishReason::Other("LANGUAGE".to_owned()), "LANGUAGE"),
        ("SOMETHING_NEW", FinishReason::Other("SOMETHING_NEW".to_owned()), "OTHER"),
    ] {
        let response = FACE
            .decode_response(json!({"candidates": [{"finishReason": word}]}).to_string().as_bytes())
            .unwrap();
        assert_eq!(response.finish.as_ref(), Some(&reason), "{word}");
        let body = json!({});
        let request = inbound(&body, false, true);
        let info = ReplyInfo { inbound: &request, request_id: "req_1", now: 0 };
        let again: Value = serde_json::from_slice(&FACE.encode_response(&info, &response)).unwrap();
        assert_eq!(again["candidates"][0]["finishReason"], written);
    }
}

#[test]
fn whole_answers_without_an_answer_are_failures() {
    for (body, kind) in [
        ("", ErrorKind::Malformed),
        ("{}", ErrorKind::Malformed),
        ("[]", ErrorKind::Malformed),
        (r#"{"usageMetadata":{}}"#, ErrorKind::Malformed),
        (
            r#"[{"error":{"code":429,"message":"m","status":"RESOURCE_EXHAUSTED"}}]"#,
            ErrorKind::RateLimited,
        ),
    ] {
        assert_eq!(FACE.decode_response(body.as_bytes()).unwrap_err().kind, kind, "{body}");
    }
    let body = json!([parts(json!([{"text": "a"}])), {"candidates": [{"index": 1}, {"index": 0, "content": {"parts": [{"text": "b"}]}, "finishReason": "STOP", "logprobsResult": {}}]}]);
    let response = FACE.decode_response(body.to_string().as_bytes()).unwrap();
    assert_eq!(response.parts, [Part::text("ab")]);
    assert!(!response.unmapped.is_empty());
}

fn encoded(is_sse: bool, events: &[StreamEvent], failure: Option<&Failure>) -> String {
    let request = inbound(&json!({}), true, is_sse);
    let mut encoder =
        FACE.stream_encoder(&ReplyInfo { inbound: &request, request_id: "req_1", now: 0 });
    let mut out = BytesMut::new();
    events.iter().for_each(|event| encoder.encode(event, &mut out));
    if let Some(failure) = failure {
        encoder.fail(failure, &mut out);
        encoder.fail(failure, &mut out);
    }
    String::from_utf8(out.to_vec()).unwrap()
}

fn start() -> StreamEvent {
    StreamEvent::Start { id: Some("id".to_owned()), model: Some("m".to_owned()), created: None }
}

fn text(index: usize, text: &str) -> StreamEvent {
    StreamEvent::Delta { index, delta: Delta::Text(text.to_owned()) }
}

#[test]
fn a_stream_is_written_as_clients_expect_it() {
    let usage = Usage { input: 9, cache_read: 4, output: 5, reasoning: 2, ..Usage::default() };
    let events = [
        start(),
        StreamEvent::BlockStart { index: 0, block: BlockStart::Text },
        text(0, "hi"),
        StreamEvent::BlockStop { index: 0 },
        StreamEvent::Usage(usage),
        StreamEvent::Finish { reason: FinishReason::Stop, stop_sequence: None },
    ];
    let first = r#"{"candidates":[{"content":{"parts":[{"text":"hi"}],"role":"model"},"index":0}],"modelVersion":"m","responseId":"id"}"#;
    let last = r#"{"candidates":[{"content":{"parts":[{"text":""}],"role":"model"},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":3,"totalTokenCount":14,"cachedContentTokenCount":4,"thoughtsTokenCount":2},"modelVersion":"m","responseId":"id"}"#;
    assert_eq!(encoded(true, &events, None), format!("data: {first}\n\ndata: {last}\n\n"));
    assert_eq!(encoded(false, &events, None), format!("[{first}\n,\n{last}\n]"));
}

#[test]
fn interleaved_calls_are_each_sent_whole() {
    let open = |index, id: &str, custom| StreamEvent::BlockStart {
        index,
        block: BlockStart::ToolCall { id: id.to_owned(), name: "f".to_owned(), custom },
    };
    let more =
        |index, text: &str| StreamEvent::Delta { index, delta: Delta::Arguments(text.to_owned()) };
    let stream = encoded(
        true,
        &[
            start(),
            open(0, "a", false),
            more(0, "{\"x\""),
            open(1, "b", true),
            more(1, "raw"),
            more(0, ":1}"),
            StreamEvent::BlockStop { index: 0 },
            StreamEvent::Finish { reason: FinishReason::ToolCalls, stop_sequence: None },
        ],
        None,
    );
    let calls: Vec<Value> = stream
        .split("\n\n")
        .filter_map(|event| serde_json::from_str::<Value>(event.strip_prefix("data: ")?).ok())
        .filter_map(|chunk| chunk.pointer("/candidates/0/content/parts/0/functionCall").cloned())
        .collect();
    assert_eq!(
        calls,
        [
            json!({"id": "a", "name": "f", "args": {"x": 1}}),
            json!({"id": "b", "name": "f", "args": {"input": "raw"}})
        ]
    );
}

#[test]
fn a_stream_fails_in_its_own_form() {
    let failure = Failure::provider(ErrorKind::Unavailable, "gone");
    let parsed = |json: &str| serde_json::from_str::<Value>(json).unwrap();
    let sse = encoded(true, &[], Some(&failure));
    assert_eq!(parsed(sse.strip_prefix("data: ").unwrap())["error"]["code"], 503);
    let alone = encoded(false, &[], Some(&failure));
    assert_eq!(parsed(&alone)[0]["error"]["status"], "UNAVAILABLE");
    let begun =
        [start(), StreamEvent::BlockStart { index: 0, block: BlockStart::Text }, text(0, "hi")];
    let within = encoded(false, &begun, Some(&failure));
    assert_eq!(parsed(&within)[1]["error"]["message"], "gone");
    let finished =
        [start(), StreamEvent::Finish { reason: FinishReason::Stop, stop_sequence: None }];
    assert!(!encoded(true, &finished, Some(&failure)).contains("gone"));
}

#[test]
fn an_answer_of_another_protocol_comes_back_from_every_form() {
    let quote = Citation {
        url: "https://a.test".to_owned(),
        title: Some("A".to_owned()),
        quote: Some("q".to_owned()),
    };
    let response = ChatResponse {
        id: Some("id".to_owned()),
        model: Some("m".to_owned()),
        parts: vec![
            Part::Reasoning(Reasoning {
                id: Some("rs_1".to_owned()),
                text: String::new(),
                signature: signature(),
                redacted: true,
            }),
            Part::Reasoning(Reasoning {
                text: "hm".to_owned(),
                signature: signature(),
                ..Reasoning::default()
            }),
            Part::Text(Text {
                text: "lone \u{10f83d}".to_owned(),
                citations: vec![quote],
                ..Text::default()
            }),
            Part::ToolCall(ToolCall {
                id: "toolu_1".to_owned(),
                name: "f".to_owned(),
                arguments: r#"{"x":1}"#.to_owned(),
                custom: false,
                signature: signature(),
                cache: false,
            }),
        ],
        finish: Some(FinishReason::ToolCalls),
        usage: Some(Usage { input: 9, cache_read: 4, cache_write: 0, output: 5, reasoning: 2 }),
        ..ChatResponse::default()
    };
    let mut shown = response.clone();
    shown.parts.push(Part::Opaque(Opaque {
        protocol: OPENAI_CHAT,
        kind: "odd".to_owned(),
        value: json!({}),
    }));
    let request = inbound(&json!({}), true, true);
    let whole =
        FACE.encode_response(&ReplyInfo { inbound: &request, request_id: "r", now: 0 }, &shown);
    assert_eq!(FACE.decode_response(&whole).unwrap(), response);
    // Streams name their sources at the end, behind the text: they hang on a text of their own.
    let stream = encoded(true, &shown.to_events(), None);
    let mut reader = FrameReader::new(Framing::Sse, 1 << 20);
    let (mut decoder, mut events) = (FACE.stream_decoder(), Vec::new());
    for frame in &reader.push(&Bytes::from(stream)).unwrap().frames {
        decoder.decode(frame, &mut events).unwrap();
    }
    decoder.finish(&mut events);
    let mut fold = Fold::default();
    events.iter().for_each(|event| fold.push(event));
    let streamed = fold.into_response().unwrap();
    assert_eq!(
        (&streamed.finish, &streamed.usage, &streamed.parts[..2]),
        (&response.finish, &response.usage, &response.parts[..2])
    );
    assert_eq!(streamed.parts[3], response.parts[3]);
}
