//! A time limit that can be switched off.
//!
//! Used by the provider options. It does not say what happens when the limit is hit.

use std::borrow::Cow;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};

/// The shortest time limit, in milliseconds.
pub(crate) const SHORTEST_MS: u64 = 1_000;
/// The longest time limit, in milliseconds.
pub(crate) const LONGEST_MS: u64 = 300_000;

/// A time limit: a number of milliseconds from 1000 to 300000, or `false` for none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// After this time.
    After(Duration),
    /// Never (`false`).
    Off,
}

impl Limit {
    /// Returns the time, or `None` when there is no limit.
    pub fn duration(self) -> Option<Duration> {
        match self {
            Self::After(duration) => Some(duration),
            Self::Off => None,
        }
    }
}

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LimitVisitor)
    }
}

impl JsonSchema for Limit {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Limit".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                { "type": "integer", "minimum": SHORTEST_MS, "maximum": LONGEST_MS },
                { "const": false },
            ]
        })
    }
}

struct LimitVisitor;

impl Visitor<'_> for LimitVisitor {
    type Value = Limit;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "an integer from {SHORTEST_MS} to {LONGEST_MS}, or false")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Limit, E> {
        if value { Err(E::invalid_value(Unexpected::Bool(true), &self)) } else { Ok(Limit::Off) }
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Limit, E> {
        if (SHORTEST_MS..=LONGEST_MS).contains(&value) {
            Ok(Limit::After(Duration::from_millis(value)))
        } else {
            Err(E::invalid_value(Unexpected::Unsigned(value), &self))
        }
    }
}
