//! Requests and answers of one wire on the other.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Map, Value, json};
use sy_types::chat::Usage;
use sy_types::{AuthScheme, Dialect, ModelInfo, ProtocolId, Target, Timeouts};

use super::{
    EmbedInput, EmbedResponse, EmbedWire, build, decode_request, decode_response, encode_response,
    relay,
};
use crate::ids::{ANTHROPIC_MESSAGES, GEMINI_GENERATE, OPENAI_CHAT};

fn target(protocol: ProtocolId) -> Target {
    Target {
        provider: Arc::from("p"),
        model: Arc::from("m"),
        upstream_model: Arc::from("embed-1"),
        protocol,
        base_url: "https://api.test/v1".parse().unwrap(),
        auth: AuthScheme::None,
        dialect: Dialect::default(),
        headers: Vec::new(),
        options: Map::new(),
        timeouts: Timeouts::default(),
        operator_configured: false,
        info: Arc::new(ModelInfo::default()),
    }
}

#[track_caller]
fn check(from: EmbedWire, body: &Value, to: EmbedWire, expected: &Value, dropped: &[&str]) {
    let request = decode_request(from, body.to_string().as_bytes(), Some("m")).unwrap();
    let built = build(to, &request, &target(GEMINI_GENERATE)).unwrap();
    assert_eq!(&Value::Object(built.body), expected);
    let fields: Vec<&str> = built.dropped.iter().map(|dropped| dropped.field.as_str()).collect();
    assert_eq!(fields, dropped);
}

#[test]
fn a_request_of_one_wire_is_built_on_the_other() {
    let one = |text: &str| json!({"model": "models/embed-1", "content": {"parts": [{"text": text}]}, "taskType": "RETRIEVAL_QUERY", "outputDimensionality": 8});
    check(
        EmbedWire::OpenAi,
        &json!({"model": "m", "input": ["a", "b"], "dimensions": 8, "input_type": "query", "user": "u", "truncation": true}),
        EmbedWire::GeminiBatch,
        &json!({"requests": [one("a"), one("b")]}),
        &["truncation", "user"],
    );
    check(
        EmbedWire::GeminiBatch,
        &json!({"requests": [{"model": "models/m", "content": {"parts": [{"text": "a"}, {"text": "b"}]}, "task_type": "CLUSTERING"}]}),
        EmbedWire::OpenAi,
        &json!({"model": "embed-1", "input": ["a\nb"], "encoding_format": "float"}),
        &["taskType"],
    );
    check(
        EmbedWire::GeminiOne,
        &json!({"content": {"parts": {"text": "a"}}, "output_dimensionality": 4}),
        EmbedWire::OpenAi,
        &json!({"model": "embed-1", "input": ["a"], "dimensions": 4, "encoding_format": "float"}),
        &[],
    );
}

#[test]
fn tokens_stay_opaque_and_are_refused_where_they_mean_nothing() {
    let body = br#"{"model": "m", "input": [[1, 2], [3]]}"#;
    let request = decode_request(EmbedWire::OpenAi, body, None).unwrap();
    assert_eq!(request.inputs, [EmbedInput::Tokens(vec![1, 2]), EmbedInput::Tokens(vec![3])]);
    let built = build(EmbedWire::OpenAi, &request, &target(OPENAI_CHAT)).unwrap();
    assert_eq!(built.body["input"], json!([[1, 2], [3]]));
    let failure = build(EmbedWire::GeminiBatch, &request, &target(GEMINI_GENERATE)).unwrap_err();
    assert_eq!(failure.param.as_deref(), Some("input"));
}

#[test]
fn bad_requests_name_the_field() {
    for (wire, body, param) in [
        (EmbedWire::OpenAi, r#"{"model": "m"}"#, "input"),
        (EmbedWire::OpenAi, r#"{"model": "m", "input": []}"#, "input"),
        (EmbedWire::OpenAi, r#"{"model": "m", "input": ["a", 1]}"#, "input[1]"),
        (
            EmbedWire::OpenAi,
            r#"{"model": "m", "input": "a", "encoding_format": "x"}"#,
            "encoding_format",
        ),
        (EmbedWire::GeminiBatch, r#"{"requests": [{}]}"#, "requests[0].content"),
        (
            EmbedWire::GeminiOne,
            r#"{"content": {"parts": [{"inlineData": {}}]}}"#,
            "content.parts[0]",
        ),
    ] {
        let failure = decode_request(wire, body.as_bytes(), Some("m")).unwrap_err();
        assert_eq!(failure.param.as_deref(), Some(param), "{body}");
    }
}

#[test]
fn vectors_survive_every_wire_and_both_encodings() {
    let vectors = vec![vec![0.1_f32, -3.402_823_5e38, 1.0e-45], vec![0.0, 1.0, -2.5]];
    let response = EmbedResponse {
        model: Some("e".to_owned()),
        vectors,
        usage: Some(Usage { input: 7, ..Usage::default() }),
    };
    for encoding in ["float", "base64"] {
        let body =
            json!({"model": "m", "input": ["a", "b"], "encoding_format": encoding}).to_string();
        let request = decode_request(EmbedWire::OpenAi, body.as_bytes(), None).unwrap();
        let written = encode_response(EmbedWire::OpenAi, &request, &response);
        assert_eq!(written.windows(5).any(|window| window == b"\"zczM"), encoding == "base64");
        assert_eq!(decode_response(EmbedWire::OpenAi, &written).unwrap(), response);
        let written = encode_response(EmbedWire::GeminiBatch, &request, &response);
        let expected = EmbedResponse { model: None, ..response.clone() };
        assert_eq!(decode_response(EmbedWire::GeminiBatch, &written).unwrap(), expected);
        let written = encode_response(EmbedWire::GeminiOne, &request, &response);
        assert_eq!(
            decode_response(EmbedWire::GeminiOne, &written).unwrap().vectors,
            response.vectors[..1]
        );
    }
}

#[test]
fn answers_that_hold_no_vectors_are_failures() {
    for body in [
        "",
        "{}",
        r#"{"data": [{"embedding": "abc"}]}"#,
        r#"{"data": [{"embedding": ["x"]}]}"#,
        r#"{"error": "no"}"#,
    ] {
        assert!(decode_response(EmbedWire::OpenAi, body.as_bytes()).is_err(), "{body}");
    }
}

#[test]
fn rows_are_put_into_the_order_of_their_inputs() {
    let body = br#"{"data": [{"index": 1, "embedding": [2]}, {"index": 0, "embedding": [1]}]}"#;
    assert_eq!(decode_response(EmbedWire::OpenAi, body).unwrap().vectors, [[1.0], [2.0]]);
}

#[test]
fn a_relayed_body_changes_nothing_but_the_model() {
    let body = Bytes::from_static(br#"{"input": ["a"], "model": "x", "extra": 1.50}"#);
    let relayed = relay(EmbedWire::OpenAi, &body, &target(OPENAI_CHAT)).unwrap().concat();
    assert_eq!(relayed, br#"{"input": ["a"], "model": "embed-1", "extra": 1.50}"#);
    let body = Bytes::from_static(br#"{"requests":[{"model":"models/x","content":{}}]}"#);
    let relayed = relay(EmbedWire::GeminiBatch, &body, &target(GEMINI_GENERATE)).unwrap().concat();
    assert_eq!(relayed, br#"{"requests":[{"model":"models/embed-1","content":{}}]}"#);
}

#[test]
fn the_wire_and_path_follow_from_the_protocol() {
    assert_eq!(EmbedWire::of(ANTHROPIC_MESSAGES), None);
    let paths =
        [OPENAI_CHAT, GEMINI_GENERATE].map(|id| EmbedWire::of(id).unwrap().path(&target(id)));
    assert_eq!(paths, ["/embeddings", "/models/embed-1:batchEmbedContents"]);
}
