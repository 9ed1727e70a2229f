//! Who may call us: the server's own token, and the hosts and origins that requests may come with.
//!
//! Map of this crate:
//! - [`Access`]: opened once at start by the server, asked on every request.
//! - `token`: where the token lives (file or setting), how it is made and read.
//! - `presented`: the places in a request where a token may stand, and [`strip_key`] for logs.
//! - `attempts`: wrong tokens by address; `strength`: whether a token can be guessed.
//! - `origin`: the `Host` and `Origin` rules that keep foreign web pages out.
//!
//! It deliberately knows nothing of credentials for other people's services: those are in sy-credentials.

mod attempts;
mod error;
mod origin;
mod presented;
mod strength;
mod token;

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Instant;

use http::HeaderMap;
use sy_types::{ErrorKind, Failure, Principal, Secret, Side};

pub use attempts::network;
pub use error::Error;
pub use presented::strip_key;
pub use token::{read_token, reveal};

use attempts::Attempts;
use origin::Origins;
use presented::{Presented, presented_tokens};
use token::Digest;

/// What [`Access::open`] needs to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the generated token is kept (mode 0600).
    pub token_file: PathBuf,
    /// The value of `SWITCHYARD_TOKEN`; blank counts as absent. It wins over the file, which is then not touched.
    pub token: Option<Secret>,
    /// True for `--dangerously-unauthenticated`.
    pub unauthenticated: bool,
    /// The address that the server binds.
    pub bind: IpAddr,
    /// Names (or `name:port`) that requests may be addressed to, besides loopback and the bind address.
    pub allowed_hosts: Vec<String>,
    /// Origins of web pages that may call, besides pages of this server itself.
    pub allowed_origins: Vec<String>,
}

/// Where the token comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenSource {
    /// The setting `SWITCHYARD_TOKEN`.
    Setting,
    /// A file that was already there.
    File(PathBuf),
    /// A file that this start made: worth telling the operator.
    NewFile(PathBuf),
    /// Nobody is asked for a token.
    None,
}

/// Decides who may call. One `Arc` serves all requests.
#[derive(Debug)]
pub struct Access {
    digest: Option<Digest>,
    source: TokenSource,
    refusal: Refusal,
    attempts: Attempts,
    origins: Origins,
}

/// The sentences for a caller without a valid token, made once.
#[derive(Debug)]
struct Refusal {
    missing: String,
    wrong: String,
}

impl Access {
    /// Reads or makes the token and checks that the bind address is safe with it.
    ///
    /// # Errors
    /// [`Error::OpenWithoutToken`] for an unauthenticated server outside loopback, [`Error::NoToken`] for a bind outside
    /// loopback when neither the setting nor a token file exists, [`Error::WeakToken`] there for one that can be guessed,
    /// and the file and value errors of [`read_token`].
    pub fn open(settings: Settings) -> Result<Self, Error> {
        let Settings { token_file, token, unauthenticated, bind, allowed_hosts, allowed_origins } =
            settings;
        let loopback = is_loopback(bind);
        if unauthenticated && !loopback {
            return Err(Error::OpenWithoutToken { bind });
        }
        let (digest, source) = if unauthenticated {
            (None, TokenSource::None)
        } else {
            let (token, source) = find_token(&token_file, token, bind)?;
            if !loopback {
                check_strength(&token, &source, bind)?;
            }
            (Some(Digest::of(token.expose())), source)
        };
        let refusal = Refusal::new(&source);
        Ok(Self {
            digest,
            source,
            refusal,
            attempts: Attempts::default(),
            origins: Origins::new(bind, &allowed_hosts, &allowed_origins)?,
        })
    }

    /// Returns where the token comes from, for the start message.
    pub fn token_source(&self) -> &TokenSource {
        &self.source
    }

    /// Finds out who is calling. Costs one or two SHA-256 hashes and no lock.
    ///
    /// The token is accepted in `Authorization: Bearer`, as the password of `Authorization: Basic`, in `x-api-key`,
    /// `x-goog-api-key` and `api-key`, and in the query parameter `key`; any right one is enough, because clients send
    /// placeholders in the others.
    ///
    /// # Errors
    /// `Unauthenticated` on the caller's side, saying where a token is expected. It never repeats what came.
    pub fn authenticate(
        &self,
        headers: &HeaderMap,
        query: Option<&str>,
    ) -> Result<Principal, Failure> {
        self.authenticate_from(None, headers, query)
    }

    /// Finds out who is calling from an address. A right token is always accepted.
    ///
    /// # Errors
    /// As [`Self::authenticate`]; `RateLimited` with a wait when the address sent too many wrong tokens.
    pub fn authenticate_from(
        &self,
        peer: Option<IpAddr>,
        headers: &HeaderMap,
        query: Option<&str>,
    ) -> Result<Principal, Failure> {
        let Some(digest) = &self.digest else { return Ok(Principal::Anonymous) };
        match presented_tokens(headers, query, |candidate| digest.matches(candidate)) {
            Presented::Accepted => Ok(Principal::Owner),
            Presented::Nothing => Err(unauthenticated(&self.refusal.missing)),
            Presented::Refused => {
                let wait = peer.and_then(|peer| self.attempts.wrong(peer, Instant::now()));
                Err(wait.map_or_else(|| unauthenticated(&self.refusal.wrong), too_many_attempts))
            }
        }
    }

    /// Checks the name that the request is addressed to and the page that it comes from. Call it before [`Self::authenticate`].
    ///
    /// `authority` is the authority of the request target, where there is one (HTTP/2 `:authority`, absolute form); it
    /// and a `Host` header must each be allowed.
    ///
    /// # Errors
    /// `Forbidden` on the caller's side, naming the configuration key that would allow it.
    pub fn check_origin(
        &self,
        headers: &HeaderMap,
        authority: Option<&str>,
    ) -> Result<(), Failure> {
        self.origins.check(headers, authority)
    }
}

impl Refusal {
    fn new(source: &TokenSource) -> Self {
        // A path would tell a stranger the user's name: other users and web pages reach loopback as well.
        let place = match source {
            TokenSource::File(_) | TokenSource::NewFile(_) => {
                "`switchyard env` on the server's machine prints it"
            }
            TokenSource::Setting | TokenSource::None => {
                "it is the value of SWITCHYARD_TOKEN on the server"
            }
        };
        let expected = "send it as `Authorization: Bearer TOKEN`, `x-api-key`, `x-goog-api-key`, `api-key`, \
                        `?key=TOKEN` or the password of basic authentication";
        Self {
            missing: format!("missing token: {expected}; {place}"),
            wrong: format!("invalid token: {expected}; {place}"),
        }
    }
}

/// Takes the setting, else the file, else makes the file when that is safe.
fn find_token(
    file: &Path,
    setting: Option<Secret>,
    bind: IpAddr,
) -> Result<(Secret, TokenSource), Error> {
    if let Some(token) = setting.filter(|token| !token.is_blank()) {
        token::check_setting(&token)?;
        return Ok((token, TokenSource::Setting));
    }
    if let Some(token) = read_token(file)? {
        return Ok((token, TokenSource::File(file.to_owned())));
    }
    if !is_loopback(bind) {
        return Err(Error::NoToken { bind, file: file.to_owned() });
    }
    let token = token::create_token(file)?;
    Ok((token, TokenSource::NewFile(file.to_owned())))
}

/// Checks that the token of a server which other machines reach cannot be guessed.
fn check_strength(token: &Secret, source: &TokenSource, bind: IpAddr) -> Result<(), Error> {
    let Some(reason) = strength::weakness(token.expose()) else { return Ok(()) };
    let place = match source {
        TokenSource::File(file) | TokenSource::NewFile(file) => file.display().to_string(),
        TokenSource::Setting | TokenSource::None => "SWITCHYARD_TOKEN".to_owned(),
    };
    Err(Error::WeakToken { bind, place, reason })
}

fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

fn unauthenticated(message: &str) -> Failure {
    Failure::new(ErrorKind::Unauthenticated, Side::Caller, message)
}

fn too_many_attempts(wait: std::time::Duration) -> Failure {
    let message = "too many requests with a wrong token came from this address: \
                   set the right one in the client, then ask again";
    Failure::new(ErrorKind::RateLimited, Side::Caller, message).with_retry_after(Some(wait))
}
