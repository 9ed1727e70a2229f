//! What a caller is told when a provider fails.

use std::time::Duration;

use serde_json::json;
use sy_testkit::{End, FakeUpstream, Script, Wire};

use crate::dialect::refusal;
use crate::world::{Plot, bad, good, wire_of};

/// Every dialect on both sides: the upstream's dialect must never show.
const PAIRS: [(Wire, Wire); 10] = [
    (Wire::Chat, Wire::Chat),
    (Wire::Chat, Wire::Anthropic),
    (Wire::Responses, Wire::Responses),
    (Wire::Responses, Wire::Gemini),
    (Wire::Anthropic, Wire::Anthropic),
    (Wire::Anthropic, Wire::Chat),
    (Wire::Anthropic, Wire::Responses),
    (Wire::Gemini, Wire::Gemini),
    (Wire::Gemini, Wire::Anthropic),
    (Wire::Gemini, Wire::Chat),
];

async fn check(status: u16, expected: impl Fn(Wire) -> u16) {
    let upstream = bad(status, "the provider's own words").await;
    for (front, back) in PAIRS {
        let server = Plot::new().provider("a", back, &upstream).start();
        for stream in [false, true] {
            let answer = server.chat(front, "a/m", stream).send().await;
            assert_eq!(
                answer.status,
                expected(front),
                "{status} {front:?} from {back:?}: {answer:?}"
            );
            let message = refusal(front, &answer);
            assert!(message.contains("the provider's own words"), "{message}");
            assert!(!answer.text().contains("key-of-a"), "{answer:?}");
        }
    }
}

#[tokio::test]
async fn a_providers_refusal_of_the_request_is_the_callers_fault() {
    check(400, |_| 400).await;
    check(404, |_| 404).await;
    check(413, |_| 413).await;
    check(422, |_| 400).await;
    check(429, |_| 429).await;
}

#[tokio::test]
async fn a_providers_rejected_key_is_never_a_401() {
    check(401, |_| 502).await;
    check(403, |_| 502).await;
}

#[tokio::test]
async fn a_providers_own_failure_is_a_5xx() {
    check(500, |_| 502).await;
    check(502, |_| 502).await;
    let overloaded = |front| if front == Wire::Anthropic { 529 } else { 503 };
    check(503, overloaded).await;
    check(529, overloaded).await;
}

#[tokio::test]
async fn a_provider_that_does_not_answer_is_told_by_kind() {
    let broken = |script: Script| FakeUpstream::always(script);
    let page = Script::status(200).header("content-type", "text/html").send("<html>");
    for (upstream, status) in [
        (broken(Script::hang_up(End::Drop)).await, 502),
        (broken(Script::hang_up(End::Reset)).await, 502),
        (broken(Script::json(200, "{\"half\":")).await, 502),
        (broken(page).await, 502),
        (
            broken(Script::status(307).header("location", "http://elsewhere.test/?key=canary"))
                .await,
            502,
        ),
        (broken(Script::never()).await, 504),
    ] {
        for (front, back) in [
            (Wire::Chat, Wire::Chat),
            (Wire::Anthropic, Wire::Chat),
            (Wire::Gemini, Wire::Anthropic),
        ] {
            let server = Plot::new()
                .provider("a", back, &upstream)
                .set("/provider/a/options/headerTimeout", json!(1000))
                .start();
            let answer = server.chat(front, "a/m", false).send().await;
            assert_eq!(answer.status, status, "{front:?}: {answer:?}");
            assert!(!refusal(front, &answer).contains("canary"));
        }
    }
    // Nobody listens there.
    let nobody = Plot::new().provider("a", Wire::Chat, &good().await).start();
    let answer = nobody.chat(Wire::Responses, "a/m", true).send().await;
    assert_eq!(answer.status, 502, "{answer:?}");
    refusal(Wire::Responses, &answer);
}

#[tokio::test]
async fn a_rate_limit_keeps_its_wait() {
    let upstream = FakeUpstream::start(|number, seen| {
        let script =
            Script::json(429, wire_of(&seen.path).error(429, "too many requests just now"));
        match number % 2 {
            0 => script.header("retry-after", "7"),
            _ => script.header("retry-after-ms", "1500"),
        }
    })
    .await;
    for (front, back) in PAIRS {
        let server = Plot::new().provider("a", back, &upstream).start();
        let [first, second] = [
            server.chat(front, "a/m", true).send().await,
            server.chat(front, "a/m", false).send().await,
        ];
        assert_eq!(
            (first.status, first.header("retry-after")),
            (429, "7"),
            "{front:?} from {back:?}"
        );
        // Rounded up: whoever waits that long does not come too early.
        assert_eq!(
            (second.status, second.header("retry-after")),
            (429, "2"),
            "{front:?} from {back:?}"
        );
        refusal(front, &first);
    }
}

#[tokio::test]
async fn a_provider_without_a_key_is_a_401_before_any_call() {
    let upstream = good().await;
    let server = Plot::new()
        .provider("a", Wire::Chat, &upstream)
        .set("/provider/a/options", json!({"baseURL": "https://api.example.com/v1"}))
        .start();
    for wire in Wire::ALL {
        for model in ["a/m", "groq/llama-3.3-70b-versatile"] {
            let answer = server.chat(wire, model, true).send().await;
            assert_eq!(answer.status, 401, "{wire:?} {model}: {answer:?}");
            assert_eq!(answer.header("x-switchyard-attempts"), "0");
            assert_eq!(answer.header("x-should-retry"), "false");
            let message = refusal(wire, &answer);
            assert!(
                message.contains("switchyard auth") || message.contains("_API_KEY"),
                "{message}"
            );
        }
    }
    assert_eq!(upstream.hits(), 0);
}

#[tokio::test]
async fn a_providers_key_is_never_the_callers_fault() {
    let upstream = bad(401, "no such key").await;
    let server = Plot::new().provider("a", Wire::Chat, &upstream).start();
    for wire in Wire::ALL {
        let answer = server.chat(wire, "a/m", false).send().await;
        assert_eq!((answer.status, answer.header("x-switchyard-attempts")), (502, "1"));
        assert_eq!(answer.header("x-should-retry"), "false");
        let message = refusal(wire, &answer);
        for words in
            ["a rejected the key from ", "(401)", "no such key", "provider.a.options.apiKey"]
        {
            assert!(message.contains(words), "{message}");
        }
    }
}

#[tokio::test]
async fn names_that_are_none_are_refused_before_any_call() {
    let upstream = good().await;
    let server = Plot::new()
        .provider("a", Wire::Chat, &upstream)
        .set("/model", json!("a/m"))
        .alias("smart", &["a/m"])
        .start();
    for (model, status, words) in [
        ("", 400, "expected the name of a model"),
        ("  ", 400, "expected the name of a model"),
        (&*"x".repeat(4000), 400, "at most 512 bytes, got 4000"),
        (&*"y".repeat(300), 404, "there is no model"),
        ("smrat", 404, "did you mean the alias `smart`?"),
    ] {
        let answer = server.chat(Wire::Chat, model, false).send().await;
        assert_eq!(answer.status, status, "{answer:?}");
        let message = refusal(Wire::Chat, &answer);
        assert!(message.contains(words) && message.len() < 400, "{message}");
    }
    assert_eq!(upstream.hits(), 0);
}

#[tokio::test]
async fn a_body_that_is_nested_too_deep_is_refused_once() {
    let upstream = good().await;
    let server = Plot::new().provider("a", Wire::Chat, &upstream).start();
    let (open, close) = ("[".repeat(200), "]".repeat(200));
    let deep = format!(r#"{{"model":"a/m","input":"x","messages":{open}{close}}}"#);
    for path in ["/v1/chat/completions", "/v1/messages", "/v1/embeddings"] {
        let answer = server.post(path, deep.clone()).send().await;
        assert_eq!(answer.status, 400, "{path}: {answer:?}");
        assert!(answer.text().contains("nested more than"), "{answer:?}");
    }
    assert_eq!(upstream.hits(), 0);
}

#[tokio::test]
async fn a_chain_that_fails_tells_of_every_target() {
    let (first, second) =
        (bad(500, "the first is broken").await, bad(401, "the second knows no such key").await);
    let server = Plot::new()
        .provider("a", Wire::Chat, &first)
        .provider("b", Wire::Anthropic, &second)
        .alias("chain", &["a/m", "b/m"])
        .start();
    for wire in Wire::ALL {
        let answer = server.chat(wire, "chain", true).send().await;
        assert_eq!(answer.status, 502, "{answer:?}");
        let message = refusal(wire, &answer);
        assert!(message.contains("a/m: ") && message.contains("the first is broken"), "{message}");
        assert!(
            message.contains("b/m: ") && message.contains("the second knows no such key"),
            "{message}"
        );
        assert_eq!(answer.header("x-switchyard-attempts"), "2");
    }
}

#[tokio::test]
async fn a_slow_first_byte_is_waited_for() {
    let upstream = FakeUpstream::always(
        Script::json(200, Wire::Chat.whole("hello")).after(Duration::from_millis(300)),
    )
    .await;
    let server = Plot::new().provider("a", Wire::Chat, &upstream).start();
    let answer = server.chat(Wire::Chat, "a/m", false).send().await;
    assert_eq!(answer.status, 200);
}
