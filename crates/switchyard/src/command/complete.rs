//! `__complete`: the names that fit at the end of a command line, for the completion scripts.
//!
//! A shell calls it with the words behind `switchyard`, the unfinished one last. It prints one name
//! a line and calls nobody; where a name is not what comes next it fails, and the script completes
//! commands and options.

use std::process::ExitCode;

use anyhow::Result;
use sy_config::Config;
use sy_server::Local;

use crate::context::Context;
use crate::exit::FAILED;
use crate::output;

/// What comes next on a command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Model,
    Provider,
}

/// Runs the command.
pub(crate) fn run(words: &[String], context: &Context) -> Result<ExitCode> {
    let Some((last, before)) = words.split_last() else { return Ok(ExitCode::from(FAILED)) };
    // `--model=x` is one word in some shells and three in others.
    let (option, begun) = match last.split_once('=') {
        Some((option, begun)) if option.starts_with("--") => (Some(option), begun),
        _ => (None, last.trim_start_matches('=')),
    };
    let before: Vec<&str> =
        before.iter().map(String::as_str).chain(option).filter(|word| *word != "=").collect();
    let Some(next) = next(&before, begun) else { return Ok(ExitCode::from(FAILED)) };

    let local = sy_server::local(context.composed()?)?;
    let names = match next {
        Next::Model => models(&local, &context.load()?.config, begun),
        Next::Provider => providers(&local, begun),
    };
    output::lines(names.iter().map(String::as_str))?;
    Ok(ExitCode::SUCCESS)
}

/// Tells what comes behind the given words.
fn next(before: &[&str], begun: &str) -> Option<Next> {
    if let Some("-m" | "--model") = before.last().copied() {
        return Some(Next::Model);
    }
    if begun.starts_with('-') || before.last().is_some_and(|word| word.starts_with('-')) {
        return None;
    }
    let commands: Vec<&str> =
        before.iter().copied().filter(|word| !word.starts_with('-')).collect();
    match commands.as_slice() {
        ["models"] | ["auth" | "providers", "login" | "add" | "logout" | "remove" | "status"] => {
            Some(Next::Provider)
        }
        _ => None,
    }
}

fn providers(local: &Local, begun: &str) -> Vec<String> {
    let rows = local.catalog().rows().into_iter().map(|row| row.id);
    rows.filter(|id| id.starts_with(begun)).collect()
}

/// Names aliases and providers up to the slash, then the models of one provider: no shell shows
/// thousands of names.
fn models(local: &Local, config: &Config, begun: &str) -> Vec<String> {
    if let Some((id, _)) = begun.split_once('/') {
        return models_of(local, id, begun);
    }
    let mut ids: Vec<String> = local
        .catalog()
        .rows()
        .into_iter()
        .filter(|row| row.id.starts_with(begun) && local.is_connected(row))
        .map(|row| row.id)
        .collect();
    if ids.is_empty() {
        ids = providers(local, begun);
    }

    let mut names: Vec<String> =
        config.alias.keys().filter(|name| name.starts_with(begun)).cloned().collect();
    match (ids.as_slice(), names.is_empty()) {
        ([only], true) => models_of(local, only, ""),
        _ => {
            names.extend(ids.iter().map(|id| format!("{id}/")));
            names
        }
    }
}

fn models_of(local: &Local, id: &str, begun: &str) -> Vec<String> {
    let provider = local.catalog().provider(id);
    let models = provider.iter().flat_map(|provider| provider.models.keys());
    models.map(|model| format!("{id}/{model}")).filter(|name| name.starts_with(begun)).collect()
}

#[cfg(test)]
mod tests {
    use super::{Next, next};

    #[track_caller]
    fn check(before: &[&str], begun: &str, expected: Option<Next>) {
        assert_eq!(next(before, begun), expected, "{before:?} {begun}");
    }

    #[test]
    fn names_come_where_names_are_wanted() {
        check(&["run", "-m"], "", Some(Next::Model));
        check(&["run", "--model"], "anth", Some(Next::Model));
        check(&["models"], "op", Some(Next::Provider));
        check(&["--offline", "models"], "", Some(Next::Provider));
        check(&["auth", "login"], "", Some(Next::Provider));
        check(&["auth", "login"], "--la", None);
        check(&["auth"], "", None);
        check(&["models", "-s"], "gpt", None);
        check(&["run"], "", None);
        check(&[], "mod", None);
    }
}
