//! Exit codes that scripts can use, and the last words of a command that failed.

use std::process::ExitCode;

use sy_config::Problem;
use sy_types::{ErrorKind, Failure};

use crate::output;

/// Something failed that has no code of its own.
pub(crate) const FAILED: u8 = 1;
/// The configuration is not valid.
const CONFIG: u8 = 3;
/// No credential, or one that was refused.
const CREDENTIAL: u8 = 4;
/// There is no such model or provider.
const NOT_FOUND: u8 = 5;
/// A rate limit or a quota.
const LIMITED: u8 = 6;
/// The provider failed or did not answer in time.
const PROVIDER: u8 = 7;

/// The exit codes, for the help text.
pub(crate) const TABLE: &str = "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 invalid configuration, 4 no or refused credential, \
    5 no such model or provider, 6 rate limit or quota, 7 provider failed.";

/// Configuration mistakes, each with its place.
#[derive(Debug)]
pub(crate) struct InvalidConfig(pub(crate) Vec<Problem>);

impl std::fmt::Display for InvalidConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{problem}")?;
            if let Some(help) = &problem.help {
                write!(f, "\n  help: {help}")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for InvalidConfig {}

/// Prints why a command failed and returns its code.
pub(crate) fn report(error: &anyhow::Error) -> ExitCode {
    output::error(&format!("{error:#}"));
    ExitCode::from(code(error))
}

fn code(error: &anyhow::Error) -> u8 {
    if error.downcast_ref::<InvalidConfig>().is_some() {
        return CONFIG;
    }
    let Some(failure) = error.downcast_ref::<Failure>() else { return FAILED };
    match failure.kind {
        ErrorKind::Unauthenticated | ErrorKind::Forbidden => CREDENTIAL,
        ErrorKind::NotFound => NOT_FOUND,
        ErrorKind::RateLimited | ErrorKind::QuotaExceeded => LIMITED,
        ErrorKind::Unavailable | ErrorKind::Malformed | ErrorKind::Timeout => PROVIDER,
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

    use super::{CREDENTIAL, FAILED, PROVIDER, code};

    #[test]
    fn codes_follow_what_the_user_can_do() {
        let of = |kind| code(&anyhow::Error::new(Failure::provider(kind, "m")));
        assert_eq!(of(ErrorKind::Unauthenticated), CREDENTIAL);
        assert_eq!(of(ErrorKind::Timeout), PROVIDER);
        assert_eq!(of(ErrorKind::Invalid), FAILED);
        assert_eq!(code(&anyhow::anyhow!("x")), FAILED);
    }
}
