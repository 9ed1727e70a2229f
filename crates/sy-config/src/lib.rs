//! What the operator asked for: layered, checked, with the origin of every value.
//!
//! Map of this crate:
//! - [`section`]: the typed configuration, one type per section; its doc comments are the user's reference.
//! - [`mod@env`], [`paths`]: the environment snapshot and the folders.
//! - [`mod@load`]: finds the layers (`source`, `project`), reads each one (`file`, `measure`, `node`, `opencode`, `spelling`,
//!   `trust`, `reference`, `check`), merges them and checks the whole (`validate`).
//! - [`trusted_folders`]: which project folders the user trusts.
//! - [`layer`]: what goes in and what comes out: [`Inputs`], [`Loaded`].
//! - [`live`]: the configuration in force, and its reload; `restart`: what a reload does not bring into force.
//! - [`edit`], [`mod@view`]: changing a file without losing its comments, and showing what is in force.
//! - [`mod@schema`], [`page`]: the schema and the reference page, made of the types.
//! - [`problem`]: what is wrong, with file, line and column.
//!
//! It does not know what a setting causes: that is for the crates above.

pub mod edit;
pub mod env;
pub mod layer;
pub mod live;
pub mod load;
pub mod page;
pub mod paths;
pub mod problem;
pub mod schema;
pub mod section;
pub mod trusted_folders;
pub mod view;

mod alias_circle;
mod check;
mod file;
mod key_home;
mod key_path;
mod measure;
mod node;
mod opencode;
mod project;
mod reference;
mod report;
mod restart;
mod schema_words;
mod secrecy;
mod source;
mod spelling;
mod trust;
mod validate;

pub use env::Environment;
pub use layer::{Flags, Inputs, Layer, LayerKind, Loaded, Origin, Project};
pub use live::Live;
pub use load::{load, parse};
pub use page::reference_page;
pub use paths::Paths;
pub use problem::{Notice, Problem};
pub use project::{PROJECT_FILES, project_folder};
pub use restart::restart_keys;
pub use schema::{SCHEMA_PATH, schema, schema_text};
pub use section::{
    Alias, CatalogSettings, Config, Connections, Cost, CredentialSettings, DefaultModels,
    FailoverMode, HeaderText, Headers, Limit, Log, LogFormat, LongContextCost, Modalities,
    ModelConfig, ModelDefaults, ModelLimit, ModelProvider, ProviderConfig, ProviderOptions, Retry,
    Server, Shape, Supports, Timeouts,
};
pub use trusted_folders::{TrustedFolder, TrustedFolders};
pub use view::{get, is_operators_only, pointer, view};
