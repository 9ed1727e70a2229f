//! `auth`: our credentials for other people's services.
//!
//! A key is typed into a hidden prompt or comes on standard input, never as an argument: arguments are seen by every program.

use std::io::{IsTerminal, Read};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, anyhow, bail};
use serde_json::{Value, json};
use sy_credentials::{Credential, Credentials};
use sy_server::Local;
use sy_types::{ErrorKind, Failure, Secret, Side};

use crate::cli::{Auth, AuthFile, Login};
use crate::context::Context;
use crate::local_servers;
use crate::output;

/// Runs the command.
pub(crate) async fn run(command: Auth, context: &Context) -> Result<ExitCode> {
    let local = sy_server::local(context.composed(false)?)?;
    let credentials = local.credentials();
    match command {
        Auth::Login(arguments) => login(&arguments, &local, context).await?,
        Auth::List(arguments) => list(&local, None, arguments.json),
        Auth::Status(arguments) => {
            list(&local, arguments.provider.as_deref(), arguments.json);
            if connected(&local, arguments.provider.as_deref()).is_empty() {
                let what = arguments.provider.as_deref().unwrap_or("any provider");
                let message = format!("{what} is not connected: run `switchyard auth login`");
                return Err(anyhow!(Failure::new(ErrorKind::Unauthenticated, Side::Gateway, message)));
            }
        }
        Auth::Logout(arguments) => logout(&arguments.provider, arguments.account.as_deref(), &local)?,
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
        local_servers::add(server, &context.user_file())?;
        output::note(&format!("added {} at {} with {} models", server.name, server.base_url, server.models.len()));
        return Ok(());
    }
    let provider = local.catalog().provider_id(&wanted).ok_or_else(|| unknown_provider(&wanted))?;
    let key = read_key(&provider)?;
    let stored = local.credentials().put(&provider, arguments.account.as_deref(), Credential::ApiKey(key), arguments.label.as_deref())?;
    if let Some(warning) = &stored.warning {
        output::warning(warning);
    }
    output::note(&format!("{provider} is connected"));
    Ok(())
}

fn unknown_provider(wanted: &str) -> anyhow::Error {
    let message = format!("there is no provider {wanted:?}: run `switchyard auth login` to choose from a list, or configure it under provider.{wanted} first");
    anyhow!(Failure::new(ErrorKind::NotFound, Side::Caller, message))
}

/// Lets a person choose: local servers first, then every provider that takes a key.
fn choose(local: &Local, servers: &[sy_catalog::LocalServer]) -> Result<String> {
    if !output::is_interactive() {
        bail!("expected a provider: switchyard auth login PROVIDER (without a terminal nobody can be asked)");
    }
    let mut select = cliclack::select("Which provider?").filter_mode();
    for server in servers {
        select = select.item(server.id.to_string(), &server.name, format!("running at {}", server.base_url));
    }
    for row in local.catalog().rows() {
        select = select.item(row.id.to_string(), &row.name, &row.id);
    }
    Ok(select.interact()?)
}

fn read_key(provider: &str) -> Result<Secret> {
    if std::io::stdin().is_terminal() {
        return Ok(Secret::new(cliclack::password(format!("API key of {provider}")).mask('•').interact()?));
    }
    let mut text = String::new();
    std::io::stdin().take(64 << 10).read_to_string(&mut text).context("the key on standard input is not UTF-8 text")?;
    let key = Secret::new(text.trim());
    if key.is_blank() {
        bail!("expected the key of {provider} on standard input, got nothing");
    }
    Ok(key)
}

fn logout(provider: &str, account: Option<&str>, local: &Local) -> Result<()> {
    let id = local.catalog().provider_id(provider).unwrap_or_else(|| provider.to_owned());
    if !local.credentials().remove(&id, account)? {
        let message = format!("there is no stored key for {id}: keys of the configuration or the environment are removed there");
        return Err(anyhow!(Failure::new(ErrorKind::NotFound, Side::Caller, message)));
    }
    output::note(&format!("removed the stored key of {id}"));
    if local.is_provider_connected(&id) {
        output::warning(&format!("{id} is still connected by another source: see `switchyard auth list`"));
    }
    Ok(())
}

/// One way in which a provider is connected.
struct Connected {
    provider: String,
    account: String,
    source: String,
    masked: String,
    problem: Option<String>,
}

fn connected(local: &Local, only: Option<&str>) -> Vec<Connected> {
    let mut found: Vec<Connected> = local
        .credentials()
        .list()
        .into_iter()
        .map(|summary| Connected {
            provider: summary.provider,
            account: summary.account,
            source: summary.source.to_string(),
            masked: summary.masked,
            problem: summary.problem,
        })
        .collect();
    for row in local.catalog().rows() {
        if found.iter().any(|known| known.provider == *row.id) || !local.is_connected(&row) {
            continue;
        }
        let source = row.env.iter().find(|name| local.environment().get(name).is_some());
        let source = source.map_or_else(|| "configuration, without a key".to_owned(), |name| format!("environment ({name})"));
        found.push(Connected { provider: row.id.to_string(), account: "default".to_owned(), source, masked: String::new(), problem: None });
    }
    found.retain(|known| only.is_none_or(|only| known.provider == only));
    found
}

fn list(local: &Local, only: Option<&str>, as_json: bool) {
    let found = connected(local, only);
    if as_json {
        let entries = found.iter().map(|known| {
            json!({"provider": known.provider, "account": known.account, "source": known.source, "key": known.masked, "problem": known.problem})
        });
        output::json(&Value::Array(entries.collect()));
        return;
    }
    if found.is_empty() {
        output::note("nothing is connected: run `switchyard auth login`");
        return;
    }
    let rows = found.into_iter().map(|known| {
        vec![known.provider, known.account, known.masked, known.source, known.problem.unwrap_or_else(|| "ok".to_owned())]
    });
    output::table(&["PROVIDER", "ACCOUNT", "KEY", "FROM", "STATE"], rows.collect());
}

fn import(arguments: &AuthFile, credentials: &Credentials, context: &Context) -> Result<()> {
    let report = credentials.import_opencode(&opencode_file(arguments, context)?)?;
    output::note(&format!("imported: {}", names(&report.imported)));
    output::note(&format!("there already: {}", names(&report.unchanged)));
    for skipped in &report.skipped {
        output::warning(&format!("passed over {}: {}", skipped.provider, skipped.reason));
    }
    for warning in &report.warnings {
        output::warning(warning);
    }
    Ok(())
}

fn export(arguments: &AuthFile, credentials: &Credentials, context: &Context) -> Result<()> {
    let file = opencode_file(arguments, context)?;
    let report = credentials.export_opencode(&file)?;
    output::note(&format!("wrote {} to {}, as plain text", names(&report.exported), file.display()));
    for skipped in &report.skipped {
        output::warning(&format!("passed over {}: {}", skipped.provider, skipped.reason));
    }
    Ok(())
}

fn opencode_file(arguments: &AuthFile, context: &Context) -> Result<PathBuf> {
    let own = || sy_config::paths::opencode_data(&context.inputs.environment).map(|folder| folder.join("auth.json"));
    arguments.file.clone().or_else(own).ok_or_else(|| anyhow!("expected a file: nothing says where OpenCode's auth.json is"))
}

fn names(list: &[String]) -> String {
    if list.is_empty() { "nothing".to_owned() } else { list.join(", ") }
}
