//! `deploy/kubernetes/`: what it says is consistent, fits the code, and gives no process more than it needs.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::variables::{OWNERS, SECRETS, known};
use super::{assert_is_found, changed, list, names, parse, root, stop_bound, text};

/// Files by their names.
pub type Files = BTreeMap<String, String>;

const EXAMPLE: &str = "secret.example.yaml";
const KUSTOMIZATION: &str = "kustomization.yaml";
/// The user of the image.
const DOCKERFILE: &str = include_str!("../../../../../Dockerfile");

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
    let differing = applied.symmetric_difference(&written);
    differing
        .map(|name| {
            format!(
                "{KUSTOMIZATION}: {name} is either not applied, or must not be, or is not there"
            )
        })
        .collect()
}

/// One workload's pod: how it runs, what it is given, how it is asked and ended.
fn pod(name: &str, workload: &Value, objects: &[(String, Value)], faults: &mut Vec<String>) {
    let mut fault = |words: String| faults.push(format!("{name}: {words}"));
    let pod = &workload["spec"]["template"]["spec"];
    let user = DOCKERFILE
        .rsplit_once("\nUSER ")
        .unwrap()
        .1
        .split(':')
        .next()
        .unwrap();
    let number = |pointer| {
        pod.pointer(pointer)
            .map(Value::to_string)
            .unwrap_or_default()
    };
    for (pointer, wanted) in [
        ("/securityContext/runAsNonRoot", "true"),
        ("/securityContext/runAsUser", user),
        ("/securityContext/runAsGroup", user),
        ("/securityContext/seccompProfile/type", "\"RuntimeDefault\""),
        ("/automountServiceAccountToken", "false"),
        ("/enableServiceLinks", "false"),
    ] {
        if number(pointer) != wanted {
            fault(format!(
                "{pointer} must be {wanted} and is {:?}",
                number(pointer)
            ));
        }
    }
    let is_service = text(workload, "/kind") == "Deployment";
    let grace = pod["terminationGracePeriodSeconds"]
        .as_u64()
        .unwrap_or_default();
    if is_service && grace <= stop_bound() {
        fault(format!(
            "it is killed after {grace} s, and may take {} s to end: set terminationGracePeriodSeconds higher",
            stop_bound()
        ));
    }
    let [container] = list(pod, "/containers") else {
        return fault("it has not one container".to_owned());
    };
    for (pointer, wanted) in [
        ("/securityContext/readOnlyRootFilesystem", "true"),
        ("/securityContext/allowPrivilegeEscalation", "false"),
        ("/securityContext/capabilities/drop", "[\"ALL\"]"),
        ("/image", "\"thnks-hubspot\""),
    ] {
        let is = container
            .pointer(pointer)
            .map(Value::to_string)
            .unwrap_or_default();
        if is != wanted {
            fault(format!("{pointer} must be {wanted} and is {is:?}"));
        }
    }
    for pointer in [
        "/resources/requests/cpu",
        "/resources/requests/memory",
        "/resources/limits/memory",
    ] {
        if text(container, pointer).is_empty() {
            fault(format!("{pointer} is not set"));
        }
    }
    let is_migration = list(container, "/args") == ["migrate"];
    match environment(container, objects) {
        Err(words) => fault(words),
        Ok(given) => {
            for variable in given.difference(&known()) {
                fault(format!("nothing reads the variable {variable}"));
            }
            if given.contains(OWNERS) != is_migration {
                fault(format!("{OWNERS} is for the migration, and for it alone"));
            }
        }
    }
    let ports: BTreeMap<&str, u64> = list(container, "/ports")
        .iter()
        .map(|port| {
            (
                text(port, "/name"),
                port["containerPort"].as_u64().unwrap_or_default(),
            )
        })
        .collect();
    let config = find(objects, "ConfigMap thnks-config").unwrap();
    for (port, variable) in [("http", "LISTEN_ADDR"), ("metrics", "METRICS_ADDR")] {
        let listens = text(config, &format!("/data/{variable}"));
        if let Some(number) = ports.get(port)
            && !listens.ends_with(&format!(":{number}"))
        {
            fault(format!(
                "its port {port} is {number}, but {variable} is {listens}"
            ));
        }
        if listens.starts_with("127.") {
            fault(format!(
                "{variable} is {listens}, where nobody outside of the pod reaches it"
            ));
        }
    }
    for probe in ["readinessProbe", "livenessProbe", "startupProbe"] {
        let port = text(container, &format!("/{probe}/httpGet/port"));
        if container.get(probe).is_some() && !ports.contains_key(port) {
            fault(format!("{probe} asks the port {port:?}, which it has not"));
        }
    }
    let templates = names(workload, "/spec/template/metadata/labels");
    if templates.is_empty() {
        fault("its pods have no labels".to_owned());
    }
}

/// The names of the variables that a container is given; where one comes from nowhere, or a secret stands in the clear, a sentence.
fn environment(container: &Value, objects: &[(String, Value)]) -> Result<BTreeSet<String>, String> {
    let mut given = BTreeSet::new();
    for source in list(container, "/envFrom") {
        let (kind, key, place) = match (source.get("configMapRef"), source.get("secretRef")) {
            (Some(from), _) => ("ConfigMap", text(from, "/name"), "/data"),
            (_, Some(from)) => ("Secret", text(from, "/name"), "/stringData"),
            _ => {
                return Err(format!(
                    "envFrom is neither a ConfigMap nor a Secret: {source}"
                ));
            }
        };
        let object = find(objects, &format!("{kind} {key}"));
        let object = object.ok_or_else(|| format!("there is no {kind} {key}"))?;
        given.extend(names(object, place));
    }
    for variable in list(container, "/env") {
        let name = text(variable, "/name");
        given.insert(name.to_owned());
        let Some(from) = variable.pointer("/valueFrom/secretKeyRef") else {
            if SECRETS.contains(&name) {
                return Err(format!("{name} is a secret and comes from none"));
            }
            continue;
        };
        let (secret, key) = (text(from, "/name"), text(from, "/key"));
        let object = find(objects, &format!("Secret {secret}"));
        if !object.is_some_and(|object| names(object, "/stringData").contains(key)) {
            return Err(format!(
                "{EXAMPLE} has no secret {secret} with the key {key}"
            ));
        }
    }
    Ok(given)
}

/// Whoever chooses pods chooses some, and asks for ports that they have.
fn selectors(name: &str, object: &Value, pods: &[&Value], faults: &mut Vec<String>) {
    let (selector, is_own) = match text(object, "/kind") {
        "Service" => ("/spec/selector", false),
        "PodDisruptionBudget" => ("/spec/selector/matchLabels", false),
        "Deployment" => ("/spec/selector/matchLabels", true),
        "NetworkPolicy" => ("/spec/podSelector/matchLabels", false),
        _ => return,
    };
    let own = [&object["spec"]["template"]];
    let pods = if is_own { &own[..] } else { pods };
    let wanted = object.pointer(selector).and_then(Value::as_object);
    let chosen: Vec<&&Value> = pods
        .iter()
        .filter(|pod| {
            let labels = &pod["metadata"]["labels"];
            let mut wanted = wanted.into_iter().flatten();
            wanted.all(|(label, value)| &labels[label] == value) && is_among(labels, object)
        })
        .collect();
    if wanted.is_none_or(serde_json::Map::is_empty) || chosen.is_empty() {
        return faults.push(format!("{name}: it chooses no pod of ours: {wanted:?}"));
    }
    let ports = chosen
        .iter()
        .flat_map(|pod| list(pod, "/spec/containers/0/ports"));
    let has: BTreeSet<String> = ports
        .flat_map(|port| {
            [
                text(port, "/name").to_owned(),
                port["containerPort"].to_string(),
            ]
        })
        .collect();
    let asked = list(object, "/spec/ports")
        .iter()
        .map(|port| &port["targetPort"]);
    let let_in = list(object, "/spec/ingress")
        .iter()
        .flat_map(|rule| list(rule, "/ports"));
    for port in asked.chain(let_in.map(|port| &port["port"])) {
        let port = port
            .as_str()
            .map_or_else(|| port.to_string(), str::to_owned);
        if !has.contains(&port) {
            faults.push(format!(
                "{name}: the pods that it chooses have no port {port}"
            ));
        }
    }
}

/// Whether labels are those that `matchExpressions` name.
fn is_among(labels: &Value, object: &Value) -> bool {
    list(object, "/spec/podSelector/matchExpressions")
        .iter()
        .all(|expression| {
            assert_eq!(
                expression["operator"], "In",
                "another operator is not read here"
            );
            list(expression, "/values").contains(&labels[text(expression, "/key")])
        })
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
            "pdb.yaml is either not applied",
        ),
        (
            "kustomization.yaml",
            "  - pdb.yaml\n",
            "  - pdb.yaml\n  - secret.example.yaml\n",
            "secret.example.yaml is either",
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
