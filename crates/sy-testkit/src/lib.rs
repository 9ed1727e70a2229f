//! A provider that does what a test tells it to, and remembers what was asked of it.
//!
//! Map of this crate:
//! - [`upstream`]: [`FakeUpstream`], a real HTTP server on a loopback port.
//! - [`script`]: [`Script`], what it does with one request: status, headers, pieces with waits between them, and an end.
//! - [`wire`]: [`Wire`], bodies and streams in the four dialects, with as many content events as wanted.
//! - [`fault`]: [`Fault`], what can go wrong at which place.
//! - `connection`: sockets that can end with a reset.
//!
//! For tests only: nothing here is called by the product, and nothing here depends on the product.

mod connection;
pub mod fault;
pub mod script;
pub mod upstream;
pub mod wire;

pub use fault::Fault;
pub use script::{End, Script, Step};
pub use upstream::{FakeUpstream, Seen};
pub use wire::Wire;
