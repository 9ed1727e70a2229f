//! Which models exist, what they can do and cost, and which protocol and address reaches them.
//!
//! Map of this crate:
//! - [`Catalog`]: the handle that everybody asks.
//! - `layers`: configuration over fetched data over the bundled snapshot, merged field by field, one provider at a time.
//! - `bundle`, `cache`: the packed form of a catalog, and the fetched one on the disk.
//! - `pin`, `bounds`: what fetched data may not change, and how large they may be.
//! - `models_dev`, `overlay`, `assemble`: the data's entry, the configuration's word on it, and both put together.
//! - `resolve`, `choose`, `aliases`, `suggest`: from a typed name, or from none, to one model.
//! - `callable`: whether a provider can be called at all, keys apart.
//! - `target`, [`wire_map`], `variants`, `address`: from a model to everything needed to call it.
//! - `gaps`: what a provider of the operator's own lacks.
//! - `search`: ranking as minisearch does it.
//! - `fetch`, `refresh`, `probe`: the network; `lists`: what custom providers said that they have.
//!
//! It knows no users, no keys and no requests. Nothing is read or decoded until it is asked for.

mod address;
mod aliases;
mod assemble;
mod bounds;
mod bundle;
mod cache;
mod callable;
mod catalog;
mod choose;
mod fetch;
mod gaps;
mod layers;
mod lists;
mod models_dev;
mod overlay;
mod pin;
mod probe;
mod provider;
mod refresh;
mod resolve;
mod search;
mod suggest;
mod target;
mod variants;
pub mod wire_map;

pub use bundle::pack;
pub use callable::{Lack, NotCallable};
pub use catalog::{Catalog, Connected, Counts, Settings};
pub use fetch::certificates;
pub use gaps::Gap;
pub use lists::ListRequest;
pub use pin::{Change, Difference};
pub use probe::{LocalServer, ProbePorts, probe_local, who_answers};
pub use provider::{Provider, ProviderRow};
pub use refresh::Refresh;
pub use resolve::Resolved;
pub use search::Hit;
