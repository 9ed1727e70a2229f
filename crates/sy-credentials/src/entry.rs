//! The JSON form of a credential, as OpenCode's `auth.json` has it.
//!
//! Used by [`crate::opencode`] for that file and by the vault for the text that is sealed. It names fields exactly as
//! OpenCode 1.18 writes them, and its errors never repeat a value.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sy_types::Secret;
use zeroize::Zeroizing;

use crate::credential::{Credential, OAuth, WellKnown};
use crate::error::Error;

/// A credential with what OpenCode keeps beside a key (an account or a resource name).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) credential: Credential,
    pub(crate) metadata: IndexMap<String, String>,
}

/// An entry as it is read.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Read {
    Api {
        key: Secret,
        #[serde(default)]
        metadata: Option<IndexMap<String, String>>,
    },
    #[serde(rename_all = "camelCase")]
    Oauth {
        refresh: Secret,
        access: Secret,
        expires: u64,
        account_id: Option<String>,
        enterprise_url: Option<String>,
    },
    Wellknown {
        key: String,
        token: Secret,
    },
}

/// An entry as it is written. It borrows, so that no further copy of a secret is made.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Written<'a> {
    Api {
        key: &'a str,
        #[serde(skip_serializing_if = "IndexMap::is_empty")]
        metadata: &'a IndexMap<String, String>,
    },
    #[serde(rename_all = "camelCase")]
    Oauth {
        refresh: &'a str,
        access: &'a str,
        expires: i64,
        #[serde(skip_serializing_if = "Option::is_none")]
        account_id: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        enterprise_url: Option<&'a str>,
    },
    Wellknown {
        key: &'a str,
        token: &'a str,
    },
}

impl Entry {
    /// Reads an entry; `None` when it is not one, whatever the reason.
    pub(crate) fn from_value(value: &Value) -> Option<Self> {
        Read::deserialize(value).ok().map(Self::from)
    }

    /// Reads an entry from text that was sealed.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice::<Read>(bytes).ok().map(Self::from)
    }

    /// Writes the text that is sealed.
    pub(crate) fn to_bytes(&self) -> Result<Zeroizing<Vec<u8>>, Error> {
        // Room enough that the buffer does not grow, which would leave a copy behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(16 * 1024));
        serde_json::to_writer(&mut *bytes, &self.written())
            .map_err(|_| Error::Crypto("write a credential as JSON"))?;
        Ok(bytes)
    }

    /// Makes the value that `auth.json` holds.
    pub(crate) fn to_value(&self) -> Result<Value, Error> {
        serde_json::to_value(self.written())
            .map_err(|_| Error::Crypto("write a credential as JSON"))
    }

    fn written(&self) -> Written<'_> {
        match &self.credential {
            Credential::ApiKey(key) => Written::Api { key: key.expose(), metadata: &self.metadata },
            Credential::OAuth(tokens) => Written::Oauth {
                refresh: tokens.refresh.expose(),
                access: tokens.access.expose(),
                // 0 is OpenCode's word for never.
                expires: tokens.expires_at_ms.unwrap_or(0),
                account_id: tokens.account_id.as_deref(),
                enterprise_url: tokens.enterprise_url.as_deref(),
            },
            Credential::WellKnown(known) => {
                Written::Wellknown { key: &known.variable, token: known.token.expose() }
            }
        }
    }
}

impl From<Credential> for Entry {
    fn from(credential: Credential) -> Self {
        Self { credential, metadata: IndexMap::new() }
    }
}

impl From<Read> for Entry {
    fn from(read: Read) -> Self {
        match read {
            Read::Api { key, metadata } => {
                Self { credential: Credential::ApiKey(key), metadata: metadata.unwrap_or_default() }
            }
            Read::Oauth { refresh, access, expires, account_id, enterprise_url } => {
                let expires_at_ms =
                    (expires > 0).then(|| i64::try_from(expires).unwrap_or(i64::MAX));
                Credential::OAuth(OAuth {
                    access,
                    refresh,
                    expires_at_ms,
                    account_id,
                    enterprise_url,
                })
                .into()
            }
            Read::Wellknown { key, token } => {
                Credential::WellKnown(WellKnown { variable: key, token }).into()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Entry;

    #[track_caller]
    fn check(value: &serde_json::Value, readable: bool) {
        let entry = Entry::from_value(value);
        assert_eq!(entry.is_some(), readable, "{value}");
        if let Some(entry) = entry {
            assert_eq!(&entry.to_value().unwrap(), value, "written as it was read");
            assert_eq!(Entry::from_bytes(&entry.to_bytes().unwrap()), Some(entry));
        }
    }

    #[test]
    fn reads_and_writes_each_type_of_opencode() {
        check(&json!({"type": "api", "key": "k"}), true);
        check(&json!({"type": "api", "key": "k", "metadata": {"resourceName": "r"}}), true);
        check(&json!({"type": "oauth", "refresh": "r", "access": "a", "expires": 0}), true);
        let full = json!({"type": "oauth", "refresh": "r", "access": "a", "expires": 1_772_359_200_000_u64,
            "accountId": "acc", "enterpriseUrl": "git.example.org"});
        check(&full, true);
        check(&json!({"type": "wellknown", "key": "CORP_TOKEN", "token": "t"}), true);
    }

    #[test]
    fn what_does_not_decode_is_no_entry() {
        check(&json!({"type": "api"}), false);
        check(&json!({"type": "api", "key": 5}), false);
        check(&json!({"type": "oauth", "refresh": "r", "access": "a", "expires": -1}), false);
        check(&json!({"type": "future", "key": "k"}), false);
        check(&json!({"key": "k"}), false);
        check(&json!("k"), false);
        check(&json!(null), false);
    }
}
