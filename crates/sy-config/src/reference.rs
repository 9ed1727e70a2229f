//! Replaces `{env:NAME}`, `${NAME}` and `{file:path}` in texts.
//!
//! Called for each layer before it is checked. What a reference stands for is kept as a secret beside the text as it was
//! written. The result is not searched for references again.

use std::path::{Path, PathBuf};

use sy_types::Secret;

use crate::env::Environment;
use crate::key_path::KeyPath;
use crate::node::{Kind, Node, Place, Text};
use crate::report::Report;
use crate::secrecy::{is_address, is_secret};
use crate::source::Format;

/// The largest file a reference may name, in bytes: keys and certificates are far smaller.
const LARGEST_FILE: u64 = 1024 * 1024;

/// Resolves the references of one layer.
pub(crate) struct Resolver<'a> {
    pub(crate) environment: &'a Environment,
    pub(crate) format: Format,
    /// What `{file:…}` is relative to.
    pub(crate) directory: &'a Path,
    pub(crate) home: Option<PathBuf>,
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
                    Err(message) => {
                        self.report.problem(place, format!("`{path}`: {message}"), None);
                        return Outcome::Keep;
                    }
                },
            };
            match found.or_else(|| self.stand_in(piece, path)) {
                Some(text) => resolved.push_str(&text),
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

    fn read(&mut self, written: &str) -> Result<String, String> {
        let file = match written.strip_prefix("~/") {
            Some(rest) => {
                self.home.as_ref().ok_or("expected HOME to be set, as `~` refers to it")?.join(rest)
            }
            None => self.directory.join(written),
        };
        self.report.follow(file.clone());
        let shown = file.display();
        let size =
            std::fs::metadata(&file).map_err(|err| format!("cannot read {shown}: {err}"))?.len();
        if size > LARGEST_FILE {
            return Err(format!("expected {shown} to be at most {LARGEST_FILE} bytes, got {size}"));
        }
        let text =
            std::fs::read_to_string(&file).map_err(|err| format!("cannot read {shown}: {err}"))?;
        Ok(text.trim().to_owned())
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
