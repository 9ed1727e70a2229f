//! `doctor`: checks that everything is in order, says what to do, and repairs what is safe to
//! repair.
//!
//! Files are looked at before anything opens them. It calls no provider and spends nothing.

mod auth;
mod files;
mod server;

use std::process::ExitCode;

use anyhow::Result;
use clap::ValueEnum;
use serde_json::{Value, json};
use sy_catalog::LocalServer;
use sy_server::Local;

use crate::cli::{Doctor, DoctorCheck};
use crate::context::Context;
use crate::exit::{self, InvalidConfig};
use crate::local_servers;
use crate::output::{self, Unwritten};

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
        next: Option<String>,
    },
    Repaired(String),
}

/// Runs the checks; the exit code is 1 when something is broken.
pub(crate) async fn run(arguments: &Doctor, context: &Context) -> Result<ExitCode> {
    let wanted =
        if arguments.check.is_empty() { DoctorCheck::value_variants() } else { &arguments.check };
    let (mut broken, mut entries) = (0, Vec::new());
    for &check in wanted {
        let findings = match check {
            DoctorCheck::Config => configuration(context),
            DoctorCheck::Files => files::check(context, arguments.fix),
            DoctorCheck::Auth => with_parts(context, auth::check),
            DoctorCheck::Models => with_parts(context, models),
            DoctorCheck::Local => local(context).await,
            DoctorCheck::Server => server::check(context).await,
        };

        // People see each check as it is made; a program gets one value at the end.
        for finding in findings {
            broken += u32::from(matches!(finding, Finding::Bad { .. }));
            if arguments.output.is_json() {
                entries.push(entry(check, &finding));
            } else {
                show(check, &finding)?;
            }
        }
    }
    if arguments.output.is_json() {
        output::json(&Value::Array(entries))?;
    }
    Ok(if broken == 0 { ExitCode::SUCCESS } else { ExitCode::from(exit::FAILED) })
}

impl Finding {
    /// Returns its word, what was found, and what to do.
    fn parts(&self) -> (&'static str, &str, Option<&str>) {
        match self {
            Self::Good(what) => ("ok", what, None),
            Self::Remark(what) => ("note", what, None),
            Self::Repaired(what) => ("repaired", what, None),
            Self::Bad { what, next } => ("broken", what, next.as_deref()),
        }
    }
}

fn name(check: DoctorCheck) -> String {
    check.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

fn entry(check: DoctorCheck, finding: &Finding) -> Value {
    let (status, message, help) = finding.parts();
    json!({"check": name(check), "status": status, "message": message, "help": help})
}

fn show(check: DoctorCheck, finding: &Finding) -> Result<(), Unwritten> {
    let (status, what, help) = finding.parts();
    let status = if status == "broken" { "BROKEN" } else { status };
    output::hanging(&format!("{status:9} {:8} ", name(check)), what)?;
    match help {
        Some(help) => output::hanging(&format!("{:19}help: ", ""), help),
        None => Ok(()),
    }
}

fn configuration(context: &Context) -> Vec<Finding> {
    match sy_config::load(&context.inputs) {
        Ok(loaded) => {
            let read: Vec<&str> = loaded.layers.iter().map(|layer| layer.kind.name()).collect();
            let mut findings =
                vec![Finding::Good(format!("configuration OK (read: {})", read.join(", ")))];
            let of_project = loaded.project.iter().filter_map(|project| project.notice.clone());
            findings.extend(of_project.map(Finding::Remark));
            findings
                .extend(loaded.notices.iter().map(|notice| Finding::Remark(notice.to_string())));
            findings
        }
        Err(problems) => problems
            .into_iter()
            .map(|problem| {
                // What has no place in a file is not corrected in one: it cannot be read, say.
                let correct = "correct the file: `switchyard config edit`";
                let in_file = (problem.line > 0).then(|| correct.to_owned());
                let next = problem.help.clone().or(in_file);
                Finding::Bad { what: problem.to_string(), next }
            })
            .collect(),
    }
}

fn with_parts(context: &Context, check: impl FnOnce(&Local) -> Vec<Finding>) -> Vec<Finding> {
    let parts = context.composed().and_then(|composed| Ok(sy_server::local(composed)?));
    match parts {
        Ok(local) => check(&local),
        Err(error) if error.downcast_ref::<InvalidConfig>().is_some() => {
            vec![Finding::Remark(NOT_CHECKED.to_owned())]
        }
        Err(error) => {
            let next = "`switchyard doctor --check files` looks at the files";
            vec![Finding::Bad { what: format!("{error:#}"), next: Some(next.to_owned()) }]
        }
    }
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
            next: Some(
                "connect a provider, or set one: `switchyard config set model PROVIDER/MODEL`"
                    .to_owned(),
            ),
        }),
    }
    findings
}

async fn local(context: &Context) -> Vec<Finding> {
    let servers = local_servers::find(&context.inputs).await;
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
