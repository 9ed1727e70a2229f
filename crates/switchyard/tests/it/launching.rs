//! `launch`: a client starts with a server, whether one runs or not.

use serde_json::json;

use crate::world::{World, answering, provider};

/// A client that asks the server as the SDKs do and prints what it was given.
const CLIENT: &str = r#"
printf '%s\n' "arguments: $*" "key: ${ANTHROPIC_API_KEY-none}" "model: $ANTHROPIC_MODEL"
exec 3<>"/dev/tcp/127.0.0.1/${ANTHROPIC_BASE_URL##*:}"
body='{"model":"'"$ANTHROPIC_MODEL"'","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}'
printf '%s\r\n' "POST /v1/messages HTTP/1.1" "host: 127.0.0.1" "authorization: Bearer $ANTHROPIC_AUTH_TOKEN" \
  "content-type: application/json" "connection: close" "content-length: ${#body}" "" >&3
printf '%s' "$body" >&3
cat <&3
exit 7
"#;

fn world(url: &str) -> World {
    let world = World::new().with("ANTHROPIC_API_KEY", "sk-of-the-user");
    world.configure(&json!({
        "model": "fake/m",
        "server": {"port": 0},
        "retry": {"maxRetries": 0},
        "provider": {"fake": provider(url)},
    }));
    world.write("project/tools/claude", &format!("#!/bin/bash\n{CLIENT}"));
    world
}

fn launch(world: &World, line: &str) -> crate::world::Outcome {
    world.bash(&format!("chmod +x tools/claude; PATH=$PWD/tools:$PATH; switchyard launch {line}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_without_a_server_gets_one_that_ends_with_it() {
    let upstream = answering(1).await;
    let world = world(&upstream.url());

    let outcome = launch(&world, "claude -- --print 'two words'");
    assert_eq!(outcome.code, Some(7), "the client's own code: {outcome:#?}");
    for expected in ["arguments: --print two words", "key: none", "model: fake/m", "200 OK", "w0"] {
        assert!(outcome.out.contains(expected), "{expected}: {outcome:#?}");
    }

    // Nothing stays: no token, no record of a server.
    assert!(!world.path("home/state/token").exists());
    assert!(!world.path("home/state/server.json").exists());
}

#[test]
fn what_cannot_be_launched_is_told() {
    let world = World::new();
    assert!(launch(&world, "claude").bad(1).contains("switchyard auth login"));

    let world = World::new().with("ANTHROPIC_API_KEY", "sk-of-the-user");
    let missing = world.run(&["launch", "codex"]).bad(1);
    assert!(missing.contains("npm install -g @openai/codex"), "{missing}");
    let unknown = world.run(&["launch", "no-such-program"]).bad(1);
    assert!(unknown.contains("no-such-program") && unknown.contains("opencode"), "{unknown}");
}
