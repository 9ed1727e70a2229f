//! Which target answers: chains, defaults, waits, rests.

use std::time::{Duration, Instant};

use serde_json::json;
use sy_router::failed_words;
use sy_testkit::{End, FakeUpstream, Script, Wire};
use sy_types::{ErrorKind, Failover, RequestContext, Side};

use crate::world::{Plot, bad, context, good, inbound, outcome, text_of};

const CHAIN: [&str; 2] = ["a/m", "b/m"];

/// The first target of a chain fails with `script`; `falls_back` says whether the second is asked.
async fn check(script: Script, falls_back: bool, kind: ErrorKind) {
    let name = format!("{script:?}");
    let (first, second) = (FakeUpstream::always(script).await, good(Wire::Chat).await);
    let world = Plot::new().provider("a", Wire::Chat, &first).provider("b", Wire::Chat, &second);
    let world = world.alias("chain", &CHAIN).first_byte(1500).build();
    let answered = world.ask(Wire::Chat, "chain", false).await;
    assert_eq!(second.hits(), usize::from(falls_back), "{name}");
    let record = world.ear.only();
    match answered {
        Ok(answer) => {
            assert!(falls_back, "{name}");
            assert_eq!((&*answer.trail.provider, answer.trail.relay), ("b", true));
            assert_eq!(
                (outcome(&record), &*record.provider, record.attempts),
                ("answered", "b", answer.trail.attempts)
            );
            assert!(text_of(answer).contains("hello"));
        }
        Err(refused) => {
            assert!(!falls_back, "{name}");
            assert_eq!(
                (refused.failure.kind, refused.failure.side),
                (kind, Side::Provider),
                "{name}"
            );
            assert_eq!(
                (outcome(&record), &*record.provider, record.cost_usd),
                ("failed", "a", 0.0)
            );
            assert_eq!(refused.attempts.len(), 1);
        }
    }
}

#[tokio::test]
async fn the_chain_goes_on_where_another_target_may_help() {
    let error = |status| Script::json(status, Wire::Chat.error(status, "no"));
    for status in [401, 402, 403, 404, 408, 413, 429, 500, 502, 503, 504, 529] {
        check(error(status), true, ErrorKind::Internal).await;
    }
    let quota = json!({"error": {"message": "pay", "type": "insufficient_quota", "code": "insufficient_quota"}});
    check(Script::json(429, quota.to_string()), true, ErrorKind::Internal).await;
    check(Script::hang_up(End::Drop), true, ErrorKind::Internal).await;
    check(Script::hang_up(End::Reset), true, ErrorKind::Internal).await;
    check(Script::never(), true, ErrorKind::Internal).await;
    check(
        Script::status(200).header("content-type", "text/html").send("<html></html>"),
        true,
        ErrorKind::Internal,
    )
    .await;
    check(Script::json(200, "{not json"), true, ErrorKind::Internal).await;
    check(Script::json(200, &b"{\"choices\":"[..]).end(End::Drop), true, ErrorKind::Internal).await;
}

#[tokio::test]
async fn the_chain_stops_where_everybody_would_say_the_same() {
    check(Script::json(400, Wire::Chat.error(400, "bad field")), false, ErrorKind::Invalid).await;
    check(Script::json(422, Wire::Chat.error(422, "bad field")), false, ErrorKind::Invalid).await;
    let filtered = json!({"error": {"message": "no", "code": "content_filter"}});
    check(Script::json(400, filtered.to_string()), false, ErrorKind::ContentFiltered).await;
    let overflow = json!({"error": {"message": "too long", "code": "context_length_exceeded"}});
    check(Script::json(400, overflow.to_string()), false, ErrorKind::ContextOverflow).await;
}

#[tokio::test]
async fn a_prompt_that_is_too_long_goes_only_to_larger_windows() {
    let overflow = json!({"error": {"message": "too long", "code": "context_length_exceeded"}});
    let small = FakeUpstream::always(Script::json(400, overflow.to_string())).await;
    let (same, large) = (good(Wire::Chat).await, good(Wire::Chat).await);
    let world = Plot::new()
        .provider("a", Wire::Chat, &small)
        .provider("b", Wire::Chat, &same)
        .provider("c", Wire::Chat, &large)
        .set("/provider/c/models/m/limit/context", json!(2000))
        .alias("chain", &["a/m", "b/m", "c/m"])
        .build();
    let answer = world.ask(Wire::Chat, "chain", false).await.unwrap();
    assert_eq!((&*answer.trail.provider, small.hits(), same.hits(), large.hits()), ("c", 1, 0, 1));
}

#[tokio::test]
async fn every_target_is_named_when_none_answers() {
    let (first, second) =
        (bad(Wire::Chat, 401, "bad key").await, bad(Wire::Chat, 503, "busy").await);
    let world = Plot::new().provider("a", Wire::Chat, &first).provider("b", Wire::Chat, &second);
    let world = world.alias("chain", &["nowhere/x", "a/m", "b/m"]).build();
    let refused = world.ask(Wire::Chat, "chain", false).await.unwrap_err();
    let kinds: Vec<ErrorKind> = refused.attempts.iter().map(|attempted| attempted.kind).collect();
    assert_eq!(kinds, [ErrorKind::NotFound, ErrorKind::Unauthenticated, ErrorKind::Unavailable]);
    assert_eq!(
        (refused.failure.kind, &*refused.trail.provider, refused.trail.attempts),
        (ErrorKind::Unavailable, "b", 2)
    );
    for part in ["nowhere/x", "a/m: a rejected the key", "bad key", "b/m: busy"] {
        assert!(refused.failure.message.contains(part), "{}", refused.failure.message);
    }
    assert_eq!(world.ear.only().attempts, 2);
}

#[tokio::test]
async fn no_model_means_the_default_one_and_its_fallbacks() {
    let (first, second, other) =
        (bad(Wire::Chat, 500, "no").await, good(Wire::Chat).await, good(Wire::Chat).await);
    let world = Plot::new()
        .provider("a", Wire::Chat, &first)
        .provider("b", Wire::Chat, &second)
        .provider("c", Wire::Chat, &other)
        .set("/models/defaults", json!({"primary": "a/m", "fallbacks": ["b/m"]}))
        .build();
    let answer = world.ask(Wire::Chat, "default", false).await.unwrap();
    assert_eq!(&*answer.trail.provider, "b");
    let answer = world.ask(Wire::Chat, "c/m", false).await.unwrap();
    assert_eq!((&*answer.trail.provider, answer.trail.attempts), ("c", 1));
    let refused = world.ask(Wire::Chat, "a/m", false).await.unwrap_err();
    assert_eq!((refused.failure.kind, second.hits()), (ErrorKind::Unavailable, 1));
}

#[tokio::test]
async fn an_unknown_model_is_refused_without_a_call() {
    let upstream = good(Wire::Chat).await;
    let world = Plot::new().provider("a", Wire::Chat, &upstream).build();
    let refused = world.ask(Wire::Chat, "nobody/none", false).await.unwrap_err();
    assert_eq!((refused.failure.kind, refused.failure.side), (ErrorKind::NotFound, Side::Caller));
    assert_eq!(
        (upstream.hits(), &*refused.trail.provider, outcome(&world.ear.only())),
        (0, "", "failed")
    );
}

#[tokio::test]
async fn a_wait_that_the_provider_asks_for_is_kept_where_waits_are_wanted() {
    let limited =
        |ms: &str| Script::json(429, Wire::Chat.error(429, "slow")).header("retry-after-ms", ms);
    let fine = || Script::json(200, Wire::Chat.whole("hello"));
    let upstream = FakeUpstream::sequence([limited("200"), limited("100"), fine()]).await;
    let second = good(Wire::Chat).await;
    let world = Plot::new().provider("a", Wire::Chat, &upstream).provider("b", Wire::Chat, &second);
    let world = world.alias("chain", &CHAIN).retries(2).waiting().build();
    let began = Instant::now();
    let answer = world.ask(Wire::Chat, "chain", false).await.unwrap();
    assert!(began.elapsed() >= Duration::from_millis(300));
    assert_eq!((upstream.hits(), second.hits(), answer.trail.attempts), (3, 0, 3));
}

#[tokio::test]
async fn a_rate_limit_is_left_for_the_next_target_at_once() {
    let limited = || {
        let script = Script::json(429, Wire::Chat.error(429, "slow"));
        FakeUpstream::always(script.header("retry-after-ms", "900"))
    };
    for (waiting, failover, provider) in [
        (false, None, "b"),
        (true, Some(Failover::Immediate), "b"),
        (true, None, "a"),
        (false, Some(Failover::Wait), "a"),
    ] {
        let first = match provider {
            "b" => limited().await,
            _ => {
                let script = Script::json(429, Wire::Chat.error(429, "slow"));
                let fine = Script::json(200, Wire::Chat.whole("hello"));
                FakeUpstream::sequence([script.header("retry-after-ms", "900"), fine]).await
            }
        };
        let second = good(Wire::Chat).await;
        let plot = Plot::new().provider("a", Wire::Chat, &first).provider("b", Wire::Chat, &second);
        let plot = plot.alias("chain", &CHAIN).retries(2);
        let world = if waiting { plot.waiting() } else { plot }.build();

        let (ctx, began) = (RequestContext { failover, ..context() }, Instant::now());
        let answer = world.ask_in(&ctx, inbound(Wire::Chat, "chain", false)).await.unwrap();
        assert_eq!(&*answer.trail.provider, provider, "{waiting} {failover:?}");
        let told = failed_words(&answer.failed_before);
        assert_eq!(told.as_deref(), Some("a/m was rate limited"), "{waiting} {failover:?}");
        assert_eq!(world.ear.only().failed_before, answer.failed_before);
        let has_waited = began.elapsed() >= Duration::from_millis(900);

        assert_eq!(has_waited, provider == "a", "{waiting} {failover:?}");

        // The next request passes by the one that rests, and says so.
        if provider == "b" {
            let again = world.ask(Wire::Chat, "chain", false).await.unwrap();
            let told = failed_words(&again.failed_before);
            assert!(told.is_some_and(|words| words.starts_with("a/m rests for ")));
        }
    }
}

#[tokio::test]
async fn a_target_that_does_not_answer_in_time_rests() {
    let (dead, second) = (FakeUpstream::always(Script::never()).await, good(Wire::Chat).await);
    let world = Plot::new().provider("a", Wire::Chat, &dead).provider("b", Wire::Chat, &second);
    let world = world.set("/provider/a/options/headerTimeout", json!(1000));
    let world = world.alias("chain", &CHAIN).build();
    for _ in 0..3 {
        let answer = world.ask(Wire::Chat, "chain", false).await.unwrap();
        assert_eq!(&*answer.trail.provider, "b");
    }
    assert_eq!((dead.hits(), second.hits()), (1, 3));
}

#[tokio::test]
async fn a_wait_beyond_the_longest_is_not_begun() {
    let upstream = FakeUpstream::always(
        Script::json(429, Wire::Chat.error(429, "slow")).header("retry-after", "30"),
    )
    .await;
    let world = Plot::new().provider("a", Wire::Chat, &upstream).retries(3).build();
    let refused = world.ask(Wire::Chat, "a/m", false).await.unwrap_err();
    assert_eq!((upstream.hits(), refused.failure.retry_after), (1, Some(Duration::from_secs(30))));
}

#[tokio::test]
async fn a_lone_target_is_asked_again() {
    let fail = || Script::json(503, Wire::Chat.error(503, "busy"));
    let upstream =
        FakeUpstream::sequence([fail(), fail(), Script::json(200, Wire::Chat.whole("hello"))])
            .await;
    let world = Plot::new().provider("a", Wire::Chat, &upstream).retries(2).build();
    assert_eq!(world.ask(Wire::Chat, "a/m", false).await.unwrap().trail.attempts, 3);
    let rejecting = bad(Wire::Chat, 401, "key").await;
    let world = Plot::new().provider("a", Wire::Chat, &rejecting).retries(2).build();
    assert_eq!(world.ask(Wire::Chat, "a/m", false).await.unwrap_err().trail.attempts, 1);
}

#[tokio::test]
async fn a_target_that_was_left_rests_for_the_next_requests() {
    let limited = FakeUpstream::always(
        Script::json(429, Wire::Chat.error(429, "slow")).header("retry-after-ms", "100"),
    )
    .await;
    let second = good(Wire::Chat).await;
    let world = Plot::new().provider("a", Wire::Chat, &limited).provider("b", Wire::Chat, &second);
    let world = world.alias("chain", &CHAIN).retries(2).build();
    let ctx = RequestContext { failover: Some(Failover::Immediate), ..context() };
    for _ in 0..3 {
        let answer = world.ask_in(&ctx, inbound(Wire::Chat, "chain", false)).await.unwrap();
        assert_eq!(&*answer.trail.provider, "b");
    }
    assert_eq!((limited.hits(), second.hits()), (1, 3));
    // Where nothing else is left, a resting target is asked all the same.
    world.ask_in(&ctx, inbound(Wire::Chat, "a/m", false)).await.unwrap_err();
    assert!(limited.hits() > 1);
}

#[tokio::test]
async fn a_broken_connection_is_mended_without_a_fallback() {
    let upstream = FakeUpstream::sequence([
        Script::hang_up(End::Drop),
        Script::json(200, Wire::Chat.whole("hello")),
    ])
    .await;
    let second = good(Wire::Chat).await;
    let world = Plot::new().provider("a", Wire::Chat, &upstream).provider("b", Wire::Chat, &second);
    let world = world.alias("chain", &CHAIN).build();
    let answer = world.ask(Wire::Chat, "chain", false).await.unwrap();
    assert_eq!((&*answer.trail.provider, answer.trail.attempts, second.hits()), ("a", 2, 0));
}

#[tokio::test]
async fn a_refused_connection_falls_back() {
    let gone = FakeUpstream::always(Script::status(200)).await;
    let second = good(Wire::Chat).await;
    let world = Plot::new().provider("a", Wire::Chat, &gone).provider("b", Wire::Chat, &second);
    let world = world.alias("chain", &CHAIN).build();
    drop(gone);
    tokio::task::yield_now().await;
    let answer = world.ask(Wire::Chat, "chain", false).await.unwrap();
    assert_eq!(&*answer.trail.provider, "b");
}

#[tokio::test]
async fn a_new_configuration_takes_effect_at_once() {
    let (first, second) = (good(Wire::Chat).await, good(Wire::Chat).await);
    let plot = || Plot::new().provider("a", Wire::Chat, &first).provider("b", Wire::Chat, &second);
    let world = plot().alias("x", &["a/m"]).build();
    assert_eq!(&*world.ask(Wire::Chat, "x", false).await.unwrap().trail.provider, "a");
    let changed = serde_json::from_value(plot().alias("x", &["b/m"]).value).unwrap();
    world.router.reconfigure(std::sync::Arc::new(changed));
    assert_eq!(&*world.ask(Wire::Chat, "x", false).await.unwrap().trail.provider, "b");
}
