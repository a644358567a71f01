//! HubSpot's own Python and Node clients against the sandbox; `tests/clients/setup` installs them.

use std::path::PathBuf;

use sandbox::{CLIENT_ID, CLIENT_SECRET, DEMO_HUB_ID};
use tokio::process::Command;

use crate::harness::{Bench, REDIRECT};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

async fn run(program: PathBuf, script: &str) {
    assert!(
        program.exists(),
        "HubSpot's clients are not installed ({} is missing): run tests/clients/setup once",
        program.display()
    );
    let bench = Bench::start().await;
    let code = bench
        .control()
        .authorize(DEMO_HUB_ID, &Bench::ask())
        .expect("consent");
    let body = r#"[{"eventId":1,"subscriptionType":"contact.creation"}]"#;
    let url = "https://app.example.com/webhooks/hubspot";
    // The clients compare the timestamp with the machine's clock.
    let timestamp = sandbox::machine_clock()().timestamp_millis().to_string();
    let signature = sandbox::webhooks::sign(CLIENT_SECRET, "POST", url, body, &timestamp);
    let output = Command::new(&program)
        .arg(root().join("tests/clients").join(script))
        .env(
            "SANDBOX_URL",
            bench.sandbox.hubspot_url().as_str().trim_end_matches('/'),
        )
        .env("NODE_PATH", root().join(".dev/clients/node/node_modules"))
        .env("CLIENT_ID", CLIENT_ID)
        .env("CLIENT_SECRET", CLIENT_SECRET)
        .env("REDIRECT_URI", REDIRECT)
        .env("CODE", code)
        .env("HUB_ID", DEMO_HUB_ID.to_string())
        .env("WEBHOOK_BODY", body)
        .env("WEBHOOK_URL", url)
        .env("WEBHOOK_TIMESTAMP", timestamp)
        .env("WEBHOOK_SIGNATURE", signature)
        .output()
        .await
        .expect("the client's script starts");
    assert!(
        output.status.success(),
        "{script} failed:\n{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    let made = bench.control().portals();
    assert_eq!(made["portals"][0]["records"]["client_gift"], 2, "{made}");
}

#[tokio::test]
async fn the_python_client_works_against_the_sandbox() {
    run(
        root().join(".dev/clients/python/bin/python"),
        "python_client.py",
    )
    .await;
}

#[tokio::test]
async fn the_node_client_works_against_the_sandbox() {
    let installed = root().join(".dev/clients/node/node_modules/@hubspot/api-client");
    assert!(
        installed.exists(),
        "HubSpot's Node client is not installed: run tests/clients/setup once"
    );
    let node = std::process::Command::new("sh")
        .args(["-c", "command -v node"])
        .output()
        .expect("a shell");
    let node = String::from_utf8_lossy(&node.stdout).trim().to_owned();
    run(PathBuf::from(node), "node_client.mjs").await;
}
