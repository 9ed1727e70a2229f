//! `models`: lines that people read and programs search.

use serde_json::{Value, json};

use crate::world::{World, provider};

#[test]
fn without_a_provider_the_next_step_is_said() {
    let outcome = World::new().run(&["models"]);
    assert!(outcome.err.contains("switchyard auth login"), "{outcome:?}");
    assert_eq!(outcome.good(), "");
}

#[test]
fn connected_providers_are_listed_one_model_a_line() {
    let world = World::new().with("NVIDIA_API_KEY", "nvapi-x").with("GEMINI_API_KEY", "AIza-x");
    let out = world.run(&["models"]).good();
    assert!(
        out.lines().all(|line| line.starts_with("nvidia/") || line.starts_with("google/")),
        "{out}"
    );
    assert!(out.contains("nvidia/") && out.contains("google/gemini"), "{out}");
    let only = world.run(&["models", "google"]).good();
    assert!(
        only.lines().all(|line| line.starts_with("google/")) && only.lines().count() > 5,
        "{only}"
    );
}

#[test]
fn a_search_covers_every_provider() {
    let world = World::new();
    let out = world.run(&["models", "--search", "sonnet 4.5"]).good();
    assert!(out.lines().count() <= 100 && out.contains("claude-sonnet-4-5"), "{out}");
    let only = world.run(&["models", "anthropic", "--search", "sonnet"]).good();
    assert!(!only.is_empty() && only.lines().all(|line| line.starts_with("anthropic/")), "{only}");
    let none = world.run(&["models", "--search", "zzqqxxyyzz"]);
    assert!(none.err.contains("no model matches"), "{none:?}");
    assert_eq!(none.good(), "");
}

#[test]
fn an_unknown_provider_has_an_exit_code_of_its_own() {
    for arguments in [&["models", "nobody"][..], &["models", "nobody", "--search", "x"]] {
        let err = World::new().run(arguments).bad(5);
        assert!(err.contains("there is no provider \"nobody\""), "{err}");
    }
}

#[test]
fn verbose_and_json_tell_more() {
    let world = World::new().with("ANTHROPIC_API_KEY", "sk-x");
    let table = world.run(&["models", "anthropic", "--verbose"]).good();
    assert!(table.starts_with("MODEL ") && table.contains("tools,reasoning"), "{table}");
    let Value::Array(models) = world.run(&["models", "anthropic", "--json"]).json() else {
        panic!("expected a list")
    };
    let model = models
        .iter()
        .find(|model| model["id"] == "anthropic/claude-sonnet-4-5")
        .expect("the model");
    assert_eq!((&model["connected"], &model["tool_call"]), (&json!(true), &json!(true)), "{model}");
    assert!(model["limit"]["context"].as_u64().is_some_and(|tokens| tokens >= 200_000), "{model}");
    assert_eq!(World::new().run(&["models", "--json"]).json(), json!([]));
}

#[test]
fn a_models_description_is_shown() {
    let world = World::new();
    let mut mine = provider("http://127.0.0.1:9");
    mine["models"]["told"] = json!({"name": "Told", "description": "For haste"});
    world.configure(&json!({"provider": {"mine": mine}}));
    let table = world.run(&["models", "mine", "--verbose"]).good();
    assert!(table.contains("Told: For haste"), "{table}");
    let Value::Array(models) = world.run(&["models", "mine", "--json"]).json() else {
        panic!("expected a list")
    };
    assert!(models.iter().any(|model| model["description"] == "For haste"), "{models:?}");
}

#[test]
fn configured_models_are_there_too() {
    let world = World::new();
    world.configure(&json!({"provider": {"mine": provider("http://127.0.0.1:9")}}));
    assert_eq!(world.run(&["models"]).good(), "mine/m\n");
}

#[test]
fn a_refresh_that_cannot_be_says_why() {
    let err = World::new().run(&["models", "--refresh"]).bad(1);
    assert!(err.contains("SWITCHYARD_OFFLINE"), "{err}");
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    let outcome = World::new().bash("set -o pipefail; switchyard models --all | head -1");
    assert_eq!((outcome.code, outcome.err.as_str(), outcome.out.lines().count()), (Some(0), "", 1));
    let full = World::new().bash("switchyard models --all > /dev/full");
    assert!(full.bad(1).contains("cannot write to standard output"));
}
