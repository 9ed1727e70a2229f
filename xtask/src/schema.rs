//! Writes the configuration's schema and reference page, or checks that the committed ones are fresh.
//!
//! Called by `cargo xtask schema [--check]`. The texts are made by sy-config; here they only meet the file system.

use std::path::Path;

use anyhow::{Context, bail};

/// Writes `docs/reference/config.schema.json` and `docs/reference/config.md` below `root`, or with `check` compares them.
///
/// # Errors
/// When a file cannot be read or written, and with `check` when one is stale.
pub(crate) fn run(check: bool, root: &Path) -> anyhow::Result<()> {
    let folder = root.join("docs/reference");
    let files = [
        ("config.schema.json", sy_config::schema_text()),
        ("config.md", sy_config::reference_page()),
    ];
    for (name, text) in files {
        let file = folder.join(name);
        if check {
            let committed = std::fs::read_to_string(&file)
                .with_context(|| format!("read {}", file.display()))?;
            if committed != text {
                bail!("{} is stale; refresh it with `cargo xtask schema`", file.display());
            }
        } else {
            std::fs::create_dir_all(&folder)
                .with_context(|| format!("create {}", folder.display()))?;
            std::fs::write(&file, text).with_context(|| format!("write {}", file.display()))?;
        }
    }
    Ok(())
}
