//! The binary, started with what the manifests give it and nothing else: what is needed is there, and the probes are answered.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use serde_json::Value;
use store::testing::ScratchDatabase;
use tokio::time::{Instant, sleep};

use super::cluster::{files, find, objects};
use super::{list, text};
use crate::processes::{Process, Redis, free_port};

/// No key for trials: over https none is taken.
const KEY: &str = "k1:SGVsbG8sIHRoaXMgaXMgYSBrZXkgb2YgMzIgYnl0ZXM=";

type Environment = BTreeMap<String, String>;

/// What the containers of a workload are given, with the placeholders of the example.
fn given(objects: &[(String, Value)], workload: &str) -> (Vec<String>, Environment, Value) {
    let workload = find(objects, workload).unwrap();
    let container = &workload["spec"]["template"]["spec"]["containers"][0];
    let all = |name: &str, place: &str| -> Environment {
        let object = find(objects, name).unwrap();
        let values = object[place].as_object().unwrap();
        let text = |value: &Value| {
            value
                .as_str()
                .expect("a text, as Kubernetes wants it")
                .to_owned()
        };
        values
            .iter()
            .map(|(name, value)| (name.clone(), text(value)))
            .collect()
    };
    let mut given = Environment::new();
    for source in list(container, "/envFrom") {
        let config = text(source, "/configMapRef/name");
        let secret = text(source, "/secretRef/name");
        given.extend(match secret {
            "" => all(&format!("ConfigMap {config}"), "data"),
            _ => all(&format!("Secret {secret}"), "stringData"),
        });
    }
    for variable in list(container, "/env") {
        let from = &variable["valueFrom"]["secretKeyRef"];
        let secret = all(&format!("Secret {}", text(from, "/name")), "stringData");
        let value = secret[text(from, "/key")].clone();
        given.insert(text(variable, "/name").to_owned(), value);
    }
    let arguments = list(container, "/args").iter();
    let arguments = arguments.map(|argument| argument.as_str().unwrap().to_owned());
    (arguments.collect(), given, container.clone())
}

/// A process as the cluster would start it.
fn command(arguments: &[String], environment: &Environment) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_thnks-hubspot"));
    command.args(arguments).env_clear().envs(environment);
    command
}

/// Puts what is really there in the place of what the example names; what is not given is not added.
fn replace(given: &mut Environment, really: &[(&str, String)]) {
    for (name, value) in really {
        if let Some(given) = given.get_mut(*name) {
            given.clone_from(value);
        }
    }
}

async fn until_answered(url: &str) {
    let client = hubspot::http_client().build().unwrap();
    let begun = Instant::now();
    loop {
        let answer = client.get(url).send().await;
        if answer.is_ok_and(|answer| answer.status().is_success()) {
            return;
        }
        assert!(begun.elapsed().as_secs() < 120, "never answered: {url}");
        sleep(std::time::Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_manifests_give_is_enough_to_start_and_the_probes_are_answered() {
    let objects = objects(&files());
    let scratch = ScratchDatabase::create().await;
    let redis = Redis::start();
    let [web, of_web, of_worker] = [free_port(), free_port(), free_port()];
    let mut really = vec![
        ("DATABASE_URL", scratch.app_url.clone()),
        ("MIGRATION_DATABASE_URL", scratch.owner_url.clone()),
        ("REDIS_URL", redis.url()),
        ("ENCRYPTION_KEYS", KEY.to_owned()),
        ("LISTEN_ADDR", format!("0.0.0.0:{web}")),
        ("METRICS_ADDR", format!("0.0.0.0:{of_web}")),
    ];

    let (arguments, mut environment, _) = given(&objects, "Job migrate");
    replace(&mut environment, &really);
    let migrated = command(&arguments, &environment).output().unwrap();
    assert!(migrated.status.success(), "{migrated:?}");

    let (arguments, mut environment, container) = given(&objects, "Deployment web");
    replace(&mut environment, &really);
    let _web = Process::spawn(command(&arguments, &environment).stderr(Stdio::null()));
    for probe in ["readinessProbe", "livenessProbe"] {
        let path = text(&container, &format!("/{probe}/httpGet/path"));
        until_answered(&format!("http://127.0.0.1:{web}{path}")).await;
    }
    until_answered(&format!("http://127.0.0.1:{of_web}/metrics")).await;

    let (arguments, mut environment, _) = given(&objects, "Deployment worker");
    really.push(("METRICS_ADDR", format!("0.0.0.0:{of_worker}")));
    replace(&mut environment, &really);
    let mut worker = Process::spawn(command(&arguments, &environment).stderr(Stdio::null()));
    until_answered(&format!("http://127.0.0.1:{of_worker}/metrics")).await;
    assert!(!worker.has_ended());
}

#[test]
fn with_the_placeholders_of_the_example_nothing_starts() {
    let objects = objects(&files());
    for workload in ["Deployment web", "Deployment worker"] {
        let (arguments, environment, _) = given(&objects, workload);
        let done = command(&arguments, &environment).output().unwrap();
        assert!(!done.status.success(), "{done:?}");
    }
}
