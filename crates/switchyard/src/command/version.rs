//! `--version`: prints the version, and warns when the configuration is not valid.
//!
//! A running server reloads by itself; this only tells whether the next start would succeed.

use std::process::ExitCode;

use anyhow::Result;
use serde_json::json;

use crate::context::Context;
use crate::{exit, output};

/// Prints the version.
pub(crate) fn run(context: Result<Context>, as_json: bool) -> Result<ExitCode> {
    if as_json {
        output::json(&json!({"name": "switchyard", "version": env!("CARGO_PKG_VERSION")}))?;
    } else {
        output::line(concat!("switchyard ", env!("CARGO_PKG_VERSION")))?;
    }
    if let Err(error) = context.and_then(|context| context.load()) {
        exit::explain(&error, output::warning);
    }
    Ok(ExitCode::SUCCESS)
}
