//! What is written to the log.
//!
//! Read by the server when it sets up its observers. It logs nothing itself.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is written to the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// The least level that is written: `off`, `error`, `warn`, `info`, `debug` or `trace`; per part with directives.
    /// `SWITCHYARD_LOG` sets it too. Example: `"info,sy_router=debug"`.
    pub level: String,
    /// The form of a line: `text` for people, `json` for machines, `auto` for text on a terminal and JSON elsewhere.
    pub format: LogFormat,
}

impl Default for Log {
    fn default() -> Self {
        Self { level: "info".to_owned(), format: LogFormat::Auto }
    }
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum LogFormat {
    #[default]
    #[expect(
        missing_docs,
        reason = "a doc comment would split the enum in the schema; `Log::format` explains the words"
    )]
    Auto,
    #[expect(missing_docs, reason = "see `Auto`")]
    Json,
    #[expect(missing_docs, reason = "see `Auto`")]
    Text,
}
