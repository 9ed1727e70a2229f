//! A router with fake providers behind it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use http::HeaderMap;
use serde_json::{Value, json};
use sy_config::{Config, Environment, FailoverMode, Limit, Retry};
use sy_protocol::{Hints, Inbound};
use sy_router::{Answer, AnswerStream, Body, Observer, Outcome, Parts, Record, Refused, Router};
use sy_testkit::{FakeUpstream, Script, Wire};
use sy_types::chat::{Delta, Part, StreamEvent};
use sy_types::{Failure, Principal, ProtocolId, RequestContext, RequestId};

/// Hears of every request.
#[derive(Default)]
pub(crate) struct Ear(Mutex<Vec<Record>>);

impl Observer for Ear {
    fn finished(&self, record: &Record) {
        self.0.lock().unwrap().push(record.clone());
    }
}

impl Ear {
    /// Returns all records so far.
    pub(crate) fn records(&self) -> Vec<Record> {
        self.0.lock().unwrap().clone()
    }

    /// Returns the only record, which must be there.
    #[track_caller]
    pub(crate) fn only(&self) -> Record {
        let records = self.records();
        assert_eq!(records.len(), 1, "{records:#?}");
        records.into_iter().next().unwrap()
    }
}

/// A configuration in the making.
pub(crate) struct Plot {
    pub(crate) value: Value,
    retry: Retry,
    chunk_timeout: Option<Limit>,
    header_timeout: Option<Limit>,
    timeout: Option<Limit>,
}

impl Plot {
    pub(crate) fn new() -> Self {
        Self {
            value: json!({"provider": {}, "alias": {}}),
            retry: Retry {
                max_retries: 0,
                base_delay: 10,
                max_delay: 1000,
                backoff_multiplier: 1.0,
                failover: FailoverMode::Immediate,
            },
            chunk_timeout: None,
            header_timeout: None,
            timeout: None,
        }
    }

    /// Adds a provider with one model `m` (window 1000, 1 and 2 dollars per million tokens).
    pub(crate) fn provider(mut self, id: &str, wire: Wire, upstream: &FakeUpstream) -> Self {
        self.value["provider"][id] = json!({
            "npm": wire.npm(),
            "options": {"baseURL": format!("{}/v1", upstream.url()), "apiKey": format!("key-of-{id}-0123456789")},
            "models": {"m": {
                "limit": {"context": 1000, "output": 100},
                "cost": {"input": 1.0, "output": 2.0},
            }},
        });
        self
    }

    /// Sets something by JSON pointer.
    pub(crate) fn set(mut self, pointer: &str, value: Value) -> Self {
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        if self.value.pointer(parent).is_none() {
            self = self.set(parent, json!({}));
        }
        self.value.pointer_mut(parent).unwrap()[key] = value;
        self
    }

    /// Makes `name` an alias for the chain.
    pub(crate) fn alias(self, name: &str, chain: &[&str]) -> Self {
        self.set(&format!("/alias/{name}"), json!(chain))
    }

    pub(crate) fn retries(mut self, max_retries: u32) -> Self {
        self.retry.max_retries = max_retries;
        self
    }

    /// Keeps waits that a provider asks for.
    pub(crate) fn waiting(mut self) -> Self {
        self.retry.failover = FailoverMode::Wait;
        self
    }

    pub(crate) fn idle(mut self, ms: u64) -> Self {
        self.chunk_timeout = Some(Limit::After(Duration::from_millis(ms)));
        self
    }

    pub(crate) fn first_byte(mut self, ms: u64) -> Self {
        self.header_timeout = Some(Limit::After(Duration::from_millis(ms)));
        self
    }

    pub(crate) fn total(mut self, ms: u64) -> Self {
        self.timeout = Some(Limit::After(Duration::from_millis(ms)));
        self
    }

    pub(crate) fn build(self) -> World {
        let mut config: Config = serde_json::from_value(self.value).unwrap();
        config.retry = self.retry;
        for provider in config.provider.values_mut() {
            let options = &mut provider.options;
            options.chunk_timeout = self.chunk_timeout.or(options.chunk_timeout);
            options.header_timeout = self.header_timeout.or(options.header_timeout);
            options.timeout = self.timeout.or(options.timeout);
        }
        let config = Arc::new(config);
        let folder = tempfile::tempdir().unwrap();
        let environment = Environment::of(Vec::<(String, String)>::new());
        let catalog = sy_catalog::Catalog::new(sy_catalog::Settings {
            config: Arc::clone(&config),
            cache_dir: folder.path().join("cache"),
            environment: environment.clone(),
            offline: true,
        });
        let credentials = sy_credentials::Credentials::open(sy_credentials::Settings {
            directory: folder.path().join("vault"),
            profile: "default".to_owned(),
            environment,
            config: Arc::clone(&config),
            opencode_auth: None,
            outcomes: None,
        })
        .unwrap();
        let ear = Arc::new(Ear::default());
        let observer: Arc<dyn Observer> = Arc::clone(&ear) as Arc<dyn Observer>;
        let router =
            Router::new(Parts { catalog, credentials, config, observer, authorities: Vec::new() })
                .unwrap();
        World { router, ear, _folder: folder }
    }
}

/// A router and who hears of it.
pub(crate) struct World {
    pub(crate) router: Router,
    pub(crate) ear: Arc<Ear>,
    _folder: tempfile::TempDir,
}

/// Returns the context of a request.
pub(crate) fn context() -> RequestContext {
    RequestContext {
        id: RequestId::new("request-1"),
        principal: Principal::Owner,
        strict: false,
        failover: None,
    }
}

/// Returns the id under which a dialect is registered.
pub(crate) fn protocol(wire: Wire) -> ProtocolId {
    sy_protocol::REGISTRY.iter().find(|entry| entry.id.as_str() == wire.protocol()).unwrap().id
}

/// Returns the dialects that are registered: at least the three that every build has.
pub(crate) fn wires() -> Vec<Wire> {
    let registered = |wire: &Wire| {
        sy_protocol::REGISTRY.iter().any(|entry| entry.id.as_str() == wire.protocol())
    };
    let wires: Vec<Wire> = Wire::ALL.into_iter().filter(registered).collect();
    assert!(wires.len() >= 3, "{wires:?}");
    wires
}

/// Makes a client's request.
pub(crate) fn inbound(wire: Wire, model: &str, stream: bool) -> Arc<Inbound> {
    inbound_of(wire, model, stream, &wire.request(model, stream))
}

/// Makes a client's request of a body.
pub(crate) fn inbound_of(wire: Wire, model: &str, stream: bool, body: &Value) -> Arc<Inbound> {
    let downstream = sy_protocol::downstream(protocol(wire)).unwrap();
    let hints = Hints { model: Some(model.to_owned()), stream, sse: stream };
    Arc::new(Inbound::parse(downstream, Bytes::from(body.to_string()), &hints).unwrap())
}

/// A dialect that is not the given one.
pub(crate) fn another(wire: Wire) -> Wire {
    // Places of OpenAI's own package speak chat completions as well, and would be called in it.
    if wire == Wire::Anthropic { Wire::Chat } else { Wire::Anthropic }
}

impl World {
    /// Asks with a context.
    pub(crate) async fn ask_in(
        &self,
        ctx: &RequestContext,
        inbound: Arc<Inbound>,
    ) -> Result<Answer, Refused> {
        self.router.answer(ctx, inbound, HeaderMap::new()).await
    }

    /// Asks.
    pub(crate) async fn ask(
        &self,
        wire: Wire,
        model: &str,
        stream: bool,
    ) -> Result<Answer, Refused> {
        self.ask_in(&context(), inbound(wire, model, stream)).await
    }
}

/// What a client got of a stream.
#[derive(Debug, Default)]
pub(crate) struct Got {
    /// Relayed bytes.
    pub(crate) raw: String,
    /// Translated text.
    pub(crate) text: String,
    pub(crate) finished: bool,
    pub(crate) failure: Option<Failure>,
}

impl Got {
    /// Counts the words `w0 w1 …`, which must be complete and in order.
    #[track_caller]
    pub(crate) fn words(&self) -> usize {
        let all = format!("{}{}", self.raw, self.text);
        let count = (0..).take_while(|number| all.contains(&format!("w{number} "))).count();
        assert!(!all.contains(&format!("w{} ", count + 1)), "{all}");
        count
    }
}

/// Reads a stream to its end.
pub(crate) async fn read(mut stream: AnswerStream) -> Got {
    let mut got = Got::default();
    while let Some(item) = stream.next().await {
        assert!(got.failure.is_none(), "nothing comes after a failure");
        match item {
            Err(failure) => got.failure = Some(failure),
            Ok(chunk) => {
                got.raw.push_str(std::str::from_utf8(&chunk.raw.unwrap_or_default()).unwrap());
                for event in chunk.events {
                    match event {
                        StreamEvent::Delta { delta: Delta::Text(text), .. } => {
                            got.text.push_str(&text)
                        }
                        StreamEvent::Finish { .. } => got.finished = true,
                        _ => {}
                    }
                }
            }
        }
    }
    got
}

/// Takes the stream out of an answer.
#[track_caller]
pub(crate) fn stream_of(answer: Answer) -> AnswerStream {
    match answer.body {
        Body::Stream(stream) => stream,
        Body::Whole(whole) => panic!("expected a stream, got {whole:?}"),
    }
}

/// Returns the text of a whole answer, whichever form it has.
#[track_caller]
pub(crate) fn text_of(answer: Answer) -> String {
    let Body::Whole(whole) = answer.body else { panic!("expected a whole answer") };
    match (whole.raw, whole.response) {
        (Some(raw), None) => String::from_utf8(raw.to_vec()).unwrap(),
        (None, Some(response)) => {
            let texts = response.parts.iter().filter_map(|part| match part {
                Part::Text(text) => Some(text.text.as_str()),
                _ => None,
            });
            texts.collect()
        }
        other => panic!("expected one of both, got {other:?}"),
    }
}

/// A provider that answers wholes and streams (three words) in its dialect.
pub(crate) async fn good(wire: Wire) -> FakeUpstream {
    FakeUpstream::start(move |_, seen| {
        let is_stream = seen.json()["stream"] == true || seen.path.contains("stream");
        if is_stream {
            Script::events(wire.stream(3))
        } else {
            Script::json(200, wire.whole("hello"))
        }
    })
    .await
}

/// A provider that answers everything with an error.
pub(crate) async fn bad(wire: Wire, status: u16, message: &str) -> FakeUpstream {
    FakeUpstream::always(Script::json(status, wire.error(status, message))).await
}

/// Returns the outcome's name of a record.
pub(crate) fn outcome(record: &Record) -> &'static str {
    match &record.outcome {
        Outcome::Answered => "answered",
        Outcome::Failed(_) => "failed",
        Outcome::Broken(_) => "broken",
        Outcome::ClientGone => "gone",
    }
}
