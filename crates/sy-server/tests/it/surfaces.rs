//! Every surface, answered by a provider of its own protocol and by one of each other.

use http::Method;
use serde_json::{Value, json};
use sy_testkit::{FakeUpstream, Script, Wire};
use tracing::Level;

use crate::dialect::{path, read, refusal, text_of};
use crate::world::{Logs, Plot, Server, TOKEN, good, wire_of};

/// Starts a server with one provider per dialect, named after it.
async fn with_all() -> (Server, Vec<(Wire, FakeUpstream)>) {
    let mut plot = Plot::new();
    let mut upstreams = Vec::new();
    for wire in Wire::ALL {
        let upstream = good().await;
        plot = plot.provider(wire.protocol(), wire, &upstream);
        upstreams.push((wire, upstream));
    }
    (plot.start(), upstreams)
}

#[tokio::test]
async fn every_surface_answers_whole_and_streamed_from_every_provider() {
    let (server, upstreams) = with_all().await;
    for front in Wire::ALL {
        for (back, upstream) in &upstreams {
            let model = format!("{}/m", back.protocol());
            let whole = server.chat(front, &model, false).send().await;
            assert_eq!(text_of(front, &whole), "hello", "{front:?} to {back:?}");
            let stream = read(front, &server.chat(front, &model, true).send().await);
            assert_eq!(
                (stream.words(), stream.is_finished),
                (3, true),
                "{front:?} to {back:?}: {stream:?}"
            );
            for seen in upstream.requests().iter().rev().take(2) {
                assert_eq!(wire_of(&seen.path), *back, "{front:?}: {}", seen.path);
            }
        }
    }
}

#[tokio::test]
async fn a_provider_of_the_callers_protocol_gets_the_callers_bytes_and_gives_its_own() {
    let (server, upstreams) = with_all().await;
    for (wire, upstream) in &upstreams {
        let model = format!("{}/m", wire.protocol());
        for stream in [false, true] {
            let mut body = wire.request(&model, stream);
            body["x_unknown"] = json!({"kept": [1.50, "é"]});
            let sent = format!(" {}\n", body.to_string().replace("1.5", "1.50e0"));
            let answer = server.post(&path(*wire, &model, stream), sent.clone()).send().await;
            let expected: Vec<u8> =
                if stream { wire.stream(3).concat() } else { wire.whole("hello").to_vec() };
            assert_eq!(answer.text(), String::from_utf8(expected).unwrap(), "{wire:?}");
            let seen = upstream.requests().pop().unwrap();
            assert_eq!(String::from_utf8_lossy(&seen.body), sent.replace(&model, "m"), "{wire:?}");
        }
    }
}

#[tokio::test]
async fn a_query_does_not_disturb_a_route() {
    let (server, _upstreams) = with_all().await;
    for (wire, query) in [
        (Wire::Anthropic, "?beta=true"),
        (Wire::Chat, "?api-version=2024"),
        (Wire::Responses, "?a=b"),
    ] {
        let model = format!("{}/m", wire.protocol());
        let path = format!("{}{query}", path(wire, &model, false));
        let answer = server.post_json(&path, &wire.request(&model, false)).send().await;
        assert_eq!(text_of(wire, &answer), "hello");
    }
}

#[tokio::test]
async fn gemini_is_served_under_both_versions_as_events_and_as_an_array() {
    let (server, _upstreams) = with_all().await;
    let body = Wire::Gemini.request("", false);
    for version in ["v1", "v1beta"] {
        for back in Wire::ALL {
            for separator in ["/", "%2F"] {
                let model = format!("{}{separator}m", back.protocol());
                let path = |action: &str| format!("/{version}/models/{model}:{action}");
                let whole = server.post_json(&path("generateContent"), &body).send().await;
                assert_eq!(text_of(Wire::Gemini, &whole), "hello");
                let sse =
                    server.post_json(&path("streamGenerateContent?alt=sse"), &body).send().await;
                assert_eq!(read(Wire::Gemini, &sse).words(), 3);
                let array = server.post_json(&path("streamGenerateContent"), &body).send().await;
                assert_eq!(array.header("content-type"), "application/json");
                let Value::Array(elements) = array.json() else {
                    panic!("{back:?}: {}", array.text())
                };
                let part = |element: &Value| {
                    element["candidates"][0]["content"]["parts"][0]["text"].clone()
                };
                let text: String = elements
                    .iter()
                    .filter_map(|one| part(one).as_str().map(str::to_owned))
                    .collect();
                assert_eq!(text, "w0 w1 w2 ", "{back:?}");
                let last = elements.last().unwrap();
                assert_eq!(last["candidates"][0]["finishReason"], "STOP", "{back:?}: {last}");
            }
        }
    }
}

#[tokio::test]
async fn tokens_are_counted_by_the_provider_where_it_can_and_estimated_where_not() {
    let upstream = FakeUpstream::start(|_, seen| {
        if seen.path.ends_with("/count_tokens") || seen.path.ends_with("/input_tokens") {
            return Script::json(200, r#"{"input_tokens": 77, "object": "response.input_tokens"}"#);
        }
        if seen.path.ends_with(":countTokens") {
            return Script::json(200, r#"{"totalTokens": 77}"#);
        }
        Script::status(404)
    })
    .await;
    let mut plot = Plot::new();
    for wire in Wire::ALL {
        plot = plot.provider(wire.protocol(), wire, &upstream);
    }
    let server = plot.start();
    for (front, back) in [
        (Wire::Anthropic, Wire::Anthropic),
        (Wire::Anthropic, Wire::Chat),
        (Wire::Anthropic, Wire::Gemini),
        (Wire::Gemini, Wire::Gemini),
        (Wire::Gemini, Wire::Chat),
        (Wire::Responses, Wire::Chat),
    ] {
        let model = format!("{}/m", back.protocol());
        let (path, field) = match front {
            Wire::Gemini => (format!("/v1beta/models/{model}:countTokens"), "totalTokens"),
            Wire::Responses => ("/v1/responses/input_tokens".to_owned(), "input_tokens"),
            _ => ("/v1/messages/count_tokens?beta=true".to_owned(), "input_tokens"),
        };
        let mut body = front.request(&model, false);
        // A request for a count has none.
        body.as_object_mut().unwrap().retain(|name, _| name != "stream" && name != "max_tokens");
        let answer = server.post_json(&path, &body).send().await;
        assert_eq!(answer.status, 200, "{front:?} to {back:?}: {answer:?}");
        let tokens = answer.json()[field]
            .as_u64()
            .unwrap_or_else(|| panic!("{front:?} to {back:?}: {answer:?}"));
        let is_estimate = answer.header("x-switchyard-estimated") == "true";
        assert_eq!(
            (tokens == 77, is_estimate),
            if back == Wire::Chat { (false, true) } else { (true, false) }
        );
        assert!(tokens > 0);
    }
    // Faults of a request for a count are told as those of any other.
    let answer = server.post("/v1/messages/count_tokens", "{}").send().await;
    assert!((400..500).contains(&answer.status));
    refusal(Wire::Anthropic, &answer);
}

#[tokio::test]
async fn embeddings_are_relayed() {
    let vectors = r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.10,2e-3]}],"usage":{"prompt_tokens":3}}"#;
    let upstream = FakeUpstream::always(Script::json(200, vectors)).await;
    let server = Plot::new()
        .provider("a", Wire::Chat, &upstream)
        .provider("claude", Wire::Anthropic, &upstream)
        .start();
    let body = json!({"model": "a/m", "input": ["x"], "encoding_format": "float"});
    let answer = server.post_json("/v1/embeddings", &body).send().await;
    assert_eq!((answer.status, answer.text().as_str()), (200, vectors));
    assert_eq!(answer.header("x-switchyard-provider"), "a");
    let seen = upstream.requests().remove(0);
    assert_eq!(
        (seen.path.as_str(), seen.header("authorization")),
        ("/v1/embeddings", "Bearer key-of-a-0123456789")
    );
    assert_eq!(seen.json(), json!({"model": "m", "input": ["x"], "encoding_format": "float"}));
    let answer = server
        .post_json("/v1/embeddings", &json!({"model": "claude/m", "input": "x"}))
        .send()
        .await;
    assert_eq!(answer.status, 400);
    refusal(Wire::Chat, &answer);
}

#[tokio::test]
async fn gemini_embeds_one_text_or_many() {
    let upstream = FakeUpstream::start(|_, seen| {
        if seen.path.contains("mbedContent") {
            return Script::json(200, r#"{"embedding":{"values":[1.0]},"kept":true}"#);
        }
        let body = seen.json();
        let texts = body["input"].as_array().cloned().unwrap_or_default();
        let vector =
            |(index, text): (usize, &Value)| json!({"index": index, "embedding": [text.to_string().len(), 0.5]});
        let data: Vec<Value> = texts.iter().enumerate().map(vector).collect();
        Script::json(200, json!({"object": "list", "data": data, "usage": {"prompt_tokens": 3}}).to_string())
    })
    .await;
    let server = Plot::new()
        .provider("a", Wire::Chat, &upstream)
        .provider("g", Wire::Gemini, &upstream)
        .provider("claude", Wire::Anthropic, &upstream)
        .start();
    let one = json!({"content": {"parts": [{"text": "abc"}]}, "outputDimensionality": 2});
    let answer = server.post_json("/v1beta/models/a/m:embedContent", &one).send().await;
    assert_eq!(
        (answer.status, &answer.json()["embedding"]["values"]),
        (200, &json!([5.0, 0.5])),
        "{answer:?}"
    );
    let sent = upstream.requests().pop().unwrap().json();
    assert_eq!(
        (&sent["model"], &sent["input"], &sent["dimensions"]),
        (&json!("m"), &json!(["abc"]), &json!(2))
    );
    let part = |text: &str| json!({"model": "models/a/m", "content": {"parts": [{"text": text}]}});
    let many = json!({"requests": [part("abcd"), part("a")]});
    let answer = server.post_json("/v1beta/models/a/m:batchEmbedContents", &many).send().await;
    let vectors: Vec<Value> = answer.json()["embeddings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["values"][0].clone())
        .collect();
    assert_eq!(vectors, [json!(6.0), json!(3.0)]);
    let answer = server.post_json("/v1beta/models/g/m:embedContent", &one).send().await;
    assert_eq!(answer.text(), r#"{"embedding":{"values":[1.0]},"kept":true}"#);
    assert_eq!(upstream.requests().pop().unwrap().path, "/v1/models/m:embedContent");
    let hits = upstream.hits();
    for (model, body) in [("a/m", json!({})), ("a/m", json!({"content": 7})), ("claude/m", one)] {
        let answer =
            server.post_json(&format!("/v1beta/models/{model}:embedContent"), &body).send().await;
        assert_eq!(answer.status, 400, "{body}: {answer:?}");
        refusal(Wire::Gemini, &answer);
    }
    assert_eq!(upstream.hits(), hits);
}

#[tokio::test]
async fn a_route_or_method_that_is_not_there_is_refused_in_the_callers_dialect() {
    let server = Plot::new().start();
    let check = async |wire: Wire,
                       method: Method,
                       path: &str,
                       headers: &[(&'static str, &str)],
                       status: u16| {
        let mut ask = server.ask(method.clone(), path);
        for (name, value) in headers {
            ask = ask.header(name, value);
        }
        let answer = ask.send().await;
        assert_eq!(answer.status, status, "{method} {path}: {answer:?}");
        refusal(wire, &answer);
        if status == 405 {
            assert!(!answer.header("allow").is_empty(), "{method} {path}: {answer:?}");
        }
    };
    check(Wire::Chat, Method::GET, "/v1/nothing?key=x", &[], 404).await;
    check(Wire::Chat, Method::GET, "/v1/chat/completions", &[], 405).await;
    check(Wire::Chat, Method::DELETE, "/v1/models", &[], 405).await;
    check(Wire::Responses, Method::PUT, "/v1/responses", &[], 405).await;
    check(Wire::Anthropic, Method::GET, "/v1/messages", &[], 405).await;
    check(Wire::Anthropic, Method::POST, "/v1/messages/batches", &[], 404).await;
    check(
        Wire::Anthropic,
        Method::POST,
        "/v1/complete",
        &[("anthropic-version", "2023-06-01")],
        404,
    )
    .await;
    check(Wire::Gemini, Method::POST, "/v1beta/models/x:predict", &[], 404).await;
    check(Wire::Gemini, Method::POST, "/v1/models/x", &[], 404).await;
    check(Wire::Gemini, Method::GET, "/v1beta/cachedContents", &[], 404).await;
    check(Wire::Gemini, Method::GET, "/v1/files", &[("x-goog-api-key", "x")], 404).await;
    check(Wire::Gemini, Method::PUT, "/v1beta/models", &[], 405).await;
}

#[tokio::test]
async fn a_client_that_waits_to_be_asked_for_its_body_is_asked_or_refused_first() {
    let (server, _upstreams) = with_all().await;
    let body = Wire::Anthropic.request("openai_chat/m", false).to_string();
    let head = |token: &str| {
        format!(
            "POST /v1/messages HTTP/1.1\r\nhost: localhost\r\nx-api-key: {token}\r\nexpect: 100-continue\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
            body.len()
        )
    };
    let answer = server.raw(format!("{}{body}", head(TOKEN)).as_bytes()).await;
    assert!(
        answer.starts_with("HTTP/1.1 100 ")
            && answer.contains("HTTP/1.1 200 ")
            && answer.contains("hello"),
        "{answer}"
    );
    let answer = server.raw(head("wrong").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
}

#[tokio::test]
async fn a_probe_may_ask_for_the_head_alone() {
    let (server, _upstreams) = with_all().await;
    for path in ["/health", "/v1/models", "/readyz"] {
        let answer = server.ask(Method::HEAD, path).send().await;
        assert_eq!((answer.status, answer.body.len()), (200, 0), "{path}");
    }
}

#[tokio::test]
async fn connections_are_kept_and_http_2_is_spoken() {
    use http_body_util::{BodyExt, Full};
    use hyper_util::rt::{TokioExecutor, TokioIo};
    let logs = Logs::listen(Level::TRACE);
    let (server, _upstreams) = with_all().await;
    let stream = tokio::net::TcpStream::connect(server.address).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    tokio_util::task::TaskTracker::new().spawn(connection);
    for _ in 0..2 {
        let request =
            http::Request::post(format!("http://{}/v1/messages?key={TOKEN}", server.address))
                .header("x-api-key", server.token.clone().unwrap())
                .body(Full::new(bytes::Bytes::from(
                    Wire::Anthropic.request("openai_chat/m", false).to_string(),
                )))
                .unwrap();
        let response = sender.send_request(request).await.unwrap();
        assert_eq!(response.status(), 200);
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert!(String::from_utf8_lossy(&body).contains("hello"));
    }
    let text = logs.text();
    assert!(
        text.contains("\"target\":\"h2::") && !text.contains(TOKEN) && !text.contains("key-of-"),
        "{text}"
    );
}
