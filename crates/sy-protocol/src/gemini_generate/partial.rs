//! A function call whose arguments arrive bit by bit (`partialArgs`), which Vertex streams on demand.
//!
//! Used by the stream decoder. Each bit names a place in the arguments by a JSON path and gives a scalar; long texts come in
//! several bits of one place (`willContinue`). It deliberately understands only the paths that the API writes: member names and
//! array indexes.

use serde_json::{Map, Value};
use sy_types::{ErrorKind, Failure};

/// How many array elements may be left out before one that is named: bounds what a hostile path can make us hold.
const MOST_LEFT_OUT: usize = 64;
/// How deep a path may go.
const MOST_STEPS: usize = 128;

/// A call that is not complete yet.
#[derive(Debug, Default)]
pub(super) struct PartialCall {
    /// The canonical index of its block.
    pub(super) index: usize,
    arguments: Map<String, Value>,
    /// The place whose text goes on.
    open_path: Option<String>,
}

enum Step {
    Member(String),
    Element(usize),
}

impl PartialCall {
    /// Begins a call.
    pub(super) fn new(index: usize) -> Self {
        Self { index, ..Self::default() }
    }

    /// Takes whole arguments in.
    pub(super) fn merge(&mut self, arguments: Map<String, Value>) {
        self.arguments.extend(arguments);
    }

    /// Takes one bit in.
    ///
    /// # Errors
    /// `Malformed` when its path cannot be followed.
    pub(super) fn apply(&mut self, bit: &Value) -> Result<(), Failure> {
        let path = bit.get("jsonPath").and_then(Value::as_str).unwrap_or_default();
        let steps = steps(path).ok_or_else(|| unreadable(path))?;
        let goes_on = self.open_path.as_deref() == Some(path);
        let will_continue = bit.get("willContinue").and_then(Value::as_bool).unwrap_or_default();
        let mut place = None;
        for step in steps {
            let next = match place {
                None => enter_root(&mut self.arguments, step),
                Some(place) => enter(place, step),
            };
            place = Some(next.ok_or_else(|| unreadable(path))?);
        }
        let place = place.ok_or_else(|| unreadable(path))?;
        match (bit.get("stringValue").and_then(Value::as_str), place) {
            (Some(more), Value::String(text)) if goes_on => text.push_str(more),
            (Some(text), place) => *place = Value::from(text),
            (None, place) => *place = scalar(bit),
        }
        self.open_path = will_continue.then(|| path.to_owned());
        Ok(())
    }

    /// Gives the arguments up.
    pub(super) fn into_arguments(self) -> Value {
        Value::Object(self.arguments)
    }
}

/// Numbers come as doubles; one without a fraction is whole, as the model that wrote `{"count": 3}` meant it.
fn scalar(bit: &Value) -> Value {
    let Some(number) = bit.get("numberValue") else {
        return bit.get("boolValue").cloned().unwrap_or(Value::Null);
    };
    match number.as_f64() {
        Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() < 9e15 => {
            Value::from(float as i64)
        }
        _ => number.clone(),
    }
}

fn unreadable(path: &str) -> Failure {
    let path = crate::failure::limited(path);
    Failure::provider(
        ErrorKind::Malformed,
        format!("the provider sent arguments for the unreadable place {path:?}"),
    )
}

fn enter_root(map: &mut Map<String, Value>, step: Step) -> Option<&mut Value> {
    match step {
        Step::Member(name) => Some(map.entry(name).or_insert(Value::Null)),
        Step::Element(_) => None,
    }
}

fn enter(place: &mut Value, step: Step) -> Option<&mut Value> {
    match step {
        Step::Member(name) => {
            if place.is_null() {
                *place = Value::Object(Map::new());
            }
            Some(place.as_object_mut()?.entry(name).or_insert(Value::Null))
        }
        Step::Element(index) => {
            if place.is_null() {
                *place = Value::Array(Vec::new());
            }
            let items = place.as_array_mut()?;
            if index > items.len() + MOST_LEFT_OUT {
                return None;
            }
            if index >= items.len() {
                items.resize(index + 1, Value::Null);
            }
            items.get_mut(index)
        }
    }
}

/// Reads `$.a.b[0]['c d']`.
fn steps(path: &str) -> Option<Vec<Step>> {
    let mut rest = path.strip_prefix('$')?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if steps.len() == MOST_STEPS {
            return None;
        }
        if let Some(name) = rest.strip_prefix('.') {
            let end = name.find(['.', '[']).unwrap_or(name.len());
            let (name, more) = name.split_at(end);
            steps.push(Step::Member(name.to_owned()));
            rest = more;
            continue;
        }
        let inner = rest.strip_prefix('[')?;
        let quote = inner.chars().next().filter(|letter| matches!(letter, '\'' | '"'));
        let closing = quote.map_or_else(|| "]".to_owned(), |quote| format!("{quote}]"));
        let inner = if quote.is_some() { inner.get(1..)? } else { inner };
        let (name, more) = inner.split_once(&closing)?;
        steps.push(match quote {
            Some(_) => Step::Member(name.to_owned()),
            None => Step::Element(name.parse().ok()?),
        });
        rest = more;
    }
    Some(steps)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::PartialCall;

    #[test]
    fn bits_become_the_arguments() {
        let mut call = PartialCall::new(0);
        for bit in [
            json!({"jsonPath": "$.items[0].name", "stringValue": "ap", "willContinue": true}),
            json!({"jsonPath": "$.items[0].name", "stringValue": "ple", "willContinue": true}),
            json!({"jsonPath": "$.items[0].name", "stringValue": ""}),
            json!({"jsonPath": "$.items[1].name", "stringValue": "x"}),
            json!({"jsonPath": "$.price", "numberValue": 0.5}),
            json!({"jsonPath": "$.count", "numberValue": 3.0}),
            json!({"jsonPath": "$['a b'].c", "boolValue": true}),
            json!({"jsonPath": "$.none", "nullValue": "NULL_VALUE"}),
        ] {
            call.apply(&bit).unwrap();
        }
        let expected = json!({"items": [{"name": "apple"}, {"name": "x"}], "price": 0.5, "count": 3, "a b": {"c": true}, "none": null});
        assert_eq!(call.into_arguments(), expected);
    }

    #[test]
    fn a_place_that_cannot_be_is_refused() {
        for path in [
            "",
            "a",
            "$",
            "$[0]",
            "$.a[99999999]",
            "$.a[x]",
            "$.a['b",
            &format!("${}", ".a".repeat(1000)),
        ] {
            let mut call = PartialCall::new(0);
            assert!(call.apply(&json!({"jsonPath": path, "stringValue": "x"})).is_err(), "{path}");
        }
        let mut call = PartialCall::new(0);
        call.apply(&json!({"jsonPath": "$.a", "stringValue": "x"})).unwrap();
        assert!(call.apply(&json!({"jsonPath": "$.a.b", "stringValue": "x"})).is_err());
    }
}
