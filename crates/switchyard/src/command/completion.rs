//! `completion`: a script that completes our commands in a shell, and the names of models and
//! providers.
//!
//! Commands and options are written into the script. Names change with the catalog and with what is
//! connected, so the script asks `switchyard __complete` for them.

use std::process::ExitCode;

use anyhow::Result;
use clap::CommandFactory;
use clap_complete::Shell;

use crate::cli::Arguments;
use crate::output;

/// How the scripts of bash and zsh begin their work.
const FUNCTION: &str = "_switchyard() {\n";

const BASH: &str = r#"_switchyard_names() {
    local names word="${COMP_WORDS[COMP_CWORD]}"
    names=$(switchyard __complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null) || return 1
    [[ $word == "=" ]] && word=""
    COMPREPLY=($(compgen -W "$names" -- "$word"))
    [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == */ ]] && compopt -o nospace
    return 0
}

"#;

const ZSH: &str = r#"_switchyard_names() {
    local names
    names=$(switchyard __complete -- "${(@)words[2,CURRENT]}" 2>/dev/null) || return 1
    compset -P '--model='
    compadd -S ' ' -- ${${(f)names}:#*/}
    compadd -S '' -- ${(M)${(f)names}:#*/}
    return 0
}

"#;

const FISH: &str = r#"
function __switchyard_names
    set -l words (commandline -opc)
    set -l last (commandline -ct)
    switchyard __complete -- $words[2..-1] "$last" 2>/dev/null
end
complete -c switchyard -s m -l model -x -a '(__switchyard_names)'
complete -c switchyard -n '__fish_seen_subcommand_from models login logout status' -f -a '(__switchyard_names)'
"#;

/// Prints the script.
pub(crate) fn run(shell: Shell) -> Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "switchyard", &mut script);
    let script = String::from_utf8_lossy(&script);
    output::part(&with_names(shell, &script))?;
    Ok(ExitCode::SUCCESS)
}

/// Lets a script ask for names before it completes commands.
fn with_names(shell: Shell, script: &str) -> String {
    let ask_first = |names: &str| {
        let begun = format!("{names}{FUNCTION}    _switchyard_names && return 0\n");
        script.replacen(FUNCTION, &begun, 1)
    };
    match shell {
        Shell::Bash => ask_first(BASH),
        Shell::Zsh => ask_first(ZSH),
        Shell::Fish => format!("{script}{FISH}"),
        _ => script.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use clap_complete::Shell;

    use super::{FUNCTION, with_names};

    #[test]
    fn names_are_asked_for_first() {
        for shell in [Shell::Bash, Shell::Zsh] {
            let script = with_names(shell, &format!("# begin\n{FUNCTION}    commands\n}}\n"));
            assert!(script.contains("_switchyard_names && return 0\n    commands"), "{script}");
        }
    }
}
