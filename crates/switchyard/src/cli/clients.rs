//! The arguments of `env` and `launch`, which point AI clients at the server.

use std::ffi::OsString;

use clap::{Args, ValueEnum};

#[derive(Args)]
pub(crate) struct Env {
    /// The shell to write for: sh for bash, zsh and the like, or fish.
    #[arg(long, value_enum, default_value = "sh")]
    pub(crate) shell: EnvShell,
    /// The server's address; without it, that of the server that runs, else the configured one.
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,
    /// The model that the clients start with; without it, the configured one or the best of what is connected.
    #[arg(short, long)]
    pub(crate) model: Option<String>,
}

#[derive(Args)]
#[command(after_help = LAUNCH_EXAMPLES)]
pub(crate) struct Launch {
    /// The client: aider, claude, codex, gemini, opencode, or any program that uses a vendor's SDK.
    #[arg(value_name = "CLIENT")]
    pub(crate) client: String,
    /// The model that it starts with; without it, the configured one or the best of what is connected.
    #[arg(short, long)]
    pub(crate) model: Option<String>,
    /// The address of a server elsewhere; without it, the one that runs here, or one that runs as long as the client.
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,
    /// The client's own arguments, after `--`.
    #[arg(last = true, value_name = "ARGUMENTS")]
    pub(crate) arguments: Vec<OsString>,
}

const LAUNCH_EXAMPLES: &str = "Examples:
  switchyard launch claude
  switchyard launch codex -m anthropic/claude-sonnet-4-5 -- exec \"say hello\"
  switchyard launch python3 -- my_program_with_an_sdk.py";

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum EnvShell {
    Sh,
    Fish,
}
