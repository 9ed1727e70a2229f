//! `env`: shell lines that point AI clients at the server.
//!
//! The token is printed on purpose: that is what the command is for. Nothing is printed when there is no token yet.

use std::collections::BTreeSet;
use std::process::ExitCode;

use anyhow::{Context as _, Result, anyhow};

use crate::cli::{Env, EnvShell};
use crate::clients::{CLIENTS, Client, ClientSettings, Connection, SDKS, connect};
use crate::context::Context;
use crate::output;

/// Prints the lines.
pub(crate) fn run(arguments: &Env, context: &Context) -> Result<ExitCode> {
    let base = match &arguments.url {
        Some(url) => url.trim_end_matches('/').to_owned(),
        None => connect::address(context)?,
    };
    let token = sy_server::current_token(&context.inputs.paths, &context.inputs.environment)
        .context("the server's token cannot be read")?
        .ok_or_else(|| {
            anyhow!(
                "there is no token yet: start the server once (`switchyard serve` makes one), or set SWITCHYARD_TOKEN"
            )
        })?;
    let local = sy_server::local(context.composed()?)?;
    let models = connect::models(&local, arguments.model.as_deref())?;
    if models.is_none() {
        output::warning("no provider is connected, so no model is chosen for the clients");
        output::help("connect one with `switchyard auth login`, then run this command again");
    }

    let lines = lines(&Connection { base, token, models }, arguments.shell);
    output::lines(lines.iter().map(String::as_str))?;
    Ok(ExitCode::SUCCESS)
}

/// Returns the lines: what must go, what all clients share, then a function for each client that needs arguments.
fn lines(connection: &Connection, shell: EnvShell) -> Vec<String> {
    let clients: Vec<(&Client, ClientSettings)> =
        CLIENTS.into_iter().map(|client| (client, (client.settings)(connection))).collect();

    let mut lines = Vec::new();
    let unset: BTreeSet<&str> =
        clients.iter().flat_map(|(_, settings)| settings.unset.iter().copied()).collect();
    lines.extend(unset.into_iter().map(|name| match shell {
        EnvShell::Sh => format!("unset {name}"),
        EnvShell::Fish => format!("set -e {name}"),
    }));

    let all = std::iter::once(SDKS(connection)).map(|settings| settings.variables);
    let all = all.chain(clients.iter().map(|(_, settings)| settings.variables.clone()));
    let mut told = BTreeSet::new();
    for (name, value) in all.flatten().filter(|(name, _)| told.insert(*name)) {
        let value = quoted(&value, shell);
        lines.push(match shell {
            EnvShell::Sh => format!("export {name}={value}"),
            EnvShell::Fish => format!("set -gx {name} {value}"),
        });
    }

    let own = clients.iter().filter(|(_, settings)| settings.needs_function());
    lines.extend(own.map(|(client, settings)| function(client, settings, shell)));
    lines
}

/// Returns a function that stands before a program and gives it what suits it alone. An alias would not be known in scripts.
fn function(client: &Client, settings: &ClientSettings, shell: EnvShell) -> String {
    let name = client.program;
    let words: Vec<String> = settings.arguments.iter().map(|text| quoted(text, shell)).collect();
    let call =
        std::iter::once(format!("command {name}")).chain(words).collect::<Vec<_>>().join(" ");

    let unset = settings.alone.unset.iter().map(|name| match shell {
        EnvShell::Sh => format!("unset {name}; "),
        // Hides the shell's own value from the program.
        EnvShell::Fish => format!("set -lu {name}; "),
    });
    let set = settings.alone.variables.iter().map(|(name, value)| match shell {
        EnvShell::Sh => format!("export {name}={}; ", quoted(value, shell)),
        EnvShell::Fish => format!("set -lx {name} {}; ", quoted(value, shell)),
    });
    let prepared: String = unset.chain(set).collect();
    match shell {
        // The brackets make a shell of its own, whose variables end with it. An alias of the same name would be expanded
        // in the middle of the definition.
        EnvShell::Sh => {
            let body = format!("{name}() ( {prepared}{call} \"$@\" )");
            format!("unalias {name} 2>/dev/null; eval {}", quoted(&body, shell))
        }
        EnvShell::Fish => format!("function {name}; {prepared}{call} $argv; end"),
    }
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
    use super::quoted;
    use crate::cli::EnvShell;

    #[test]
    fn quoting_keeps_every_character() {
        assert_eq!(quoted("a b$c", EnvShell::Sh), "'a b$c'");
        assert_eq!(quoted(r"it's \", EnvShell::Sh), r"'it'\''s \'");
        assert_eq!(quoted(r"it's \", EnvShell::Fish), r"'it\'s \\'");
    }
}
