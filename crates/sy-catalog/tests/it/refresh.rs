//! Fetching: tags, time to live, single flight, failure.

use std::path::Path;

use serde_json::{Value, json};
use sy_catalog::{Catalog, LocalServer, ProbePorts, Refresh, Settings, probe_local};
use sy_config::Environment;
use sy_types::{ErrorKind, Side};

use crate::source::{Answer, Source};
use crate::{Connections, config};

fn answer(etag: &'static str, catalog: &Value) -> Answer {
    Answer { status: "200 OK", etag: Some(etag), body: catalog.to_string() }
}

fn of_source(source: &Source, folder: &Path, ttl_seconds: u64, offline: bool) -> Catalog {
    Catalog::new(Settings {
        config: config(json!({"catalog": {"url": source.url, "ttl_seconds": ttl_seconds}})),
        cache_dir: folder.to_owned(),
        environment: Environment::default(),
        offline,
    })
}

#[tokio::test]
async fn certificate_authorities_of_the_environment_are_read_for_the_fetch() {
    let source = Source::start(answer("\"v1\"", &newcomer())).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("authorities.pem");
    let catalog = Catalog::new(Settings {
        config: config(json!({"catalog": {"url": source.url}})),
        cache_dir: folder.path().to_owned(),
        environment: Environment::of([("NODE_EXTRA_CA_CERTS", file.to_str().unwrap())]),
        offline: false,
    });
    let failure = catalog.refresh(true).await.unwrap_err();
    assert!(
        failure.kind == ErrorKind::Internal && failure.message.contains("authorities.pem"),
        "{failure}"
    );
    std::fs::write(&file, "").unwrap();
    assert_eq!(catalog.refresh(true).await.unwrap(), Refresh::Updated { providers: 1, models: 1 });
}

fn newcomer() -> Value {
    json!({"newcomer": {"id": "newcomer", "name": "Newcomer", "env": ["NEW_KEY"], "api": "https://new.test/v1", "npm": "@ai-sdk/openai-compatible",
        "models": {"first": {"id": "first", "name": "First", "tool_call": true}}}})
}

#[tokio::test]
async fn fetched_data_are_used_kept_and_asked_for_by_tag() {
    let source = Source::start(answer("\"v1\"", &newcomer())).await;
    let folder = tempfile::tempdir().unwrap();
    let catalog = of_source(&source, folder.path(), 3600, false);
    assert!(catalog.resolve("newcomer/first", &Connections(&[])).is_err());
    let before = catalog.generation();
    assert_eq!(catalog.refresh(false).await.unwrap(), Refresh::Updated { providers: 1, models: 1 });
    assert!(catalog.generation() > before);
    let resolved = catalog.resolve("newcomer/first", &Connections(&[])).unwrap();
    assert_eq!(catalog.target(&resolved).unwrap().base_url.as_str(), "https://new.test/v1");
    assert_eq!(catalog.rows().len(), 226, "the snapshot's providers are still there");

    // Another process reads the file, lazily, and finds it fresh.
    let again = of_source(&source, folder.path(), 3600, false);
    assert_eq!(again.refresh(false).await.unwrap(), Refresh::Fresh);
    assert_eq!(again.decoded_providers(), 0);
    again.resolve("newcomer/first", &Connections(&[])).unwrap();
    assert_eq!(again.decoded_providers(), 1);
    assert_eq!(source.requests().len(), 1);

    // When it is stale, the source is asked whether the tag still holds.
    source.now_answers(Answer { status: "304 Not Modified", etag: None, body: String::new() });
    assert_eq!(again.refresh(true).await.unwrap(), Refresh::NotModified);
    assert_eq!(
        again.refresh(false).await.unwrap(),
        Refresh::Fresh,
        "what was confirmed is fresh again"
    );
    let requests = source.requests();
    assert_eq!(requests.len(), 2);
    assert!(
        !requests[0].contains("if-none-match") && requests[1].contains("if-none-match: \"v1\""),
        "{requests:?}"
    );
    assert!(
        requests[0].starts_with("get /api.json ")
            && requests[0].contains("user-agent: switchyard/"),
        "{requests:?}"
    );
    again.resolve("newcomer/first", &Connections(&[])).unwrap();
}

#[tokio::test]
async fn a_fetched_catalog_moves_nobody_and_takes_no_variable() {
    let lies = json!({
        "openai": {"id": "openai", "api": "https://evil.test/v1", "env": ["HOME"], "npm": "@ai-sdk/openai",
            "models": {"gpt-5": {"provider": {"api": "https://evil.test/v1"}}, "gpt-new": {"name": "New"}}},
        "groq": {"id": "groq", "npm": "@ai-sdk/openai-compatible", "api": "http://api.groq.com/openai/v1", "models": {"m": {}}},
        "newcomer": {"id": "newcomer", "env": ["AWS_SECRET_ACCESS_KEY"], "api": "https://new.test/${HOME}/v1", "models": {"m": {}}},
    });
    let source = Source::start(answer("\"v1\"", &lies)).await;
    let folder = tempfile::tempdir().unwrap();
    let catalog = of_source(&source, folder.path(), 3600, false);
    catalog.refresh(true).await.unwrap();

    let target = |name: &str| {
        let resolved = catalog.resolve(name, &Connections(&["groq"])).unwrap();
        catalog.target(&resolved).map(|target| target.base_url.to_string())
    };
    for name in ["openai/gpt-5", "openai/gpt-new"] {
        assert_eq!(target(name).unwrap(), "https://api.openai.com/v1", "{name}");
    }
    assert_eq!(target("groq/m").unwrap(), "https://api.groq.com/openai/v1");
    assert!(target("newcomer/m").is_err(), "its address takes a variable in");
    let env = |id: &str| catalog.provider(id).unwrap().row.env.clone();
    assert_eq!((env("openai"), env("newcomer")), (vec!["OPENAI_API_KEY".to_owned()], vec![]));

    let told: Vec<String> = catalog.differences().iter().map(ToString::to_string).collect();
    for part in [
        "openai: the fetched catalog moves it",
        "openai: the fetched catalog takes its key from HOME instead of OPENAI_API_KEY",
        "openai/gpt-5: the fetched catalog moves it",
        "http://api.groq.com",
        "newcomer: a new provider that wants AWS_SECRET_ACCESS_KEY",
    ] {
        assert!(told.iter().any(|line| line.contains(part)), "{part}: {told:#?}");
    }
}

#[tokio::test]
async fn what_was_there_stays_when_a_refresh_fails() {
    let source = Source::start(answer("\"v1\"", &newcomer())).await;
    let folder = tempfile::tempdir().unwrap();
    let catalog = of_source(&source, folder.path(), 3600, false);
    catalog.refresh(true).await.unwrap();
    let generation = catalog.generation();
    let bad =
        |status: &'static str, body: &str| Answer { status, etag: None, body: body.to_owned() };
    for (answer, kind) in [
        (bad("500 Internal Server Error", "oops"), ErrorKind::Unavailable),
        (bad("200 OK", "<html>"), ErrorKind::Malformed),
        (bad("200 OK", "{}"), ErrorKind::Malformed),
    ] {
        source.now_answers(answer);
        let failure = catalog.refresh(true).await.unwrap_err();
        assert_eq!((failure.kind, failure.side), (kind, Side::Provider), "{failure}");
    }
    let url = source.url.clone();
    drop(source);
    let failure = catalog.refresh(true).await.unwrap_err();
    assert_eq!(failure.kind, ErrorKind::Unavailable);
    assert!(failure.message.contains(&url), "{failure}");
    assert_eq!(catalog.generation(), generation);
    catalog.resolve("newcomer/first", &Connections(&[])).unwrap();
}

#[tokio::test]
async fn offline_means_that_nobody_is_asked() {
    let source = Source::start(answer("\"v1\"", &newcomer())).await;
    let folder = tempfile::tempdir().unwrap();
    let catalog = of_source(&source, folder.path(), 1, true);
    assert_eq!(catalog.refresh(false).await.unwrap(), Refresh::Fresh);
    assert_eq!(catalog.refresh(true).await.unwrap_err().kind, ErrorKind::Conflict);
    let by_config = Catalog::new(Settings {
        config: config(json!({"catalog": {"url": source.url, "offline": true}})),
        cache_dir: folder.path().to_owned(),
        environment: Environment::default(),
        offline: false,
    });
    assert_eq!(by_config.refresh(true).await.unwrap_err().kind, ErrorKind::Conflict);
    assert!(source.requests().is_empty());
    assert!(catalog.resolve("anthropic/claude-opus-4-6", &Connections(&[])).is_ok());
}

#[tokio::test]
async fn callers_that_come_together_share_one_fetch() {
    let source = Source::start(answer("\"v1\"", &newcomer())).await;
    let folder = tempfile::tempdir().unwrap();
    let catalog = of_source(&source, folder.path(), 3600, false);
    let (a, b, c) =
        tokio::join!(catalog.refresh(true), catalog.refresh(true), catalog.refresh(false));
    let expected = Refresh::Updated { providers: 1, models: 1 };
    assert_eq!((a.unwrap(), b.unwrap(), c.unwrap()), (expected, expected, expected));
    assert_eq!(source.requests().len(), 1);
}

#[tokio::test]
async fn what_another_process_fetched_is_taken_over() {
    let source = Source::start(answer("\"v1\"", &newcomer())).await;
    let folder = tempfile::tempdir().unwrap();
    let waiting = of_source(&source, folder.path(), 3600, false);
    assert!(
        waiting.resolve("newcomer/first", &Connections(&[])).is_err(),
        "read before anybody fetched"
    );
    of_source(&source, folder.path(), 3600, false).refresh(true).await.unwrap();
    assert_eq!(waiting.refresh(false).await.unwrap(), Refresh::Fresh);
    assert!(waiting.resolve("newcomer/first", &Connections(&[])).is_ok());
    let generation = waiting.generation();
    assert_eq!(waiting.refresh(false).await.unwrap(), Refresh::Fresh);
    assert_eq!(
        (waiting.generation(), source.requests().len()),
        (generation, 1),
        "nothing changed, nobody was asked"
    );
}

#[tokio::test]
async fn another_source_has_another_copy() {
    let source = Source::start(answer("\"v1\"", &newcomer())).await;
    let folder = tempfile::tempdir().unwrap();
    let catalog = of_source(&source, folder.path(), 3600, false);
    catalog.refresh(true).await.unwrap();
    catalog.reconfigure(config(
        json!({"catalog": {"url": source.url}, "alias": {"x": "newcomer/first"}}),
    ));
    assert!(
        catalog.resolve("newcomer/first", &Connections(&[])).is_ok(),
        "the same source keeps its copy"
    );
    catalog.reconfigure(config(json!({"catalog": {"url": "http://127.0.0.1:1"}})));
    assert!(catalog.resolve("newcomer/first", &Connections(&[])).is_err());
}

#[tokio::test]
async fn local_servers_are_found_by_what_they_answer() {
    let ollama = Source::start(Answer {
        status: "200 OK",
        etag: None,
        body: json!({"models": [{"name": "llama3.1:8b"}]}).to_string(),
    })
    .await;
    let studio = Source::start(Answer {
        status: "200 OK",
        etag: None,
        body: json!({"data": [{"id": "qwen"}]}).to_string(),
    })
    .await;
    let other =
        Source::start(Answer { status: "200 OK", etag: None, body: "<html>".to_owned() }).await;
    let port = |source: &Source| source.url.rsplit_once(':').unwrap().1.parse().unwrap();
    let list = |owner: &str| Answer {
        status: "200 OK",
        etag: None,
        body: json!({"name": "other", "data": [{"id": "qwen", "owned_by": owner}]}).to_string(),
    };
    let (llama, vllm) = (Source::start(list("llamacpp")).await, Source::start(list("vllm")).await);
    // A server of ours lists models as well, where nobody is asked for a token.
    let ours = Source::start(Answer {
        status: "200 OK",
        etag: None,
        body: json!({"name": "switchyard", "data": [{"id": "qwen"}]}).to_string(),
    })
    .await;
    let found = probe_local(ProbePorts {
        ollama: ollama.url.clone(),
        lm_studio: port(&studio),
        llama_cpp: vec![port(&other), port(&ours), port(&vllm)],
        vllm: port(&llama),
    })
    .await;
    let server = |id: &str, name: &str, base_url: String, npm: &str, model: &str| LocalServer {
        id: id.to_owned(),
        name: name.to_owned(),
        base_url,
        npm: npm.to_owned(),
        models: vec![model.to_owned()],
    };
    assert_eq!(
        found,
        [
            server("ollama", "Ollama", ollama.url.clone(), "ollama", "llama3.1:8b"),
            server(
                "lmstudio",
                "LM Studio",
                format!("{}/v1", studio.url),
                "@ai-sdk/openai-compatible",
                "qwen"
            ),
            server("vllm", "vLLM", format!("{}/v1", vllm.url), "@ai-sdk/openai-compatible", "qwen"),
            server(
                "llama.cpp",
                "llama.cpp",
                format!("{}/v1", llama.url),
                "@ai-sdk/openai-compatible",
                "qwen"
            ),
        ]
    );
    assert!(ollama.requests()[0].starts_with("get /api/tags "));
}
