//! Nobody but the owner may read keys and tokens.

use std::path::{Path, PathBuf};

use super::Finding;
use crate::context::Context;

/// Looks at the modes of private files and folders, and repairs them with `fix`.
#[cfg(unix)]
pub(super) fn check(context: &Context, fix: bool) -> Vec<Finding> {
    use std::os::unix::fs::PermissionsExt;
    let paths = &context.inputs.paths;
    let mut private =
        vec![(paths.data.join("credentials"), 0o700), (sy_server::token_file(paths), 0o600)];
    private.extend(below(&paths.data.join("credentials")));
    let mut findings = Vec::new();
    let mut looked_at = 0;
    for (path, wanted) in private {
        let Ok(metadata) = std::fs::symlink_metadata(&path) else { continue };
        looked_at += 1;
        let mode = metadata.permissions().mode() & 0o777;
        if mode & !wanted == 0 {
            continue;
        }
        let what = format!("{} has mode {mode:o}, expected {wanted:o} or less", path.display());
        let repaired =
            fix && std::fs::set_permissions(&path, std::fs::Permissions::from_mode(wanted)).is_ok();
        findings.push(if repaired {
            Finding::Repaired(what)
        } else {
            Finding::Bad { what, next: Some("`switchyard doctor --fix` repairs it".to_owned()) }
        });
    }
    if findings.is_empty() {
        findings.push(Finding::Good(format!("file permissions OK ({looked_at} checked)")));
    }
    findings
}

#[cfg(not(unix))]
pub(super) fn check(_context: &Context, _fix: bool) -> Vec<Finding> {
    vec![Finding::Remark("file modes are checked on Unix only".to_owned())]
}

/// Lists files and folders below a folder with the mode that each should have.
fn below(folder: &Path) -> Vec<(PathBuf, u32)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().filter_map(std::result::Result::ok)
    {
        let path = entry.path();
        if path.is_dir() {
            found.push((path.clone(), 0o700));
            found.extend(below(&path));
        } else {
            found.push((path, 0o600));
        }
    }
    found
}
