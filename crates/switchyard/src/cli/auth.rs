//! The arguments of `auth` and what is below it.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Output;

#[derive(Subcommand)]
pub(crate) enum Auth {
    /// Sign in to a provider, or add a server on this machine or at a URL.
    ///
    /// The key is typed into a hidden prompt or read from standard input, checked by a call that costs nothing, and kept
    /// in the encrypted vault. A key that the provider rejects is stored only with --force or after a question.
    #[command(visible_alias = "add", after_help = LOGIN_EXAMPLES)]
    Login(Login),
    /// List every key, which one is used, and what the provider said of it last.
    #[command(
        visible_alias = "ls",
        after_help = "Examples:
  switchyard auth list
  switchyard auth list --json | jq '.[] | select(.used)'"
    )]
    List(AuthList),
    /// Like list, with exit code 4 when no provider (or not the named one) has a key that works.
    #[command(after_help = "Examples:
  switchyard auth status
  switchyard auth status openai --json")]
    Status(AuthStatus),
    /// Remove a stored key.
    #[command(
        visible_alias = "remove",
        after_help = "Examples:
  switchyard auth logout openai
  switchyard auth logout openai --account work"
    )]
    Logout(Logout),
    /// Copy the keys of OpenCode's auth.json into the vault.
    #[command(after_help = "Examples:
  switchyard auth import
  switchyard auth import ./auth.json")]
    Import(AuthFile),
    /// Write the stored keys, as plain text, into an OpenCode auth.json.
    #[command(after_help = "Example:
  switchyard auth export ./auth.json")]
    Export(AuthFile),
    /// Re-encrypt every stored key with a new key.
    #[command(after_help = "Example:
  switchyard auth rotate")]
    Rotate,
}

const LOGIN_EXAMPLES: &str = "Examples:
  switchyard auth login                            choose from a list
  switchyard auth login openai                     type the key into a hidden prompt
  switchyard auth login openai < key.txt           read it from a file
  switchyard auth login openai --account work      keep several accounts apart
  switchyard auth login http://127.0.0.1:8000/v1   add an OpenAI-compatible server";

#[derive(Args)]
pub(crate) struct Login {
    /// The provider, a server that runs here, or the URL of an OpenAI-compatible server; asked for where it is missing.
    #[arg(value_name = "PROVIDER|URL")]
    pub(crate) provider: Option<String>,
    /// Which of several accounts at the provider [default: default].
    #[arg(long)]
    pub(crate) account: Option<String>,
    /// A remark that lists show beside the account.
    #[arg(long)]
    pub(crate) label: Option<String>,
    /// With a URL: the name of the provider to add [default: made of the address].
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Store the key even if the provider rejects it.
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Args)]
pub(crate) struct AuthList {
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Args)]
pub(crate) struct AuthStatus {
    /// Only this provider.
    pub(crate) provider: Option<String>,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Args)]
pub(crate) struct Logout {
    /// The provider.
    pub(crate) provider: String,
    /// Which of several accounts at the provider.
    #[arg(long)]
    pub(crate) account: Option<String>,
}

#[derive(Args)]
pub(crate) struct AuthFile {
    /// The file; OpenCode's own where it is missing.
    pub(crate) file: Option<PathBuf>,
}
