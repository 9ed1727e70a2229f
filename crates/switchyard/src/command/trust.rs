//! `trust`: says which project folders the user trusts, and asks at first sight.
//!
//! What trust changes is decided in sy-config; here it is only asked, kept and told.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, anyhow};
use serde_json::{Value, json};
use sy_config::{Paths, Project, TrustedFolder, TrustedFolders};

use crate::cli::Trust;
use crate::command::config_file::write;
use crate::context::Context;
use crate::exit::{InvalidConfig, Usage};
use crate::output;

/// Runs the command.
pub(crate) fn run(arguments: &Trust, context: &Context) -> Result<ExitCode> {
    let paths = &context.inputs.paths;
    if arguments.list {
        list(&read(paths)?, arguments.output.is_json())?;
        return Ok(ExitCode::SUCCESS);
    }
    let folder = match &arguments.folder {
        Some(folder) => context.inputs.directory.join(folder),
        None => project_folder(context),
    };
    if arguments.remove {
        remove(paths, &folder)?
    } else {
        trust(context, &folder)?
    }
    Ok(ExitCode::SUCCESS)
}

/// Says what became of a project's files, or asks whether its folder is trusted. Returns true when it is since now.
pub(crate) fn consider(project: &Project, paths: &Paths, asks: bool) -> Result<bool> {
    let Some(notice) = &project.notice else { return Ok(false) };
    if !asks || project.left_out.is_empty() || project.was_declined {
        output::warning(notice);
        return Ok(false);
    }

    let question = format!(
        "{} has settings of its own ({}). They can choose where your prompts and keys go. Trust this folder?",
        project.folder.display(),
        project.left_out.join(", ")
    );
    let is_trusted = cliclack::confirm(question).initial_value(false).interact()?;
    note(paths, &project.folder, is_trusted)?;
    if !is_trusted {
        output::warning(notice);
    }
    Ok(is_trusted)
}

fn trust(context: &Context, folder: &Path) -> Result<()> {
    let real = note(&context.inputs.paths, folder, true)?;
    output::note(&format!(
        "{} is trusted: its opencode.json and switchyard.jsonc count",
        real.display()
    ));

    let is_project = sy_config::PROJECT_FILES.iter().any(|name| real.join(name).exists());
    if !is_project {
        output::note(&format!(
            "it has no such file yet; for every folder below it, add it to `trusted_projects` in {}",
            context.user_file().display()
        ));
    }
    Ok(())
}

fn remove(paths: &Paths, folder: &Path) -> Result<()> {
    let mut record = read(paths)?;
    if !record.forget(folder) {
        let message = format!(
            "{} was not trusted: `switchyard trust --list` lists the folders that are",
            folder.display()
        );
        return Err(Usage(message).into());
    }
    write(&TrustedFolders::file(paths), &record.to_text())?;
    output::note(&format!("{} is not trusted any more", folder.display()));
    Ok(())
}

fn list(record: &TrustedFolders, as_json: bool) -> Result<()> {
    let state = |folder: &TrustedFolder| if folder.is_trusted { "trusted" } else { "declined" };
    if as_json {
        let one = |folder: &TrustedFolder| json!({ "folder": folder.folder, "owner": folder.owner, "state": state(folder) });
        return Ok(output::json(&Value::Array(record.iter().map(one).collect()))?);
    }
    for folder in record.iter() {
        output::line(&format!("{:9} {}", state(folder), folder.folder.display()))?;
    }
    if record.iter().next().is_none() {
        output::note("no folder was trusted yet");
    }
    Ok(())
}

fn note(paths: &Paths, folder: &Path, is_trusted: bool) -> Result<PathBuf> {
    let mut record = read(paths)?;
    let real = record.note(folder, is_trusted).map_err(|reason| anyhow!(reason))?;
    write(&TrustedFolders::file(paths), &record.to_text())?;
    Ok(real)
}

fn read(paths: &Paths) -> Result<TrustedFolders> {
    Ok(TrustedFolders::read(paths).map_err(|problem| InvalidConfig(vec![problem]))?)
}

/// Returns the folder of the project that one works in, else the working directory.
fn project_folder(context: &Context) -> PathBuf {
    sy_config::project_folder(&context.inputs).unwrap_or_else(|| context.inputs.directory.clone())
}
