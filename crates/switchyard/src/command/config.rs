//! `config`: looks at and changes the configuration. How a file is changed is in `config_file`, how it is checked in
//! `validate`.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use sy_config::{LayerKind, Loaded, Problem};

use crate::cli::Config;
use crate::command::config_file::{backup, change, read, write};
use crate::command::validate;
use crate::context::Context;
use crate::exit::{InvalidConfig, Usage};
use crate::{exit, output};

/// Runs the command.
pub(crate) fn run(command: Config, context: &Context) -> Result<ExitCode> {
    match command {
        Config::View { key, output: form } => {
            view(&context.load()?, key.as_deref(), form.is_json())?;
        }
        Config::Get { key, output: form } => get(&context.load()?, &key, form.is_json())?,
        Config::Path { output: form } => path(context, form.is_json())?,
        Config::Schema => output::line(sy_config::schema_text().trim_end())?,
        Config::Validate { file, output: form } => {
            return validate::run(context, file, form.is_json());
        }
        Config::Set { key, value, project } => set(context, &key, &value, project)?,
        Config::Edit => return edit(context),
        Config::Reset { key } => reset(context, key.as_deref())?,
    }
    Ok(ExitCode::SUCCESS)
}

fn view(loaded: &Loaded, key: Option<&str>, as_json: bool) -> Result<()> {
    let pointer = match key {
        Some(key) => {
            // An unknown key is an error and not an empty table.
            value_of(loaded, key)?;
            sy_config::pointer(key).map_err(invalid)?
        }
        None => String::new(),
    };
    let below = format!("{pointer}/");
    let is_wanted = |known: &str| known == pointer || known.starts_with(&below);
    if as_json {
        return view_as_json(loaded, &pointer, is_wanted);
    }

    let wanted = loaded.provenance.iter().filter(|(known, _)| is_wanted(known));
    let rows = wanted.map(|(pointer, origin)| {
        let value = loaded.value.pointer(pointer).map(Value::to_string).unwrap_or_default();
        let place = if origin.line > 0 {
            format!("{}:{}", origin.source, origin.line)
        } else {
            origin.source.clone()
        };
        vec![dotted(pointer), value, origin.layer.name().to_owned(), place]
    });
    output::table(&["KEY", "VALUE", "LAYER", "FROM"], rows.collect())?;
    if key.is_none() {
        for notice in &loaded.notices {
            output::note(&format!("note: {notice}"));
        }
    }
    Ok(())
}

fn view_as_json(loaded: &Loaded, pointer: &str, is_wanted: impl Fn(&str) -> bool) -> Result<()> {
    let mut whole = sy_config::view(loaded);
    if !pointer.is_empty() {
        let config = loaded.value.pointer(pointer).cloned().unwrap_or_default();
        if let Some(part) = whole.get_mut("config") {
            *part = config;
        }
        if let Some(Value::Object(provenance)) = whole.get_mut("provenance") {
            provenance.retain(|known, _| is_wanted(known));
        }
    }
    Ok(output::json(&whole)?)
}

/// Prints one value: a text without quotes, everything else as JSON.
fn get(loaded: &Loaded, key: &str, as_json: bool) -> Result<()> {
    match value_of(loaded, key)? {
        Some(Value::String(text)) if !as_json => output::line(&text)?,
        Some(value) => output::json(&value)?,
        None => bail!("{key} is not set: `switchyard config set {key} VALUE` sets it"),
    }
    Ok(())
}

fn value_of(loaded: &Loaded, key: &str) -> Result<Option<Value>> {
    Ok(sy_config::get(loaded, key).map_err(invalid)?)
}

fn invalid(problem: Problem) -> InvalidConfig {
    InvalidConfig(vec![problem])
}

/// Writes a JSON pointer as `config set` takes it.
fn dotted(pointer: &str) -> String {
    let names = pointer.split('/').skip(1).map(|name| name.replace("~1", "/").replace("~0", "~"));
    names.map(|name| output::key(&name)).collect::<Vec<_>>().join(".")
}

/// Shows the files. One's own is shown even where the configuration is not valid: it is then the one to correct.
fn path(context: &Context, as_json: bool) -> Result<()> {
    let loaded = context.load();
    if as_json {
        let layers = sy_config::view(&loaded?).get("layers").cloned().unwrap_or_default();
        return Ok(output::json(&layers)?);
    }
    for layer in loaded.iter().flat_map(|loaded| &loaded.layers) {
        let restriction = layer.restriction.map(|word| format!(" ({word})")).unwrap_or_default();
        output::line(&format!("{:15} {}{restriction}", layer.kind.name(), layer.source))?;
    }
    output::note(&format!("your own file: {}", context.user_file().display()));
    loaded.map(drop)
}

fn set(context: &Context, key: &str, value: &str, project: bool) -> Result<()> {
    if project && sy_config::is_operators_only(key) {
        let message = format!(
            "a project's file cannot set {key}: leave --project out to set it in your own file"
        );
        return Err(Usage(message).into());
    }
    let file = if project { project_file(context) } else { context.user_file() };
    change(&file, |text| sy_config::edit::set(text, key, value))?;
    output::note(&format!("set {key} in {}", file.display()));
    // The key itself is right, but it may not fit the other keys and layers.
    if let Err(error) = context.load() {
        exit::explain(&error, output::warning);
    }
    Ok(())
}

/// Returns the file that speaks for the project already, else a new one in the working directory.
fn project_file(context: &Context) -> PathBuf {
    let layers = context.load().map(|loaded| loaded.layers).unwrap_or_default();
    let project = layers
        .into_iter()
        .filter(|layer| layer.kind == LayerKind::Project)
        .find_map(|layer| layer.path);
    let folder = project.and_then(|file| file.parent().map(Path::to_path_buf));
    folder.unwrap_or_else(|| context.inputs.directory.clone()).join("switchyard.jsonc")
}

fn edit(context: &Context) -> Result<ExitCode> {
    let file = context.user_file();
    if !file.exists() {
        write(&file, &sy_config::edit::reset())?;
    }
    let environment = &context.inputs.environment;
    let editor = environment.get("VISUAL").or_else(|| environment.get("EDITOR")).unwrap_or("vi");
    let mut words = editor.split_whitespace();
    let Some(program) = words.next() else {
        return Err(
            Usage("expected the name of an editor in EDITOR, got an empty one".to_owned()).into()
        );
    };
    let status =
        Command::new(program).args(words).arg(&file).status().with_context(|| {
            format!("cannot start the editor {editor:?}: set EDITOR to another")
        })?;
    if !status.success() {
        bail!("the editor ended with {status}: the file {} is as it left it", file.display());
    }
    validate::run(context, None, false)
}

fn reset(context: &Context, key: Option<&str>) -> Result<()> {
    let file = context.user_file();
    if let Some(key) = key {
        change(&file, |text| sy_config::edit::unset(text, key))?;
        output::note(&format!("{key} is back to its default"));
        return Ok(());
    }
    let text = read(&file)?;
    if !text.is_empty() && text != sy_config::edit::reset() {
        output::note(&format!("kept the old file as {}", backup(&file, &text)?.display()));
    }
    write(&file, &sy_config::edit::reset())?;
    output::note(&format!("{} is back to its defaults", file.display()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::dotted;

    #[test]
    fn keys_are_shown_as_they_are_set() {
        assert_eq!(dotted("/server/port"), "server.port");
        assert_eq!(dotted("/provider/or/models/a~1b-1.5"), r#"provider.or.models."a/b-1.5""#);
    }
}
