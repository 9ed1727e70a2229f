//! The words everybody uses: canonical chat types, ids, secrets, failures and the values that describe a target.
//!
//! Map of this crate:
//! - [`chat`]: the hub of all translation: request, message, part, tool, event, response, usage.
//! - [`failure`]: [`Failure`] and [`ErrorKind`], grouped by what the caller can do about it.
//! - [`target`]: [`Target`], [`Dialect`], [`ProtocolId`]: one model at one place, and how it likes to be spoken to.
//! - [`model`]: what the catalog knows about a model: capabilities, limits, price.
//! - [`call`]: [`HttpCall`] as a value: the protocol writes it, credentials sign it, the router sends it.
//! - [`context`]: [`RequestContext`], the one argument that says who asked and under which request id.
//! - [`memory`]: [`MemoryBudget`]: how much memory requests may take, each and all together.
//! - [`secret`]: [`Secret`], the only type that may hold a key.
//!
//! Nothing here does I/O, reads a clock or knows a vendor.

pub mod call;
pub mod chat;
pub mod context;
pub mod failure;
pub mod memory;
pub mod model;
pub mod secret;
pub mod target;

pub use call::{AuthScheme, CallBody, HttpCall};
pub use context::{Failover, Principal, RequestContext, RequestId};
pub use failure::{ErrorKind, Failure, Side};
pub use memory::{MemoryAccount, MemoryBudget, MemoryCharge};
pub use model::{Capabilities, Interleaved, Limits, Media, ModelInfo, Price, Status};
pub use secret::Secret;
pub use target::{Dialect, ProtocolId, Target, Timeouts};
