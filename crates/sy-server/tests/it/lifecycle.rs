//! Start, stop, and a configuration that changes in between.

use std::time::{Duration, Instant};

use futures::future::join_all;
use serde_json::json;
use sy_testkit::{FakeUpstream, Script, Wire};
use tracing::Level;

use crate::dialect::{read, refusal, text_of};
use crate::world::{Logs, Plot, TOKEN, good, until, wire_of};

/// A provider whose stream says one word every so often, ten in all.
async fn steady(pause: Duration) -> FakeUpstream {
    FakeUpstream::start(move |_, seen| Script::events(wire_of(&seen.path).stream(10)).paced(pause))
        .await
}

#[tokio::test]
async fn a_running_stream_may_finish_while_the_server_stops() {
    let upstream = steady(Duration::from_millis(50)).await;
    let server = Plot::new().provider("a", Wire::Chat, &upstream).start();
    let [first, second] = [Wire::Chat, Wire::Gemini].map(|wire| server.chat(wire, "a/m", true));
    let (first, second) = tokio::join!(first.begin(), second.begin());
    server.stop.cancel();
    let (first, second) = tokio::join!(first.finish(), second.finish());
    for (wire, answer) in [(Wire::Chat, first), (Wire::Gemini, second)] {
        let stream = read(wire, &answer);
        assert_eq!((stream.words(), stream.is_finished), (10, true), "{answer:?}");
    }
    let ended = tokio::time::timeout(Duration::from_secs(3), server.running).await;
    ended.expect("an end soon after the last answer").unwrap().unwrap();
    assert!(
        tokio::net::TcpStream::connect(server.address).await.is_err(),
        "nobody listens any more"
    );
}

#[tokio::test]
async fn a_stream_that_takes_too_long_ends_with_an_error_event() {
    let logs = Logs::listen(Level::INFO);
    let upstream = steady(Duration::from_millis(500)).await;
    let server = Plot::new()
        .provider("a", Wire::Chat, &upstream)
        .provider("b", Wire::Anthropic, &upstream)
        .set("/server/shutdown_seconds", json!(1))
        .start();
    let asked = Wire::ALL.into_iter().flat_map(|wire| ["a/m", "b/m"].map(|model| (wire, model)));
    let begun = join_all(
        asked.map(async |(wire, model)| (wire, server.chat(wire, model, true).begin().await)),
    )
    .await;
    let stopped = Instant::now();
    server.stop.cancel();
    for (wire, begun) in begun {
        let answer = begun.finish().await;
        let stream = read(wire, &answer);
        assert!(!stream.is_finished && stream.words() < 10, "{answer:?}");
        assert!(stream.error.unwrap().contains("shutting down"), "{answer:?}");
    }
    server.running.await.unwrap().unwrap();
    assert!((1.0..3.0).contains(&stopped.elapsed().as_secs_f64()), "{:?}", stopped.elapsed());
    let lines = logs.access();
    assert_eq!(lines.len(), 8, "each is written down once");
    assert!(
        lines.iter().all(|line| line["outcome"] == "broken_stream" && line["status"] == 200),
        "{lines:#?}"
    );
    for number in 0..8 {
        upstream.until_left(number).await;
    }
}

#[tokio::test]
async fn a_request_that_waits_too_long_is_refused_before_its_connection_is_closed() {
    let logs = Logs::listen(Level::INFO);
    let upstream = FakeUpstream::start(|_, seen| {
        Script::json(200, wire_of(&seen.path).whole("late")).after(Duration::from_secs(60))
    })
    .await;
    let server = Plot::new()
        .provider("a", Wire::Chat, &upstream)
        .provider("b", Wire::Anthropic, &upstream)
        .set("/server/shutdown_seconds", json!(1))
        .start();
    let asked = Wire::ALL.into_iter().flat_map(|wire| ["a/m", "b/m"].map(|model| (wire, model)));
    let asked = asked.flat_map(|(wire, model)| [true, false].map(|stream| (wire, model, stream)));
    let answers =
        join_all(asked.map(async |(wire, model, stream)| {
            (wire, server.chat(wire, model, stream).send().await)
        }));
    let stop = async {
        upstream.until_hits(16).await;
        server.stop.cancel();
        Instant::now()
    };
    let (answers, stopped) = tokio::join!(answers, stop);
    for (wire, answer) in &answers {
        assert!(refusal(*wire, answer).contains("shutting down"), "{answer:?}");
        let headers = (answer.status, answer.header("retry-after"), answer.header("connection"));
        assert_eq!(headers, (503, "5", "close"), "{answer:?}");
    }
    server.running.await.unwrap().unwrap();
    assert!((1.0..3.0).contains(&stopped.elapsed().as_secs_f64()), "{:?}", stopped.elapsed());
    let lines = logs.access();
    assert_eq!((answers.len(), lines.len()), (16, 16), "each is written down once");
    assert!(
        lines.iter().all(|line| line["status"] == 503 && line["error"] == "provider_unavailable"),
        "{lines:#?}"
    );
}

#[tokio::test]
async fn a_server_without_requests_stops_at_once() {
    let server = Plot::new().start();
    assert_eq!(server.get("/readyz").send().await.status, 200);
    // A kept connection without a request on it holds nothing up.
    let _idle = tokio::net::TcpStream::connect(server.address).await.unwrap();
    let began = Instant::now();
    server.stop.cancel();
    server.running.await.unwrap().unwrap();
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_port_in_use_is_an_error_that_says_what_to_do() {
    let server = Plot::new().start();
    let (composition, _home) =
        Plot::new().set("/server/port", json!(server.address.port())).compose().unwrap();
    let Err(error) = sy_server::serve(composition) else { panic!("the port is in use") };
    let text = error.to_string();
    assert!(text.contains(&server.address.to_string()) && text.contains("--port"), "{text}");
}

#[tokio::test]
async fn a_changed_configuration_takes_effect_and_a_bad_one_does_not() {
    let logs = Logs::listen(Level::INFO);
    let (first, second) = (good().await, good().await);
    let plot = Plot::new().provider("a", Wire::Chat, &first).in_file();
    let mut config = plot.config.clone();
    let server = plot.start();
    let file = server.home.path().join("config/switchyard.jsonc");
    let asked = async |model: &str| server.chat(Wire::Anthropic, model, false).send().await;
    assert_eq!(text_of(Wire::Anthropic, &asked("a/m").await), "hello");
    assert_eq!(asked("b/m").await.status, 404);

    config["provider"]["b"] = config["provider"]["a"].clone();
    config["provider"]["b"]["options"]["baseURL"] = json!(format!("{}/v1", second.url()));
    config["provider"]["b"]["options"]["apiKey"] = json!("key-of-b-0123456789");
    config["alias"]["quick"] = json!("b/m");
    std::fs::write(&file, config.to_string()).unwrap();
    until("the new provider", async || asked("b/m").await.status == 200).await;
    assert_eq!(asked("quick").await.header("x-switchyard-provider"), "b");
    assert_eq!(second.requests()[0].header("authorization"), "Bearer key-of-b-0123456789");

    config["provider"]["b"]["options"]["apiKey"] = json!("another-key-0123456789");
    std::fs::write(&file, config.to_string()).unwrap();
    until("the new key", async || {
        asked("b/m").await;
        second.requests().pop().unwrap().header("authorization") == "Bearer another-key-0123456789"
    })
    .await;

    for bad in ["{ not json", r#"{"server": {"port": "many"}}"#] {
        let lines = logs.text().matches("last good one").count();
        std::fs::write(&file, bad).unwrap();
        until("the warning", async || logs.text().matches("last good one").count() > lines).await;
        assert_eq!(asked("quick").await.status, 200);
    }
    assert!(!logs.text().contains("another-key"));

    config["alias"] = json!({});
    std::fs::write(&file, config.to_string()).unwrap();
    until("the alias to go", async || asked("quick").await.status == 404).await;
    assert_eq!(server.get("/v1/models/a/m").send().await.status, 200);
}

#[tokio::test]
async fn health_tells_of_providers_that_rest() {
    let upstream = FakeUpstream::start(|_, seen| {
        Script::json(429, wire_of(&seen.path).error(429, "slow down please"))
            .header("retry-after", "300")
    })
    .await;
    let other = good().await;
    let server = Plot::new()
        .provider("a", Wire::Chat, &upstream)
        .provider("b", Wire::Chat, &other)
        .alias("chain", &["a/m", "b/m"])
        .start();
    let health = server.get("/health").without_token().send().await.json();
    assert_eq!(health, json!({"status": "healthy"}), "strangers learn no more");
    let health = server.get("/health").send().await.json();
    assert_eq!(health["status"], "healthy", "{health}");
    assert!(
        health["uptime"].as_f64().is_some()
            && health["version"].is_string()
            && health["timestamp"].is_string()
    );
    assert_eq!(health["checks"]["providers"].as_array().unwrap().len(), 2, "{health}");
    assert_eq!(
        server.chat(Wire::Chat, "chain", false).send().await.header("x-switchyard-provider"),
        "b"
    );
    let answer = server.get("/health").send().await;
    assert_eq!((answer.status, &answer.json()["status"]), (200, &json!("degraded")), "{answer:?}");
    assert!(!answer.text().contains(TOKEN));
}
