//! Refreshes the catalog that is built in.
//!
//! `cargo xtask snapshot` reads a catalog in the form of models.dev from a file or an address and writes it, packed, to
//! `crates/sy-catalog/data/models.bin`. The search goldens of sy-catalog must be recorded again afterwards.

use std::path::Path;

use anyhow::{Context, bail};

/// Packs the catalog at `source` (a file, or an address that starts with `http`) into the file `output`.
///
/// # Errors
/// When the source cannot be read or is no catalog, or when the output cannot be written.
pub(crate) fn run(source: &str, output: &Path) -> anyhow::Result<()> {
    let text = if source.starts_with("http://") || source.starts_with("https://") {
        download(source)?
    } else {
        std::fs::read(source).with_context(|| format!("reading {source}"))?
    };
    let packed = sy_catalog::pack(&text)
        .map_err(|failure| anyhow::anyhow!("packing {source}: {}", failure.message))?;
    std::fs::write(output, packed).with_context(|| format!("writing {}", output.display()))
}

fn download(address: &str) -> anyhow::Result<Vec<u8>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let client =
            reqwest::Client::builder().timeout(std::time::Duration::from_secs(60)).build()?;
        let response =
            client.get(address).send().await.with_context(|| format!("fetching {address}"))?;
        if !response.status().is_success() {
            bail!("expected status 200 from {address}, got {}", response.status());
        }
        Ok(response.bytes().await?.to_vec())
    })
}
