//! Token counts.

use http::HeaderMap;
use serde_json::json;
use sy_testkit::{FakeUpstream, Script, Wire};
use sy_types::ErrorKind;

use crate::world::{Plot, context, good, inbound, inbound_of, outcome};

#[tokio::test]
async fn a_provider_of_the_callers_language_counts_itself() {
    let upstream =
        FakeUpstream::always(Script::json(200, json!({"input_tokens": 42}).to_string())).await;
    let world = Plot::new().provider("a", Wire::Anthropic, &upstream).build();
    let mut body = Wire::Anthropic.request("a/m", false);
    // Requests for a count have none.
    body.as_object_mut().unwrap().retain(|key, _| key != "max_tokens" && key != "stream");
    let request = inbound_of(Wire::Anthropic, "a/m", false, &body);
    let counted = world.router.count(&context(), request, HeaderMap::new()).await.unwrap();
    assert_eq!((counted.tokens, counted.is_estimate, counted.raw.is_some()), (42, false, true));
    let seen = upstream.requests().remove(0);
    assert!(seen.path.ends_with("/messages/count_tokens"), "{}", seen.path);
    assert_eq!(
        (seen.json()["model"].as_str(), seen.header("x-api-key")),
        (Some("m"), "key-of-a-0123456789")
    );
    let record = world.ear.only();
    assert_eq!((outcome(&record), &*record.provider, record.usage.total()), ("answered", "a", 0));
}

#[tokio::test]
async fn a_client_of_another_language_is_counted_by_the_provider_too() {
    let upstream =
        FakeUpstream::always(Script::json(200, json!({"input_tokens": 42}).to_string())).await;
    let world = Plot::new().provider("a", Wire::Anthropic, &upstream).build();
    let counted = world
        .router
        .count(&context(), inbound(Wire::Chat, "a/m", false), HeaderMap::new())
        .await
        .unwrap();
    assert_eq!((counted.tokens, counted.is_estimate, counted.raw), (42, false, None));
    let body = upstream.requests().remove(0).json();
    assert!(
        body["messages"].is_array() && body["max_tokens"].is_null() && body["stream"].is_null(),
        "{body}"
    );
}

#[tokio::test]
async fn a_count_asks_gemini_in_the_form_that_it_takes() {
    let upstream =
        FakeUpstream::always(Script::json(200, json!({"totalTokens": 42}).to_string())).await;
    let world = Plot::new().provider("a", Wire::Gemini, &upstream).build();
    let contents = json!([{"role": "user", "parts": [{"text": "hi"}]}]);
    let instruction = json!({"parts": [{"text": "be brief"}]});
    let beside = json!({"contents": contents, "systemInstruction": instruction});
    let within = json!({"generateContentRequest": {"model": "models/a/m", "contents": contents, "systemInstruction": instruction}});
    for body in [&beside, &within] {
        let request = inbound_of(Wire::Gemini, "a/m", false, body);
        let counted = world.router.count(&context(), request, HeaderMap::new()).await.unwrap();
        assert_eq!((counted.tokens, counted.raw.is_some()), (42, true));
    }
    let mut chat = Wire::Chat.request("a/m", false);
    chat["messages"] =
        json!([{"role": "system", "content": "be brief"}, {"role": "user", "content": "hi"}]);
    let request = inbound_of(Wire::Chat, "a/m", false, &chat);
    assert_eq!(world.router.count(&context(), request, HeaderMap::new()).await.unwrap().tokens, 42);
    for seen in upstream.requests() {
        let body = seen.json();
        assert!(seen.path.ends_with("/models/m:countTokens"), "{}", seen.path);
        assert_eq!(
            body.as_object().unwrap().keys().collect::<Vec<_>>(),
            ["generateContentRequest"]
        );
        let whole = &body["generateContentRequest"];
        assert_eq!((&whole["model"], &whole["contents"]), (&json!("models/m"), &contents));
        assert_eq!(whole["systemInstruction"]["parts"], instruction["parts"]);
    }
}

#[tokio::test]
async fn elsewhere_it_is_estimated_and_says_so() {
    let upstream = good(Wire::Chat).await;
    let world = Plot::new().provider("a", Wire::Chat, &upstream).build();
    let mut bare = Wire::Anthropic.request("a/m", false);
    bare.as_object_mut().unwrap().retain(|key, _| key != "max_tokens");
    for request in
        [inbound(Wire::Chat, "a/m", false), inbound_of(Wire::Anthropic, "a/m", false, &bare)]
    {
        let counted = world.router.count(&context(), request, HeaderMap::new()).await.unwrap();
        assert_eq!((counted.tokens, counted.is_estimate, counted.trail.attempts), (5, true, 0));
    }
    assert_eq!(upstream.hits(), 0);
}

#[tokio::test]
async fn a_provider_without_the_route_is_estimated_and_a_rejected_key_is_told() {
    for (status, is_estimated) in [(404, true), (529, true), (401, false), (400, false)] {
        let error = Script::json(status, Wire::Anthropic.error(status, "no"));
        let upstream = FakeUpstream::always(error).await;
        let world = Plot::new().provider("a", Wire::Anthropic, &upstream).build();
        let counted = world
            .router
            .count(&context(), inbound(Wire::Anthropic, "a/m", false), HeaderMap::new())
            .await;
        match counted {
            Ok(counted) => assert!(is_estimated && counted.is_estimate, "{status}"),
            Err(refused) => {
                assert!(!is_estimated, "{status}");
                assert!(matches!(
                    refused.failure.kind,
                    ErrorKind::Unauthenticated | ErrorKind::Invalid
                ));
            }
        }
        assert_eq!((upstream.hits(), world.ear.records().len()), (1, 1));
    }
}
