//! The counters behind `/metrics`, in Prometheus's text form.
//!
//! Names and buckets are the documented contract (see docs/metrics.md). Labels have few values: routes and not paths, models that
//! exist and not what callers typed. Each server has its own recorder, so that several may live in one process.

use std::sync::Arc;
use std::time::Duration;

use metrics::{counter, histogram, with_local_recorder};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusRecorder};
use sy_router::Record;
use sy_types::{Failure, MemoryBudget};

/// HTTP requests by method, endpoint and status.
const HTTP_REQUESTS: &str = "switchyard_http_requests_total";
/// Seconds until the response headers were ready, by method and endpoint.
const HTTP_DURATION: &str = "switchyard_http_request_duration_seconds";
/// Exchanges with a provider, by provider, model and outcome.
const MODEL_REQUESTS: &str = "switchyard_model_requests_total";
/// Tokens by provider, model and type (input, output, cache_read, cache_write, reasoning).
const MODEL_TOKENS: &str = "switchyard_model_tokens_used_total";
/// Seconds from the request to the end of the answer, by provider and model.
const MODEL_LATENCY: &str = "switchyard_model_latency_seconds";
/// Seconds until the first byte of the answer, by provider and model.
const MODEL_FIRST_BYTE: &str = "switchyard_model_first_byte_seconds";
/// US dollars by provider and model.
const MODEL_COST: &str = "switchyard_model_cost_usd_total";
/// Connections of clients that ended, by how they ended.
const CONNECTIONS: &str = "switchyard_connections_total";
/// Lines of the log that were dropped because nobody read it.
const LOG_DROPPED: &str = "switchyard_log_lines_dropped_total";

/// Bytes of memory that requests take now, as they are charged.
const MEMORY_USED: &str = "switchyard_request_memory_used_bytes";
/// Bytes of memory that requests may take.
const MEMORY_LIMIT: &str = "switchyard_request_memory_limit_bytes";
/// The most bytes that requests ever took at once.
const MEMORY_PEAK: &str = "switchyard_request_memory_peak_bytes";
/// How often memory was refused to a request.
const MEMORY_REFUSED: &str = "switchyard_request_memory_refused_total";

const HTTP_BUCKETS: [f64; 6] = [0.1, 0.5, 1.0, 2.0, 5.0, 10.0];
const MODEL_BUCKETS: [f64; 8] = [0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0];
/// The routes that may stand in a label.
const ENDPOINTS: [&str; 15] = [
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/responses",
    "/v1/responses/input_tokens",
    "/v1/messages",
    "/v1/messages/count_tokens",
    "/v1/embeddings",
    "/v1/models",
    "/v1beta/models",
    "/health",
    "/livez",
    "/readyz",
    "/metrics",
    "/openapi.json",
    "/schema/config.json",
];

/// Returns the route that a path belongs to, for a label; `other` for what no route serves.
pub(crate) fn endpoint(path: &str) -> &'static str {
    let exact = ENDPOINTS.iter().find(|known| **known == path);
    // Routes are served without their version as well.
    let bare = || ENDPOINTS.iter().find(|known| known.strip_prefix("/v1") == Some(path));
    let below = || {
        let models = ENDPOINTS.iter().filter(|known| known.ends_with("/models"));
        let mut models = models.filter_map(|known| Some((known, known.strip_prefix("/v1")?)));
        models
            .find(|(known, bare)| is_below(path, known) || is_below(path, bare))
            .map(|found| found.0)
    };
    exact.or_else(bare).or_else(below).copied().unwrap_or("other")
}

fn is_below(path: &str, route: &str) -> bool {
    path.strip_prefix(route).is_some_and(|rest| rest.starts_with('/'))
}

/// The recorder of one server.
pub(crate) struct Metrics {
    recorder: PrometheusRecorder,
}

impl Metrics {
    pub(crate) fn new() -> Result<Self, Failure> {
        let builder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Full(HTTP_DURATION.to_owned()), &HTTP_BUCKETS)
            .and_then(|builder| {
                builder
                    .set_buckets_for_metric(Matcher::Full(MODEL_LATENCY.to_owned()), &MODEL_BUCKETS)
            })
            .and_then(|builder| {
                builder.set_buckets_for_metric(
                    Matcher::Full(MODEL_FIRST_BYTE.to_owned()),
                    &MODEL_BUCKETS,
                )
            });
        let recorder = builder
            .map_err(|error| Failure::bug(format!("constant buckets were refused: {error}")))?
            .build_recorder();
        let this = Self { recorder };
        this.describe();
        Ok(this)
    }

    fn describe(&self) {
        with_local_recorder(&self.recorder, || {
            metrics::describe_counter!(
                HTTP_REQUESTS,
                "HTTP requests by method, endpoint and status"
            );
            metrics::describe_histogram!(
                HTTP_DURATION,
                "Seconds until the response headers were ready"
            );
            metrics::describe_counter!(MODEL_REQUESTS, "Exchanges with a provider by outcome");
            metrics::describe_counter!(MODEL_TOKENS, "Tokens by type");
            metrics::describe_histogram!(
                MODEL_LATENCY,
                "Seconds from the request to the end of the answer"
            );
            metrics::describe_histogram!(
                MODEL_FIRST_BYTE,
                "Seconds until the first byte of the answer"
            );
            metrics::describe_gauge!(MODEL_COST, "US dollars spent at the catalog's prices");
            metrics::describe_gauge!(MEMORY_USED, "Bytes of memory that requests take now");
            metrics::describe_gauge!(MEMORY_LIMIT, "Bytes of memory that requests may take");
            metrics::describe_gauge!(MEMORY_PEAK, "The most bytes that requests ever took at once");
            metrics::describe_counter!(
                MEMORY_REFUSED,
                "Times that memory was refused to a request"
            );
            metrics::describe_counter!(CONNECTIONS, "Connections of clients by how they ended");
            metrics::describe_counter!(LOG_DROPPED, "Lines of the log that nobody read");
        });
    }

    /// Counts an HTTP request.
    pub(crate) fn http(
        &self,
        method: &'static str,
        endpoint: &'static str,
        status: u16,
        duration: Duration,
    ) {
        with_local_recorder(&self.recorder, || {
            counter!(HTTP_REQUESTS, "method" => method, "endpoint" => endpoint, "status" => status.to_string())
                .increment(1);
            histogram!(HTTP_DURATION, "method" => method, "endpoint" => endpoint).record(duration);
        });
    }

    /// Counts an exchange with a provider. Names of models that nobody resolved are not counted: callers may type anything.
    pub(crate) fn exchange(&self, record: &Record) {
        if record.provider.is_empty() {
            return;
        }
        with_local_recorder(&self.recorder, || {
            let labels =
                [("provider", Arc::clone(&record.provider)), ("model", Arc::clone(&record.model))];
            counter!(MODEL_REQUESTS, "provider" => Arc::clone(&record.provider), "model" => Arc::clone(&record.model), "outcome" => record.outcome.name())
                .increment(1);
            histogram!(MODEL_LATENCY, &labels).record(record.duration);
            if let Some(first_byte) = record.first_byte {
                histogram!(MODEL_FIRST_BYTE, &labels).record(first_byte);
            }
            self.tokens(record);
            if record.cost_usd > 0.0 {
                // A counter counts in whole numbers; a gauge holds the fraction of a cent.
                metrics::gauge!(MODEL_COST, &labels).increment(record.cost_usd);
            }
        });
    }

    fn tokens(&self, record: &Record) {
        let usage = &record.usage;
        let classes = [
            ("input", usage.input),
            ("output", usage.output),
            ("cache_read", usage.cache_read),
            ("cache_write", usage.cache_write),
            ("reasoning", usage.reasoning),
        ];
        for (class, tokens) in classes.into_iter().filter(|(_, tokens)| *tokens > 0) {
            counter!(MODEL_TOKENS, "provider" => Arc::clone(&record.provider), "model" => Arc::clone(&record.model), "type" => class)
                .increment(tokens);
        }
    }

    /// Counts a connection that has ended, or was not taken in.
    pub(crate) fn connection(&self, ended: &'static str) {
        with_local_recorder(&self.recorder, || {
            counter!(CONNECTIONS, "ended" => ended).increment(1);
        });
    }

    /// Sorts the times that were noted into their buckets. Until then each one is kept, so this must be called now and then
    /// even where nobody asks for the counters.
    pub(crate) fn sort_times(&self) {
        self.recorder.handle().run_upkeep();
    }

    /// Notes how much memory requests take.
    pub(crate) fn memory(&self, budget: &MemoryBudget) {
        with_local_recorder(&self.recorder, || {
            metrics::gauge!(MEMORY_USED).set(budget.used() as f64);
            metrics::gauge!(MEMORY_LIMIT).set(budget.limit() as f64);
            metrics::gauge!(MEMORY_PEAK).set(budget.peak() as f64);
            counter!(MEMORY_REFUSED).absolute(budget.refused());
        });
    }

    /// Returns everything in Prometheus's text form.
    pub(crate) fn render(&self) -> String {
        with_local_recorder(&self.recorder, || {
            counter!(LOG_DROPPED).absolute(super::lines::dropped());
        });
        // The library's counters hold whole numbers, so dollars are kept as a gauge; it only ever rises, which makes it a
        // counter for whoever reads it.
        self.recorder
            .handle()
            .render()
            .replace(&format!("# TYPE {MODEL_COST} gauge"), &format!("# TYPE {MODEL_COST} counter"))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Metrics, endpoint};

    #[test]
    fn labels_name_routes_and_not_paths() {
        assert_eq!(endpoint("/v1/chat/completions"), "/v1/chat/completions");
        assert_eq!(endpoint("/chat/completions"), "/v1/chat/completions");
        assert_eq!(endpoint("/models/openai/gpt-5"), "/v1/models");
        assert_eq!(endpoint("/v1/models/openai/gpt-5"), "/v1/models");
        assert_eq!(endpoint("/v1beta/models/gemini-2.5-pro:generateContent"), "/v1beta/models");
        assert_eq!(endpoint("/etc/passwd"), "other");
    }

    #[test]
    fn times_are_counted_once_before_and_after_they_are_sorted() {
        let metrics = Metrics::new().unwrap();
        for expected in ["} 1\n", "} 2\n"] {
            metrics.http("GET", "/health", 200, Duration::from_millis(3));
            for _ in 0..2 {
                metrics.sort_times();
                let text = metrics.render();
                let count = text.lines().find(|line| {
                    line.starts_with("switchyard_http_request_duration_seconds_count")
                });
                assert!(format!("{}\n", count.unwrap()).ends_with(expected), "{text}");
            }
        }
    }
}
