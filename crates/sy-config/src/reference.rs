//! Replaces `{env:NAME}`, `${NAME}` and `{file:path}` in texts.
//!
//! Called for each layer before it is checked. What a reference stands for is kept as a secret beside the text as it was
//! written. The result is not searched for references again.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use sy_types::Secret;

use crate::env::Environment;
use crate::file::{ReadError, Refusal, read_text};
use crate::key_path::KeyPath;
use crate::node::{Kind, Node, Place, Text};
use crate::report::Report;
use crate::secrecy::{is_address, is_secret};
use crate::source::Format;

/// The largest file a reference may name, in bytes: keys and certificates are far smaller.
const LARGEST_FILE: u64 = 1024 * 1024;

/// The most bytes that all references of a configuration may stand for.
const MOST_BYTES: usize = 4 * 1024 * 1024;
/// The most different files that references may name.
const MOST_FILES: usize = 256;

/// What the references of a configuration may still cost, and the files that were read for them.
#[derive(Debug)]
pub(crate) struct Allowance {
    bytes: usize,
    files: HashMap<PathBuf, Result<String, Refusal>>,
}

impl Default for Allowance {
    fn default() -> Self {
        Self { bytes: MOST_BYTES, files: HashMap::new() }
    }
}

/// Resolves the references of one layer.
pub(crate) struct Resolver<'a> {
    pub(crate) environment: &'a Environment,
    pub(crate) format: Format,
    /// What `{file:…}` is relative to.
    pub(crate) directory: &'a Path,
    pub(crate) home: Option<PathBuf>,
    /// The only folder whose files may be referred to, without links in its path; `None` where any may.
    pub(crate) within: Option<&'a Path>,
    pub(crate) allowance: &'a mut Allowance,
    pub(crate) report: &'a mut Report,
}

/// What becomes of a text.
enum Outcome {
    /// It stays as it is.
    Keep,
    /// Its references stand for this.
    Resolved(String),
    /// The key counts as absent.
    Remove,
}

impl Resolver<'_> {
    /// Resolves every text below a node. Returns false when the node itself counts as absent.
    pub(crate) fn resolve(&mut self, node: &mut Node, path: &KeyPath) -> bool {
        match &mut node.kind {
            Kind::Text(text) => match self.resolve_text(&text.written, path, node.place) {
                Outcome::Keep => true,
                Outcome::Remove => false,
                Outcome::Resolved(resolved) => {
                    text.resolved = Some(Secret::new(resolved));
                    true
                }
            },
            Kind::Array(items) => {
                items.retain_mut(|item| self.resolve(item, path));
                true
            }
            Kind::Object(members) => {
                members.retain_mut(|member| {
                    self.resolve(&mut member.value, &path.child(&member.name))
                });
                true
            }
            Kind::Null | Kind::Bool(_) | Kind::Number(_) => true,
        }
    }

    fn resolve_text(&mut self, written: &str, path: &KeyPath, place: Place) -> Outcome {
        let pieces = split(written);
        if pieces.iter().all(|piece| matches!(piece, Piece::Literal(_))) {
            return Outcome::Keep;
        }
        let mut resolved = String::new();
        for piece in &pieces {
            let found = match piece {
                Piece::Literal(text) => Some((*text).to_owned()),
                Piece::Environment(name) | Piece::Variable(name) => {
                    self.environment.get(name).map(str::to_owned)
                }
                Piece::File(file) => match self.read(file) {
                    Ok(text) => Some(text),
                    Err(refusal) => {
                        let message = format!("`{path}`: {}", refusal.fault);
                        self.report.problem(place, message, refusal.help);
                        return Outcome::Keep;
                    }
                },
            };
            match found.or_else(|| self.stand_in(piece, path)) {
                Some(text) if text.len() > self.allowance.bytes => {
                    let message = format!(
                        "`{path}`: expected all references to stand for at most {MOST_BYTES} bytes, got more"
                    );
                    self.report.problem(place, message, None);
                    return Outcome::Keep;
                }
                Some(text) => {
                    self.allowance.bytes -= text.len();
                    resolved.push_str(&text);
                }
                None => return self.report_unset(piece, path, place),
            }
        }
        if resolved == written { Outcome::Keep } else { Outcome::Resolved(resolved) }
    }

    /// Returns what an unset variable stands for where that is no error: itself in an address, whose placeholders the
    /// catalog fills; in OpenCode's files what OpenCode makes of it.
    fn stand_in(&self, piece: &Piece<'_>, path: &KeyPath) -> Option<String> {
        match piece {
            Piece::Variable(name) if is_address(path) => Some(format!("${{{name}}}")),
            Piece::Variable(name) if self.format == Format::OpenCode && !is_secret(path) => {
                Some(format!("${{{name}}}"))
            }
            Piece::Environment(_)
                if self.format == Format::OpenCode && !is_secret(path) && !is_address(path) =>
            {
                Some(String::new())
            }
            _ => None,
        }
    }

    fn report_unset(&mut self, piece: &Piece<'_>, path: &KeyPath, place: Place) -> Outcome {
        let (Piece::Environment(name) | Piece::Variable(name)) = piece else {
            return Outcome::Keep;
        };
        if self.format == Format::OpenCode {
            let message = format!("`{path}` is left out: environment variable {name} is not set");
            self.report.notice(place, message);
            return Outcome::Remove;
        }
        let message = format!("`{path}`: environment variable {name} is not set");
        self.report.problem(place, message, Some(format!("set {name}, or remove the key")));
        Outcome::Keep
    }

    /// Reads the file that a reference names, once for all references to it.
    fn read(&mut self, written: &str) -> Result<String, Refusal> {
        if written.contains(char::is_control) {
            let help =
                "a single backslash is an escape in JSON: write `\\\\` or `/` between folders";
            let fault = "expected the path of a file, got control characters in it";
            return Err(Refusal { fault: fault.to_owned(), help: Some(help.to_owned()) });
        }
        let file = match written.strip_prefix("~/") {
            Some(rest) => {
                let homeless = || Refusal::new("expected HOME to be set, as `~` refers to it");
                self.home.as_ref().ok_or_else(homeless)?.join(rest)
            }
            None => self.directory.join(written),
        };
        let file = self.admit(&file)?;

        if let Some(known) = self.allowance.files.get(&file) {
            return known.clone();
        }
        if self.allowance.files.len() >= MOST_FILES {
            let fault = format!("expected references to at most {MOST_FILES} files, got more");
            return Err(Refusal::new(fault));
        }
        self.report.follow(file.clone());
        let shown = file.display();
        let read = match read_text(&file, LARGEST_FILE) {
            Ok(read) => Ok(read.text.trim().to_owned()),
            Err(ReadError::Missing) => {
                Err(Refusal::new(format!("cannot read {shown}: there is no such file")))
            }
            Err(ReadError::Refused(refusal)) => {
                let fault = format!("cannot read {shown}: {}", refusal.fault);
                Err(Refusal { fault, ..refusal })
            }
        };
        self.allowance.files.insert(file, read.clone());
        read
    }

    /// Returns the file to read. One that must be within a folder is named without links, so that none leads out of it.
    fn admit(&self, file: &Path) -> Result<PathBuf, Refusal> {
        let Some(folder) = self.within else { return Ok(file.to_owned()) };
        match file.canonicalize() {
            Ok(real) if real.starts_with(folder) => Ok(real),
            // The same words whether there is a file elsewhere or not: that is not the project's business either.
            Ok(_) | Err(_) => Err(Refusal {
                fault: format!(
                    "expected a file in the project's folder, and {} is none",
                    file.display()
                ),
                help: Some("put this key into your own file: `switchyard config edit`".to_owned()),
            }),
        }
    }
}

impl Text {
    /// Returns true when some part of the text is a reference.
    pub(crate) fn has_reference(&self) -> bool {
        split(&self.written).iter().any(|piece| !matches!(piece, Piece::Literal(_)))
    }

    /// Returns true when the text is one reference and nothing else, and so gives nothing away.
    pub(crate) fn is_reference(&self) -> bool {
        matches!(
            split(&self.written).as_slice(),
            [Piece::Environment(_) | Piece::Variable(_) | Piece::File(_)]
        )
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Piece<'a> {
    Literal(&'a str),
    /// `{env:NAME}`.
    Environment(&'a str),
    /// `${NAME}`.
    Variable(&'a str),
    /// `{file:path}`.
    File(&'a str),
}

fn split(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut literal_start = 0;
    let mut at = 0;
    while let Some(found) = text.get(at..).and_then(|rest| rest.find(['{', '$'])) {
        let start = at + found;
        match text.get(start..).and_then(reference) {
            Some((piece, length)) => {
                pieces.extend(
                    text.get(literal_start..start)
                        .filter(|literal| !literal.is_empty())
                        .map(Piece::Literal),
                );
                pieces.push(piece);
                at = start + length;
                literal_start = at;
            }
            // Both marks are one byte long.
            None => at = start + 1,
        }
    }
    pieces.extend(
        text.get(literal_start..).filter(|literal| !literal.is_empty()).map(Piece::Literal),
    );
    pieces
}

/// Reads the reference that a text begins with, and its length in bytes.
fn reference(text: &str) -> Option<(Piece<'_>, usize)> {
    let (head, _) = text.split_once('}')?;
    let piece = if let Some(name) = head.strip_prefix("{env:") {
        Piece::Environment(name)
    } else if let Some(path) = head.strip_prefix("{file:") {
        Piece::File(path)
    } else {
        Piece::Variable(head.strip_prefix("${").filter(|name| is_variable_name(name))?)
    };
    let (Piece::Literal(inner)
    | Piece::Environment(inner)
    | Piece::Variable(inner)
    | Piece::File(inner)) = piece;
    (!inner.is_empty()).then_some((piece, head.len() + 1))
}

fn is_variable_name(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::{Piece, split};

    #[test]
    fn only_whole_known_forms_are_references() {
        assert_eq!(split("{env:A}"), [Piece::Environment("A")]);
        assert_eq!(
            split("a${B}c"),
            [Piece::Literal("a"), Piece::Variable("B"), Piece::Literal("c")]
        );
        assert_eq!(split("{file:~/k}"), [Piece::File("~/k")]);
        assert_eq!(split("{env:A}${B}"), [Piece::Environment("A"), Piece::Variable("B")]);
        for text in [
            "$B",
            "{B}",
            "${B",
            "${a.b}",
            "${}",
            "{env:}",
            "{other:x}",
            "${1}",
            "plain",
            "{{",
            "ä{ö",
        ] {
            assert_eq!(split(text), [Piece::Literal(text)], "{text}");
        }
        assert_eq!(split(""), []);
    }
}
