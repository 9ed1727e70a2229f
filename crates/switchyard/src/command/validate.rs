//! `config validate`: whether the configuration can be read, and whether what it names exists.
//!
//! The first is sy-config's word; the second needs the catalog, so the two meet here. It calls nobody.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use serde_json::{Value, json};
use sy_catalog::Gap;
use sy_config::{Config, Loaded, Notice, Problem};
use sy_server::Local;

use crate::context::Context;
use crate::exit::{self, InvalidConfig};
use crate::output;

/// What was found: problems keep the configuration from doing what it says, notices do not.
#[derive(Default)]
struct Findings {
    problems: Vec<Problem>,
    notices: Vec<String>,
}

/// Checks the configuration, with a further file on top where one is given.
pub(crate) fn run(context: &Context, file: Option<PathBuf>, as_json: bool) -> Result<ExitCode> {
    let mut inputs = context.inputs.clone();
    if let Some(file) = file {
        inputs.flags.config_file = Some(file);
    }
    let loaded = match sy_config::load(&inputs) {
        Ok(loaded) => loaded,
        Err(problems) if as_json => {
            return report_as_json(&Findings { problems, notices: Vec::new() }, &[]);
        }
        Err(problems) => return Err(InvalidConfig(problems).into()),
    };

    let mut findings = Findings::default();
    findings.notices.extend(loaded.project.iter().filter_map(|project| project.notice.clone()));
    findings.notices.extend(loaded.notices.iter().map(Notice::to_string));
    let local =
        context.composed_from(loaded.clone()).and_then(|composed| Ok(sy_server::local(composed)?));
    match local {
        Ok(local) => check(&local, &loaded, &mut findings),
        Err(error) => {
            findings.notices.push(format!("it is not checked whether its models exist: {error:#}"))
        }
    }

    let is_read = |layer: &&sy_config::Layer| layer.restriction != Some("not read");
    let read: Vec<String> =
        loaded.layers.iter().filter(is_read).map(|layer| layer.source.clone()).collect();
    if as_json {
        return report_as_json(&findings, &read);
    }
    findings.notices.iter().for_each(|notice| output::warning(notice));
    if !findings.problems.is_empty() {
        return Err(InvalidConfig(findings.problems).into());
    }
    output::note(&format!("configuration OK (read: {})", read.join(", ")));
    Ok(ExitCode::SUCCESS)
}

fn report_as_json(findings: &Findings, read: &[String]) -> Result<ExitCode> {
    let problem = |problem: &Problem| {
        json!({
            "file": problem.file,
            "line": problem.line,
            "column": problem.column,
            "message": problem.message,
            "help": problem.help,
        })
    };
    let is_ok = findings.problems.is_empty();
    output::json(&json!({
        "ok": is_ok,
        "problems": findings.problems.iter().map(problem).collect::<Vec<Value>>(),
        "warnings": findings.notices,
        "read": read,
    }))?;
    Ok(if is_ok { ExitCode::SUCCESS } else { ExitCode::from(exit::CONFIG) })
}

/// Checks that models and providers exist and can be called.
fn check(local: &Local, loaded: &Loaded, findings: &mut Findings) {
    let mut checker = Checker { local, loaded, findings };
    checker.check_models();
    checker.check_providers();
}

struct Checker<'a> {
    local: &'a Local,
    loaded: &'a Loaded,
    findings: &'a mut Findings,
}

impl Checker<'_> {
    fn check_models(&mut self) {
        let config = std::sync::Arc::clone(&self.loaded.config);
        let Config { model, small_model, models, alias, .. } = &*config;
        for (key, name) in [
            ("model", model.as_ref()),
            ("small_model", small_model.as_ref()),
            ("models.defaults.primary", models.defaults.primary.as_ref()),
        ] {
            name.into_iter().for_each(|name| self.check_model(key, name));
        }
        for name in &models.defaults.fallbacks {
            self.check_model("models.defaults.fallbacks", name);
        }
        for (key, targets) in alias {
            let key = format!("alias.{}", output::key(key));
            targets.names().iter().for_each(|name| self.check_model(&key, name));
        }
    }

    /// Checks that a name is an alias or leads to a model.
    fn check_model(&mut self, key: &str, name: &str) {
        let catalog = self.local.catalog();
        if name == "default" || self.loaded.config.alias.contains_key(name) {
            return;
        }
        let failure =
            match catalog.resolve(name, self.local) {
                Ok(resolved) => {
                    let provider = catalog.provider(&resolved.provider);
                    let is_listed =
                        provider.is_some_and(|one| one.models.contains_key(&resolved.model));
                    if !is_listed {
                        self.warn(key, &format!(
                        "the catalog has no model `{}` of {}: it is asked for as it is written",
                        resolved.model, resolved.provider
                    ));
                    }
                    return;
                }
                Err(failure) => failure,
            };

        // A provider may have models that the catalog does not know yet, and a bare id may be clear on another machine.
        let is_open = match name.split_once('/') {
            Some((provider, _)) => catalog.provider_id(provider).is_some(),
            None => self.is_some_providers(name),
        };
        if is_open {
            self.warn(key, &failure.message);
        } else {
            self.problem(key, &format!("leads nowhere: {}", failure.message), None);
        }
    }

    /// Returns true for the bare id of a model that some provider has.
    fn is_some_providers(&self, name: &str) -> bool {
        let catalog = self.local.catalog();
        let id = name.split_once(':').map_or(name, |(id, _)| id);
        let has = |models: &sy_catalog::Provider| {
            models.models.contains_key(name) || models.models.contains_key(id)
        };
        catalog.rows().iter().any(|row| catalog.provider(&row.id).is_some_and(|one| has(&one)))
    }

    fn check_providers(&mut self) {
        let config = std::sync::Arc::clone(&self.loaded.config);
        for id in config.provider.keys() {
            let key = format!("provider.{}", output::key(id));
            for gap in self.local.catalog().gaps(id) {
                self.tell(&key, gap);
            }
        }
        let listed = [
            ("enabled_providers", config.enabled_providers.as_deref().unwrap_or_default()),
            ("disabled_providers", config.disabled_providers.as_slice()),
        ];
        for (key, ids) in listed {
            for id in ids.iter().filter(|id| self.local.catalog().provider_id(id).is_none()) {
                self.warn(key, &format!("there is no provider `{id}`"));
            }
        }
    }

    fn tell(&mut self, key: &str, gap: Gap) {
        match gap {
            Gap::NoAddress => {
                let help = format!("set `{key}.options.baseURL` to its address");
                self.problem(key, "has no address, and the catalog does not know it", Some(help));
            }
            Gap::NoModels => self.warn(
                key,
                &format!(
                    "names no models: add them to `{key}.models` unless its server lists them"
                ),
            ),
            Gap::UnknownPackage { npm, nearest, instead } => {
                let slip = nearest.map(|name| format!(" (did you mean `{name}`?)"));
                let slip = slip.unwrap_or_default();
                self.warn(
                    key,
                    &format!("unknown npm package `{npm}`{slip}: it is called as {instead}"),
                );
            }
        }
    }

    fn problem(&mut self, key: &str, message: &str, help: Option<String>) {
        let (file, line, column) = self.place(key);
        let message = format!("`{key}`: {message}");
        self.findings.problems.push(Problem { file, line, column, message, help });
    }

    fn warn(&mut self, key: &str, message: &str) {
        let (file, line, column) = self.place(key);
        let notice = Notice { file, line, column, message: format!("`{key}`: {message}") };
        self.findings.notices.push(notice.to_string());
    }

    /// Returns where a key was written, or the first key below it.
    fn place(&self, key: &str) -> (String, usize, usize) {
        let pointer = sy_config::pointer(key).unwrap_or_default();
        let below = format!("{pointer}/");
        let mut places = self.loaded.provenance.iter();
        let place = places.find(|(known, _)| **known == pointer || known.starts_with(&below));
        place.map_or((String::new(), 0, 0), |(_, origin)| {
            (origin.source.clone(), origin.line, origin.column)
        })
    }
}
