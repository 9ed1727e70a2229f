//! What the headers of an answer tell.

use serde_json::json;
use sy_testkit::{FakeUpstream, Script, Wire};

use crate::dialect::{path, refusal};
use crate::world::{Plot, bad, good, wire_of};

#[tokio::test]
async fn the_callers_request_id_is_echoed_and_a_missing_or_odd_one_made() {
    let upstream = good().await;
    let server = Plot::new().provider("a", Wire::Chat, &upstream).start();
    for wire in Wire::ALL {
        for stream in [false, true] {
            let answer =
                server.chat(wire, "a/m", stream).header("x-request-id", "mine-1").send().await;
            assert_eq!(answer.header("x-request-id"), "mine-1");
            let made: Vec<String> = [
                server.chat(wire, "a/m", stream).send().await,
                server.chat(wire, "a/m", stream).send().await,
            ]
            .map(|answer| answer.header("x-request-id").to_owned())
            .to_vec();
            assert!(made.iter().all(|id| id.starts_with("req_")) && made[0] != made[1], "{made:?}");
        }
        let refused =
            server.chat(wire, "none/none", false).header("x-request-id", "mine-2").send().await;
        assert_eq!(refused.header("x-request-id"), "mine-2");
    }
    for odd in ["", "with space", &"x".repeat(129), "\u{e9}"] {
        let answer = server.get("/health").header("x-request-id", odd).send().await;
        assert!(answer.header("x-request-id").starts_with("req_"), "{odd:?}: {answer:?}");
    }
    assert!(server.get("/nowhere").send().await.header("x-request-id").starts_with("req_"));
}

#[tokio::test]
async fn the_trail_names_who_answered_at_which_attempt() {
    let (first, second) = (bad(500, "out of order").await, good().await);
    let server = Plot::new()
        .provider("a", Wire::Chat, &first)
        .provider("b", Wire::Anthropic, &second)
        .alias("chain", &["a/m", "b/m"])
        .start();
    for wire in Wire::ALL {
        for stream in [false, true] {
            let answer = server.chat(wire, "chain", stream).send().await;
            let name = |name: &str| answer.header(name).to_owned();
            let trail =
                ["x-switchyard-provider", "x-switchyard-model", "x-switchyard-attempts"].map(name);
            assert_eq!((answer.status, trail), (200, ["b", "m", "2"].map(str::to_owned)));
        }
    }
    let answer = server.chat(Wire::Chat, "a/m", false).send().await;
    assert_eq!((answer.status, answer.header("x-switchyard-provider")), (502, "a"));
}

#[tokio::test]
async fn a_header_says_what_happens_on_a_rate_limit() {
    let first = FakeUpstream::start(|number, seen| {
        let wire = wire_of(&seen.path);
        match number % 2 {
            0 => Script::json(429, wire.error(429, "slow down")).header("retry-after-ms", "700"),
            _ => Script::json(200, wire.whole("hello")),
        }
    })
    .await;
    let second = good().await;
    let server = Plot::new()
        .provider("a", Wire::Chat, &first)
        .provider("b", Wire::Chat, &second)
        .alias("chain", &["a/m", "b/m"])
        .set("/retry/maxRetries", json!(2))
        .start();
    let ask = |wish: &str| {
        server.chat(Wire::Chat, "chain", false).header("x-switchyard-failover", wish).send()
    };
    assert_eq!(ask("wait").await.header("x-switchyard-provider"), "a");
    assert_eq!(ask("immediate").await.header("x-switchyard-provider"), "b");
    let refused = ask("soon").await;
    assert_eq!(refused.status, 400);
    assert!(refusal(Wire::Chat, &refused).contains("`immediate`"), "{refused:?}");
}

#[tokio::test]
async fn rate_limits_have_one_set_of_names_whoever_sent_them() {
    let upstream = FakeUpstream::start(|_, seen| {
        let wire = wire_of(&seen.path);
        let script = if seen.json()["stream"] == true {
            Script::events(wire.stream(2))
        } else {
            Script::json(200, wire.whole("hello"))
        };
        script
            .header("anthropic-ratelimit-requests-limit", "50")
            .header("anthropic-ratelimit-tokens-remaining", "1234")
            .header("set-cookie", "secret=1")
            .header("x-upstream-internal", "1")
    })
    .await;
    let server = Plot::new().provider("a", Wire::Anthropic, &upstream).start();
    for wire in Wire::ALL {
        for stream in [false, true] {
            let answer = server.chat(wire, "a/m", stream).send().await;
            assert_eq!(answer.header("x-ratelimit-limit-requests"), "50");
            assert_eq!(answer.header("x-ratelimit-remaining-tokens"), "1234");
            assert_eq!(
                (answer.headers.get("set-cookie"), answer.headers.get("x-upstream-internal")),
                (None, None)
            );
        }
    }
}

#[tokio::test]
async fn what_cannot_be_carried_is_named_or_in_strict_mode_refused() {
    let upstream = good().await;
    let plot = || {
        Plot::new().provider("chat", Wire::Chat, &upstream).provider(
            "claude",
            Wire::Anthropic,
            &upstream,
        )
    };
    let (lenient, strict) = (plot().start(), plot().set("/server/strict", json!(true)).start());
    for (wire, model, field, value) in [
        (Wire::Chat, "claude/m", "logit_bias", json!({"5": 1})),
        (Wire::Anthropic, "chat/m", "top_k", json!(5)),
        (Wire::Responses, "claude/m", "truncation", json!("auto")),
    ] {
        let mut body = wire.request(model, false);
        body[field] = value;
        let hits = upstream.hits();
        let ask =
            |server| crate::world::Server::post_json(server, &path(wire, model, false), &body);
        let answer = ask(&lenient).send().await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(answer.header("x-switchyard-dropped").contains(field), "{wire:?}: {answer:?}");
        for answer in [
            ask(&lenient).header("x-switchyard-strict", "true").send().await,
            ask(&strict).send().await,
        ] {
            assert_eq!(answer.status, 400, "{answer:?}");
            assert!(refusal(wire, &answer).contains(field), "{answer:?}");
        }
        assert_eq!(upstream.hits(), hits + 1);
        // The provider's own language carries everything.
        let own = if model == "chat/m" { "claude/m" } else { "chat/m" };
        if wire != Wire::Responses {
            body["model"] = json!(own);
            let answer = strict.post_json(&path(wire, own, false), &body).send().await;
            assert_eq!(
                (answer.status, answer.headers.get("x-switchyard-dropped")),
                (200, None),
                "{answer:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_stream_is_not_held_back_by_proxies() {
    let upstream = good().await;
    let server = Plot::new().provider("a", Wire::Chat, &upstream).start();
    for wire in Wire::ALL {
        let answer = server.chat(wire, "a/m", true).send().await;
        assert_eq!(
            (answer.header("cache-control"), answer.header("x-accel-buffering")),
            ("no-cache", "no")
        );
    }
}

#[tokio::test]
async fn the_callers_feature_switches_reach_a_provider_of_its_protocol() {
    let upstream = good().await;
    let server = Plot::new()
        .provider("chat", Wire::Chat, &upstream)
        .provider("claude", Wire::Anthropic, &upstream)
        .start();
    for model in ["claude/m", "chat/m"] {
        let ask = server
            .chat(Wire::Anthropic, model, false)
            .header("anthropic-beta", "x-2026")
            .header("cookie", "a=b");
        assert_eq!(ask.send().await.status, 200);
        let seen = upstream.requests().pop().unwrap();
        assert_eq!(seen.header("anthropic-beta"), if model == "claude/m" { "x-2026" } else { "" });
        assert_eq!((seen.header("cookie"), seen.header("x-request-id")), ("", ""));
    }
}
