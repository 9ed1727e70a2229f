//! Every HTTP surface, and the one place where the parts are put together.
//!
//! Map of this crate:
//! - [`serve()`]: bind, run, drain.
//! - [`compose()`]: the only place where concrete parts meet; returns [`App`].
//! - `http`: the surfaces, one folder or file each; `exchange` is what all chat surfaces share.
//! - `connections`: taken in, bounded in number and in time, ended.
//! - `caller`, `body`, `reply`, `failure`: the way in, the way out, and the one table of statuses.
//! - `machine`: how much memory there is for requests.
//! - `local`: the same parts without a server, for commands that need none.
//! - [`running()`]: the address of the server that runs on this machine.
//! - [`observe`]: access log, metrics, log format.
//!
//! It deliberately knows no vendor and branches on no protocol: a surface names its dialect, the router finds the rest.

mod app;
mod body;
mod caller;
pub mod compose;
mod connections;
mod exchange;
mod failure;
mod http;
mod local;
mod machine;
pub mod observe;
mod reply;
mod running;
mod serve;

pub use app::App;
pub use compose::{ComposeError, Composed, Composition, compose, open_credentials, token_file};
pub use local::{Asked, Local, current_token, local};
pub use running::{Running, running};
pub use serve::{ServeError, Served, serve};
pub use sy_router::{Attempted, KeyCheck, Record, failed_words};
