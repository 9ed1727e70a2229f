//! The arguments of `run`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

#[derive(Args)]
pub(crate) struct Run {
    /// The prompt. Standard input is the prompt when there is none, and takes the place of a `-` in it.
    pub(crate) prompt: Vec<String>,
    /// The model: PROVIDER/MODEL or PROVIDER/MODEL:VARIANT, an alias, or an id that only one connected provider has;
    /// without it, the configured one or the best of what is connected.
    #[arg(short, long, value_parser = model_name)]
    pub(crate) model: Option<String>,
    /// Instructions for the model.
    #[arg(long, value_name = "TEXT")]
    pub(crate) system: Option<String>,
    /// Add a file: text, a picture or a PDF. May be repeated.
    #[arg(short, long, visible_alias = "image", value_name = "PATH")]
    pub(crate) file: Vec<PathBuf>,
    /// At most this many answer tokens.
    #[arg(long, value_name = "N", value_parser = token_limit)]
    pub(crate) max_tokens: Option<u64>,
    /// How freely the next token is chosen, from 0 to 2.
    #[arg(long, value_name = "T", value_parser = temperature)]
    pub(crate) temperature: Option<f64>,
    /// On a rate limit, ask the alias's next model at once, also where retry.failover is `wait`.
    #[arg(long)]
    pub(crate) fallback: bool,
    /// Print one JSON event a line instead of the text as it comes.
    #[arg(long)]
    pub(crate) json: bool,
    /// Another spelling of --json, as --format json.
    #[arg(long, value_enum, value_name = "FORM", hide = true, default_value = "default")]
    format: RunFormat,
}

impl Run {
    /// Returns how the answer is printed, in either spelling.
    pub(crate) fn format(&self) -> RunFormat {
        if self.json { RunFormat::Json } else { self.format }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RunFormat {
    Default,
    Json,
}

fn model_name(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        return Err(
            "expected the name of a model; leave `--model` out for the default one".to_owned()
        );
    }
    Ok(text.to_owned())
}

fn token_limit(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(0) | Err(_) => {
            Err("expected a whole number of at least 1; leave it out for no limit".to_owned())
        }
        Ok(limit) => Ok(limit),
    }
}

fn temperature(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(number) if (0.0..=2.0).contains(&number) => Ok(number),
        Ok(_) | Err(_) => Err("expected a number from 0 to 2".to_owned()),
    }
}
