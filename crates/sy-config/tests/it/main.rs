//! The behaviour of the configuration as its users see it.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop where something is wrong, and says when it skips"
)]

mod documents;
mod edits;
mod layers;
mod opencode;
mod problems;
mod references;
mod reloads;
mod sandbox;
mod secrets;
mod trust;
