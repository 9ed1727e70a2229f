//! Claude Code.

use super::{Alone, Client, ClientSettings, Connection};

/// Claude Code takes everything from variables
/// (<https://docs.anthropic.com/en/docs/claude-code/settings>, read 2026-11-25).
pub(crate) const CLAUDE: Client = Client {
    program: "claude",
    title: "Claude Code",
    install: "npm install -g @anthropic-ai/claude-code",
    settings,
};

fn settings(connection: &Connection) -> ClientSettings {
    // It asks a person whether a key of the environment may be used, a token it takes; of both together it warns.
    let alone = Alone {
        variables: vec![("ANTHROPIC_AUTH_TOKEN", connection.token.clone())],
        unset: &["ANTHROPIC_API_KEY"],
    };
    let mut settings = ClientSettings { alone, ..ClientSettings::default() };
    settings.set(&["ANTHROPIC_BASE_URL"], Some(connection.base.clone()));

    // Its own names for models lead to models that may not be connected here: each of them is given one that is.
    let main = [
        "ANTHROPIC_MODEL",
        "ANTHROPIC_DEFAULT_OPUS_MODEL",
        "ANTHROPIC_DEFAULT_SONNET_MODEL",
        "CLAUDE_CODE_SUBAGENT_MODEL",
    ];
    settings.set(&main, connection.main_model(""));
    // The second one is what versions before 2 read.
    let small = ["ANTHROPIC_DEFAULT_HAIKU_MODEL", "ANTHROPIC_SMALL_FAST_MODEL"];
    settings.set(&small, connection.small_model(""));
    settings
}
