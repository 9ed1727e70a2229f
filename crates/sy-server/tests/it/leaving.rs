//! A client that leaves.

use std::time::{Duration, Instant};

use sy_testkit::{FakeUpstream, Script, Wire};
use tracing::Level;

use crate::world::{Logs, Plot, until, wire_of};

/// A provider whose stream goes on for a minute, and whose whole answer takes one.
async fn slow() -> FakeUpstream {
    FakeUpstream::start(|_, seen| {
        let wire = wire_of(&seen.path);
        if crate::world::is_stream(seen) {
            Script::events(wire.begun(1)).wait(Duration::from_secs(60))
        } else {
            Script::json(200, wire.whole("late")).after(Duration::from_secs(60))
        }
    })
    .await
}

#[tokio::test]
async fn the_provider_is_told_at_once_and_the_request_is_written_down_once() {
    let logs = Logs::listen(Level::INFO);
    let upstream = slow().await;
    let server = Plot::new()
        .provider("chat", Wire::Chat, &upstream)
        .provider("claude", Wire::Anthropic, &upstream)
        .provider("gemini", Wire::Gemini, &upstream)
        .start();
    let mut number = 0;
    for wire in Wire::ALL {
        for model in ["chat/m", "claude/m", "gemini/m"] {
            for stream in [true, false] {
                let ask = server
                    .chat(wire, model, stream)
                    .header("x-request-id", &format!("leaver-{number}"));
                if stream {
                    let mut begun = ask.begin().await;
                    assert!(begun.next().await.is_some());
                    drop(begun);
                } else {
                    // It waits for the answer until the provider has the request, and then leaves.
                    tokio::select! {
                        _ = ask.begin() => panic!("there is no answer yet"),
                        () = upstream.until_hits(number + 1) => {}
                    }
                }
                let left = Instant::now();
                upstream.until_left(number).await;
                assert!(
                    left.elapsed() < Duration::from_secs(1),
                    "{wire:?} {model} {stream}: {:?}",
                    left.elapsed()
                );
                let id = format!("leaver-{number}");
                until("the access line", async || {
                    logs.access().iter().any(|line| line["id"] == id.as_str())
                })
                .await;
                number += 1;
            }
        }
    }
    let lines = logs.access();
    assert_eq!(lines.len(), number, "{lines:#?}");
    for line in &lines {
        assert_eq!(
            (&line["outcome"], &line["status"]),
            (&"client_gone".into(), &499.into()),
            "{line}"
        );
    }
    let metrics = server.get("/metrics").send().await.text();
    let gone: u64 = metrics
        .lines()
        .filter(|line| {
            line.starts_with("switchyard_model_requests_total") && line.contains("client_gone")
        })
        .map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
        .sum();
    assert_eq!(gone, number as u64, "{metrics}");
}

#[tokio::test]
async fn a_whole_request_is_written_down_once_however_it_ends() {
    let logs = Logs::listen(Level::INFO);
    let (good, bad) = (crate::world::good().await, crate::world::bad(500, "out of order").await);
    let server = Plot::new()
        .provider("good", Wire::Chat, &good)
        .provider("bad", Wire::Anthropic, &bad)
        .start();
    for wire in Wire::ALL {
        for stream in [false, true] {
            server.chat(wire, "good/m", stream).send().await;
            server.chat(wire, "bad/m", stream).send().await;
            server.chat(wire, "none/m", stream).send().await;
        }
        server.post(&crate::dialect::path(wire, "good/m", false), "{").send().await;
    }
    server.get("/v1/models").send().await;
    server.get("/nowhere").send().await;
    let expected = Wire::ALL.len() * 7 + 2;
    until("the lines", async || logs.access().len() >= expected).await;
    let lines = logs.access();
    assert_eq!(lines.len(), expected, "{lines:#?}");
    let with = |key: &str, value: &str| lines.iter().filter(|line| line[key] == value).count();
    assert_eq!(
        (with("outcome", "ok"), with("error", "provider_unavailable"), with("requested", "none/m")),
        (8, 8, 8)
    );
    let ids: std::collections::HashSet<&str> =
        lines.iter().map(|line| line["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), lines.len());
    let good = lines.iter().find(|line| line["outcome"] == "ok" && line["stream"] == true).unwrap();
    assert!(good["input_tokens"] == 11 && good["cost_usd"].as_f64().unwrap() > 0.0, "{good}");
    let metrics = server.get("/metrics").send().await.text();
    let total: u64 = metrics
        .lines()
        .filter(|line| line.starts_with("switchyard_http_requests_total"))
        .map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
        .sum();
    assert_eq!(total, expected as u64, "{metrics}");
}
