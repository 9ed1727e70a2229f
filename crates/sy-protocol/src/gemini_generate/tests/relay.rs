//! Bodies and streams that are relayed, and paths.

use bytes::Bytes;
use serde_json::{Value, json};
use sy_types::chat::StreamEvent;

use super::{FACE, inbound, target};
use crate::face::{Hints, Outgoing, Upstream as _, encode};
use crate::frame::Frame;
use crate::inbound::Inbound;

fn relayed(body: &'static str, options: Value) -> String {
    let mut target = target("gemini-y");
    if let Value::Object(options) = options {
        target.options = options;
    }
    let hints = Hints { model: Some("x".to_owned()), stream: true, sse: true };
    let inbound = Inbound::parse(&FACE, Bytes::from(body), &hints).unwrap();
    let encoded =
        encode(&FACE, &Outgoing { target: &target, inbound: &inbound, stream: true }).unwrap();
    assert!(encoded.relay);
    assert_eq!(
        encoded.call.url.as_str(),
        "https://api.test/v1beta/models/gemini-y:streamGenerateContent?alt=sse"
    );
    String::from_utf8(encoded.call.body.concat()).unwrap()
}

#[test]
fn a_body_is_relayed_as_it_came() {
    let body =
        r#"{ "contents": [{"parts":[{"text":"\ud83d"}]}], "generation_config": {"top_k": 1.0} }"#;
    assert_eq!(relayed(body, json!({})), body);
    assert_eq!(relayed(r#"{"model":"models/x"}"#, json!({})), r#"{"model":"models/gemini-y"}"#);
}

#[test]
fn options_never_contradict_the_other_spelling() {
    let options = json!({"generationConfig": {"topK": 5, "thinkingConfig": {"includeThoughts": true, "thinkingLevel": "low"}}});
    assert_eq!(
        relayed(
            r#"{"generation_config":{"thinking_config":{"thinking_level":"high"},"response_schema":{"any_of":[]}}}"#,
            options.clone()
        ),
        r#"{"generationConfig":{"thinkingConfig":{"thinkingLevel":"high","includeThoughts":true},"responseSchema":{"any_of":[]},"topK":5}}"#
    );
    assert_eq!(
        relayed(r#"{"generationConfig":{"top_k":9}}"#, options),
        r#"{"generationConfig":{"topK":9,"thinkingConfig":{"includeThoughts":true,"thinkingLevel":"low"}}}"#
    );
    assert_eq!(
        relayed(r#"{"a": 1.0}"#, json!({"safetySettings": []})),
        r#"{"safetySettings":[],"a": 1.0}"#
    );
}

#[test]
fn a_body_for_a_count_takes_the_form_of_the_call() {
    let target = target("gemini-y");
    let check = |body: &'static str, expected: &str| {
        let hints = Hints { model: Some("x".to_owned()), stream: false, sse: false };
        let inbound = Inbound::parse(&FACE, Bytes::from(body), &hints).unwrap();
        let made = FACE
            .relay_count(&Outgoing { target: &target, inbound: &inbound, stream: false })
            .unwrap();
        assert_eq!(String::from_utf8(made.concat()).unwrap(), expected);
    };
    check(r#"{ "contents": [1.0] }"#, r#"{ "contents": [1.0] }"#);
    check(
        r#"{"model":"models/x", "contents": []}"#,
        r#"{"model":"models/gemini-y", "contents": []}"#,
    );
    check(
        r#"{"model":"x","contents":[{"parts":[{"text":"\ud83d"}]}],"system_instruction":{"parts":[]},"tools":[]}"#,
        r#"{"generateContentRequest":{"contents":[{"parts":[{"text":"\ud83d"}]}],"systemInstruction":{"parts":[]},"tools":[],"model":"models/gemini-y"}}"#,
    );
    check(
        r#"{"generate_content_request":{"model":"models/x","contents":[],"system_instruction":{}}}"#,
        r#"{"generateContentRequest":{"model":"models/gemini-y","contents":[],"system_instruction":{}}}"#,
    );
    check(
        r#"{"contents":[],"tools":[],"generateContentRequest":null}"#,
        r#"{"generateContentRequest":{"contents":[],"tools":[],"model":"models/gemini-y"}}"#,
    );
    check(r#"{"generateContentRequest":3}"#, r#"{"generateContentRequest":3}"#);
}

#[test]
fn a_built_body_for_a_count_holds_the_whole_request() {
    let counted = |fields: Value| {
        let Value::Object(fields) = fields else { panic!("no object: {fields}") };
        Value::Object(FACE.count_body(fields, &target("gemini-y")))
    };
    assert_eq!(counted(json!({"contents": []})), json!({"contents": []}));
    assert_eq!(
        counted(json!({"contents": [], "tools": []})),
        json!({"generateContentRequest": {"contents": [], "tools": [], "model": "models/gemini-y"}})
    );
}

#[test]
fn paths_name_model_and_action() {
    let target = target("tunedModels/a b");
    assert_eq!(FACE.path(&target, false), "/tunedModels/a%20b:generateContent");
    assert_eq!(FACE.count_path(&target).as_deref(), Some("/tunedModels/a%20b:countTokens"));
    assert_eq!(FACE.decode_count(br#"{"totalTokens": 31}"#), Some(31));
    assert_eq!(FACE.decode_count(b"{}"), None);
    assert!(inbound(&json!({}), true, false).head().stream);
}

#[test]
fn a_relayed_stream_is_understood_without_its_texts() {
    let mut decoder = FACE.relay_decoder();
    let mut events = Vec::new();
    for data in [
        r#"{"usageMetadata":{"promptTokenCount":3}}"#,
        r#"{"candidates":[{"content":{"parts":[{"text":"\ud83d"}]}}],"responseId":"r"}"#,
        r#"{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f"}}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":2}}"#,
    ] {
        let frame = Frame { event: Bytes::new(), data: Bytes::from(data), end: 0 };
        decoder.decode(&frame, &mut events).unwrap();
    }
    decoder.finish(&mut events);
    assert_eq!(events.iter().filter(|event| event.is_content()).count(), 2);
    let Some([StreamEvent::Usage(usage), StreamEvent::Finish { reason, .. }]) = events.last_chunk()
    else {
        panic!("{events:?}")
    };
    assert_eq!((usage.input, usage.output, format!("{reason:?}").as_str()), (3, 2, "ToolCalls"));
}
