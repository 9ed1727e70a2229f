//! Finds inference servers on this machine by asking their usual ports what they serve.
//!
//! Called by the command line and the server when somebody wants to know. It configures nothing: what it finds can be added
//! as providers.

use std::time::Duration;

use futures::future::join_all;
use serde_json::Value;
use sy_config::Environment;

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

/// Where to look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbePorts {
    /// Ollama's address, without a path.
    pub ollama: String,
    /// LM Studio's port.
    pub lm_studio: u16,
    /// llama.cpp's ports: its own default, and the one beside it for machines where that is taken.
    pub llama_cpp: Vec<u16>,
    /// vLLM's port.
    pub vllm: u16,
}

impl ProbePorts {
    /// Returns the usual ports, and Ollama where `OLLAMA_HOST` says that it is.
    pub fn usual(environment: &Environment) -> Self {
        let ollama = ollama_address(environment.get("OLLAMA_HOST").unwrap_or_default());
        Self { ollama, lm_studio: 1234, llama_cpp: vec![8080, 8081], vllm: 8000 }
    }

    /// Leaves a port of this machine out, because our own server has it.
    #[must_use]
    pub fn without(mut self, port: Option<u16>) -> Self {
        self.llama_cpp.retain(|known| Some(*known) != port);
        for known in [&mut self.lm_studio, &mut self.vllm] {
            if Some(*known) == port {
                // Nobody listens on port 0.
                *known = 0;
            }
        }
        self
    }
}

/// Reads `OLLAMA_HOST` as Ollama does (`envconfig.Host`): a host, `host:port` or a URL; a URL's usual port counts where it
/// names none. An address that means every interface is reached by loopback.
fn ollama_address(written: &str) -> String {
    const PORT: &str = "11434";

    let written = written.trim().trim_matches(['"', '\'']).trim();
    let (scheme, rest, port) = match written.split_once("://") {
        Some(("https", rest)) => ("https", rest, "443"),
        Some((_, rest)) => ("http", rest, "80"),
        None => ("http", written, PORT),
    };
    let authority = rest.split('/').next().unwrap_or_default();
    let (host, port) = match authority.rsplit_once(':') {
        // The colons of an IPv6 address without a port are its own.
        Some((host, named)) if !host.contains(':') || host.ends_with(']') => {
            (host, if named.parse::<u16>().is_ok() { named } else { port })
        }
        _ => (authority, port),
    };

    let host = host.trim_start_matches('[').trim_end_matches(']');
    let host = match host {
        "" | "0.0.0.0" => "127.0.0.1".to_owned(),
        "::" => "[::1]".to_owned(),
        host if host.contains(':') => format!("[{host}]"),
        host => host.to_owned(),
    };
    format!("{scheme}://{host}:{port}")
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

const VLLM: Kind = Kind {
    id: "vllm",
    name: "vLLM",
    npm: crate::wire_map::OPENAI_COMPATIBLE,
    list: "/v1/models",
    base: "/v1",
    fields: OPENAI_LIST,
};

/// A server of which only the protocol is known.
const SOME_SERVER: Kind = Kind { name: "an OpenAI-compatible server", ..LLAMA_CPP };

/// Who a server says that it is in `owned_by` of its models, whatever its port: llama.cpp's `server-models.cpp`, vLLM's
/// `serving_models.py`, SGLang's `http_server.py`, Ollama's and LM Studio's OpenAI routes.
const OWNERS: &[(&str, &str, &str)] = &[
    ("llamacpp", "llama.cpp", "llama.cpp"),
    ("vllm", "vllm", "vLLM"),
    ("sglang", "sglang", "SGLang"),
    ("library", "ollama", "Ollama"),
    ("organization_owner", "lmstudio", "LM Studio"),
];

/// Asks all ports at once and returns the servers that answered with a list of models, within about 250 ms.
pub async fn probe_local(ports: ProbePorts) -> Vec<LocalServer> {
    // No proxy: the question is what runs on this machine.
    let Ok(client) = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build() else {
        return Vec::new();
    };
    let here = |port: u16| format!("http://127.0.0.1:{port}");
    let mut wanted = vec![(&OLLAMA, ports.ollama), (&LM_STUDIO, here(ports.lm_studio))];
    wanted.extend(ports.llama_cpp.into_iter().map(|port| (&LLAMA_CPP, here(port))));
    wanted.push((&VLLM, here(ports.vllm)));

    let answers = join_all(wanted.into_iter().map(|(kind, host)| ask(&client, kind, host))).await;
    let mut found: Vec<LocalServer> = Vec::new();
    for mut server in answers.into_iter().flatten() {
        // Two of a kind are two providers.
        if found.iter().any(|other| other.id == server.id) {
            let port = server.base_url.rsplit(':').next().unwrap_or_default();
            let port: String = port.chars().take_while(char::is_ascii_digit).collect();
            server.id = format!("{}-{port}", server.id);
        }
        found.push(server);
    }
    found
}

/// Says who answers on a port of this machine, in a few words; `None` where nobody does that we know.
pub async fn who_answers(port: u16) -> Option<String> {
    let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().ok()?;
    let host = format!("http://127.0.0.1:{port}");
    if is_ours(&client, &host).await {
        return Some("switchyard".to_owned());
    }
    let asked = [&OLLAMA, &SOME_SERVER].map(|kind| ask(&client, kind, host.clone()));
    let answers = join_all(asked).await;
    answers.into_iter().flatten().next().map(|server| server.name)
}

/// Returns true where our own server answers, which is nobody's inference server.
async fn is_ours(client: &reqwest::Client, host: &str) -> bool {
    let asked = client.get(host).header("accept", "application/json").send().await;
    let Ok(mut response) = asked else { return false };
    // Ours is short. Other servers have a page there, of which the beginning is enough.
    let first = response.chunk().await.ok().flatten().unwrap_or_default();
    let answer = serde_json::from_slice::<Value>(&first).unwrap_or_default();
    answer.get("name").and_then(Value::as_str) == Some("switchyard")
}

async fn ask(client: &reqwest::Client, kind: &Kind, host: String) -> Option<LocalServer> {
    if kind.fields == OPENAI_LIST && is_ours(client, &host).await {
        return None;
    }
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
    let entries = json.get(list)?.as_array()?;
    let models = entries.iter().filter_map(|entry| entry.get(field)?.as_str());
    let owner = entries.iter().find_map(|entry| entry.get("owned_by")?.as_str());
    let known = OWNERS.iter().find(|(word, ..)| Some(*word) == owner);
    let (id, name) = known.map_or((kind.id, kind.name), |(_, id, name)| (*id, *name));

    Some(LocalServer {
        id: id.to_owned(),
        name: name.to_owned(),
        base_url: format!("{host}{}", kind.base),
        npm: kind.npm.to_owned(),
        models: models.map(str::to_owned).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::ollama_address;

    #[test]
    fn ollama_is_where_its_variable_says() {
        let cases = [
            ("", "http://127.0.0.1:11434"),
            ("0.0.0.0", "http://127.0.0.1:11434"),
            ("0.0.0.0:9000", "http://127.0.0.1:9000"),
            (":9000", "http://127.0.0.1:9000"),
            ("box", "http://box:11434"),
            ("box:9000", "http://box:9000"),
            (" \"box:9000\" ", "http://box:9000"),
            ("http://box", "http://box:80"),
            ("https://box", "https://box:443"),
            ("http://0.0.0.0:9000/", "http://127.0.0.1:9000"),
            ("https://box:9000/ollama", "https://box:9000"),
            ("box:nonsense", "http://box:11434"),
            ("[::]:9000", "http://[::1]:9000"),
            ("::1", "http://[::1]:11434"),
            ("[::1]", "http://[::1]:11434"),
        ];
        for (written, expected) in cases {
            assert_eq!(ollama_address(written), expected, "{written:?}");
        }
    }
}
