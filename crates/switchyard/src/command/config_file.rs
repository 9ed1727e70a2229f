//! Reads and replaces configuration files. What the new text is, others say.
//!
//! Used by `config` and by whatever adds a provider. A reader never sees half of a file; mode and symbolic links stay.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use sy_config::Problem;

use crate::exit::InvalidConfig;

/// Changes a file's text. A file that is not there is empty.
pub(crate) fn change(
    file: &Path,
    edit: impl FnOnce(&str) -> Result<String, Problem>,
) -> Result<()> {
    let text = read(file)?;
    let named = |problem: Problem| match problem.line {
        0 => problem,
        _ => Problem { file: file.display().to_string(), ..problem },
    };
    let changed = edit(&text).map_err(|problem| InvalidConfig(vec![named(problem)]))?;
    write(file, &changed)
}

/// Reads a file; one that is not there is empty.
pub(crate) fn read(file: &Path) -> Result<String> {
    match std::fs::read_to_string(file) {
        Ok(text) => Ok(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", file.display())),
    }
}

/// Keeps a text beside its file, under a name that is still free.
pub(crate) fn backup(file: &Path, text: &str) -> Result<PathBuf> {
    let name = |number: u32| {
        file.with_extension(if number == 0 {
            "jsonc.old".to_owned()
        } else {
            format!("jsonc.old{number}")
        })
    };
    let kept = (0..u32::MAX).map(name).find(|path| !path.exists()).unwrap_or_else(|| name(0));
    write(&kept, text)?;
    Ok(kept)
}

/// Replaces a file as a whole. A new file is for its owner only: it may come to hold keys.
pub(crate) fn write(file: &Path, text: &str) -> Result<()> {
    let place = || format!("cannot write {}", file.display());
    let file = std::fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    let folder = file.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).with_context(place)?;
    let mut temporary =
        tempfile::Builder::new().prefix(".switchyard-").tempfile_in(folder).with_context(place)?;
    temporary.write_all(text.as_bytes()).with_context(place)?;
    if let Ok(metadata) = std::fs::metadata(&file) {
        temporary.as_file().set_permissions(metadata.permissions()).with_context(place)?;
    }
    temporary.as_file().sync_all().with_context(place)?;
    temporary.persist(&file).with_context(place)?;
    Ok(())
}
