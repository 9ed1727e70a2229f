//! What a fetched catalog may not change. The bundled snapshot is the pin.
//!
//! A catalog is fetched over the network, and keys follow its addresses. So a known provider stays
//! at the hosts that the snapshot has for it, never leaves https, and takes its key from the
//! variables that the snapshot names. A provider that only the fetched catalog has takes no
//! variable at all, neither as its key nor within its address: the user signs in, or names one in
//! the configuration. Everything here is pure; what differs is told by [`Difference`].

use std::fmt;

use serde_json::{Map, Value};

use crate::address::placeholders;
use crate::bundle::{Bundle, IndexRow};
use crate::wire_map::{OPENAI_COMPATIBLE, Place, wire};

/// Headers that say who calls or where to: a catalog does not set them.
const REFUSED_HEADERS: [&str; 11] = [
    "api-key",
    "authorization",
    "connection",
    "content-length",
    "cookie",
    "forwarded",
    "host",
    "proxy-authorization",
    "transfer-encoding",
    "x-api-key",
    "x-goog-api-key",
];

/// Something in the fetched catalog that is not used, because the bundled one does not vouch for
/// it. Displays as a sentence for the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The provider's id.
    pub provider: String,
    /// The model's id, where only a model differs.
    pub model: Option<String>,
    /// What differs.
    pub change: Change,
}

/// What a fetched catalog would change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Calls, and so keys, would go to another place. Empty where no address is known.
    Address {
        /// Where calls go.
        pinned: String,
        /// Where they would go.
        offered: String,
    },
    /// Other variables would be taken for keys or settings.
    Variables {
        /// Those that are used.
        pinned: Vec<String>,
        /// Those that would be used.
        offered: Vec<String>,
    },
    /// A new provider has an address that is not https, or that takes a variable in.
    NewAddress {
        /// The address.
        offered: String,
    },
    /// A new provider names variables.
    NewVariables {
        /// The variables.
        offered: Vec<String>,
    },
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = &self.provider;
        match &self.model {
            Some(model) => write!(f, "{id}/{model}: ")?,
            None => write!(f, "{id}: ")?,
        }
        match &self.change {
            Change::Address { pinned, offered } => write!(
                f,
                "the fetched catalog moves it from {} to {}; ignored, since a key would go there",
                or_unknown(pinned),
                or_unknown(offered)
            ),
            Change::Variables { pinned, offered } => write!(
                f,
                "the fetched catalog takes its key from {} instead of {}; ignored: to use another \
                 variable, set provider.{id}.env",
                list(offered),
                list(pinned)
            ),
            Change::NewAddress { offered } => write!(
                f,
                "a new provider at {offered}, which is not a plain https address; it is not \
                 used: set provider.{id}.options.baseURL to call it"
            ),
            Change::NewVariables { offered } => write!(
                f,
                "a new provider that wants {}; no variable is read for it: `switchyard auth login \
                 {id}` stores a key, provider.{id}.env names a variable",
                list(offered)
            ),
        }
    }
}

fn or_unknown(address: &str) -> &str {
    if address.is_empty() { "an unknown address" } else { address }
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}

/// Returns the package and the base URL that a provider has by the data, as far as both may be
/// believed.
pub(crate) fn package_and_address<'a>(
    id: &str,
    bundled: Option<&'a IndexRow>,
    fetched: Option<&'a IndexRow>,
) -> (Option<&'a str>, Option<&'a str>) {
    let of = |row: &'a IndexRow| (row.npm.as_deref(), row.api.as_deref());
    match (bundled, fetched) {
        (None, None) => (None, None),
        (Some(known), None) => of(known),
        (None, Some(new)) => {
            let (npm, api) = of(new);
            (npm, api.filter(|api| is_plain_https(api)))
        }
        (Some(known), Some(new)) => {
            let merged = merged(known, new);
            if stays(id, of(known), merged) { merged } else { of(known) }
        }
    }
}

fn merged<'a>(known: &'a IndexRow, new: &'a IndexRow) -> (Option<&'a str>, Option<&'a str>) {
    (new.npm.as_deref().or(known.npm.as_deref()), new.api.as_deref().or(known.api.as_deref()))
}

/// Returns the variables that a provider has by the data: those of the snapshot, none for a new
/// one.
pub(crate) fn variables(bundled: Option<&IndexRow>) -> Option<&[String]> {
    bundled.map(|row| row.env.as_slice())
}

/// Takes everything out of a fetched entry that leads a model elsewhere, or that says who calls.
pub(crate) fn hold(
    fetched: &mut Map<String, Value>,
    id: &str,
    known: Option<&Map<String, Value>>,
    (npm, api): (Option<&str>, Option<&str>),
) {
    let places = places(id, known, (npm, api));
    let models = fetched.get_mut("models").and_then(Value::as_object_mut);
    for (model, entry) in models.into_iter().flatten() {
        let Some(entry) = entry.as_object_mut() else { continue };
        if offered_place(id, model, entry, (npm, api)).is_some_and(|place| !places.has(&place)) {
            entry.remove("provider");
        }
        take_headers_out(entry);
    }
}

fn take_headers_out(model: &mut Map<String, Value>) {
    let modes = model
        .get_mut("experimental")
        .and_then(|experimental| experimental.get_mut("modes"))
        .and_then(Value::as_object_mut);
    for mode in modes.into_iter().flat_map(|modes| modes.values_mut()) {
        let headers = mode.get_mut("provider").and_then(|provider| provider.get_mut("headers"));
        if let Some(headers) = headers.and_then(Value::as_object_mut) {
            headers.retain(|name, _| {
                !REFUSED_HEADERS.contains(&name.trim().to_ascii_lowercase().as_str())
            });
        }
    }
}

/// Lists everything in the fetched catalog that is not believed. Decodes every fetched entry.
pub(crate) fn differences(bundled: &Bundle, fetched: &Bundle) -> Vec<Difference> {
    let mut found = Vec::new();
    for new in fetched.rows() {
        let known = bundled.row(&new.id);
        let mut add = |model: Option<&str>, change| {
            let model = model.map(str::to_owned);
            found.push(Difference { provider: new.id.clone(), model, change });
        };
        for change in row_changes(known, new) {
            add(None, change);
        }

        let row = package_and_address(&new.id, known, Some(new));
        let known_entry = known.and_then(|_| bundled.provider(&new.id));
        let places = places(&new.id, known_entry.as_ref(), row);
        let entry = fetched.provider(&new.id).unwrap_or_default();
        for (model, json) in entry.get("models").and_then(Value::as_object).into_iter().flatten() {
            let Some(json) = json.as_object() else { continue };
            let offered = offered_place(&new.id, model, json, row);
            if let Some(offered) = offered.filter(|place| !places.has(place)) {
                let pinned = place(&new.id, model, row).origin;
                add(Some(model), Change::Address { pinned, offered: offered.origin });
            }
        }
    }
    found
}

fn row_changes(known: Option<&IndexRow>, new: &IndexRow) -> Vec<Change> {
    let mut changes = Vec::new();
    let Some(known) = known else {
        if let Some(offered) = new.api.as_ref().filter(|api| !is_plain_https(api)) {
            changes.push(Change::NewAddress { offered: offered.clone() });
        }
        if !new.env.is_empty() {
            changes.push(Change::NewVariables { offered: new.env.clone() });
        }
        return changes;
    };

    let pinned = (known.npm.as_deref(), known.api.as_deref());
    let offered = merged(known, new);
    if !stays(&new.id, pinned, offered) {
        changes.push(Change::Address {
            pinned: place(&new.id, "", pinned).shown(),
            offered: place(&new.id, "", offered).shown(),
        });
    }
    if new.env.iter().any(|name| !known.env.contains(name)) {
        let (pinned, offered) = (known.env.clone(), new.env.clone());
        changes.push(Change::Variables { pinned, offered });
    }
    changes
}

/// Where calls go: scheme and authority as they are written, and the variables that the address
/// takes in.
#[derive(Clone, Debug, PartialEq, Eq)]
struct CallPlace {
    origin: String,
    variables: Vec<String>,
}

impl CallPlace {
    fn shown(&self) -> String {
        self.origin.clone()
    }
}

/// The places that a provider may have its models at.
struct Places(Vec<CallPlace>);

impl Places {
    fn has(&self, place: &CallPlace) -> bool {
        self.0.iter().any(|known| known.origin == place.origin)
            && place
                .variables
                .iter()
                .all(|name| self.0.iter().any(|known| known.variables.contains(name)))
    }
}

/// Collects the places of a provider: that of its row, and those of its models in the snapshot.
fn places(
    id: &str,
    known: Option<&Map<String, Value>>,
    row: (Option<&str>, Option<&str>),
) -> Places {
    let mut places = vec![place(id, "", row)];
    let known = known.and_then(|entry| entry.get("models")).and_then(Value::as_object);
    for (model, json) in known.into_iter().flatten() {
        let own = json.as_object().and_then(|json| offered_place(id, model, json, row));
        places.extend(own.filter(|own| !places.contains(own)));
    }
    Places(places)
}

/// Returns where a model's own word leads it; `None` where it says nothing of its own.
fn offered_place(
    id: &str,
    model: &str,
    json: &Map<String, Value>,
    (npm, api): (Option<&str>, Option<&str>),
) -> Option<CallPlace> {
    let own = json.get("provider")?.as_object()?;
    let text = |field: &str| own.get(field).and_then(Value::as_str);
    if text("npm").is_none() && text("api").is_none() {
        return None;
    }
    Some(place(id, model, (text("npm").or(npm), text("api").or(api))))
}

fn stays(
    id: &str,
    pinned: (Option<&str>, Option<&str>),
    offered: (Option<&str>, Option<&str>),
) -> bool {
    Places(vec![place(id, "", pinned)]).has(&place(id, "", offered))
}

/// Looks up where calls go. An address that can be read in two ways is no known one, since it is
/// compared as written.
fn place(id: &str, model: &str, (npm, api): (Option<&str>, Option<&str>)) -> CallPlace {
    let npm = npm.unwrap_or(OPENAI_COMPATIBLE);
    let wire = wire(Place { provider: id, npm, model, reasons: false });
    let address = api.filter(|api| !api.is_empty()).or(wire.base).unwrap_or_default();
    let mut variables: Vec<String> = placeholders(address).map(str::to_owned).collect();
    variables
        .extend(wire.headers.iter().flat_map(|(_, text)| placeholders(text)).map(str::to_owned));

    // A template that begins with a variable has its scheme and host in there.
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let scheme = address.split_once("://").map_or("", |(scheme, _)| scheme);
    let origin = match scheme {
        "" => authority.to_owned(),
        scheme => format!("{scheme}://{authority}"),
    };
    CallPlace { origin: origin.to_lowercase(), variables }
}

/// Returns true for an address that a new provider may have.
fn is_plain_https(address: &str) -> bool {
    let url = url::Url::parse(address).ok();
    let is_https = url.is_some_and(|url| {
        url.scheme() == "https"
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
    });
    is_https && placeholders(address).next().is_none()
}

#[cfg(test)]
mod tests;
