//! Writes the page of providers: what the built-in catalog knows, and whether each can be called.
//!
//! Called by `schema`, which meets the file system. Nothing is fetched and no variable is read, so the page is the same on
//! every machine.

use std::sync::Arc;

use sy_catalog::{Catalog, Lack, NotCallable, ProviderRow, Settings};
use sy_config::{Config, Environment};
use sy_types::ProtocolId;

/// What stands above the table.
const HEAD: &str = include_str!("providers.md");

/// A provider, as its line of the table tells it.
struct Entry {
    row: ProviderRow,
    /// How many models it has.
    models: usize,
    /// How many of them can be called.
    callable: usize,
    /// What they speak, each once.
    protocols: Vec<ProtocolId>,
    /// Why it cannot be called yet.
    lack: Option<NotCallable>,
}

/// Returns the whole page.
pub(crate) fn page() -> String {
    let catalog = Catalog::new(Settings {
        config: Arc::new(Config::default()),
        // It does not exist, so there is no fetched copy.
        cache_dir: "/nonexistent".into(),
        environment: Environment::default(),
        offline: true,
    });
    let mut entries: Vec<Entry> =
        catalog.rows().into_iter().filter_map(|row| Entry::of(&catalog, row)).collect();
    entries.sort_by(|one, other| one.row.id.cmp(&other.row.id));

    let (ready, others): (Vec<&Entry>, Vec<&Entry>) =
        entries.iter().partition(|entry| entry.lack.is_none());
    let unsupported = others.iter().filter(|entry| entry.is_unsupported()).count();
    let numbers = [
        ("{providers}", entries.len()),
        ("{models}", entries.iter().map(|entry| entry.models).sum()),
        ("{ready}", ready.len()),
        ("{ready_models}", ready.iter().map(|entry| entry.callable).sum()),
        ("{unset}", others.len() - unsupported),
        ("{unsupported}", unsupported),
    ];

    let mut page = numbers
        .iter()
        .fold(HEAD.to_owned(), |page, (name, number)| page.replace(name, &thousands(*number)));
    page.extend(entries.iter().map(Entry::line));
    page
}

impl Entry {
    fn of(catalog: &Catalog, row: ProviderRow) -> Option<Self> {
        let provider = catalog.provider(&row.id)?;
        let lack = provider.callable().err().cloned();

        let mut protocols = Vec::new();
        let mut callable = 0;
        for model in provider.models.keys() {
            let spoken = catalog.protocols(&row.id, model);
            callable += usize::from(!spoken.is_empty());
            for protocol in spoken {
                if !protocols.contains(protocol) {
                    protocols.push(*protocol);
                }
            }
        }
        Some(Self { models: provider.models.len(), callable, protocols, lack, row })
    }

    fn is_unsupported(&self) -> bool {
        self.lack.as_ref().is_some_and(|reason| reason.lack == Lack::Protocol)
    }

    /// Returns its line of the table.
    fn line(&self) -> String {
        let id = &self.row.id;
        let models = match self.callable == self.models {
            true => self.models.to_string(),
            false => format!("{} of {}", self.callable, self.models),
        };
        let sign_in = match self.is_unsupported() {
            true => "-".to_owned(),
            false => format!("`auth login {id}`"),
        };
        let status = self.lack.as_ref().map_or_else(|| "ready".to_owned(), status);

        format!(
            "| `{id}` | {} | {models} | {} | {sign_in} | {} | {} |\n",
            cell(&self.row.name),
            codes(self.row.env.iter().map(String::as_str)),
            codes(self.protocols.iter().map(|protocol| protocol.as_str())),
            cell(&status),
        )
    }
}

/// Says what has to be set before a provider can be called.
fn status(reason: &NotCallable) -> String {
    match &reason.lack {
        Lack::Settings(variables) => {
            format!("set {} first", codes(variables.iter().map(String::as_str)))
        }
        Lack::Protocol => format!("**no**: {}", reason.fault),
        Lack::Address => reason.to_string(),
    }
}

/// Sets names apart as code; a dash stands for none.
fn codes<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    match names.as_slice() {
        [] => "-".to_owned(),
        names => names.join(", "),
    }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

/// Writes a number as people do: 8,261.
fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{page, thousands};

    #[test]
    fn numbers_are_written_as_people_do() {
        assert_eq!([7, 999, 8261, 1_000_000].map(thousands), ["7", "999", "8,261", "1,000,000"]);
    }

    #[test]
    fn the_page_says_of_each_provider_whether_it_can_be_called() {
        let page = page();
        let row = |id: &str| {
            let begin = format!("| `{id}` |");
            page.lines().find(|line| line.starts_with(&begin)).expect("a row").to_owned()
        };
        assert!(row("anthropic").contains("`ANTHROPIC_API_KEY`"));
        assert!(row("anthropic").ends_with("| `anthropic_messages` | ready |"));
        assert!(row("watsonx").contains("not supported"));
        assert!(row("azure").contains("set `AZURE_RESOURCE_NAME` first"));
        assert!(row("amazon-bedrock").contains(" of "));
        assert!(!page.contains(['{', '}']));
    }
}
