//! Reads the files that configuration is made of: regular ones only, up to a size, and never waiting.
//!
//! Used for configuration files, for what `{file:…}` names and for the record of trusted folders. A link to a device, a
//! pipe or an endless file ends in a sentence, not in a process that hangs. It does not look at what a file says.

use std::fs::{File, FileType, Metadata, OpenOptions};
use std::io::{ErrorKind, Read};
use std::path::Path;

/// A file that was read.
#[derive(Debug)]
pub(crate) struct ReadFile {
    pub(crate) text: String,
    pub(crate) metadata: Metadata,
}

/// Why a file was not read.
#[derive(Debug)]
pub(crate) enum ReadError {
    /// There is none.
    Missing,
    /// There is one, but it cannot or must not be read.
    Refused(Refusal),
}

/// What is wrong with a file, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) fault: String,
    pub(crate) help: Option<String>,
}

impl Refusal {
    pub(crate) fn new(fault: impl Into<String>) -> Self {
        Self { fault: fault.into(), help: None }
    }

    fn with_help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }
}

/// Reads a text file of at most `limit` bytes.
///
/// # Errors
/// [`ReadError::Missing`] where there is no file, else what is wrong with the one that is there.
pub(crate) fn read_text(file: &Path, limit: u64) -> Result<ReadFile, ReadError> {
    let refused = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => ReadError::Missing,
        _ => ReadError::Refused(unreadable(file, &error)),
    };

    // Opening some devices has effects, so the kind is looked at first, and again on what was really opened.
    check_kind(&std::fs::metadata(file).map_err(refused)?).map_err(ReadError::Refused)?;
    let opened = open(file).map_err(refused)?;
    let metadata = opened.metadata().map_err(refused)?;
    check_kind(&metadata).map_err(ReadError::Refused)?;
    let too_large = || {
        let fault = format!("expected a file of at most {limit} bytes, got a larger one");
        ReadError::Refused(Refusal::new(fault))
    };
    if metadata.len() > limit {
        return Err(too_large());
    }

    // A file may grow while it is read, so its length alone is no limit.
    let mut text = String::new();
    opened.take(limit.saturating_add(1)).read_to_string(&mut text).map_err(refused)?;
    if text.len() as u64 > limit {
        return Err(too_large());
    }
    Ok(ReadFile { text, metadata })
}

/// Says who else may change what the metadata belong to: another user, or everybody. `None` where only this user and
/// root may, and on systems without owners.
pub(crate) fn stranger(metadata: &Metadata) -> Option<String> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;

        let (owner, me) = (metadata.uid(), rustix::process::geteuid().as_raw());
        if owner != me && owner != 0 {
            return Some(format!("belongs to another user (uid {owner})"));
        }
        if metadata.mode() & 0o002 != 0 {
            return Some("can be changed by every user".to_owned());
        }
    }
    #[cfg(not(unix))]
    let _ = metadata;
    None
}

/// Returns the owner's number, where the system has such numbers.
pub(crate) fn owner(metadata: &Metadata) -> Option<u32> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        Some(metadata.uid())
    }
    #[cfg(not(unix))]
    {
        let _ = metadata;
        None
    }
}

/// Opens a file without waiting for a writer, should it have become a pipe.
fn open(file: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
        options.custom_flags(i32::try_from(flags.bits()).unwrap_or(0));
    }
    options.open(file)
}

fn check_kind(metadata: &Metadata) -> Result<(), Refusal> {
    if metadata.is_file() {
        return Ok(());
    }
    let fault = format!("expected a regular file, got {}", kind_words(metadata.file_type()));
    Err(Refusal::new(fault))
}

fn kind_words(kind: FileType) -> &'static str {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        if kind.is_fifo() {
            return "a pipe";
        }
        if kind.is_socket() {
            return "a socket";
        }
        if kind.is_char_device() || kind.is_block_device() {
            return "a device";
        }
    }
    if kind.is_dir() { "a folder" } else { "something else" }
}

/// Says why the system does not let us read, and what helps against it.
fn unreadable(file: &Path, error: &std::io::Error) -> Refusal {
    let shown = file.display();
    match error.kind() {
        ErrorKind::PermissionDenied => Refusal::new("cannot be read: permission denied")
            .with_help(format!("let your user read it, for example with `chmod u+r {shown}`")),
        ErrorKind::InvalidData => Refusal::new("cannot be read: it is not UTF-8 text"),
        _ => Refusal::new(format!("cannot be read: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::{ReadError, read_text};

    #[cfg(unix)]
    #[test]
    fn what_is_no_regular_file_is_refused_at_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        rustix::fs::mkfifoat(rustix::fs::CWD, path("pipe"), rustix::fs::Mode::RUSR)
            .expect("a pipe");
        std::os::unix::fs::symlink("/dev/zero", path("zero")).expect("a link");
        std::os::unix::fs::symlink("loop", path("loop")).expect("a link");
        let _socket = std::os::unix::net::UnixListener::bind(path("socket")).expect("a socket");
        std::fs::create_dir(path("folder")).expect("a folder");
        std::fs::write(path("long"), "123456").expect("a file");
        std::fs::write(path("binary"), [0xff, 0xfe]).expect("a file");

        for (name, expected) in [
            ("pipe", "got a pipe"),
            ("zero", "got a device"),
            ("socket", "got a socket"),
            ("folder", "got a folder"),
            ("loop", "cannot be read: "),
            ("long", "at most 5 bytes"),
            ("binary", "not UTF-8"),
        ] {
            match read_text(&path(name), 5) {
                Err(ReadError::Refused(refusal)) => {
                    assert!(refusal.fault.contains(expected), "{name}: {}", refusal.fault);
                }
                other => panic!("{name}: {other:?}"),
            }
        }
        assert!(matches!(read_text(&path("none"), 5), Err(ReadError::Missing)));
        assert!(read_text(&path("long"), 6).is_ok_and(|read| read.text == "123456"));
    }
}
