//! A vector as JSON numbers or as base64 of its floats.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use sy_types::{ErrorKind, Failure};

/// Reads a vector in either form.
///
/// # Errors
/// `Malformed` when it is neither.
pub(super) fn read(value: &Value) -> Result<Vec<f32>, Failure> {
    let vector = match value {
        Value::Array(numbers) => {
            numbers.iter().map(|number| number.as_f64().map(|number| number as f32)).collect()
        }
        Value::String(base64) => unpack(base64),
        _ => None,
    };
    vector.ok_or_else(|| {
        let message = "the provider sent a vector that is neither a list of numbers nor base64 of 32-bit floats";
        Failure::provider(ErrorKind::Malformed, message)
    })
}

fn unpack(base64: &str) -> Option<Vec<f32>> {
    let bytes = STANDARD.decode(base64).ok()?;
    let (floats, rest) = bytes.as_chunks::<4>();
    rest.is_empty().then(|| floats.iter().map(|float| f32::from_le_bytes(*float)).collect())
}

/// Writes a vector as base64.
pub(super) fn pack(vector: &[f32]) -> Value {
    let bytes: Vec<u8> = vector.iter().flat_map(|float| float.to_le_bytes()).collect();
    Value::from(STANDARD.encode(bytes))
}

/// Writes a vector as numbers, each with as few digits as tell it from its neighbours.
pub(super) fn numbers(vector: &[f32]) -> Value {
    let number = |float: &f32| {
        let shortest = float.to_string().parse::<f64>().ok();
        shortest.and_then(serde_json::Number::from_f64).map_or(Value::Null, Value::Number)
    };
    vector.iter().map(number).collect()
}
