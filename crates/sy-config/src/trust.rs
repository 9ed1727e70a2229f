//! What a project's files may say: everything only where the user trusts their folder, and some things never.
//!
//! Asked by the loader before a reference in such a file is looked at. A file that comes with a folder is not the
//! operator's word: whoever wrote it could send the user's prompts, keys and files elsewhere. Until the folder is trusted,
//! its files only choose among what the user has already.

use std::path::{Path, PathBuf};

use crate::file::owner;
use crate::key_path::KeyPath;
use crate::layer::{Inputs, Project};
use crate::node::{Kind, Member, Node};
use crate::opencode::KEYS_WITHOUT_FEATURE;
use crate::paths::home;
use crate::project::Place;
use crate::trusted_folders::TrustedFolders;

/// Keys that a project's file cannot set, trusted or not: they are about this machine and about trust itself.
pub(crate) const OPERATORS_ONLY: [&str; 6] =
    ["server", "log", "credentials", "catalog", "trusted_projects", "opencode_config"];
/// Keys that choose among what the user has already, and so count in every project.
const CHOICES: [&str; 2] = ["model", "small_model"];
/// The longest choice of a project that is not trusted, in bytes. Names of models are far shorter.
const LONGEST_CHOICE: usize = 256;
/// The most keys that a sentence names.
const MOST_NAMED: usize = 6;

/// Whether the user trusts a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Trusted,
    /// Nobody was asked yet.
    Unknown,
    /// The user was asked and said no.
    Declined,
    /// It was trusted, and belongs to somebody else since.
    OwnerChanged,
}

/// Finds out whether the user trusts a project's folder. `trees` are the folders in which everything is trusted.
pub(crate) fn standing(
    place: &Place,
    trees: &[PathBuf],
    record: Option<&TrustedFolders>,
) -> Standing {
    if place.stranger.is_some() {
        return Standing::Unknown;
    }
    if trees.iter().any(|tree| place.real.starts_with(tree)) {
        return Standing::Trusted;
    }
    let Some(known) = record.and_then(|record| record.about(&place.real)) else {
        return Standing::Unknown;
    };
    let present = place.real.metadata().ok().as_ref().and_then(owner);
    match known.is_trusted {
        false => Standing::Declined,
        true if known.owner == present => Standing::Trusted,
        true => Standing::OwnerChanged,
    }
}

/// Returns the folders that `trusted_projects` and `SWITCHYARD_TRUSTED_PROJECTS` name, without links in their paths. A path
/// that depends on the working directory counts nothing: it would name another folder each time.
pub(crate) fn trees(listed: &[String], inputs: &Inputs) -> Vec<PathBuf> {
    let in_variable = inputs.environment.paths("SWITCHYARD_TRUSTED_PROJECTS");
    let named = listed.iter().map(PathBuf::from).chain(in_variable);
    let home = home(&inputs.environment);
    let absolute = |folder: PathBuf| match (folder.strip_prefix("~"), &home) {
        (Ok(rest), Some(home)) => home.join(rest),
        _ => folder,
    };
    named
        .map(absolute)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.canonicalize().unwrap_or(folder))
        .collect()
}

/// Takes out of a project's layer what it may not say, and returns the keys that were taken out.
pub(crate) fn restrict(root: &mut Node, is_trusted: bool) -> Vec<String> {
    let Kind::Object(members) = &mut root.kind else { return Vec::new() };
    let mut left_out = Vec::new();
    members.retain(|member| {
        let is_allowed = if is_trusted {
            !OPERATORS_ONLY.contains(&member.name.as_str())
        } else {
            is_choice(member)
        };
        if !is_allowed {
            name_keys(member, &mut left_out);
        }
        is_allowed
    });
    left_out
}

/// Returns true for a plain choice. A reference is none: it would carry what it stands for out as a model's name.
fn is_choice(member: &Member) -> bool {
    let is_plain = match &member.value.kind {
        Kind::Text(text) => !text.has_reference() && text.written.len() <= LONGEST_CHOICE,
        Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::Array(_) | Kind::Object(_) => false,
    };
    is_plain && CHOICES.contains(&member.name.as_str())
}

/// Names what a member would set. What has no effect anywhere is not worth a word.
fn name_keys(member: &Member, names: &mut Vec<String>) {
    let is_idle = KEYS_WITHOUT_FEATURE.contains(&member.name.as_str());
    if is_idle && !OPERATORS_ONLY.contains(&member.name.as_str()) {
        return;
    }
    let path = KeyPath::default().child(&member.name);
    match (&member.value.kind, member.name.as_str()) {
        (Kind::Object(entries), "provider" | "alias") if !entries.is_empty() => {
            names.extend(entries.iter().map(|entry| path.child(&entry.name).to_string()));
        }
        _ => names.push(path.to_string()),
    }
}

/// What became of a project's files, gathered while they are read.
#[derive(Debug)]
pub(crate) struct Findings {
    pub(crate) place: Place,
    pub(crate) standing: Standing,
    /// The keys that were left out.
    pub(crate) left_out: Vec<String>,
    /// The files that were not read, each with the reason.
    pub(crate) unread: Vec<(String, String)>,
}

impl Findings {
    pub(crate) fn is_trusted(&self) -> bool {
        self.standing == Standing::Trusted
    }

    /// Says in one line what was left out and what to do about it.
    pub(crate) fn into_project(self, user_file: &Path) -> Project {
        let folder = self.place.folder.display();
        let mut parts: Vec<String> = Vec::new();
        if let Some(reason) = &self.place.stranger {
            parts.push(format!(
                "{folder} {reason}, so its files are not read; --config FILE reads one that you trust"
            ));
        }
        for (file, reason) in &self.unread {
            parts.push(format!("{file} is not read: {reason}"));
        }
        if !self.left_out.is_empty() {
            let names = list(&self.left_out);
            let quoted = quoted(&self.place.folder);
            parts.push(match self.standing {
                Standing::Trusted => format!(
                    "left out {names}: a project's file cannot set that, {} can",
                    user_file.display()
                ),
                Standing::OwnerChanged => format!(
                    "{folder} has another owner than when it was trusted: left out {names}; trust it again with `switchyard trust {quoted}`"
                ),
                Standing::Unknown | Standing::Declined => format!(
                    "{folder} is not trusted: left out {names}; if you trust its files, run `switchyard trust {quoted}`"
                ),
            });
        }
        Project {
            is_trusted: self.is_trusted(),
            was_declined: self.standing == Standing::Declined,
            notice: (!parts.is_empty()).then(|| parts.join("; ")),
            left_out: if self.is_trusted() { Vec::new() } else { self.left_out },
            folder: self.place.folder,
        }
    }
}

/// Names the first of some keys and counts the others.
fn list(names: &[String]) -> String {
    let mut shown: Vec<String> =
        names.iter().take(MOST_NAMED).map(|name| format!("`{name}`")).collect();
    if names.len() > MOST_NAMED {
        shown.push(format!("{} more", names.len() - MOST_NAMED));
    }
    shown.join(", ")
}

/// Writes a path so that a shell takes it as one word.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let is_bare = |c: char| c.is_alphanumeric() || matches!(c, '/' | '.' | '-' | '_' | '+' | '@');
    if !text.is_empty() && text.chars().all(is_bare) {
        return text;
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}
