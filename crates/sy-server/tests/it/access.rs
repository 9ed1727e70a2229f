//! Who may call: token, host, origin.

use http::Method;
use serde_json::json;
use sy_server::ComposeError;
use sy_testkit::Wire;
use tracing::Level;

use crate::dialect::{path, refusal};
use crate::world::{Logs, Plot, TOKEN, good};

const OPEN: [&str; 6] =
    ["/", "/health", "/livez", "/readyz", "/openapi.json", "/schema/config.json"];

#[tokio::test]
async fn the_token_is_taken_in_each_of_its_forms() {
    let upstream = good().await;
    let server = Plot::new().provider("a", Wire::Chat, &upstream).start();
    let forms = |token: &str| {
        let pair = base64(&format!("user:{token}"));
        [
            ("authorization", format!("Bearer {token}")),
            ("authorization", format!("Basic {pair}")),
            ("x-api-key", token.to_owned()),
            ("x-goog-api-key", token.to_owned()),
            ("api-key", token.to_owned()),
            ("?key", token.to_owned()),
        ]
    };
    for wire in Wire::ALL {
        for (right, token) in
            [(true, TOKEN), (false, "sy-not-the-token"), (false, "sy-token-of-the-test")]
        {
            for (name, value) in forms(token) {
                let mut path = path(wire, "a/m", false);
                let mut extra = Vec::new();
                if name == "?key" {
                    path.push_str(&format!("?key={value}"));
                } else {
                    extra.push((name, value));
                }
                let mut ask = server.post_json(&path, &wire.request("a/m", false)).without_token();
                for (name, value) in &extra {
                    ask = ask.header(name, value);
                }
                let answer = ask.send().await;
                assert_eq!(
                    answer.status,
                    if right { 200 } else { 401 },
                    "{wire:?} {name}: {answer:?}"
                );
                if !right {
                    let message = refusal(wire, &answer);
                    assert!(!message.contains(token) && message.contains("Bearer"), "{message}");
                }
            }
        }
        let answer = server.chat(wire, "a/m", false).without_token().send().await;
        assert_eq!(answer.status, 401);
        refusal(wire, &answer);
    }
    assert_eq!(
        upstream.hits(),
        Wire::ALL.len() * 6,
        "only callers with the token reach the provider"
    );
    for seen in upstream.requests() {
        assert!(
            !format!("{seen:?}").contains(TOKEN),
            "the caller's token went to the provider: {seen:?}"
        );
    }
}

#[tokio::test]
async fn everything_but_health_and_descriptions_needs_the_token() {
    let server = Plot::new().start();
    for path in OPEN {
        let answer = server.get(path).without_token().send().await;
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (200, "application/json"),
            "{path}"
        );
    }
    for path in ["/metrics", "/v1/models", "/v1/models/x", "/v1beta/models", "/nothing"] {
        let answer = server.get(path).without_token().send().await;
        assert_eq!(answer.status, 401, "{path}: {answer:?}");
    }
    for path in [
        "/v1/embeddings",
        "/v1/messages/count_tokens",
        "/v1/responses/input_tokens",
        "/v1beta/models/x:y",
    ] {
        let answer = server.post(path, "{}").without_token().send().await;
        assert_eq!(answer.status, 401, "{path}: {answer:?}");
    }
    assert_eq!(server.get("/metrics").send().await.status, 200);
}

#[tokio::test]
async fn a_foreign_host_is_refused_everywhere_even_with_the_token() {
    let server = Plot::new().set("/server/allowed_hosts", json!(["gateway.test"])).start();
    let port = server.address.port();
    for host in [
        "evil.test".to_owned(),
        format!("evil.test:{port}"),
        "127.0.0.1.evil.test".to_owned(),
        "user@localhost".to_owned(),
    ] {
        for path in OPEN.into_iter().chain(["/v1/models", "/metrics", "/nothing"]) {
            let answer = server.get(path).header("host", &host).send().await;
            assert_eq!(answer.status, 403, "{host} {path}: {answer:?}");
            assert!(refusal(Wire::Chat, &answer).contains("allowed_hosts"));
        }
    }
    for host in ["localhost", "127.0.0.1", "[::1]:80", "gateway.test:443", "LOCALHOST."] {
        let answer = server.get("/v1/models").header("host", host).send().await;
        assert_eq!(answer.status, 200, "{host}: {answer:?}");
    }
    let two = format!(
        "GET /v1/models HTTP/1.1\r\nhost: localhost\r\nhost: evil.test\r\nx-api-key: {TOKEN}\r\nconnection: close\r\n\r\n"
    );
    let answer = server.raw(two.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 403 ") || answer.starts_with("HTTP/1.1 400 "), "{answer}");
    let absolute =
        b"GET http://evil.test/health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let answer = server.raw(absolute).await;
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
}

#[tokio::test]
async fn a_foreign_web_page_may_not_call_even_without_a_token_to_show() {
    let upstream = good().await;
    let server = Plot::new()
        .provider("a", Wire::Chat, &upstream)
        .set("/server/allowed_origins", json!(["https://app.test"]))
        .unauthenticated()
        .start();
    for origin in
        ["https://evil.test", "null", "http://localhost:1", "https://app.test.evil.test", "file://"]
    {
        // What a form or a `fetch` without preflight can send.
        let ask = server.chat(Wire::Chat, "a/m", false).without_token().header("origin", origin);
        let answer = ask.header("content-type", "text/plain").send().await;
        assert_eq!(answer.status, 403, "{origin}: {answer:?}");
        assert!(refusal(Wire::Chat, &answer).contains("allowed_origins"));
        assert_eq!(answer.headers.get("access-control-allow-origin"), None);
        assert_eq!(server.get("/health").header("origin", origin).send().await.status, 403);
    }
    assert_eq!(upstream.hits(), 0);
    let own = format!("http://{}", server.address);
    for origin in ["https://app.test", &own] {
        let answer = server
            .chat(Wire::Chat, "a/m", false)
            .without_token()
            .header("origin", origin)
            .send()
            .await;
        assert_eq!(answer.status, 200, "{origin}: {answer:?}");
    }
}

#[tokio::test]
async fn a_browser_is_told_that_listed_pages_may_call() {
    let server = Plot::new().set("/server/allowed_origins", json!(["https://app.test"])).start();
    let preflight = |origin: &'static str| {
        server
            .ask(Method::OPTIONS, "/v1/messages")
            .without_token()
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header(
                "access-control-request-headers",
                "authorization,x-stainless-lang,x-switchyard-strict",
            )
    };
    let answer = preflight("https://app.test").send().await;
    assert_eq!(
        (answer.status, answer.header("access-control-allow-origin")),
        (200, "https://app.test")
    );
    let allowed = answer.header("access-control-allow-headers");
    // The SDKs send headers of their own making.
    assert!(
        ["authorization", "x-stainless-lang", "x-switchyard-strict"]
            .iter()
            .all(|name| allowed.contains(name)),
        "{allowed}"
    );
    let answer = preflight("https://evil.test").send().await;
    assert_eq!(answer.headers.get("access-control-allow-origin"), None, "{answer:?}");
    let answer = server.get("/v1/models").header("origin", "https://app.test").send().await;
    assert_eq!(answer.header("access-control-allow-origin"), "https://app.test");
    let shown = answer.header("access-control-expose-headers");
    assert!(shown.contains("x-request-id") && shown.contains("x-switchyard-provider"), "{shown}");
}

#[tokio::test]
async fn other_machines_are_let_in_only_with_a_token() {
    let bind = |host: &str| Plot::new().set("/server/host", json!(host));
    let blank = |plot: Plot| plot.variable("SWITCHYARD_TOKEN", "");
    let refused = |plot: Plot| match plot.compose() {
        Err(ComposeError::Access(error)) => error.to_string(),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was let in"),
    };
    for host in ["0.0.0.0", "::", "192.0.2.7"] {
        assert!(refused(blank(bind(host))).contains("SWITCHYARD_TOKEN"), "{host}");
        assert!(refused(bind(host).unauthenticated()).contains("loopback only"), "{host}");
        bind(host).compose().unwrap();
    }
    for host in ["127.0.0.1", "::1", "localhost"] {
        blank(bind(host)).compose().unwrap();
        blank(bind(host)).unauthenticated().compose().unwrap();
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_token_is_made_for_the_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let mut server = Plot::new().variable("SWITCHYARD_TOKEN", "").start();
    let file = server.home.path().join("state").join("token");
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(server.get("/v1/models").send().await.status, 401);
    server.token = Some(std::fs::read_to_string(&file).unwrap().trim().to_owned());
    assert_eq!(server.get("/v1/models").send().await.status, 200);
}

#[tokio::test]
async fn a_key_in_the_query_is_in_no_log_line() {
    let logs = Logs::listen(Level::TRACE);
    let upstream = good().await;
    let server = Plot::new().provider("a", Wire::Gemini, &upstream).start();
    let path = |key: &str| format!("/v1beta/models/a/m:generateContent?key={key}&alt=json");
    let body = Wire::Gemini.request("", false);
    let right = server.post_json(&path(TOKEN), &body).without_token().send().await;
    let wrong = server.post_json(&path("canary-wrong-key"), &body).without_token().send().await;
    let nowhere = server.get("/nowhere?key=canary-wrong-key").send().await;
    assert_eq!((right.status, wrong.status, nowhere.status), (200, 401, 404));
    let text = logs.text();
    assert_eq!(logs.access().len(), 3, "{text}");
    assert!(
        !text.contains(TOKEN) && !text.contains("canary-wrong-key") && !text.contains("key-of-a"),
        "{text}"
    );
    assert!(!upstream.requests()[0].path.contains("key="));
}

/// Encodes as basic authentication wants it.
fn base64(text: &str) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let group = |bytes: &[u8]| {
        let number = bytes.iter().fold(0_u32, |number, byte| number << 8 | u32::from(*byte))
            << (8 * (3 - bytes.len()));
        let letter = |place: usize| {
            if place > bytes.len() {
                '='
            } else {
                char::from(LETTERS[(number >> (18 - 6 * place)) as usize & 63])
            }
        };
        (0..4).map(letter).collect::<String>()
    };
    text.as_bytes().chunks(3).map(group).collect()
}
