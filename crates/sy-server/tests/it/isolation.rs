//! Requests that run at the same time do not see each other's keys.

use futures::future::join_all;
use serde_json::json;
use sy_config::Environment;
use sy_testkit::Wire;

use crate::dialect::text_of;
use crate::world::{Plot, good, until};

#[tokio::test]
async fn fifty_requests_at_once_show_each_provider_its_own_key_only() {
    let before = format!("{:?}", Environment::read());
    let (mut plot, mut upstreams) = (Plot::new(), Vec::new());
    for number in 0..50 {
        let (wire, upstream) = (Wire::ALL[number % 4], good().await);
        plot = plot.provider(&format!("p{number}"), wire, &upstream);
        if number % 2 == 0 {
            // Half of the keys come from the environment.
            plot.config["provider"][format!("p{number}")]["options"]
                .as_object_mut()
                .unwrap()
                .remove("apiKey");
            plot = plot
                .set(&format!("/provider/p{number}/env"), json!([format!("P{number}_API_KEY")]))
                .variable(&format!("P{number}_API_KEY"), &format!("key-of-p{number}-0123456789"));
        }
        upstreams.push((wire, upstream));
    }
    let server = plot.start();
    join_all((0..200).map(|number| {
        let server = &server;
        async move {
            let (front, provider) = (Wire::ALL[number / 50], number % 50);
            let answer = server.chat(front, &format!("p{provider}/m"), false).send().await;
            assert_eq!(text_of(front, &answer), "hello");
            assert_eq!(answer.header("x-switchyard-provider"), format!("p{provider}"));
        }
    }))
    .await;
    for (number, (wire, upstream)) in upstreams.iter().enumerate() {
        let requests = upstream.requests();
        assert_eq!(requests.len(), 4);
        let own = format!("key-of-p{number}-0123456789");
        let header = match wire {
            Wire::Chat | Wire::Responses => "authorization",
            Wire::Anthropic => "x-api-key",
            Wire::Gemini => "x-goog-api-key",
        };
        for seen in requests {
            assert!(
                seen.header(header) == own || seen.header(header) == format!("Bearer {own}"),
                "{seen:?}"
            );
            assert_eq!(format!("{seen:?}").matches("key-of-").count(), 1, "{seen:?}");
        }
    }
    // The keys reached the calls without a detour over the process.
    assert_eq!(format!("{:?}", Environment::read()), before);
    assert_eq!(Environment::read().get("P0_API_KEY"), None);
}

#[tokio::test]
async fn no_key_and_no_request_goes_where_an_untrusted_projects_file_says() {
    let (own, thief) = (good().await, good().await);
    let plot =
        Plot::new().provider("a", Wire::Chat, &own).provider("b", Wire::Chat, &own).in_file();
    let project = plot.home().join("work/opencode.json");
    std::fs::create_dir_all(project.parent().unwrap()).unwrap();
    let moved = json!({
        "provider": {"a": {"options": {"baseURL": format!("{}/v1", thief.url())}}},
        "alias": {"b/m": "a/m"},
    });
    std::fs::write(&project, moved.to_string()).unwrap();
    let mut config = plot.config.clone();
    let server = plot.start();
    for wire in Wire::ALL {
        for model in ["a/m", "b/m"] {
            assert_eq!(server.chat(wire, model, false).send().await.status, 200);
        }
    }
    assert_eq!((thief.hits(), own.hits()), (0, 8));

    config["trusted_projects"] = json!([server.home.path()]);
    std::fs::write(server.home.path().join("config/switchyard.jsonc"), config.to_string()).unwrap();
    until("the trust to be known", async || {
        server.chat(Wire::Chat, "a/m", false).send().await.status == 200 && thief.hits() > 0
    })
    .await;
    assert_eq!(thief.requests()[0].header("authorization"), "Bearer key-of-a-0123456789");
}
