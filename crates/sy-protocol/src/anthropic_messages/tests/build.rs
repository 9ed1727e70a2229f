//! Making requests for providers.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};
use sy_types::chat::{
    ChatRequest, Effort, Media, Message, Opaque, OutputFormat, Part, Reasoning, Role, Signature,
    Source, Text, Tool, ToolCall, ToolChoice, ToolKind, ToolResult,
};
use sy_types::{Media as Kind, Target};

use super::target;
use crate::anthropic_messages::AnthropicMessages;
use crate::face::Upstream;
use crate::ids::{ANTHROPIC_MESSAGES, GEMINI_GENERATE};

const CLAUDE: &str = "claude-sonnet-4-5";

/// Builds the body and returns it with the fields that were reported.
fn build_for(target: &Target, chat: &ChatRequest) -> (Value, Vec<String>) {
    let built = AnthropicMessages.build(chat, target, false).unwrap();
    (Value::Object(built.body), built.dropped.into_iter().map(|dropped| dropped.field).collect())
}

fn build(chat: &ChatRequest) -> (Value, Vec<String>) {
    build_for(&target(CLAUDE), chat)
}

fn chat(messages: Vec<Message>) -> ChatRequest {
    ChatRequest { messages, ..ChatRequest::default() }
}

fn asking() -> ChatRequest {
    chat(vec![Message::text(Role::User, "hi")])
}

fn call(id: &str, arguments: &str) -> Part {
    Part::ToolCall(ToolCall {
        id: id.to_owned(),
        name: "t".to_owned(),
        arguments: arguments.to_owned(),
        custom: false,
        signature: None,
        cache: false,
    })
}

fn result(id: &str, text: &str, is_error: bool) -> Part {
    let parts = vec![Part::text(text)];
    Part::ToolResult(ToolResult {
        call_id: id.to_owned(),
        name: None,
        parts,
        is_error,
        cache: false,
    })
}

fn function(name: &str, parameters: Value) -> Tool {
    let kind = ToolKind::Function { parameters, strict: None };
    Tool { name: name.to_owned(), description: None, kind, cache: false }
}

#[test]
fn turns_alternate_and_results_come_first() {
    let chat = chat(vec![
        Message::text(Role::Developer, "rules"),
        Message::text(Role::User, "one"),
        Message::text(Role::User, "two"),
        Message::new(Role::Assistant, vec![call("functions.t:0", "")]),
        Message::text(Role::User, "wait"),
        Message::new(Role::Tool, vec![result("functions.t:0", "ok", false)]),
        Message::text(Role::System, "late"),
        Message::new(Role::Tool, vec![result("b", " ", true)]),
    ]);
    let (body, dropped) = build(&chat);
    let text = |text: &str| json!({"type": "text", "text": text});
    assert_eq!(body["system"], json!([text("rules"), text("late")]));
    assert_eq!(
        body["messages"],
        json!([
            {"role": "user", "content": [text("one"), text("two")]},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "functions_t_0", "name": "t", "input": {}}]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "functions_t_0", "content": [text("ok")]},
                {"type": "tool_result", "tool_use_id": "b", "content": [text("The tool failed without output.")], "is_error": true},
                text("wait"),
            ]},
        ])
    );
    assert_eq!(dropped, ["messages[6]"]);
}

#[test]
fn blank_texts_are_left_out_and_instructions_alone_are_the_users() {
    let (body, dropped) = build(&chat(vec![
        Message::text(Role::User, "a"),
        Message::text(Role::Assistant, " \n"),
        Message::text(Role::User, "b"),
    ]));
    assert_eq!(body["messages"].as_array().map(Vec::len), Some(1));
    assert_eq!(dropped, [""; 0]);
    let (body, dropped) = build(&chat(vec![Message::text(Role::System, "a")]));
    assert_eq!(
        body["messages"],
        json!([{"role": "user", "content": [{"type": "text", "text": "a"}]}])
    );
    assert_eq!(body.get("system"), None);
    assert_eq!(dropped, ["messages"]);
}

#[test]
fn arguments_that_are_no_object_are_wrapped() {
    let check = |arguments: &str, expected: Value, reported: bool| {
        let (body, dropped) =
            build(&chat(vec![Message::new(Role::Assistant, vec![call("c", arguments)])]));
        assert_eq!(body["messages"][0]["content"][0]["input"], expected, "{arguments}");
        assert_eq!(!dropped.is_empty(), reported, "{arguments}");
    };
    check(r#"{"a":[1]}"#, json!({"a": [1]}), false);
    check("", json!({}), false);
    check("null", json!({}), false);
    check("[1]", json!({"input": [1]}), true);
    check("{\"a\":", json!({"input": "{\"a\":"}), true);
}

#[test]
fn custom_tools_become_functions_with_one_text() {
    let kind = ToolKind::Custom { format: Some(json!({"type": "grammar", "syntax": "lark"})) };
    let patch =
        Tool { name: "patch".to_owned(), description: Some("d".to_owned()), kind, cache: false };
    let Part::ToolCall(earlier) = call("c", "*** begin") else { panic!() };
    let earlier = Part::ToolCall(ToolCall { custom: true, ..earlier });
    let chat = ChatRequest {
        tools: vec![patch],
        ..chat(vec![Message::new(Role::Assistant, vec![earlier])])
    };
    let (body, dropped) = build(&chat);
    let schema = json!({"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]});
    assert_eq!(
        body["tools"],
        json!([{"name": "patch", "description": "d", "input_schema": schema}])
    );
    assert_eq!(body["messages"][0]["content"][0]["input"], json!({"input": "*** begin"}));
    assert_eq!(dropped, ["tools[0].format"]);
}

#[test]
fn what_only_another_protocol_knows_is_reported() {
    let server = ToolKind::Server { protocol: GEMINI_GENERATE, declaration: json!({}) };
    let opaque = |protocol, kind: &str| {
        Part::Opaque(Opaque {
            protocol,
            kind: kind.to_owned(),
            value: json!({"type": kind, "id": 1}),
        })
    };
    let foreign = Some(Signature { protocol: GEMINI_GENERATE, value: "g".to_owned() });
    let own = Some(Signature { protocol: ANTHROPIC_MESSAGES, value: "s".to_owned() });
    let reasoning = |text: &str, signature, redacted| {
        Part::Reasoning(Reasoning { id: None, text: text.to_owned(), signature, redacted })
    };
    let sound = Media {
        kind: Kind::Audio,
        mime: None,
        source: Source::Base64(Bytes::new()),
        name: None,
        detail: None,
        cache: false,
    };
    let mut chat = chat(vec![
        Message::new(Role::User, vec![Part::text("x"), Part::Media(sound)]),
        Message::new(
            Role::Assistant,
            vec![
                reasoning("a", foreign, false),
                reasoning("b", None, false),
                reasoning("c", own.clone(), false),
                reasoning("", own, true),
                opaque(GEMINI_GENERATE, "code"),
                opaque(ANTHROPIC_MESSAGES, "server_tool_use"),
            ],
        ),
    ]);
    chat.tools =
        vec![Tool { name: "search".to_owned(), description: None, kind: server, cache: false }];
    let (body, dropped) = build(&chat);
    assert_eq!(
        body["messages"][1]["content"],
        json!([
            {"type": "thinking", "thinking": "c", "signature": "s"},
            {"type": "redacted_thinking", "data": "s"},
            {"type": "server_tool_use", "id": 1},
        ])
    );
    let expected = [
        "messages[0].parts[1] (audio)",
        "messages[1].parts[0] (reasoning)",
        "messages[1].parts[1] (reasoning)",
        "messages[1].parts[4] (code)",
        "tools[0] (search)",
    ];
    assert_eq!(dropped, expected);
    let (body, _) = build_for(&target("kimi-k2"), &chat);
    assert_eq!(
        body["messages"][1]["content"][0],
        json!({"type": "thinking", "thinking": "b", "signature": ""})
    );
}

#[test]
fn media_take_the_form_of_their_kind() {
    let check = |kind: Kind, mime: Option<&str>, source: Source, expected: Option<Value>| {
        let mime = mime.map(str::to_owned);
        let media =
            Media { kind, mime, source, name: Some("n".to_owned()), detail: None, cache: true };
        let parts = vec![Part::text("x"), Part::Media(media)];
        let (body, dropped) = build(&chat(vec![Message::new(Role::User, parts)]));
        assert_eq!(body["messages"][0]["content"].get(1), expected.as_ref());
        let dropped: Vec<&String> =
            dropped.iter().filter(|field| !field.ends_with(".name")).collect();
        assert_eq!(dropped.is_empty(), expected.is_some(), "{dropped:?}");
    };
    let base64 = || Source::Base64(Bytes::from_static(b"aGk="));
    let cache = json!({"type": "ephemeral"});
    let image = |source: Value| {
        Some(json!({"type": "image", "source": source, "cache_control": cache.clone()}))
    };
    let document = |source: Value| {
        Some(
            json!({"type": "document", "source": source, "title": "n", "cache_control": cache.clone()}),
        )
    };
    let inline = |mime: &str| json!({"type": "base64", "media_type": mime, "data": "aGk="});
    let url = || Source::Url("https://x.test/a".to_owned());
    check(Kind::Image, Some("image/jpg"), base64(), image(inline("image/jpeg")));
    check(Kind::Image, Some("image/svg+xml"), base64(), None);
    check(Kind::Image, None, url(), image(json!({"type": "url", "url": "https://x.test/a"})));
    check(Kind::Image, None, Source::Url("gs://b/a".to_owned()), None);
    check(Kind::Image, None, Source::FileId("f".to_owned()), None);
    check(Kind::Pdf, None, base64(), document(inline("application/pdf")));
    check(
        Kind::Text,
        None,
        base64(),
        document(json!({"type": "text", "media_type": "text/plain", "data": "hi"})),
    );
    check(Kind::Video, None, url(), None);
}

#[test]
fn the_limit_is_always_there_and_leaves_room_for_reasoning() {
    let check = |limit: Option<u64>,
                 budget: Option<u64>,
                 expected: (u64, Option<u64>),
                 reported: usize| {
        let mut chat = ChatRequest { max_output_tokens: limit, ..asking() };
        chat.reasoning.budget_tokens = budget;
        let (body, dropped) = build(&chat);
        let seen =
            (body["max_tokens"].as_u64().unwrap(), body["thinking"]["budget_tokens"].as_u64());
        assert_eq!((seen, dropped.len()), (expected, reported), "{limit:?} {budget:?} {dropped:?}");
    };
    check(None, None, (32_000, None), 0);
    check(Some(100), None, (100, None), 0);
    check(Some(100_000), None, (64_000, None), 1);
    check(None, Some(16_000), (48_000, Some(16_000)), 0);
    check(Some(8_000), Some(2_000), (8_000, Some(2_000)), 0);
    check(Some(100), Some(2_000), (2_100, Some(2_000)), 1);
    check(Some(100), Some(500), (1_124, Some(1_024)), 2);
    check(None, Some(90_000), (64_000, Some(63_999)), 1);
    let mut unknown = target(CLAUDE);
    unknown.info = Arc::default();
    assert_eq!(build_for(&unknown, &asking()).0["max_tokens"], 4_096);
}

#[test]
fn reasoning_is_asked_for_in_the_way_of_the_models_generation() {
    let check = |model: &str, effort: Effort, thinking: Value, written: Value| {
        let mut chat = asking();
        chat.reasoning.effort = Some(effort);
        let (body, _) = build_for(&target(model), &chat);
        assert_eq!(
            (&body["thinking"], &body["output_config"]["effort"]),
            (&thinking, &written),
            "{model}"
        );
    };
    let budget = |tokens: u64| json!({"type": "enabled", "budget_tokens": tokens});
    let shown = || json!({"type": "adaptive", "display": "summarized"});
    check("claude-sonnet-4-5-20250929", Effort::High, budget(16_000), Value::Null);
    check("claude-3-7-sonnet-20250219", Effort::Low, budget(4_096), Value::Null);
    check("claude-sonnet-4-20250514", Effort::Low, budget(4_096), Value::Null);
    check("minimax-m2", Effort::Low, budget(4_096), Value::Null);
    check("claude-opus-4-6", Effort::XHigh, json!({"type": "adaptive"}), json!("high"));
    check("anthropic/claude-sonnet-4.6", Effort::Max, json!({"type": "adaptive"}), json!("max"));
    check("claude-opus-4-7", Effort::XHigh, shown(), json!("xhigh"));
    check("claude-opus-5", Effort::Minimal, shown(), json!("low"));
    check("claude-sonnet-latest", Effort::Medium, shown(), json!("medium"));
    check("claude-opus-5", Effort::None, json!({"type": "disabled"}), Value::Null);
    check("claude-haiku-5-5", Effort::None, json!({"type": "disabled"}), Value::Null);
    check("claude-opus-5-5", Effort::None, Value::Null, json!("low"));
    check("claude-fable-5", Effort::None, Value::Null, json!("low"));
    check("claude-sonnet-4-5", Effort::None, Value::Null, Value::Null);
}

#[test]
fn sampling_yields_to_what_the_model_accepts() {
    let check = |model: &str, thinks: bool, kept: Value, expected: &[&str]| {
        let mut chat = asking();
        chat.sampling.temperature = Some(1.5);
        chat.sampling.top_p = Some(0.5);
        chat.sampling.top_k = Some(7);
        chat.sampling.seed = Some(1);
        chat.reasoning.enabled = thinks.then_some(true);
        let (body, dropped) = build_for(&target(model), &chat);
        let seen = json!([body.get("temperature"), body.get("top_p"), body.get("top_k")]);
        assert_eq!(
            (seen, dropped),
            (kept, expected.iter().map(|&field| field.to_owned()).collect()),
            "{model}"
        );
    };
    check("glm-4.7", false, json!([1.0, 0.5, 7]), &["temperature", "seed"]);
    check("claude-3-5-haiku-latest", false, json!([1.0, 0.5, 7]), &["temperature", "seed"]);
    check("claude-opus-4-5", false, json!([1.0, null, 7]), &["temperature", "top_p", "seed"]);
    check(
        "claude-opus-4-5",
        true,
        json!([null, null, null]),
        &["temperature", "top_p", "top_k", "seed"],
    );
    check(
        "claude-opus-4-8",
        false,
        json!([null, null, null]),
        &["temperature", "top_p", "top_k", "seed"],
    );
}

#[test]
fn a_forced_tool_excludes_reasoning_by_budget() {
    let mut chat =
        ChatRequest { tools: vec![function("t", json!({"type": "object"}))], ..asking() };
    chat.tool_choice = Some(ToolChoice::Required);
    chat.reasoning.effort = Some(Effort::High);
    let (body, dropped) = build(&chat);
    assert_eq!((body.get("thinking"), body["tool_choice"].clone()), (None, json!({"type": "any"})));
    assert_eq!(dropped, ["reasoning"]);
    let mut thinking = target(CLAUDE);
    thinking
        .options
        .insert("thinking".to_owned(), json!({"type": "enabled", "budget_tokens": 2000}));
    assert_eq!(build_for(&thinking, &chat).0["thinking"], json!({"type": "disabled"}));
    let choice = |model| build_for(&target(model), &chat).0["tool_choice"]["type"].clone();
    assert_eq!(
        (choice("claude-opus-4-6"), choice("claude-opus-5-5")),
        (json!("any"), json!("auto"))
    );
}

#[test]
fn a_configured_budget_fits_under_the_limit() {
    let mut target = target(CLAUDE);
    target
        .options
        .insert("thinking".to_owned(), json!({"type": "enabled", "budget_tokens": 16_000}));
    let chat = ChatRequest { max_output_tokens: Some(1_000), ..asking() };
    let (body, dropped) = build_for(&target, &chat);
    assert_eq!(
        (body["max_tokens"].as_u64(), dropped),
        (Some(17_000), vec!["max_output_tokens".to_owned()])
    );
}

#[test]
fn tool_choices_have_their_words() {
    let check = |choice: Option<ToolChoice>,
                 parallel: Option<bool>,
                 expected: Value,
                 offered: usize| {
        let tools = vec![function("a", json!({})), function("b", json!({"type": "object"}))];
        let chat =
            ChatRequest { tools, tool_choice: choice, parallel_tool_calls: parallel, ..asking() };
        let (body, _) = build(&chat);
        assert_eq!(
            (&body["tool_choice"], body["tools"].as_array().unwrap().len()),
            (&expected, offered)
        );
        assert_eq!(body["tools"][0]["input_schema"]["type"], "object");
    };
    let allowed = |required| Some(ToolChoice::Allowed { names: vec!["b".to_owned()], required });
    check(None, None, Value::Null, 2);
    check(None, Some(false), json!({"type": "auto", "disable_parallel_tool_use": true}), 2);
    check(Some(ToolChoice::None), Some(false), json!({"type": "none"}), 2);
    check(Some(ToolChoice::Named("a".to_owned())), None, json!({"type": "tool", "name": "a"}), 2);
    check(allowed(false), None, json!({"type": "auto"}), 1);
    check(allowed(true), None, json!({"type": "tool", "name": "b"}), 1);
    let chat = ChatRequest { tool_choice: Some(ToolChoice::Required), ..asking() };
    let (body, dropped) = build(&chat);
    assert_eq!((body.get("tool_choice"), dropped), (None, vec!["tool_choice".to_owned()]));
}

#[test]
fn answers_are_held_to_a_schema_where_the_target_can() {
    let schema = json!({"type": "object", "properties": {"a": {"type": "object", "default": {"type": "object"}}}});
    let output =
        OutputFormat::JsonSchema { name: None, description: None, schema, strict: Some(true) };
    let mut chat = ChatRequest { output, ..asking() };
    let (body, dropped) = build(&chat);
    let inner =
        json!({"type": "object", "default": {"type": "object"}, "additionalProperties": false});
    let closed =
        json!({"type": "object", "properties": {"a": inner}, "additionalProperties": false});
    assert_eq!(body["output_config"], json!({"format": {"type": "json_schema", "schema": closed}}));
    assert_eq!(dropped, ["output schema"]);
    chat.output = OutputFormat::JsonObject;
    let (body, dropped) = build(&chat);
    assert_eq!(body["system"][0]["text"], "Answer with one JSON object and nothing else.");
    assert_eq!(dropped, ["output format"]);
}

#[test]
fn the_last_four_cache_markers_stay() {
    let text =
        |text: &str| Part::Text(Text { text: text.to_owned(), cache: true, ..Text::default() });
    let chat = chat(vec![
        Message::new(Role::System, vec![text("s")]),
        Message::new(Role::User, vec![text("a"), text("b"), text("c")]),
        Message::new(Role::Assistant, vec![text("d")]),
    ]);
    let (body, dropped) = build(&chat);
    assert_eq!(body["system"][0].get("cache_control"), None);
    let marked = body["messages"].to_string().matches("cache_control").count();
    assert_eq!((marked, dropped), (4, vec!["cache_control".to_owned()]));
}

#[test]
fn stop_texts_and_users_are_checked() {
    let mut chat = asking();
    chat.stop = vec!["END".to_owned(), "\n".to_owned()];
    chat.user = Some("u".repeat(257));
    chat.metadata.insert("k".to_owned(), "v".to_owned());
    chat.prompt_cache_key = Some("p".to_owned());
    let (body, dropped) = build(&chat);
    assert_eq!(body["stop_sequences"], json!(["END"]));
    assert_eq!(dropped, ["stop", "user", "metadata.k", "prompt_cache_key"]);
}

#[test]
fn the_beginning_of_an_answer_loses_white_space_at_its_end() {
    let (body, dropped) = build(&chat(vec![
        Message::text(Role::User, "a"),
        Message::text(Role::Assistant, "It is \n"),
    ]));
    assert_eq!(body["messages"][1]["content"][0]["text"], "It is");
    assert_eq!(dropped.len(), 1);
}
