//! Which key goes where.

use futures::future::join_all;
use http::{HeaderMap, HeaderValue};
use serde_json::json;
use sy_testkit::{FakeUpstream, Script, Wire};
use sy_types::{ErrorKind, RequestContext, Side};

use crate::world::{
    Plot, another, bad, context, good, inbound, inbound_of, read, stream_of, text_of, wires,
};

#[tokio::test]
async fn fifty_providers_see_only_their_own_keys() {
    let mut upstreams = Vec::new();
    let mut plot = Plot::new();
    for number in 0..50 {
        let upstream = good(Wire::Chat).await;
        plot = plot.provider(&format!("p{number}"), Wire::Chat, &upstream);
        upstreams.push(upstream);
    }
    let world = plot.build();
    let asked = (0..50).map(|number| {
        let world = &world;
        async move {
            for _ in 0..4 {
                let answer = world.ask(Wire::Chat, &format!("p{number}/m"), false).await.unwrap();
                assert_eq!(&*answer.trail.provider, format!("p{number}"));
            }
        }
    });
    join_all(asked).await;
    for (number, upstream) in upstreams.iter().enumerate() {
        let requests = upstream.requests();
        assert_eq!(requests.len(), 4);
        for seen in requests {
            assert_eq!(seen.header("authorization"), format!("Bearer key-of-p{number}-0123456789"));
            assert_eq!(seen.json()["model"], "m");
        }
    }
    assert_eq!(world.ear.records().len(), 200);
}

#[tokio::test]
async fn each_dialect_shows_its_key_in_its_own_way() {
    for (wire, header) in [
        (Wire::Chat, "authorization"),
        (Wire::Responses, "authorization"),
        (Wire::Anthropic, "x-api-key"),
        (Wire::Gemini, "x-goog-api-key"),
    ] {
        if !wires().contains(&wire) {
            continue;
        }
        let upstream = good(wire).await;
        let world = Plot::new().provider("a", wire, &upstream).build();
        world.ask(another(wire), "a/m", false).await.unwrap();
        let seen = upstream.requests().remove(0);
        assert!(seen.header(header).ends_with("key-of-a-0123456789"), "{wire:?} {seen:?}");
        assert!(!seen.path.contains("key-of"), "{}", seen.path);
    }
}

#[tokio::test]
async fn a_provider_without_a_key_is_refused_before_any_call() {
    let upstream = good(Wire::Chat).await;
    let (mut plot, second) =
        (Plot::new().provider("a", Wire::Chat, &upstream), good(Wire::Chat).await);
    // A public address: servers on this machine need no key.
    plot = plot.set("/provider/a/options", json!({"baseURL": "https://api.example.com/v1"}));
    let world = plot.provider("b", Wire::Chat, &second).alias("chain", &["a/m", "b/m"]).build();
    let refused = world.ask(Wire::Chat, "a/m", false).await.unwrap_err();
    assert_eq!(
        (refused.failure.kind, refused.failure.side),
        (ErrorKind::Unauthenticated, Side::Gateway)
    );
    assert_eq!(upstream.hits(), 0);
    assert_eq!(&*world.ask(Wire::Chat, "chain", false).await.unwrap().trail.provider, "b");
}

#[tokio::test]
async fn a_rejected_key_is_the_providers_word() {
    let upstream = bad(Wire::Chat, 401, "wrong key").await;
    let world = Plot::new().provider("a", Wire::Chat, &upstream).build();
    let refused = world.ask(Wire::Chat, "a/m", false).await.unwrap_err();
    assert_eq!(
        (refused.failure.kind, refused.failure.side),
        (ErrorKind::Unauthenticated, Side::Provider)
    );
    assert!(!format!("{refused:?}").contains("key-of-a"));
}

#[tokio::test]
async fn a_key_that_a_provider_quotes_is_hidden_however_it_is_written() {
    const KEY: &str = "sk/ab+cd=ef0123456789";
    let slashed = KEY.replace('/', r"\/");
    let escaped = KEY.replace('+', r"\u002B").replace('/', r"\u002f");
    let percent = KEY.replace('+', "%2B").replace('/', "%2f").replace('=', "%3D");
    for quoted in [KEY, &slashed, &escaped, &percent] {
        let error = format!(r#"{{"error":{{"message":"bad key {quoted}","code":"{quoted}"}}}}"#);
        let frame = format!("data: {error}\n\n");
        let mut cut = Wire::Chat.begun(1);
        cut.push(frame.clone().into());
        for (number, script) in [
            Script::json(401, error.clone()).header("x-ratelimit-remaining-requests", KEY),
            Script::json(200, error.clone()),
            Script::events([frame]),
            Script::events(cut),
        ]
        .into_iter()
        .enumerate()
        {
            let upstream = FakeUpstream::always(script).await;
            let world = Plot::new().provider("a", Wire::Chat, &upstream);
            let world = world.set("/provider/a/options/apiKey", json!(KEY)).build();
            let mut seen = String::new();
            for caller in [Wire::Chat, Wire::Anthropic] {
                seen += &match world.ask(caller, "a/m", number > 1).await {
                    Ok(answer) => format!("{:?}", read(stream_of(answer)).await),
                    Err(refused) => format!("{refused:?}"),
                };
            }
            if number < 2 {
                let body = bytes::Bytes::from_static(br#"{"model":"a/m","input":"hi"}"#);
                seen += &format!("{:?}", world.router.embed(&context(), &body).await.unwrap_err());
            }
            seen += &format!("{:?}", world.ear.records());
            let plain = seen.replace(r"\\", r"\");
            for form in [KEY, &slashed, &escaped, &percent, "sk/ab", "ef0123456789"] {
                assert!(!plain.contains(form), "{quoted} {number}: {seen}");
            }
            assert!(seen.contains("bad key [redacted]"), "{quoted} {number}: {seen}");
        }
    }
}

#[tokio::test]
async fn the_callers_switches_go_only_where_its_body_goes() {
    let (own, foreign) = (good(Wire::Anthropic).await, good(Wire::Chat).await);
    let world = Plot::new()
        .provider("own", Wire::Anthropic, &own)
        .provider("foreign", Wire::Chat, &foreign)
        .build();
    let mut headers = HeaderMap::new();
    headers.insert("anthropic-beta", HeaderValue::from_static("x-2026"));
    headers.insert("anthropic-version", HeaderValue::from_static("1999-01-01"));
    for model in ["own/m", "foreign/m"] {
        world
            .router
            .answer(&context(), inbound(Wire::Anthropic, model, false), headers.clone())
            .await
            .unwrap();
    }
    let seen = own.requests().remove(0);
    assert_eq!(seen.header("anthropic-beta"), "x-2026");
    assert_eq!(seen.headers.get_all("anthropic-version").iter().count(), 1);
    assert_ne!(seen.header("anthropic-version"), "1999-01-01");
    assert_eq!(foreign.requests()[0].header("anthropic-beta"), "");
}

#[tokio::test]
async fn strict_mode_refuses_what_cannot_be_carried_before_any_call() {
    let upstream = good(Wire::Anthropic).await;
    let world = Plot::new().provider("a", Wire::Anthropic, &upstream).build();
    let mut body = Wire::Chat.request("a/m", false);
    body["logit_bias"] = json!({"5": 1});
    let request = || inbound_of(Wire::Chat, "a/m", false, &body);
    let answer = world.ask_in(&context(), request()).await.unwrap();
    assert!(
        answer.trail.dropped.iter().any(|dropped| dropped.field == "logit_bias"),
        "{:?}",
        answer.trail.dropped
    );
    assert_eq!(text_of(answer), "hello");
    assert!(world.ear.only().dropped.iter().any(|dropped| dropped.field == "logit_bias"));
    let strict = RequestContext { strict: true, ..context() };
    let refused = world.ask_in(&strict, request()).await.unwrap_err();
    assert_eq!(
        (refused.failure.kind, refused.failure.side),
        (ErrorKind::Unsupported, Side::Caller)
    );
    assert!(refused.failure.message.contains("logit_bias"), "{}", refused.failure.message);
    assert_eq!(upstream.hits(), 1);
    let world = Plot::new()
        .provider("a", Wire::Anthropic, &upstream)
        .set("/server/strict", json!(true))
        .build();
    world.ask_in(&context(), request()).await.unwrap_err();
    assert_eq!(upstream.hits(), 1);
}
