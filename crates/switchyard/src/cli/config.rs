//! The arguments of `config` and what is below it.

use std::path::PathBuf;

use clap::Subcommand;

use super::Output;

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
