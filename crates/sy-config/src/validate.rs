//! Checks what the schema cannot say: addresses, names, and what one key says about another.
//!
//! Called once on the merged configuration; each problem still points to the layer that wrote the value. It does not know
//! which providers and models exist.

use std::net::IpAddr;

use url::Url;

use crate::alias_circle::circles;
use crate::node::Node;
use crate::report::Report;
use crate::section::{Config, Headers};

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// Checks the merged configuration. `merged` tells where each value was written.
pub(crate) fn validate(config: &Config, merged: &Node, report: &mut Report) {
    let mut validator = Validator { config, merged, report };
    validator.check_providers();
    validator.check_aliases();
    validator.check_sections();
}

struct Validator<'a> {
    config: &'a Config,
    merged: &'a Node,
    report: &'a mut Report,
}

impl Validator<'_> {
    fn problem(&mut self, names: &[&str], message: &str) {
        let path =
            names.iter().fold(crate::key_path::KeyPath::default(), |path, name| path.child(name));
        self.report.problem(self.merged.nearest_place(names), format!("`{path}`: {message}"), None);
    }

    fn check_providers(&mut self) {
        for (id, provider) in &self.config.provider {
            self.check_address(&["provider", id, "api"], provider.api.as_deref());
            self.check_address(
                &["provider", id, "options", "baseURL"],
                provider.options.base_url.as_deref(),
            );
            self.check_headers(&["provider", id, "options", "headers"], &provider.options.headers);
            for (name, model) in &provider.models {
                let path = ["provider", id, "models", name, "provider", "api"];
                self.check_address(&path, model.provider.api.as_deref());
                self.check_headers(&["provider", id, "models", name, "headers"], &model.headers);
            }
        }
        self.check_address(&["catalog", "url"], Some(&self.config.catalog.url));
    }

    fn check_address(&mut self, names: &[&str], address: Option<&str>) {
        let Some(address) = address else { return };
        // The catalog fills placeholders and checks the result.
        if address.contains("${") {
            return;
        }
        match Url::parse(address) {
            Ok(url) if !matches!(url.scheme(), "http" | "https") || url.host().is_none() => {
                self.problem(names, "expected an http or https address");
            }
            Ok(url) if !url.username().is_empty() || url.password().is_some() => {
                self.problem(
                    names,
                    "expected an address without user name and password; use apiKey or headers for them",
                );
            }
            Ok(_) => {}
            Err(reason) => {
                self.problem(names, &format!("expected an http or https address: {reason}"))
            }
        }
    }

    fn check_headers(&mut self, names: &[&str], headers: &Headers) {
        for (name, text) in headers {
            let names: Vec<&str> = names.iter().copied().chain([name.as_str()]).collect();
            let is_token = !name.is_empty()
                && name
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b));
            if !is_token {
                self.problem(&names, "expected a header name of letters, digits and -");
            }
            if text.expose().chars().any(|c| c.is_control() && c != '\t') {
                self.problem(
                    &names,
                    "expected a header value without line breaks and control characters",
                );
            }
        }
    }

    fn check_aliases(&mut self) {
        for (name, alias) in &self.config.alias {
            if name.trim().is_empty() {
                self.problem(&["alias", name], "expected a name");
            }
            if alias.names().iter().any(|target| target.trim().is_empty()) {
                self.problem(&["alias", name], "expected names of models, got an empty one");
            }
        }
        for (name, circle) in circles(&self.config.alias) {
            let message = format!("expected to end at a model, but it goes in a circle: {circle}");
            self.problem(&["alias", name], &message);
        }
        for (key, model) in
            [("model", &self.config.model), ("small_model", &self.config.small_model)]
        {
            if model.as_ref().is_some_and(|model| model.trim().is_empty()) {
                self.problem(
                    &[key],
                    "expected provider/model or the name of an alias, got an empty string",
                );
            }
        }
    }

    fn check_sections(&mut self) {
        let Config { retry, server, credentials, log, .. } = self.config;
        if retry.base_delay > retry.max_delay {
            let message = format!(
                "expected at most retry.maxDelay ({}), got {}",
                retry.max_delay, retry.base_delay
            );
            self.problem(&["retry", "baseDelay"], &message);
        }
        if server.host != "localhost" && server.host.parse::<IpAddr>().is_err() {
            self.problem(&["server", "host"], "expected an IP address or localhost");
        }
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if !credentials.profile.chars().all(is_plain) || credentials.profile.starts_with('.') {
            self.problem(
                &["credentials", "profile"],
                "expected letters, digits, `-`, `_` and `.`, not beginning with `.`",
            );
        }
        if !log.level.split(',').all(is_log_directive) {
            let message = format!(
                "expected {}, or directives such as info,sy_router=debug",
                LEVELS.join(", ")
            );
            self.problem(&["log", "level"], &message);
        }
    }
}

/// Returns true for `level` and `part=level`.
fn is_log_directive(directive: &str) -> bool {
    let (part, level) = directive.trim().split_once('=').unwrap_or(("all", directive.trim()));
    !part.is_empty() && LEVELS.contains(&level.to_ascii_lowercase().as_str())
}
