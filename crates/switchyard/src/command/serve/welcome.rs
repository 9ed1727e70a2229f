//! What a server says first: where it is, how clients get there, what is connected, and which files it reads.

use std::path::Path;

use sy_catalog::LocalServer;
use sy_config::{Config, Inputs, Loaded};
use sy_server::Served;
use sy_server::observe::tracing::Form;

use super::notes::Notes;

/// How wide a list of providers may be: a line of 80 columns less its label.
const LIST_WIDTH: usize = 64;

/// Tells where the server is and what it works with.
pub(super) fn tell(served: &Served, loaded: &Loaded, inputs: &Inputs, notes: &Notes) {
    let address = format!("http://{}", served.address());
    let connected = served.connected();
    match notes.form {
        Form::Screen => {}
        // A program reads facts and not advice.
        Form::Json => {
            notes.note(format!("switchyard listens on {address}"));
            if connected.is_empty() {
                notes.warn(NOTHING_CONNECTED);
            }
            return;
        }
        Form::Text => {}
    }

    notes.note(format!("switchyard {} listens on {address}", env!("CARGO_PKG_VERSION")));
    let clients = "eval \"$(switchyard env)\"  or  switchyard launch claude";
    notes.note(row("clients", clients));
    if connected.is_empty() {
        notes.warn(NOTHING_CONNECTED);
    } else {
        notes.note(row("connected", &listed(&connected)));
        if let Some(model) = served.default_model() {
            notes.note(row("default", &model));
        }
    }
    let mut label = "settings";
    for file in files(loaded, inputs) {
        notes.note(row(label, &file));
        label = "";
    }
}

const NOTHING_CONNECTED: &str =
    "nothing connected yet: `switchyard auth login` connects a provider";

/// Tells of inference servers on this machine that nobody has added yet.
pub(super) fn tell_found(found: &[LocalServer], config: &Config, notes: &Notes) {
    for LocalServer { id, name, base_url, .. } in found {
        let is_added = config.provider.contains_key(id)
            || config.provider.values().any(|provider| {
                provider.options.base_url.as_deref().is_some_and(|url| same_place(url, base_url))
            });
        if !is_added {
            notes.note(row("found", &format!("{name} at {base_url}")));
            notes.note(row("", &format!("add it: switchyard auth login {id}")));
        }
    }
}

fn same_place(one: &str, other: &str) -> bool {
    let plain = |url: &str| url.trim_end_matches('/').replace("//localhost:", "//127.0.0.1:");
    plain(one) == plain(other)
}

fn row(label: &str, text: &str) -> String {
    format!("  {label:10} {text}")
}

/// Joins as many names as fit into a line and counts the rest.
fn listed(names: &[String]) -> String {
    let mut line = String::new();
    for (index, name) in names.iter().enumerate() {
        let separator = if index == 0 { "" } else { ", " };
        if index > 0 && line.len() + separator.len() + name.len() > LIST_WIDTH {
            return format!("{line} and {} more", names.len() - index);
        }
        line.push_str(separator);
        line.push_str(name);
    }
    line
}

/// Returns the files that are read, or where one could be.
fn files(loaded: &Loaded, inputs: &Inputs) -> Vec<String> {
    let home = inputs.environment.get("HOME").map(Path::new);
    let shown = |file: &Path| match home.and_then(|home| file.strip_prefix(home).ok()) {
        Some(rest) => format!("~/{}", rest.display()),
        None => file.display().to_string(),
    };
    let read = loaded.layers.iter().filter(|layer| layer.restriction != Some("not read"));
    let files: Vec<String> = read.filter_map(|layer| layer.path.as_deref()).map(shown).collect();
    if files.is_empty() {
        return vec![format!("no file yet; yours would be {}", shown(&inputs.paths.user_file()))];
    }
    files
}

#[cfg(test)]
mod tests {
    use super::{LIST_WIDTH, listed, same_place};

    #[test]
    fn a_long_list_is_counted() {
        let names: Vec<String> = (10..40).map(|number| format!("provider-{number}")).collect();
        let line = listed(&names);
        assert!(line.starts_with("provider-10, provider-11, "), "{line}");
        assert!(line.ends_with("and 25 more") && line.len() <= LIST_WIDTH + 12, "{line}");
        assert_eq!(listed(&["a".to_owned(), "b".to_owned()]), "a, b");
    }

    #[test]
    fn an_added_server_is_known_by_its_address() {
        assert!(same_place("http://localhost:8080/v1/", "http://127.0.0.1:8080/v1"));
        assert!(!same_place("http://127.0.0.1:8081/v1", "http://127.0.0.1:8080/v1"));
    }
}
