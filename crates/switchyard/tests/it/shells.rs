//! What shells and eyes meet: `env`, completion scripts, help texts, colour.

use std::process::Command;

use crate::world::{CANARY, Outcome, World};

const TOKEN: &str = "sy-token-with-'quote-and-$dollar";

/// Every command, as it is asked for its help.
const COMMANDS: &[&[&str]] = &[
    &[],
    &["serve"],
    &["run"],
    &["models"],
    &["auth"],
    &["auth", "login"],
    &["auth", "list"],
    &["auth", "status"],
    &["auth", "logout"],
    &["auth", "import"],
    &["auth", "export"],
    &["auth", "rotate"],
    &["config"],
    &["config", "view"],
    &["config", "path"],
    &["config", "schema"],
    &["config", "validate"],
    &["config", "set"],
    &["config", "edit"],
    &["config", "get"],
    &["config", "reset"],
    &["trust"],
    &["env"],
    &["launch"],
    &["doctor"],
    &["completion"],
];

#[test]
fn help_is_what_is_written_down() {
    let world = World::new();
    let mut texts = String::new();
    for command in COMMANDS {
        let help = world.run(&[command, &["--help"][..]].concat()).good();
        texts.push_str(&format!(
            "$ switchyard {}\n{help}\n",
            [command, &["--help"][..]].concat().join(" ")
        ));
    }
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/help.txt");
    if std::env::var_os("SWITCHYARD_WRITE_HELP").is_some() {
        std::fs::write(file, &texts).expect("written");
    }
    let written = std::fs::read_to_string(file).expect("tests/it/help.txt");
    for (number, (is, was)) in texts.lines().zip(written.lines()).enumerate() {
        assert_eq!(
            is,
            was,
            "help.txt:{}: if it reads well, set SWITCHYARD_WRITE_HELP=1 once",
            number + 1
        );
    }
    assert_eq!(texts.len(), written.len());
}

#[test]
fn every_command_has_its_help_written_down() {
    let world = World::new();
    for group in [&[][..], &["auth"], &["config"]] {
        let help = world.run(&[group, &["--help"]].concat()).good();
        let (_, list) = help.split_once("Commands:\n").expect("a list of commands");
        for name in list
            .lines()
            .take_while(|line| !line.is_empty())
            .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        {
            let name = name.split_whitespace().next().expect("a name");
            assert!(
                name == "help" || COMMANDS.contains(&[group, &[name]].concat().as_slice()),
                "{group:?} {name}"
            );
        }
    }
}

#[test]
fn wrong_usage_has_the_code_that_shells_know() {
    let world = World::new();
    for arguments in [
        &[][..],
        &["--debug"],
        &["no-such-command"],
        &["run", "--no-such-flag"],
        &["completion", "basic"],
        &["doctor", "--check", "luck"],
    ] {
        assert!(!world.run(arguments).bad(2).is_empty(), "{arguments:?}");
    }
}

#[test]
fn bash_takes_what_env_prints() {
    let world = World::new().with("SWITCHYARD_TOKEN", TOKEN);
    world.configure(&serde_json::json!({"server": {"port": 9123}}));
    let names = [
        "OPENAI_BASE_URL",
        "OPENAI_API_KEY",
        "ANTHROPIC_BASE_URL",
        "ANTHROPIC_API_KEY",
        "GOOGLE_GEMINI_BASE_URL",
        "GEMINI_API_KEY",
    ];
    let shown: String = names.iter().map(|name| format!("printf '%s\\n' \"${name}\"; ")).collect();
    let out = world
        .bash(&format!("eval \"$(switchyard env)\"; {shown} printf '%s\\n' \"$OPENCODE_CONFIG_CONTENT\"; declare -f codex"))
        .good();
    let base = "http://127.0.0.1:9123";
    let expected = [&format!("{base}/v1"), TOKEN, base, TOKEN, base, TOKEN];
    assert_eq!(out.lines().take(6).collect::<Vec<_>>(), expected);
    let mut rest = out.lines().skip(6);
    let opencode: serde_json::Value =
        serde_json::from_str(rest.next().expect("a line")).expect("JSON");
    assert_eq!(
        opencode["provider"]["switchyard"]["options"]["apiKey"],
        "{env:SWITCHYARD_CLIENT_TOKEN}"
    );
    let codex: String = rest.collect();
    assert!(
        codex.contains(&format!("base_url=\"{base}/v1\"")) && codex.contains("\"$@\""),
        "{out}"
    );
}

#[test]
fn clients_are_given_the_configured_model_or_the_one_that_is_asked_for() {
    let world = World::new().with("SWITCHYARD_TOKEN", TOKEN).with("ANTHROPIC_API_KEY", CANARY);
    world.configure(&serde_json::json!({
        "model": "smart",
        "alias": {"smart": ["anthropic/claude-sonnet-4-5", "openai/gpt-5"]},
    }));
    let shown =
        "printf '%s ' $ANTHROPIC_MODEL $ANTHROPIC_DEFAULT_HAIKU_MODEL $GEMINI_MODEL $AIDER_MODEL";
    let with = |arguments: &str| {
        world.bash(&format!("eval \"$(switchyard env {arguments})\"; {shown}")).good()
    };

    let configured = with("");
    let words: Vec<&str> = configured.split_whitespace().collect();
    assert_eq!((words[0], words[2], words[3]), ("smart", "models/smart", "openai/smart"));
    assert!(words[1].starts_with("anthropic/claude-haiku"), "{configured}");

    let model = "anthropic/claude-opus-4-5";
    let expected = format!("{model} {model} models/{model} openai/{model} ");
    assert_eq!(with(&format!("-m {model}")), expected);
}

#[test]
fn a_model_that_leads_nowhere_is_not_given_to_clients() {
    let world = World::new().with("SWITCHYARD_TOKEN", TOKEN);
    let outcome = world.run(&["env", "-m", "nobody/nothing"]);
    assert_eq!(outcome.out, "");
    assert!(outcome.bad(5).contains("nobody"));
    assert!(world.run(&["env", "-m", ""]).bad(2).contains("empty"));
}

#[test]
fn fish_has_a_form_of_its_own() {
    let out = World::new()
        .with("SWITCHYARD_TOKEN", "t")
        .run(&["env", "--shell", "fish", "--url", "http://box:1/"])
        .good();
    assert!(
        out.contains("set -gx OPENAI_BASE_URL 'http://box:1/v1'\n") && !out.contains("export"),
        "{out}"
    );
}

#[test]
fn env_without_a_token_says_how_to_get_one() {
    let outcome = World::new().run(&["env"]);
    assert_eq!(outcome.out, "");
    assert!(outcome.bad(1).contains("switchyard serve"));
}

#[test]
fn our_own_token_is_not_taken_for_a_providers_key() {
    let world = World::new().with("SWITCHYARD_TOKEN", TOKEN);
    let out =
        world.bash("eval \"$(switchyard env)\"; switchyard auth list; switchyard models").good();
    assert_eq!(out, "", "a shell that `env` prepared connects nothing");
    let out =
        world.bash("eval \"$(switchyard env)\"; GEMINI_API_KEY=real switchyard auth list").good();
    assert!(out.contains("google") && !out.contains("anthropic"), "{out}");
    let missing = world
        .bash("eval \"$(switchyard env)\"; switchyard run -m anthropic/claude-sonnet-4-5 hi")
        .bad(4);
    assert!(missing.contains("`switchyard env` prepared this shell"), "{missing}");
}

#[test]
fn only_env_prints_the_servers_token() {
    let world = World::new()
        .with("SWITCHYARD_TOKEN", TOKEN)
        .with("ANTHROPIC_API_KEY", CANARY)
        .with("SWITCHYARD_LOG", "trace");
    let commands: [&[&str]; 7] = [
        &["auth", "list"],
        &["models", "anthropic"],
        &["config", "view"],
        &["config", "view", "--json"],
        &["config", "path"],
        &["doctor", "--check", "auth", "--check", "files", "--check", "models"],
        &["--version"],
    ];
    for arguments in commands {
        let outcome: Outcome = world.run(arguments);
        assert!(!outcome.all().contains(TOKEN) && !outcome.all().contains(CANARY), "{outcome:?}");
        outcome.good();
    }
}

#[test]
fn completion_scripts_are_scripts() {
    let world = World::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = world.run(&["completion", shell]).good();
        assert!(script.contains("switchyard") && script.contains("doctor"), "{shell}: {script}");
        let path = world.write(&format!("project/completion.{shell}"), &script);
        // A shell that is not on this machine cannot tell.
        if let Ok(output) = Command::new(shell).arg("-n").arg(path).output() {
            assert!(output.status.success(), "{shell}: {output:?}");
        }
    }
}

#[test]
fn a_pipe_gets_no_colour() {
    let world = World::new();
    for arguments in [&["models", "nobody"][..], &["doctor"], &["--help"], &["run"]] {
        let outcome = world.run(arguments);
        assert!(!outcome.all().contains('\u{1b}'), "{outcome:?}");
    }
}

/// Runs a command on a terminal, by `script`; `None` where that is not installed.
fn on_a_terminal(world: &World, line: &str) -> Option<String> {
    let binary = env!("CARGO_BIN_EXE_switchyard");
    let output = world
        .program("script")
        .args(["-qec", &format!("{binary} {line}"), "/dev/null"])
        .env("TERM", "xterm")
        .output()
        .ok()?;
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn a_terminal_gets_colour_unless_it_is_refused() {
    let world = World::new();
    let Some(coloured) = on_a_terminal(&world, "models nobody") else {
        eprintln!("skipped: `script` is not installed");
        return;
    };
    assert!(coloured.contains("\u{1b}["), "{coloured:?}");
    let plain =
        on_a_terminal(&World::new().with("NO_COLOR", "1"), "models nobody").expect("as before");
    assert!(plain.contains("there is no provider") && !plain.contains("\u{1b}["), "{plain:?}");
}
