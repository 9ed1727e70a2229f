//! `auth login`: signs in to a provider, adds a server that runs on this machine, or one at an
//! address.

use anyhow::{Result, anyhow};
use sy_catalog::{Lack, LocalServer, ProviderRow};
use sy_credentials::{Credential, DEFAULT_ACCOUNT, Listed, Source};
use sy_server::Local;
use sy_types::{ErrorKind, Failure, Side};
use url::{Host, Url};

use super::choose::{Choice, choose};
use super::{endpoint, key};
use crate::cli::Login;
use crate::context::Context;
use crate::local_servers;
use crate::output;

/// Where a person gets a key, of providers that many choose. The catalog does not have these pages.
const KEY_PAGES: [(&str, &str); 15] = [
    ("anthropic", "https://console.anthropic.com/settings/keys"),
    ("openai", "https://platform.openai.com/api-keys"),
    ("google", "https://aistudio.google.com/apikey"),
    ("openrouter", "https://openrouter.ai/settings/keys"),
    ("deepseek", "https://platform.deepseek.com/api_keys"),
    ("mistral", "https://console.mistral.ai/api-keys"),
    ("groq", "https://console.groq.com/keys"),
    ("xai", "https://console.x.ai"),
    ("zai", "https://z.ai/manage-apikey/apikey-list"),
    ("zai-coding-plan", "https://z.ai/manage-apikey/apikey-list"),
    ("moonshotai", "https://platform.moonshot.ai/console/api-keys"),
    ("cerebras", "https://cloud.cerebras.ai"),
    ("perplexity", "https://www.perplexity.ai/settings/api"),
    ("huggingface", "https://huggingface.co/settings/tokens"),
    ("opencode", "https://opencode.ai/auth"),
];

/// Runs the command.
pub(super) async fn run(arguments: &Login, local: &Local, context: &Context) -> Result<()> {
    if let Some(url) = arguments.provider.as_deref().filter(|typed| typed.contains("://")) {
        return endpoint::add(arguments, url, local, context).await;
    }
    if arguments.name.is_some() {
        let text = "--name is for a server at an address: `switchyard auth login URL --name NAME`";
        return Err(crate::exit::Usage(text.to_owned()).into());
    }

    let servers = {
        let _looking = output::progress("looking for local servers");
        local_servers::find(&context.inputs).await
    };
    let wanted = match &arguments.provider {
        Some(provider) => Choice::Named(provider.clone()),
        None => choose(local, &servers)?,
    };
    let wanted = match wanted {
        Choice::Named(wanted) => wanted,
        Choice::Other => {
            let url = endpoint::ask_address()?;
            return endpoint::add(arguments, &url, local, context).await;
        }
    };

    if let Some(server) = servers.iter().find(|server| *server.id == *wanted) {
        return add_server(server, context);
    }
    let id = local.catalog().provider_id(&wanted).ok_or_else(|| unknown(local, &wanted))?;
    sign_in(arguments, &id, local, context).await
}

/// Says that there is no such provider, and which names are near.
pub(super) fn unknown(local: &Local, wanted: &str) -> anyhow::Error {
    let typed = wanted.to_lowercase();
    let mut near: Vec<(usize, String)> = local
        .catalog()
        .rows()
        .into_iter()
        .map(|row| (strsim::damerau_levenshtein(&row.id.to_lowercase(), &typed), row.id))
        .filter(|(distance, id)| *distance <= 2 || (typed.len() > 2 && id.contains(&typed)))
        .collect();
    near.sort();
    let near: Vec<String> = near.into_iter().take(3).map(|(_, id)| format!("`{id}`")).collect();

    let advice = if near.is_empty() {
        "`switchyard auth login` lets you choose from all, `switchyard auth login URL` adds a \
         server by its address"
            .to_owned()
    } else {
        format!("did you mean {}?", near.join(", "))
    };
    let message = format!("there is no provider {wanted:?}: {advice}");
    anyhow!(Failure::new(ErrorKind::NotFound, Side::Caller, message))
}

/// Adds a server that was found on this machine.
fn add_server(server: &LocalServer, context: &Context) -> Result<()> {
    let config = context.load()?.config;
    let added = local_servers::add(server, config.provider.get(&server.id), &context.user_file())?;
    output::note(&match added {
        0 => format!(
            "{} at {} was connected before; it has no new models",
            server.name, server.base_url
        ),
        _ => format!("{} at {} is connected; new models: {added}", server.name, server.base_url),
    });
    Ok(())
}

/// Reads, checks and stores the key of a provider.
async fn sign_in(arguments: &Login, id: &str, local: &Local, context: &Context) -> Result<()> {
    let row = local.catalog().rows().into_iter().find(|row| row.id == *id);
    let row = row.ok_or_else(|| unknown(local, id))?;
    let account = arguments.account.as_deref();

    say_what_is_missing(id, local)?;
    say_what_changes(&local.credentials().list_of(id, &row.env), account);
    if output::is_interactive()
        && let Some((_, page)) = KEY_PAGES.iter().find(|(known, _)| known == &id)
    {
        output::note(&format!("keys are made at {page}"));
    }

    let credential = Credential::ApiKey(key::read_required(id)?);
    let lease = local.credentials().candidate(id, account, credential.clone())?;
    let standing = if is_offline(&row, context)? {
        key::offline()
    } else {
        key::try_out(local, id, &lease, arguments.force).await?
    };
    store(arguments, id, credential, &standing, local)?;
    output::note(&format!("`switchyard models {id}` lists its models"));
    Ok(())
}

/// Says what the provider lacks beside a key.
///
/// # Errors
/// Where no key helps: its protocol or its way to sign in is not supported.
fn say_what_is_missing(id: &str, local: &Local) -> Result<()> {
    let provider = local.catalog().provider(id);
    let Some(reason) = provider.as_ref().and_then(|provider| provider.callable().err()) else {
        return Ok(());
    };
    if reason.lack == Lack::Protocol {
        let message = format!("{id} cannot be called, with or without a key: {reason}");
        return Err(anyhow!(Failure::new(ErrorKind::Unsupported, Side::Gateway, message)));
    }
    output::warning(&format!("{id} cannot be called yet: {}", reason.fault));
    if let Some(help) = &reason.help {
        output::help(help);
    }
    Ok(())
}

/// Stores a key and says what is known of it.
pub(super) fn store(
    arguments: &Login,
    id: &str,
    credential: Credential,
    standing: &key::Standing,
    local: &Local,
) -> Result<()> {
    let (account, label) = (arguments.account.as_deref(), arguments.label.as_deref());
    let lease = local.credentials().candidate(id, account, credential.clone())?;
    let stored = local.credentials().put(id, account, credential, label)?;
    if let Some((verdict, status)) = standing.verdict() {
        local.credentials().note(id, &lease, verdict, status);
        local.save_outcomes();
    }

    if let Some(warning) = &stored.warning {
        output::warning(warning);
    }
    output::note(&format!("stored the key of {id} ({})", standing.remark()));
    Ok(())
}

/// Says what the new key replaces or stands beside.
pub(super) fn say_what_changes(keys: &[Listed], account: Option<&str>) {
    let account = account.unwrap_or(DEFAULT_ACCOUNT);
    for key in keys {
        let (masked, provider) = (&key.summary.masked, &key.summary.provider);
        match &key.summary.source {
            Source::Vault if key.summary.account == account => output::note(&format!(
                "replaces the stored key {masked} of {provider} (account {account})"
            )),
            Source::Configuration => output::warning(&format!(
                "provider.{provider}.options.apiKey in the configuration is used before a \
                 stored key: remove it there to use the new one"
            )),
            source @ (Source::OpenCode | Source::Environment(_))
                if key.is_used && account == DEFAULT_ACCOUNT =>
            {
                output::note(&format!("will be used instead of {masked} ({source})"));
            }
            Source::Vault | Source::OpenCode | Source::Environment(_) => {}
        }
    }
}

/// Returns true when the provider must not be called: `offline` was asked for and it is not on this
/// machine.
fn is_offline(row: &ProviderRow, context: &Context) -> Result<bool> {
    let config = context.load()?.config;
    if !config.catalog.offline {
        return Ok(false);
    }
    let own = config.provider.get(&row.id).and_then(|section| section.options.base_url.clone());
    let address = own.or_else(|| row.api.clone()).and_then(|address| Url::parse(&address).ok());
    Ok(!address.is_some_and(|address| is_here(&address)))
}

/// Returns true for an address of this machine.
pub(super) fn is_here(address: &Url) -> bool {
    match address.host() {
        Some(Host::Ipv4(host)) => host.is_loopback(),
        Some(Host::Ipv6(host)) => host.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    }
}
