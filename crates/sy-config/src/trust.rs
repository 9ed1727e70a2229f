//! What a project's files may not do unless the user trusts their folder: have secrets sent where they like.
//!
//! Called once on the merged configuration, where every value still knows which layer wrote it. A file that comes with a
//! folder is not the operator's word, so an address from it gets only what the same files bring along. It does not know
//! which keys there are: [`Config::withheld`] names the providers that get none.

use std::path::{Path, PathBuf};

use sy_types::Secret;

use crate::key_path::KeyPath;
use crate::layer::{Inputs, Layer, LayerKind};
use crate::node::{Kind, Node, Place, Text};
use crate::paths::home;
use crate::report::Report;
use crate::secrecy::{is_address, is_secret};
use crate::section::Config;

/// Options of a provider that become part of its address.
pub const ADDRESS_OPTIONS: [&str; 6] =
    ["accountId", "gatewayId", "location", "project", "region", "resourceName"];

/// Keeps the user's secrets from addresses that files of projects chose which nobody trusts.
pub(crate) fn guard(
    config: &mut Config,
    merged: &Node,
    layers: &[Layer],
    inputs: &Inputs,
    report: &mut Report,
) {
    let folders: Vec<Option<&Path>> =
        layers.iter().map(|layer| project_folder(layer, inputs)).collect();
    if folders.iter().all(Option::is_none) {
        return;
    }
    let list = merged.nearest_place(&["trusted_projects"]);
    let is_own_word = merged.get(&["trusted_projects"]).is_some()
        && folders.get(list.layer).is_some_and(Option::is_some);
    if is_own_word {
        report.problem(
            list,
            "`trusted_projects`: expected in a file of your own, a project cannot trust itself",
            None,
        );
    }
    let trusted = resolved(&config.trusted_projects, inputs);
    let is_trusted = |folder: &Path| trusted.iter().any(|known| real(folder).starts_with(known));
    let folders = folders
        .into_iter()
        .map(|folder| folder.filter(|folder| is_own_word || !is_trusted(folder)))
        .collect();
    Guard { folders, inputs, report }.check(config, merged);
}

/// Returns the folder of a layer that came with a project.
fn project_folder<'l>(layer: &'l Layer, inputs: &Inputs) -> Option<&'l Path> {
    let folder = layer.path.as_deref()?.parent()?;
    let is_projects = match layer.kind {
        LayerKind::Project => true,
        LayerKind::Overlay => folder != inputs.paths.config,
        _ => false,
    };
    is_projects.then_some(folder)
}

fn resolved(folders: &[String], inputs: &Inputs) -> Vec<PathBuf> {
    let absolute = |folder: &String| match (folder.strip_prefix("~/"), home(&inputs.environment)) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => PathBuf::from(folder),
    };
    folders
        .iter()
        .map(absolute)
        .filter(|folder| folder.is_absolute())
        .map(|folder| real(&folder))
        .collect()
}

fn real(folder: &Path) -> PathBuf {
    folder.canonicalize().unwrap_or_else(|_| folder.to_owned())
}

struct Guard<'a> {
    /// The folder of each layer that came with a project nobody trusts.
    folders: Vec<Option<&'a Path>>,
    inputs: &'a Inputs,
    report: &'a mut Report,
}

impl Guard<'_> {
    fn check(&mut self, config: &mut Config, merged: &Node) {
        if let Some(url) = merged.get(&["catalog", "url"]).filter(|url| self.is_strange(url.place))
        {
            let message =
                "`catalog.url`: a project may not say where the addresses of providers come from";
            self.report.problem(url.place, message, self.remedy(url.place));
        }
        let Some(Node { kind: Kind::Object(providers), .. }) = merged.get(&["provider"]) else {
            return;
        };
        for provider in providers {
            let path = KeyPath::default().child("provider").child(&provider.name);
            let mut address = None;
            each_text(&provider.value, &path, &mut |path, place, text| {
                if self.is_strange(place) && leads_away(path, text) {
                    address.get_or_insert(place);
                }
            });
            let Some(address) = address else { continue };
            self.check_texts(&provider.value, &path, address);
            let key = provider.value.get(&["options", "apiKey"]);
            // A blank one counts as none, so that the other sources would be asked.
            let is_key = |text: &Text| !text.has_reference() && !text.written.trim().is_empty();
            let brings_key = key.is_some_and(|key| {
                self.is_strange(key.place) && matches!(&key.kind, Kind::Text(text) if is_key(text))
            });
            if !brings_key {
                let reason = format!(
                    "{} says where it is called, and a project's file gets no key of yours: {}",
                    self.name(address),
                    self.remedy(address).unwrap_or_default()
                );
                config.withheld.insert(provider.name.trim_end_matches('/').to_owned(), reason);
            }
        }
    }

    /// Refuses secrets other than the key, and references, in a section with such an address.
    fn check_texts(&mut self, section: &Node, path: &KeyPath, address: Place) {
        let mut refused = Vec::new();
        each_text(section, path, &mut |path, place, text| {
            let is_key = matches!(path.parts().as_slice(), [_, _, "options", "apiKey"]);
            let is_foreign = text.has_reference() || (is_secret(path) && !self.is_strange(place));
            if is_foreign && !is_key {
                refused.push((
                    place,
                    format!("`{path}` would be sent to the address in {}", self.name(address)),
                ));
            }
        });
        for (place, message) in refused {
            self.report.problem(place, message, self.remedy(address));
        }
    }

    fn is_strange(&self, place: Place) -> bool {
        self.folders.get(place.layer).is_some_and(Option::is_some)
    }

    fn name(&self, place: Place) -> String {
        format!("{}:{}", self.report.source(place), place.line)
    }

    fn remedy(&self, place: Place) -> Option<String> {
        let folder = self.folders.get(place.layer).copied().flatten()?.display();
        let file = self.inputs.paths.user_file();
        Some(format!(
            "if you trust the project, add `\"trusted_projects\": [\"{folder}\"]` to {}, or name its file with --config",
            file.display()
        ))
    }
}

/// Returns true for a text that lets a provider's requests leave this machine for another place. A server on this machine
/// is none: whoever listens here can do so without a project.
fn leads_away(path: &KeyPath, text: &Text) -> bool {
    match path.parts().as_slice() {
        ["provider", _, "options", name] if ADDRESS_OPTIONS.contains(name) => true,
        _ => {
            is_address(path)
                && !is_here(text.resolved.as_ref().map_or(&text.written, Secret::expose))
        }
    }
}

fn is_here(url: &str) -> bool {
    match url::Url::parse(url).ok().as_ref().and_then(url::Url::host) {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn each_text(node: &Node, path: &KeyPath, visit: &mut dyn FnMut(&KeyPath, Place, &Text)) {
    match &node.kind {
        Kind::Text(text) => visit(path, node.place, text),
        Kind::Array(items) => items.iter().for_each(|item| each_text(item, path, visit)),
        Kind::Object(members) => {
            members
                .iter()
                .for_each(|member| each_text(&member.value, &path.child(&member.name), visit));
        }
        Kind::Null | Kind::Bool(_) | Kind::Number(_) => {}
    }
}
