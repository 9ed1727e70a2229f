//! `serve`: starts, answers, is found by `doctor` and `env`, and stops when it is told to.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::ChildStderr;

use serde_json::json;
use sy_testkit::{End, FakeUpstream, Script, Wire};

use crate::world::{CANARY, Running, World};

struct Server {
    running: Running,
    err: BufReader<ChildStderr>,
    address: String,
}

/// Starts a server on a port that the system chooses.
fn start(world: &World, arguments: &[&str]) -> Server {
    let mut running = Running(
        world
            .command(&[&["serve", "--port", "0", "--log-format", "text"], arguments].concat())
            .spawn()
            .expect("the binary runs"),
    );
    let mut err = BufReader::new(running.0.stderr.take().expect("standard error"));
    let mut said = String::new();
    loop {
        let mut line = String::new();
        let length = err.read_line(&mut line).expect("text");
        assert!(length > 0, "the server ended: {said}");
        if let Some((_, address)) = line.split_once("listens on http://") {
            return Server { running, err, address: address.trim().to_owned() };
        }
        said.push_str(&line);
    }
}

impl Server {
    fn signal(&self, name: &str) {
        let status = std::process::Command::new("kill")
            .args([name, &self.running.0.id().to_string()])
            .status();
        assert!(status.expect("kill runs").success());
    }

    /// Waits for the end and returns the exit code and what was said meanwhile.
    fn end(mut self) -> (Option<i32>, String) {
        let mut said = String::new();
        self.err.read_to_string(&mut said).expect("text");
        (self.running.0.wait().expect("it ends").code(), said)
    }

    fn get(&self, path: &str, token: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).expect("a connection");
        let head = format!(
            "GET {path} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n",
            self.address
        );
        stream.write_all(head.as_bytes()).expect("written");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        answer
    }
}

#[test]
fn a_new_server_is_reached_with_what_env_prints() {
    let world = World::new().with("ANTHROPIC_API_KEY", CANARY);
    let server = start(&world, &[]);
    let exports = world.run(&["env", "--url", &format!("http://{}", server.address)]).good();
    let token = exports
        .lines()
        .find_map(|line| line.strip_prefix("export OPENAI_API_KEY='"))
        .expect("a token")
        .trim_end_matches('\'');
    assert!(server.get("/v1/models", "wrong").starts_with("HTTP/1.1 401"));
    assert!(server.get("/v1/models", token).starts_with("HTTP/1.1 200"));
    server.signal("-TERM");
    let (code, said) = server.end();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("eval \"$(switchyard env)\""), "{said}");
    assert!(!said.contains(token) && !said.contains(CANARY), "{said}");
}

#[test]
fn doctor_finds_a_server_that_runs() {
    let world = World::new();
    let server = start(&world, &[]);
    let port: u16 =
        server.address.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
    let out = world.run(&["doctor", "--check", "server"]).good();
    assert!(out.contains("the server runs at") && out.contains(&server.address), "{out}");

    // Its record is gone, as when it was started with another home: what answers on the port says who it is.
    std::fs::remove_file(world.path("home/state/server.json")).expect("the record");
    world.configure(&json!({"server": {"port": port}}));
    let out = world.run(&["doctor", "--check", "server"]).good();
    assert!(out.contains("the server answers on port"), "{out}");
}

#[test]
fn a_port_in_use_says_what_to_do() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port().to_string();
    let err = World::new().run(&["serve", "--port", &port]).bad(1);
    assert!(err.contains("the port is in use") && err.contains("--port"), "{err}");
}

#[test]
fn a_port_in_use_names_the_server_that_has_it() {
    let world = World::new();
    let server = start(&world, &[]);
    let port = server.address.rsplit(':').next().expect("a port");
    let err = world.run(&["serve", "--port", port, "--log-format", "text"]).bad(1);
    for part in ["switchyard server that runs already", "--port", "SWITCHYARD_PORT="] {
        assert!(err.contains(part), "{err}");
    }
}

/// Everything that a server says at start, at a reload, of requests and at the end, from the start on.
#[test]
fn a_log_for_programs_holds_nothing_but_json() {
    let world = World::new().with("ANTHROPIC_API_KEY", CANARY);
    // Says something at start: a key as plain text, and a project's file that is not trusted.
    world.configure(&json!({"provider": {"anthropic": {"options": {"apiKey": CANARY}}}}));
    world.write(
        "project/opencode.json",
        r#"{"provider": {"x": {"options": {"baseURL": "http://127.0.0.1:9"}}}}"#,
    );
    let (code, said) = {
        let mut command = world.command(&["serve", "--port", "0", "--dangerously-unauthenticated"]);
        let mut running = Running(command.spawn().expect("the binary runs"));
        let mut err = BufReader::new(running.0.stderr.take().expect("standard error"));
        let mut said = String::new();
        while !said.contains("listens on") {
            assert!(err.read_line(&mut said).expect("text") > 0, "{said}");
        }
        world.configure(&json!({"server": {"port": 9}, "log": {"level": "debug"}}));
        while !said.contains("log.level changed") {
            assert!(err.read_line(&mut said).expect("text") > 0, "{said}");
        }
        let server = Server { running, err, address: String::new() };
        server.signal("-TERM");
        let (code, rest) = server.end();
        (code, said + &rest)
    };
    assert_eq!(code, Some(0), "{said}");
    for line in said.lines() {
        let line: serde_json::Value = serde_json::from_str(line).expect(line);
        assert!(line["message"].is_string() && line["level"].is_string(), "{line}");
    }
    for part in [
        "is plain text",
        "switchyard trust",
        "authentication is off",
        "log.level changed: restart to apply",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    // The flag above wins over the file, so the port did not change.
    assert!(!said.contains("server.port changed") && !said.contains(CANARY), "{said}");
}

#[test]
fn a_failure_at_start_is_json_where_the_log_is() {
    let world = World::new();
    world.write("home/config/switchyard.jsonc", r#"{"server": {"prot": 1}}"#);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port().to_string();
    let broken = world.run(&["serve", "--log-format", "json"]).bad(3);
    world.configure(&json!({}));
    let taken = world.run(&["serve", "--port", &port]).bad(1);
    for (said, part) in [(broken, "prot"), (taken, "the port is in use")] {
        let parsed = said.lines().map(|line| serde_json::from_str(line).expect(line));
        let lines: Vec<serde_json::Value> = parsed.collect();
        let last = lines.last().expect("a line");
        assert_eq!(last["level"], "ERROR", "{said}");
        assert!(last["message"].to_string().contains(part), "{said}");
        assert!(last["help"].is_string(), "{said}");
    }
}

#[test]
fn nobody_is_let_in_without_a_token_from_other_machines() {
    let err = World::new()
        .run(&["serve", "--port", "0", "--host", "0.0.0.0", "--dangerously-unauthenticated"])
        .bad(1);
    assert!(err.contains("loopback") || err.contains("127.0.0.1"), "{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_stops_it_at_once() {
    let upstream =
        FakeUpstream::always(Script::events(Wire::Anthropic.begun(1)).end(End::Stall)).await;
    let world = World::with_provider(&upstream);
    let mut server = start(&world, &["--dangerously-unauthenticated"]);
    let body = Wire::Anthropic.request("fake/m", true).to_string();
    let mut stream = TcpStream::connect(&server.address).expect("a connection");
    let head = format!(
        "POST /v1/messages HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        server.address,
        body.len()
    );
    stream.write_all(head.as_bytes()).expect("written");
    upstream.until_hits(1).await;
    server.signal("-INT");
    // The answer that never ends keeps the server; only then is a second signal worth anything.
    let mut said = String::new();
    while !said.contains("a second signal stops at once") {
        assert!(server.err.read_line(&mut said).expect("text") > 0, "{said}");
    }
    server.signal("-INT");
    assert_eq!(server.end().0, Some(130));
}
