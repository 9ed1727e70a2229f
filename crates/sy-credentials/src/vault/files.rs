//! Private files and folders: written whole or not at all.
//!
//! Called by the vault, and by the export of `auth.json`. It knows nothing of what is in the files.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
#[cfg(unix)]
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use aws_lc_rs::rand;
use zeroize::Zeroizing;

use crate::error::Error;

/// A larger file is not one of ours.
const LARGEST: usize = 4 << 20;
/// Begins the name of a file that is being written. Names of ours never begin with a dot.
const TEMPORARY: &str = ".writing-";

/// Writes a file with mode 0600 so that, whenever the machine stops, the old or the new contents
/// are there.
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

/// Waits for the vault's lock; it is held until the returned file is dropped or the process ends,
/// however it ends.
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

/// Reads a private file: a regular one, ours or root's, and not through a link. Whoever could put
/// another file in its place could choose our keys, or have us read somebody's file to them.
pub(crate) fn read_private(file: &Path) -> Result<Zeroizing<Vec<u8>>, Error> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        // A link is refused by the system itself, so nothing can be exchanged between a look and
        // the opening.
        let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
        options.custom_flags(i32::try_from(flags.bits()).unwrap_or_default());
    }
    let mut handle = options.open(file).map_err(|error| match is_link(file) {
        true => Error::foreign(file, "is a link"),
        false => Error::file("read", file)(error),
    })?;
    let metadata = handle.metadata().map_err(Error::file("look at", file))?;
    check_own(file, &metadata)?;
    if !metadata.is_file() {
        return Err(Error::foreign(file, "is no regular file"));
    }

    // The buffer does not grow, so no copy of a key is left behind.
    let length = usize::try_from(metadata.len()).unwrap_or_default();
    let mut contents = Zeroizing::new(Vec::with_capacity(length.saturating_add(1).min(LARGEST)));
    let limit = u64::try_from(LARGEST).unwrap_or(u64::MAX);
    (&mut handle).take(limit).read_to_end(&mut contents).map_err(Error::file("read", file))?;
    Ok(contents)
}

/// Refuses what belongs to another user than us and root.
pub(crate) fn check_own(path: &Path, metadata: &fs::Metadata) -> Result<(), Error> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;

        let (owner, me) = (metadata.uid(), rustix::process::geteuid().as_raw());
        if owner != me && owner != 0 {
            let text = format!("belongs to another user (uid {owner}, not {me})");
            return Err(Error::foreign(path, &text));
        }
    }
    #[cfg(not(unix))]
    let _ = (path, metadata);
    Ok(())
}

/// Refuses a folder that is a link or another user's; one that is not there is fine.
pub(super) fn check_folder(folder: &Path) -> Result<(), Error> {
    match fs::symlink_metadata(folder) {
        Ok(metadata) if metadata.is_symlink() => Err(Error::foreign(folder, "is a link")),
        Ok(metadata) => check_own(folder, &metadata),
        Err(err) if err.kind() == ErrorKind::NotFound => Ok(()),
        Err(err) => Err(Error::file("look at", folder)(err)),
    }
}

fn is_link(file: &Path) -> bool {
    fs::symlink_metadata(file).is_ok_and(|metadata| metadata.is_symlink())
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

/// Makes one part of a file name of any text, so that different texts stay different on every file
/// system: upper case and everything beyond letters, digits, `-`, `_` and inner dots is written as
/// `%` and two digits.
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
