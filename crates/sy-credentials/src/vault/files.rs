//! Private files and folders: written whole or not at all.
//!
//! Called by the vault, and by the export of `auth.json`. It knows nothing of what is in the files.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
#[cfg(unix)]
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use aws_lc_rs::rand;

use crate::error::Error;

/// Begins the name of a file that is being written. Names of ours never begin with a dot.
const TEMPORARY: &str = ".writing-";

/// Writes a file with mode 0600 so that, whenever the machine stops, the old or the new contents are there.
pub(crate) fn replace_file(folder: &Path, name: &str, contents: &[u8]) -> Result<(), Error> {
    let mut suffix = [0; 8];
    rand::fill(&mut suffix).map_err(|_| Error::Crypto("make a random file name"))?;
    let temporary = folder.join(format!("{TEMPORARY}{}", hex::encode(suffix)));
    let target = folder.join(name);
    let written = write_new(&temporary, contents).and_then(|()| fs::rename(&temporary, &target));
    if written.is_err() {
        // Best effort: the next writer removes what is left.
        fs::remove_file(&temporary).ok();
    }
    written.map_err(Error::file("write", target))?;
    sync_folder(folder)
}

/// Removes what writers that were killed have left. Call it under the lock only.
pub(super) fn remove_leftovers(folder: &Path) -> Result<(), Error> {
    for name in list(folder)?.iter().filter(|name| name.starts_with(TEMPORARY)) {
        remove_file(&folder.join(name))?;
    }
    Ok(())
}

/// Removes a file for good and returns whether it was there.
pub(super) fn remove_file(file: &Path) -> Result<bool, Error> {
    match fs::remove_file(file) {
        Ok(()) => {}
        Err(err) if err.kind() == ErrorKind::NotFound => return Ok(false),
        Err(err) => return Err(Error::file("remove", file)(err)),
    }
    file.parent().map_or(Ok(()), sync_folder)?;
    Ok(true)
}

/// Makes a folder with mode 0700, and those above it where they are missing.
pub(crate) fn make_folder(folder: &Path) -> Result<(), Error> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    builder.mode(0o700);
    builder.create(folder).map_err(Error::file("make the folder", folder))
}

/// Waits for the vault's lock; it is held until the returned file is dropped or the process ends, however it ends.
pub(super) fn lock(folder: &Path) -> Result<File, Error> {
    make_folder(folder)?;
    let file = folder.join(".lock");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    options.mode(0o600);
    let handle = options.open(&file).map_err(Error::file("open", &file))?;
    handle.lock().map_err(Error::file("lock", &file))?;
    Ok(handle)
}

/// Lists the names in a folder, sorted; none where there is no folder.
pub(super) fn list(folder: &Path) -> Result<Vec<String>, Error> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(err) if err.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(err) => return Err(Error::file("list", folder)(err)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(Error::file("list", folder))?;
        // A name that is not Unicode is not ours.
        names.extend(entry.file_name().into_string());
    }
    names.sort();
    Ok(names)
}

/// Takes the rights of everybody else off a file or folder.
#[cfg(unix)]
pub(crate) fn make_private(path: &Path, mode: u32) -> Result<(), Error> {
    let found = fs::metadata(path).map_err(Error::file("look at", path))?.permissions().mode();
    if found & 0o077 == 0 {
        return Ok(());
    }
    tracing::warn!(path = %path.display(), "others could read this: made it private");
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
        .map_err(Error::file("protect", path))
}

/// Windows keeps a user's profile folder private by its access lists.
#[cfg(not(unix))]
pub(crate) fn make_private(_path: &Path, _mode: u32) -> Result<(), Error> {
    Ok(())
}

/// Makes one part of a file name of any text, so that different texts stay different on every file system: upper case
/// and everything beyond letters, digits, `-`, `_` and inner dots is written as `%` and two digits.
pub(super) fn encode_name(name: &str) -> String {
    let mut encoded = String::with_capacity(name.len());
    for (index, byte) in name.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => encoded.push(char::from(byte)),
            b'.' if index > 0 => encoded.push('.'),
            _ => encoded.push_str(&format!("%{byte:02x}")),
        }
    }
    encoded
}

/// Reads what [`encode_name`] made; `None` for anything else.
pub(super) fn decode_name(encoded: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next()?, rest.next()?];
            bytes.push(*hex::decode(digits).ok()?.first()?);
        } else {
            bytes.push(byte);
        }
    }
    let name = String::from_utf8(bytes).ok()?;
    (encode_name(&name) == encoded).then_some(name)
}

fn write_new(file: &Path, contents: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    options.mode(0o600);
    let mut handle = options.open(file)?;
    handle.write_all(contents)?;
    handle.sync_all()
}

/// Makes a rename or removal durable. Only Unix can open a folder for that.
fn sync_folder(folder: &Path) -> Result<(), Error> {
    if !cfg!(unix) {
        return Ok(());
    }
    File::open(folder).and_then(|handle| handle.sync_all()).map_err(Error::file("write", folder))
}

#[cfg(test)]
mod tests {
    use super::{decode_name, encode_name};

    #[track_caller]
    fn check(name: &str, encoded: &str) {
        assert_eq!(encode_name(name), encoded);
        assert_eq!(decode_name(encoded).as_deref(), Some(name));
    }

    #[test]
    fn file_names_keep_different_names_apart() {
        check("openai", "openai");
        check("zai-coding-plan", "zai-coding-plan");
        check("A", "%41");
        check("..", "%2e.");
        check("a/../b", "a%2f..%2fb");
        check("https://x.org", "https%3a%2f%2fx.org");
        check("a@b", "a%40b");
        check("a%b", "a%25b");
        check("ü", "%c3%bc");
    }

    #[test]
    fn foreign_file_names_are_not_decoded() {
        for name in ["A", ".lock", "%4", "%zz", "a b", "%61", "%2F"] {
            assert_eq!(decode_name(name), None, "{name}");
        }
    }
}
