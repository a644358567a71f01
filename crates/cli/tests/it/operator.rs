//! Setting up the console: entries of `OPERATORS`, and what is wrong with them.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use crate::processes::{Process, Stage, binary};

const PASSWORD: &str = "correct horse battery";

/// `operator hash --name ana` with this on standard input.
fn hash(input: &str) -> Output {
    let mut child = binary(&["operator", "hash", "--name", "ana"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    drop(stdin);
    child.wait_with_output().unwrap()
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

/// The service with nothing to reach: it stops at the first thing that is wrong.
fn nowhere(part: &str) -> Command {
    let mut command = binary(&[part]);
    command
        .env("DATABASE_URL", "postgres://nobody@127.0.0.1:1/none")
        .env("REDIS_URL", "redis://127.0.0.1:1/0");
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn what_hash_prints_lets_its_password_in() {
    let made = hash(&format!("{PASSWORD}\nwhat stands below is not read\n"));
    assert!(made.status.success(), "{made:?}");
    let entry = text(made.stdout);
    assert_eq!(entry.lines().count(), 1, "the entry alone: {entry}");
    assert!(!entry.contains(PASSWORD), "{entry}");
    assert_eq!(text(made.stderr), "");

    let mut stage = Stage::set(10).await;
    drop(stage.web.take());
    let mut command = stage.command(&["serve"]);
    let _web = Process::spawn(command.env("OPERATORS", entry.trim()));
    stage.browser.wait_until_served().await;
    let sign_in = format!("{}/operator/sign-in", stage.public_url());
    let client = hubspot::http_client().cookie_store(true).build().unwrap();
    for (password, lands) in [("correct horse batterz", 422), (PASSWORD, 303)] {
        let form = client.get(&sign_in).send().await.unwrap();
        let form = form.text().await.unwrap();
        let (_, token) = form.split_once("name=\"csrf_token\" value=\"").unwrap();
        let fields = [
            ("csrf_token", token.split('"').next().unwrap()),
            ("name", "ana"),
            ("password", password),
        ];
        let answer = client.post(&sign_in).form(&fields).send().await.unwrap();
        assert_eq!(answer.status(), lands, "{password}");
    }
}

#[test]
fn a_password_is_long_and_comes_by_standard_input_alone() {
    for input in ["", "\n", "fourteen chars\n", "\nlong enough, and below\n"] {
        let done = hash(input);
        let words = text(done.stderr);
        assert!(!done.status.success(), "{input:?} was accepted");
        assert_eq!(text(done.stdout), "", "{input:?}");
        assert!(words.contains("at least 15 characters"), "{words}");
    }
    // What stands on a command line is read by everybody on the machine.
    for arguments in [
        &["operator", "hash", "--name", "ana", PASSWORD][..],
        &["operator", "hash", "--name", "ana", "--password", PASSWORD],
    ] {
        let done = binary(arguments).stdin(Stdio::null()).output().unwrap();
        assert!(!done.status.success(), "{arguments:?} was accepted");
        assert_eq!(text(done.stdout), "");
    }
}

#[test]
fn a_malformed_list_of_operators_or_address_of_traces_stops_the_start_and_says_what_to_do() {
    let good = text(hash(PASSWORD).stdout);
    let good = good.trim();
    let remedy = "`thnks-hubspot operator hash`";
    for (name, value, says) in [
        ("OPERATORS", " , ", remedy),
        ("OPERATORS", "hunter2", remedy),
        ("OPERATORS", "ana:hunter2", remedy),
        ("OPERATORS", &format!("{good},ben:hunter2"), "entry 2"),
        ("OPERATORS", &format!("{good},Ben hunter2:x"), "a-z"),
        ("OPERATORS", &format!("{good},{good}"), "twice"),
        ("TRACE_URL_TEMPLATE", "https://hunter2.example/", "{run_id}"),
        (
            "TRACE_URL_TEMPLATE",
            "https://hunter2.example/{run_id}/{trace}",
            "{run_id}",
        ),
        ("TRACE_URL_TEMPLATE", "hunter2/{run_id}", "https://"),
    ] {
        for part in ["serve", "work"] {
            let done = nowhere(part).env(name, value).output().unwrap();
            let words = text(done.stderr);
            assert!(!done.status.success(), "{name}={value} was accepted");
            assert_eq!(words.lines().count(), 1, "{words}");
            assert!(words.contains(name) && words.contains(says), "{words}");
            let (_, hashed) = good.split_once(':').unwrap();
            for secret in ["hunter2", hashed] {
                assert!(!words.contains(secret), "a secret is shown: {words}");
            }
        }
    }
}
