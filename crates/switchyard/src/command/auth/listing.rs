//! What is connected: every key of every source, which one is used, and what the provider said of
//! it last.

use anyhow::{Result, anyhow};
use serde_json::{Value, json};
use sy_credentials::{DEFAULT_ACCOUNT, KeyOutcome, Listed, Verdict};
use sy_server::Local;
use sy_types::{ErrorKind, Failure, Side};

use super::login::unknown;
use crate::cli::AuthStatus;
use crate::output;

/// One way in which a provider is connected, or would be if there were no problem.
pub(crate) struct Connected {
    pub(crate) provider: String,
    pub(crate) account: String,
    pub(crate) source: String,
    pub(crate) masked: String,
    pub(crate) label: Option<String>,
    pub(crate) problem: Option<String>,
    /// Whether calls carry this one.
    pub(crate) is_used: bool,
    pub(crate) outcome: Option<KeyOutcome>,
}

impl From<Listed> for Connected {
    fn from(listed: Listed) -> Self {
        let Listed { summary, is_used, outcome } = listed;
        Self {
            provider: summary.provider,
            account: summary.account,
            source: summary.source.to_string(),
            masked: summary.masked,
            label: summary.label,
            problem: summary.problem,
            is_used,
            outcome,
        }
    }
}

impl Connected {
    /// Returns true when calls can be made with it, as far as anybody knows.
    pub(crate) fn is_good(&self) -> bool {
        self.is_used && self.problem.is_none() && !self.is_rejected()
    }

    pub(crate) fn is_rejected(&self) -> bool {
        self.outcome.is_some_and(|outcome| outcome.verdict == Verdict::Rejected)
    }

    /// Says how it was when it was used last.
    fn state(&self) -> String {
        match (&self.problem, self.outcome) {
            (Some(problem), _) => problem.clone(),
            (None, Some(outcome)) => used_at(outcome),
            (None, None) if self.masked.is_empty() => "needs no key".to_owned(),
            (None, None) => "not used yet".to_owned(),
        }
    }
}

/// Says what the provider said, when, and with which status where that tells more.
pub(crate) fn used_at(outcome: KeyOutcome) -> String {
    let at = outcome.at.strftime("%Y-%m-%d %H:%M UTC");
    match outcome.verdict {
        Verdict::Ok => format!("ok at {at}"),
        Verdict::Rejected => format!("rejected at {at} ({})", outcome.status),
    }
}

/// Lists every key that a provider has, and the providers that need none.
pub(crate) fn connected(local: &Local, only: Option<&str>) -> Vec<Connected> {
    let credentials = local.credentials();
    let rows = local.catalog().rows();
    let mut found: Vec<Connected> = Vec::new();
    for row in &rows {
        let listed = credentials.list_of(&row.id, &row.env);
        if listed.is_empty() && local.is_connected(row) {
            found.push(Connected {
                provider: row.id.clone(),
                account: DEFAULT_ACCOUNT.to_owned(),
                source: "configuration, needs no key".to_owned(),
                masked: String::new(),
                label: None,
                problem: None,
                is_used: true,
                outcome: None,
            });
        }
        found.extend(listed.into_iter().map(Connected::from));
    }

    // A key may be stored for a provider that the catalog does not have, or that is switched off.
    let is_known = |provider: &str| rows.iter().any(|row| row.id == provider);
    let mut strangers: Vec<String> =
        credentials.list().into_iter().map(|key| key.provider).filter(|id| !is_known(id)).collect();
    strangers.dedup();
    for provider in &strangers {
        found.extend(credentials.list_of(provider, &[]).into_iter().map(Connected::from));
    }

    found.retain(|known| only.is_none_or(|only| known.provider == only));
    found.sort_by(|a, b| a.provider.cmp(&b.provider));
    found
}

/// Prints them.
pub(super) fn list(found: &[Connected], as_json: bool) -> Result<()> {
    if as_json {
        let entries = found.iter().map(|known| {
            let outcome = known.outcome.map(|outcome| {
                json!({
                    "outcome": outcome.verdict,
                    "status": outcome.status,
                    "at": outcome.at.to_string(),
                })
            });
            json!({
                "provider": known.provider,
                "account": known.account,
                "label": known.label,
                "source": known.source,
                "key": known.masked,
                "problem": known.problem,
                "used": known.is_used,
                "last_use": outcome,
            })
        });
        return Ok(output::json(&Value::Array(entries.collect()))?);
    }
    if found.is_empty() {
        output::note("no provider is connected: run `switchyard auth login`");
        return Ok(());
    }

    let rows = found.iter().map(|known| {
        let account = match &known.label {
            Some(label) => format!("{} ({label})", known.account),
            None => known.account.clone(),
        };
        let mark = if known.is_used { "*" } else { "" };
        vec![
            mark.to_owned(),
            known.provider.clone(),
            account,
            known.masked.clone(),
            known.source.clone(),
            known.state(),
        ]
    });
    output::table(&["", "PROVIDER", "ACCOUNT", "KEY", "FROM", "LAST USE"], rows.collect())?;
    output::note(
        "* is used: configuration before vault before OpenCode auth.json before environment",
    );
    Ok(())
}

/// Prints them, and fails when none can be used.
pub(super) fn status(arguments: &AuthStatus, local: &Local) -> Result<()> {
    let only = match &arguments.provider {
        Some(typed) => {
            Some(local.catalog().provider_id(typed).ok_or_else(|| unknown(local, typed))?)
        }
        None => None,
    };
    let found = connected(local, only.as_deref());
    if !found.is_empty() || arguments.output.is_json() {
        list(&found, arguments.output.is_json())?;
    }
    if found.iter().any(Connected::is_good) {
        return Ok(());
    }

    let message = match (only, found.as_slice()) {
        (Some(provider), []) => {
            format!("{provider} is not connected: run `switchyard auth login {provider}`")
        }
        (Some(provider), _) => {
            format!("{provider} has no key that works: run `switchyard auth login {provider}`")
        }
        (None, []) => "no provider is connected: run `switchyard auth login`".to_owned(),
        (None, _) => {
            "no provider has a key that works: `switchyard doctor` says what to do".to_owned()
        }
    };
    Err(anyhow!(Failure::new(ErrorKind::Unauthenticated, Side::Gateway, message)))
}
