//! The server's token: made once, kept in a private file, compared in constant time.
//!
//! Called by [`crate::Access::open`], and by the command line through [`read_token`]. It never prints the token.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
#[cfg(unix)]
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use aws_lc_rs::{constant_time, digest, rand};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sy_types::Secret;

use crate::error::Error;

/// Says what the text is, for people and for secret scanners.
const PREFIX: &str = "sy-";
/// The fewest characters of a token in a file: fewer are what is left of one.
const SHORTEST: usize = 16;
/// A longer file holds something else.
const LENGTH_LIMIT: u64 = 4096;
/// 256 bits: far beyond guessing.
const TOKEN_BYTES: usize = 32;

/// The SHA-256 digest of the token: the token itself need not stay in memory, and digests have one length to compare.
pub(crate) struct Digest(digest::Digest);

impl Digest {
    pub(crate) fn of(token: &str) -> Self {
        Self(digest::digest(&digest::SHA256, token.as_bytes()))
    }

    /// Compares without telling by its duration how much was right.
    pub(crate) fn matches(&self, candidate: &[u8]) -> bool {
        let candidate = digest::digest(&digest::SHA256, candidate);
        constant_time::verify_slices_are_equal(self.0.as_ref(), candidate.as_ref()).is_ok()
    }
}

impl std::fmt::Debug for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Digest([redacted])")
    }
}

/// Gives up the token as text, for the command that prints the lines which point clients at the server.
pub fn reveal(token: &Secret) -> String {
    token.expose().to_owned()
}

/// Reads the token file; `None` when there is none.
///
/// # Errors
/// When it is not a private, regular file of this user with a token in it, and [`Error::File`] when the system refuses.
pub fn read_token(file: &Path) -> Result<Option<Secret>, Error> {
    let failed = |source| Error::File { doing: "read", file: file.to_owned(), source };
    let about = match fs::symlink_metadata(file) {
        Ok(about) => about,
        Err(err) if err.kind() == ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(failed(source)),
    };
    if !about.is_file() {
        return Err(Error::IrregularTokenFile { file: file.to_owned() });
    }

    // What was opened is what counts: the name may have been given to another file since.
    let handle = File::open(file).map_err(failed)?;
    check_owner(file, &about, &handle.metadata().map_err(failed)?)?;
    let mut text = String::new();
    handle.take(LENGTH_LIMIT).read_to_string(&mut text).map_err(failed)?;
    let token = Secret::new(text.trim());

    if token.is_blank() {
        return Err(Error::EmptyTokenFile { file: file.to_owned() });
    }
    check(&token, || file.display().to_string())?;
    if token.expose().len() < SHORTEST {
        return Err(Error::ShortTokenFile { file: file.to_owned(), shortest: SHORTEST });
    }
    Ok(Some(token))
}

/// Checks the value of `SWITCHYARD_TOKEN`.
pub(crate) fn check_setting(token: &Secret) -> Result<(), Error> {
    check(token, || "SWITCHYARD_TOKEN".to_owned())
}

/// Makes a random token and its file. When another process makes one at the same moment, that one is taken.
pub(crate) fn create_token(file: &Path) -> Result<Secret, Error> {
    let failed = |doing| move |source| Error::File { doing, file: file.to_owned(), source };
    let token = random_token().map_err(failed("make a random value for"))?;
    let folder = file.parent().unwrap_or(Path::new("."));
    create_private_folder(folder).map_err(failed("make the folder of"))?;
    match publish(file, folder, &token) {
        Ok(()) => Ok(token),
        Err(err) if err.kind() == ErrorKind::AlreadyExists => {
            read_token(file)?.ok_or_else(|| failed("read")(ErrorKind::NotFound.into()))
        }
        Err(source) => Err(failed("write")(source)),
    }
}

fn check(token: &Secret, place: impl Fn() -> String) -> Result<(), Error> {
    if token.expose().bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(());
    }
    Err(Error::BadToken { place: place() })
}

fn random_bytes<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).map_err(|_| io::Error::other("the system's random source failed"))?;
    Ok(bytes)
}

fn random_token() -> io::Result<Secret> {
    let bytes: [u8; TOKEN_BYTES] = random_bytes()?;
    Ok(Secret::new(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))))
}

/// Writes a complete file beside the target and links it in place, so that nobody ever reads half a token and two
/// first starts agree on one.
fn publish(file: &Path, folder: &Path, token: &Secret) -> io::Result<()> {
    let suffix: [u8; 8] = random_bytes()?;
    let temporary = folder.join(format!(".token-{}", URL_SAFE_NO_PAD.encode(suffix)));
    let linked = write_private(&temporary, token).map(|()| fs::hard_link(&temporary, file));
    // A leftover is harmless: it is private and its value is not in use.
    fs::remove_file(&temporary).ok();
    match linked? {
        Ok(()) => sync_folder(folder),
        Err(err) if err.kind() == ErrorKind::AlreadyExists => Err(err),
        // Some file systems have no hard links: there, `create_new` still lets only one writer win.
        Err(_) => write_private(file, token),
    }
}

fn write_private(file: &Path, token: &Secret) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    options.mode(0o600);
    let mut handle = options.open(file)?;
    let written = handle
        .write_all(token.expose().as_bytes())
        .and_then(|()| handle.write_all(b"\n"))
        .and_then(|()| handle.sync_all());
    if written.is_err() {
        // What a full disk leaves is no token.
        fs::remove_file(file).ok();
    }
    written
}

/// Makes the folder with mode 0700 where it is missing; a folder that is there keeps its mode, for others use it too.
fn create_private_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    builder.mode(0o700);
    builder.create(folder)
}

/// Makes a rename or link durable. Only Unix can open a folder for that.
fn sync_folder(folder: &Path) -> io::Result<()> {
    let folder: PathBuf =
        if folder.as_os_str().is_empty() { ".".into() } else { folder.to_owned() };
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

/// Checks that a token file is what its name said, ours, and private.
#[cfg(unix)]
fn check_owner(file: &Path, named: &Metadata, opened: &Metadata) -> Result<(), Error> {
    if (named.dev(), named.ino()) != (opened.dev(), opened.ino()) {
        return Err(Error::IrregularTokenFile { file: file.to_owned() });
    }
    if opened.uid() != rustix::process::geteuid().as_raw() {
        return Err(Error::ForeignTokenFile { file: file.to_owned(), owner: opened.uid() });
    }
    let mode = opened.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(Error::ExposedTokenFile { file: file.to_owned(), mode });
    }
    Ok(())
}

/// Windows keeps a user's profile folder private by its access lists.
#[cfg(not(unix))]
fn check_owner(_file: &Path, _named: &Metadata, _opened: &Metadata) -> Result<(), Error> {
    Ok(())
}
