//! The fetched catalog on the disk: the packed data, and beside them when they came and with which ETag.
//!
//! Read by the layers, written by a refresh. Files appear by renaming, so a reader sees a whole file or none. It fetches
//! nothing.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::bundle::Bundle;

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
        let bytes = std::fs::read(&self.data).ok()?;
        let bundle = Bundle::new(Bytes::from(bytes));
        bundle.is_readable().then_some(bundle)
    }

    /// Reads what is known about the data of the given size.
    pub(crate) fn about(&self, length: usize) -> Option<About> {
        let about: About = serde_json::from_slice(&std::fs::read(&self.about).ok()?).ok()?;
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

fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let half = path.with_extension(format!("{}.tmp", std::process::id()));
    std::fs::write(&half, bytes)?;
    std::fs::rename(&half, path).inspect_err(|_| {
        // The error that counts is that of the renaming; a left-over file is harmless.
        std::fs::remove_file(&half).ok();
    })
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

    #[test]
    fn broken_data_count_as_none() {
        let folder = tempfile::tempdir().unwrap();
        let file = CacheFile::new(folder.path(), "https://models.dev");
        std::fs::write(folder.path().join("models.bin"), "not a catalog").unwrap();
        assert!(file.read().is_none());
    }
}
