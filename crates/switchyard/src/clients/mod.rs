//! The AI clients that can be pointed at the server: one file each, and the table of them.
//!
//! Used by `env`, which prints what a client needs, and by `launch`, which starts one with it. A client's file says which
//! variables and arguments it takes and why; it deliberately starts nothing and writes nothing.

mod aider;
mod claude;
mod codex;
pub(crate) mod connect;
mod gemini;
mod opencode;
mod sdk;

use serde_json::Value;

pub(crate) use sdk::SDKS;

/// Holds our token in a shell that `env` prepared. Clients may read it; we take it as the sign that keys of the same
/// value are not keys of providers.
pub(crate) const CLIENT_TOKEN: &str = "SWITCHYARD_CLIENT_TOKEN";

/// Every client with settings of its own, by name.
pub(crate) const CLIENTS: [&Client; 5] =
    [&aider::AIDER, &claude::CLAUDE, &codex::CODEX, &gemini::GEMINI, &opencode::OPENCODE];

/// A client that can be pointed at the server.
pub(crate) struct Client {
    /// The program, which is also its name on our command line.
    pub(crate) program: &'static str,
    /// How people call it.
    pub(crate) title: &'static str,
    /// How it is installed, for whoever does not have it.
    pub(crate) install: &'static str,
    /// Returns what it needs.
    pub(crate) settings: fn(&Connection) -> ClientSettings,
}

/// Where clients are pointed, and with which models.
#[derive(Debug)]
pub(crate) struct Connection {
    /// The server's address without a path: `http://127.0.0.1:8080`.
    pub(crate) base: String,
    /// The server's token.
    pub(crate) token: String,
    /// The models, where anything is connected.
    pub(crate) models: Option<Models>,
}

/// The models that clients are started with, named as the server understands them.
#[derive(Debug)]
pub(crate) struct Models {
    /// For the work itself.
    pub(crate) main: String,
    /// For titles and the like.
    pub(crate) small: String,
    /// What can be chosen besides, by name, as OpenCode describes models.
    pub(crate) listed: Vec<(String, Value)>,
}

/// What a client needs to talk to the server.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct ClientSettings {
    /// Variables to set.
    pub(crate) variables: Vec<(&'static str, String)>,
    /// Variables that would lead it elsewhere.
    pub(crate) unset: &'static [&'static str],
    /// Arguments before the user's own.
    pub(crate) arguments: Vec<String>,
    /// What suits this client alone: a shell that other programs share does without it.
    pub(crate) alone: Alone,
}

/// Variables for a client that is started by itself.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Alone {
    /// Variables to set.
    pub(crate) variables: Vec<(&'static str, String)>,
    /// Variables to unset: others need them, this client warns of them.
    pub(crate) unset: &'static [&'static str],
}

impl Client {
    /// Returns the client of the given name.
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        CLIENTS.into_iter().find(|client| client.program == name)
    }
}

impl Connection {
    /// Returns the name of the main model, where there is one, behind a prefix that the client demands.
    fn main_model(&self, prefix: &str) -> Option<String> {
        self.models.as_ref().map(|models| format!("{prefix}{}", models.main))
    }

    /// Returns the name of the small model, where there is one, behind a prefix that the client demands.
    fn small_model(&self, prefix: &str) -> Option<String> {
        self.models.as_ref().map(|models| format!("{prefix}{}", models.small))
    }

    /// Returns the base URL that OpenAI's clients want.
    fn openai_base(&self) -> String {
        format!("{}/v1", self.base)
    }
}

impl ClientSettings {
    /// Returns true where variables that all programs of a shell share are not enough.
    pub(crate) fn needs_function(&self) -> bool {
        !self.arguments.is_empty() || self.alone != Alone::default()
    }

    /// Sets each of the variables to one value, where there is one.
    fn set(&mut self, names: &[&'static str], value: Option<String>) {
        let Some(value) = value else { return };
        self.variables.extend(names.iter().map(|name| (*name, value.clone())));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{CLIENTS, Client, Connection, Models, SDKS};

    const TOKEN: &str = "sy-0123456789abcdef";

    fn connection(models: bool) -> Connection {
        let models = models.then(|| Models {
            main: "anthropic/claude-sonnet-4-5".to_owned(),
            small: "anthropic/claude-haiku-4-5".to_owned(),
            listed: vec![("smart".to_owned(), json!({}))],
        });
        Connection { base: "http://127.0.0.1:8080".to_owned(), token: TOKEN.to_owned(), models }
    }

    #[test]
    fn names_are_sorted_and_found() {
        let names = CLIENTS.map(|client| client.program);
        assert!(names.is_sorted());
        assert!(names.into_iter().all(|name| Client::named(name).is_some()));
        assert!(Client::named("sdk").is_none());
    }

    #[test]
    fn no_token_stands_in_an_argument_which_every_process_can_read() {
        for client in CLIENTS {
            let settings = (client.settings)(&connection(true));
            assert!(!settings.arguments.concat().contains(TOKEN), "{}", client.program);
        }
    }

    #[test]
    fn every_client_is_given_its_models() {
        for client in CLIENTS {
            let told = format!("{:?}", (client.settings)(&connection(true)));
            assert!(told.contains("anthropic/claude-sonnet-4-5"), "{}", client.program);

            let untold = format!("{:?}", (client.settings)(&connection(false)));
            assert!(!untold.contains("claude-sonnet"), "{}", client.program);
        }
    }

    #[test]
    fn every_client_is_given_the_address() {
        for settings in CLIENTS.iter().map(|client| client.settings).chain([SDKS]) {
            let told = format!("{:?}", settings(&connection(true)));
            assert!(told.contains("http://127.0.0.1:8080"), "{told}");
        }
    }
}
