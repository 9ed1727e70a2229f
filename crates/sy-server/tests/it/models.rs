//! Which model a name stands for, and the lists of models.

use serde_json::{Value, json};
use sy_testkit::Wire;

use crate::dialect::{refusal, text_of};
use crate::world::{Plot, Server, good};

async fn server() -> (Server, sy_testkit::FakeUpstream) {
    let upstream = good().await;
    let server = Plot::new()
        .provider("a", Wire::Chat, &upstream)
        .provider("b", Wire::Anthropic, &upstream)
        .set(
            "/provider/a/models/only-here",
            json!({"name": "Only Here", "description": "For haste", "release_date": "2025-09-29"}),
        )
        .set("/provider/b/models/org~1deep~1name", json!({}))
        .alias("fast", &["a/only-here", "b/m"])
        .start();
    (server, upstream)
}

#[tokio::test]
async fn a_model_is_found_by_full_name_alias_or_unique_id() {
    let (server, upstream) = server().await;
    for (name, provider, model) in [
        ("a/m", "a", "m"),
        ("b/org/deep/name", "b", "org/deep/name"),
        ("fast", "a", "only-here"),
        ("only-here", "a", "only-here"),
        ("org/deep/name", "b", "org/deep/name"),
    ] {
        for wire in Wire::ALL {
            let answer = server.chat(wire, name, false).send().await;
            assert_eq!(text_of(wire, &answer), "hello", "{name}");
            let who = (answer.header("x-switchyard-provider"), answer.header("x-switchyard-model"));
            assert_eq!(who, (provider, model), "{name}");
            assert_eq!(upstream.requests().pop().unwrap().json()["model"], model);
        }
    }
}

#[tokio::test]
async fn an_unknown_model_is_not_found_and_an_ambiguous_one_is_listed() {
    let (server, upstream) = server().await;
    for wire in Wire::ALL {
        for name in ["nothing-like-it", "nobody/m"] {
            let answer = server.chat(wire, name, false).send().await;
            assert_eq!(answer.status, 404, "{wire:?} {name}: {answer:?}");
            assert!(refusal(wire, &answer).contains("nothing") || name == "nobody/m");
            assert_eq!(answer.headers.get("x-switchyard-provider"), None, "nobody was asked");
        }
        let answer = server.chat(wire, "m", true).send().await;
        assert_eq!(answer.status, 400, "{answer:?}");
        let message = refusal(wire, &answer);
        assert!(message.contains("`a/m`") && message.contains("`b/m`"), "{message}");
    }
    assert_eq!(upstream.hits(), 0);
}

#[tokio::test]
async fn an_unlisted_model_of_a_connected_provider_is_passed_on_with_a_note() {
    let (server, upstream) = server().await;
    for wire in Wire::ALL {
        let answer = server.chat(wire, "a/newer-than-the-catalog", false).send().await;
        assert_eq!(text_of(wire, &answer), "hello", "{wire:?}");
        let note = answer.header("x-switchyard-note");
        assert!(note.contains("`a/newer-than-the-catalog` is not in the catalog"), "{note}");
        let sent = upstream.requests().pop().unwrap().json();
        assert_eq!(sent["model"], "newer-than-the-catalog");
        let answer = server.chat(wire, "a/m", false).send().await;
        assert_eq!(answer.headers.get("x-switchyard-note"), None, "nothing to say of a known one");
    }
}

#[tokio::test]
async fn the_default_model_answers_to_its_word_and_where_none_is_named() {
    let upstream = good().await;
    let server =
        Plot::new().provider("a", Wire::Chat, &upstream).set("/model", json!("a/m")).start();
    for wire in Wire::ALL {
        let answer = server.chat(wire, "default", false).send().await;
        assert_eq!(text_of(wire, &answer), "hello", "{wire:?}");
        assert_eq!(upstream.requests().pop().unwrap().json()["model"], "m");
    }
    for wire in [Wire::Chat, Wire::Responses, Wire::Anthropic] {
        let mut body = wire.request("", false);
        body.as_object_mut().unwrap().remove("model");
        let answer = server.post_json(&crate::dialect::path(wire, "", false), &body).send().await;
        assert_eq!(text_of(wire, &answer), "hello", "{wire:?}");
        body["model"] = json!(7);
        let answer = server.post_json(&crate::dialect::path(wire, "", false), &body).send().await;
        assert_eq!(answer.status, 400, "{answer:?}");
        assert!(refusal(wire, &answer).contains("model"));
    }
}

#[tokio::test]
async fn without_any_provider_the_caller_is_told_what_to_do() {
    let server = Plot::new().start();
    for wire in Wire::ALL {
        for name in ["default", "anything"] {
            let answer = server.chat(wire, name, true).send().await;
            assert!((400..500).contains(&answer.status), "{answer:?}");
            let message = refusal(wire, &answer);
            assert!(message.contains("connected") || message.contains("switchyard"), "{message}");
        }
    }
}

#[tokio::test]
async fn models_are_listed_in_each_shape() {
    let (server, _upstream) = server().await;
    let ids = |list: &Value, key: &str| -> Vec<String> {
        list.as_array()
            .unwrap()
            .iter()
            .map(|model| model[key].as_str().unwrap().to_owned())
            .collect()
    };
    let expected = ["fast", "a/m", "a/only-here", "b/m", "b/org/deep/name"];
    let openai = server.get("/v1/models").send().await.json();
    assert_eq!(
        (ids(&openai["data"], "id"), &openai["object"]),
        (expected.map(str::to_owned).to_vec(), &json!("list"))
    );
    let model =
        json!({"id": "a/only-here", "object": "model", "created": 1_759_104_000, "owned_by": "a"});
    assert_eq!(openai["data"][2], model);
    let anthropic = server
        .get("/v1/models?limit=1000")
        .header("anthropic-version", "2023-06-01")
        .send()
        .await
        .json();
    assert_eq!(ids(&anthropic["data"], "id"), expected);
    assert_eq!((&anthropic["has_more"], &anthropic["first_id"]), (&json!(false), &json!("fast")));
    assert_eq!(
        anthropic["data"][2],
        json!({"type": "model", "id": "a/only-here", "display_name": "Only Here", "created_at": "2025-09-29T00:00:00Z"})
    );
    for ask in
        [server.get("/v1beta/models"), server.get("/v1/models").header("x-goog-api-key", "x")]
    {
        let gemini = ask.send().await.json();
        assert_eq!(ids(&gemini["models"], "name"), expected.map(|id| format!("models/{id}")));
        assert_eq!(
            (&gemini["models"][1]["inputTokenLimit"], &gemini["models"][1]["outputTokenLimit"]),
            (&json!(1000), &json!(100))
        );
        let about = |index: usize| &gemini["models"][index]["description"];
        assert_eq!((about(1), about(2)), (&json!("m"), &json!("For haste")));
    }
}

#[tokio::test]
async fn one_model_is_shown_by_any_of_its_names() {
    let (server, _upstream) = server().await;
    for (path, id) in [
        ("/v1/models/a/m", "a/m"),
        ("/v1/models/b/org/deep/name", "b/org/deep/name"),
        ("/v1/models/b%2Forg%2Fdeep%2Fname", "b/org/deep/name"),
        ("/v1/models/only-here", "a/only-here"),
        ("/v1/models/fast", "fast"),
    ] {
        let answer = server.get(path).send().await;
        assert_eq!((answer.status, &answer.json()["id"]), (200, &json!(id)), "{path}");
        let answer = server.get(&path.replace("/v1/", "/v1beta/")).send().await;
        assert_eq!(answer.json()["name"], format!("models/{id}"), "{path}");
    }
    let answer = server.get("/v1/models/a/none").send().await;
    assert_eq!(answer.status, 404);
    refusal(Wire::Chat, &answer);
    let answer = server.get("/v1/models/m").header("anthropic-version", "2023-06-01").send().await;
    assert_eq!(answer.status, 400);
    refusal(Wire::Anthropic, &answer);
    let answer = server.get("/v1beta/models/%FF").send().await;
    assert_eq!(answer.status, 400);
    refusal(Wire::Gemini, &answer);
}
