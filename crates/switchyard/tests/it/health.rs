//! `doctor`: finds each broken thing, and repairs what is safe to repair.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::json;

use crate::world::{CANARY, Outcome, World};

fn chmod(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("changed");
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).expect("a file").permissions().mode() & 0o777
}

/// Runs one check and asserts on its finding.
#[track_caller]
fn check(world: &World, check: &str, code: i32, words: &[&str]) {
    let outcome: Outcome = world.run(&["doctor", "--check", check]);
    assert_eq!(outcome.code, Some(code), "{outcome:#?}");
    assert_eq!(outcome.out.contains("BROKEN"), code != 0, "{outcome:#?}");
    for words in words {
        assert!(outcome.out.contains(words), "{words} in {outcome:#?}");
    }
    assert!(!outcome.all().contains(CANARY), "{outcome:#?}");
}

#[test]
fn all_is_well() {
    let world = World::new().with("ANTHROPIC_API_KEY", CANARY);
    world.configure(&json!({"server": {"port": 0}}));
    let out = world.run(&["doctor"]).good();
    for name in ["config", "files", "auth", "models", "local", "server"] {
        assert!(
            out.lines().any(|line| line.split_whitespace().nth(1) == Some(name)),
            "{name} in {out}"
        );
    }
    assert!(!out.contains(CANARY), "{out}");
}

#[test]
fn finds_a_mistake_in_the_configuration() {
    let world = World::new();
    world.write("home/config/switchyard.jsonc", "{\"server\": {\"port\": 99999}}");
    check(&world, "config", 1, &["switchyard.jsonc:1:21:", "help: "]);
    check(&world, "models", 0, &["not checked"]);
    check(&world, "server", 0, &["not checked"]);
}

#[test]
fn finds_that_nothing_is_connected() {
    check(&World::new(), "auth", 1, &["no provider is connected", "switchyard auth login"]);
    check(
        &World::new(),
        "models",
        1,
        &["there is no default model", "switchyard config set model"],
    );
}

#[test]
fn tells_what_a_project_that_is_not_trusted_would_set() {
    let world = World::new().with("ANTHROPIC_API_KEY", CANARY);
    let moved =
        json!({"provider": {"anthropic": {"options": {"baseURL": "https://elsewhere.test"}}}});
    world.write("project/opencode.json", &moved.to_string());
    check(&world, "config", 0, &["is not trusted", "provider.anthropic", "switchyard trust"]);
}

#[test]
fn finds_a_record_that_cannot_be_read() {
    let world = World::new();
    world.run_with_input(&["auth", "login", "anthropic"], CANARY).good();
    world.write("home/data/credentials/profiles/default/anthropic@default.json", "{}");
    check(&world, "auth", 1, &["the key of anthropic", "switchyard auth login anthropic"]);
}

#[test]
fn finds_and_repairs_files_that_others_can_read() {
    let world = World::new();
    let token = world.write("home/state/token", "sy-0123456789012345678901234567890123456789012");
    world.run_with_input(&["auth", "login", "anthropic"], CANARY).good();
    let record = world.path("home/data/credentials/profiles/default/anthropic@default.json");
    let folder = world.path("home/data/credentials");
    chmod(&token, 0o644);
    check(
        &world,
        "files",
        1,
        &["state/token has mode 644, expected 600", "switchyard doctor --fix"],
    );
    chmod(&record, 0o640);
    chmod(&folder, 0o755);
    let fixed = world.run(&["doctor", "--check", "files", "--fix"]).good();
    assert_eq!(fixed.matches("repaired").count(), 3, "{fixed}");
    assert_eq!((mode(&token), mode(&record), mode(&folder)), (0o600, 0o600, 0o700));
    check(&world, "files", 0, &["file permissions OK ("]);
}

#[test]
fn finds_another_program_on_the_port() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let world = World::new();
    let port = listener.local_addr().expect("an address").port();
    world.configure(&json!({"server": {"port": port}}));
    std::thread::spawn(move || drop(listener.accept()));
    check(&world, "server", 1, &["another program has port", "switchyard config set server.port"]);
}

#[test]
fn finds_an_address_that_is_not_ours() {
    let world = World::new();
    // RFC 5737: an address for documents, which no machine has.
    world.configure(&json!({"server": {"host": "192.0.2.1"}}));
    check(&world, "server", 1, &["cannot listen on port 8080 of 192.0.2.1"]);
}
