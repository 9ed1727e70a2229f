//! Reads a key and finds out whether the provider takes it.
//!
//! The buffers that a key passes through are wiped. Nothing is called verified that was not.

use std::io::{IsTerminal, Read};
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow};
use sy_credentials::{Lease, Verdict};
use sy_server::{KeyCheck, Local};
use sy_types::{ErrorKind, Failure, Secret, Side};
use zeroize::Zeroizing;

use crate::exit::{Usage, sentence};
use crate::output;

/// The longest key that is read from standard input, in bytes.
const KEY_LIMIT: u64 = 64 << 10;

/// What is known of a key that is about to be stored.
pub(super) enum Standing {
    Verified,
    /// Why nobody knows.
    Unknown(String),
    /// It is stored all the same; with the status.
    Rejected(u16),
}

impl Standing {
    /// Returns what was learned, for the listings.
    pub(super) fn verdict(&self) -> Option<(Verdict, u16)> {
        match self {
            Self::Verified => Some((Verdict::Ok, 200)),
            Self::Rejected(status) => Some((Verdict::Rejected, *status)),
            Self::Unknown(_) => None,
        }
    }

    /// Returns the remark behind "stored the key of …".
    pub(super) fn remark(&self) -> String {
        match self {
            Self::Verified => "verified".to_owned(),
            Self::Unknown(reason) => format!("not verified: {reason}"),
            Self::Rejected(status) => format!("though it was rejected with status {status}"),
        }
    }
}

/// Reads a key: hidden on a terminal, else all of standard input. An empty one is none.
pub(super) fn read(prompt: &str) -> Result<Option<Secret>> {
    let text = if std::io::stdin().is_terminal() {
        let mut password = cliclack::password(prompt).mask('•').allow_empty();
        Zeroizing::new(password.interact()?)
    } else {
        // The buffer never grows, so no copy of the key is left behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(KEY_LIMIT)? + 1));
        std::io::stdin().take(KEY_LIMIT + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > KEY_LIMIT {
            let text = format!("expected a key of at most {KEY_LIMIT} bytes on standard input");
            return Err(Usage(text).into());
        }
        let text = std::str::from_utf8(&bytes);
        Zeroizing::new(text.context("the key on standard input is not UTF-8 text")?.to_owned())
    };
    let key = Secret::new(text.trim());
    Ok((!key.is_blank()).then_some(key))
}

/// Reads the key of a provider, which needs one.
pub(super) fn read_required(provider: &str) -> Result<Secret> {
    read(&format!("API key of {provider}"))?.ok_or_else(|| {
        let place = if std::io::stdin().is_terminal() { "" } else { " on standard input" };
        Usage(format!("expected the key of {provider}{place}, got nothing")).into()
    })
}

/// Tries a key. One that the provider rejects goes on only with `force` or when a person says so.
///
/// # Errors
/// `Unauthenticated` when the key was rejected and is not to be stored.
pub(super) async fn try_out(
    local: &Local,
    provider: &str,
    lease: &Arc<Lease>,
    force: bool,
) -> Result<Standing> {
    let checked = {
        let _asking = output::progress(&format!("asking {provider} about the key"));
        local.check_key(provider, lease).await
    };
    let failure = match checked {
        KeyCheck::Verified => return Ok(Standing::Verified),
        KeyCheck::Unknown(reason) => return Ok(Standing::Unknown(reason)),
        KeyCheck::Rejected(failure) => failure,
    };

    let status = failure.status.unwrap_or_default();
    let said = format!("{provider} rejected the key ({status}): {}", failure.message);
    if force {
        output::warning(&said);
        return Ok(Standing::Rejected(status));
    }
    if output::is_interactive() {
        output::error(&said);
        let store = cliclack::confirm("Store it anyway?").initial_value(false).interact()?;
        if store {
            return Ok(Standing::Rejected(status));
        }
        return Err(refused("nothing was stored: the key was rejected".to_owned()));
    }
    Err(refused(format!("{said}; nothing was stored (`--force` stores it all the same)")))
}

/// Says that nothing was checked because nothing is called.
pub(super) fn offline() -> Standing {
    Standing::Unknown("offline".to_owned())
}

fn refused(message: String) -> anyhow::Error {
    anyhow!(Failure::new(ErrorKind::Unauthenticated, Side::Gateway, message))
}

/// Returns the words of a failure for the end of a sentence.
pub(super) fn because(failure: &Failure) -> String {
    sentence(failure)
}
