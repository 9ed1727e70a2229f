//! Second spellings of keys, turned into the first.
//!
//! Called for each layer before it is checked. It renames keys; it does not look at their values.

use crate::key_path::KeyPath;
use crate::node::{Kind, Member, Node};
use crate::report::Report;

/// The second spelling of `provider.<id>.models.<name>.supports.function_calling`.
pub(crate) const FUNCTION_CALLING: (&str, &str) = ("function-calling", "function_calling");

/// Removes `$schema` and `version`, which are for editors and readers, and turns second spellings into the first.
pub(crate) fn normalise(root: &mut Node, report: &mut Report) {
    let top = KeyPath::default();
    take(root, "$schema");
    take(root, "version");
    if let Some(defaults) = at(root, &["models", "defaults"]) {
        let path = top.child("models").child("defaults");
        // The form `models.defaults.model.primary` says the same one level deeper.
        if let Some(model) = take(defaults, "model") {
            match model.value.kind {
                Kind::Object(members) => {
                    members.into_iter().for_each(|member| add(defaults, &path, member, report))
                }
                kind => add(
                    defaults,
                    &path,
                    Member { value: Node { kind, ..model.value }, ..model },
                    report,
                ),
            }
        }
    }
    for provider in members_of(at(root, &["provider"])) {
        let path = top.child("provider").child(&provider.name);
        for model in members_of(at(&mut provider.value, &["models"])) {
            let path = path.child("models").child(&model.name).child("supports");
            let Some(supports) = at(&mut model.value, &["supports"]) else { continue };
            let (second, first) = FUNCTION_CALLING;
            if let Some(member) = take(supports, second) {
                add(supports, &path, Member { name: first.to_owned(), ..member }, report);
            }
        }
    }
}

fn add(node: &mut Node, path: &KeyPath, member: Member, report: &mut Report) {
    let Kind::Object(members) = &mut node.kind else { return };
    if members.iter().any(|present| present.name == member.name) {
        let message = format!("`{}` is set twice, in two spellings", path.child(&member.name));
        report.problem(member.place, message, Some("remove one of the two".to_owned()));
        return;
    }
    members.push(member);
}

fn take(node: &mut Node, name: &str) -> Option<Member> {
    let Kind::Object(members) = &mut node.kind else { return None };
    let position = members.iter().position(|member| member.name == name)?;
    Some(members.remove(position))
}

fn at<'a>(node: &'a mut Node, names: &[&str]) -> Option<&'a mut Node> {
    let Some((name, rest)) = names.split_first() else { return Some(node) };
    let Kind::Object(members) = &mut node.kind else { return None };
    at(&mut members.iter_mut().find(|member| member.name == *name)?.value, rest)
}

fn members_of(node: Option<&mut Node>) -> impl Iterator<Item = &mut Member> {
    let members = node.and_then(|node| match &mut node.kind {
        Kind::Object(members) => Some(members),
        _ => None,
    });
    members.into_iter().flatten()
}
