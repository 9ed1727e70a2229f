//! Asks which provider to sign in to.
//!
//! What is here comes first (servers that run, keys that are set), then what many choose, then
//! everything else.

use sy_catalog::{LocalServer, ProviderRow};
use sy_credentials::Source;
use sy_server::Local;

use crate::exit::Usage;
use crate::output::{self, printable};
use crate::picker::{self, Group, Row};

/// Providers that many choose, in the order in which they are offered.
const POPULAR: [&str; 8] =
    ["anthropic", "openai", "google", "openrouter", "deepseek", "mistral", "groq", "xai"];

/// What to sign in to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    /// A provider of the catalog or a server that was found, by its id.
    Named(String),
    /// A server at an address that is still to be asked for.
    Other,
}

/// Lets a person choose.
///
/// # Errors
/// A wrong usage without a terminal; `Interrupted` when the person left.
pub(super) fn choose(local: &Local, servers: &[LocalServer]) -> anyhow::Result<Choice> {
    if !output::is_interactive() {
        let message = "expected a provider or a URL: `switchyard auth login PROVIDER` \
                       (there is no terminal to ask on)";
        return Err(Usage(message.to_owned()).into());
    }
    let (rows, choices): (Vec<Row>, Vec<Choice>) = offers(local, servers).into_iter().unzip();
    let index = picker::pick("Which provider?", rows)?;
    Ok(choices.into_iter().nth(index).unwrap_or(Choice::Other))
}

/// Lists everything that can be chosen, in the order in which it is offered.
fn offers(local: &Local, servers: &[LocalServer]) -> Vec<(Row, Choice)> {
    let of_server = |server: &LocalServer| {
        let row = Row {
            label: printable(&server.name).into_owned(),
            id: server.id.clone(),
            hint: format!("running at {}", server.base_url),
            group: Group::Found,
            always: false,
        };
        (row, Choice::Named(server.id.clone()))
    };
    let mut offers: Vec<(Row, Choice)> = servers.iter().map(of_server).collect();

    let mut providers = local.catalog().rows();
    // The catalog's order stays among those that nobody ranks; sorting is stable.
    providers.sort_by_key(|row| popularity(&row.id));
    let is_server = |row: &ProviderRow| servers.iter().any(|server| server.id == row.id);
    for row in providers.iter().filter(|row| !is_server(row)) {
        offers.push((provider_row(local, row), Choice::Named(row.id.clone())));
    }

    let other = Row {
        label: "Other (OpenAI-compatible URL)".to_owned(),
        id: "custom url".to_owned(),
        hint: "any server or gateway, by its address".to_owned(),
        group: Group::Popular,
        always: true,
    };
    offers.push((other, Choice::Other));
    // While nothing is typed, the list shows rows by group and then in this order.
    offers.sort_by_key(|(row, _)| row.group);
    offers
}

fn popularity(id: &str) -> usize {
    POPULAR.iter().position(|popular| *popular == id).unwrap_or(POPULAR.len())
}

fn provider_row(local: &Local, row: &ProviderRow) -> Row {
    let used = local.credentials().list_of(&row.id, &row.env).into_iter().find(|key| key.is_used);
    let is_popular = popularity(&row.id) < POPULAR.len();
    let (group, hint) = match used.map(|key| key.summary) {
        Some(key) => match key.source {
            Source::Environment(variable) => (Group::Found, format!("{variable} is set")),
            source => (Group::Found, format!("has a key {} ({source})", key.masked)),
        },
        None if is_popular => (Group::Popular, row.id.clone()),
        None => (Group::Rest, row.id.clone()),
    };
    Row { label: printable(&row.name).into_owned(), id: row.id.clone(), hint, group, always: false }
}
