//! The server's token: made once, kept in a private file, compared in constant time.
//!
//! Called by [`crate::Access::open`], and by the command line through [`read_token`]. It never prints the token.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
#[cfg(unix)]
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use aws_lc_rs::{constant_time, digest, rand};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sy_types::Secret;

use crate::error::Error;

/// Says what the text is, for people and for secret scanners.
const PREFIX: &str = "sy-";
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

/// Reads the token file; `None` when there is none. A file that others can read is made private first.
///
/// # Errors
/// [`Error::EmptyTokenFile`], [`Error::BadToken`], or [`Error::File`] when the system refuses.
pub fn read_token(file: &Path) -> Result<Option<Secret>, Error> {
    let text = match fs::read_to_string(file) {
        Ok(text) => Secret::new(text.trim()),
        Err(err) if err.kind() == ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(Error::File { doing: "read", file: file.to_owned(), source }),
    };
    if text.is_blank() {
        return Err(Error::EmptyTokenFile { file: file.to_owned() });
    }
    check(&text, || file.display().to_string())?;
    make_private(file).map_err(|source| Error::File {
        doing: "protect",
        file: file.to_owned(),
        source,
    })?;
    Ok(Some(text))
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
    let linked = write_private(&temporary, token).and_then(|()| fs::hard_link(&temporary, file));
    // A leftover is harmless: it is private and its value is not in use.
    fs::remove_file(&temporary).ok();
    match linked {
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
    handle.write_all(token.expose().as_bytes())?;
    handle.write_all(b"\n")?;
    handle.sync_all()
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

#[cfg(unix)]
fn make_private(file: &Path) -> io::Result<()> {
    let mode = fs::metadata(file)?.permissions().mode();
    if mode & 0o077 == 0 {
        return Ok(());
    }
    fs::set_permissions(file, fs::Permissions::from_mode(0o600))
}

/// Windows keeps a user's profile folder private by its access lists.
#[cfg(not(unix))]
fn make_private(_file: &Path) -> io::Result<()> {
    Ok(())
}
