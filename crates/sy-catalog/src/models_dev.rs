//! An entry of models.dev as the catalog reads it.
//!
//! Called with the JSON of one provider, already merged from the snapshot and the fetched copy; hands typed facts to
//! `assemble`. It is tolerant: unknown fields are ignored and a model that cannot be read is left out.

use indexmap::IndexMap;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use sy_types::model::Rates;
use sy_types::{Capabilities, Interleaved, Limits, Media, Price, Status};

/// One model as the data describe it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ModelEntry {
    pub(crate) name: Option<String>,
    pub(crate) family: Option<String>,
    pub(crate) release_date: Option<String>,
    attachment: Option<bool>,
    reasoning: Option<bool>,
    temperature: Option<bool>,
    tool_call: Option<bool>,
    structured_output: Option<bool>,
    interleaved: Option<Value>,
    modalities: Modalities,
    limit: Limit,
    pub(crate) cost: Map<String, Value>,
    status: Option<String>,
    pub(crate) reasoning_options: Option<Vec<ReasoningOption>>,
    pub(crate) provider: ModelProvider,
    pub(crate) experimental: Experimental,
}

/// How a model's reasoning can be steered.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum ReasoningOption {
    /// By a level; `null` is the literal level `none`.
    Effort {
        #[serde(default)]
        values: Vec<Option<String>>,
    },
    /// On or off.
    Toggle,
    /// By a number of tokens.
    BudgetTokens {
        #[serde(default, deserialize_with = "read_count")]
        min: Option<u64>,
        #[serde(default, deserialize_with = "read_count")]
        max: Option<u64>,
    },
    /// In a way that is newer than this program.
    #[serde(other)]
    Unknown,
}

/// Where a model differs from its provider.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ModelProvider {
    pub(crate) npm: Option<String>,
    pub(crate) api: Option<String>,
}

/// What is experimental: modes, each of which is a further model.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Experimental {
    pub(crate) modes: IndexMap<String, Mode>,
}

/// A mode of a model.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Mode {
    pub(crate) cost: Map<String, Value>,
    pub(crate) provider: ModeProvider,
}

/// What a mode adds to a request.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ModeProvider {
    pub(crate) body: Map<String, Value>,
    pub(crate) headers: IndexMap<String, String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Modalities {
    input: Vec<String>,
    output: Vec<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Limit {
    #[serde(deserialize_with = "read_count")]
    context: Option<u64>,
    #[serde(deserialize_with = "read_count")]
    input: Option<u64>,
    #[serde(deserialize_with = "read_count")]
    output: Option<u64>,
}

impl ModelEntry {
    /// Reads one model; `None` when it has a field of an impossible type.
    pub(crate) fn read(id: &str, json: &Value) -> Option<Self> {
        Self::deserialize(json)
            .inspect_err(|error| tracing::debug!(model = id, %error, "a model is left out"))
            .ok()
    }

    /// Returns what the model can do; what the data do not say stays unknown.
    pub(crate) fn capabilities(&self) -> Capabilities {
        let media = |words: &[String]| words.iter().filter_map(|word| Media::parse(word)).collect();
        Capabilities {
            temperature: self.temperature,
            reasoning: self.reasoning,
            attachment: self.attachment,
            tool_call: self.tool_call,
            structured_output: self.structured_output,
            input: media(&self.modalities.input),
            output: media(&self.modalities.output),
            interleaved: self.interleaved.as_ref().map_or(Interleaved::No, read_interleaved),
        }
    }

    /// Returns true when the data say whether reasoning is woven into messages.
    pub(crate) fn says_interleaved(&self) -> bool {
        self.interleaved.is_some()
    }

    /// Returns the token limits.
    pub(crate) fn limits(&self) -> Limits {
        Limits {
            context: self.limit.context.unwrap_or_default(),
            input: self.limit.input,
            output: self.limit.output.unwrap_or_default(),
        }
    }

    /// Returns where the model's life stands. A word that is newer than this program counts as active.
    pub(crate) fn status(&self) -> Status {
        match self.status.as_deref() {
            Some("alpha") => Status::Alpha,
            Some("beta") => Status::Beta,
            Some("deprecated") => Status::Deprecated,
            _ => Status::Active,
        }
    }
}

/// Reads a price table of the data.
pub(crate) fn read_price(cost: &Map<String, Value>) -> Price {
    let base = read_rates(cost, &Rates::default());
    let tiers = cost.get("tiers").and_then(Value::as_array).into_iter().flatten();
    let mut over: Vec<(u64, Rates)> = tiers
        .filter_map(|tier| {
            let rates = tier.as_object()?;
            let bound = rates.get("tier")?;
            let is_context = bound.get("type").and_then(Value::as_str) == Some("context");
            is_context.then_some((count(bound.get("size")?)?, read_rates(rates, &base)))
        })
        .collect();
    if over.is_empty()
        && let Some(rates) = cost.get("context_over_200k").and_then(Value::as_object)
    {
        over.push((200_000, read_rates(rates, &base)));
    }
    over.sort_by_key(|(size, _)| *size);
    Price { base, over }
}

fn read_rates(json: &Map<String, Value>, base: &Rates) -> Rates {
    let price = |field: &str| json.get(field).and_then(Value::as_f64);
    Rates {
        usd_per_million_input: price("input").unwrap_or(base.usd_per_million_input),
        usd_per_million_output: price("output").unwrap_or(base.usd_per_million_output),
        usd_per_million_cache_read: price("cache_read").or(base.usd_per_million_cache_read),
        usd_per_million_cache_write: price("cache_write").or(base.usd_per_million_cache_write),
    }
}

fn read_interleaved(json: &Value) -> Interleaved {
    let field = json.as_str().or_else(|| json.get("field").and_then(Value::as_str));
    match field {
        Some(field) => Interleaved::Field(field.to_owned()),
        None if json == &Value::Bool(true) => Interleaved::Yes,
        None => Interleaved::No,
    }
}

fn read_count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    Ok(Option::<Value>::deserialize(deserializer)?.as_ref().and_then(count))
}

/// Reads a count that may be written as a float.
fn count(json: &Value) -> Option<u64> {
    // A float to integer cast saturates, so nonsense becomes 0 or the largest count.
    json.as_u64().or_else(|| json.as_f64().map(|number| number as u64))
}

/// Lays one JSON object over another, field by field and into nested objects; lists are taken whole.
pub(crate) fn lay_over(base: &mut Map<String, Value>, over: &Map<String, Value>) {
    for (field, value) in over {
        match (base.get_mut(field), value) {
            (Some(Value::Object(below)), Value::Object(above)) => lay_over(below, above),
            (Some(below), _) => *below = value.clone(),
            (None, _) => {
                base.insert(field.clone(), value.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use sy_types::{Interleaved, Status};

    use super::{ModelEntry, ReasoningOption, lay_over, read_price};

    #[test]
    fn layers_merge_field_by_field() {
        let (Value::Object(mut base), Value::Object(over)) = (
            json!({"name": "old", "limit": {"context": 1, "output": 2}, "list": [1, 2]}),
            json!({"name": "new", "limit": {"output": 3}, "list": [4]}),
        ) else {
            panic!("objects")
        };
        lay_over(&mut base, &over);
        assert_eq!(
            Value::Object(base),
            json!({"name": "new", "limit": {"context": 1, "output": 3}, "list": [4]})
        );
    }

    #[test]
    fn what_is_not_said_stays_unknown() {
        let entry = ModelEntry::read("m", &json!({"id": "m", "limit": {"context": 1e5}})).unwrap();
        let capabilities = entry.capabilities();
        assert_eq!(
            (capabilities.tool_call, capabilities.temperature, capabilities.reasoning),
            (None, None, None)
        );
        assert_eq!(
            (entry.limits().context, entry.limits().output, entry.status()),
            (100_000, 0, Status::Active)
        );
        assert!(ModelEntry::read("m", &json!({"tool_call": "often"})).is_none());
    }

    #[test]
    fn interleaving_has_four_spellings() {
        let check = |value: Value, expected: Interleaved| {
            let entry = ModelEntry::read("m", &json!({"interleaved": value})).unwrap();
            assert_eq!(entry.capabilities().interleaved, expected);
        };
        check(json!(true), Interleaved::Yes);
        check(json!(false), Interleaved::No);
        check(json!("reasoning"), Interleaved::Field("reasoning".to_owned()));
        check(
            json!({"field": "reasoning_content"}),
            Interleaved::Field("reasoning_content".to_owned()),
        );
    }

    #[test]
    fn prices_have_tiers() {
        let check = |cost: Value, sizes: &[u64]| {
            let price = read_price(cost.as_object().unwrap());
            assert_eq!(price.over.iter().map(|(size, _)| *size).collect::<Vec<_>>(), sizes);
            price
        };
        check(json!({"input": 1, "output": 2}), &[]);
        let tier = |size: u64| json!({"input": 5, "tier": {"type": "context", "size": size}});
        let price = check(
            json!({"input": 1, "output": 2, "cache_read": 0.1, "tiers": [tier(272_000), tier(128_000)], "context_over_200k": {"input": 9}}),
            &[128_000, 272_000],
        );
        assert_eq!(price.over[0].1.usd_per_million_input, 5.0);
        assert_eq!(price.over[0].1.usd_per_million_output, 2.0);
        assert_eq!(price.over[0].1.usd_per_million_cache_read, Some(0.1));
        check(json!({"input": 1, "output": 2, "context_over_200k": {"input": 9}}), &[200_000]);
    }

    #[test]
    fn reasoning_options_of_a_newer_kind_are_kept_apart() {
        let entry = ModelEntry::read(
            "m",
            &json!({"reasoning_options": [{"type": "effort", "values": ["low", null]}, {"type": "budget_tokens", "min": 1024}, {"type": "mood"}]}),
        )
        .unwrap();
        assert_eq!(
            entry.reasoning_options.unwrap(),
            [
                ReasoningOption::Effort { values: vec![Some("low".to_owned()), None] },
                ReasoningOption::BudgetTokens { min: Some(1024), max: None },
                ReasoningOption::Unknown,
            ]
        );
    }
}
