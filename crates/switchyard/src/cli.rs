//! The command line, as types. What each command does is in `command`.

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
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
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
    Serve(Serve),
    /// Ask a model once and print its answer.
    Run(Run),
    /// List or search models.
    Models(Models),
    /// Connect providers: store, list and remove their keys.
    #[command(visible_alias = "providers", subcommand)]
    Auth(Auth),
    /// Look at or change the configuration.
    #[command(subcommand)]
    Config(Config),
    /// Trust a project's folder, so that its opencode.json and switchyard.jsonc count.
    Trust(Trust),
    /// Print shell lines that point AI clients at the server: eval "$(switchyard env)".
    Env(Env),
    /// Check that everything is in order.
    Doctor(Doctor),
    /// Print a completion script for a shell.
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
    /// The address to listen on.
    #[arg(long)]
    pub(crate) host: Option<String>,
    /// The port to listen on; 0 lets the system choose.
    #[arg(long)]
    pub(crate) port: Option<u16>,
    /// Ask nobody for a token. On loopback only.
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
    /// Go on to the alias's next model at once instead of waiting for a rate limit.
    #[arg(long)]
    pub(crate) fallback: bool,
    /// Print the text as it comes (default), or one JSON event a line (json).
    #[arg(long, value_enum, default_value = "default")]
    pub(crate) format: RunFormat,
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
    /// As JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Subcommand)]
pub(crate) enum Auth {
    /// Store a key for a provider, typed into a hidden prompt or read from standard input; or add a local server.
    #[command(visible_alias = "add")]
    Login(Login),
    /// List what is connected and where its key comes from.
    #[command(visible_alias = "ls")]
    List(AuthList),
    /// Like list, with exit code 4 when no provider (or not the named one) is connected.
    Status(AuthStatus),
    /// Remove a stored key.
    #[command(visible_alias = "remove")]
    Logout(Logout),
    /// Copy the keys of OpenCode's auth.json into the encrypted store.
    Import(AuthFile),
    /// Write the stored keys, as plain text, into an OpenCode auth.json.
    Export(AuthFile),
    /// Encrypt every stored key anew with a fresh key.
    Rotate,
}

#[derive(Args)]
pub(crate) struct Login {
    /// The provider; asked for where it is missing.
    pub(crate) provider: Option<String>,
    /// Which of several accounts at the provider.
    #[arg(long)]
    pub(crate) account: Option<String>,
    /// A name for it.
    #[arg(long)]
    pub(crate) label: Option<String>,
}

#[derive(Args)]
pub(crate) struct AuthList {
    /// As JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct AuthStatus {
    /// Only this provider.
    pub(crate) provider: Option<String>,
    /// As JSON.
    #[arg(long)]
    pub(crate) json: bool,
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

/// How a command writes its result.
#[derive(Args, Clone, Copy)]
pub(crate) struct Json {
    /// As JSON.
    #[arg(long)]
    json: bool,
    /// Another spelling of --json.
    #[arg(long, hide = true, value_enum, value_name = "FORM")]
    format: Option<JsonForm>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum JsonForm {
    Text,
    Json,
}

impl Json {
    pub(crate) fn is_wanted(self) -> bool {
        self.json || self.format == Some(JsonForm::Json)
    }
}

#[derive(Subcommand)]
pub(crate) enum Config {
    /// Show what is in force and where each value comes from. Secrets are masked.
    View {
        /// Only this key and what is below it.
        key: Option<String>,
        #[command(flatten)]
        json: Json,
    },
    /// Print the value of one key, for scripts. Secrets are masked.
    Get {
        /// The key, with dots: config get server.port.
        key: String,
        #[command(flatten)]
        json: Json,
    },
    /// Show which files are read, from low to high.
    Path {
        #[command(flatten)]
        json: Json,
    },
    /// Print the JSON Schema.
    Schema,
    /// Check the configuration, and that its models and providers exist.
    Validate {
        /// Check it with this file on top, as --config would.
        file: Option<PathBuf>,
        #[command(flatten)]
        json: Json,
    },
    /// Set a value, keeping comments: config set server.port 9000.
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
    Edit,
    /// Put a key, or your whole own file, back to its default; the old file is kept beside it.
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
    pub(crate) json: Json,
}

#[derive(Args)]
pub(crate) struct Env {
    /// The shell to write for: sh for bash, zsh and the like, or fish.
    #[arg(long, value_enum, default_value = "sh")]
    pub(crate) shell: EnvShell,
    /// The server's address, where it is not the configured one.
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum EnvShell {
    Sh,
    Fish,
}

#[derive(Args)]
pub(crate) struct Doctor {
    /// Only this check. May be repeated.
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
    /// Stored keys can be read; something is connected.
    Auth,
    /// The catalog answers; the default model exists.
    Models,
    /// Local inference servers.
    Local,
    /// The server answers, or its port is free.
    Server,
}
