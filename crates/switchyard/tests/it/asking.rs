//! `run`: a prompt goes out, an answer comes back, and an exit code says how it went.

use std::io::{BufRead, BufReader, Read};

use serde_json::{Value, json};
use sy_testkit::{End, FakeUpstream, Script, Wire};

use crate::world::{CANARY, Running, World, answering, provider, refusing};

#[tokio::test(flavor = "multi_thread")]
async fn prints_the_answer_and_ends_its_line() {
    let upstream = answering(3).await;
    let outcome =
        World::with_provider(&upstream).run(&["run", "-m", "fake/m", "say", "three", "words"]);
    assert_eq!((outcome.out.as_str(), outcome.err.as_str()), ("w0 w1 w2 \n", ""));
    assert_eq!(outcome.code, Some(0));
    let sent = upstream.requests()[0].json();
    assert_eq!(sent["messages"][0]["content"][0]["text"], "say three words", "{sent}");
}

#[tokio::test(flavor = "multi_thread")]
async fn carries_every_argument() {
    let upstream = answering(1).await;
    let world = World::with_provider(&upstream);
    let picture = world.write("project/dot.bin", "GIF89a-not-much-of-a-picture");
    world.write("project/notes.txt", "the notes");
    let arguments = [
        "run",
        "-m",
        "fake/m",
        "--system",
        "be brief",
        "--max-tokens",
        "77",
        "--temperature",
        "0.5",
    ];
    let files = ["--image", picture.to_str().expect("a path"), "--file", "notes.txt", "look"];
    world.run(&[&arguments[..], &files[..]].concat()).good();
    let sent = upstream.requests()[0].json();
    assert_eq!(
        (&sent["max_tokens"], &sent["temperature"], &sent["stream"]),
        (&json!(77), &json!(0.5), &json!(true))
    );
    assert!(sent["system"].to_string().contains("be brief"), "{sent}");
    let content = sent["messages"][0]["content"].as_array().expect("parts");
    assert_eq!(content[0]["source"]["media_type"], "image/gif", "{sent}");
    assert_eq!(content[1]["text"], "<file name=\"notes.txt\">\nthe notes\n</file>");
    assert_eq!(content[2]["text"], "look");
}

#[tokio::test(flavor = "multi_thread")]
async fn standard_input_is_the_prompt_or_a_part_of_it() {
    let upstream = answering(1).await;
    let world = World::with_provider(&upstream);
    let cases: [(&[&str], &str); 4] = [
        (&[], "a log\nof two lines"),
        (&["-"], "a log\nof two lines"),
        (&["explain this:", "-"], "explain this:\n\na log\nof two lines"),
        (&["explain", "this:"], "explain this:\n\na log\nof two lines"),
    ];
    for (number, (words, expected)) in cases.into_iter().enumerate() {
        world
            .run_with_input(&[&["run", "-m", "fake/m"], words].concat(), "a log\nof two lines\n")
            .good();
        let sent = upstream.requests()[number].json();
        assert_eq!(sent["messages"][0]["content"][0]["text"], expected, "{words:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn json_is_one_event_a_line() {
    let upstream = answering(2).await;
    let out = World::with_provider(&upstream)
        .run(&["run", "-m", "fake/m", "--format", "json", "hi"])
        .good();
    let events: Vec<Value> =
        out.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    assert_eq!(
        events[0],
        json!({"type": "start", "provider": "fake", "model": "m", "dropped": [], "failed_before": []})
    );
    let text: String = events
        .iter()
        .filter(|event| event["type"] == "text")
        .filter_map(|event| event["text"].as_str())
        .collect();
    assert_eq!(text, "w0 w1 ");
    assert_eq!(events.last().expect("an event"), &json!({"type": "finish", "reason": "stop"}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fallback_is_told() {
    let (limited, good) = (refusing(429, "slow down").await, answering(1).await);
    let world = World::new();
    world.configure(&json!({
        "provider": {"first": provider(&limited.url()), "second": provider(&good.url())},
        "alias": {"fast": ["first/m", "second/m"]},
    }));
    let outcome = world.run(&["run", "-m", "fast", "hi"]);
    assert_eq!(outcome.out, "w0 \n");
    assert_eq!(outcome.err.lines().last(), Some("first/m was rate limited; second/m answers"));

    let out = world.run(&["run", "-m", "fast", "--json", "hi"]).good();
    let start: Value = serde_json::from_str(out.lines().next().expect("a line")).expect("JSON");
    assert_eq!(start["provider"], "second", "{start}");
    let failed = &start["failed_before"][0];
    assert_eq!((&failed["provider"], &failed["code"]), (&json!("first"), &json!("rate_limited")));
    assert!(failed["message"].to_string().contains("slow down"), "{start}");

    let err = world.run(&["run", "--debug", "-m", "fast", "hi"]).err;
    for part in ["asking", "first/m", "call failed", "second/m"] {
        assert!(err.contains(part), "{part}: {err}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn words_come_as_the_model_says_them() {
    let begun = Script::events(Wire::Anthropic.begun(1)).end(End::Stall);
    let upstream = FakeUpstream::always(begun).await;
    let world = World::with_provider(&upstream);
    let mut running =
        Running(world.command(&["run", "-m", "fake/m", "hi"]).spawn().expect("the binary runs"));
    let mut first = [0; 3];
    let mut out = running.0.stdout.take().expect("standard output");
    tokio::task::spawn_blocking(move || out.read_exact(&mut first).map(|()| first))
        .await
        .expect("no panic")
        .map(|first| assert_eq!(&first, b"w0 "))
        .expect("the first word, though the answer never ends");
    // The provider's work ends with the process. (Not SIGINT: a test run in the background of a shell has it ignored.)
    let interrupted =
        std::process::Command::new("kill").args(["-TERM", &running.0.id().to_string()]).status();
    assert!(interrupted.expect("kill runs").success());
    upstream.until_left(0).await;
    assert!(!running.0.wait().expect("it ends").success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_leaves_ends_the_answer_quietly() {
    let words =
        Script::events(Wire::Anthropic.stream(400)).paced(std::time::Duration::from_millis(5));
    let upstream = FakeUpstream::always(words).await;
    let world = World::with_provider(&upstream);
    let mut running = Running(
        world
            .command(&["run", "-m", "fake/m", "--format", "json", "hi"])
            .spawn()
            .expect("the binary runs"),
    );
    let mut out = BufReader::new(running.0.stdout.take().expect("standard output"));
    let mut line = String::new();
    out.read_line(&mut line).expect("a line");
    drop(out);
    upstream.until_left(0).await;
    let mut err = String::new();
    running.0.stderr.take().expect("standard error").read_to_string(&mut err).expect("text");
    assert_eq!((running.0.wait().expect("it ends").code(), err.as_str()), (Some(0), ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn exit_codes_tell_scripts_what_happened() {
    let cases = [
        (401, 4, "switchyard auth login"),
        (403, 4, "switchyard auth login"),
        (404, 5, "switchyard models fake"),
        (429, 6, "wait"),
        (402, 6, "balance"),
        (500, 7, "try again"),
        (529, 7, "try again"),
        (400, 1, "no such luck (fake/m answered 400)"),
    ];
    for (status, code, next) in cases {
        let upstream = refusing(status, "no such luck").await;
        let err = World::with_provider(&upstream).run(&["run", "-m", "fake/m", "hi"]).bad(code);
        assert!(
            err.starts_with("error: ") && err.contains("no such luck") && err.contains(next),
            "{status}: {err}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_after_the_first_word_keeps_what_came() {
    let broken = Script::events(Wire::Anthropic.begun(2)).send(Wire::Anthropic.error_event());
    let upstream = FakeUpstream::always(broken).await;
    let world = World::with_provider(&upstream);
    let outcome = world.run(&["run", "-m", "fake/m", "hi"]);
    assert_eq!((outcome.out.as_str(), outcome.code), ("w0 w1 \n", Some(7)), "{outcome:?}");
    assert!(outcome.err.contains("the engine is overloaded"), "{outcome:?}");
    // A program that reads events learns it there, too.
    let outcome = world.run(&["run", "-m", "fake/m", "--format", "json", "hi"]);
    let last: Value =
        serde_json::from_str(outcome.out.lines().last().expect("a line")).expect("JSON");
    assert_eq!((outcome.code, last["type"].as_str()), (Some(7), Some("error")), "{outcome:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_cut_says_so() {
    let whole = Wire::Anthropic.stream(1);
    let cut =
        whole.iter().map(|frame| String::from_utf8_lossy(frame).replace("end_turn", "max_tokens"));
    let upstream = FakeUpstream::always(Script::events(cut.collect::<Vec<_>>())).await;
    let outcome = World::with_provider(&upstream).run(&["run", "-m", "fake/m", "hi"]);
    assert!(outcome.err.contains("--max-tokens"), "{outcome:?}");
    assert_eq!(outcome.good(), "w0 \n");
}

#[tokio::test(flavor = "multi_thread")]
async fn fallback_goes_on_to_the_next_model_of_an_alias() {
    let limited = refusing(429, "too many").await;
    let well = answering(1).await;
    let world = World::new();
    world.configure(&json!({
        "retry": {"maxRetries": 0},
        "alias": {"smart": ["first/m", "second/m"]},
        "provider": {"first": provider(&limited.url()), "second": provider(&well.url())},
    }));
    assert_eq!(world.run(&["run", "-m", "smart", "--fallback", "hi"]).good(), "w0 \n");
    assert_eq!((limited.hits(), well.hits()), (1, 1));
}

#[test]
fn what_cannot_be_asked_is_refused_before_anything_is_sent() {
    let world = World::new();
    world.configure(&json!({"provider": {"fake": provider("http://127.0.0.1:9")}}));
    world.write("project/bytes", "\u{0}");
    std::fs::write(world.path("project/bytes"), [0xC0, 0xFF, 0x00]).expect("written");
    let cases: [(&[&str], i32, &str); 10] = [
        (&["-m", "fake/m:nope", "hi"], 5, "the model `fake/m` has no variant `nope`"),
        (&["-m", "nobody/nothing", "hi"], 5, "there is no model"),
        (&["-m", "anthropic/claude-sonnet-4-5", "hi"], 4, "switchyard auth login anthropic"),
        (&["-m", "fake/m"], 2, "the prompt is empty"),
        (&["-m", "fake/m", " "], 2, "the prompt is empty"),
        (&["-m", "fake/m", "--temperature", "hot", "hi"], 2, "expected a number from 0 to 2"),
        (&["-m", "fake/m", "--max-tokens", "0", "hi"], 2, "max-tokens"),
        (&["-m", "fake/m", "--file", "nowhere", "hi"], 1, "cannot send nowhere"),
        (&["-m", "fake/m", "--file", ".", "hi"], 2, "expected a file"),
        (&["-m", "fake/m", "--file", "bytes", "hi"], 1, "expected UTF-8 text"),
    ];
    for (arguments, code, words) in cases {
        let err = world.run_with_input(&[&["run"], arguments].concat(), "").bad(code);
        assert!(err.contains(words), "{arguments:?}: {err}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn debug_logs_what_is_decided_and_no_secret() {
    let upstream = refusing(500, "no").await;
    let world = World::with_provider(&upstream);
    let mut config: Value =
        serde_json::from_str(&world.read("home/config/switchyard.jsonc")).expect("JSON");
    config["retry"] = json!({"maxRetries": 1, "baseDelay": 100});
    world.configure(&config);
    let quiet = world.run(&["run", "-m", "fake/m", "hi"]);
    assert!(!quiet.err.contains("DEBUG"), "{quiet:?}");
    for (name, value) in [("SWITCHYARD_LOG", "trace"), ("DEBUG", "opencode:*")] {
        let mut command = world.command(&["run", "-m", "fake/m", "hi"]);
        let output = command.env(name, value).output().expect("it runs");
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(err.contains("DEBUG"), "{name}: {err}");
        assert!(!err.contains(CANARY), "{name}: {err}");
    }
    let loud = world.run(&["run", "--debug", "--log-format", "json", "-m", "fake/m", "hi"]);
    assert!(loud.err.contains(r#""level":"DEBUG""#) && !loud.all().contains(CANARY), "{loud:?}");
}
