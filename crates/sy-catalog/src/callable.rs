//! Whether a provider can be called at all, keys apart, and if not, what to do about it.
//!
//! Asked by sign-in, by `models` and by the choice of a default model. It looks at protocol,
//! address and settings only: a provider without a key is callable, it is just not connected.

use std::fmt;

use crate::layers::Layers;
use crate::provider::Provider;
use crate::target;
use crate::wire_map::option_of_setting;

/// What a provider lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lack {
    /// A protocol or a way to sign in that is not supported yet. The user cannot mend it.
    Protocol,
    /// These variables, or the options that stand for them: an account, a region, a resource.
    Settings(Vec<String>),
    /// A base URL that can be used.
    Address,
}

/// Why a provider cannot be called. Displays as the fault and, behind a colon, its fix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotCallable {
    /// What it lacks.
    pub lack: Lack,
    /// What is wrong, as a clause without a full stop: `the Cohere v2 chat protocol is not
    /// supported yet`.
    pub fault: String,
    /// What to do, as a clause: a variable to set, a command to run. `None` where nothing helps but
    /// another version.
    pub help: Option<String>,
}

impl fmt::Display for NotCallable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.help {
            Some(help) => write!(f, "{}: {help}", self.fault),
            None => f.write_str(&self.fault),
        }
    }
}

impl NotCallable {
    pub(crate) fn protocol(reason: &str) -> Self {
        Self { lack: Lack::Protocol, fault: reason.to_owned(), help: None }
    }

    pub(crate) fn no_address(provider: &str) -> Self {
        let help = format!("set provider.{provider}.options.baseURL");
        Self { lack: Lack::Address, fault: "its address is not known".to_owned(), help: Some(help) }
    }

    /// Some other fault of the address or of what is sent to it.
    pub(crate) fn address(fault: impl Into<String>) -> Self {
        Self { lack: Lack::Address, fault: fault.into(), help: None }
    }

    /// The provider needs these variables, and none has a value.
    pub(crate) fn settings(provider: &str, variables: Vec<String>) -> Self {
        let options: Vec<String> = variables
            .iter()
            .filter_map(|name| option_of_setting(name))
            .map(|option| {
                format!("`switchyard config set provider.{provider}.options.{option} VALUE`")
            })
            .collect();
        let set = format!("set {}", variables.join(" and "));
        let help = match options.as_slice() {
            [] => set,
            options => format!("{set}, or run {}", options.join(" and ")),
        };

        let fault = match variables.as_slice() {
            [only] => format!("its address needs {only}, which is not set"),
            several => format!("its address needs {}, which are not set", several.join(" and ")),
        };
        Self { lack: Lack::Settings(variables), fault, help: Some(help) }
    }
}

/// Returns why no model of a provider can be called; `Ok` when at least one can. Of several reasons
/// the one that the user can do something about is told.
pub(crate) fn check(layers: &Layers, provider: &Provider) -> Result<(), NotCallable> {
    let mut told: Option<NotCallable> = None;
    for model in provider.models.keys() {
        let Err(reason) = target::check(layers, provider, model) else { return Ok(()) };
        if told.as_ref().is_none_or(|told| told.help.is_none() && reason.help.is_some()) {
            told = Some(reason);
        }
    }

    // A provider without models may have some that nobody listed.
    told.map_or_else(|| target::check(layers, provider, ""), Err)
}
