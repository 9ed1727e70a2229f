//! `env`: shell lines that point AI clients at the server.
//!
//! The token is printed on purpose: that is what the command is for. Nothing is printed when there is no token yet.

use std::process::ExitCode;

use anyhow::{Context as _, Result, anyhow};
use serde_json::json;

use crate::cli::{Env, EnvShell};
use crate::context::Context;
use crate::output;

/// Holds our token in a shell that `env` prepared. Clients may read it; we take it as the sign that keys of the same
/// value are not keys of providers.
pub(crate) const CLIENT_TOKEN: &str = "SWITCHYARD_CLIENT_TOKEN";

/// Prints the lines.
pub(crate) fn run(arguments: &Env, context: &Context) -> Result<ExitCode> {
    let config = context.load()?.config;
    let base = match &arguments.url {
        Some(url) => url.trim_end_matches('/').to_owned(),
        None => address(&config.server.host, config.server.port),
    };
    let token = sy_server::current_token(&context.inputs.paths, &context.inputs.environment)
        .context("the server's token cannot be read")?
        .ok_or_else(|| {
            anyhow!(
                "there is no token yet: start the server once (`switchyard serve` makes one), or set SWITCHYARD_TOKEN"
            )
        })?;
    let mut lines: Vec<String> = variables(&base, &token)
        .into_iter()
        .map(|(name, value)| match arguments.shell {
            EnvShell::Sh => format!("export {name}={}", quoted(&value, arguments.shell)),
            EnvShell::Fish => format!("set -gx {name} {}", quoted(&value, arguments.shell)),
        })
        .collect();
    // Codex takes its provider from its configuration only; its command line can override that.
    let overrides = format!(
        "codex -c model_provider=switchyard -c model_providers.switchyard.name=Switchyard \
         -c model_providers.switchyard.base_url={base}/v1 -c model_providers.switchyard.env_key={CLIENT_TOKEN} \
         -c model_providers.switchyard.wire_api=responses"
    );
    lines.push(format!("alias codex={}", quoted(&overrides, arguments.shell)));
    output::lines(lines.iter().map(String::as_str))?;
    Ok(ExitCode::SUCCESS)
}

/// Returns the address at which a client on this machine reaches the server.
fn address(host: &str, port: u16) -> String {
    match host.trim_start_matches('[').trim_end_matches(']') {
        "0.0.0.0" | "::" => format!("http://127.0.0.1:{port}"),
        host if host.contains(':') => format!("http://[{host}]:{port}"),
        host => format!("http://{host}:{port}"),
    }
}

fn variables(base: &str, token: &str) -> Vec<(&'static str, String)> {
    // OpenCode reads this as a configuration layer of its own.
    let opencode = json!({"provider": {"switchyard": {
        "npm": "@ai-sdk/openai-compatible",
        "name": "Switchyard",
        "options": {"baseURL": format!("{base}/v1"), "apiKey": format!("{{env:{CLIENT_TOKEN}}}")},
    }}});
    vec![
        (CLIENT_TOKEN, token.to_owned()),
        ("OPENAI_BASE_URL", format!("{base}/v1")),
        ("OPENAI_API_KEY", token.to_owned()),
        ("ANTHROPIC_BASE_URL", base.to_owned()),
        ("ANTHROPIC_API_KEY", token.to_owned()),
        ("GOOGLE_GEMINI_BASE_URL", base.to_owned()),
        ("GEMINI_API_KEY", token.to_owned()),
        ("OPENCODE_CONFIG_CONTENT", opencode.to_string()),
    ]
}

/// Quotes a text for a shell: in single quotes, where only the quote itself needs care, and in fish the backslash.
fn quoted(text: &str, shell: EnvShell) -> String {
    match shell {
        EnvShell::Sh => format!("'{}'", text.replace('\'', "'\\''")),
        EnvShell::Fish => format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'")),
    }
}

#[cfg(test)]
mod tests {
    use super::{address, quoted};
    use crate::cli::EnvShell;

    #[test]
    fn quoting_keeps_every_character() {
        assert_eq!(quoted("a b$c", EnvShell::Sh), "'a b$c'");
        assert_eq!(quoted(r"it's \", EnvShell::Sh), r"'it'\''s \'");
        assert_eq!(quoted(r"it's \", EnvShell::Fish), r"'it\'s \\'");
    }

    #[test]
    fn the_address_is_one_that_a_client_can_call() {
        assert_eq!(address("127.0.0.1", 8080), "http://127.0.0.1:8080");
        assert_eq!(address("localhost", 1), "http://localhost:1");
        assert_eq!(address("0.0.0.0", 8080), "http://127.0.0.1:8080");
        assert_eq!(address("::1", 8080), "http://[::1]:8080");
        assert_eq!(address("[::1]", 8080), "http://[::1]:8080");
    }
}
