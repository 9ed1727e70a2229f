//! Which keys take effect while the server runs, and which at its next start.
//!
//! One row per key; a test keeps the table equal to the section types, so that a new key must be given a row. Read by the
//! server at a reload and by the reference page. It restarts nothing.

use crate::section::Config;

/// When a changed key takes effect in a running server.
#[derive(Clone, Copy, Debug)]
enum Effect {
    /// With the reload.
    Reload,
    /// At the next start; the function returns true where both configurations say the same.
    Restart(fn(&Config, &Config) -> bool),
}

/// A key, or a map or list that is looked at as a whole.
#[derive(Clone, Copy, Debug)]
struct Key {
    path: &'static str,
    effect: Effect,
}

const fn live(path: &'static str) -> Key {
    Key { path, effect: Effect::Reload }
}

const fn restart(path: &'static str, is_same: fn(&Config, &Config) -> bool) -> Key {
    Key { path, effect: Effect::Restart(is_same) }
}

const KEYS: &[Key] = &[
    live("model"),
    live("small_model"),
    live("provider"),
    live("enabled_providers"),
    live("disabled_providers"),
    live("alias"),
    live("models.defaults.primary"),
    live("models.defaults.fallbacks"),
    live("retry.maxRetries"),
    live("retry.baseDelay"),
    live("retry.maxDelay"),
    live("retry.backoffMultiplier"),
    live("retry.failover"),
    // The listener, its limits and the checks of hosts and origins are made once.
    restart("server.host", |a, b| a.server.host == b.server.host),
    restart("server.port", |a, b| a.server.port == b.server.port),
    restart("server.allowed_hosts", |a, b| a.server.allowed_hosts == b.server.allowed_hosts),
    restart("server.allowed_origins", |a, b| a.server.allowed_origins == b.server.allowed_origins),
    live("server.body_limit_mb"),
    live("server.memory_mb"),
    live("server.request_memory_mb"),
    live("server.event_limit_mb"),
    live("server.answer_limit_mb"),
    live("server.shutdown_seconds"),
    restart("server.connections.max", |a, b| a.server.connections.max == b.server.connections.max),
    restart("server.connections.max_per_address", |a, b| {
        a.server.connections.max_per_address == b.server.connections.max_per_address
    }),
    restart("server.timeouts.head", |a, b| a.server.timeouts.head == b.server.timeouts.head),
    restart("server.timeouts.body", |a, b| a.server.timeouts.body == b.server.timeouts.body),
    restart("server.timeouts.idle", |a, b| a.server.timeouts.idle == b.server.timeouts.idle),
    restart("server.timeouts.send", |a, b| a.server.timeouts.send == b.server.timeouts.send),
    live("server.strict"),
    live("catalog.url"),
    live("catalog.offline"),
    live("catalog.ttl_seconds"),
    live("credentials.opencode_auth"),
    // The vault is opened once, for one profile.
    restart("credentials.profile", |a, b| a.credentials.profile == b.credentials.profile),
    restart("log.level", |a, b| a.log.level == b.log.level),
    restart("log.format", |a, b| a.log.format == b.log.format),
    live("opencode_config"),
    live("trusted_projects"),
];

/// Returns true for a key that takes effect at the next start only.
pub(crate) fn needs_restart(path: &str) -> bool {
    KEYS.iter().any(|key| key.path == path && matches!(key.effect, Effect::Restart(_)))
}

/// Returns the keys that differ and take effect at the next start only.
pub fn restart_keys(running: &Config, now: &Config) -> Vec<&'static str> {
    let differs = |key: &&Key| match key.effect {
        Effect::Reload => false,
        Effect::Restart(is_same) => !is_same(running, now),
    };
    KEYS.iter().filter(differs).map(|key| key.path).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Effect, KEYS, restart_keys};
    use crate::env::Environment;
    use crate::schema::{properties, schema};
    use crate::section::Config;

    /// Collects every key of the types; maps, whose names are the user's, are one key.
    fn keys(root: &Value, schema: &Value, prefix: &str, found: &mut Vec<String>) {
        for (name, property) in properties(root, schema).into_iter().flatten() {
            let has_effect = !matches!(name.as_str(), "$schema" | "version");
            if property.get("deprecated").is_some() || !has_effect {
                continue;
            }
            let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
            match properties(root, property) {
                Some(_) => keys(root, property, &key, found),
                None => found.push(key),
            }
        }
    }

    #[test]
    fn every_key_of_the_types_has_one_row() {
        let schema = schema();
        let mut found = Vec::new();
        keys(&schema, &schema, "", &mut found);
        let mut rows: Vec<&str> = KEYS.iter().map(|key| key.path).collect();
        found.sort();
        rows.sort_unstable();
        assert_eq!(found, rows, "add a row to KEYS: does a reload bring the key into force?");
    }

    /// Returns a configuration in which this key says something else than by default.
    fn changed(path: &str) -> Config {
        let value = match path {
            "server.host" => json!("127.0.0.2"),
            "server.allowed_hosts" => json!(["a.example"]),
            "server.allowed_origins" => json!(["https://a.example"]),
            "log.level" => json!("debug"),
            "log.format" => json!("json"),
            "credentials.profile" => json!("work"),
            _ => json!(77),
        };
        let nested = path.rsplit('.').fold(value, |inner, name| json!({ name: inner }));
        crate::parse(&nested.to_string(), &Environment::default()).expect(path)
    }

    #[test]
    fn each_row_looks_at_its_own_key() {
        for key in KEYS.iter().filter(|key| matches!(key.effect, Effect::Restart(_))) {
            assert_eq!(restart_keys(&Config::default(), &changed(key.path)), [key.path]);
        }
        assert!(restart_keys(&Config::default(), &Config::default()).is_empty());
    }
}
