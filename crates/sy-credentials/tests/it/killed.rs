//! A writer that is killed at any moment loses nothing.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use sy_credentials::Credentials;

use crate::{Home, files_below, key, leased, put};

const PROVIDERS: [&str; 3] = ["a", "b", "c"];
const KILLS: usize = 25;

/// Not a test of its own: the writer that the test below starts and kills. Its vault is named on standard input.
#[test]
#[ignore = "runs as a child of writers_that_are_killed_lose_nothing"]
fn killed_writer() {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    let (start, folder) = line.trim().split_once(' ').unwrap();
    let mut home = Home::new().settings(&[]);
    home.directory = PathBuf::from(folder);
    let credentials = Credentials::open(home).unwrap();
    for count in start.parse::<u64>().unwrap().. {
        credentials.put(provider_of(count), None, key(&format!("key-{count}")), None).unwrap();
        if count % 7 == 0 {
            credentials.rotate().unwrap();
        }
        // The first byte ends the line that the test harness has begun.
        println!("\nstored {count}");
        std::io::stdout().flush().unwrap();
    }
}

fn provider_of(count: u64) -> &'static str {
    PROVIDERS[usize::try_from(count).unwrap() % PROVIDERS.len()]
}

/// Starts a writer, kills it after some acknowledged writes, and returns the last one it acknowledged.
fn run_and_kill(folder: &str, start: u64, acknowledged: usize) -> u64 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["killed::killed_writer", "--exact", "--ignored", "--nocapture", "--test-threads=1"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    writeln!(child.stdin.take().unwrap(), "{start} {folder}").unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut stored =
        |line: String| line.strip_prefix("stored ").map(|count| count.parse::<u64>().unwrap());
    let mut last = lines
        .by_ref()
        .filter_map(&mut stored)
        .nth(acknowledged)
        .expect("the writer stopped by itself");
    child.kill().unwrap();
    child.wait().unwrap();
    // What was acknowledged between the last line read and the kill counts as well.
    last = lines.filter_map(&mut stored).last().unwrap_or(last);
    last
}

#[test]
fn writers_that_are_killed_lose_nothing() {
    let home = Home::new();
    put(&home.open(), "untouched", "key-untouched");
    // What may be found for each provider: the last acknowledged value, and one that was being written at the kill.
    let mut possible: HashMap<&str, Vec<u64>> = HashMap::new();
    let mut start = 0;
    for kill in 0..KILLS {
        let last = run_and_kill(home.vault().to_str().unwrap(), start, kill % 9);
        for count in start..=last {
            possible.insert(provider_of(count), vec![count]);
        }
        possible.entry(provider_of(last + 1)).or_default().push(last + 1);
        start = last + 2;

        let credentials = home.open();
        assert!(
            credentials.list().iter().all(|row| row.problem.is_none()),
            "{:?}",
            credentials.list()
        );
        assert_eq!(leased(&credentials, "untouched").as_deref(), Some("key-untouched"));
        for (provider, counts) in &mut possible {
            let found = leased(&credentials, provider);
            let is_new = counts.len() == 1 && counts[0] == last + 1;
            counts.retain(|count| found == Some(format!("key-{count}")));
            assert!(counts.len() == 1 || (is_new && found.is_none()), "{provider}: {found:?}");
        }
    }
    home.open().rotate().unwrap();
    let name = |file: &PathBuf| file.file_name().unwrap().to_str().unwrap().to_owned();
    let leftovers =
        files_below(&home.vault()).iter().filter(|file| name(file).starts_with(".writing")).count();
    assert_eq!(leftovers, 0);
}
