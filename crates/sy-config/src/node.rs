//! A layer as a tree in which every value knows where it was written.
//!
//! Made of JSONC text or of a plain value, laid over each other by the loader, turned into a value at the end. It does
//! not know the schema.

use std::collections::{BTreeMap, HashMap};

use jsonc_parser::ast;
use jsonc_parser::common::Ranged;
use jsonc_parser::errors::{ParseError, ParseErrorKind};
use jsonc_parser::{CollectOptions, ParseOptions, ParseStringErrorKind, parse_to_ast};
use serde_json::{Map, Number, Value};
use sy_types::Secret;

use crate::key_path::KeyPath;
use crate::measure::measure;
use crate::report::Report;

/// Where something was written: the layer's index, then line and column counted from 1 (0 where there are none).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) layer: usize,
    pub(crate) line: usize,
    pub(crate) column: usize,
}

/// A value and where it was written.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) place: Place,
    pub(crate) kind: Kind,
}

/// The kinds of JSON values.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Null,
    Bool(bool),
    Number(Number),
    Text(Text),
    Array(Vec<Node>),
    Object(Vec<Member>),
}

/// A text as it was written and, when it refers to something, what the references stand for.
#[derive(Clone)]
pub(crate) struct Text {
    pub(crate) written: String,
    pub(crate) resolved: Option<Secret>,
}

/// A key with its value.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) place: Place,
    pub(crate) value: Node,
}

impl std::fmt::Debug for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Text([redacted])")
    }
}

/// The comments and commas of JSONC, and nothing looser than that.
pub(crate) fn parse_options() -> ParseOptions {
    ParseOptions {
        allow_comments: true,
        allow_trailing_commas: true,
        allow_loose_object_property_names: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
    }
}

impl Node {
    /// Reads JSONC. An empty text counts as `{}`. A text that cannot be read is reported and gives `None`.
    pub(crate) fn parse(text: &str, layer: usize, report: &mut Report) -> Option<Self> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let start = Place { layer, line: 1, column: 1 };
        if let Err(excess) = measure(text) {
            let place = Lines::new(text, layer).place(excess.offset);
            report.problem(place, excess.message, None);
            return None;
        }

        match parse_to_ast(text, &CollectOptions::default(), &parse_options()) {
            Ok(parsed) => match parsed.value {
                Some(value) => Some(Reader::new(text, layer, report).node(&value)),
                None => {
                    report.note_blank(layer);
                    Some(Self { place: start, kind: Kind::Object(Vec::new()) })
                }
            },
            Err(error) => {
                let place =
                    Place { layer, line: error.line_display(), column: error.column_display() };
                let reason = lower_first(&error.kind().to_string());
                let message = format!("not valid JSON with comments: {reason}");
                report.problem(place, message, backslash_help(&error, text));
                None
            }
        }
    }

    /// Makes a tree of a value that was written nowhere.
    pub(crate) fn of_value(value: &Value, layer: usize) -> Self {
        let place = Place { layer, line: 0, column: 0 };
        let kind = match value {
            Value::Null => Kind::Null,
            Value::Bool(value) => Kind::Bool(*value),
            Value::Number(number) => Kind::Number(number.clone()),
            Value::String(text) => Kind::Text(Text { written: text.clone(), resolved: None }),
            Value::Array(items) => {
                Kind::Array(items.iter().map(|item| Self::of_value(item, layer)).collect())
            }
            Value::Object(map) => {
                let member = |(name, value): (&String, &Value)| Member {
                    name: name.clone(),
                    place,
                    value: Self::of_value(value, layer),
                };
                Kind::Object(map.iter().map(member).collect())
            }
        };
        Self { place, kind }
    }

    /// Returns the value below the given names.
    pub(crate) fn get<S: AsRef<str>>(&self, names: &[S]) -> Option<&Self> {
        let Some((name, rest)) = names.split_first() else { return Some(self) };
        let Kind::Object(members) = &self.kind else { return None };
        members.iter().find(|member| member.name == name.as_ref())?.value.get(rest)
    }

    /// Returns the place of the value below the given names, or of the nearest value above it.
    pub(crate) fn nearest_place<S: AsRef<str>>(&self, names: &[S]) -> Place {
        let Some((name, rest)) = names.split_first() else { return self.place };
        let Kind::Object(members) = &self.kind else { return self.place };
        let member = members.iter().find(|member| member.name == name.as_ref());
        member.map_or(self.place, |member| member.value.nearest_place(rest))
    }

    /// Lays another layer over this one: objects are merged key by key, everything else is replaced, and `null` removes
    /// what the layers below said.
    pub(crate) fn lay_over(&mut self, upper: Self) {
        match (&mut self.kind, upper.kind) {
            (Kind::Object(lower), Kind::Object(members)) => {
                self.place = upper.place;
                lay_members(lower, members);
            }
            (_, kind) => {
                *self = Self { place: upper.place, kind };
                self.drop_nulls();
            }
        }
    }

    fn drop_nulls(&mut self) {
        if let Kind::Object(members) = &mut self.kind {
            members.retain(|member| !matches!(member.value.kind, Kind::Null));
            members.iter_mut().for_each(|member| member.value.drop_nulls());
        }
    }

    /// Returns the value with all references resolved. It may hold secrets: hand it to the decoder and drop it.
    pub(crate) fn to_resolved_value(&self) -> Value {
        self.to_value(&KeyPath::default(), &|_, text| match &text.resolved {
            Some(resolved) => resolved.expose().to_owned(),
            None => text.written.clone(),
        })
    }

    /// Returns the value with each text as `show` wants it shown.
    pub(crate) fn to_value(
        &self,
        path: &KeyPath,
        show: &dyn Fn(&KeyPath, &Text) -> String,
    ) -> Value {
        match &self.kind {
            Kind::Null => Value::Null,
            Kind::Bool(value) => Value::Bool(*value),
            Kind::Number(number) => Value::Number(number.clone()),
            Kind::Text(text) => Value::String(show(path, text)),
            Kind::Array(items) => {
                Value::Array(items.iter().map(|item| item.to_value(path, show)).collect())
            }
            Kind::Object(members) => {
                let member = |member: &Member| {
                    (member.name.clone(), member.value.to_value(&path.child(&member.name), show))
                };
                Value::Object(members.iter().map(member).collect::<Map<_, _>>())
            }
        }
    }

    /// Collects the place of every leaf by JSON pointer. Arrays and empty objects count as leaves.
    pub(crate) fn collect_places(&self, path: &KeyPath, places: &mut BTreeMap<String, Place>) {
        match &self.kind {
            Kind::Object(members) if !members.is_empty() => {
                members.iter().for_each(|member| {
                    member.value.collect_places(&path.child(&member.name), places)
                });
            }
            _ => {
                places.insert(path.pointer(), self.place);
            }
        }
    }
}

/// Lays members over others in time that grows with their number and not with its square.
fn lay_members(lower: &mut Vec<Member>, upper: Vec<Member>) {
    let mut positions: HashMap<String, usize> = lower
        .iter()
        .enumerate()
        .map(|(position, member)| (member.name.clone(), position))
        .collect();

    for mut member in upper {
        let is_null = matches!(member.value.kind, Kind::Null);
        match positions.get(&member.name).and_then(|position| lower.get_mut(*position)) {
            // It is taken out below: until then the positions must stay.
            Some(below) if is_null => below.value.kind = Kind::Null,
            Some(below) => {
                below.place = member.place;
                below.value.lay_over(member.value);
            }
            None if is_null => {}
            None => {
                member.value.drop_nulls();
                positions.insert(member.name.clone(), lower.len());
                lower.push(member);
            }
        }
    }
    lower.retain(|member| !matches!(member.value.kind, Kind::Null));
}

/// Turns the parser's tree into ours.
struct Reader<'a> {
    lines: Lines<'a>,
    report: &'a mut Report,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str, layer: usize, report: &'a mut Report) -> Self {
        Self { lines: Lines::new(text, layer), report }
    }

    fn node(&mut self, value: &ast::Value<'_>) -> Node {
        let place = self.lines.place(value.range().start);
        let kind = match value {
            ast::Value::NullKeyword(_) => Kind::Null,
            ast::Value::BooleanLit(literal) => Kind::Bool(literal.value),
            ast::Value::NumberLit(literal) => self.number(literal.value, place),
            ast::Value::StringLit(literal) => {
                Kind::Text(Text { written: literal.value.to_string(), resolved: None })
            }
            ast::Value::Array(array) => {
                Kind::Array(array.elements.iter().map(|element| self.node(element)).collect())
            }
            ast::Value::Object(object) => self.object(object),
        };
        Node { place, kind }
    }

    fn number(&mut self, literal: &str, place: Place) -> Kind {
        match serde_json::from_str::<Number>(literal) {
            Ok(number) => Kind::Number(number),
            Err(_) => {
                self.report.problem(place, "expected a number that fits 64 bits", None);
                Kind::Null
            }
        }
    }

    fn object(&mut self, object: &ast::Object<'_>) -> Kind {
        let mut members: Vec<Member> = Vec::with_capacity(object.properties.len());
        let mut first_lines: HashMap<&str, usize> = HashMap::new();
        for property in &object.properties {
            let name = property.name.as_str().to_owned();
            let place = self.lines.place(property.range.start);
            if let Some(line) = first_lines.get(property.name.as_str()) {
                let shown = KeyPath::default().child(&name);
                let message = format!("key `{shown}` is set twice, first in line {line}");
                self.report.problem(place, message, Some("remove one of the two".to_owned()));
                continue;
            }
            first_lines.insert(property.name.as_str(), place.line);
            let value = self.node(&property.value);
            members.push(Member { name, place, value });
        }
        Kind::Object(members)
    }
}

/// Finds line and column of an offset.
struct Lines<'a> {
    text: &'a str,
    /// The offset at which each line begins.
    starts: Vec<usize>,
    layer: usize,
    /// The offset that was asked for last, and its column. Counting goes on from there within a line: a file may be one
    /// line of megabytes.
    last: (usize, usize),
}

impl<'a> Lines<'a> {
    fn new(text: &'a str, layer: usize) -> Self {
        let newlines = text.match_indices('\n').map(|(offset, _)| offset + 1);
        Self { text, starts: std::iter::once(0).chain(newlines).collect(), layer, last: (0, 1) }
    }

    fn place(&mut self, offset: usize) -> Place {
        let line = self.starts.partition_point(|start| *start <= offset);
        let start =
            line.checked_sub(1).and_then(|index| self.starts.get(index)).copied().unwrap_or(0);
        let (from, column) = match self.last {
            (known, column) if (start..=offset).contains(&known) => (known, column),
            _ => (start, 1),
        };

        let column = column + self.text.get(from..offset).map_or(0, |text| text.chars().count());
        self.last = (offset, column);
        Place { layer: self.layer, line, column }
    }
}

/// Says what helps where a backslash, as in a Windows path, stands alone in a string.
fn backslash_help(error: &ParseError, text: &str) -> Option<String> {
    let ParseErrorKind::String(kind) = error.kind() else { return None };
    let line = text.get(error.range().start..)?.lines().next()?;
    // A path that ends in a backslash hides the quote that should end it.
    let is_open = matches!(kind, ParseStringErrorKind::UnterminatedStringLiteral);
    (!is_open || line.contains('\\')).then(|| {
        "a backslash begins an escape in JSON: write a Windows path as \"C:\\\\Users\\\\me\" or \"C:/Users/me\""
            .to_owned()
    })
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}
