//! Which targets may answer a request, in which order.
//!
//! Called first by every request: a model name, an alias or nothing becomes a list of targets. Plans are kept for a moment,
//! because nearly every request names the same few models. It deliberately tries nothing: whether a target is cooling or
//! fails is for `retry`.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use sy_catalog::{Catalog, Connected, Provider, ProviderRow, Resolved};
use sy_config::Config;
use sy_credentials::{Credentials, Source};
use sy_types::{Failure, ProtocolId, Target};
use tokio::time::Instant;

use crate::answer::Attempted;

/// The word by which a caller asks for the default model, where no alias has that name.
const DEFAULT_WORD: &str = "default";
/// The most targets of one plan.
const TARGET_LIMIT: usize = 32;
/// The most plans that are kept. Names come from callers, so there may be any number of them.
const PLAN_LIMIT: usize = 1024;
/// How long a plan is kept: what a bare model name means depends on which providers have a key, and keys come and go
/// without a word to us.
const PLAN_TIME: Duration = Duration::from_secs(2);

/// One target of a plan.
#[derive(Debug)]
pub(crate) struct Planned {
    pub(crate) target: Arc<Target>,
    pub(crate) provider: Arc<Provider>,
}

/// The targets of a request, in order; at least one.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) targets: Vec<Planned>,
    /// Names of the chain that lead nowhere.
    pub(crate) skipped: Vec<Attempted>,
}

/// Makes plans and keeps them for a moment.
#[derive(Debug, Default)]
pub(crate) struct Planner {
    shelf: RwLock<Shelf>,
}

/// Plans of one state of catalog and configuration.
#[derive(Debug, Default)]
struct Shelf {
    generation: u64,
    config: Option<Arc<Config>>,
    plans: HashMap<String, Vec<Kept>>,
}

#[derive(Debug)]
struct Kept {
    caller: Option<ProtocolId>,
    made: Instant,
    plan: Arc<Plan>,
}

/// What a plan is made from.
#[derive(Clone, Copy)]
pub(crate) struct Grounds<'a> {
    pub(crate) catalog: &'a Catalog,
    pub(crate) credentials: &'a Credentials,
    pub(crate) config: &'a Arc<Config>,
}

impl Planner {
    /// Returns the plan for a model name as the caller wrote it. Places that speak the caller's protocol are called in it.
    ///
    /// # Errors
    /// The catalog's `NotFound` where no name of the chain leads anywhere, or its failure to name a default model.
    pub(crate) fn plan(
        &self,
        grounds: Grounds<'_>,
        requested: &str,
        caller: Option<ProtocolId>,
    ) -> Result<Arc<Plan>, Failure> {
        let generation = grounds.catalog.generation();
        if let Some(plan) = self.kept(generation, grounds.config, requested, caller) {
            return Ok(plan);
        }
        let plan = Arc::new(make(grounds, requested, caller)?);
        let mut shelf = self.shelf.write().unwrap_or_else(PoisonError::into_inner);
        if !shelf.is_of(generation, grounds.config) || shelf.plans.len() >= PLAN_LIMIT {
            *shelf = Shelf {
                generation,
                config: Some(Arc::clone(grounds.config)),
                plans: HashMap::new(),
            };
        }
        let kept = shelf.plans.entry(requested.to_owned()).or_default();
        kept.retain(|kept| kept.caller != caller);
        kept.push(Kept { caller, made: Instant::now(), plan: Arc::clone(&plan) });
        Ok(plan)
    }

    fn kept(
        &self,
        generation: u64,
        config: &Arc<Config>,
        requested: &str,
        caller: Option<ProtocolId>,
    ) -> Option<Arc<Plan>> {
        let shelf = self.shelf.read().unwrap_or_else(PoisonError::into_inner);
        if !shelf.is_of(generation, config) {
            return None;
        }
        let kept = shelf.plans.get(requested)?.iter().find(|kept| kept.caller == caller)?;
        (kept.made.elapsed() < PLAN_TIME).then(|| Arc::clone(&kept.plan))
    }
}

impl Shelf {
    fn is_of(&self, generation: u64, config: &Arc<Config>) -> bool {
        self.generation == generation
            && self.config.as_ref().is_some_and(|known| Arc::ptr_eq(known, config))
    }
}

/// Says which providers could be called now.
pub(crate) struct Linked<'a>(pub(crate) &'a Credentials);

impl Connected for Linked<'_> {
    fn is_connected(&self, row: &ProviderRow) -> bool {
        !row.needs_key || self.0.is_connected(&row.id, &row.env)
    }

    fn key_variable(&self, row: &ProviderRow) -> Option<String> {
        match &self.0.lease(&row.id, &row.env, None).ok()?.source {
            Source::Environment(name) => Some(name.clone()),
            Source::Configuration | Source::Vault | Source::OpenCode => None,
        }
    }
}

fn make(
    grounds: Grounds<'_>,
    requested: &str,
    caller: Option<ProtocolId>,
) -> Result<Plan, Failure> {
    let Grounds { catalog, credentials, config } = grounds;
    let linked = Linked(credentials);
    let mut plan = Plan { targets: Vec::new(), skipped: Vec::new() };
    let mut first_failure = None;
    let mut add = |name: &str, resolved: Result<Resolved, Failure>| {
        let reached = resolved.and_then(|resolved| catalog.target_for(&resolved, caller));
        match reached {
            Ok(target) => plan.add(catalog, target),
            Err(failure) => {
                plan.skipped.push(skipped(name, &failure));
                first_failure.get_or_insert(failure);
            }
        }
    };
    let names = names(config, requested);
    if names.is_default && names.chain.first().is_none_or(|first| first.is_fallback) {
        add(DEFAULT_WORD, catalog.default_model(&linked));
    }
    for name in names.chain.iter().take(TARGET_LIMIT) {
        add(&name.text, catalog.resolve(&name.text, &linked));
    }
    match first_failure {
        Some(failure) if plan.targets.is_empty() => Err(failure),
        None if plan.targets.is_empty() => Err(Failure::bug("a plan was made of no name")),
        _ => Ok(plan),
    }
}

impl Plan {
    fn add(&mut self, catalog: &Catalog, target: Arc<Target>) {
        let is_known = self.targets.iter().any(|known| {
            known.target.provider == target.provider
                && known.target.model == target.model
                && known.target.options == target.options
        });
        if is_known {
            return;
        }
        if let Some(notice) = &target.info.notice {
            tracing::info!(model = target.name(), "{notice}");
        }
        if let Some(provider) = catalog.provider(&target.provider) {
            self.targets.push(Planned { target, provider });
        }
    }
}

fn skipped(name: &str, failure: &Failure) -> Attempted {
    let (provider, model) = name.split_once('/').unwrap_or(("", name));
    Attempted {
        provider: Arc::from(provider),
        model: Arc::from(model),
        kind: failure.kind,
        message: failure.message.clone(),
    }
}

/// The concrete names that a requested name stands for.
#[derive(Debug, PartialEq, Eq)]
struct Names {
    /// Whether the default model is asked for.
    is_default: bool,
    chain: Vec<Name>,
}

#[derive(Debug, PartialEq, Eq)]
struct Name {
    text: String,
    /// Whether it only stands in for the default model.
    is_fallback: bool,
}

fn names(config: &Config, requested: &str) -> Names {
    let requested = requested.trim();
    let is_default = requested.is_empty()
        || (requested == DEFAULT_WORD && !config.alias.contains_key(requested));
    let mut chain = Vec::new();
    let mut add = |name: &str, is_fallback: bool| {
        let mut texts = Vec::new();
        expand(config, name, &mut Vec::new(), &mut texts);
        chain.extend(texts.into_iter().map(|text| Name { text, is_fallback }));
    };
    if is_default {
        if let Some(primary) = config.primary_model() {
            add(primary, false);
        }
        for fallback in &config.models.defaults.fallbacks {
            add(fallback, true);
        }
    } else {
        add(requested, false);
    }
    Names { is_default, chain }
}

/// Follows aliases. A name that comes up within its own alias is a model's: so an alias may have the name of a model.
fn expand<'a>(config: &'a Config, name: &'a str, within: &mut Vec<&'a str>, out: &mut Vec<String>) {
    if out.len() >= TARGET_LIMIT {
        return;
    }
    match config.alias.get(name) {
        Some(alias) if !within.contains(&name) => {
            within.push(name);
            for name in alias.names() {
                expand(config, name, within, out);
            }
            within.pop();
        }
        _ => out.push(name.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use sy_config::{Alias, Config};

    use super::{Name, Names, names};

    fn config() -> Config {
        let mut config = Config::default();
        let chain =
            |names: &[&str]| Alias::Chain(names.iter().map(|name| (*name).to_owned()).collect());
        config.alias.insert("fast".to_owned(), Alias::One("groq/llama".to_owned()));
        config.alias.insert("smart".to_owned(), chain(&["anthropic/opus", "fast", "openai/gpt"]));
        config.alias.insert("gpt".to_owned(), chain(&["gpt", "azure/gpt"]));
        config.alias.insert("round".to_owned(), chain(&["about", "x/y"]));
        config.alias.insert("about".to_owned(), Alias::One("round".to_owned()));
        config.models.defaults.fallbacks = vec!["fast".to_owned(), "x/y".to_owned()];
        config
    }

    #[track_caller]
    fn check(config: &Config, requested: &str, expected: &[&str], is_default: bool) {
        let chain = expected
            .iter()
            .map(|text| match text.strip_prefix('+') {
                Some(text) => Name { text: text.to_owned(), is_fallback: true },
                None => Name { text: (*text).to_owned(), is_fallback: false },
            })
            .collect();
        assert_eq!(names(config, requested), Names { is_default, chain }, "{requested}");
    }

    #[test]
    fn aliases_become_chains() {
        let config = config();
        check(&config, "a/b", &["a/b"], false);
        check(&config, " fast ", &["groq/llama"], false);
        check(&config, "smart", &["anthropic/opus", "groq/llama", "openai/gpt"], false);
        check(&config, "gpt", &["gpt", "azure/gpt"], false);
        check(&config, "round", &["round", "x/y"], false);
    }

    #[test]
    fn no_model_means_the_default_one_and_its_fallbacks() {
        let mut config = config();
        check(&config, "", &["+groq/llama", "+x/y"], true);
        config.models.defaults.primary = Some("p/q".to_owned());
        check(&config, "default", &["p/q", "+groq/llama", "+x/y"], true);
        config.model = Some("smart".to_owned());
        check(
            &config,
            "",
            &["anthropic/opus", "groq/llama", "openai/gpt", "+groq/llama", "+x/y"],
            true,
        );
        config.alias.insert("default".to_owned(), sy_config::Alias::One("d/d".to_owned()));
        check(&config, "default", &["d/d"], false);
    }
}
