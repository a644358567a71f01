//! `deploy/kubernetes/`: what it says is consistent, fits the code, and gives no process more than it needs.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::pod::pod;
use super::selectors::selectors;
use super::variables::SECRETS;
use super::{assert_is_found, changed, list, names, parse, root, text};

/// Files by their names.
pub type Files = BTreeMap<String, String>;

const EXAMPLE: &str = "secret.example.yaml";
const KUSTOMIZATION: &str = "kustomization.yaml";

pub fn files() -> Files {
    let folder = root().join("deploy/kubernetes");
    let files = folder.read_dir().unwrap().map(|file| {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        (name, std::fs::read_to_string(path).unwrap())
    });
    files.collect()
}

/// The objects of all files but the kustomization, each with the name that faults are told under.
pub fn objects(files: &Files) -> Vec<(String, Value)> {
    let files = files.iter().filter(|(name, _)| *name != KUSTOMIZATION);
    files
        .flat_map(|(name, text)| parse(name, text))
        .map(|object| {
            let name = format!(
                "{} {}",
                text(&object, "/kind"),
                text(&object, "/metadata/name")
            );
            (name, object)
        })
        .collect()
}

/// An object by kind and name.
pub fn find<'o>(objects: &'o [(String, Value)], name: &str) -> Option<&'o Value> {
    objects
        .iter()
        .find(|(known, _)| known == name)
        .map(|(_, object)| object)
}

/// What is wrong, each in a sentence.
fn faults(files: &Files) -> Vec<String> {
    let objects = objects(files);
    let mut faults = kustomization(files);
    let workloads: Vec<&(String, Value)> = objects
        .iter()
        .filter(|(_, object)| object.pointer("/spec/template").is_some())
        .collect();
    assert_eq!(workloads.len(), 3, "{workloads:?}");
    for (name, workload) in &workloads {
        pod(name, workload, &objects, &mut faults);
    }
    let pods: Vec<&Value> = workloads
        .iter()
        .map(|(_, workload)| &workload["spec"]["template"])
        .collect();
    for (name, object) in &objects {
        selectors(name, object, &pods, &mut faults);
    }
    for name in config(&objects) {
        if SECRETS.contains(&name.as_str()) {
            faults.push(format!(
                "ConfigMap thnks-config: {name} is a secret and stands in the clear"
            ));
        }
    }
    faults
}

/// The variables that the configuration gives.
fn config(objects: &[(String, Value)]) -> BTreeSet<String> {
    names(find(objects, "ConfigMap thnks-config").unwrap(), "/data")
}

fn kustomization(files: &Files) -> Vec<String> {
    let parsed = parse(KUSTOMIZATION, &files[KUSTOMIZATION]);
    let applied: BTreeSet<&str> = list(&parsed[0], "/resources")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let written = files.keys().map(String::as_str);
    let written: BTreeSet<&str> = written
        .filter(|name| ![KUSTOMIZATION, EXAMPLE].contains(name))
        .collect();
    let not_applied = written.difference(&applied);
    let not_there = applied.difference(&written);
    not_applied
        .map(|name| format!("{KUSTOMIZATION}: {name} is not applied"))
        .chain(not_there.map(|name| {
            format!("{KUSTOMIZATION}: {name} is not there, or holds placeholders, and is applied")
        }))
        .collect()
}

#[test]
fn the_manifests_fit_each_other_and_the_code() {
    let faults = faults(&files());
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn what_does_not_fit_is_named() {
    for (file, from, to, words) in [
        (
            "kustomization.yaml",
            "  - pdb.yaml\n",
            "",
            "pdb.yaml is not applied",
        ),
        (
            "kustomization.yaml",
            "  - pdb.yaml\n",
            "  - pdb.yaml\n  - secret.example.yaml\n",
            "secret.example.yaml is not there, or holds placeholders",
        ),
        (
            "config.yaml",
            "SYNC_INTERVAL",
            "SYNC_INTERVALL",
            "nothing reads the variable SYNC_INTERVALL",
        ),
        (
            "config.yaml",
            "  LOG_FORMAT: json",
            "  LOG_FORMAT: json\n  SMTP_URL: smtp://u:p@mail",
            "SMTP_URL is a secret and stands in the clear",
        ),
        (
            "config.yaml",
            "0.0.0.0:3000",
            "0.0.0.0:3001",
            "its port http is 3000, but LISTEN_ADDR is 0.0.0.0:3001",
        ),
        (
            "config.yaml",
            "0.0.0.0:9464",
            "127.0.0.1:9464",
            "where nobody outside of the pod reaches it",
        ),
        (
            "secret.example.yaml",
            "  MIGRATION_DATABASE_URL:",
            "  OWNER_URL:",
            "no secret thnks-owner with the key MIGRATION_DATABASE_URL",
        ),
        (
            "secret.example.yaml",
            "name: thnks-secrets",
            "name: thnks-secret",
            "Deployment web: there is no Secret thnks-secrets",
        ),
        (
            "migrate.yaml",
            "              valueFrom:\n                secretKeyRef:\n                  name: thnks-owner\n                  key: MIGRATION_DATABASE_URL",
            "              value: postgres://owner",
            "MIGRATION_DATABASE_URL is a secret and comes from none",
        ),
        (
            "web.yaml",
            "            - secretRef:\n                name: thnks-secrets",
            "            - secretRef:\n                name: thnks-secrets\n            - secretRef:\n                name: thnks-owner",
            "is for the migration, and for it alone",
        ),
        (
            "web.yaml",
            "terminationGracePeriodSeconds: 30",
            "terminationGracePeriodSeconds: 19",
            "it is killed after 19 s, and may take 19 s",
        ),
        (
            "worker.yaml",
            "      terminationGracePeriodSeconds: 30\n",
            "",
            "it is killed after 0 s",
        ),
        (
            "worker.yaml",
            "runAsNonRoot: true",
            "runAsNonRoot: false",
            "Deployment worker: /securityContext/runAsNonRoot must be true",
        ),
        (
            "web.yaml",
            "runAsUser: 10001",
            "runAsUser: 10002",
            "/securityContext/runAsUser must be 10001",
        ),
        (
            "migrate.yaml",
            "            readOnlyRootFilesystem: true\n",
            "",
            "Job migrate: /securityContext/readOnlyRootFilesystem must be true",
        ),
        (
            "worker.yaml",
            "drop: [ALL]",
            "drop: []",
            "/securityContext/capabilities/drop must be",
        ),
        (
            "web.yaml",
            "            limits:\n              memory: 256Mi",
            "",
            "/resources/limits/memory is not set",
        ),
        (
            "web.yaml",
            "              path: /readyz\n              port: http",
            "              path: /readyz\n              port: https",
            "readinessProbe asks the port \"https\"",
        ),
        (
            "web.yaml",
            "    app.kubernetes.io/component: web\nspec:",
            "    app.kubernetes.io/component: page\nspec:",
            "Service web: it chooses no pod",
        ),
        (
            "service.yaml",
            "targetPort: http",
            "targetPort: web",
            "Service web: the pods that it chooses have no port web",
        ),
        (
            "pdb.yaml",
            "      app.kubernetes.io/component: worker",
            "      app.kubernetes.io/component: work",
            "PodDisruptionBudget worker: it chooses no pod",
        ),
        (
            "networkpolicy.yaml",
            "        - port: 3000",
            "        - port: 3001",
            "NetworkPolicy web-in: the pods that it chooses have no port 3001",
        ),
        (
            "networkpolicy.yaml",
            "values: [web, worker]",
            "values: [server]",
            "NetworkPolicy services-out: it chooses no pod",
        ),
    ] {
        let mut files = files();
        let broken = changed(&files[file], from, to);
        files.insert(file.to_owned(), broken);
        assert_is_found(&format!("{file}, {to:?}"), &faults(&files), words);
    }
}
