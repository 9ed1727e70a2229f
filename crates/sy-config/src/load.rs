//! Reads all layers into one configuration.
//!
//! Called by the binary at start and by [`crate::Live`] on each reload: find the sources, read each one (references,
//! second spellings, schema), merge from low to high, decode, check across sections. All problems are collected; a
//! configuration with any problem is not returned. It keeps nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use sy_types::Secret;

use crate::check::Checker;
use crate::env::Environment;
use crate::key_path::KeyPath;
use crate::layer::{Inputs, Layer, LayerKind, Loaded, Origin};
use crate::node::{Kind, Node, Place, Text};
use crate::opencode;
use crate::paths::home;
use crate::problem::Problem;
use crate::reference::Resolver;
use crate::report::Report;
use crate::schema::{built_in, schema};
use crate::secrecy::is_secret;
use crate::section::{Config, Headers};
use crate::source::{Content, Format, Source, find};
use crate::spelling;
use crate::trust;
use crate::validate::validate;

/// Reads the configuration.
///
/// # Errors
/// Every problem of every layer, in the order of layers and lines.
pub fn load(inputs: &Inputs) -> Result<Loaded, Vec<Problem>> {
    let schema = schema();
    let mut report = Report::default();
    let mut layers =
        vec![Layer { kind: LayerKind::BuiltIn, source: "built-in".to_owned(), path: None }];
    let built_in = Node::of_value(&built_in(&schema), report.add_source("built-in"));
    let found = find(inputs);
    let mut written = Node::of_value(&Value::Object(serde_json::Map::new()), 0);
    for source in &found.sources {
        let index = report.add_source(source.name.clone());
        layers.push(Layer {
            kind: source.kind,
            source: source.name.clone(),
            path: source.path.clone(),
        });
        if let Some(root) = read_source(source, index, &inputs.environment, &schema, &mut report) {
            written.lay_over(root);
        }
    }
    if let Some(file) = &found.missing_overlay {
        let layer = report.add_source("SWITCHYARD_ENV");
        report.notice(
            Place { layer, line: 0, column: 0 },
            format!("there is no {file} beside the user's or the project's file"),
        );
    }
    found.looked_for.into_iter().for_each(|file| report.follow(file));
    if report.has_problems() {
        return Err(report.into_problems());
    }
    let mut merged = built_in;
    merged.lay_over(written);
    finish(&merged, layers, inputs, report)
}

/// Reads one text in Switchyard's own format as if it were the only layer. For tests and tools.
///
/// # Errors
/// Every problem of the text.
pub fn parse(text: &str, environment: &Environment) -> Result<Config, Vec<Problem>> {
    let schema = schema();
    let mut report = Report::default();
    let mut merged = Node::of_value(&built_in(&schema), report.add_source("built-in"));
    let source = text_source(text);
    let index = report.add_source(source.name.clone());
    if let Some(root) = read_source(&source, index, environment, &schema, &mut report)
        && !report.has_problems()
    {
        merged.lay_over(root);
    }
    match decode(&merged, &mut report) {
        Some(config) if !report.has_problems() => Ok(config),
        _ => Err(report.into_problems()),
    }
}

/// Returns what is wrong with a text in Switchyard's own format, taken by itself and with references unresolved.
pub(crate) fn lint(text: &str, schema: &Value) -> Vec<Problem> {
    let mut report = Report::default();
    let index = report.add_source("configuration");
    if let Some(mut root) = Node::parse(text, index, &mut report) {
        spelling::normalise(&mut root, &mut report);
        Checker::new(schema, &mut report).check_root(&root);
    }
    report.into_problems()
}

fn text_source(text: &str) -> Source {
    Source {
        kind: LayerKind::ConfigContent,
        format: Format::Switchyard,
        name: "configuration".to_owned(),
        path: None,
        directory: std::path::PathBuf::new(),
        content: Content::Text(text.to_owned()),
    }
}

/// Reads one source into a checked tree. A source that cannot be understood at all is reported and gives `None`.
fn read_source(
    source: &Source,
    layer: usize,
    environment: &Environment,
    schema: &Value,
    report: &mut Report,
) -> Option<Node> {
    let mut root = match &source.content {
        Content::Text(text) => Node::parse(text, layer, report)?,
        Content::Value(value) => Node::of_value(value, layer),
        Content::Unreadable(message) => {
            report.problem(Place { layer, line: 0, column: 0 }, message.clone(), None);
            return None;
        }
    };
    if source.format == Format::OpenCode {
        opencode::adapt(&mut root, report);
    }
    spelling::normalise(&mut root, report);
    let top = KeyPath::default();
    let (format, directory, home) = (source.format, source.directory.as_path(), home(environment));
    Resolver { environment, format, directory, home, report }.resolve(&mut root, &top);
    Checker::new(schema, report).check_root(&root);
    if source.kind == LayerKind::OpenCode && root.get(&["opencode_config"]).is_some() {
        let place = root.nearest_place(&["opencode_config"]);
        report.problem(
            place,
            "`opencode_config` has no effect in the file that it switches off",
            None,
        );
    }
    if source.path.is_some() {
        notice_literal_secrets(&root, &top, report);
    }
    Some(root)
}

fn finish(
    merged: &Node,
    layers: Vec<Layer>,
    inputs: &Inputs,
    mut report: Report,
) -> Result<Loaded, Vec<Problem>> {
    let Some(mut config) = decode(merged, &mut report) else { return Err(report.into_problems()) };
    trust::guard(&mut config, merged, &layers, inputs, &mut report);
    if report.has_problems() {
        return Err(report.into_problems());
    }
    config.key_places = key_places(&config, merged, &report);
    let mut places = BTreeMap::new();
    merged.collect_places(&KeyPath::default(), &mut places);
    let origin = |place: Place| {
        let layer = layers.get(place.layer).map_or(LayerKind::BuiltIn, |layer| layer.kind);
        Origin { layer, source: report.source(place), line: place.line, column: place.column }
    };
    let provenance = places.into_iter().map(|(pointer, place)| (pointer, origin(place))).collect();
    let value = merged.to_value(&KeyPath::default(), &show);
    let (notices, files) = report.into_notices();
    Ok(Loaded {
        config: Arc::new(config),
        layers,
        value,
        provenance,
        notices,
        inputs: inputs.clone(),
        files,
    })
}

/// Returns where the keys of providers were written.
fn key_places(config: &Config, merged: &Node, report: &Report) -> BTreeMap<String, String> {
    let place = |id: &String| {
        let place = merged.get(&["provider", id, "options", "apiKey"])?.place;
        let mut name = report.source(place);
        if place.line > 0 {
            name.push_str(&format!(":{}", place.line));
        }
        Some((id.trim_end_matches('/').to_owned(), name))
    };
    config.provider.keys().filter_map(place).collect()
}

/// Decodes and cross-checks the merged tree.
fn decode(merged: &Node, report: &mut Report) -> Option<Config> {
    let decoded: Result<Config, _> = serde_path_to_error::deserialize(merged.to_resolved_value());
    match decoded {
        Ok(mut config) => {
            conceal_referred_headers(&mut config, merged);
            validate(&config, merged, report);
            Some(config)
        }
        // The decoder's own words may repeat a value, so only the path is told.
        Err(error) => {
            let names: Vec<String> =
                error.path().iter().map(|segment| segment.to_string()).collect();
            let path = names.iter().fold(KeyPath::default(), |path, name| path.child(name));
            report.problem(
                merged.nearest_place(&names),
                format!("`{path}` does not have the expected form"),
                None,
            );
            None
        }
    }
}

/// Returns a text as it may be shown: a reference as it was written, a secret masked.
fn show(path: &KeyPath, text: &Text) -> String {
    if is_secret(path) && !text.is_reference() {
        Secret::new(text.written.clone()).masked()
    } else {
        text.written.clone()
    }
}

/// Turns header values that came from the environment or a file into secrets, whatever the header is called.
fn conceal_referred_headers(config: &mut Config, merged: &Node) {
    let conceal = |headers: &mut Headers, names: &[&str]| {
        let Some(node) = merged.get(names) else { return };
        for (name, text) in headers {
            let is_referred = matches!(node.get(&[name]).map(|node| &node.kind), Some(Kind::Text(text)) if text.resolved.is_some());
            if is_referred {
                text.conceal();
            }
        }
    };
    for (id, provider) in &mut config.provider {
        conceal(&mut provider.options.headers, &["provider", id, "options", "headers"]);
        for (name, model) in &mut provider.models {
            conceal(&mut model.headers, &["provider", id, "models", name, "headers"]);
        }
    }
}

fn notice_literal_secrets(node: &Node, path: &KeyPath, report: &mut Report) {
    match &node.kind {
        Kind::Object(members) => {
            members.iter().for_each(|member| {
                notice_literal_secrets(&member.value, &path.child(&member.name), report)
            });
        }
        Kind::Text(text)
            if is_secret(path) && !text.has_reference() && !text.written.is_empty() =>
        {
            report.notice(
                node.place,
                format!("`{path}` stands here in clear; better refer to it by {{env:NAME}} or {{file:path}}"),
            );
        }
        Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::Text(_) | Kind::Array(_) => {}
    }
}
