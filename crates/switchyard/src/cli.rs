//! The command line, as types. What each command does is in `command`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::exit;

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

#[derive(Subcommand)]
pub(crate) enum Config {
    /// Show what is in force and where each value comes from. Secrets are masked.
    #[command(after_help = "Examples:
  switchyard config view
  switchyard config view server --json")]
    View {
        /// Only this key and what is below it.
        key: Option<String>,
        #[command(flatten)]
        output: Output,
    },
    /// Print the value of one key, for scripts. Secrets are masked.
    #[command(after_help = "Example:
  switchyard config get server.port")]
    Get {
        /// The key, with dots: config get server.port.
        key: String,
        #[command(flatten)]
        output: Output,
    },
    /// Show which files are read, from low to high.
    #[command(after_help = "Example:
  switchyard config path")]
    Path {
        #[command(flatten)]
        output: Output,
    },
    /// Print the JSON Schema.
    #[command(after_help = "Example:
  switchyard config schema > config.schema.json")]
    Schema,
    /// Check the configuration, and that its models and providers exist.
    #[command(after_help = "Examples:
  switchyard config validate
  switchyard config validate ./opencode.json")]
    Validate {
        /// Check it with this file on top, as --config would.
        file: Option<PathBuf>,
        #[command(flatten)]
        output: Output,
    },
    /// Set a value, keeping comments.
    #[command(after_help = "Examples:
  switchyard config set server.port 9000
  switchyard config set model anthropic/claude-sonnet-4-5
  switchyard config set alias.fast '[\"groq/llama-3.3-70b-versatile\", \"openai/gpt-5-mini\"]'")]
    Set {
        /// The key, with dots; a name with dots in it stands in quotes: 'provider.x.models."m-1.5".name'.
        key: String,
        /// The value: JSON, or else text.
        #[arg(allow_hyphen_values = true)]
        value: String,
        /// Change the project's switchyard.jsonc instead of your own.
        #[arg(long)]
        project: bool,
    },
    /// Open your own file in $VISUAL or $EDITOR and check it afterwards.
    #[command(after_help = "Example:
  EDITOR=nano switchyard config edit")]
    Edit,
    /// Put a key, or your whole own file, back to its default; the old file is kept beside it.
    #[command(after_help = "Examples:
  switchyard config reset server.port
  switchyard config reset")]
    Reset {
        /// The key, with dots; everything where it is missing.
        key: Option<String>,
    },
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
