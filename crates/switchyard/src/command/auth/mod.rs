//! `auth`: our credentials for other people's services.
//!
//! `login` signs in: `choose` asks what to, `key` reads and checks the key, `endpoint` adds a
//! server by its address. `listing` shows what is connected. A key is typed into a hidden prompt or
//! comes on standard input, never as an argument: arguments are seen by every program.

mod choose;
mod endpoint;
mod key;
mod listing;
mod login;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, anyhow};
use sy_credentials::{Credentials, Skipped};
use sy_server::Local;
use sy_types::{ErrorKind, Failure, Side};

use crate::cli::{Auth, AuthFile};
use crate::context::Context;
use crate::exit::Usage;
use crate::output;

pub(crate) use listing::{Connected, connected, used_at};

/// Runs the command.
pub(crate) async fn run(command: Auth, context: &Context) -> Result<ExitCode> {
    let local = sy_server::local(context.composed()?)?;
    let credentials = local.credentials();
    match command {
        Auth::Login(arguments) => login::run(&arguments, &local, context).await?,
        Auth::List(arguments) => {
            listing::list(&connected(&local, None), arguments.output.is_json())?
        }
        Auth::Status(arguments) => listing::status(&arguments, &local)?,
        Auth::Logout(arguments) => {
            logout(&arguments.provider, arguments.account.as_deref(), &local)?
        }
        Auth::Import(arguments) => import(&arguments, credentials, context)?,
        Auth::Export(arguments) => export(&arguments, credentials, context)?,
        Auth::Rotate => {
            let rotation = credentials.rotate()?;
            output::note(&match rotation.records {
                1 => "re-encrypted 1 key".to_owned(),
                count => format!("re-encrypted {count} keys"),
            });
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn logout(provider: &str, account: Option<&str>, local: &Local) -> Result<()> {
    let id = local.catalog().provider_id(provider).unwrap_or_else(|| provider.to_owned());
    if !local.credentials().remove(&id, account)? {
        let message = format!(
            "there is no stored key for {id}: a key of the configuration or the environment is removed there"
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

fn import(arguments: &AuthFile, credentials: &Credentials, context: &Context) -> Result<()> {
    let report = credentials.import_opencode(&opencode_file(arguments, context)?)?;
    output::note(&format!("imported: {}", names(&report.imported)));
    if !report.unchanged.is_empty() {
        output::note(&format!("already stored: {}", names(&report.unchanged)));
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
        output::warning(&format!("skipped {provider}: {reason}"));
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
