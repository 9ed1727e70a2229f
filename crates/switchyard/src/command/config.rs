//! `config`: looks at and changes the configuration. How a file is changed is in `config_file`.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use sy_config::{LayerKind, Loaded};

use crate::cli::Config;
use crate::command::config_file::{backup, change, read, write};
use crate::context::Context;
use crate::exit::{InvalidConfig, Usage};
use crate::{exit, output};

/// Runs the command.
pub(crate) fn run(command: Config, context: &Context) -> Result<ExitCode> {
    match command {
        Config::View { output: form } => view(&context.load()?, form.is_json())?,
        Config::Path => path(context)?,
        Config::Schema => output::line(sy_config::schema_text().trim_end())?,
        Config::Validate { file } => validate(context, file)?,
        Config::Set { key, value, project } => set(context, &key, &value, project)?,
        Config::Edit => edit(context)?,
        Config::Reset { key } => reset(context, key.as_deref())?,
    }
    Ok(ExitCode::SUCCESS)
}

fn view(loaded: &Loaded, as_json: bool) -> Result<()> {
    if as_json {
        return Ok(output::json(&sy_config::view(loaded))?);
    }
    let rows = loaded.provenance.iter().map(|(pointer, origin)| {
        let value = loaded.value.pointer(pointer).map(Value::to_string).unwrap_or_default();
        let place = if origin.line > 0 {
            format!("{}:{}", origin.source, origin.line)
        } else {
            origin.source.clone()
        };
        vec![dotted(pointer), value, origin.layer.name().to_owned(), place]
    });
    output::table(&["KEY", "VALUE", "LAYER", "FROM"], rows.collect())?;
    for notice in &loaded.notices {
        output::note(&format!("note: {notice}"));
    }
    Ok(())
}

/// Writes a JSON pointer as `config set` takes it.
fn dotted(pointer: &str) -> String {
    let is_bare = |name: &str| {
        !name.is_empty()
            && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '$'))
    };
    let names = pointer.split('/').skip(1).map(|name| name.replace("~1", "/").replace("~0", "~"));
    let names: Vec<String> =
        names.map(|name| if is_bare(&name) { name } else { format!("{name:?}") }).collect();
    names.join(".")
}

/// Shows the files. One's own is shown even where the configuration is not valid: it is then the one to correct.
fn path(context: &Context) -> Result<()> {
    let loaded = context.load();
    for layer in loaded.iter().flat_map(|loaded| &loaded.layers) {
        output::line(&format!("{:15} {}", layer.kind.name(), layer.source))?;
    }
    output::note(&format!("your own file: {}", context.user_file().display()));
    loaded.map(drop)
}

fn validate(context: &Context, file: Option<PathBuf>) -> Result<()> {
    let mut inputs = context.inputs.clone();
    if let Some(file) = file {
        inputs.flags.config_file = Some(file);
    }
    let loaded = sy_config::load(&inputs).map_err(InvalidConfig)?;
    for notice in &loaded.notices {
        output::warning(&notice.to_string());
    }
    let sources: Vec<&str> = loaded.layers.iter().map(|layer| layer.source.as_str()).collect();
    output::note(&format!("the configuration is valid; it is made of {}", sources.join(", ")));
    Ok(())
}

fn set(context: &Context, key: &str, value: &str, project: bool) -> Result<()> {
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

fn edit(context: &Context) -> Result<()> {
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
    validate(context, None)
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
