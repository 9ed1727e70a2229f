//! Embeddings.

use bytes::Bytes;
use serde_json::json;
use sy_testkit::{FakeUpstream, Script, Wire};
use sy_types::ErrorKind;

use crate::world::{Plot, bad, context, outcome};

#[tokio::test]
async fn a_body_is_relayed_with_the_models_name_along_the_chain() {
    let answer = json!({"object": "list", "data": [{"embedding": [0.1], "index": 0}], "usage": {"prompt_tokens": 9, "total_tokens": 9}});
    let (first, second) = (
        bad(Wire::Chat, 503, "busy").await,
        FakeUpstream::always(Script::json(200, answer.to_string())).await,
    );
    let world = Plot::new().provider("a", Wire::Chat, &first).provider("b", Wire::Chat, &second);
    let world = world.alias("vectors", &["a/m", "b/m"]).build();
    let body =
        Bytes::from(json!({"model": "vectors", "input": "hello", "dimensions": 8}).to_string());
    let embedded = world.router.embed(&context(), &body).await.unwrap();
    assert_eq!(
        (&embedded.body[..], &*embedded.trail.provider),
        (answer.to_string().as_bytes(), "b")
    );
    let seen = second.requests().remove(0);
    assert_eq!(
        (seen.path.as_str(), seen.header("authorization")),
        ("/v1/embeddings", "Bearer key-of-b-0123456789")
    );
    assert_eq!(seen.json(), json!({"model": "m", "input": "hello", "dimensions": 8}));
    let record = world.ear.only();
    assert_eq!((outcome(&record), record.usage.input, record.attempts), ("answered", 9, 2));
    assert!((record.cost_usd - 9e-6).abs() < 1e-12);
}

#[tokio::test]
async fn what_is_no_embeddings_request_is_refused() {
    let upstream = bad(Wire::Anthropic, 500, "no").await;
    let world = Plot::new().provider("a", Wire::Anthropic, &upstream).build();
    let check = async |body: &'static str, kind: ErrorKind| {
        let refused =
            world.router.embed(&context(), &Bytes::from_static(body.as_bytes())).await.unwrap_err();
        assert_eq!(refused.failure.kind, kind, "{body}");
    };
    check("[]", ErrorKind::Invalid).await;
    check(r#"{"model":"a/m","input":"x"}"#, ErrorKind::Unsupported).await;
    check(r#"{"model":"nowhere/m","input":"x"}"#, ErrorKind::NotFound).await;
    assert_eq!((upstream.hits(), world.ear.records().len()), (0, 3));
}
