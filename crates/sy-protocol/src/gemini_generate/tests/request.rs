//! Clients' requests.

use bytes::Bytes;
use serde_json::{Value, json};
use sy_types::Media as Kind;
use sy_types::chat::{
    Effort, OutputFormat, Part, ReasoningOptions, Role, Source, ToolChoice, ToolKind,
};

use super::{FACE, decoded};
use crate::face::{Downstream as _, Hints, StreamForm};

fn fields(body: &Value) -> Vec<String> {
    decoded(body).unwrap().unmapped.into_iter().map(|dropped| dropped.field).collect()
}

#[test]
fn the_head_comes_from_the_path() {
    let head = |model: Option<&str>, stream, sse, body: &'static str| {
        FACE.head(&Bytes::from(body), &Hints { model: model.map(str::to_owned), stream, sse })
    };
    let read = head(Some("models/gemini-x"), true, false, "{}").unwrap();
    assert_eq!(
        (read.model.as_str(), read.stream, read.form),
        ("gemini-x", true, StreamForm::JsonArray)
    );
    assert_eq!(head(Some("m"), true, true, "{}").unwrap().form, StreamForm::Sse);
    assert!(head(None, false, false, "{}").is_err());
    assert!(head(Some("m"), false, false, "[]").is_err());
}

#[test]
fn both_spellings_and_loose_forms_are_read() {
    let camel = json!({
        "contents": [{"role": "user", "parts": [{"text": "hi"}, {"inlineData": {"mimeType": "image/png", "data": "AA=="}}]}],
        "systemInstruction": {"role": "user", "parts": [{"text": "be kind"}]},
        "tools": [{"functionDeclarations": [{"name": "f", "parametersJsonSchema": {"type": "object"}}]}],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}},
        "generationConfig": {"maxOutputTokens": 5, "thinkingConfig": {"thinkingBudget": 7}}
    });
    let snake = json!({
        "contents": {"parts": [{"text": "hi"}, {"inline_data": {"mime_type": "image/png", "data": "AA=="}}]},
        "system_instruction": "be kind",
        "tools": {"function_declarations": [{"name": "f", "parameters_json_schema": {"type": "object"}}]},
        "tool_config": {"function_calling_config": {"mode": "any", "allowed_function_names": ["f"]}},
        "generation_config": {"max_output_tokens": 5.0, "thinking_config": {"thinking_budget": 7}}
    });
    let chat = decoded(&camel).unwrap();
    assert_eq!(decoded(&snake).unwrap(), chat);
    assert!(chat.unmapped.is_empty(), "{:?}", chat.unmapped);
    assert_eq!(chat.tool_choice, Some(ToolChoice::Named("f".to_owned())));
    assert_eq!(
        chat.messages.iter().map(|message| message.role).collect::<Vec<_>>(),
        [Role::System, Role::User]
    );
    let wrapped =
        json!({"generateContentRequest": {"model": "models/x", "contents": camel["contents"]}});
    assert_eq!(decoded(&wrapped).unwrap().messages.len(), 1);
}

#[test]
fn results_find_their_calls_by_id_name_or_order() {
    let body = json!({"contents": [
        {"role": "model", "parts": [
            {"functionCall": {"name": "a", "args": {"x": 1}}}, {"functionCall": {"name": "b"}}, {"functionCall": {"id": "k", "name": "a"}}
        ]},
        {"role": "function", "parts": [
            {"functionResponse": {"name": "b", "response": {"output": "B"}}},
            {"functionResponse": {"id": "k", "name": "a", "response": {"error": {"code": 1}}}},
            {"functionResponse": {"name": "renamed", "response": {"temp": 21, "unit": "C"}}},
            {"text": "and now?"}
        ]}
    ]});
    let chat = decoded(&body).unwrap();
    let roles: Vec<Role> = chat.messages.iter().map(|message| message.role).collect();
    assert_eq!(roles, [Role::Assistant, Role::Tool, Role::User]);
    let calls: Vec<(&str, &str)> = chat.messages[0]
        .parts
        .iter()
        .map(|part| match part {
            Part::ToolCall(call) => (call.id.as_str(), call.arguments.as_str()),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(calls, [("call_0", r#"{"x":1}"#), ("call_1", "{}"), ("k", "{}")]);
    let results: Vec<(&str, String, bool)> = chat.messages[1]
        .parts
        .iter()
        .map(|part| match part {
            Part::ToolResult(result) => {
                (result.call_id.as_str(), result.joined_text(), result.is_error)
            }
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        results,
        [
            ("call_1", "B".to_owned(), false),
            ("k", r#"{"code":1}"#.to_owned(), true),
            ("call_0", r#"{"temp":21,"unit":"C"}"#.to_owned(), false),
        ]
    );
}

#[test]
fn parts_become_what_they_are() {
    let body = json!({"contents": [{"role": "model", "parts": [
        {"text": "hm", "thought": true, "thoughtSignature": "c2ln"},
        {"text": "hello", "thought": false, "thought_signature": "c2ln"},
        {"thoughtSignature": "c2ln"},
        {"executableCode": {"language": "PYTHON", "code": "1"}, "thoughtSignature": "c2ln"},
        {"functionCall": {"name": "f"}, "thoughtSignature": "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I="},
        {}
    ]}, {"role": "user", "parts": [
        {"fileData": {"fileUri": "https://x.test/a.pdf?x=1"}},
        {"fileData": {"fileUri": "https://youtu.be/abc"}, "videoMetadata": {"fps": 1}},
        {"fileData": {"fileUri": "gs://bucket/a", "mimeType": "audio/mp3"}},
        {"inlineData": {"mimeType": "application/json", "data": "e30="}}
    ]}]});
    let chat = decoded(&body).unwrap();
    let [
        Part::Reasoning(thought),
        Part::Text(text),
        Part::Text(bare),
        Part::Opaque(opaque),
        Part::ToolCall(call),
    ] = chat.messages[0].parts.as_slice()
    else {
        panic!("{:?}", chat.messages[0].parts)
    };
    assert!(thought.text == "hm" && thought.signature.is_some());
    assert!(text.text == "hello" && text.signature.is_some());
    assert!(bare.text.is_empty() && bare.signature.is_some());
    assert_eq!(
        (opaque.kind.as_str(), &opaque.value["thoughtSignature"]),
        ("executableCode", &json!("c2ln"))
    );
    assert_eq!(call.signature, None);
    let media: Vec<(Kind, &Source)> = chat.messages[1]
        .parts
        .iter()
        .map(|part| match part {
            Part::Media(media) => (media.kind, &media.source),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(media[0], (Kind::Pdf, &Source::Url("https://x.test/a.pdf?x=1".to_owned())));
    assert_eq!(media[1].0, Kind::Video);
    assert_eq!(media[2], (Kind::Audio, &Source::FileId("gs://bucket/a".to_owned())));
    assert!(matches!(media[3], (Kind::Pdf, Source::Base64(_))));
    assert_eq!(fields(&body), ["contents[1].parts[1].videoMetadata"]);
}

#[test]
fn the_chunks_of_an_answer_are_one_again() {
    let turn = |parts: Value| json!({"contents": [{"role": "model", "parts": parts}]});
    let chat = decoded(&turn(json!([
        {"text": "h", "thought": true}, {"text": "m", "thought": true}, {"text": "", "thought": true, "thoughtSignature": "c2ln"},
        {"text": "next", "thought": true}, {"text": "Hel"}, {"text": "lo"}, {"text": "", "thoughtSignature": "c2ln"}, {"text": "!"}
    ])));
    let whole = decoded(&turn(json!([
        {"text": "hm", "thought": true, "thoughtSignature": "c2ln"},
        {"text": "next", "thought": true}, {"text": "Hello", "thoughtSignature": "c2ln"}, {"text": "!"}
    ])));
    assert_eq!(chat, whole);
    let user =
        decoded(&json!({"contents": [{"role": "user", "parts": [{"text": "a"}, {"text": "b"}]}]}))
            .unwrap();
    assert_eq!(user.messages[0].parts.len(), 2);
}

#[test]
fn tools_and_choices_are_read() {
    let body = json!({"contents": [], "tools": [
        {"functionDeclarations": [{"name": "f", "description": "d", "parameters": {"type": "OBJECT", "properties": {"a": {"type": "STRING"}}}}, {"name": "g", "behavior": "BLOCKING"}]},
        {"google_search": {}, "codeExecution": null}
    ]});
    let chat = decoded(&body).unwrap();
    let names: Vec<&str> = chat.tools.iter().map(|tool| tool.name.as_str()).collect();
    assert_eq!(names, ["f", "g", "googleSearch"]);
    let ToolKind::Function { parameters, .. } = &chat.tools[0].kind else { panic!() };
    assert_eq!(*parameters, json!({"type": "object", "properties": {"a": {"type": "string"}}}));
    let ToolKind::Server { declaration, .. } = &chat.tools[2].kind else { panic!() };
    assert_eq!(*declaration, json!({"googleSearch": {}}));
    assert_eq!(fields(&body), ["tools[0].functionDeclarations[1].behavior"]);
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    for (mode, allowed, expected) in [
        ("AUTO", vec![], Some(ToolChoice::Auto)),
        ("NONE", vec![], Some(ToolChoice::None)),
        ("ANY", vec![], Some(ToolChoice::Required)),
        (
            "ANY",
            vec!["f", "g"],
            Some(ToolChoice::Allowed { names: names(&["f", "g"]), required: true }),
        ),
        (
            "VALIDATED",
            vec!["f"],
            Some(ToolChoice::Allowed { names: names(&["f"]), required: false }),
        ),
        ("MODE_UNSPECIFIED", vec![], None),
    ] {
        let body = json!({"contents": [], "toolConfig": {"functionCallingConfig": {"mode": mode, "allowedFunctionNames": allowed}}});
        assert_eq!(decoded(&body).unwrap().tool_choice, expected, "{mode}");
    }
}

#[test]
fn generation_settings_are_read() {
    let config = |config: Value| json!({"contents": [], "generationConfig": config});
    let chat = decoded(&config(json!({"temperature": 0.5, "topP": 1, "topK": 40.0, "seed": -1, "stopSequences": ["x"], "presencePenalty": 1, "candidateCount": 1, "responseModalities": ["TEXT"], "responseMimeType": "text/plain"}))).unwrap();
    assert_eq!(
        (chat.sampling.top_k, chat.sampling.seed, chat.stop.len(), chat.unmapped.len()),
        (Some(40), Some(-1), 1, 0)
    );
    for (settings, expected) in [
        (
            json!({"thinkingBudget": 0}),
            ReasoningOptions { enabled: Some(false), budget_tokens: Some(0), ..Default::default() },
        ),
        (
            json!({"thinkingBudget": -1, "includeThoughts": true}),
            ReasoningOptions { enabled: Some(true), visible: Some(true), ..Default::default() },
        ),
        (
            json!({"thinkingLevel": "HIGH"}),
            ReasoningOptions { effort: Some(Effort::High), ..Default::default() },
        ),
    ] {
        let body = config(json!({"thinkingConfig": settings}));
        assert_eq!(decoded(&body).unwrap().reasoning, expected, "{body}");
    }
    let schema = json!({"type": "object"});
    for (settings, expected) in [
        (json!({"responseMimeType": "application/json"}), OutputFormat::JsonObject),
        (
            json!({"responseMimeType": "application/json", "responseSchema": {"type": "OBJECT"}}),
            OutputFormat::JsonSchema {
                name: None,
                description: None,
                schema: schema.clone(),
                strict: None,
            },
        ),
        (
            json!({"responseMimeType": "application/json", "responseJsonSchema": schema}),
            OutputFormat::JsonSchema { name: None, description: None, schema, strict: None },
        ),
    ] {
        let body = config(settings);
        assert_eq!(decoded(&body).unwrap().output, expected, "{body}");
    }
    let rest = config(
        json!({"candidateCount": 2, "responseModalities": ["IMAGE"], "speechConfig": {}, "responseMimeType": "text/x.enum", "mediaResolution": null}),
    );
    assert_eq!(
        fields(&rest),
        [
            "generationConfig.responseModalities",
            "generationConfig.speechConfig",
            "generationConfig.responseMimeType"
        ]
    );
}

#[test]
fn ill_typed_fields_are_named() {
    let contents = |part: Value| json!({"contents": [{"parts": [part]}]});
    for (body, param) in [
        (json!({}), "contents"),
        (json!({"contents": 1}), "contents"),
        (json!({"contents": [{"role": "assistant"}]}), "contents[0].role"),
        (json!({"contents": [{"parts": 1}]}), "contents[0].parts"),
        (contents(json!({"text": 1})), "contents[0].parts[0].text"),
        (contents(json!(1)), "contents[0].parts[0]"),
        (
            contents(json!({"inlineData": {"mimeType": "image/png"}})),
            "contents[0].parts[0].inlineData.data",
        ),
        (
            contents(json!({"functionCall": {"name": "f", "args": []}})),
            "contents[0].parts[0].functionCall.args",
        ),
        (json!({"contents": [], "tools": 1}), "tools"),
        (
            json!({"contents": [], "tools": [{"functionDeclarations": [{}]}]}),
            "tools[0].functionDeclarations[0].name",
        ),
        (
            json!({"contents": [], "toolConfig": {"functionCallingConfig": {"mode": "SOME"}}}),
            "toolConfig.functionCallingConfig.mode",
        ),
        (
            json!({"contents": [], "generationConfig": {"maxOutputTokens": -1}}),
            "generationConfig.maxOutputTokens",
        ),
        (
            json!({"contents": [], "generationConfig": {"thinkingConfig": {"thinkingBudget": -2}}}),
            "generationConfig.thinkingConfig.thinkingBudget",
        ),
        (
            json!({"contents": [], "generationConfig": {"stopSequences": [1]}}),
            "generationConfig.stopSequences[0]",
        ),
    ] {
        let failure = decoded(&body).unwrap_err();
        assert_eq!(failure.param.as_deref(), Some(param), "{failure}");
    }
}
