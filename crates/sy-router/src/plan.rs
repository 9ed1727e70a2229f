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
use sy_types::{ErrorKind, Failure, ProtocolId, Target};
use tokio::time::Instant;

use crate::answer::Attempted;
use crate::explain::shorten;

/// The word by which a caller asks for the default model, where no alias has that name.
const DEFAULT_WORD: &str = "default";
/// The longest name of a model, in bytes: names of real ones have under a hundred.
const NAME_LIMIT: usize = 512;
/// How much of a name is shown in errors and logs, in characters.
const SHOWN_LIMIT: usize = 80;
/// How alike an alias must be to a name that leads nowhere, from 0 to 1, to be proposed for it.
const ALIKE: f64 = 0.85;
/// The most targets of one plan.
const TARGET_LIMIT: usize = 32;
/// The most plans that are kept. Names come from callers, so there may be any number of them.
const PLAN_LIMIT: usize = 1024;
/// How much room kept plans may take, in bytes, and how much a target counts: it shares its largest
/// parts with the catalog.
const ROOM_LIMIT: usize = 2 << 20;
const TARGET_ROOM: usize = 1 << 10;
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
    /// How much the plans take, in bytes.
    room: usize,
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
        check_name(requested)?;
        let generation = grounds.catalog.generation();
        if let Some(plan) = self.kept(generation, grounds.config, requested, caller) {
            return Ok(plan);
        }
        let made = make(grounds, requested, caller);
        let plan = Arc::new(made.map_err(|failure| told(failure, grounds.config, requested))?);
        let room = requested.len() + plan.room();

        let mut shelf = self.shelf.write().unwrap_or_else(PoisonError::into_inner);
        let is_full = shelf.plans.len() >= PLAN_LIMIT || shelf.room + room > ROOM_LIMIT;
        if is_full || !shelf.is_of(generation, grounds.config) {
            let config = Some(Arc::clone(grounds.config));
            *shelf = Shelf { generation, config, ..Shelf::default() };
        }
        shelf.room += room;
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
        Some(failure) if plan.targets.is_empty() => Err(with_unusable_key(failure, credentials)),
        None if plan.targets.is_empty() => Err(Failure::bug("a plan was made of no name")),
        _ => Ok(plan),
    }
}

/// Refuses names that are none, before anything is done with them.
fn check_name(requested: &str) -> Result<(), Failure> {
    let fault = if requested.len() > NAME_LIMIT {
        format!(
            "expected at most {NAME_LIMIT} bytes, got {}: `{}`",
            requested.len(),
            shown_name(requested)
        )
    } else if !requested.is_empty() && requested.trim().is_empty() {
        "expected the name of a model, got a blank one; leave it out for the default model"
            .to_owned()
    } else {
        return Ok(());
    };
    Err(Failure::invalid(format!("model: {fault}")).with_param("model"))
}

/// Returns a name as errors and logs show it.
pub(crate) fn shown_name(requested: &str) -> String {
    let mut name = requested.to_owned();
    shorten(&mut name, SHOWN_LIMIT);
    name
}

/// Shortens the requested name in a failure, and proposes the aliases that are most like it.
fn told(mut failure: Failure, config: &Config, requested: &str) -> Failure {
    let requested = requested.trim();
    let shown = shown_name(requested);
    if shown != requested {
        let model = requested.split_once('/').map_or(requested, |(_, model)| model);
        let shortened = failure.message.replace(requested, &shown);
        failure.message = shortened.replace(model, &shown_name(model));
    }
    if failure.kind != ErrorKind::NotFound {
        return failure;
    }

    let likeness =
        |alias: &str| strsim::jaro_winkler(&alias.to_lowercase(), &requested.to_lowercase());
    let near = config.alias.keys().filter(|alias| likeness(alias) >= ALIKE);
    if let Some(alias) = near.max_by(|a, b| likeness(a).total_cmp(&likeness(b))) {
        failure.message.push_str(&format!("; or did you mean the alias `{alias}`?"));
    }
    failure
}

/// Adds to "there is none" that a key is there and cannot be used, as when the key that opens the vault was lost: without
/// that, one would look for the fault at the wrong place.
fn with_unusable_key(failure: Failure, credentials: &Credentials) -> Failure {
    if failure.kind != ErrorKind::NotFound {
        return failure;
    }
    let unusable = credentials
        .list()
        .into_iter()
        .find_map(|summary| Some((summary.provider, summary.problem?)));
    match unusable {
        Some((provider, problem)) => {
            let message = format!(
                "{}; the stored key of {provider} cannot be used: {problem}",
                failure.message
            );
            Failure { message, ..failure }
        }
        None => failure,
    }
}

impl Plan {
    /// Returns about how many bytes it takes.
    fn room(&self) -> usize {
        let skipped =
            self.skipped.iter().map(|skipped| skipped.message.len() + skipped.model.len());
        self.targets.len() * TARGET_ROOM + skipped.sum::<usize>()
    }

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
        rests: None,
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

    use super::{NAME_LIMIT, Name, Names, check_name, names, told};
    use sy_types::{ErrorKind, Failure, Side};

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
    fn names_that_are_none_are_refused() {
        for name in ["", "a/b", &"x".repeat(NAME_LIMIT)] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        for name in [" ", "\n", &"é".repeat(NAME_LIMIT)] {
            let failure = check_name(name).unwrap_err();
            assert!(failure.kind == ErrorKind::Invalid && failure.message.len() < 300, "{failure}");
        }
    }

    #[test]
    fn a_long_name_is_cut_and_a_like_alias_proposed() {
        let told = |requested: &str| {
            let text = format!("there is no model `{requested}`; did you mean `x/{requested}`?");
            told(Failure::new(ErrorKind::NotFound, Side::Caller, text), &config(), requested)
                .message
        };
        assert!(
            told("smrat").ends_with("; or did you mean the alias `smart`?"),
            "{}",
            told("smrat")
        );
        assert!(told("elephant").ends_with("`x/elephant`?"), "{}", told("elephant"));
        let long = told(&format!("a/{}", "b".repeat(400)));
        assert!(long.len() < 300 && long.contains(&"b".repeat(70)), "{long}");
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
