//! One resolved model → everything needed to call it, except the credential.
//!
//! Called by the catalog for each request. Puts the wire tables, the data and the configuration together. It neither checks
//! nor knows whether there is a key.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use serde_json::{Map, Value};
use sy_config::{HeaderText, ProviderOptions, Shape};
use sy_types::target::ReasoningRequest;
use sy_types::{
    Dialect, ErrorKind, Failure, Interleaved, ModelInfo, ProtocolId, Side, Target, Timeouts,
};
use url::Url;

use crate::address;
use crate::callable::NotCallable;
use crate::layers::Layers;
use crate::models_dev::lay_over;
use crate::provider::{Provider, Route};
use crate::resolve::Resolved;
use crate::suggest;
use crate::variants::body::fields;
use crate::wire_map::{
    OPENAI_CHAT, OPENAI_RESPONSES, Place, Speech, Wire, setting_of_option, wire,
};

/// Message fields in which earlier reasoning can be sent back.
const HISTORY_FIELDS: [&str; 4] =
    ["reasoning_content", "reasoning", "reasoning_details", "reasoning_text"];

/// Makes the target of a resolved model, in the caller's protocol where the place speaks it, else in its preferred one.
///
/// # Errors
/// `NotFound` when the model left the catalog since it was resolved; `Unsupported` when no protocol of ours reaches it, when
/// its address is unknown or lacks a variable, or when a configured header or field cannot be used.
pub(crate) fn target(
    layers: &Layers,
    resolved: &Resolved,
    caller: Option<ProtocolId>,
) -> Result<Target, Failure> {
    let gone = || {
        let message = format!("the model `{}` is not in the catalog any more", resolved.name());
        Failure::new(ErrorKind::NotFound, Side::Caller, message)
            .with_code("model_not_found")
            .with_param("model")
    };
    let provider = layers.provider(&resolved.provider).ok_or_else(gone)?;
    let model = if resolved.is_listed {
        let info = provider.models.get(&resolved.model).ok_or_else(gone)?;
        let route = provider.routes.get(&resolved.model).ok_or_else(gone)?;
        (Arc::clone(info), Cow::Borrowed(route))
    } else {
        unlisted(&provider, &resolved.model)
    };
    let build = Build::new(layers, &provider, model, resolved.variant.as_deref());
    build.target(caller)
}

/// Says whether a model can be called, keys apart. The empty name stands for any that is not
/// listed.
pub(crate) fn check(layers: &Layers, provider: &Provider, model: &str) -> Result<(), NotCallable> {
    Build::named(layers, provider, model).check()
}

/// Returns the protocols in which a model can be called, the preferred one first; none where it cannot.
pub(crate) fn protocols(
    layers: &Layers,
    provider: &Provider,
    model: &str,
) -> &'static [ProtocolId] {
    match Build::named(layers, provider, model).wire().speech {
        Speech::Speaks(protocols) => protocols,
        Speech::Missing(_) => &[],
    }
}

/// What is known of a model that nobody listed: its name. Where the provider has a list, the caller
/// is told.
fn unlisted<'a>(provider: &'a Provider, model: &str) -> (Arc<ModelInfo>, Cow<'a, Route>) {
    let near = suggest::models_of(provider, model);
    let notice = format!(
        "`{}/{model}` is not in the catalog, so it is passed on as it is and what it can do is \
         unknown{}",
        provider.row.id,
        suggest::did_you_mean(&near)
    );
    let info = ModelInfo {
        id: model.to_owned(),
        name: model.to_owned(),
        notice: (!provider.models.is_empty()).then(|| Arc::from(notice)),
        ..ModelInfo::default()
    };
    let route = Route { upstream: model.to_owned(), ..provider.unlisted.clone() };
    (Arc::new(info), Cow::Owned(route))
}

struct Build<'a> {
    layers: &'a Layers,
    provider: &'a Provider,
    info: Arc<ModelInfo>,
    route: Cow<'a, Route>,
    configured: Option<&'a ProviderOptions>,
    variant: Option<&'a str>,
}

impl<'a> Build<'a> {
    fn new(
        layers: &'a Layers,
        provider: &'a Provider,
        (info, route): (Arc<ModelInfo>, Cow<'a, Route>),
        variant: Option<&'a str>,
    ) -> Self {
        let section = layers.config.provider.get(&provider.row.id);
        let configured = section.map(|section| &section.options);
        Self { layers, provider, info, route, configured, variant }
    }

    /// Takes a model by its name, listed or not. The empty name stands for any that is not listed.
    fn named(layers: &'a Layers, provider: &'a Provider, model: &str) -> Self {
        let listed = provider.models.get(model).zip(provider.routes.get(model));
        let model = match listed {
            Some((info, route)) => (Arc::clone(info), Cow::Borrowed(route)),
            None => (Arc::new(ModelInfo::default()), Cow::Borrowed(&provider.unlisted)),
        };
        Self::new(layers, provider, model, None)
    }

    fn wire(&self) -> Wire {
        wire(Place {
            provider: &self.provider.row.id,
            npm: &self.route.npm,
            model: &self.route.upstream,
            reasons: self.info.capabilities.reasoning == Some(true),
        })
    }

    /// Says what is missing, without making anything of what is there.
    fn check(&self) -> Result<(), NotCallable> {
        let wire = self.wire();
        if let Speech::Missing(reason) = wire.speech {
            return Err(NotCallable::protocol(reason));
        }
        let (template, _) = self.address(&wire)?;
        self.base_url(&wire, &template).map(drop)
    }

    fn target(&self, caller: Option<ProtocolId>) -> Result<Target, Failure> {
        let wire = self.wire();
        let protocol = self.protocol(&wire, caller)?;
        let (template, is_configured) =
            self.address(&wire).map_err(|reason| self.not_callable(&reason))?;
        let base_url =
            self.base_url(&wire, &template).map_err(|reason| self.not_callable(&reason))?;

        Ok(Target {
            provider: Arc::from(self.provider.row.id.as_str()),
            model: Arc::from(self.info.id.as_str()),
            upstream_model: Arc::from(self.route.upstream.as_str()),
            protocol,
            base_url,
            auth: wire.auth(protocol),
            dialect: self.dialect(&wire, protocol)?,
            headers: self.headers(&wire)?,
            options: self.options(protocol),
            timeouts: self.timeouts(&wire),
            operator_configured: is_configured,
            info: Arc::clone(&self.info),
        })
    }

    fn protocol(&self, wire: &Wire, caller: Option<ProtocolId>) -> Result<ProtocolId, Failure> {
        let spoken = match wire.speech {
            Speech::Speaks(spoken) => spoken,
            Speech::Missing(reason) => {
                return Err(self.not_callable(&NotCallable::protocol(reason)));
            }
        };
        let preferred = spoken
            .first()
            .copied()
            .ok_or_else(|| Failure::bug("a row of the wire table is empty"))?;
        let asked_for_chat = self.configured.is_some_and(|options| {
            options.extra.get("useCompletionUrls") == Some(&Value::Bool(true))
        });
        if asked_for_chat && spoken.contains(&OPENAI_CHAT) {
            return Ok(OPENAI_CHAT);
        }
        let shape = self.route.shape.map(|shape| match shape {
            Shape::Completions => OPENAI_CHAT,
            Shape::Responses => OPENAI_RESPONSES,
        });
        if let Some(shape) = shape.filter(|shape| spoken.contains(shape)) {
            return Ok(shape);
        }
        // A mode of reasoning exists in the responses protocol only.
        let has_mode = self
            .route
            .options
            .get("reasoning")
            .is_some_and(|reasoning| reasoning.get("mode").is_some());
        if has_mode && spoken.contains(&OPENAI_RESPONSES) {
            return Ok(OPENAI_RESPONSES);
        }
        Ok(caller.filter(|caller| spoken.contains(caller)).unwrap_or(preferred))
    }

    /// Returns the template of the base URL, and whether the operator chose where it leads.
    fn address(&self, wire: &Wire) -> Result<(String, bool), NotCallable> {
        let own = self
            .configured
            .and_then(|options| options.base_url.as_ref())
            .filter(|url| !url.trim().is_empty());
        if let Some(own) = own {
            return Ok((own.clone(), true));
        }
        let template = match (&self.route.api, wire.base) {
            (Some(api), _) if !api.is_empty() => api.as_str(),
            (_, Some(base)) => base,
            (_, None) => return Err(NotCallable::no_address(&self.provider.row.id)),
        };
        // A server on this machine that the operator configured by name, or that the bundled snapshot lists, is one that
        // the operator runs.
        let is_own_server = address::is_near(template)
            && (self.provider.row.configured || self.is_bundled_address(template));
        Ok((
            template.to_owned(),
            self.route.api_is_configured || is_own_server || address::host_is_variable(template),
        ))
    }

    /// Fetched data are not trusted to lead into the private network.
    fn is_bundled_address(&self, template: &str) -> bool {
        let row = self.layers.bundled().row(&self.provider.row.id);
        row.is_some_and(|row| row.api.as_deref() == Some(template))
    }

    /// Fills and reads the base URL. What the headers need is missed here as well: it is told at
    /// once.
    fn base_url(&self, wire: &Wire, template: &str) -> Result<Url, NotCallable> {
        let headers = wire.headers.iter().map(|(_, template)| *template);
        let mut missing: Vec<String> = Vec::new();
        for name in std::iter::once(template).chain(headers).flat_map(address::placeholders) {
            if self.value_of(name).is_none() && !missing.iter().any(|known| known == name) {
                missing.push(name.to_owned());
            }
        }
        if !missing.is_empty() {
            return Err(NotCallable::settings(&self.provider.row.id, missing));
        }

        let filled = address::fill(template, |name| self.value_of(name))
            .map_err(|failure| NotCallable::address(failure.message))?;
        address::parse(&filled).map_err(|failure| NotCallable::address(failure.message))
    }

    /// Returns the value of a placeholder: from the provider's options, else from the environment.
    fn value_of(&self, name: &str) -> Option<&str> {
        let extra = self.configured.map(|options| &options.extra);
        let from_option = extra.into_iter().flatten().find_map(|(option, value)| {
            setting_of_option(option)?.contains(&name).then_some(value.as_str()).flatten()
        });
        from_option.or_else(|| self.layers.environment.get(name))
    }

    fn dialect(&self, wire: &Wire, protocol: ProtocolId) -> Result<Dialect, Failure> {
        let mut dialect = wire.dialect(protocol);
        let capabilities = &self.info.capabilities;
        dialect.temperature = capabilities.temperature != Some(false);
        if capabilities.reasoning == Some(false) || self.route.reasoning_param == Some(false) {
            dialect.reasoning_request = ReasoningRequest::None;
        } else if self.route.reasoning_param == Some(true)
            && dialect.reasoning_request == ReasoningRequest::None
        {
            dialect.reasoning_request = ReasoningRequest::Effort;
        }
        dialect.streaming = self.route.streaming.unwrap_or(dialect.streaming);
        match self.configured.and_then(|options| options.include_usage) {
            Some(true) => (dialect.stream_options, dialect.force_usage) = (true, true),
            Some(false) => dialect.stream_options = false,
            None => {}
        }
        if self.route.says_interleaved && dialect.reasoning_request != ReasoningRequest::Object {
            dialect.reasoning_history = self.reasoning_history(dialect.reasoning_history)?;
        }
        Ok(dialect)
    }

    /// Where the data say how reasoning goes back; a place that has a field of its own keeps it for `true`.
    fn reasoning_history(
        &self,
        usual: Option<&'static str>,
    ) -> Result<Option<&'static str>, Failure> {
        match &self.info.capabilities.interleaved {
            Interleaved::No => Ok(None),
            Interleaved::Yes => Ok(usual),
            Interleaved::Field(field) => {
                match HISTORY_FIELDS.into_iter().find(|known| known == field) {
                    Some(field) => Ok(Some(field)),
                    None => Err(self.unsupported(&format!(
                        "`interleaved` must be one of {}, got `{field}`",
                        HISTORY_FIELDS.join(", ")
                    ))),
                }
            }
        }
    }

    /// Headers of the tables, then of the provider's configuration, then of the model; later ones replace earlier ones.
    fn headers(&self, wire: &Wire) -> Result<Vec<(HeaderName, HeaderValue)>, Failure> {
        let mut headers: Vec<(HeaderName, HeaderValue)> = Vec::new();
        let mut put = |name: &str, text: &str, is_secret: bool| -> Result<(), Failure> {
            let unusable = |_| {
                self.unsupported(&format!("the extra header `{name}` is not a valid HTTP header"))
            };
            let key = HeaderName::from_bytes(name.as_bytes())
                .map_err(|error| unusable(error.to_string()))?;
            let mut value =
                HeaderValue::from_str(text).map_err(|error| unusable(error.to_string()))?;
            value.set_sensitive(is_secret);
            headers.retain(|(known, _)| *known != key);
            headers.push((key, value));
            Ok(())
        };
        for (name, template) in &wire.headers {
            let text = address::fill(template, |variable| self.value_of(variable))
                .map_err(|failure| self.about(&failure))?;
            put(name, &text, false)?;
        }
        let provider = self.configured.into_iter().flat_map(|options| &options.headers);
        for (name, text) in provider.chain(&self.route.headers) {
            match text {
                HeaderText::Plain(plain) => put(name, plain, false)?,
                HeaderText::Secret(secret) => put(name, secret.expose(), true)?,
            }
        }
        Ok(headers)
    }

    /// Body fields: those of the provider, over them those of the model, over them those of the variant.
    fn options(&self, protocol: ProtocolId) -> Map<String, Value> {
        let is_body_field = |(option, _): &(&String, &Value)| setting_of_option(option).is_none();
        let provider =
            self.configured.into_iter().flat_map(|options| &options.extra).filter(is_body_field);
        let mut options: Map<String, Value> =
            provider.map(|(name, value)| (name.clone(), value.clone())).collect();
        lay_over(&mut options, &self.route.options);
        let variant = self.variant.and_then(|name| self.route.variants.get(name));
        if let Some(variant) = variant {
            lay_over(&mut options, variant);
        }
        fields(&options, protocol)
    }

    fn timeouts(&self, wire: &Wire) -> Timeouts {
        /// Stands for "no limit" where a limit must be named: longer than any exchange lasts.
        const FOREVER: Duration = Duration::from_secs(7 * 24 * 3600);
        let usual = Timeouts {
            total: wire.total_timeout_s.map(Duration::from_secs),
            ..Timeouts::default()
        };
        let Some(options) = self.configured else { return usual };
        let limit = |wanted: Option<sy_config::Limit>, usual: Duration| {
            wanted.map_or(usual, |limit| limit.duration().unwrap_or(FOREVER))
        };
        let first_byte = limit(options.header_timeout, usual.first_byte);
        let idle = limit(options.chunk_timeout, usual.idle);
        Timeouts {
            connect: usual.connect,
            first_byte,
            first_content: limit(options.first_content_timeout, first_byte.max(idle)),
            idle,
            total: options.timeout.map_or(usual.total, sy_config::Limit::duration),
        }
    }

    fn unsupported(&self, reason: &str) -> Failure {
        let name = format!("{}/{}", self.provider.row.id, self.info.id);
        let message = format!("`{name}` cannot be called: {reason}");
        Failure::new(ErrorKind::Unsupported, Side::Gateway, message).with_param("model")
    }

    fn not_callable(&self, reason: &NotCallable) -> Failure {
        self.unsupported(&reason.to_string())
    }

    fn about(&self, failure: &Failure) -> Failure {
        self.unsupported(&failure.message)
    }
}
