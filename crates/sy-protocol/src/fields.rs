//! A JSON object that is taken apart field by field.
//!
//! Used by the decoders of client requests: every ill-typed field becomes an `Invalid` failure that names its path, what was
//! expected and what came, and what nobody took is reported as not carried. Decoders of provider answers do not use it: they
//! are lenient and take what they understand.

use serde_json::{Map, Value};
use sy_types::Failure;
use sy_types::chat::Dropped;

/// Why a field that nobody took is reported.
const NO_COUNTERPART: &str = "no counterpart in other protocols";

/// An object and the path that leads to it.
#[derive(Debug)]
pub(crate) struct Fields {
    map: Map<String, Value>,
    path: String,
}

impl Fields {
    /// Reads a whole body.
    pub(crate) fn root(body: &[u8]) -> Result<Self, Failure> {
        let value: Value = crate::json::read(body).map_err(|error| {
            Failure::invalid(format!("the request body must be a JSON object: {error}"))
        })?;
        Self::of(value, String::new())
    }

    /// Takes a value that must be an object; `path` leads to it.
    pub(crate) fn of(value: Value, path: impl Into<String>) -> Result<Self, Failure> {
        let path = path.into();
        match value {
            Value::Object(map) => Ok(Self { map, path }),
            other => Err(wrong(
                if path.is_empty() { "the request body" } else { &path },
                "an object",
                &other,
            )),
        }
    }

    /// Returns the path of a field of this object.
    pub(crate) fn path(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Returns a field without taking it.
    pub(crate) fn peek(&self, key: &str) -> Option<&Value> {
        self.map.get(key).filter(|value| !value.is_null())
    }

    /// Takes a field; `null` counts as absent.
    pub(crate) fn take(&mut self, key: &str) -> Option<Value> {
        self.map.shift_remove(key).filter(|value| !value.is_null())
    }

    /// Takes a text.
    pub(crate) fn string(&mut self, key: &str) -> Result<Option<String>, Failure> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(wrong(&self.path(key), "a string", &other)),
        }
    }

    /// Takes a text that must be there.
    pub(crate) fn required_string(&mut self, key: &str) -> Result<String, Failure> {
        self.string(key)?.ok_or_else(|| missing(&self.path(key), "a string"))
    }

    /// Takes a truth value.
    pub(crate) fn bool(&mut self, key: &str) -> Result<Option<bool>, Failure> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::Bool(truth)) => Ok(Some(truth)),
            Some(other) => Err(wrong(&self.path(key), "true or false", &other)),
        }
    }

    /// Takes a number.
    pub(crate) fn number(&mut self, key: &str) -> Result<Option<f64>, Failure> {
        match self.take(key) {
            None => Ok(None),
            Some(other) => match other.as_f64() {
                Some(number) => Ok(Some(number)),
                None => Err(wrong(&self.path(key), "a number", &other)),
            },
        }
    }

    /// Takes a whole number of at least 0. A float without a fraction counts.
    pub(crate) fn count(&mut self, key: &str) -> Result<Option<u64>, Failure> {
        match self.take(key) {
            None => Ok(None),
            Some(other) => match whole(&other).and_then(|number| u64::try_from(number).ok()) {
                Some(number) => Ok(Some(number)),
                None => Err(wrong(&self.path(key), "a whole number of at least 0", &other)),
            },
        }
    }

    /// Takes a whole number.
    pub(crate) fn integer(&mut self, key: &str) -> Result<Option<i64>, Failure> {
        match self.take(key) {
            None => Ok(None),
            Some(other) => match whole(&other) {
                Some(number) => Ok(Some(number)),
                None => Err(wrong(&self.path(key), "a whole number", &other)),
            },
        }
    }

    /// Takes an array; each element comes with its path.
    pub(crate) fn array(&mut self, key: &str) -> Result<Option<Vec<(String, Value)>>, Failure> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::Array(items)) => Ok(Some(indexed(&self.path(key), items))),
            Some(other) => Err(wrong(&self.path(key), "an array", &other)),
        }
    }

    /// Takes an object.
    pub(crate) fn object(&mut self, key: &str) -> Result<Option<Self>, Failure> {
        let path = self.path(key);
        self.take(key).map(|value| Self::of(value, path)).transpose()
    }

    /// Reports what nobody took.
    pub(crate) fn finish(self, dropped: &mut Vec<Dropped>) {
        for (key, value) in &self.map {
            if !value.is_null() {
                dropped.push(Dropped::new(self.path(key), NO_COUNTERPART));
            }
        }
    }

    /// Gives the rest of the object up as it is.
    pub(crate) fn into_map(self) -> Map<String, Value> {
        self.map
    }
}

/// Pairs each element with its path.
pub(crate) fn indexed(path: &str, items: Vec<Value>) -> Vec<(String, Value)> {
    items.into_iter().enumerate().map(|(index, item)| (format!("{path}[{index}]"), item)).collect()
}

/// Makes the failure for a value of the wrong type.
pub(crate) fn wrong(path: &str, expected: &str, came: &Value) -> Failure {
    let came = match came {
        Value::Null => "null".to_owned(),
        Value::Bool(truth) => truth.to_string(),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) if text.len() <= 40 => format!("the string {text:?}"),
        Value::String(_) => "a string".to_owned(),
        Value::Array(_) => "an array".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    };
    Failure::invalid(format!("{path}: expected {expected}, got {came}")).with_param(path)
}

/// Makes the failure for a field that must be there.
pub(crate) fn missing(path: &str, expected: &str) -> Failure {
    Failure::invalid(format!("{path}: expected {expected}, but it is missing")).with_param(path)
}

fn whole(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| {
        let float = value.as_f64()?;
        (float.fract() == 0.0 && float.abs() < 9e15).then_some(float as i64)
    })
}
