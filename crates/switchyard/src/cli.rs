//! The command line, as types. What each command does is in `command`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::exit;

/// One small server between every AI client and every model.
#[derive(Parser)]
#[command(name = "switchyard", version, after_help = exit::TABLE, arg_required_else_help = true)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Args)]
pub(crate) struct Global {
    /// Read this configuration file, above the user's and the project's.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Never use the network for the catalog.
    #[arg(long, global = true)]
    pub(crate) offline: bool,
    /// Log what is decided (to standard error).
    #[arg(long, global = true)]
    pub(crate) debug: bool,
    /// The form of log lines.
    #[arg(long, global = true, value_enum, value_name = "FORMAT")]
    pub(crate) log_format: Option<LogForm>,
}

/// The form of log lines.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum LogForm {
    /// Readable on a terminal, JSON elsewhere.
    Auto,
    /// One JSON object a line.
    Json,
    /// Readable.
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
    /// Manage our credentials for providers.
    #[command(visible_alias = "providers", subcommand)]
    Auth(Auth),
    /// Look at or change the configuration.
    #[command(subcommand)]
    Config(Config),
    /// Print shell lines that point AI clients at the server: eval "$(switchyard env)".
    Env(Env),
    /// Check that everything is in order.
    Doctor(Doctor),
    /// Print a completion script for a shell.
    Completion {
        /// The shell.
        shell: clap_complete::Shell,
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
    /// The prompt; `-` or nothing reads it from standard input.
    pub(crate) prompt: Vec<String>,
    /// `provider/model[:variant]`, an alias, or a bare id that only one connected provider has.
    #[arg(short, long)]
    pub(crate) model: Option<String>,
    /// Instructions for the model.
    #[arg(long)]
    pub(crate) system: Option<String>,
    /// Add a file: text, a picture or a PDF. May be repeated.
    #[arg(short, long, visible_alias = "image", value_name = "PATH")]
    pub(crate) file: Vec<PathBuf>,
    /// At most this many answer tokens.
    #[arg(long)]
    pub(crate) max_tokens: Option<u64>,
    /// How freely the next token is chosen, usually 0 to 2.
    #[arg(long)]
    pub(crate) temperature: Option<f64>,
    /// Go to the next target at once instead of waiting for a rate limit.
    #[arg(long)]
    pub(crate) fallback: bool,
    /// The form of the answer.
    #[arg(long, value_enum, default_value = "default")]
    pub(crate) format: RunFormat,
}

/// The form of an answer.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RunFormat {
    /// The text, as it comes.
    Default,
    /// One JSON event a line.
    Json,
}

#[derive(Args)]
pub(crate) struct Models {
    /// Only this provider.
    pub(crate) provider: Option<String>,
    /// Search over all models, best first.
    #[arg(short, long, value_name = "QUERY")]
    pub(crate) search: Option<String>,
    /// All models, also of providers that are not connected.
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
    /// Store a key for a provider; it is asked for, or read from standard input.
    #[command(visible_alias = "add")]
    Login(Login),
    /// List what is connected and where its key comes from.
    #[command(visible_alias = "ls")]
    List(AuthList),
    /// Like list; the exit code is 4 when nothing (or not the named provider) is connected.
    Status(AuthStatus),
    /// Remove a stored key.
    Logout(Logout),
    /// Copy the keys of OpenCode's auth.json into our encrypted store.
    Import(AuthFile),
    /// Write our stored keys, as plain text, into an OpenCode auth.json.
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

#[derive(Subcommand)]
pub(crate) enum Config {
    /// Show what is in force and where each value comes from. Secrets are masked.
    View {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show which files are read, from low to high.
    Path,
    /// Print the JSON Schema.
    Schema,
    /// Check the configuration (or one file).
    Validate {
        /// Check this file alone.
        file: Option<PathBuf>,
    },
    /// Set a value, keeping comments: `config set server.port 9000`.
    Set {
        /// The key, with dots.
        key: String,
        /// The value: JSON, or else text.
        value: String,
        /// Change the project's file instead of the user's.
        #[arg(long)]
        project: bool,
    },
    /// Open the user's file in $EDITOR and check it afterwards.
    Edit,
    /// Put a key, or the whole user's file, back to its default. The old file is kept beside it.
    Reset {
        /// The key, with dots; everything where it is missing.
        key: Option<String>,
    },
}

#[derive(Args)]
pub(crate) struct Env {
    /// The shell to write for.
    #[arg(long, value_enum, default_value = "sh")]
    pub(crate) shell: EnvShell,
    /// The server's address, where it is not the configured one.
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,
}

/// A shell to write for.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum EnvShell {
    /// bash, zsh and other POSIX shells.
    Sh,
    /// fish.
    Fish,
}

#[derive(Args)]
pub(crate) struct Doctor {
    /// Only this check. May be repeated.
    #[arg(long, value_enum)]
    pub(crate) check: Vec<DoctorCheck>,
    /// Repair what is safe to repair.
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
