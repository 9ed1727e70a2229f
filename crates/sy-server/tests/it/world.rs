//! A real server with fake providers behind it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};

use serde_json::{Value, json};
use sy_config::{Environment, Flags, Inputs, Live, Paths};
use sy_server::{ComposeError, Composed, Composition, ServeError};
use sy_testkit::{FakeUpstream, Script, Seen, Wire};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The token of the servers here.
pub(crate) const TOKEN: &str = "sy-token-of-the-tests";

/// A server in the making.
pub(crate) struct Plot {
    pub(crate) config: Value,
    pub(crate) environment: Vec<(String, String)>,
    /// Writes the configuration into the user's file instead of a variable, so that it can be changed.
    in_file: bool,
    unauthenticated: bool,
    home: TempDir,
}

impl Plot {
    pub(crate) fn new() -> Self {
        let config = json!({
            "server": {"port": 0},
            "catalog": {"offline": true},
            "retry": {"maxRetries": 0},
            "provider": {},
            "alias": {},
        });
        let environment = vec![("SWITCHYARD_TOKEN".to_owned(), TOKEN.to_owned())];
        Self {
            config,
            environment,
            in_file: false,
            unauthenticated: false,
            home: tempfile::tempdir().unwrap(),
        }
    }

    /// Adds a provider with one model `m` (window 1000, 1 and 2 dollars per million tokens).
    pub(crate) fn provider(mut self, id: &str, wire: Wire, upstream: &FakeUpstream) -> Self {
        self.config["provider"][id] = json!({
            "npm": wire.npm(),
            "options": {"baseURL": format!("{}/v1", upstream.url()), "apiKey": format!("key-of-{id}-0123456789")},
            "models": {"m": {
                "limit": {"context": 1000, "output": 100},
                "cost": {"input": 1.0, "output": 2.0},
            }},
        });
        if wire == Wire::Responses {
            // Its package speaks chat completions as well, and would be called in it.
            self.config["provider"][id]["models"]["m"]["provider"] = json!({"shape": "responses"});
        }
        self
    }

    /// Sets something by JSON pointer.
    pub(crate) fn set(mut self, pointer: &str, value: Value) -> Self {
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        if self.config.pointer(parent).is_none() {
            self = self.set(parent, json!({}));
        }
        self.config.pointer_mut(parent).unwrap()[key.replace("~1", "/")] = value;
        self
    }

    /// Makes `name` an alias for the chain.
    pub(crate) fn alias(self, name: &str, chain: &[&str]) -> Self {
        self.set(&format!("/alias/{name}"), json!(chain))
    }

    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.environment.retain(|(known, _)| known != name);
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn in_file(mut self) -> Self {
        self.in_file = true;
        self
    }

    pub(crate) fn unauthenticated(mut self) -> Self {
        self.unauthenticated = true;
        self
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.home.path().to_owned()
    }

    fn environment(&self) -> Environment {
        let home = self.home.path().to_str().unwrap();
        let user = self.home.path().join("user");
        let mut all = vec![
            ("SWITCHYARD_HOME".to_owned(), home.to_owned()),
            ("HOME".to_owned(), user.to_str().unwrap().to_owned()),
        ];
        all.extend(self.environment.iter().cloned());
        if !self.in_file {
            all.push(("SWITCHYARD_CONFIG_CONTENT".to_owned(), self.config.to_string()));
        }
        Environment::of(all)
    }

    /// Puts the parts together and stops there.
    pub(crate) fn compose(self) -> Result<(Composition, TempDir), ComposeError> {
        let environment = self.environment();
        let paths = Paths::resolve(&environment).unwrap();
        if self.in_file {
            std::fs::create_dir_all(&paths.config).unwrap();
            std::fs::write(paths.user_file(), self.config.to_string()).unwrap();
        }
        let directory = self.home.path().join("work");
        std::fs::create_dir_all(directory.join(".git")).unwrap();
        let inputs = Inputs {
            environment: environment.clone(),
            paths: paths.clone(),
            directory,
            flags: Flags::default(),
        };
        let loaded = sy_config::load(&inputs).unwrap_or_else(|problems| panic!("{problems:?}"));
        let live = Live::new(loaded);
        let unauthenticated = self.unauthenticated;
        sy_server::compose(Composed { live, paths, environment, unauthenticated })
            .map(|parts| (parts, self.home))
    }

    /// Starts the server.
    pub(crate) fn start(self) -> Server {
        let (composition, home) = self.compose().unwrap();
        run(composition, home)
    }
}

/// Starts a composed server.
pub(crate) fn run(composition: Composition, home: TempDir) -> Server {
    let served = sy_server::serve(composition).unwrap();
    let address = served.address();
    let stop = CancellationToken::new();
    let running = TaskTracker::new().spawn(served.run(stop.clone().cancelled_owned()));
    Server { address, stop, running, home, token: Some(TOKEN.to_owned()) }
}

/// A running server. It ends with the test's runtime.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) stop: CancellationToken,
    pub(crate) running: JoinHandle<Result<(), ServeError>>,
    pub(crate) home: TempDir,
    /// What [`crate::client`] shows unless told otherwise.
    pub(crate) token: Option<String>,
}

/// A provider that answers wholes (`hello`) and streams (three words) in the dialect that it is asked in.
pub(crate) async fn good() -> FakeUpstream {
    FakeUpstream::start(|_, seen| {
        let wire = wire_of(&seen.path);
        if is_stream(seen) {
            Script::events(wire.stream(3))
        } else {
            Script::json(200, wire.whole("hello"))
        }
    })
    .await
}

/// A provider that answers everything with an error.
pub(crate) async fn bad(status: u16, message: &'static str) -> FakeUpstream {
    FakeUpstream::start(move |_, seen| {
        Script::json(status, wire_of(&seen.path).error(status, message))
    })
    .await
}

/// Returns the dialect that a provider is asked in.
pub(crate) fn wire_of(path: &str) -> Wire {
    let path = path.split('?').next().unwrap();
    match path {
        _ if path.ends_with("/responses") => Wire::Responses,
        _ if path.contains("/messages") => Wire::Anthropic,
        _ if path.contains(":generateContent") || path.contains(":streamGenerateContent") => {
            Wire::Gemini
        }
        _ => Wire::Chat,
    }
}

pub(crate) fn is_stream(seen: &Seen) -> bool {
    seen.json()["stream"] == true || seen.path.contains(":streamGenerateContent")
}

/// Keeps everything that is logged on this thread while the guard lives.
pub(crate) struct Logs {
    text: Arc<Mutex<Vec<u8>>>,
    _guard: tracing::subscriber::DefaultGuard,
}

impl Logs {
    /// Begins to listen. The server must run on this very thread.
    pub(crate) fn listen(level: tracing::Level) -> Self {
        // With a single subscriber, the first thread to come by a log statement decides for all whether it is of interest.
        static SECOND: OnceLock<tracing::Dispatch> = OnceLock::new();
        SECOND.get_or_init(|| tracing_subscriber::fmt().with_writer(std::io::sink).finish().into());
        let text = Arc::new(Mutex::new(Vec::new()));
        let writer = Writer(Arc::clone(&text));
        let subscriber = tracing_subscriber::fmt()
            .json()
            .flatten_event(true)
            .with_max_level(level)
            .with_writer(move || writer.clone())
            .finish();
        Self { text, _guard: tracing::subscriber::set_default(subscriber) }
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.text.lock().unwrap()).into_owned()
    }

    /// Returns the access lines so far.
    pub(crate) fn access(&self) -> Vec<Value> {
        let text = self.text();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).expect(line));
        lines.filter(|line| line["target"] == "access").collect()
    }
}

#[derive(Clone)]
struct Writer(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Asks again and again, at most five seconds, until the answer is yes.
pub(crate) async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !is_so().await {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    let waited = tokio::time::timeout(std::time::Duration::from_secs(5), waiting).await;
    assert!(waited.is_ok(), "waited five seconds for {what}");
}
