//! `doctor`: checks that everything is in order, says what to do, and repairs what is safe to repair.
//!
//! Files are looked at before anything opens them. It calls no provider and spends nothing.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::ValueEnum;
use sy_catalog::LocalServer;
use sy_credentials::Source;
use sy_server::Local;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::cli::{Doctor, DoctorCheck};
use crate::context::Context;
use crate::exit::{self, InvalidConfig};
use crate::local_servers;
use crate::output::{self, Unwritten};

/// How long whoever has our port may take to say who it is.
const PATIENCE: Duration = Duration::from_secs(2);
/// What is said about everything that needs a configuration when there is none.
const NOT_CHECKED: &str = "not checked: the configuration is not valid";

/// What a check found.
enum Finding {
    Good(String),
    /// Worth knowing, but nothing is broken.
    Remark(String),
    /// Broken, with what to do.
    Bad {
        what: String,
        next: String,
    },
    Repaired(String),
}

/// Runs the checks; the exit code is 1 when something is broken.
pub(crate) async fn run(arguments: &Doctor, context: &Context) -> Result<ExitCode> {
    let wanted =
        if arguments.check.is_empty() { DoctorCheck::value_variants() } else { &arguments.check };
    let mut broken = 0;
    for &check in wanted {
        let findings = match check {
            DoctorCheck::Config => configuration(context),
            DoctorCheck::Files => files(context, arguments.fix),
            DoctorCheck::Auth => with_parts(context, auth),
            DoctorCheck::Models => with_parts(context, models),
            DoctorCheck::Local => local(context).await,
            DoctorCheck::Server => server(context).await,
        };
        for finding in findings {
            broken += u32::from(matches!(finding, Finding::Bad { .. }));
            show(check, &finding)?;
        }
    }
    Ok(if broken == 0 { ExitCode::SUCCESS } else { ExitCode::from(exit::FAILED) })
}

fn show(check: DoctorCheck, finding: &Finding) -> Result<(), Unwritten> {
    let name =
        check.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
    output::line(&match finding {
        Finding::Good(what) => format!("ok        {name:8} {what}"),
        Finding::Remark(what) => format!("note      {name:8} {what}"),
        Finding::Repaired(what) => format!("repaired  {name:8} {what}"),
        Finding::Bad { what, next } => format!("BROKEN    {name:8} {what}\n{:19}help: {next}", ""),
    })
}

fn configuration(context: &Context) -> Vec<Finding> {
    match sy_config::load(&context.inputs) {
        Ok(loaded) => {
            let mut findings =
                vec![Finding::Good(format!("{} layers are valid", loaded.layers.len()))];
            let of_project = loaded.project.iter().filter_map(|project| project.notice.clone());
            findings.extend(of_project.map(Finding::Remark));
            findings
                .extend(loaded.notices.iter().map(|notice| Finding::Remark(notice.to_string())));
            findings
        }
        Err(problems) => problems
            .into_iter()
            .map(|problem| {
                let next = problem
                    .help
                    .clone()
                    .unwrap_or_else(|| "correct the file: `switchyard config edit`".to_owned());
                Finding::Bad { what: problem.to_string(), next }
            })
            .collect(),
    }
}

/// Nobody but the owner may read keys and tokens.
#[cfg(unix)]
fn files(context: &Context, fix: bool) -> Vec<Finding> {
    use std::os::unix::fs::PermissionsExt;
    let paths = &context.inputs.paths;
    let mut private =
        vec![(paths.data.join("credentials"), 0o700), (sy_server::token_file(paths), 0o600)];
    private.extend(below(&paths.data.join("credentials")));
    let mut findings = Vec::new();
    let mut looked_at = 0;
    for (path, wanted) in private {
        let Ok(metadata) = std::fs::metadata(&path) else { continue };
        looked_at += 1;
        let mode = metadata.permissions().mode() & 0o777;
        if mode & !wanted == 0 {
            continue;
        }
        let what = format!("{} has mode {mode:o}, expected {wanted:o} or less", path.display());
        let repaired =
            fix && std::fs::set_permissions(&path, std::fs::Permissions::from_mode(wanted)).is_ok();
        findings.push(if repaired {
            Finding::Repaired(what)
        } else {
            Finding::Bad { what, next: "`switchyard doctor --fix` repairs it".to_owned() }
        });
    }
    if findings.is_empty() {
        findings.push(Finding::Good(format!("file permissions OK ({looked_at} checked)")));
    }
    findings
}

#[cfg(not(unix))]
fn files(_context: &Context, _fix: bool) -> Vec<Finding> {
    vec![Finding::Remark("file modes are checked on Unix only".to_owned())]
}

/// Lists files and folders below a folder with the mode that each should have.
fn below(folder: &Path) -> Vec<(PathBuf, u32)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().filter_map(std::result::Result::ok)
    {
        let path = entry.path();
        if path.is_dir() {
            found.push((path.clone(), 0o700));
            found.extend(below(&path));
        } else {
            found.push((path, 0o600));
        }
    }
    found
}

fn with_parts(context: &Context, check: impl FnOnce(&Local) -> Vec<Finding>) -> Vec<Finding> {
    let parts = context.composed().and_then(|composed| Ok(sy_server::local(composed)?));
    match parts {
        Ok(local) => check(&local),
        Err(error) if error.downcast_ref::<InvalidConfig>().is_some() => {
            vec![Finding::Remark(NOT_CHECKED.to_owned())]
        }
        Err(error) => {
            let next =
                "correct what the message names; `switchyard doctor --check files` looks at the files".to_owned();
            vec![Finding::Bad { what: format!("{error:#}"), next }]
        }
    }
}

fn auth(local: &Local) -> Vec<Finding> {
    let mut findings: Vec<Finding> = local
        .credentials()
        .list()
        .into_iter()
        .filter_map(|summary| {
            let problem = summary.problem?;
            let what = format!(
                "the key of {} (account {}) cannot be used: {problem}",
                summary.provider, summary.account
            );
            let next = match summary.source {
                Source::Configuration => "change the configuration as the message says".to_owned(),
                _ => format!("store it anew: `switchyard auth login {}`", summary.provider),
            };
            Some(Finding::Bad { what, next })
        })
        .collect();
    let connected: Vec<String> = local
        .catalog()
        .rows()
        .iter()
        .filter(|row| local.is_connected(row))
        .map(|row| row.id.to_string())
        .collect();
    if connected.is_empty() {
        let next = "`switchyard auth login` connects one".to_owned();
        findings.push(Finding::Bad { what: "no provider is connected".to_owned(), next });
    } else {
        findings.push(Finding::Good(format!("connected: {}", connected.join(", "))));
    }
    findings
}

fn models(local: &Local) -> Vec<Finding> {
    let rows = local.catalog().rows();
    let count: usize = rows.iter().map(|row| row.model_count).sum();
    let mut findings =
        vec![Finding::Good(format!("the catalog has {} providers and {count} models", rows.len()))];
    let differences = local.catalog().differences();
    findings.extend(differences.iter().map(|difference| Finding::Remark(difference.to_string())));
    match local.default_model() {
        Ok(name) => findings.push(Finding::Good(format!("the default model is {name}"))),
        Err(failure) => findings.push(Finding::Bad {
            what: format!("there is no default model: {}", failure.message),
            next: "connect a provider, or set one: `switchyard config set model PROVIDER/MODEL`"
                .to_owned(),
        }),
    }
    findings
}

async fn local(context: &Context) -> Vec<Finding> {
    let servers = local_servers::find().await;
    if servers.is_empty() {
        return vec![Finding::Good("no inference server runs on the usual ports".to_owned())];
    }
    let config = context.load().map(|loaded| loaded.config).ok();
    let judge = |server: &LocalServer| {
        let LocalServer { id, name, base_url, .. } = server;
        match config.as_ref().is_some_and(|config| config.provider.contains_key(id)) {
            true => Finding::Good(format!("{name} runs at {base_url} and is configured")),
            false => Finding::Remark(format!(
                "{name} runs at {base_url}: `switchyard auth login {id}` adds it"
            )),
        }
    };
    servers.iter().map(judge).collect()
}

/// Either our server answers on its port, or the port is free.
async fn server(context: &Context) -> Vec<Finding> {
    let Ok(loaded) = context.load() else {
        return vec![Finding::Remark(NOT_CHECKED.to_owned())];
    };
    let (host, port) = (loaded.config.server.host.as_str(), loaded.config.server.port);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if port == 0 {
        return vec![Finding::Good("the server takes a free port at each start".to_owned())];
    }
    let error = match TcpListener::bind((host, port)).await {
        Ok(_) => {
            return vec![Finding::Good(format!(
                "port {port} of {host} is free: `switchyard serve` starts the server"
            ))];
        }
        Err(error) => error,
    };
    if error.kind() != std::io::ErrorKind::AddrInUse {
        let next = "correct it: `switchyard config set server.host 127.0.0.1` and `switchyard config set server.port 8080`";
        return vec![Finding::Bad {
            what: format!("cannot listen on port {port} of {host}: {error}"),
            next: next.to_owned(),
        }];
    }
    // What listens on all addresses is reached by this machine's own.
    let address = if host == "0.0.0.0" || host == "::" { "127.0.0.1" } else { host };
    if is_ours(address, port).await {
        return vec![Finding::Good(format!("the server answers on port {port} of {host}"))];
    }
    let next =
        "stop it, or choose another port: `switchyard config set server.port PORT`".to_owned();
    vec![Finding::Bad { what: format!("another program has port {port} of {host}"), next }]
}

/// Asks who is there.
async fn is_ours(host: &str, port: u16) -> bool {
    let ask = async {
        let mut stream = TcpStream::connect((host, port)).await?;
        stream
            .write_all(
                format!("GET / HTTP/1.1\r\nhost: localhost:{port}\r\nconnection: close\r\n\r\n")
                    .as_bytes(),
            )
            .await?;
        let mut answer = String::new();
        stream.take(4096).read_to_string(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    let answer = tokio::time::timeout(PATIENCE, ask).await;
    answer.is_ok_and(|answer| answer.is_ok_and(|text| text.contains("\"name\":\"switchyard\"")))
}
