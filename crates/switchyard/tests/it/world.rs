//! A machine of its own for one test: an empty home folder, an empty environment, no network but loopback.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::{Value, json};
use sy_testkit::{FakeUpstream, Script, Wire};
use tempfile::TempDir;

/// A key that must never be seen in an output.
pub(crate) const CANARY: &str = "sk-canary-0123456789abcdefgh";

/// A machine of its own.
pub(crate) struct World {
    folder: TempDir,
    variables: Vec<(String, String)>,
}

/// What a command did.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl World {
    pub(crate) fn new() -> Self {
        let world = Self {
            folder: tempfile::tempdir().expect("a temporary folder"),
            variables: Vec::new(),
        };
        for folder in ["home", "project"] {
            std::fs::create_dir(world.path(folder)).expect("a folder");
        }
        // Stops the search for a project's files here.
        std::fs::create_dir(world.path("project/.git")).expect("a folder");
        world
    }

    /// Makes a world with one provider `fake`, which speaks Anthropic messages and has the model `m`.
    pub(crate) fn with_provider(upstream: &FakeUpstream) -> Self {
        let world = Self::new();
        world.configure(
            &json!({"retry": {"maxRetries": 0}, "provider": {"fake": provider(&upstream.url())}}),
        );
        world
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn user_file(&self) -> PathBuf {
        self.path("home/config/switchyard.jsonc")
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(&path, text).expect("a file");
        path
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub(crate) fn configure(&self, config: &Value) {
        self.write(
            "home/config/switchyard.jsonc",
            &serde_json::to_string_pretty(config).expect("JSON"),
        );
    }

    /// Returns a program that finds nothing of the machine that the test runs on.
    pub(crate) fn program(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env_clear().current_dir(self.path("project"));
        command.env("PATH", "/usr/bin:/bin").env("HOME", self.path("home"));
        command.env("SWITCHYARD_HOME", self.path("home")).env("SWITCHYARD_OFFLINE", "1");
        command.envs(self.variables.iter().cloned());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.program(env!("CARGO_BIN_EXE_switchyard"));
        command.args(arguments);
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Outcome {
        Outcome::of(self.command(arguments).output().expect("the binary runs"))
    }

    pub(crate) fn run_with_input(&self, arguments: &[&str], input: &str) -> Outcome {
        let mut child =
            self.command(arguments).stdin(Stdio::piped()).spawn().expect("the binary runs");
        // A command that does not read its input may be gone already.
        child.stdin.take().expect("standard input").write_all(input.as_bytes()).ok();
        Outcome::of(child.wait_with_output().expect("the binary ends"))
    }

    /// Runs a line of bash in which `switchyard` is the binary.
    pub(crate) fn bash(&self, line: &str) -> Outcome {
        let mut command = self.program("bash");
        let folder = Path::new(env!("CARGO_BIN_EXE_switchyard")).parent().expect("a folder");
        command.env("PATH", format!("{}:/usr/bin:/bin", folder.display()));
        Outcome::of(command.args(["-c", line]).output().expect("bash runs"))
    }
}

impl Outcome {
    fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// Returns standard output, if all went well.
    #[track_caller]
    pub(crate) fn good(self) -> String {
        assert_eq!(self.code, Some(0), "{self:#?}");
        self.out
    }

    /// Returns standard error, if the exit code is the given one.
    #[track_caller]
    pub(crate) fn bad(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self.err
    }

    #[track_caller]
    pub(crate) fn json(self) -> Value {
        let text = self.good();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// Returns both outputs.
    pub(crate) fn all(&self) -> String {
        format!("{}{}", self.out, self.err)
    }
}

/// A running command that ends with its test.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// Returns the configuration of a provider that speaks Anthropic messages at an address.
pub(crate) fn provider(url: &str) -> Value {
    json!({"npm": "@ai-sdk/anthropic", "options": {"baseURL": format!("{url}/v1"), "apiKey": CANARY}, "models": {"m": {}}})
}

/// Starts a provider that answers `w0 w1 …`.
pub(crate) async fn answering(words: usize) -> FakeUpstream {
    FakeUpstream::always(Script::events(Wire::Anthropic.stream(words))).await
}

/// Starts a provider that refuses.
pub(crate) async fn refusing(status: u16, message: &str) -> FakeUpstream {
    FakeUpstream::always(Script::json(status, Wire::Anthropic.error(status, message))).await
}
