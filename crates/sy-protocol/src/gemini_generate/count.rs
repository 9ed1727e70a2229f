//! The body of the token-counting call.
//!
//! Called for requests for a count, a client's own and those of other protocols. The call takes `contents` alone; whoever wants
//! instructions and tools counted puts the whole request into `generateContentRequest`, which names the model again. Other fields
//! beside `contents` are refused (ai.google.dev/api/tokens).

use bytes::Bytes;
use serde_json::{Map, Value};
use sy_types::{CallBody, Failure, Target};

use super::{naming, relay};
use crate::face::Outgoing;

/// The field that holds a whole request.
const WHOLE: &str = "generateContentRequest";

/// Puts the body of a request for an answer into the form of the call.
pub(super) fn body(mut fields: Map<String, Value>, target: &Target) -> Map<String, Value> {
    if is_bare(&fields) {
        return fields;
    }
    name_model(&mut fields, target);
    Map::from_iter([(WHOLE.to_owned(), Value::Object(fields))])
}

/// Makes the body out of a client's own. One that holds nothing but `contents` is shared, not rebuilt.
pub(super) fn relay(outgoing: &Outgoing<'_>) -> Result<CallBody, Failure> {
    outgoing.inbound.keep(outgoing.inbound.charge_translation()?);
    let fields: Map<String, Value> =
        crate::json::read(outgoing.inbound.body()).map_err(|error| {
            Failure::invalid(format!("the request body must be a JSON object: {error}"))
        })?;
    let mut fields = naming::camel_keys(fields);
    fields.retain(|name, value| name != "model" && (name != WHOLE || !value.is_null()));
    if is_bare(&fields) {
        return relay::relay(outgoing);
    }
    match fields.get_mut(WHOLE) {
        Some(Value::Object(whole)) => name_model(whole, outgoing.target),
        Some(_) => {}
        None => fields = body(fields, outgoing.target),
    }
    Ok(CallBody::from(Bytes::from(crate::json::write(&fields))))
}

fn is_bare(fields: &Map<String, Value>) -> bool {
    fields.keys().all(|name| name == "contents")
}

fn name_model(whole: &mut Map<String, Value>, target: &Target) {
    whole.insert("model".to_owned(), Value::from(naming::model_name(&target.upstream_model)));
}
