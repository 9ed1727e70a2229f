//! Adds a server by its address: reads which models it has, writes it into the user's
//! configuration, stores its key.
//!
//! Nothing is written before the server has answered with a list of models.

use std::sync::Arc;

use anyhow::{Result, anyhow};
use serde_json::json;
use sy_catalog::LocalServer;
use sy_config::Config;
use sy_credentials::Credential;
use sy_server::Local;
use sy_types::{ErrorKind, Failure, Secret, Side};
use url::Url;

use super::{key, login};
use crate::cli::Login;
use crate::context::Context;
use crate::exit::Usage;
use crate::local_servers;
use crate::output;

/// The package whose protocol such servers speak.
const PACKAGE: &str = "@ai-sdk/openai-compatible";
/// The model by which a server is asked for its models before any is known.
const PLACEHOLDER: &str = "placeholder";
/// Ends of an address that was copied from an example call.
const CALLS: [&str; 4] = ["/chat/completions", "/completions", "/models", "/embeddings"];

/// A server that answered.
struct Endpoint {
    base_url: String,
    models: Vec<String>,
    /// The parts, with the server as a provider.
    local: Local,
}

/// Asks a person for the address.
pub(super) fn ask_address() -> Result<String> {
    let check = |text: &String| base_urls(text).map(|_| ()).map_err(|error| error.to_string());
    let input = cliclack::input("Its address").placeholder("http://127.0.0.1:8000/v1");
    Ok(input.validate(check).interact()?)
}

/// Adds the server at an address.
pub(super) async fn add(
    arguments: &Login,
    url: &str,
    local: &Local,
    context: &Context,
) -> Result<()> {
    let candidates = base_urls(url)?;
    let config = context.load()?.config;
    let id = name(arguments, &candidates, local, &config)?;

    let mut found = find(&id, &candidates, None, context).await;
    let key = match &found {
        // A list that comes without a key says little: a gateway may want one for everything else.
        Ok(_) if output::is_interactive() => key::read("API key (empty for none)")?,
        Ok(_) => key::read("")?,
        Err(failure) if wants_key(failure) => Some(key::read_required(&id)?),
        Err(_) => None,
    };
    if let (Some(key), Err(failure)) = (&key, &found)
        && wants_key(failure)
    {
        found = find(&id, &candidates, Some(key), context).await;
    }
    let found = found.map_err(|failure| unusable(url, &failure))?;

    let standing = match &key {
        Some(key) => {
            let credential = Credential::ApiKey(key.clone());
            let account = arguments.account.as_deref();
            let lease = found.local.credentials().candidate(&id, account, credential)?;
            Some(key::try_out(&found.local, &id, &lease, arguments.force).await?)
        }
        None => None,
    };
    save(&id, &found, &config, context)?;
    if let (Some(key), Some(standing)) = (key, standing) {
        login::say_what_changes(
            &local.credentials().list_of(&id, &[]),
            arguments.account.as_deref(),
        );
        login::store(arguments, &id, Credential::ApiKey(key), &standing, &found.local)?;
    }
    output::note(&format!(
        "`switchyard models {id}` lists its models; `switchyard run -m {id}/{} \"hello\"` asks one",
        found.models.first().map_or("MODEL", String::as_str)
    ));
    Ok(())
}

/// Writes the server into the user's configuration.
fn save(id: &str, found: &Endpoint, config: &Config, context: &Context) -> Result<()> {
    let server = LocalServer {
        id: id.to_owned(),
        name: id.to_owned(),
        base_url: found.base_url.clone(),
        npm: PACKAGE.to_owned(),
        models: found.models.clone(),
    };
    let file = context.user_file();
    let added = local_servers::add(&server, config.provider.get(id), &file)?;
    output::note(&match added {
        0 => format!("provider {id} has {} already, with all of its models", found.base_url),
        1 => format!("added {} as provider {id} with 1 model", found.base_url),
        count => format!("added {} as provider {id} with {count} models", found.base_url),
    });
    output::note(&format!("it is written in {}", file.display()));
    Ok(())
}

/// Asks each candidate for its models, and takes the first that has some.
async fn find(
    id: &str,
    candidates: &[String],
    key: Option<&Secret>,
    context: &Context,
) -> Result<Endpoint, Failure> {
    let _asking = output::progress("asking for its models");
    let mut first = None;
    for base_url in candidates {
        match ask(id, base_url, key, context).await {
            Ok((local, models)) if !models.is_empty() => {
                return Ok(Endpoint { base_url: base_url.clone(), models, local });
            }
            Ok(_) => {
                let text = format!("{base_url}/models lists no models: load one, then try again");
                first.get_or_insert(Failure::provider(ErrorKind::NotFound, text));
            }
            // What a server wants a key for is there; another address is not asked.
            Err(failure) if wants_key(&failure) => return Err(failure),
            Err(failure) => {
                first.get_or_insert(failure);
            }
        }
    }
    Err(first.unwrap_or_else(|| Failure::bug("no address was asked")))
}

async fn ask(
    id: &str,
    base_url: &str,
    key: Option<&Secret>,
    context: &Context,
) -> Result<(Local, Vec<String>), Failure> {
    let block = json!({
        "npm": PACKAGE,
        "options": {"baseURL": base_url},
        "models": {PLACEHOLDER: {}},
    });
    let trial = context
        .with_provider(id, block)
        .and_then(|composed| Ok(sy_server::local(composed)?))
        .map_err(|error| Failure::bug(format!("{error:#}")))?;
    let lease = match key {
        Some(key) => {
            let candidate =
                trial.credentials().candidate(id, None, Credential::ApiKey(key.clone()));
            Some(candidate.map_err(Failure::from)?)
        }
        None => None,
    };
    let models = trial.list_models(id, lease.as_ref().map(Arc::clone).as_ref()).await?;
    Ok((trial, models))
}

fn wants_key(failure: &Failure) -> bool {
    matches!(failure.status, Some(401 | 403))
}

fn unusable(url: &str, failure: &Failure) -> anyhow::Error {
    let message = format!(
        "no list of models came from {url}: {}; nothing was stored. Check the address (it \
         usually ends in /v1), or write the provider into the configuration by hand: docs/custom-providers.md",
        key::because(failure)
    );
    let side = if failure.status.is_some() { Side::Provider } else { failure.side };
    anyhow!(Failure::new(failure.kind, side, message))
}

/// Returns the base URLs that an address may mean, the likeliest first.
fn base_urls(address: &str) -> Result<Vec<String>> {
    let expected =
        |got: &str| Usage(format!("expected an address like http://127.0.0.1:8000/v1, got {got}"));
    let url = Url::parse(address.trim()).map_err(|_| expected(&format!("{address:?}")))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
        return Err(expected(&format!("{address:?}")).into());
    }
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() {
        let got = "one with a user name, a password or a query: a key is asked for on its own";
        return Err(expected(got).into());
    }

    let mut base = url.as_str().trim_end_matches('/');
    for call in CALLS {
        base = base.strip_suffix(call).unwrap_or(base);
    }
    let base = base.trim_end_matches('/').to_owned();
    let last = base.rsplit('/').next().unwrap_or_default();
    let has_version =
        last.strip_prefix('v').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    Ok(match has_version {
        true => vec![base],
        false => vec![format!("{base}/v1"), base],
    })
}

/// Returns the id under which the server is added: the one it has already, the one that was asked
/// for, or one made of the address.
fn name(
    arguments: &Login,
    candidates: &[String],
    local: &Local,
    config: &Config,
) -> Result<String> {
    let is_at = |id: &str| {
        let address =
            config.provider.get(id).and_then(|section| section.options.base_url.as_deref());
        address.is_some_and(|url| candidates.iter().any(|known| known == url.trim_end_matches('/')))
    };
    if let Some(name) = &arguments.name {
        return free_name(name, local, is_at(name)).map_err(|reason| Usage(reason).into());
    }
    if let Some(id) = config.provider.keys().find(|id| is_at(id)) {
        return Ok(id.clone());
    }

    let made = made_name(candidates);
    let suggested = (1..100)
        .map(|n| if n == 1 { made.clone() } else { format!("{made}-{n}") })
        .find(|name| free_name(name, local, false).is_ok())
        .unwrap_or(made);
    if !output::is_interactive() {
        return Ok(suggested);
    }
    let taken: Vec<String> = local.catalog().rows().into_iter().map(|row| row.id).collect();
    let check = move |text: &String| match text.trim() {
        "" => Ok(()),
        name if taken.iter().any(|id| id == name) => Err(format!("{name} is another provider")),
        name => well_formed(name),
    };
    let mut input = cliclack::input("A name for it").default_input(&suggested).validate(check);
    let name: String = input.interact()?;
    Ok(name.trim().to_owned())
}

fn free_name(name: &str, local: &Local, is_same: bool) -> Result<String, String> {
    well_formed(name)?;
    if !is_same && local.catalog().provider_id(name).is_some() {
        return Err(format!("{name} is another provider: choose another --name"));
    }
    Ok(name.to_owned())
}

fn well_formed(name: &str) -> Result<(), String> {
    let is_good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if !name.is_empty() && name.len() <= 60 && name.chars().all(is_good) {
        return Ok(());
    }
    Err(format!("expected a name of letters, digits, `-`, `_` and `.`, got {name:?}"))
}

/// Makes a name of a host: `local-8000`, `llm.example.org` gives `example`.
fn made_name(candidates: &[String]) -> String {
    let url = candidates.first().and_then(|url| Url::parse(url).ok());
    let Some(url) = url else { return "custom".to_owned() };
    let port = url.port().map(|port| format!("-{port}")).unwrap_or_default();
    if login::is_here(&url) {
        return format!("local{port}");
    }
    match url.host() {
        Some(url::Host::Domain(host)) => {
            let mut labels = host.rsplit('.');
            let (last, before) = (labels.next(), labels.next());
            before.or(last).unwrap_or("custom").to_owned()
        }
        Some(host) => format!("{}{port}", host.to_string().replace([':', '[', ']'], "-")),
        None => "custom".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{base_urls, made_name};

    #[track_caller]
    fn check(address: &str, expected: &[&str], name: &str) {
        let urls = base_urls(address).expect(address);
        assert_eq!(urls, expected, "{address}");
        assert_eq!(made_name(&urls), name, "{address}");
    }

    #[test]
    fn an_address_may_be_copied_from_anywhere() {
        check(
            "http://127.0.0.1:8000",
            &["http://127.0.0.1:8000/v1", "http://127.0.0.1:8000"],
            "local-8000",
        );
        check("http://localhost:8000/v1/", &["http://localhost:8000/v1"], "local-8000");
        check(
            "https://llm.example.org/v1/chat/completions",
            &["https://llm.example.org/v1"],
            "example",
        );
        check("https://a.test/api/v1/models", &["https://a.test/api/v1"], "a");
        check("http://192.168.1.7:1234/v1", &["http://192.168.1.7:1234/v1"], "192.168.1.7-1234");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for address in [
            "127.0.0.1:8000",
            "ftp://a.test",
            "http://",
            "https://key@a.test/v1",
            "https://a.test/v1?key=x",
        ] {
            assert!(base_urls(address).is_err(), "{address}");
        }
    }
}
