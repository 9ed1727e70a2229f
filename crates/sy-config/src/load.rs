//! Reads all layers into one configuration.
//!
//! Called by the binary at start and by [`crate::Live`] on each reload: find the sources, read each one (references,
//! second spellings, schema), merge from low to high, decode, check across sections. All problems are collected; a
//! configuration with any problem is not returned. It keeps nothing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use crate::check::Checker;
use crate::env::Environment;
use crate::key_path::KeyPath;
use crate::layer::{Inputs, Layer, LayerKind, Loaded, Origin, Project};
use crate::node::{Kind, Node, Place};
use crate::opencode;
use crate::paths::home;
use crate::problem::Problem;
use crate::project;
use crate::reference::{Allowance, Resolver};
use crate::report::Report;
use crate::schema::{built_in, schema};
use crate::secrecy::{conceal_referred_headers, notice_literal_secrets, show};
use crate::section::Config;
use crate::source::{Content, Format, Source, find};
use crate::spelling;
use crate::trust::{self, Findings};
use crate::trusted_folders::TrustedFolders;
use crate::validate::validate;

/// Reads the configuration.
///
/// # Errors
/// Every problem of every layer, in the order of layers and lines.
pub fn load(inputs: &Inputs) -> Result<Loaded, Vec<Problem>> {
    let schema = schema();
    let mut report = Report::default();
    let mut merged = Node::of_value(&built_in(&schema), report.add_source("built-in"));
    let found = find(inputs);
    let indices: Vec<usize> =
        found.sources.iter().map(|source| report.add_source(source.name.clone())).collect();
    let numbered = || found.sources.iter().zip(indices.iter().copied());
    let mut layers: Vec<Layer> =
        std::iter::once(built_in_layer()).chain(found.sources.iter().map(layer_of)).collect();

    // Whether a project's files count is the word of the others, so those are read first.
    let mut reader = Reader::new(&inputs.environment, &schema, &mut report);
    let mut roots: BTreeMap<usize, Node> = BTreeMap::new();
    for (source, index) in numbered().filter(|(source, _)| !source.is_projects) {
        roots.extend(reader.read(source, index, None).map(|root| (index, root)));
    }
    let mut findings = found.project.map(|place| findings(place, &roots, inputs, reader.report));
    for (source, index) in numbered().filter(|(source, _)| source.is_projects) {
        let Some(findings) = &mut findings else { continue };
        let root = reader.read_projects(source, index, findings);
        if let Some(layer) = layers.get_mut(index) {
            layer.restriction = match root {
                None => Some("not read"),
                Some(_) if !findings.is_trusted() => Some("not trusted"),
                Some(_) => None,
            };
        }
        roots.extend(root.map(|root| (index, root)));
    }

    let mut written = Node::of_value(&Value::Object(serde_json::Map::new()), 0);
    roots.into_values().for_each(|root| written.lay_over(root));
    if let Some(file) = &found.missing_overlay {
        let layer = report.add_source("SWITCHYARD_ENV");
        report.notice(
            Place { layer, line: 0, column: 0 },
            format!("there is no {file} beside the user's or the project's file"),
        );
    }
    found.looked_for.into_iter().for_each(|file| report.follow(file));
    report.follow(TrustedFolders::file(&inputs.paths));
    if report.has_problems() {
        return Err(report.into_problems());
    }
    merged.lay_over(written);
    let project = findings.map(|findings| findings.into_project(&inputs.paths.user_file()));
    finish(&merged, layers, project, inputs, report)
}

fn built_in_layer() -> Layer {
    let source = "built-in".to_owned();
    Layer { kind: LayerKind::BuiltIn, source, path: None, restriction: None }
}

fn layer_of(source: &Source) -> Layer {
    Layer {
        kind: source.kind,
        source: source.name.clone(),
        path: source.path.clone(),
        restriction: None,
    }
}

/// Finds out how a project's folder stands with the user. `roots` are the layers that are the operator's own word.
fn findings(
    place: project::Place,
    roots: &BTreeMap<usize, Node>,
    inputs: &Inputs,
    report: &mut Report,
) -> Findings {
    let listed = roots.values().rev().find_map(|root| root.get(&["trusted_projects"]));
    let listed: Vec<String> = listed
        .and_then(|listed| serde_json::from_value(listed.to_resolved_value()).ok())
        .unwrap_or_default();
    let record = match TrustedFolders::read(&inputs.paths) {
        Ok(record) => Some(record),
        Err(problem) => {
            let layer = report.add_source(problem.file);
            report.notice(Place { layer, line: 0, column: 0 }, problem.message);
            None
        }
    };

    let standing = trust::standing(&place, &trust::trees(&listed, inputs), record.as_ref());
    Findings { place, standing, left_out: Vec::new(), unread: Vec::new() }
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
    let root = Reader::new(environment, &schema, &mut report).read(&source, index, None);
    if let Some(root) = root.filter(|_| !report.has_problems()) {
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
        is_projects: false,
    }
}

/// Reads sources into checked trees.
struct Reader<'a> {
    environment: &'a Environment,
    schema: &'a Value,
    allowance: Allowance,
    report: &'a mut Report,
}

impl<'a> Reader<'a> {
    fn new(environment: &'a Environment, schema: &'a Value, report: &'a mut Report) -> Self {
        Self { environment, schema, allowance: Allowance::default(), report }
    }

    /// Reads a source that may say everything. A source that cannot be understood at all is reported and gives `None`.
    /// References to files lead into `within` only, where that is given.
    fn read(&mut self, source: &Source, layer: usize, within: Option<&Path>) -> Option<Node> {
        let mut root = self.parse(source, layer)?;
        if source.format == Format::OpenCode {
            opencode::adapt(&mut root, self.report);
        }
        spelling::normalise(&mut root, self.report);
        self.check(source, root, within)
    }

    /// Reads a source that came with a project. What it may not say is left out before anything in it takes effect, and
    /// where the folder is not trusted, its mistakes are no reason to stop.
    fn read_projects(
        &mut self,
        source: &Source,
        layer: usize,
        findings: &mut Findings,
    ) -> Option<Node> {
        if findings.is_trusted() {
            let mut root = self.parse(source, layer)?;
            if source.format == Format::OpenCode {
                opencode::adapt(&mut root, self.report);
            }
            spelling::normalise(&mut root, self.report);
            findings.left_out.extend(trust::restrict(&mut root, true));
            return self.check(source, root, Some(&findings.place.real));
        }

        let mut aside = Report::default();
        let parsed = match &source.content {
            Content::Text(text) => Node::parse(text, layer, &mut aside),
            Content::Unreadable(refusal) => {
                findings.unread.push((source.name.clone(), refusal.fault.clone()));
                return None;
            }
            Content::Value(_) => None,
        };
        if let Some(reason) = aside.first_problem() {
            findings.unread.push((source.name.clone(), reason));
            return None;
        }
        let mut root = parsed?;
        if !matches!(root.kind, Kind::Object(_)) {
            findings.unread.push((source.name.clone(), "expected an object".to_owned()));
            return None;
        }
        findings.left_out.extend(trust::restrict(&mut root, false));
        self.check(source, root, Some(&findings.place.real))
    }

    fn parse(&mut self, source: &Source, layer: usize) -> Option<Node> {
        match &source.content {
            Content::Text(text) => Node::parse(text, layer, self.report),
            Content::Value(value) => Some(Node::of_value(value, layer)),
            Content::Unreadable(refusal) => {
                let place = Place { layer, line: 0, column: 0 };
                self.report.problem(place, refusal.fault.clone(), refusal.help.clone());
                None
            }
        }
    }

    /// Resolves the references of a layer and checks it.
    fn check(&mut self, source: &Source, mut root: Node, within: Option<&Path>) -> Option<Node> {
        let top = KeyPath::default();
        let mut resolver = Resolver {
            environment: self.environment,
            format: source.format,
            directory: source.directory.as_path(),
            home: home(self.environment),
            within,
            allowance: &mut self.allowance,
            report: self.report,
        };
        resolver.resolve(&mut root, &top);
        Checker::new(self.schema, self.report).check_root(&root);

        if source.kind == LayerKind::OpenCode && root.get(&["opencode_config"]).is_some() {
            let place = root.nearest_place(&["opencode_config"]);
            let message = "`opencode_config` has no effect in the file that it switches off";
            self.report.problem(place, message, None);
        }
        if source.path.is_some() {
            notice_literal_secrets(&root, &top, self.report);
        }
        Some(root)
    }
}

fn finish(
    merged: &Node,
    layers: Vec<Layer>,
    project: Option<Project>,
    inputs: &Inputs,
    mut report: Report,
) -> Result<Loaded, Vec<Problem>> {
    let Some(mut config) = decode(merged, &mut report) else { return Err(report.into_problems()) };
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
    let blank_files = blank_files(&layers, &mut report);
    let (notices, files) = report.into_notices();
    Ok(Loaded {
        config: Arc::new(config),
        layers,
        value,
        provenance,
        notices,
        project,
        inputs: inputs.clone(),
        files,
        blank_files,
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

/// Returns the files in which nothing is written, and remarks on each: most are the rest of an interrupted save.
fn blank_files(layers: &[Layer], report: &mut Report) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for (layer, Layer { path, .. }) in layers.iter().enumerate() {
        let Some(path) = path.as_ref().filter(|_| report.is_blank(layer)) else { continue };
        report.notice(Place { layer, line: 0, column: 0 }, "is empty, so it sets nothing");
        files.push(path.clone());
    }
    files
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
