//! The command line, as types. What each command does is in `command`.

mod auth;
mod clients;
mod config;
mod run;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::exit;

pub(crate) use auth::{Auth, AuthFile, AuthStatus, Login};
pub(crate) use clients::{Env, EnvShell, Launch};
pub(crate) use config::Config;
pub(crate) use run::{Run, RunFormat};

/// One small server between every AI client and every model.
#[derive(Parser)]
#[command(name = "switchyard", after_help = exit::TABLE, arg_required_else_help = true)]
#[command(override_usage = "switchyard [OPTIONS] <COMMAND>")]
pub(crate) struct Arguments {
    /// Print the version; warn when the configuration is not valid.
    #[arg(short = 'V', long)]
    pub(crate) version: bool,
    /// With --version: print JSON.
    #[arg(long, requires = "version")]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// How a result is written.
#[derive(Args, Clone, Copy)]
pub(crate) struct Output {
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Another spelling of --json, as --format json.
    #[arg(long, value_enum, value_name = "FORM", hide = true, conflicts_with = "json")]
    format: Option<OutputForm>,
}

impl Output {
    /// Returns true when JSON is asked for, in either spelling.
    pub(crate) fn is_json(self) -> bool {
        self.json || matches!(self.format, Some(OutputForm::Json))
    }
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputForm {
    Json,
    #[value(alias = "default")]
    Text,
}

/// What every command takes.
#[derive(Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Read this configuration file, above the user's and the project's.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Never use the network for the catalog.
    #[arg(long, global = true)]
    pub(crate) offline: bool,
    /// Print debug logs to stderr, as DEBUG=switchyard does.
    #[arg(long, global = true)]
    pub(crate) debug: bool,
    /// Write log lines for people (text) or programs (json); auto is text on a terminal.
    #[arg(long, global = true, value_enum, value_name = "FORM")]
    pub(crate) log_format: Option<LogForm>,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum LogForm {
    Auto,
    Json,
    Text,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Run the server.
    #[command(after_help = "Examples:
  switchyard serve
  switchyard serve --port 9000
  SWITCHYARD_PORT=9000 switchyard serve --log-format json 2>> requests.log")]
    Serve(Serve),
    /// Ask a model once and print its answer.
    #[command(after_help = "Examples:
  switchyard run 'why is the sky blue?'
  switchyard run -m openai/gpt-5-mini -f photo.jpg 'what is this?'
  git diff | switchyard run 'write a commit message for' - --json")]
    Run(Run),
    /// List or search models.
    #[command(after_help = "Examples:
  switchyard models                    what is connected
  switchyard models openai --verbose   limits, prices and capabilities
  switchyard models --search sonnet    over all providers")]
    Models(Models),
    /// Connect providers: store, list and remove their keys.
    #[command(visible_alias = "providers", subcommand)]
    Auth(Auth),
    /// Look at or change the configuration.
    #[command(subcommand)]
    Config(Config),
    /// Trust a project's folder, so that its opencode.json and switchyard.jsonc count.
    #[command(after_help = "Examples:
  switchyard trust                 the project that one works in
  switchyard trust ~/work/shop
  switchyard trust --list
  switchyard trust --remove ~/work/shop")]
    Trust(Trust),
    /// Print shell lines that point AI clients at the server: eval "$(switchyard env)".
    #[command(after_help = "Examples:
  eval \"$(switchyard env)\"
  eval \"$(switchyard env -m anthropic/claude-sonnet-4-5)\"
  switchyard env --shell fish | source
  switchyard env --url http://gateway.example.com:8080")]
    Env(Env),
    /// Start an AI client that talks to the server: launch claude -m anthropic/claude-sonnet-4-5.
    Launch(Launch),
    /// Check that everything is in order.
    Doctor(Doctor),
    /// Print a completion script for a shell.
    #[command(after_help = "Examples:
  switchyard completion bash > ~/.local/share/bash-completion/completions/switchyard
  switchyard completion zsh > ~/.zfunc/_switchyard")]
    Completion {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print the names that come next on a command line, for completion scripts.
    #[command(name = "__complete", hide = true)]
    Complete {
        /// The words behind `switchyard`, the unfinished one last.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        words: Vec<String>,
    },
}

#[derive(Args)]
pub(crate) struct Serve {
    /// The address to listen on [default: server.host, 127.0.0.1].
    #[arg(long)]
    pub(crate) host: Option<String>,
    /// The port to listen on; 0 lets the system choose [default: server.port, 8080].
    #[arg(long)]
    pub(crate) port: Option<u16>,
    /// Switch authentication off. On loopback only.
    #[arg(long)]
    pub(crate) dangerously_unauthenticated: bool,
}

#[derive(Args)]
pub(crate) struct Models {
    /// Only this provider.
    pub(crate) provider: Option<String>,
    /// Search over all models, best first.
    #[arg(short, long, value_name = "QUERY")]
    pub(crate) search: Option<String>,
    /// All models, also of providers that are not connected; all hits of a search.
    #[arg(short, long)]
    pub(crate) all: bool,
    /// Limits, prices and capabilities too.
    #[arg(short, long)]
    pub(crate) verbose: bool,
    /// Fetch the catalog first.
    #[arg(long)]
    pub(crate) refresh: bool,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Args)]
pub(crate) struct Trust {
    /// The folder; without it, the project's that one works in.
    pub(crate) folder: Option<PathBuf>,
    /// List what was trusted.
    #[arg(long, conflicts_with_all = ["folder", "remove"])]
    pub(crate) list: bool,
    /// Trust the folder no more.
    #[arg(long)]
    pub(crate) remove: bool,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Args)]
#[command(after_help = "Examples:
  switchyard doctor
  switchyard doctor --check files --fix
  switchyard doctor --json | jq '.[] | select(.status == \"broken\")'")]
pub(crate) struct Doctor {
    #[command(flatten)]
    pub(crate) output: Output,
    /// Only this check. May be repeated [default: all].
    #[arg(long, value_enum)]
    pub(crate) check: Vec<DoctorCheck>,
    /// Repair what is safe to repair: modes of private files.
    #[arg(long)]
    pub(crate) fix: bool,
}

/// What can be checked.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DoctorCheck {
    /// The configuration is valid.
    Config,
    /// Folders and files are readable by nobody else.
    Files,
    /// Keys can be read, and what providers said of them last.
    Auth,
    /// The catalog answers; the default model exists.
    Models,
    /// Local inference servers.
    Local,
    /// The server answers, or its port is free.
    Server,
}
