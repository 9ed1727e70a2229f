//! Credentials go to OpenCode's `auth.json` and come from it.
//!
//! Called by the command line. Reading `auth.json` as a live source is `opencode`'s; this only
//! copies, both ways.

use std::path::Path;

use crate::credential::DEFAULT_ACCOUNT;
use crate::entry::Entry;
use crate::error::Error;
use crate::opencode::{self, ExportReport, ImportReport, Skipped};
use crate::vault::Identity;
use crate::{Credentials, Inner};

impl Credentials {
    /// Copies the credentials of an OpenCode `auth.json` into the vault, as accounts `default`. One
    /// that the vault has already is never replaced.
    ///
    /// # Errors
    /// When the file cannot be read or is no JSON object, or the vault cannot write.
    pub fn import_opencode(&self, path: &Path) -> Result<ImportReport, Error> {
        let read = opencode::read_entries(path)?;
        self.refresh();
        let mut report = ImportReport::default();
        for provider in read.undecodable {
            report.skipped.push(Skipped {
                provider,
                reason: "it is not an entry of a known form".to_owned(),
            });
        }
        for (provider, entry) in read.entries {
            self.inner.import(provider, entry, &mut report)?;
        }
        self.refresh();
        Ok(report)
    }

    /// Writes the vault's accounts `default` into an OpenCode `auth.json` (mode 0600), as plain
    /// text. Other entries of the file stay as they are.
    ///
    /// # Errors
    /// When the file is there and is no JSON object, or cannot be written.
    pub fn export_opencode(&self, path: &Path) -> Result<ExportReport, Error> {
        let mut report = ExportReport::default();
        let mut entries = Vec::new();
        for record in self.inner.vault.load()? {
            let Identity { provider, account, .. } = record.identity;
            match record.entry {
                Ok(entry) if account == DEFAULT_ACCOUNT => entries.push((provider, entry)),
                Ok(_) => {
                    let reason =
                        format!("OpenCode has one account per provider; this one is `{account}`");
                    report.skipped.push(Skipped { provider, reason });
                }
                Err(error) => report.skipped.push(Skipped { provider, reason: error.to_string() }),
            }
        }
        opencode::write_entries(path, &entries)?;
        report.exported = entries.into_iter().map(|(provider, _)| provider).collect();
        Ok(report)
    }
}

impl Inner {
    fn import(
        &self,
        provider: String,
        entry: Entry,
        report: &mut ImportReport,
    ) -> Result<(), Error> {
        let snapshot = self.snapshot.load();
        if let Some(held) = snapshot.held(&provider, Some(DEFAULT_ACCOUNT)) {
            if held.secret() == Some(entry.credential.secret()) {
                report.unchanged.push(provider);
            } else {
                let reason =
                    "the vault has another credential for it: remove that one first".to_owned();
                report.skipped.push(Skipped { provider, reason });
            }
            return Ok(());
        }
        match self.store(&provider, None, entry, None) {
            Ok(stored) => {
                report.warnings.extend(stored.warning);
                report.imported.push(provider);
            }
            Err(Error::Invalid(reason)) => report.skipped.push(Skipped { provider, reason }),
            Err(error) => return Err(error),
        }
        Ok(())
    }
}
