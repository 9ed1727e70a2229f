//! Exit codes that scripts can use, and the last words of a command that failed.
//!
//! Called by `main` with whatever a command returned. It is the one place where an error becomes a code and a next step.

use std::process::ExitCode;

use sy_config::Problem;
use sy_server::ComposeError;
use sy_types::{ErrorKind, Failure, Side};

use crate::output::{self, Unwritten};

/// Something failed that has no code of its own.
pub(crate) const FAILED: u8 = 1;
/// The command line cannot be used; clap has the same code.
const USAGE: u8 = 2;
/// The configuration is not valid.
pub(crate) const CONFIG: u8 = 3;
/// No credential, or one that was refused.
const CREDENTIAL: u8 = 4;
/// There is no such model or provider.
const NOT_FOUND: u8 = 5;
/// A rate limit or a quota.
const LIMITED: u8 = 6;
/// The provider failed or did not answer in time.
const PROVIDER: u8 = 7;
/// Interrupted; shells give a program that SIGINT ends the same code.
pub(crate) const INTERRUPTED: u8 = 130;

/// The exit codes, for the help text.
pub(crate) const TABLE: &str = "Exit codes:
  0    done
  1    failed
  2    wrong usage
  3    invalid configuration
  4    no credential, or a refused one
  5    no such model or provider
  6    rate limit or quota
  7    the provider failed
  130  interrupted";

/// Configuration mistakes, each with its place.
#[derive(Debug)]
pub(crate) struct InvalidConfig(pub(crate) Vec<Problem>);

impl std::fmt::Display for InvalidConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let problems: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&problems.join("; "))
    }
}

impl std::error::Error for InvalidConfig {}

/// The command line says something that cannot be done; with what to write instead.
#[derive(Debug)]
pub(crate) struct Usage(pub(crate) String);

impl std::fmt::Display for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// Something failed, with what to do.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) what: String,
    pub(crate) help: String,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.what, self.help)
    }
}

impl std::error::Error for Fault {}

/// Prints why a command failed and what to do next, and returns its code. Keys may be missing because the shell
/// `was_prepared` by `switchyard env`.
pub(crate) fn report(error: &anyhow::Error, was_prepared: bool) -> ExitCode {
    if error.downcast_ref::<Unwritten>().is_some_and(Unwritten::reader_left) {
        return ExitCode::SUCCESS;
    }
    explain(error, output::error);
    let code = code(error);
    if was_prepared && matches!(code, CONFIG | CREDENTIAL) {
        output::help(
            "`switchyard env` prepared this shell: variables that hold our token are no keys of providers; use another shell",
        );
    }
    ExitCode::from(code)
}

/// Says what is wrong, by `say`, and the next step.
pub(crate) fn explain(error: &anyhow::Error, say: fn(&str)) {
    for (what, help) in explained(error) {
        say(&what);
        if let Some(help) = help {
            output::help(&help);
        }
    }
}

/// Writes into the log why a server failed, and returns its code. Where the log takes no errors, it is told as ever.
pub(crate) fn log(error: &anyhow::Error) -> ExitCode {
    if !tracing::enabled!(tracing::Level::ERROR) {
        return report(error, false);
    }
    for (what, help) in explained(error) {
        tracing::error!(help, "{what}");
    }
    ExitCode::from(code(error))
}

/// Returns each fault with its next step.
fn explained(error: &anyhow::Error) -> Vec<(String, Option<String>)> {
    if let Some(InvalidConfig(problems)) = error.downcast_ref() {
        let one = |problem: &Problem| (problem.to_string(), problem.help.clone());
        return problems.iter().map(one).collect();
    }
    if let Some(Fault { what, help }) = error.downcast_ref() {
        return vec![(what.clone(), Some(help.clone()))];
    }
    vec![match failure(error) {
        Some(failure) => (sentence(failure), next_step(failure)),
        None => (chain(error), None),
    }]
}

/// Joins an error and its causes. Some errors tell their cause themselves; it is not told twice.
fn chain(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |told, cause| match told.as_str() {
        "" => cause,
        known if known.contains(&cause) => told,
        known => format!("{known}: {cause}"),
    })
}

fn failure(error: &anyhow::Error) -> Option<&Failure> {
    match error.downcast_ref::<ComposeError>() {
        Some(ComposeError::Part(failure)) => Some(failure),
        Some(ComposeError::Address(_) | ComposeError::Access(_) | ComposeError::Credentials(_)) => {
            None
        }
        None => error.downcast_ref(),
    }
}

/// Returns a failure as a sentence. Whose words it holds is said by the router, which knows who was
/// asked.
pub(crate) fn sentence(failure: &Failure) -> String {
    failure.message.clone()
}

/// Returns what to do about a provider's failure. Failures of our own say it themselves.
fn next_step(failure: &Failure) -> Option<String> {
    if failure.side != Side::Provider && failure.status.is_none() {
        return None;
    }
    let another =
        "try again, or name more than one model for an alias: the next one answers when one fails";
    Some(match failure.kind {
        // The sentence says it already.
        ErrorKind::Unauthenticated | ErrorKind::Forbidden | ErrorKind::NotFound => return None,
        ErrorKind::RateLimited => match failure.retry_after {
            Some(wait) => {
                format!("wait {} s, or give an alias more than one model", wait.as_secs().max(1))
            }
            None => "wait, or give an alias more than one model".to_owned(),
        },
        ErrorKind::QuotaExceeded => {
            "look at the plan and the balance at the provider, or use another model".to_owned()
        }
        ErrorKind::Unavailable | ErrorKind::Malformed => another.to_owned(),
        ErrorKind::Timeout => format!("{another}; provider.ID.options.timeout allows more time"),
        ErrorKind::TooLarge | ErrorKind::ContextOverflow => {
            "send less, or use a model with a larger context: `switchyard models --verbose`"
                .to_owned()
        }
        ErrorKind::Invalid
        | ErrorKind::Conflict
        | ErrorKind::ContentFiltered
        | ErrorKind::Unsupported
        | ErrorKind::Cancelled
        | ErrorKind::Internal => return None,
    })
}

fn code(error: &anyhow::Error) -> u8 {
    if error.downcast_ref::<InvalidConfig>().is_some() {
        return CONFIG;
    }
    if error.downcast_ref::<Usage>().is_some() {
        return USAGE;
    }
    if error
        .downcast_ref::<std::io::Error>()
        .is_some_and(|error| error.kind() == std::io::ErrorKind::Interrupted)
    {
        return INTERRUPTED;
    }
    let of_composing = match error.downcast_ref() {
        Some(ComposeError::Credentials(error)) => Some(error),
        _ => None,
    };
    if let Some(error) = of_composing.or(error.downcast_ref::<sy_credentials::Error>()) {
        return match error {
            sy_credentials::Error::WrongKey(_) => CREDENTIAL,
            sy_credentials::Error::Invalid(_) => USAGE,
            _ => FAILED,
        };
    }
    failure(error).map_or(FAILED, of_failure)
}

fn of_failure(failure: &Failure) -> u8 {
    match failure.kind {
        ErrorKind::Unauthenticated | ErrorKind::Forbidden => CREDENTIAL,
        ErrorKind::NotFound => NOT_FOUND,
        ErrorKind::RateLimited | ErrorKind::QuotaExceeded => LIMITED,
        ErrorKind::Unavailable | ErrorKind::Malformed | ErrorKind::Timeout => PROVIDER,
        // A provider's 400 is not necessarily the fault of the command line.
        ErrorKind::Invalid if failure.side == Side::Caller && failure.status.is_none() => USAGE,
        ErrorKind::Invalid
        | ErrorKind::Conflict
        | ErrorKind::TooLarge
        | ErrorKind::ContextOverflow
        | ErrorKind::ContentFiltered
        | ErrorKind::Unsupported
        | ErrorKind::Cancelled
        | ErrorKind::Internal => FAILED,
    }
}

#[cfg(test)]
mod tests {
    use sy_types::{ErrorKind, Failure};

    use super::{
        CREDENTIAL, FAILED, INTERRUPTED, LIMITED, NOT_FOUND, PROVIDER, USAGE, Usage, chain, code,
        next_step,
    };

    #[test]
    fn codes_follow_what_the_user_can_do() {
        let of = |kind| code(&anyhow::Error::new(Failure::provider(kind, "m")));
        assert_eq!(of(ErrorKind::Unauthenticated), CREDENTIAL);
        assert_eq!(of(ErrorKind::NotFound), NOT_FOUND);
        assert_eq!(of(ErrorKind::QuotaExceeded), LIMITED);
        assert_eq!(of(ErrorKind::Timeout), PROVIDER);
        assert_eq!(of(ErrorKind::Invalid), FAILED);
        assert_eq!(code(&anyhow::Error::new(Failure::invalid("ambiguous"))), USAGE);
        assert_eq!(code(&anyhow::Error::new(Usage("no prompt".to_owned()))), USAGE);
        assert_eq!(
            code(&anyhow::Error::new(std::io::Error::from(std::io::ErrorKind::Interrupted))),
            INTERRUPTED
        );
        assert_eq!(code(&anyhow::anyhow!("x")), FAILED);
    }

    #[test]
    fn a_code_survives_the_context_around_it() {
        let error = anyhow::Error::new(Failure::provider(ErrorKind::RateLimited, "m"))
            .context("while asking");
        assert_eq!(code(&error), LIMITED);
    }

    #[test]
    fn a_cause_is_told_once() {
        let error = anyhow::anyhow!("no such file")
            .context("cannot write x: no such file")
            .context("auth export");
        assert_eq!(chain(&error), "auth export: cannot write x: no such file");
    }

    #[test]
    fn a_limit_says_how_long_to_wait() {
        let failure = Failure::provider(ErrorKind::RateLimited, "m")
            .with_retry_after(Some(std::time::Duration::from_secs(120)));
        assert!(next_step(&failure).is_some_and(|step| step.starts_with("wait 120 s")));
        assert_eq!(next_step(&Failure::invalid("says it itself")), None);
    }
}
