//! Where calls may not go.

use sy_testkit::{FakeUpstream, Script, Wire};
use sy_types::{ErrorKind, Side};

use serde_json::json;

use crate::world::{Plot, good};

#[tokio::test]
async fn a_redirect_is_a_failure_and_is_not_followed() {
    for status in [301, 302, 303, 307, 308] {
        let elsewhere = good(Wire::Chat).await;
        let script = Script::status(status)
            .header("location", &format!("{}/v1/x?token=canary", elsewhere.url()));
        let upstream = FakeUpstream::always(script).await;
        let world = Plot::new().provider("a", Wire::Chat, &upstream).build();
        let refused = world.ask(Wire::Chat, "a/m", false).await.unwrap_err();
        assert_eq!((refused.failure.kind, elsewhere.hits()), (ErrorKind::Malformed, 0));
        assert!(
            refused.failure.message.contains("redirect")
                && !refused.failure.message.contains("canary")
        );
    }
}

#[tokio::test]
async fn metadata_addresses_are_refused_even_where_configured() {
    let upstream = good(Wire::Chat).await;
    for host in [
        "169.254.169.254",
        "[fd00:ec2::254]",
        "metadata.google.internal",
        "[::ffff:169.254.169.254]",
    ] {
        let world = Plot::new()
            .provider("a", Wire::Chat, &upstream)
            .set("/provider/a/options/baseURL", json!(format!("http://{host}/v1")))
            .build();
        let refused = world.ask(Wire::Chat, "a/m", false).await.unwrap_err();
        assert_eq!(
            (refused.failure.kind, refused.failure.side),
            (ErrorKind::Forbidden, Side::Gateway),
            "{host}"
        );
    }
}
