//! What a client of each dialect sends, and how it reads what comes back.

use serde_json::Value;
use sy_testkit::Wire;

use crate::client::{Answer, Ask};
use crate::world::Server;

/// Returns the path of a chat request.
pub(crate) fn path(wire: Wire, model: &str, stream: bool) -> String {
    match wire {
        Wire::Chat => "/v1/chat/completions".to_owned(),
        Wire::Responses => "/v1/responses".to_owned(),
        Wire::Anthropic => "/v1/messages".to_owned(),
        Wire::Gemini if stream => format!("/v1beta/models/{model}:streamGenerateContent?alt=sse"),
        Wire::Gemini => format!("/v1beta/models/{model}:generateContent"),
    }
}

impl Server {
    /// Asks in a dialect.
    pub(crate) fn chat(&self, wire: Wire, model: &str, stream: bool) -> Ask<'_> {
        self.post_json(&path(wire, model, stream), &wire.request(model, stream))
    }
}

/// Returns the text of a whole answer.
#[track_caller]
pub(crate) fn text_of(wire: Wire, answer: &Answer) -> String {
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (200, "application/json"),
        "{answer:?}"
    );
    let body = answer.json();
    let text = match wire {
        Wire::Chat => &body["choices"][0]["message"]["content"],
        Wire::Responses => &body["output"][0]["content"][0]["text"],
        Wire::Anthropic => &body["content"][0]["text"],
        Wire::Gemini => &body["candidates"][0]["content"]["parts"][0]["text"],
    };
    text.as_str().unwrap_or_else(|| panic!("{wire:?}: no text in {body}")).to_owned()
}

/// What a client got of a stream of server-sent events.
#[derive(Debug, Default)]
pub(crate) struct Stream {
    pub(crate) text: String,
    /// Whether the dialect's own end came last.
    pub(crate) is_finished: bool,
    /// The message of the dialect's own error event, which came last.
    pub(crate) error: Option<String>,
}

impl Stream {
    /// Counts the words `w0 w1 …`, which must be complete, in order, and come once.
    #[track_caller]
    pub(crate) fn words(&self) -> usize {
        let count = self.text.split_whitespace().count();
        let expected: String = (0..count).map(|number| format!("w{number} ")).collect();
        assert_eq!(self.text, expected);
        count
    }
}

/// Splits server-sent events into names and data.
#[track_caller]
pub(crate) fn events(body: &str) -> Vec<(String, String)> {
    assert!(body.is_empty() || body.ends_with("\n\n"), "an incomplete event: {body:?}");
    let event = |text: &str| {
        let mut event = (String::new(), String::new());
        for line in text.lines() {
            match line.split_once(':') {
                Some(("event", name)) => event.0 = name.trim().to_owned(),
                Some(("data", data)) => event.1 = data.trim().to_owned(),
                other => assert!(matches!(other, Some(("", _))), "not an event: {text:?}"),
            }
        }
        event
    };
    body.split("\n\n")
        .filter(|text| !text.is_empty())
        .map(event)
        .filter(|event| !event.1.is_empty())
        .collect()
}

/// Reads a stream as a client of the dialect does. Nothing may come behind its end.
#[track_caller]
pub(crate) fn read(wire: Wire, answer: &Answer) -> Stream {
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (200, "text/event-stream"),
        "{answer:?}"
    );
    assert!(answer.is_complete, "the body broke off: {answer:?}");
    let mut stream = Stream::default();
    for (name, data) in events(&answer.text()) {
        assert!(
            !stream.is_finished && stream.error.is_none(),
            "{wire:?}: {name} {data} behind the end"
        );
        if data == "[DONE]" {
            assert_eq!(wire, Wire::Chat);
            stream.is_finished = true;
            continue;
        }
        let data: Value =
            serde_json::from_str(&data).unwrap_or_else(|error| panic!("{error}: {data}"));
        if !name.is_empty() {
            assert_eq!(data["type"], name.as_str());
        }
        take_in(wire, &data, &mut stream);
    }
    stream
}

fn take_in(wire: Wire, data: &Value, stream: &mut Stream) {
    let text = match wire {
        Wire::Chat => &data["choices"][0]["delta"]["content"],
        Wire::Responses if data["type"] == "response.output_text.delta" => &data["delta"],
        Wire::Anthropic => &data["delta"]["text"],
        Wire::Gemini => &data["candidates"][0]["content"]["parts"][0]["text"],
        Wire::Responses => &Value::Null,
    };
    stream.text.push_str(text.as_str().unwrap_or_default());
    let message = |value: &Value| value.as_str().map(str::to_owned);
    match wire {
        Wire::Chat => stream.error = message(&data["error"]["message"]),
        Wire::Gemini => {
            stream.error = message(&data["error"]["message"]);
            stream.is_finished = data["candidates"][0]["finishReason"].is_string();
        }
        Wire::Anthropic => {
            stream.error = message(&data["error"]["message"]);
            stream.is_finished = data["type"] == "message_stop";
        }
        // Its stream announces an error and then ends with the failed response.
        Wire::Responses => {
            stream.error = message(&data["response"]["error"]["message"]);
            stream.is_finished = data["type"] == "response.completed";
        }
    }
}

/// Checks that a refusal is in the dialect and returns its message.
#[track_caller]
pub(crate) fn refusal(wire: Wire, answer: &Answer) -> String {
    assert!(
        answer.status >= 400 && answer.header("content-type") == "application/json",
        "{wire:?} {answer:?}"
    );
    let body = answer.json();
    let error = &body["error"];
    let message =
        error["message"].as_str().unwrap_or_else(|| panic!("{wire:?}: no message in {body}"));
    match wire {
        Wire::Chat | Wire::Responses => {
            assert!(
                error["type"].is_string()
                    && error.get("param").is_some()
                    && error.get("code").is_some(),
                "{body}"
            );
        }
        Wire::Anthropic => {
            assert!(body["type"] == "error" && error["type"].is_string(), "{body}");
            assert_eq!(body["request_id"], answer.header("x-request-id"));
        }
        Wire::Gemini => {
            assert!(
                error["code"] == answer.status && error["status"].is_string(),
                "{} {body}",
                answer.status
            );
        }
    }
    assert!(message.len() > 10 && !message.ends_with(':'), "{body}");
    assert!(!answer.header("x-request-id").is_empty());
    message.to_owned()
}
