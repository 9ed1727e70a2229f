//! Counting what was read, decoded and preserved, and listing what fell short.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

/// One line of the committed list.
#[derive(Debug, Deserialize)]
struct Known {
    /// The recording.
    id: String,
    /// The checks that fall short, as printed; `*` at the end stands for any rest.
    check: String,
    /// Why that is right.
    #[expect(dead_code, reason = "read by people, and required by the decoder")]
    reason: String,
}

#[derive(Debug, Default, Deserialize)]
struct KnownList {
    #[serde(default)]
    known: Vec<Known>,
}

/// How often a check was made and how often it held.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    made: usize,
    held: usize,
}

/// What came out of a run.
#[derive(Debug)]
pub(super) struct Report {
    known: KnownList,
    records: BTreeMap<&'static str, usize>,
    later: BTreeMap<&'static str, usize>,
    unknown: Vec<(String, usize)>,
    counts: BTreeMap<String, Count>,
    short: BTreeSet<(String, String, String)>,
}

impl Report {
    pub(super) fn new(known: &Path) -> Result<Self> {
        let known = match std::fs::read_to_string(known) {
            Ok(text) => {
                toml::from_str(&text).with_context(|| format!("read {}", known.display()))?
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => KnownList::default(),
            Err(error) => return Err(error).with_context(|| format!("read {}", known.display())),
        };
        let empty = BTreeMap::new;
        Ok(Self {
            known,
            records: empty(),
            later: BTreeMap::new(),
            unknown: Vec::new(),
            counts: BTreeMap::new(),
            short: BTreeSet::new(),
        })
    }

    pub(super) fn record(&mut self, protocol: &'static str) {
        *self.records.entry(protocol).or_default() += 1;
    }

    pub(super) fn later(&mut self, protocol: &'static str) {
        *self.later.entry(protocol).or_default() += 1;
    }

    pub(super) fn unknown_file(&mut self, name: &str, records: usize) {
        self.unknown.push((name.to_owned(), records));
    }

    /// Notes a check of a recording: `Ok` when it held, else why not.
    pub(super) fn note(&mut self, id: &str, check: &str, outcome: Result<(), String>) {
        let count = self.counts.entry(check.to_owned()).or_default();
        count.made += 1;
        match outcome {
            Ok(()) => count.held += 1,
            Err(reason) => {
                self.short.insert((check.to_owned(), id.to_owned(), reason));
            }
        }
    }

    /// Prints the tables; an error when something fell short that is not on the list.
    #[expect(clippy::print_stdout, reason = "the report is this command's output")]
    pub(super) fn finish(self, verbose: bool) -> Result<()> {
        println!("records read:");
        for (protocol, count) in &self.records {
            println!("  {protocol:28} {count:6}");
        }
        for (protocol, count) in &self.later {
            println!("  {protocol:28} {count:6} not checked: this protocol is not spoken yet");
        }
        println!("checks (made / held):");
        for (check, count) in &self.counts {
            println!("  {check:60} {:6} / {:6}", count.made, count.held);
        }
        let is_known = |id: &str, check: &str| {
            self.known.known.iter().any(|known| {
                known.id == id
                    && known
                        .check
                        .strip_suffix('*')
                        .map_or(known.check == check, |prefix| check.starts_with(prefix))
            })
        };
        let (listed, new): (Vec<_>, Vec<_>) =
            self.short.iter().partition(|(check, id, _)| is_known(id, check));
        println!("fell short, on the list of known cases: {}", listed.len());
        if verbose {
            for (check, id, reason) in &listed {
                println!("  known {check}: {id}: {reason}");
            }
        }
        println!("fell short, not on the list: {}", new.len());
        for (check, id, reason) in &new {
            println!("  {check}: {id}: {reason}");
        }
        for (name, count) in &self.unknown {
            println!("  {name}: {count} records of a protocol that nobody knows");
        }
        if !new.is_empty() || !self.unknown.is_empty() {
            bail!("{} checks fell short that are not on the list", new.len());
        }
        Ok(())
    }
}
