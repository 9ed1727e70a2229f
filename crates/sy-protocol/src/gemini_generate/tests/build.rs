//! Canonical requests on this wire.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};
use sy_types::chat::{
    ChatRequest, Citation, Effort, Media, Message, Opaque, OutputFormat, Part, Reasoning,
    ReasoningOptions, Role, Sampling, Signature, Source, Text, Tool, ToolCall, ToolChoice,
    ToolKind, ToolResult,
};
use sy_types::target::SchemaRules;
use sy_types::{Capabilities, Limits, Media as Kind, ModelInfo, Target};

use super::{decoded, target};
use crate::ids::{GEMINI_GENERATE, OPENAI_CHAT};

#[track_caller]
fn check(chat: &ChatRequest, target: &Target, expected: &Value, dropped: &[&str]) {
    let built = super::super::build::build(chat, target);
    assert_eq!(&Value::Object(built.body), expected);
    let fields: Vec<&str> = built.dropped.iter().map(|dropped| dropped.field.as_str()).collect();
    assert_eq!(fields, dropped);
}

fn call(id: &str, name: &str, arguments: &str) -> ToolCall {
    ToolCall {
        id: id.to_owned(),
        name: name.to_owned(),
        arguments: arguments.to_owned(),
        custom: false,
        signature: None,
        cache: false,
    }
}

fn result(call_id: &str, text: &str, is_error: bool) -> Part {
    let parts = vec![Part::text(text)];
    Part::ToolResult(ToolResult {
        call_id: call_id.to_owned(),
        name: None,
        parts,
        is_error,
        cache: false,
    })
}

fn signature(native: bool) -> Option<Signature> {
    let protocol = if native { GEMINI_GENERATE } else { OPENAI_CHAT };
    Some(Signature { protocol, value: "c2ln".to_owned() })
}

fn messages(messages: Vec<Message>) -> ChatRequest {
    ChatRequest { messages, ..ChatRequest::default() }
}

#[test]
fn a_tool_conversation_keeps_results_directly_behind_their_calls() {
    let chat = messages(vec![
        Message::text(Role::System, "be kind"),
        Message::text(Role::User, "go"),
        Message::text(Role::Assistant, "wait"),
        Message::new(
            Role::Assistant,
            vec![
                Part::ToolCall(call("1", "a", r#"{"x":1}"#)),
                Part::ToolCall(call("2", "b", "nonsense")),
            ],
        ),
        Message::text(Role::User, "hurry"),
        Message::new(Role::Tool, vec![result("2", "no", true)]),
        Message::new(Role::Tool, vec![result("1", "yes", false)]),
        Message::text(Role::Developer, "late"),
    ]);
    let expected = json!({
        "contents": [
            {"role": "user", "parts": [{"text": "go"}]},
            {"role": "model", "parts": [
                {"text": "wait"},
                {"functionCall": {"id": "1", "name": "a", "args": {"x": 1}}},
                {"functionCall": {"id": "2", "name": "b", "args": {"input": "nonsense"}}}
            ]},
            {"role": "user", "parts": [
                {"functionResponse": {"id": "2", "name": "b", "response": {"error": "no"}}},
                {"functionResponse": {"id": "1", "name": "a", "response": {"result": "yes"}}}
            ]},
            {"role": "user", "parts": [{"text": "hurry"}]}
        ],
        "systemInstruction": {"parts": [{"text": "be kind"}, {"text": "late"}]}
    });
    check(
        &chat,
        &target("gemini-2.5-pro"),
        &expected,
        &["messages[3].parts[1].arguments", "messages[7]"],
    );
}

#[test]
fn proofs_of_this_wire_go_back_and_others_are_reported() {
    let text = |native| {
        Part::Text(Text { text: "t".to_owned(), signature: signature(native), ..Text::default() })
    };
    let thought = |signature| {
        Part::Reasoning(Reasoning { text: "r".to_owned(), signature, ..Reasoning::default() })
    };
    let signed =
        |native| Part::ToolCall(ToolCall { signature: signature(native), ..call("1", "f", "") });
    let turn = |native| {
        Message::new(
            Role::Assistant,
            vec![thought(signature(native)), text(native), signed(native)],
        )
    };
    let function = json!({"id": "1", "name": "f", "args": {}});
    let native = json!({"contents": [{"role": "model", "parts": [
        {"text": "r", "thought": true, "thoughtSignature": "c2ln"},
        {"text": "t", "thoughtSignature": "c2ln"},
        {"functionCall": function, "thoughtSignature": "c2ln"}
    ]}]});
    check(&messages(vec![turn(true)]), &target("gemini-3-pro"), &native, &[]);
    let lost = [
        "messages[0].parts[0] (reasoning)",
        "messages[0].parts[1].signature",
        "messages[0].parts[2].signature",
    ];
    let foreign = json!({"contents": [{"role": "model", "parts": [{"text": "t"}, {"functionCall": function}]}]});
    check(&messages(vec![turn(false)]), &target("gemini-2.5-pro"), &foreign, &lost);
    let stand_in = super::super::proof::UNKNOWN;
    let newer = json!({"contents": [{"role": "model", "parts": [{"text": "t"}, {"functionCall": function, "thoughtSignature": stand_in}]}]});
    check(&messages(vec![turn(false)]), &target("gemini-3-pro"), &newer, &lost);
    let unsigned =
        messages(vec![Message::new(Role::Assistant, vec![thought(None), Part::text("t")])]);
    let plain = json!({"contents": [{"role": "model", "parts": [{"text": "t"}]}]});
    check(&unsigned, &target("gemini-3-pro"), &plain, &["messages[0].parts[0] (reasoning)"]);
}

fn media(kind: Kind, mime: Option<&str>, source: Source) -> Part {
    Part::Media(Media {
        kind,
        mime: mime.map(str::to_owned),
        source,
        name: None,
        detail: None,
        cache: false,
    })
}

#[test]
fn media_are_written_inline_or_by_address() {
    let parts = vec![
        media(Kind::Image, Some("image/png"), Source::Base64(Bytes::from_static(b"AA=="))),
        media(Kind::Image, None, Source::Url("https://x.test/a.webp".to_owned())),
        media(Kind::Pdf, None, Source::FileId("files/abc".to_owned())),
        media(Kind::Video, None, Source::Url("https://youtu.be/abc".to_owned())),
        media(Kind::Pdf, None, Source::FileId("file-123".to_owned())),
        media(Kind::Text, None, Source::Text("words".to_owned())),
    ];
    let expected = json!({"contents": [{"role": "user", "parts": [
        {"inlineData": {"mimeType": "image/png", "data": "AA=="}},
        {"fileData": {"mimeType": "image/webp", "fileUri": "https://x.test/a.webp"}},
        {"fileData": {"mimeType": "application/pdf", "fileUri": "files/abc"}},
        {"fileData": {"fileUri": "https://youtu.be/abc"}},
        {"text": "words"}
    ]}]});
    let chat = messages(vec![Message::new(Role::User, parts)]);
    check(
        &chat,
        &target("gemini-2.5-pro"),
        &expected,
        &["messages[0].parts[4]", "messages[0].parts[5]"],
    );
}

#[test]
fn media_of_a_result_go_where_the_model_sees_them() {
    let picture =
        || media(Kind::Image, Some("image/png"), Source::Base64(Bytes::from_static(b"AA==")));
    let answer = ToolResult {
        call_id: "1".to_owned(),
        name: Some("f".to_owned()),
        parts: vec![Part::text("see"), picture()],
        is_error: false,
        cache: true,
    };
    let chat = messages(vec![
        Message::new(Role::Assistant, vec![Part::ToolCall(call("1", "f", "{}"))]),
        Message::new(Role::Tool, vec![Part::ToolResult(answer)]),
        Message::text(Role::User, "so?"),
    ]);
    let written = json!({"inlineData": {"mimeType": "image/png", "data": "AA=="}});
    let asked =
        json!({"role": "model", "parts": [{"functionCall": {"id": "1", "name": "f", "args": {}}}]});
    let older = json!({"contents": [
        asked,
        {"role": "user", "parts": [{"functionResponse": {"id": "1", "name": "f", "response": {"result": "see"}}}]},
        {"role": "user", "parts": [{"text": "Attached media from tool result:"}, written]},
        {"role": "user", "parts": [{"text": "so?"}]}
    ]});
    check(&chat, &target("gemini-2.5-flash"), &older, &["cache_control"]);
    let built = super::super::build::build(&chat, &target("gemini-3-flash"));
    assert_eq!(
        built.body["contents"][1]["parts"][0]["functionResponse"]["parts"],
        json!([written])
    );
}

#[test]
fn settings_are_written_and_what_has_no_place_is_reported() {
    let mut target = target("gemini-2.5-flash");
    target.info = Arc::new(ModelInfo {
        limits: Limits { output: 100, ..Limits::default() },
        ..ModelInfo::default()
    });
    let sampling = Sampling {
        temperature: Some(0.5),
        top_k: Some(3),
        seed: Some(1 << 40),
        ..Sampling::default()
    };
    let chat = ChatRequest {
        messages: vec![Message { name: Some("Ann".to_owned()), ..Message::text(Role::User, "hi") }],
        max_output_tokens: Some(500),
        stop: ["1", "2", "3", "4", "5", "6"].map(str::to_owned).to_vec(),
        sampling,
        parallel_tool_calls: Some(false),
        user: Some("u".to_owned()),
        prompt_cache_key: Some("k".to_owned()),
        output: OutputFormat::JsonSchema {
            name: Some("n".to_owned()),
            description: None,
            schema: json!({"type": "object", "additionalProperties": false}),
            strict: Some(true),
        },
        ..ChatRequest::default()
    };
    let expected = json!({
        "contents": [{"role": "user", "parts": [{"text": "hi"}]}],
        "generationConfig": {
            "temperature": 0.5, "topK": 3, "maxOutputTokens": 100, "stopSequences": ["1", "2", "3", "4", "5"],
            "responseMimeType": "application/json", "responseJsonSchema": {"type": "object", "additionalProperties": false}
        }
    });
    let lost = [
        "messages[0].name",
        "seed",
        "max_output_tokens",
        "stop[5..]",
        "parallel_tool_calls",
        "user",
        "prompt_cache_key",
    ];
    check(&chat, &target, &expected, &lost);
}

#[test]
fn tools_of_every_kind_are_written_or_reported() {
    let tool =
        |name: &str, kind| Tool { name: name.to_owned(), description: None, kind, cache: false };
    let schema = json!({"type": "object", "properties": {"a": {"type": ["string", "null"]}}, "additionalProperties": false});
    let chat = ChatRequest {
        messages: vec![Message::new(
            Role::User,
            vec![
                Part::text("hi"),
                Part::Opaque(Opaque {
                    protocol: OPENAI_CHAT,
                    kind: "odd".to_owned(),
                    value: json!({}),
                }),
            ],
        )],
        tools: vec![
            tool(
                "googleSearch",
                ToolKind::Server {
                    protocol: GEMINI_GENERATE,
                    declaration: json!({"googleSearch": {}}),
                },
            ),
            tool("f", ToolKind::Function { parameters: schema.clone(), strict: Some(true) }),
            tool("patch", ToolKind::Custom { format: Some(json!({"type": "grammar"})) }),
            tool("web_search", ToolKind::Server { protocol: OPENAI_CHAT, declaration: json!({}) }),
        ],
        tool_choice: Some(ToolChoice::Allowed { names: vec!["f".to_owned()], required: false }),
        ..ChatRequest::default()
    };
    let input = json!({"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]});
    let expected = json!({
        "contents": [{"role": "user", "parts": [{"text": "hi"}]}],
        "tools": [
            {"googleSearch": {}},
            {"functionDeclarations": [{"name": "f", "parametersJsonSchema": schema}, {"name": "patch", "parametersJsonSchema": input}]}
        ],
        "toolConfig": {"functionCallingConfig": {"mode": "VALIDATED", "allowedFunctionNames": ["f"]}}
    });
    let lost = [
        "messages[0].parts[1] (odd)",
        "tools[1].strict",
        "tools[2].format",
        "tools[3] (web_search)",
    ];
    check(&chat, &target("gemini-2.5-pro"), &expected, &lost);
    let mut older = target("gemini-2.5-pro");
    older.dialect.schema_rules = SchemaRules::Gemini;
    older.dialect.forced_tool_choice = false;
    let built = super::super::build::build(&chat, &older);
    let declared = &built.body["tools"][1]["functionDeclarations"][0];
    assert_eq!(
        *declared,
        json!({"name": "f", "parameters": {"type": "object", "properties": {"a": {"nullable": true, "type": "string"}}}})
    );
    let fields: Vec<&str> = built.dropped.iter().map(|dropped| dropped.field.as_str()).collect();
    assert!(
        fields.contains(&"tools[1].parameters") && fields.contains(&"tool_choice"),
        "{fields:?}"
    );
}

#[test]
fn thinking_is_asked_for_in_the_words_of_the_generation() {
    let effort = |effort| ReasoningOptions { effort: Some(effort), ..ReasoningOptions::default() };
    let budget =
        |tokens| ReasoningOptions { budget_tokens: Some(tokens), ..ReasoningOptions::default() };
    let visible = ReasoningOptions {
        visible: Some(true),
        enabled: Some(true),
        ..ReasoningOptions::default()
    };
    for (model, options, expected, is_reported) in [
        ("gemini-2.5-flash", effort(Effort::Low), json!({"thinkingBudget": 4096}), false),
        ("gemini-2.5-flash", effort(Effort::Max), json!({"thinkingBudget": 24576}), false),
        ("gemini-2.5-flash", budget(99_999), json!({"thinkingBudget": 24576}), true),
        ("gemini-2.5-flash", effort(Effort::None), json!({"thinkingBudget": 0}), false),
        ("gemini-2.5-pro", effort(Effort::None), json!({"thinkingBudget": 128}), true),
        (
            "gemini-2.5-pro",
            visible.clone(),
            json!({"thinkingBudget": -1, "includeThoughts": true}),
            false,
        ),
        ("gemini-3-pro", budget(2_000), json!({"thinkingLevel": "low"}), false),
        ("gemini-3-flash", effort(Effort::XHigh), json!({"thinkingLevel": "high"}), false),
        ("gemini-3-flash", effort(Effort::None), json!({"thinkingLevel": "minimal"}), true),
        ("gemini-3-flash", visible, json!({"includeThoughts": true}), false),
        ("gemini-flash-latest", effort(Effort::High), json!({"thinkingLevel": "high"}), false),
        ("gemini-flash-latest", budget(7), json!({"thinkingBudget": 7}), false),
        ("gemini-flash-latest", ReasoningOptions::default(), Value::Null, false),
    ] {
        let chat = ChatRequest { reasoning: options.clone(), ..ChatRequest::default() };
        let built = super::super::build::build(&chat, &target(model));
        let config =
            built.body.get("generationConfig").and_then(|config| config.get("thinkingConfig"));
        assert_eq!(config.unwrap_or(&Value::Null), &expected, "{model} {options:?}");
        assert_eq!(!built.dropped.is_empty(), is_reported, "{model} {options:?}");
    }
    let mut plain = target("gemini-2.0-flash");
    let capabilities = Capabilities { reasoning: Some(false), ..Capabilities::default() };
    plain.info = Arc::new(ModelInfo { capabilities, ..ModelInfo::default() });
    let chat = ChatRequest { reasoning: effort(Effort::Low), ..ChatRequest::default() };
    check(&chat, &plain, &json!({"contents": []}), &["reasoning"]);
}

#[test]
fn what_was_built_reads_back_as_it_was() {
    let answers = ["plain", "{\"a\": 1}", "{\"result\":\"x\"}", "", "[1]", "\"quoted\""];
    let chat = messages(vec![
        Message::new(
            Role::Assistant,
            answers
                .iter()
                .enumerate()
                .map(|(id, _)| Part::ToolCall(call(&id.to_string(), "f", "{}")))
                .collect(),
        ),
        Message::new(
            Role::Tool,
            answers
                .iter()
                .enumerate()
                .map(|(id, text)| result(&id.to_string(), text, id % 2 == 1))
                .collect(),
        ),
    ]);
    let built = super::super::build::build(&chat, &target("gemini-3-pro"));
    let again = decoded(&Value::Object(built.body)).unwrap();
    assert_eq!(again.messages[0], chat.messages[0]);
    let named = |part: &Part| match part {
        Part::ToolResult(result) => {
            Part::ToolResult(ToolResult { name: Some("f".to_owned()), ..result.clone() })
        }
        other => other.clone(),
    };
    assert_eq!(
        again.messages[1].parts,
        chat.messages[1].parts.iter().map(named).collect::<Vec<_>>()
    );
}

#[test]
fn instructions_alone_and_sources_in_the_history_are_handled() {
    check(
        &messages(vec![Message::text(Role::System, "hi")]),
        &target("gemini-2.5-pro"),
        &json!({"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}),
        &["messages"],
    );
    let cited =
        Text { text: "t".to_owned(), citations: vec![Citation::default()], ..Text::default() };
    check(
        &messages(vec![Message::new(
            Role::Assistant,
            vec![Part::Text(cited), Part::Refusal("no".to_owned())],
        )]),
        &target("gemini-2.5-pro"),
        &json!({"contents": [{"role": "model", "parts": [{"text": "t"}, {"text": "no"}]}]}),
        &["messages[0].parts[0].citations"],
    );
}
