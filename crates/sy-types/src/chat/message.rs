//! Messages and the parts they are made of.

use bytes::Bytes;
use serde_json::Value;

use crate::target::ProtocolId;

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Instructions of the application.
    System,
    /// Instructions of the application, in OpenAI's newer word. Protocols without it treat it as [`Role::System`].
    Developer,
    /// The person.
    User,
    /// The model.
    Assistant,
    /// The results of tools; holds only [`Part::ToolResult`]. Protocols that put results into user messages split and
    /// join them at their border.
    Tool,
}

/// One message.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said, in order.
    pub parts: Vec<Part>,
    /// The speaker's name, where the protocol has one.
    pub name: Option<String>,
}

impl Message {
    /// Makes a message without a name.
    pub fn new(role: Role, parts: Vec<Part>) -> Self {
        Self { role, parts, name: None }
    }

    /// Makes a message of one text.
    pub fn text(role: Role, text: impl Into<String>) -> Self {
        Self::new(role, vec![Part::text(text)])
    }
}

/// One piece of content.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// Text.
    Text(Text),
    /// The model's own words that it refuses.
    Refusal(String),
    /// A picture, a document, sound or video.
    Media(Media),
    /// The model's reasoning.
    Reasoning(Reasoning),
    /// The model asks for a tool.
    ToolCall(ToolCall),
    /// The answer of a tool.
    ToolResult(ToolResult),
    /// Something only one protocol knows (a server tool's result, say): carried as it is within that protocol, and
    /// reported as dropped on the way to another.
    Opaque(Opaque),
}

impl Part {
    /// Makes a text part without extras.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(Text { text: text.into(), cache: false, citations: Vec::new(), signature: None })
    }
}

/// Text with what may hang on it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Text {
    /// The text.
    pub text: String,
    /// True where the caller marked the end of a cacheable prefix (`cache_control`).
    pub cache: bool,
    /// Where the model got it from.
    pub citations: Vec<Citation>,
    /// A proof that must be sent back with it (Gemini puts `thoughtSignature` on text parts).
    pub signature: Option<Signature>,
}

/// A source that the model names for a text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Citation {
    /// The address of the source.
    pub url: String,
    /// Its title.
    pub title: Option<String>,
    /// The words quoted.
    pub quote: Option<String>,
}

/// How closely a picture is looked at (OpenAI's `detail`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageDetail {
    /// The model decides.
    Auto,
    /// Coarse and cheap.
    Low,
    /// Fine and dear.
    High,
    /// As it is (OpenAI's `original`).
    Original,
}

/// Where the bytes of a picture or document are.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// Inline, still base64: nobody here needs the bytes themselves.
    Base64(Bytes),
    /// At an address that the provider fetches.
    Url(String),
    /// Uploaded to the provider earlier, under this id.
    FileId(String),
    /// Inline plain text (Anthropic's text documents).
    Text(String),
}

/// A picture, document, sound or video.
#[derive(Clone, Debug, PartialEq)]
pub struct Media {
    /// Which kind it is.
    pub kind: crate::model::Media,
    /// The MIME type, where known (`image/png`).
    pub mime: Option<String>,
    /// Where the bytes are.
    pub source: Source,
    /// The file's name or title.
    pub name: Option<String>,
    /// How closely a picture is looked at.
    pub detail: Option<ImageDetail>,
    /// True where the caller marked the end of a cacheable prefix.
    pub cache: bool,
}

/// A proof that only its maker can read (thinking signature, encrypted reasoning): worthless to any other protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// The protocol whose provider made it.
    pub protocol: ProtocolId,
    /// The text of the proof.
    pub value: String,
}

/// The model's reasoning.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reasoning {
    /// The id of the block, where the protocol has one (Responses: `rs_…`).
    pub id: Option<String>,
    /// The reasoning, or a summary of it; empty where the provider keeps it to itself.
    pub text: String,
    /// What lets the provider recognise its own reasoning when it is sent back.
    pub signature: Option<Signature>,
    /// True for a block whose text was withheld (Anthropic's `redacted_thinking`): the data is in `signature`.
    pub redacted: bool,
}

/// The model asks for a tool.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolCall {
    /// The id that the result refers to. Decoders make one up where the protocol has none.
    pub id: String,
    /// The tool's name.
    pub name: String,
    /// The arguments as the model wrote them: nearly always a JSON object, but not promised to be JSON. For a custom tool it
    /// is free text.
    pub arguments: String,
    /// True for a call of a custom tool, whose input is free text.
    pub custom: bool,
    /// A proof that must be sent back with it (Gemini's `thoughtSignature`).
    pub signature: Option<Signature>,
    /// True where the caller marked the end of a cacheable prefix.
    pub cache: bool,
}

/// The answer of a tool.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolResult {
    /// The id of the call.
    pub call_id: String,
    /// The tool's name, where the protocol says it or the call before it tells it.
    pub name: Option<String>,
    /// Text, pictures, documents.
    pub parts: Vec<Part>,
    /// True when the tool failed.
    pub is_error: bool,
    /// True where the caller marked the end of a cacheable prefix.
    pub cache: bool,
}

impl ToolResult {
    /// Returns the text parts joined.
    pub fn joined_text(&self) -> String {
        self.parts
            .iter()
            .filter_map(
                |part| if let Part::Text(text) = part { Some(text.text.as_str()) } else { None },
            )
            .collect()
    }
}

/// Something only one protocol knows.
#[derive(Clone, Debug, PartialEq)]
pub struct Opaque {
    /// The protocol it belongs to.
    pub protocol: ProtocolId,
    /// Its type there (`web_search_call`), for reports.
    pub kind: String,
    /// The value as it came.
    pub value: Value,
}
