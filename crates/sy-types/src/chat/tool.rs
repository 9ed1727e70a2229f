//! Tools that the model may ask for.

use serde_json::Value;

/// What kind of tool it is.
#[derive(Clone, Debug, PartialEq)]
pub enum ToolKind {
    /// A function with JSON arguments.
    Function {
        /// The JSON Schema of the arguments; an empty object schema where the caller gave none.
        parameters: Value,
        /// Whether the provider is to enforce the schema.
        strict: Option<bool>,
    },
    /// A tool whose input is free text, perhaps held to a grammar (OpenAI's `custom`).
    Custom {
        /// The format object as it came (`{"type":"grammar",…}`).
        format: Option<Value>,
    },
    /// A tool that the provider runs itself (web search, code execution): known only to its own protocol.
    Server {
        /// The protocol it belongs to.
        protocol: crate::target::ProtocolId,
        /// The whole declaration as it came.
        declaration: Value,
    },
}

/// One tool.
#[derive(Clone, Debug, PartialEq)]
pub struct Tool {
    /// Its name; for a server tool its type.
    pub name: String,
    /// What it does, for the model.
    pub description: Option<String>,
    /// What kind of tool it is.
    pub kind: ToolKind,
    /// True where the caller marked the end of a cacheable prefix.
    pub cache: bool,
}

/// Whether the model must, may or may not call a tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToolChoice {
    /// The model decides.
    Auto,
    /// It must not.
    None,
    /// It must call one, whichever.
    Required,
    /// It must call this one.
    Named(String),
    /// It may (`required: false`) or must (`true`) call one of these.
    Allowed {
        /// The names.
        names: Vec<String>,
        /// Whether it must.
        required: bool,
    },
}
