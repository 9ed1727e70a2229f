//! The fetched catalog on the disk: the packed data, and beside them when they came and with which ETag.
//!
//! Read by the layers, written by a refresh. Files appear by renaming, so a reader sees a whole file or none. It fetches
//! nothing.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::bundle::Bundle;

/// The largest packed catalog, in bytes; today's takes a third of a megabyte.
const LARGEST_DATA: u64 = 16 << 20;
/// The largest file about one, in bytes.
const LARGEST_ABOUT: u64 = 16 << 10;

/// The source whose file has the plain name.
const USUAL_SOURCE: &str = "https://models.dev";

/// Where the fetched catalog of one source is kept.
#[derive(Clone, Debug)]
pub(crate) struct CacheFile {
    data: PathBuf,
    about: PathBuf,
    source: String,
}

/// What is known about a cached catalog.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct About {
    /// Where it came from.
    source: String,
    /// The source's tag for this version.
    pub(crate) etag: Option<String>,
    /// When the source last said that it is current, in unix seconds.
    fetched_at: u64,
    /// The size of the data, so that a tag is never used for other data than its own.
    length: usize,
}

impl About {
    /// Returns how long ago the source said that the data are current; `None` when the clock went back since.
    pub(crate) fn age(&self, now: SystemTime) -> Option<Duration> {
        now.duration_since(UNIX_EPOCH + Duration::from_secs(self.fetched_at)).ok()
    }
}

impl CacheFile {
    /// Names the files of a source below a folder.
    pub(crate) fn new(folder: &Path, source: &str) -> Self {
        let source = source.trim_end_matches('/');
        let name = if source == USUAL_SOURCE {
            "models".to_owned()
        } else {
            format!("models-{:016x}", fnv1a(source))
        };
        Self {
            data: folder.join(format!("{name}.bin")),
            about: folder.join(format!("{name}.json")),
            source: source.to_owned(),
        }
    }

    /// Returns the source.
    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    /// Reads the data; `None` when there are none or when they are broken.
    pub(crate) fn read(&self) -> Option<Bundle> {
        let bytes = read_own(&self.data, LARGEST_DATA)?;
        let bundle = Bundle::new(Bytes::from(bytes));
        bundle.is_readable().then_some(bundle)
    }

    /// Reads what is known about the data of the given size.
    pub(crate) fn about(&self, length: usize) -> Option<About> {
        let about: About = serde_json::from_slice(&read_own(&self.about, LARGEST_ABOUT)?).ok()?;
        (about.source == self.source && about.length == length).then_some(about)
    }

    /// Writes new data and what is known about them.
    ///
    /// # Errors
    /// When the folder cannot be written to.
    pub(crate) fn write(
        &self,
        data: &[u8],
        etag: Option<String>,
        now: SystemTime,
    ) -> io::Result<()> {
        write_whole(&self.data, data)?;
        self.write_about(etag, data.len(), now)
    }

    /// Notes that the data of the given size are current.
    ///
    /// # Errors
    /// As [`CacheFile::write`].
    pub(crate) fn write_about(
        &self,
        etag: Option<String>,
        length: usize,
        now: SystemTime,
    ) -> io::Result<()> {
        let fetched_at = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let about = About { source: self.source.clone(), etag, fetched_at, length };
        write_whole(&self.about, &serde_json::to_vec(&about)?)
    }
}

/// Reads a file that this user wrote; `None` for one that is missing, larger than `most` bytes, no
/// regular file, a link, of another owner, or writable by others: who may write it may name the
/// hosts that keys go to.
pub(crate) fn read_own(path: &Path, most: u64) -> Option<Vec<u8>> {
    // A link is looked at and not followed. Who may exchange the file afterwards owns the folder,
    // and so is the user.
    let about = std::fs::symlink_metadata(path).ok()?;
    let reason = if !about.file_type().is_file() {
        "it is no regular file"
    } else if about.len() > most {
        "it is too large"
    } else if !is_own(path, &about) {
        "it belongs to somebody else, or others may write it"
    } else {
        let mut bytes = Vec::new();
        let file = std::fs::File::open(path).ok()?;
        file.take(most).read_to_end(&mut bytes).ok()?;
        return Some(bytes);
    };
    tracing::warn!(file = %path.display(), reason, "a cached file is not used");
    None
}

/// Returns true when the file belongs to the owner of its folder, which is the user's, and nobody
/// else may write it.
#[cfg(unix)]
fn is_own(path: &Path, about: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;

    const WRITABLE_BY_OTHERS: u32 = 0o022;
    let folder = path.parent().and_then(|folder| std::fs::metadata(folder).ok());
    let user = std::fs::metadata("/proc/self").ok().map(|process| process.uid());
    folder.is_some_and(|folder| {
        about.uid() == user.unwrap_or_else(|| folder.uid())
            && about.mode() & WRITABLE_BY_OTHERS == 0
    })
}

#[cfg(not(unix))]
fn is_own(_path: &Path, _about: &std::fs::Metadata) -> bool {
    true
}

/// Writes a file by renaming. The half-written one is made anew, so that no link leads the writing
/// elsewhere.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let half = path.with_extension(format!("{}.tmp", std::process::id()));
    std::fs::remove_file(&half).or_else(ignore_missing)?;
    make_private(&half)?.write_all(bytes)?;
    std::fs::rename(&half, path).inspect_err(|_| {
        // The error that counts is that of the renaming; a left-over file is harmless.
        std::fs::remove_file(&half).ok();
    })
}

fn make_private(path: &Path) -> io::Result<std::fs::File> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn ignore_missing(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

/// FNV-1a: the name of the file must stay the same from one version of this program to the next.
fn fnv1a(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::CacheFile;
    use crate::bundle::pack;

    #[test]
    fn data_come_back_with_what_is_known_about_them() {
        let folder = tempfile::tempdir().unwrap();
        let file = CacheFile::new(&folder.path().join("new"), "https://models.dev/");
        assert!(file.read().is_none());
        let data = pack(br#"{"a": {"models": {"m": {}}}}"#).unwrap();
        let now = UNIX_EPOCH + Duration::from_secs(1000);
        file.write(&data, Some("\"tag\"".to_owned()), now).unwrap();
        let bundle = file.read().unwrap();
        let about = file.about(bundle.len()).unwrap();
        assert_eq!(about.etag.as_deref(), Some("\"tag\""));
        assert_eq!(about.age(now + Duration::from_secs(60)), Some(Duration::from_secs(60)));
        assert_eq!(about.age(now - Duration::from_secs(60)), None);
        assert!(file.about(bundle.len() + 1).is_none(), "a tag of other data");
        let other = CacheFile::new(&folder.path().join("new"), "https://mirror.test");
        assert!(other.read().is_none(), "each source has files of its own");
    }

    #[cfg(unix)]
    #[test]
    fn a_file_of_others_or_through_a_link_counts_as_none() {
        use std::os::unix::fs::PermissionsExt;

        let folder = tempfile::tempdir().unwrap();
        let file = CacheFile::new(folder.path(), "https://models.dev");
        let data = pack(br#"{"a": {"models": {"m": {}}}}"#).unwrap();
        file.write(&data, None, UNIX_EPOCH).unwrap();
        assert!(file.read().is_some());
        let path = folder.path().join("models.bin");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).unwrap();
        assert!(file.read().is_none(), "writable by others");

        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::rename(&path, folder.path().join("elsewhere.bin")).unwrap();
        std::os::unix::fs::symlink(folder.path().join("elsewhere.bin"), &path).unwrap();
        assert!(file.read().is_none(), "a link");
        std::fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
        assert!(file.read().is_none(), "a link to a device");
    }

    #[test]
    fn a_huge_file_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = CacheFile::new(folder.path(), "https://models.dev");
        let huge = std::fs::File::create(folder.path().join("models.bin")).unwrap();
        huge.set_len(1 << 40).unwrap();
        assert!(file.read().is_none());
    }

    #[test]
    fn broken_data_count_as_none() {
        let folder = tempfile::tempdir().unwrap();
        let file = CacheFile::new(folder.path(), "https://models.dev");
        std::fs::write(folder.path().join("models.bin"), "not a catalog").unwrap();
        assert!(file.read().is_none());
    }
}
