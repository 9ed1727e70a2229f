//! `auth`: our credentials for other people's services.
//!
//! A key is typed into a hidden prompt or comes on standard input, never as an argument: arguments are seen by every program.

use std::io::{IsTerminal, Read};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, anyhow};
use serde_json::{Value, json};
use sy_credentials::{Credential, Credentials, DEFAULT_ACCOUNT, Skipped, Summary};
use sy_server::Local;
use sy_types::{ErrorKind, Failure, Secret, Side};

use crate::cli::{Auth, AuthFile, AuthStatus, Login};
use crate::context::Context;
use crate::exit::Usage;
use crate::local_servers;
use crate::output;

/// The longest key that is read from standard input, in bytes.
const KEY_LIMIT: u64 = 64 << 10;

/// Runs the command.
pub(crate) async fn run(command: Auth, context: &Context) -> Result<ExitCode> {
    let local = sy_server::local(context.composed()?)?;
    let credentials = local.credentials();
    match command {
        Auth::Login(arguments) => login(&arguments, &local, context).await?,
        Auth::List(arguments) => list(connected(&local, None), arguments.json)?,
        Auth::Status(arguments) => status(&arguments, &local)?,
        Auth::Logout(arguments) => {
            logout(&arguments.provider, arguments.account.as_deref(), &local)?
        }
        Auth::Import(arguments) => import(&arguments, credentials, context)?,
        Auth::Export(arguments) => export(&arguments, credentials, context)?,
        Auth::Rotate => {
            let rotation = credentials.rotate()?;
            output::note(&format!("encrypted {} keys anew", rotation.records));
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn login(arguments: &Login, local: &Local, context: &Context) -> Result<()> {
    let servers = {
        let _looking = output::progress("looking for local servers");
        local_servers::find().await
    };
    let wanted = match &arguments.provider {
        Some(provider) => provider.clone(),
        None => choose(local, &servers)?,
    };
    if let Some(server) = servers.iter().find(|server| *server.id == *wanted) {
        let config = context.load()?.config;
        let added =
            local_servers::add(server, config.provider.get(&server.id), &context.user_file())?;
        output::note(&match added {
            0 => format!(
                "{} at {} was connected before; it has no new models",
                server.name, server.base_url
            ),
            _ => {
                format!("{} at {} is connected; new models: {added}", server.name, server.base_url)
            }
        });
        return Ok(());
    }
    let provider = local.catalog().provider_id(&wanted).ok_or_else(|| unknown_provider(&wanted))?;
    let key = read_key(&provider)?;
    let credential = Credential::ApiKey(key);
    let stored = local.credentials().put(
        &provider,
        arguments.account.as_deref(),
        credential,
        arguments.label.as_deref(),
    )?;
    if let Some(warning) = &stored.warning {
        output::warning(warning);
    }
    output::note(&format!(
        "{provider} is connected: `switchyard models {provider}` lists its models"
    ));
    Ok(())
}

fn unknown_provider(wanted: &str) -> anyhow::Error {
    let message = format!(
        "there is no provider {wanted:?}: `switchyard auth login` lets you choose from all; a server on this machine must be \
         running to be found, and any other goes into the configuration under provider.{wanted}"
    );
    anyhow!(Failure::new(ErrorKind::NotFound, Side::Caller, message))
}

/// Lets a person choose: local servers first, then every provider that takes a key.
fn choose(local: &Local, servers: &[sy_catalog::LocalServer]) -> Result<String> {
    if !output::is_interactive() {
        let message = "expected a provider: switchyard auth login PROVIDER (without a terminal nobody can be asked)";
        return Err(Usage(message.to_owned()).into());
    }
    let mut select = cliclack::select("Which provider?").filter_mode();
    for server in servers {
        select = select.item(
            server.id.to_string(),
            &server.name,
            format!("running at {}", server.base_url),
        );
    }
    for row in local.catalog().rows() {
        select = select.item(row.id.to_string(), &row.name, &row.id);
    }
    Ok(select.interact()?)
}

fn read_key(provider: &str) -> Result<Secret> {
    if std::io::stdin().is_terminal() {
        return Ok(Secret::new(
            cliclack::password(format!("API key of {provider}")).mask('•').interact()?,
        ));
    }
    let mut text = String::new();
    std::io::stdin()
        .take(KEY_LIMIT)
        .read_to_string(&mut text)
        .context("the key on standard input is not UTF-8 text")?;
    let key = Secret::new(text.trim());
    if key.is_blank() {
        return Err(Usage(format!(
            "expected the key of {provider} on standard input, got nothing"
        ))
        .into());
    }
    Ok(key)
}

fn logout(provider: &str, account: Option<&str>, local: &Local) -> Result<()> {
    let id = local.catalog().provider_id(provider).unwrap_or_else(|| provider.to_owned());
    if !local.credentials().remove(&id, account)? {
        let message = format!(
            "there is no stored key for {id}: keys of the configuration or the environment are removed there"
        );
        return Err(anyhow!(Failure::new(ErrorKind::NotFound, Side::Caller, message)));
    }
    output::note(&format!("removed the stored key of {id}"));
    if local.is_provider_connected(&id) {
        output::warning(&format!(
            "{id} is still connected by another source: see `switchyard auth list`"
        ));
    }
    Ok(())
}

fn status(arguments: &AuthStatus, local: &Local) -> Result<()> {
    let only = match &arguments.provider {
        Some(typed) => {
            Some(local.catalog().provider_id(typed).ok_or_else(|| unknown_provider(typed))?)
        }
        None => None,
    };
    let found = connected(local, only.as_deref());
    let is_connected = found.iter().any(|known| known.problem.is_none());
    if !found.is_empty() || arguments.json {
        list(found, arguments.json)?;
    }
    if is_connected {
        return Ok(());
    }
    let message = match only {
        Some(provider) => {
            format!("{provider} is not connected: run `switchyard auth login {provider}`")
        }
        None => "no provider is connected: run `switchyard auth login`".to_owned(),
    };
    Err(anyhow!(Failure::new(ErrorKind::Unauthenticated, Side::Gateway, message)))
}

/// One way in which a provider is connected, or would be if there were no problem.
struct Connected {
    provider: String,
    account: String,
    source: String,
    masked: String,
    label: Option<String>,
    problem: Option<String>,
}

impl From<Summary> for Connected {
    fn from(summary: Summary) -> Self {
        let Summary { provider, account, source, masked, label, problem, .. } = summary;
        Self { provider, account, source: source.to_string(), masked, label, problem }
    }
}

/// Lists the stored and configured keys, then the providers that the environment connects and those that need no key.
fn connected(local: &Local, only: Option<&str>) -> Vec<Connected> {
    let mut found: Vec<Connected> =
        local.credentials().list().into_iter().map(Connected::from).collect();
    for row in local.catalog().rows() {
        if found.iter().any(|known| known.provider == *row.id) || !local.is_connected(&row) {
            continue;
        }
        let (source, masked) = match local.credentials().lease(&row.id, &row.env, None) {
            Ok(lease) => (lease.source.to_string(), lease.credential.secret().masked()),
            Err(_) => ("configuration, needs no key".to_owned(), String::new()),
        };
        let account = DEFAULT_ACCOUNT.to_owned();
        found.push(Connected {
            provider: row.id,
            account,
            source,
            masked,
            label: None,
            problem: None,
        });
    }
    found.retain(|known| only.is_none_or(|only| known.provider == only));
    found
}

fn list(found: Vec<Connected>, as_json: bool) -> Result<()> {
    if as_json {
        let entries = found.iter().map(|known| {
            json!({"provider": known.provider, "account": known.account, "label": known.label, "source": known.source,
                "key": known.masked, "problem": known.problem})
        });
        return Ok(output::json(&Value::Array(entries.collect()))?);
    }
    if found.is_empty() {
        output::note("no provider is connected: run `switchyard auth login`");
        return Ok(());
    }
    let rows = found.into_iter().map(|known| {
        let account = match known.label {
            Some(label) => format!("{} ({label})", known.account),
            None => known.account,
        };
        vec![
            known.provider,
            account,
            known.masked,
            known.source,
            known.problem.unwrap_or_else(|| "ok".to_owned()),
        ]
    });
    Ok(output::table(&["PROVIDER", "ACCOUNT", "KEY", "FROM", "STATE"], rows.collect())?)
}

fn import(arguments: &AuthFile, credentials: &Credentials, context: &Context) -> Result<()> {
    let report = credentials.import_opencode(&opencode_file(arguments, context)?)?;
    output::note(&format!("imported: {}", names(&report.imported)));
    if !report.unchanged.is_empty() {
        output::note(&format!("there already: {}", names(&report.unchanged)));
    }
    warn_skipped(&report.skipped);
    for warning in &report.warnings {
        output::warning(warning);
    }
    Ok(())
}

fn export(arguments: &AuthFile, credentials: &Credentials, context: &Context) -> Result<()> {
    let file = opencode_file(arguments, context)?;
    let report = credentials.export_opencode(&file)?;
    output::note(&format!(
        "wrote as plain text to {}: {}",
        file.display(),
        names(&report.exported)
    ));
    warn_skipped(&report.skipped);
    Ok(())
}

fn warn_skipped(skipped: &[Skipped]) {
    for Skipped { provider, reason } in skipped {
        output::warning(&format!("passed over {provider}: {reason}"));
    }
}

/// Returns the file that is named, else OpenCode's own.
fn opencode_file(arguments: &AuthFile, context: &Context) -> Result<PathBuf> {
    if let Some(file) = &arguments.file {
        return Ok(context.inputs.directory.join(file));
    }
    let folder = sy_config::paths::opencode_data(&context.inputs.environment);
    let folder = folder.ok_or_else(|| {
        Usage("expected a file: nothing says where OpenCode's auth.json is".to_owned())
    })?;
    Ok(folder.join("auth.json"))
}

fn names(list: &[String]) -> String {
    if list.is_empty() { "nothing".to_owned() } else { list.join(", ") }
}
