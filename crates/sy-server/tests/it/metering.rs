//! What the counters and the access lines say.

use sy_testkit::{FakeUpstream, Script, Wire};
use tracing::Level;

use crate::world::{Logs, Plot, bad, good, until};

#[tokio::test]
async fn counters_name_routes_providers_outcomes_and_tokens() {
    let (good, bad) = (good().await, bad(500, "out of order").await);
    let server =
        Plot::new().provider("a", Wire::Chat, &good).provider("b", Wire::Chat, &bad).start();
    for stream in [false, true] {
        server.chat(Wire::Anthropic, "a/m", stream).send().await;
    }
    server.chat(Wire::Chat, "b/m", false).send().await;
    server.chat(Wire::Chat, "made-up-by-the-caller", false).send().await;
    server.ask(http::Method::DELETE, "/made/up/by/the/caller").send().await;
    let text = server.get("/metrics").send().await.text();
    for line in [
        r#"switchyard_http_requests_total{method="POST",endpoint="/v1/messages",status="200"} 2"#,
        r#"switchyard_http_requests_total{method="POST",endpoint="/v1/chat/completions",status="502"} 1"#,
        r#"switchyard_http_requests_total{method="POST",endpoint="/v1/chat/completions",status="404"} 1"#,
        r#"switchyard_http_requests_total{method="other",endpoint="other",status="404"} 1"#,
        r#"switchyard_model_requests_total{provider="a",model="m",outcome="ok"} 2"#,
        r#"switchyard_model_requests_total{provider="b",model="m",outcome="provider_unavailable"} 1"#,
        r#"switchyard_model_tokens_used_total{provider="a",model="m",type="input"} 22"#,
        r#"switchyard_model_tokens_used_total{provider="a",model="m",type="output"} 4"#,
        r#"switchyard_model_first_byte_seconds_count{provider="a",model="m"} 2"#,
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
    assert!(!text.contains("made"), "names of callers' making are no labels:\n{text}");
}

#[tokio::test]
async fn the_access_line_tells_the_status_that_the_caller_saw() {
    let logs = Logs::listen(Level::INFO);
    let upstream = bad(529, "overloaded").await;
    let server = Plot::new().provider("a", Wire::Anthropic, &upstream).start();
    for wire in Wire::ALL {
        let answer = server.chat(wire, "a/m", false).send().await;
        assert_eq!(logs.access().pop().unwrap()["status"], answer.status, "{wire:?}");
    }
}

#[tokio::test]
async fn requests_that_leave_before_the_head_are_counted() {
    let upstream = FakeUpstream::always(Script::never()).await;
    let server = Plot::new().provider("a", Wire::Chat, &upstream).start();
    for number in 0..2 {
        let ask = server.chat(Wire::Chat, "a/m", number == 0);
        tokio::select! {
            _ = ask.begin() => panic!("there is no answer"),
            () = upstream.until_hits(number + 1) => {}
        }
    }
    let line = r#"switchyard_http_requests_total{method="POST",endpoint="/v1/chat/completions",status="499"} 2"#;
    until("the count", async || {
        server.get("/metrics").send().await.text().lines().any(|found| found == line)
    })
    .await;
}
