//! `env`: shell lines that point AI clients at the server.
//!
//! The token is printed on purpose: that is what the command is for. Nothing is printed when there is no token yet.

use std::process::ExitCode;

use anyhow::{Context as _, Result, anyhow};
use serde_json::json;

use crate::cli::{Env, EnvShell};
use crate::context::Context;
use crate::output;

/// Prints the lines.
pub(crate) fn run(arguments: &Env, context: &Context) -> Result<ExitCode> {
    let config = context.load()?.config;
    let base = match &arguments.url {
        Some(url) => url.trim_end_matches('/').to_owned(),
        None => {
            let host = if config.server.host == "0.0.0.0" || config.server.host == "::" { "127.0.0.1" } else { &config.server.host };
            format!("http://{host}:{}", config.server.port)
        }
    };
    let token = sy_server::current_token(&context.inputs.paths, &context.inputs.environment)
        .context("the server's token cannot be read")?
        .ok_or_else(|| anyhow!("there is no token yet: start the server once (switchyard serve), or set SWITCHYARD_TOKEN"))?;
    for (name, value) in variables(&base, &token) {
        output::line(&match arguments.shell {
            EnvShell::Sh => format!("export {name}={}", quoted(&value)),
            EnvShell::Fish => format!("set -gx {name} {}", quoted(&value)),
        });
    }
    // Codex takes its provider from its configuration only; its command line can override that.
    let overrides = format!(
        "codex -c model_provider=switchyard -c model_providers.switchyard.name=Switchyard \
         -c model_providers.switchyard.base_url={base}/v1 -c model_providers.switchyard.env_key=SWITCHYARD_CLIENT_TOKEN \
         -c model_providers.switchyard.wire_api=responses"
    );
    output::line(&format!("alias codex={}", quoted(&overrides)));
    Ok(ExitCode::SUCCESS)
}

fn variables(base: &str, token: &str) -> Vec<(&'static str, String)> {
    // OpenCode reads this as a configuration layer of its own.
    let opencode = json!({"provider": {"switchyard": {
        "npm": "@ai-sdk/openai-compatible",
        "name": "Switchyard",
        "options": {"baseURL": format!("{base}/v1"), "apiKey": "{env:SWITCHYARD_CLIENT_TOKEN}"},
    }}});
    vec![
        ("SWITCHYARD_CLIENT_TOKEN", token.to_owned()),
        ("OPENAI_BASE_URL", format!("{base}/v1")),
        ("OPENAI_API_KEY", token.to_owned()),
        ("ANTHROPIC_BASE_URL", base.to_owned()),
        ("ANTHROPIC_API_KEY", token.to_owned()),
        ("GOOGLE_GEMINI_BASE_URL", base.to_owned()),
        ("GEMINI_API_KEY", token.to_owned()),
        ("OPENCODE_CONFIG_CONTENT", opencode.to_string()),
    ]
}

/// Quotes a text for a shell: in single quotes, where only the quote itself needs care.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn quoting_keeps_every_character() {
        assert_eq!(quoted("a b$c"), "'a b$c'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }
}
