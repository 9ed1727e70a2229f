//! What makes a file of OpenCode a valid layer.
//!
//! Called for files in OpenCode's format before they are checked: settings of OpenCode's for which there is no feature
//! here are left out, each with a notice. Keys that OpenCode does not know either stay, and the checker refuses them.

use serde_json::Number;

use crate::key_path::KeyPath;
use crate::node::{Kind, Member, Node, Place};
use crate::report::Report;
use crate::section::{LONGEST_MS, SHORTEST_MS};

/// Top-level keys of OpenCode's configuration, current and older, that mean nothing here. `server` is among them because
/// it configures OpenCode's own server. Source: OpenCode 1.18's published schema and its documentation of older keys.
pub(crate) const KEYS_WITHOUT_FEATURE: &[&str] = &[
    "agent",
    "attachment",
    "autoshare",
    "autoupdate",
    "command",
    "compaction",
    "default_agent",
    "enterprise",
    "experimental",
    "formatter",
    "instructions",
    "keybinds",
    "layout",
    "logLevel",
    "lsp",
    "mcp",
    "mode",
    "permission",
    "plugin",
    "reference",
    "references",
    "server",
    "share",
    "shell",
    "skills",
    "snapshot",
    "subagent_depth",
    "theme",
    "tool_output",
    "tools",
    "tui",
    "username",
    "watcher",
];

/// Provider options with a meaning that is not "a field of the request body" and for which there is no feature here.
pub(crate) const OPTIONS_WITHOUT_FEATURE: &[&str] =
    &["enterpriseUrl", "maxConcurrentRequests", "setCacheKey"];

/// Leaves out what has no feature here and fits what OpenCode allows into our limits. One notice names all that is left out:
/// a file that OpenCode is content with has many such keys.
pub(crate) fn adapt(root: &mut Node, report: &mut Report) {
    let top = KeyPath::default();
    let mut idle = Idle::default();
    idle.leave_out(root, &top, KEYS_WITHOUT_FEATURE);
    for provider in children(root, "provider") {
        let path = top.child("provider").child(&provider.name);
        idle.leave_out(&mut provider.value, &path, &["id"]);
        if let Some(options) = child(&mut provider.value, "options") {
            let path = path.child("options");
            idle.leave_out(&mut options.value, &path, OPTIONS_WITHOUT_FEATURE);
            fit_limits(&mut options.value, &path, report);
        }
        for model in children(&mut provider.value, "models") {
            let path = path.child("models").child(&model.name);
            idle.leave_out(&mut model.value, &path, &["experimental"]);
        }
    }

    if let Some(place) = idle.first {
        let message = match idle.keys.as_slice() {
            [only] => format!("`{only}` is a setting of OpenCode's and has no effect here"),
            many => format!("settings of OpenCode's without effect here: {}", many.join(", ")),
        };
        report.notice(place, message);
    }
}

/// The keys that were left out, and where the first of them stands.
#[derive(Default)]
struct Idle {
    first: Option<Place>,
    keys: Vec<String>,
}

impl Idle {
    fn leave_out(&mut self, node: &mut Node, path: &KeyPath, names: &[&str]) {
        let Kind::Object(members) = &mut node.kind else { return };
        members.retain(|member| {
            let is_known = !names.contains(&member.name.as_str());
            if !is_known {
                let first = self.first.get_or_insert(member.place);
                *first = (*first).min(member.place);
                self.keys.push(path.child(&member.name).to_string());
            }
            is_known
        });
    }
}

/// OpenCode takes any positive number of milliseconds; ours has limits.
fn fit_limits(options: &mut Node, path: &KeyPath, report: &mut Report) {
    for name in ["timeout", "headerTimeout", "firstContentTimeout", "chunkTimeout"] {
        let Some(member) = child(options, name) else { continue };
        let Kind::Number(number) = &mut member.value.kind else { continue };
        let Some(value) = number.as_u64().filter(|value| *value > 0) else { continue };
        let fitted = value.clamp(SHORTEST_MS, LONGEST_MS);
        if fitted != value {
            *number = Number::from(fitted);
            let path = path.child(name);
            report.notice(
                member.value.place,
                format!("`{path}` is {value} ms, but {fitted} ms is used, the nearest allowed"),
            );
        }
    }
}

fn child<'a>(node: &'a mut Node, name: &str) -> Option<&'a mut Member> {
    let Kind::Object(members) = &mut node.kind else { return None };
    members.iter_mut().find(|member| member.name == name)
}

fn children<'a>(node: &'a mut Node, name: &str) -> impl Iterator<Item = &'a mut Member> {
    let members = child(node, name).and_then(|member| match &mut member.value.kind {
        Kind::Object(members) => Some(members),
        _ => None,
    });
    members.into_iter().flatten()
}
