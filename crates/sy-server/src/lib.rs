//! Every HTTP surface, and the one place where the parts are put together.
//!
//! Map of this crate:
//! - [`serve()`]: bind, run, drain.
//! - [`compose()`]: the only place where concrete parts meet; returns [`App`].
//! - `http`: the surfaces, one folder or file each; `exchange` is what all chat surfaces share.
//! - `caller`, `body`, `reply`, `failure`: the way in, the way out, and the one table of statuses.
//! - `machine`: how much memory there is for requests.
//! - `local`: the same parts without a server, for commands that need none.
//! - [`observe`]: access log, metrics, log format.
//!
//! It deliberately knows no vendor and branches on no protocol: a surface names its dialect, the router finds the rest.

mod app;
mod body;
mod caller;
pub mod compose;
mod exchange;
mod failure;
mod http;
mod local;
mod machine;
pub mod observe;
mod reply;
mod serve;

pub use app::App;
pub use compose::{ComposeError, Composed, Composition, compose, open_credentials, token_file};
pub use local::{Asked, Local, current_token, local};
pub use serve::{ServeError, Served, serve};
