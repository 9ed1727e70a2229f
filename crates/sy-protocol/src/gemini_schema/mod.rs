//! The subset of OpenAPI 3.0 that Gemini's `parameters` and `responseSchema` take, to and from JSON
//! Schema.
//!
//! The subset is that of ai.google.dev/api/caching#Schema (read 2026-11); what OpenCode rewrites
//! for Gemini is part of it. It deliberately loses what the subset cannot say (bounds that are
//! exclusive, negations, conditions).

mod beyond;
mod narrow;
mod read;

pub(crate) use beyond::{as_json_schema, exceeds};
pub(crate) use narrow::narrow;
pub(crate) use read::from_openapi;

/// How deep schemas are followed: references may go round in circles.
const MOST_LEVELS: usize = 32;

#[cfg(test)]
mod tests;
