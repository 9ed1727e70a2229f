//! Writes the pages that are made of the code, or checks that the committed ones are fresh: the configuration's schema and
//! reference, and the table of providers.
//!
//! Called by `cargo xtask schema [--check]`. The texts are made by sy-config and `providers`; here they only meet the file
//! system.

use std::path::Path;

use anyhow::{Context, bail};

use crate::providers;

/// Writes `docs/providers.md`, `docs/reference/config.schema.json` and `docs/reference/config.md` below `root`, or with
/// `check` compares them.
///
/// # Errors
/// When a file cannot be read or written, and with `check` when one is stale.
pub(crate) fn run(check: bool, root: &Path) -> anyhow::Result<()> {
    let folder = root.join("docs");
    let files = [
        ("providers.md", providers::page()),
        ("reference/config.schema.json", sy_config::schema_text()),
        ("reference/config.md", sy_config::reference_page()),
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
            let parent = file.parent().unwrap_or(&folder);
            std::fs::create_dir_all(parent)
                .with_context(|| format!("create {}", parent.display()))?;
            std::fs::write(&file, text).with_context(|| format!("write {}", file.display()))?;
        }
    }
    Ok(())
}
