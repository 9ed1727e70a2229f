//! The documentation for users says what is there: links lead to files, commands and their flags exist, examples of the
//! configuration are valid, and keys that are named exist.
//!
//! The commands are those of the help texts that the binary's own tests hold (`help.txt`), the keys those of the generated
//! reference.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use sy_config::Environment;

use super::{none, root};

/// The sections whose keys are recognised when a page names one.
const SECTIONS: [&str; 5] = ["server.", "catalog.", "credentials.", "log.", "retry."];

/// A page of the documentation.
struct Page {
    /// The path from the root.
    name: String,
    file: PathBuf,
    text: String,
}

/// A stretch of a page that is set as code: a span or a block.
struct Code<'a> {
    /// The line on which it begins, from 1.
    line: usize,
    /// What stands behind the fence; empty for a span.
    language: &'a str,
    text: String,
}

/// Returns every page that a user or a contributor reads.
fn pages() -> Vec<Page> {
    let mut files = Vec::new();
    for folder in ["", "docs", "docs/clients", "docs/reference"] {
        let entries = std::fs::read_dir(root().join(folder)).expect("a folder of pages");
        files.extend(
            entries
                .filter_map(|entry| Some(entry.ok()?.path()))
                .filter(|path| path.extension().is_some_and(|extension| extension == "md")),
        );
    }
    files.sort();

    let page = |file: PathBuf| Page {
        name: file.strip_prefix(root()).unwrap_or(&file).to_string_lossy().into_owned(),
        text: std::fs::read_to_string(&file).expect("a page"),
        file,
    };
    files.into_iter().map(page).collect()
}

/// Returns the pages whose commands and keys are those of today. The tables of requirements tell plans as well.
fn guides() -> impl Iterator<Item = Page> {
    let plans = ["docs/requirements.md", "docs/parity.md"];
    pages().into_iter().filter(move |page| !plans.contains(&page.name.as_str()))
}

impl Page {
    /// Returns everything that is set as code.
    fn code(&self) -> Vec<Code<'_>> {
        let mut found = Vec::new();
        let mut block: Option<Code<'_>> = None;
        for (index, line) in self.text.lines().enumerate() {
            let fence = line.trim_start().strip_prefix("```");
            block = match (block, fence) {
                (Some(code), Some(_)) => {
                    found.push(code);
                    None
                }
                (Some(mut code), None) => {
                    code.text.push_str(line);
                    code.text.push('\n');
                    Some(code)
                }
                (None, Some(language)) => {
                    Some(Code { line: index + 1, language, text: String::new() })
                }
                (None, None) => {
                    let spans = line.split('`').skip(1).step_by(2);
                    found.extend(spans.map(|span| Code {
                        line: index + 1,
                        language: "",
                        text: span.to_owned(),
                    }));
                    None
                }
            };
        }
        assert!(block.is_none(), "{}: a block of code has no end", self.name);
        found
    }

    /// Returns the targets of its links, each with its line.
    fn links(&self) -> Vec<(usize, &str)> {
        let mut found = Vec::new();
        for (index, line) in self.text.lines().enumerate() {
            let targets = line.split("](").skip(1);
            found.extend(targets.filter_map(|rest| Some((index + 1, rest.split_once(')')?.0))));
        }
        found
    }
}

/// Returns the name under which a heading can be linked to, as GitHub makes it.
fn anchor(heading: &str) -> String {
    let words = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = words.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

fn has_anchor(file: &Path, wanted: &str) -> bool {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.lines().filter(|line| line.starts_with('#')).any(|heading| anchor(heading) == wanted)
}

#[test]
fn every_link_leads_to_a_file() {
    let mut findings = Vec::new();
    for page in pages() {
        for (line, link) in page.links() {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }

            let (path, wanted) = link.split_once('#').unwrap_or((link, ""));
            let folder = page.file.parent().expect("a folder");
            let target = if path.is_empty() { page.file.clone() } else { folder.join(path) };
            if !target.exists() || (!wanted.is_empty() && !has_anchor(&target, wanted)) {
                findings.push(format!("{}:{line}: {link}", page.name));
            }
        }
    }
    none(&findings, "a link that leads nowhere:");
}

/// Returns the help of every command, by its words: `auth login`.
fn commands() -> BTreeMap<String, String> {
    let file = root().join("crates/switchyard/tests/it/help.txt");
    let text = std::fs::read_to_string(file).expect("help.txt");
    text.split("$ switchyard ")
        .skip(1)
        .filter_map(|part| part.split_once("--help\n"))
        .map(|(words, help)| (words.trim().to_owned(), help.to_owned()))
        .collect()
}

/// Says what is wrong with the calls of the binary in some code.
fn faults(code: &str, commands: &BTreeMap<String, String>) -> Vec<String> {
    let mut faults = Vec::new();
    for line in code.lines() {
        for (at, _) in line.match_indices("switchyard ") {
            let is_word =
                !line[..at].ends_with(|c: char| c.is_alphanumeric() || "-_.=".contains(c));
            let rest = &line[at + "switchyard ".len()..];
            let rest = rest.split(['|', ')', '#', ';', '&', '<', '>']).next().unwrap_or_default();
            let mut words = rest.split_whitespace().take_while(|word| *word != "--").peekable();
            let begins_a_call = !rest.starts_with(' ')
                && words.peek().is_some_and(|word| {
                    word.starts_with(|c: char| c.is_ascii_lowercase()) && *word != "switchyard"
                });
            if !is_word || !begins_a_call {
                continue;
            }

            let mut name = words.next().unwrap_or_default().to_owned();
            if matches!(name.as_str(), "auth" | "config")
                && let Some(second) = words.next_if(|word| word.chars().all(char::is_alphabetic))
            {
                name = format!("{name} {second}");
            }
            let Some(help) = commands.get(&name) else {
                faults.push(format!("there is no command `{name}`"));
                continue;
            };
            for flag in words.filter(|word| word.starts_with("--")) {
                let flag = flag.split('=').next().unwrap_or_default();
                if !help.split([' ', ',', '\n']).any(|word| word == flag) {
                    faults.push(format!("`{name}` has no flag `{flag}`"));
                }
            }
        }
    }
    faults
}

#[test]
fn every_command_exists() {
    let commands = commands();
    let mut findings = Vec::new();
    for page in guides() {
        for code in page.code() {
            let place = format!("{}:{}", page.name, code.line);
            findings
                .extend(faults(&code.text, &commands).iter().map(|it| format!("{place}: {it}")));
        }
    }
    none(&findings, "a command or flag that the binary does not have:");
}

#[test]
fn what_is_no_command_is_noticed() {
    let commands = commands();
    let count = |code: &str| faults(code, &commands).len();
    assert_eq!(count("switchyard serve --port 9000"), 0);
    assert_eq!(count("eval \"$(switchyard env --shell fish)\" && ls --nothing"), 0);
    assert_eq!(count("switchyard launch codex -- exec --nothing"), 0);
    assert_eq!(count("rm -r ~/.config/switchyard ~/.cache/switchyard"), 0);
    assert_eq!(count("switchyard serv"), 1);
    assert_eq!(count("switchyard auth renew openai"), 1);
    assert_eq!(count("target/release/switchyard serve --prot 9000"), 1);
}

/// Checks an example with every variable that it refers to set, and without reading files.
fn parse(example: &str) -> Result<(), String> {
    let mut text = example.to_owned();
    while let Some(begin) = text.find("{file:") {
        let end = text[begin..].find('}').ok_or("a reference without an end")?;
        text.replace_range(begin..=begin + end, "text-of-a-file");
    }

    let names = ["{env:", "${"]
        .iter()
        .flat_map(|begin| text.split(begin).skip(1).filter_map(|rest| rest.split_once('}')))
        .map(|(name, _)| (name, "a-value"));
    let environment = Environment::of(names);
    sy_config::parse(&text, &environment)
        .map(drop)
        .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
}

#[test]
fn every_example_of_the_configuration_is_valid() {
    let mut findings = Vec::new();
    let mut examples = 0;
    for page in pages() {
        for code in page.code().iter().filter(|code| code.language == "jsonc") {
            examples += 1;
            if let Err(problems) = parse(&code.text) {
                findings.push(format!("{}:{}: {problems}", page.name, code.line));
            }
        }
    }
    none(&findings, "an example that the server would refuse:");
    assert!(examples > 5, "only {examples} examples found");
}

#[test]
fn every_key_that_is_named_exists() {
    let reference = std::fs::read_to_string(root().join("docs/reference/config.md"))
        .expect("the reference of the configuration");
    let mut findings = Vec::new();
    for page in guides() {
        for code in page.code().iter().filter(|code| code.language.is_empty()) {
            // A key may stand with its value, or for all below it.
            let key = code.text.split([':', ' ', '=']).next().unwrap_or_default();
            let key = key.trim_end_matches(".*");
            let is_key = SECTIONS.iter().any(|section| key.starts_with(section))
                && key.chars().all(|c| c.is_ascii_alphabetic() || matches!(c, '.' | '_'));
            let is_file =
                [".json", ".md", ".rs", ".py", ".log"].iter().any(|end| key.ends_with(end));
            if is_key && !is_file && !reference.contains(&format!("| `{key}` |")) {
                findings.push(format!("{}:{}: {key}", page.name, code.line));
            }
        }
    }
    none(&findings, "a configuration key that there is not:");
}
