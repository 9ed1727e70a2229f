//! The binary as its users meet it: arguments in; text, files and an exit code out.

#![expect(clippy::expect_used, clippy::panic, reason = "a test may stop where something is wrong")]

mod asking;
mod configuration;
mod connecting;
mod health;
mod launching;
mod listing;
mod serving;
mod shells;
mod world;
