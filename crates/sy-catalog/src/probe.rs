//! Finds inference servers on this machine by asking their usual ports what they serve.
//!
//! Called by the command line and the server when somebody wants to know. It configures nothing: what it finds can be added
//! as providers.

use std::time::Duration;

use futures::future::join_all;
use serde_json::Value;

/// A server on this machine answers at once or is not there.
const PATIENCE: Duration = Duration::from_millis(250);
/// More than this is no list of models.
const LARGEST: usize = 1 << 20;

/// An inference server that answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalServer {
    /// The id under which it can be configured as a provider.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The base URL to configure.
    pub base_url: String,
    /// The package to configure: it selects the protocol.
    pub npm: String,
    /// The models that it has.
    pub models: Vec<String>,
}

/// The ports to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProbePorts {
    /// Ollama's.
    pub ollama: u16,
    /// LM Studio's.
    pub lm_studio: u16,
    /// llama.cpp's, as its server is usually started beside others that want port 8080.
    pub llama_cpp: u16,
}

impl Default for ProbePorts {
    fn default() -> Self {
        Self { ollama: 11_434, lm_studio: 1234, llama_cpp: 8081 }
    }
}

struct Kind {
    id: &'static str,
    name: &'static str,
    npm: &'static str,
    /// Where models are listed.
    list: &'static str,
    /// What the base URL ends in.
    base: &'static str,
    /// The list's field, and the field of an entry that holds the id.
    fields: (&'static str, &'static str),
}

const OPENAI_LIST: (&str, &str) = ("data", "id");
const OLLAMA: Kind = Kind {
    id: "ollama",
    name: "Ollama",
    npm: "ollama",
    list: "/api/tags",
    base: "",
    fields: ("models", "name"),
};
const LM_STUDIO: Kind = Kind {
    id: "lmstudio",
    name: "LM Studio",
    npm: crate::wire_map::OPENAI_COMPATIBLE,
    list: "/v1/models",
    base: "/v1",
    fields: OPENAI_LIST,
};
const LLAMA_CPP: Kind = Kind {
    id: "llama.cpp",
    name: "llama.cpp",
    npm: crate::wire_map::OPENAI_COMPATIBLE,
    list: "/v1/models",
    base: "/v1",
    fields: OPENAI_LIST,
};

/// Asks all ports at once and returns the servers that answered with a list of models, within about 250 ms.
pub async fn probe_local(ports: ProbePorts) -> Vec<LocalServer> {
    // No proxy: the question is what runs on this machine.
    let Ok(client) = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build() else {
        return Vec::new();
    };
    let wanted =
        [(&OLLAMA, ports.ollama), (&LM_STUDIO, ports.lm_studio), (&LLAMA_CPP, ports.llama_cpp)];
    let asked = wanted.into_iter().map(|(kind, port)| ask(&client, kind, port));
    join_all(asked).await.into_iter().flatten().collect()
}

async fn ask(client: &reqwest::Client, kind: &Kind, port: u16) -> Option<LocalServer> {
    let host = format!("http://127.0.0.1:{port}");
    let mut response = client.get(format!("{host}{}", kind.list)).send().await.ok()?;
    if !response.status().is_success() {
        return None;
    }
    let mut text = Vec::new();
    while let Some(chunk) = response.chunk().await.ok()? {
        if text.len() + chunk.len() > LARGEST {
            return None;
        }
        text.extend_from_slice(&chunk);
    }
    let json: Value = serde_json::from_slice(&text).ok()?;
    let (list, field) = kind.fields;
    let models = json.get(list)?.as_array()?.iter().filter_map(|entry| entry.get(field)?.as_str());
    Some(LocalServer {
        id: kind.id.to_owned(),
        name: kind.name.to_owned(),
        base_url: format!("{host}{}", kind.base),
        npm: kind.npm.to_owned(),
        models: models.map(str::to_owned).collect(),
    })
}
