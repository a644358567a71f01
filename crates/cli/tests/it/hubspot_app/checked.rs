//! The project as HubSpot's own library for projects reads it (npm `@hubspot/project-parsing-lib`, which HubSpot's command line uses
//! before an upload). HubSpot serves the schemas of components to signed-in accounts alone; in their place stand those of
//! `tests/clients/project/schemas.json`, written from HubSpot's documentation.

use std::path::{Path, PathBuf};
use std::process::Command;

use domain::scopes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{folder, project};

/// What the library made of one folder.
#[derive(Deserialize)]
struct Verdict {
    /// What it complains about.
    error: Option<String>,
    /// The components by their uid, as they would be sent to HubSpot.
    #[serde(default)]
    components: Value,
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Asks the library about these folders.
fn judged(folders: &[&Path]) -> Vec<Verdict> {
    let modules = root().join(".dev/clients/project/node_modules");
    assert!(
        modules.join("@hubspot/project-parsing-lib").exists(),
        "HubSpot's library for projects is not installed: run tests/clients/setup once"
    );
    let output = Command::new("node")
        .arg(root().join("tests/clients/project/check.mjs"))
        .arg("example")
        .args(folders)
        .env("MODULES", modules)
        .output()
        .expect("node starts");
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn hubspots_library_takes_the_project_and_understands_what_the_code_says() {
    let [verdict] = &judged(&[&folder()])[..] else {
        panic!("one verdict")
    };
    assert_eq!(verdict.error, None);
    let components = &verdict.components;
    let app = &components["thnks_app"];
    assert_eq!(app["componentType"], "APPLICATION");
    assert_eq!(
        app["config"]["auth"],
        json!({
            "type": "oauth",
            "redirectUrls": [format!("https://thnks.example.com{}", project::CALLBACK)],
            "requiredScopes": scopes::REQUIRED,
            "optionalScopes": scopes::OPTIONAL.map(|scope| scope.name),
            "conditionallyRequiredScopes": [],
        })
    );
    let webhooks = &components["thnks_webhooks"];
    assert_eq!(webhooks["componentDeps"]["app"], "thnks_app");
    let config = &webhooks["config"];
    let target = format!("https://thnks.example.com{}", project::EVENTS);
    assert_eq!(config["settings"]["targetUrl"], target);
    let lists = config["subscriptions"].as_object().unwrap();
    let subscribed: usize = lists
        .values()
        .map(|list| list.as_array().unwrap().len())
        .sum();
    assert_eq!(subscribed, hubspot::webhooks::subscriptions().len());
    // Nothing that the profile should have filled in is left.
    assert!(!components.to_string().contains("${"), "{components}");
}

/// A folder with the project in it, of which one thing is changed.
fn planted(change: &dyn Fn(&Path)) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for name in [
        "hsproject.json",
        "src/hsprofile.example.json",
        "src/app/app-hsmeta.json",
        "src/app/webhooks/webhooks-hsmeta.json",
    ] {
        let target = copy.path().join(name);
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        std::fs::copy(folder().join(name), target).unwrap();
    }
    change(copy.path());
    copy
}

/// Changes one value in a file of a project.
fn set(folder: &Path, file: &str, pointer: &str, value: Value) {
    let path = folder.join(file);
    let mut content: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    *content.pointer_mut(pointer).unwrap() = value;
    std::fs::write(path, content.to_string()).unwrap();
}

#[test]
fn hubspots_library_refuses_what_is_planted() {
    const PROJECT: &str = "hsproject.json";
    const APP: &str = "src/app/app-hsmeta.json";
    const WEBHOOKS: &str = "src/app/webhooks/webhooks-hsmeta.json";
    type Change = Box<dyn Fn(&Path)>;
    let value = |file: &'static str, pointer: &'static str, value: Value| -> Change {
        Box::new(move |folder| set(folder, file, pointer, value.clone()))
    };
    // Each with a word of the complaint that it is planted for.
    let planted_for: Vec<(Change, &str)> = vec![
        (
            value(PROJECT, "/platformVersion", json!("2031.01")),
            "Unsupported platform version",
        ),
        (
            value(PROJECT, "/srcDir", json!("elsewhere")),
            "does not exist",
        ),
        (
            value(APP, "/uid", json!("thnks app")),
            "should use only letters",
        ),
        (
            value(APP, "/type", json!("application-of-ours")),
            "Unsupported type",
        ),
        (
            value(APP, "/config/distribution", json!("everywhere")),
            "distribution",
        ),
        (value(APP, "/config/auth/type", json!("static")), "auth"),
        (
            value(
                APP,
                "/config/auth/redirectUrls",
                json!(["http://thnks.example.com/"]),
            ),
            "redirectUrls",
        ),
        (
            value(
                APP,
                "/config/auth/redirectUrls",
                json!(["${PUBLIC_URI}/oauth/callback"]),
            ),
            "PUBLIC_URI",
        ),
        (
            value(
                APP,
                "/config/auth/requiredScopes",
                json!(["crm.objects.contacts.read"]),
            ),
            "requiredScopes",
        ),
        (
            value(
                APP,
                "/config/auth",
                json!({"type": "oauth", "scopes": ["oauth"]}),
            ),
            "requiredScopes",
        ),
        (
            value(WEBHOOKS, "/config/settings/maxConcurrentRequests", json!(1)),
            "maxConcurrentRequests",
        ),
        (
            value(
                WEBHOOKS,
                "/config/subscriptions/legacyCrmObjects",
                json!([{"subscriptionType": "contact.propertyChange", "active": true}]),
            ),
            "propertyName",
        ),
        (
            value(
                WEBHOOKS,
                "/config/subscriptions/legacyCrmObjects",
                json!([{"subscriptionType": "contact.birthday", "active": true}]),
            ),
            "subscriptionType",
        ),
        (
            Box::new(|folder| std::fs::remove_file(folder.join(APP)).unwrap()),
            "must be a child of the 'app' component",
        ),
        (
            Box::new(|folder| {
                let hooks = folder.join("src/app/hooks");
                std::fs::create_dir(&hooks).unwrap();
                std::fs::rename(folder.join(WEBHOOKS), hooks.join("webhooks-hsmeta.json")).unwrap();
            }),
            "left out",
        ),
        (
            Box::new(|folder| std::fs::write(folder.join(WEBHOOKS), "{").unwrap()),
            "Invalid JSON",
        ),
    ];
    let copies: Vec<_> = planted_for
        .iter()
        .map(|(change, _)| planted(change))
        .collect();
    let folders: Vec<&Path> = copies.iter().map(tempfile::TempDir::path).collect();
    let verdicts = judged(&folders);
    assert_eq!(verdicts.len(), planted_for.len());
    for (verdict, (_, word)) in verdicts.iter().zip(&planted_for) {
        let error = verdict.error.as_deref().unwrap_or("no complaint");
        assert!(error.contains(word), "{word}: {error}");
    }
}
