//! What operators type.

use sandbox::DEMO_HUB_ID;

use crate::processes::Stage;

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_or_malformed_variable_is_named_in_one_line() {
    let stage = Stage::set(10).await;
    for (name, value) in [
        ("DATABASE_URL", None),
        ("REDIS_URL", None),
        ("HUBSPOT_CLIENT_ID", None),
        ("HUBSPOT_CLIENT_SECRET", None),
        ("ENCRYPTION_KEYS", None),
        ("ENCRYPTION_KEYS", Some("k:tooshort")),
        ("PUBLIC_URL", Some("not an address")),
        ("PUBLIC_URL", Some("http://gifts.example")),
        ("PUBLIC_URL", Some("ftp://localhost")),
        ("LISTEN_ADDR", Some("nowhere")),
        ("SYNC_INTERVAL", Some("soon")),
        ("RETENTION_DAYS", Some("0")),
        ("RETENTION_DAYS", Some("for ever")),
        ("HUBSPOT_RATE_PER_10S", Some("0")),
        ("SHUTDOWN_DELAY", Some("11s")),
        ("SHUTDOWN_DELAY", Some("a while")),
    ] {
        let mut command = stage.command(&["serve"]);
        match value {
            None => command.env_remove(name),
            Some(value) => command.env(name, value),
        };
        let done = command.output().unwrap();
        let words = String::from_utf8(done.stderr).unwrap();
        assert!(!done.status.success(), "{name}={value:?} was accepted");
        assert_eq!(words.lines().count(), 1, "{words}");
        assert!(words.contains(name), "{name} is not named: {words}");
        assert!(!words.contains("tooshort"), "a secret is shown: {words}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn away_from_this_machine_no_rate_is_above_hubspots() {
    let stage = Stage::set(10).await;
    let done = stage
        .command(&["serve"])
        .env("HUBSPOT_API_URL", "https://api.hubapi.com")
        .env("HUBSPOT_RATE_PER_10S", "111")
        .output()
        .unwrap();
    let words = String::from_utf8(done.stderr).unwrap();
    assert!(!done.status.success(), "111 was accepted");
    assert!(words.contains("HUBSPOT_RATE_PER_10S"), "{words}");
}

#[tokio::test(flavor = "multi_thread")]
async fn over_https_nothing_leaves_in_the_clear_and_no_key_is_for_trials() {
    const GOOD: &str = "k:SGVsbG8sIHRoaXMgaXMgYSBrZXkgb2YgMzIgYnl0ZXM=";
    let stage = Stage::set(10).await;
    for (name, value) in [
        (
            "ENCRYPTION_KEYS",
            crate::processes::ENCRYPTION_KEYS.to_owned(),
        ),
        (
            "ENCRYPTION_KEYS",
            format!("{},{GOOD}", crate::processes::ENCRYPTION_KEYS),
        ),
        ("HUBSPOT_API_URL", "http://api.example".to_owned()),
        (
            "HUBSPOT_AUTHORIZE_URL",
            "http://app.example/oauth".to_owned(),
        ),
        ("THNKS_API_URL", "http://10.0.0.7:4020".to_owned()),
    ] {
        let mut command = stage.command(&["serve"]);
        command
            .env("PUBLIC_URL", "https://gifts.example")
            .env("ENCRYPTION_KEYS", GOOD)
            .env(name, &value);
        let done = command.output().unwrap();
        let words = String::from_utf8(done.stderr).unwrap();
        assert!(!done.status.success(), "{name}={value} was accepted");
        assert_eq!(words.lines().count(), 1, "{words}");
        assert!(words.contains(name), "{name} is not named: {words}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_of_mail_that_cannot_be_stop_the_start() {
    let stage = Stage::set(10).await;
    let safe = "smtps://user:hunter2@mail.example";
    for (smtp_url, from, named) in [
        (safe, None, "MAIL_FROM"),
        (safe, Some("nobody"), "MAIL_FROM"),
        (
            "smtp://user:hunter2@mail.example",
            Some("a@gifts.example"),
            "SMTP_URL",
        ),
        ("mail.example", Some("a@gifts.example"), "SMTP_URL"),
    ] {
        let mut command = stage.command(&["work"]);
        command.env("SMTP_URL", smtp_url).env_remove("MAIL_FROM");
        command.envs(from.map(|from| ("MAIL_FROM", from)));
        let done = command.output().unwrap();
        let words = String::from_utf8(done.stderr).unwrap();
        assert!(!done.status.success(), "{smtp_url} {from:?} was accepted");
        assert_eq!(words.lines().count(), 1, "{words}");
        assert!(words.contains(named), "{named} is not named: {words}");
        assert!(!words.contains("hunter2"), "a secret is shown: {words}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn health_checks_tell_the_truth() {
    let mut stage = Stage::set(10).await;
    let healthy = |stage: &Stage, part: &str| {
        stage
            .command(&["healthcheck", part])
            .output()
            .unwrap()
            .status
            .success()
    };
    assert!(healthy(&stage, "serve"));
    assert!(healthy(&stage, "work"));
    stage.redis.stop();
    assert!(healthy(&stage, "serve"));
    assert!(!healthy(&stage, "work"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_started_watched_and_accounted_for() {
    let stage = Stage::set(150).await;
    let _worker = stage.worker();
    stage.install().await;
    stage.wait_for_the_end().await;
    let hub_id = DEMO_HUB_ID.to_string();
    let done = stage
        .command(&[
            "run", "start", "--portal", &hub_id, "--kind", "sync", "--json",
        ])
        .output()
        .unwrap();
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
    let account: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(account["state"], "succeeded");
    assert_eq!(account["requested_by"], "operator");
    assert_eq!(account["counts"]["written"], 0);
    assert_eq!(
        account["counts"]["calls"],
        serde_json::json!({}),
        "an idle sync calls HubSpot"
    );
    for kind in ["backfill", "sweep", "reassociate", "resync"] {
        let done = stage
            .command(&["run", "start", "--portal", &hub_id, "--kind", kind])
            .output()
            .unwrap();
        let words = String::from_utf8(done.stdout).unwrap();
        assert_eq!(done.status.code(), Some(0), "{words}");
        assert!(
            words.starts_with(&format!("{kind} succeeded after")),
            "{words}"
        );
        let written = if kind == "resync" { "150" } else { "0" };
        let line = format!("  written         {written} (");
        assert!(words.contains(&line), "{words}");
        assert!(words.contains("  HubSpot calls "), "{words}");
    }
    // A run that cannot reach its end says so in its exit code.
    stage
        .control()
        .merge_rules(&serde_json::json!({"schema_write_approved": false}))
        .unwrap();
    stage.control().set_enterprise(DEMO_HUB_ID, false).unwrap();
    let failed = stage
        .command(&[
            "run",
            "start",
            "--portal",
            &hub_id,
            "--kind",
            "resync",
            "--since",
            "2020-01-01",
        ])
        .output()
        .unwrap();
    let words = String::from_utf8(failed.stdout).unwrap();
    assert_eq!(failed.status.code(), Some(3), "{words}");
    assert!(words.contains("  because "), "{words}");
    let nobody = stage
        .command(&["run", "start", "--portal", "1", "--kind", "sync"])
        .output()
        .unwrap();
    assert!(!nobody.status.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_moved_while_all_run_and_one_that_is_needed_cannot_be_taken_out() {
    const NEW: &str = "new:SGVsbG8sIHRoaXMgaXMgYSBrZXkgb2YgMzIgYnl0ZXM=";
    let old = crate::processes::ENCRYPTION_KEYS;
    let both = format!("{NEW},{old}");
    let stage = Stage::set(20).await;
    let _worker = stage.worker();
    stage.install().await;
    stage.wait_for_the_end().await;
    let with = |keys: &str, arguments: &[&str]| {
        let done = stage
            .command(arguments)
            .env("ENCRYPTION_KEYS", keys)
            .output()
            .unwrap();
        let words = [done.stdout, done.stderr].concat();
        (done.status.success(), String::from_utf8(words).unwrap())
    };
    for arguments in [["serve"].as_slice(), &["work"], &["keys", "rotate"]] {
        let (started, words) = with(NEW, arguments);
        assert!(!started, "{words}");
        assert_eq!(words.lines().count(), 1, "{words}");
        assert!(words.contains("the key test is missing"), "{words}");
        assert!(words.contains("1 portals and 1 organizations"), "{words}");
    }
    let (well, words) = with(NEW, &["keys", "check"]);
    assert!(!well && words.contains("does not open: portal"), "{words}");
    let (well, words) = with(&both, &["keys", "check"]);
    assert!(well && words.contains("test  opens: 1 portals"), "{words}");

    let (moved, words) = with(&both, &["keys", "rotate"]);
    assert!(moved, "{words}");
    assert!(
        words.contains("1 portals and 1 organizations moved"),
        "{words}"
    );
    let (well, words) = with(NEW, &["keys", "check"]);
    assert!(
        well && words.contains("new  seals and opens: 1 portals, 1 organizations"),
        "{words}"
    );
    // Another key of the same name is not taken for it.
    let (started, words) = with(&NEW.replace("SGVs", "AGVs"), &["serve"]);
    assert!(
        !started && words.contains("the key new is not the one"),
        "{words}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_trail_is_verified_and_the_first_line_that_was_changed_is_named() {
    let stage = Stage::set(20).await;
    let _worker = stage.worker();
    stage.install().await;
    stage.wait_for_the_end().await;
    let hub_id = DEMO_HUB_ID.to_string();
    let verify = |more: &[&str]| {
        let arguments = [&["audit", "verify"], more].concat();
        let done = stage.command(&arguments).output().unwrap();
        let words = [done.stdout, done.stderr].concat();
        (done.status.success(), String::from_utf8(words).unwrap())
    };
    let (whole, words) = verify(&[]);
    assert!(
        whole && words.contains(&format!("portal {hub_id}")),
        "{words}"
    );
    assert!(
        words.contains("writes to HubSpot, whole") && words.contains("operator"),
        "{words}"
    );
    let (whole, words) = verify(&["--portal", &hub_id]);
    assert!(whole, "{words}");
    let end = words
        .lines()
        .find_map(|line| {
            line.split_once(" acts, whole; the end is ")
                .map(|(_, end)| end.to_owned())
        })
        .unwrap();
    let (whole, words) = verify(&["--portal", &hub_id, "--expect", &end]);
    assert!(whole, "{words}");
    // One that was not signed here, and one of another chain.
    let longer = format!("9{end}");
    for arguments in [
        &["--portal", &hub_id, "--expect", &longer][..],
        &["--expect", &end],
    ] {
        let (told, words) = verify(arguments);
        assert!(!told && words.contains("was not signed"), "{words}");
    }
    let (_, words) = verify(&[]);
    let operators = words.rsplit_once("the end is ").unwrap().1.trim();
    let (whole, words) = verify(&["--expect", operators]);
    assert!(whole, "{words}");
    stage
        .scratch
        .tamper(
            &["audit"],
            "UPDATE audit SET actor = 'user:1' WHERE number = 2",
        )
        .await;
    let (whole, words) = verify(&["--portal", &hub_id]);
    assert!(
        !whole && words.contains("acts BROKEN: act 2 is not what was written"),
        "{words}"
    );
    let (told, words) = verify(&["--portal", &hub_id, "--expect", "nonsense"]);
    assert!(!told && words.contains("NUMBER:HASH"), "{words}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_link_does_not_install_and_organizations_are_listed() {
    let stage = Stage::set(10).await;
    let link = stage.setup_link();
    let revoke = || {
        stage
            .command(&["org", "revoke-link", &link])
            .output()
            .unwrap()
            .status
            .success()
    };
    assert!(revoke());
    assert!(!revoke(), "a second time");
    let listed = stage.command(&["org", "list"]).output().unwrap();
    assert!(String::from_utf8(listed.stdout).unwrap().contains("Acme"));
    let page = hubspot::http_client()
        .build()
        .unwrap()
        .get(&link)
        .send()
        .await
        .unwrap();
    assert!(page.status().is_client_error(), "{}", page.status());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disconnected_portal_makes_no_more_calls_and_keeps_its_data() {
    let stage = Stage::set(60).await;
    let _worker = stage.worker();
    stage.install().await;
    stage.wait_for_the_end().await;
    let done = stage
        .command(&["disconnect", "--portal", &DEMO_HUB_ID.to_string()])
        .output()
        .unwrap();
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
    let calls = || stage.control().counters(Some(DEMO_HUB_ID)).total;
    let after = calls();
    let refused = stage
        .command(&[
            "run",
            "start",
            "--portal",
            &DEMO_HUB_ID.to_string(),
            "--kind",
            "sync",
        ])
        .output()
        .unwrap();
    assert!(!refused.status.success());
    assert_eq!(calls(), after);
    // The session ended with it; installing again goes on with what is there.
    stage.install().await;
    let status = stage.status().await;
    assert_eq!(status["synced"], 60);
    let all = |arguments: &[&str]| {
        let arguments = [&["disconnect"], arguments].concat();
        let done = stage.command(&arguments).output().unwrap();
        let words = String::from_utf8(done.stdout).unwrap();
        (done.status.success(), words)
    };
    assert!(!all(&[]).0, "nobody is named");
    assert!(!all(&["--all", "--portal", &DEMO_HUB_ID.to_string()]).0);
    assert_eq!(
        all(&["--all"]),
        (true, "1 portals are disconnected\n".to_owned())
    );
    assert_eq!(
        all(&["--all"]),
        (true, "0 portals are disconnected\n".to_owned())
    );
}
