//! `config`: looks at and changes the configuration. Comments and formatting of a changed file stay.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::cli::Config;
use crate::context::Context;
use crate::exit::InvalidConfig;
use crate::output;

/// Runs the command.
pub(crate) fn run(command: Config, context: &Context) -> Result<ExitCode> {
    match command {
        Config::View { json } => view(context, json)?,
        Config::Path => path(context)?,
        Config::Schema => output::line(sy_config::schema_text().trim_end()),
        Config::Validate { file } => validate(context, file)?,
        Config::Set { key, value, project } => {
            let file = if project { context.inputs.directory.join("switchyard.jsonc") } else { context.user_file() };
            set(&file, &key, &value)?;
            output::note(&format!("set {key} in {}", file.display()));
        }
        Config::Edit => edit(context)?,
        Config::Reset { key } => reset(context, key.as_deref())?,
    }
    Ok(ExitCode::SUCCESS)
}

fn view(context: &Context, as_json: bool) -> Result<()> {
    let loaded = context.load()?;
    if as_json {
        output::json(&sy_config::view(&loaded));
        return Ok(());
    }
    let rows = loaded.provenance.iter().map(|(pointer, origin)| {
        let value = loaded.value.pointer(pointer).map(Value::to_string).unwrap_or_default();
        let place = if origin.line > 0 { format!("{}:{}", origin.source, origin.line) } else { origin.source.clone() };
        vec![pointer.trim_start_matches('/').replace('/', "."), value, origin.layer.name().to_owned(), place]
    });
    output::table(&["KEY", "VALUE", "LAYER", "FROM"], rows.collect());
    for notice in &loaded.notices {
        output::note(&format!("note: {notice}"));
    }
    Ok(())
}

fn path(context: &Context) -> Result<()> {
    let loaded = context.load()?;
    for layer in &loaded.layers {
        output::line(&format!("{:15} {}", layer.kind.name(), layer.source));
    }
    output::note(&format!("your own file: {}", context.user_file().display()));
    Ok(())
}

fn validate(context: &Context, file: Option<PathBuf>) -> Result<()> {
    let mut inputs = context.inputs.clone();
    if let Some(file) = file {
        if !file.exists() {
            bail!("there is no file {}", file.display());
        }
        inputs.flags.config_file = Some(file);
    }
    let loaded = sy_config::load(&inputs).map_err(InvalidConfig)?;
    for notice in &loaded.notices {
        output::warning(&notice.to_string());
    }
    output::note(&format!("the configuration is valid: {} layers", loaded.layers.len()));
    Ok(())
}

fn set(file: &Path, key: &str, value: &str) -> Result<()> {
    let text = read_or_empty(file)?;
    let changed = sy_config::edit::set(&text, key, value).map_err(|problem| InvalidConfig(vec![problem]))?;
    write(file, &changed)
}

/// Sets a value that is not text of the command line.
pub(crate) fn set_value(file: &Path, key: &str, value: &Value) -> Result<()> {
    let text = read_or_empty(file)?;
    let changed = sy_config::edit::set_value(&text, key, value).map_err(|problem| InvalidConfig(vec![problem]))?;
    write(file, &changed)
}

fn edit(context: &Context) -> Result<()> {
    let file = context.user_file();
    if !file.exists() {
        write(&file, &sy_config::edit::reset())?;
    }
    let environment = &context.inputs.environment;
    let editor = environment.get("VISUAL").or_else(|| environment.get("EDITOR")).unwrap_or("vi").to_owned();
    let mut words = editor.split_whitespace();
    let program = words.next().unwrap_or("vi");
    let status = Command::new(program)
        .args(words)
        .arg(&file)
        .status()
        .with_context(|| format!("cannot start the editor {editor:?}: set EDITOR"))?;
    if !status.success() {
        bail!("the editor ended with {status}");
    }
    validate(context, None)
}

fn reset(context: &Context, key: Option<&str>) -> Result<()> {
    let file = context.user_file();
    let text = read_or_empty(&file)?;
    let Some(key) = key else {
        if !text.is_empty() {
            let kept = file.with_extension("jsonc.old");
            write(&kept, &text)?;
            output::note(&format!("kept the old file as {}", kept.display()));
        }
        write(&file, &sy_config::edit::reset())?;
        output::note(&format!("{} is back to its defaults", file.display()));
        return Ok(());
    };
    let changed = sy_config::edit::unset(&text, key).map_err(|problem| InvalidConfig(vec![problem]))?;
    write(&file, &changed)?;
    output::note(&format!("{key} is back to its default"));
    Ok(())
}

fn read_or_empty(file: &Path) -> Result<String> {
    match std::fs::read_to_string(file) {
        Ok(text) => Ok(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", file.display())),
    }
}

/// Replaces a file as a whole, so that a reader never sees half of it.
fn write(file: &Path, text: &str) -> Result<()> {
    let place = || format!("cannot write {}", file.display());
    let folder = file.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).with_context(place)?;
    let mut temporary = tempfile::Builder::new().prefix(".switchyard-").tempfile_in(folder).with_context(place)?;
    std::io::Write::write_all(&mut temporary, text.as_bytes()).with_context(place)?;
    temporary.as_file().sync_all().with_context(place)?;
    temporary.persist(file).with_context(place)?;
    Ok(())
}
