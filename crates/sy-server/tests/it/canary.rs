//! No secret leaves by any door but the call that it is meant for.

use std::path::Path;

use http::Method;
use serde_json::json;
use sy_credentials::Credential;
use sy_testkit::{End, FakeUpstream, Script, Wire};
use sy_types::Secret;
use tracing::Level;

use crate::client::Answer;
use crate::dialect::path;
use crate::world::{Logs, Plot, Server, good, is_stream, wire_of};

/// Each secret in its place: configuration, vault, environment, OpenCode's file, an extra header, the server's token.
const CANARIES: [&str; 6] = [
    "canary-in-configuration-000001",
    "canary-in-the-vault-000002",
    "canary-in-environment-000003",
    "canary-in-auth-json-000004",
    "canary-in-a-header-000005",
    "canary-token-of-the-server-000006",
];

/// A provider that fails in every way by turns, and repeats what it was sent where it can: the worst there are.
async fn rude() -> FakeUpstream {
    FakeUpstream::start(|number, seen| {
        let wire = wire_of(&seen.path);
        let echo = format!("you sent {:?}", seen.headers);
        let shown = ["authorization", "x-api-key", "x-goog-api-key", "x-extra-token"]
            .map(|name| seen.header(name));
        let told = format!("you sent {}", shown.join(" "));
        let event = String::from_utf8(wire.error_event().to_vec())
            .unwrap()
            .replace("the engine is overloaded", &told);
        // A number that the number of asked requests does not divide, so that each case meets streams and wholes.
        match number % 11 {
            0 => Script::json(401, wire.error(401, &echo)),
            1 => Script::json(500, wire.error(500, &echo)),
            2 => Script::json(400, wire.error(400, &echo)),
            3 => Script::json(200, "{\"broken"),
            4 => Script::events(wire.begun(2)).end(End::Reset),
            5 => Script::json(429, wire.error(429, &echo)).header("retry-after", "1"),
            6 => Script::status(302).header("location", "http://127.0.0.1:1/next"),
            7 => Script::events(wire.begun(2)).send(event),
            8 => Script::events([event]),
            _ if is_stream(seen) => Script::events(wire.stream(3)),
            _ => Script::json(200, wire.whole("hello")),
        }
    })
    .await
}

/// Starts a server with one good and one rude provider for each place of a key.
fn server(good: &FakeUpstream, rude: &FakeUpstream) -> Server {
    let mut plot = Plot::new()
        .variable("SWITCHYARD_TOKEN", CANARIES[5])
        .variable("CANARY_API_KEY", CANARIES[2]);
    for (place, upstream) in [("good", good), ("rude", rude)] {
        for (number, wire) in Wire::ALL.into_iter().enumerate() {
            let id = format!("{place}{number}");
            plot = plot.provider(&id, wire, upstream);
            let options = plot.config["provider"][&id]["options"].as_object_mut().unwrap();
            options.insert("headers".to_owned(), json!({"x-extra-token": CANARIES[4]}));
            match number {
                0 => drop(options.insert("apiKey".to_owned(), json!(CANARIES[0]))),
                1 => {
                    options.remove("apiKey");
                    plot.config["provider"][&id]["env"] = json!(["CANARY_API_KEY"]);
                }
                // The other two are in the vault and in OpenCode's file.
                _ => drop(options.remove("apiKey")),
            }
        }
    }
    let file = plot.home().join("user/.local/share/opencode/auth.json");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    let entry = json!({"type": "api", "key": CANARIES[3]});
    std::fs::write(&file, json!({"good3": entry, "rude3": entry}).to_string()).unwrap();
    let (composition, home) = plot.in_file().compose().unwrap();
    for id in ["good2", "rude2"] {
        let key = Credential::ApiKey(Secret::new(CANARIES[1]));
        composition.app.credentials().put(id, None, key, Some("the label")).unwrap();
    }
    Server { token: Some(CANARIES[5].to_owned()), ..crate::world::run(composition, home) }
}

#[track_caller]
fn assert_clean(what: &str, text: &str) {
    for canary in CANARIES {
        assert!(!text.contains(canary), "{canary} is in {what}: {text}");
    }
}

async fn ask_everything(server: &Server) -> Vec<Answer> {
    let mut answers = Vec::new();
    for wire in Wire::ALL {
        for provider in
            ["good0", "good1", "good2", "good3", "rude0", "rude1", "rude2", "rude3", "none"]
        {
            for stream in [false, true, true, false, true] {
                answers.push(server.chat(wire, &format!("{provider}/m"), stream).send().await);
            }
        }
        for body in ["", "{", "{\"model\": 7}"] {
            answers.push(server.post(&path(wire, "x", false), body).send().await);
        }
        let wrong =
            server.chat(wire, "good0/m", false).without_token().header("x-api-key", "wrong");
        answers.push(wrong.send().await);
        let keyed = format!("{}?key={}", path(wire, "good0/m", false), CANARIES[5]);
        answers.push(
            server.post_json(&keyed, &wire.request("good0/m", false)).without_token().send().await,
        );
    }
    for provider in ["good0", "good2", "rude0", "rude1"] {
        let model = format!("{provider}/m");
        answers.push(
            server.post_json("/v1/embeddings", &json!({"model": model, "input": "x"})).send().await,
        );
        let body = Wire::Anthropic.request(&model, false);
        answers.push(server.post_json("/v1/messages/count_tokens", &body).send().await);
    }
    for path in [
        "/",
        "/health",
        "/metrics",
        "/openapi.json",
        "/schema/config.json",
        "/v1/models",
        "/v1/models/good0/m",
        "/no",
    ] {
        let query = format!("{path}?key={}", CANARIES[5]);
        answers.push(server.get(&query).send().await);
        answers.push(server.ask(Method::DELETE, &query).send().await);
        answers.push(server.get(path).header("host", "evil.test").send().await);
    }
    answers
}

/// Files that are made to hold a secret: those that the operator wrote.
const SOURCES: [&str; 2] = ["switchyard.jsonc", "auth.json"];

fn search_files(folder: &Path, count: &mut usize) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let file = entry.unwrap().path();
        if file.is_dir() {
            search_files(&file, count);
        } else if !SOURCES.contains(&file.file_name().unwrap().to_str().unwrap()) {
            *count += 1;
            assert_clean(
                &file.display().to_string(),
                &String::from_utf8_lossy(&std::fs::read(&file).unwrap()),
            );
        }
    }
}

#[tokio::test]
async fn no_secret_is_in_any_answer_log_line_counter_or_file() {
    let logs = Logs::listen(Level::TRACE);
    let (good, rude) = (good().await, rude().await);
    let server = server(&good, &rude);
    let answers = ask_everything(&server).await;
    let (mut right, mut wrong) = (0, 0);
    let broken = answers
        .iter()
        .filter(|answer| answer.status == 200 && answer.text().contains("[redacted]"));
    assert!(broken.count() > 3, "streams with an error inside");
    for answer in &answers {
        assert_clean(
            "an answer",
            &format!("{:?} {}", answer.headers, String::from_utf8_lossy(&answer.body)),
        );
        if answer.status == 200 { right += 1 } else { wrong += 1 }
    }
    assert!(right > 80 && wrong > 60, "{right} {wrong}");
    // The test would be worth nothing if the keys had not been in use.
    let sent = format!("{:?}", good.requests());
    assert!(CANARIES[..5].iter().all(|canary| sent.contains(canary)));
    assert!(!sent.contains(CANARIES[5]), "the server's own token is nobody else's");
    server.stop.cancel();
    server.running.await.unwrap().unwrap();
    let text = logs.text();
    assert!(text.lines().count() > answers.len() && text.contains("TRACE"));
    for line in text.lines() {
        assert_clean("a log line", line);
    }
    let mut files = 0;
    search_files(server.home.path(), &mut files);
    assert!(files >= 3, "the vault is among them");
}
