//! One workload's pod: how it runs, what it is given, how it is asked and ended.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::cluster::find;
use super::variables::{OWNERS, SECRETS, known};
use super::{list, names, stop_bound, text};

/// The user of the image.
const DOCKERFILE: &str = include_str!("../../../../../Dockerfile");

/// What is wrong with the pod of a workload.
pub fn pod(name: &str, workload: &Value, objects: &[(String, Value)], faults: &mut Vec<String>) {
    let pod = &workload["spec"]["template"]["spec"];
    let mut found = Vec::new();
    if let [container] = list(pod, "/containers") {
        rights(pod, container, &mut found);
        variables(container, objects, &mut found);
        ports(container, objects, &mut found);
    } else {
        found.push("it has not one container".to_owned());
    }
    let grace = pod["terminationGracePeriodSeconds"]
        .as_u64()
        .unwrap_or_default();
    let is_service = text(workload, "/kind") == "Deployment";
    if is_service && grace <= stop_bound() {
        found.push(format!(
            "it is killed after {grace} s, and may take {} s to end: set terminationGracePeriodSeconds higher",
            stop_bound()
        ));
    }
    faults.extend(found.iter().map(|words| format!("{name}: {words}")));
}

/// It may do nothing but what it is there for, and has its share of the machine.
fn rights(pod: &Value, container: &Value, faults: &mut Vec<String>) {
    let user = DOCKERFILE.rsplit_once("\nUSER ").unwrap().1;
    let user = user.split(':').next().unwrap();
    for (of, pointer, wanted) in [
        (pod, "/securityContext/runAsNonRoot", "true"),
        (pod, "/securityContext/runAsUser", user),
        (pod, "/securityContext/runAsGroup", user),
        (
            pod,
            "/securityContext/seccompProfile/type",
            "\"RuntimeDefault\"",
        ),
        (pod, "/automountServiceAccountToken", "false"),
        (pod, "/enableServiceLinks", "false"),
        (container, "/securityContext/readOnlyRootFilesystem", "true"),
        (
            container,
            "/securityContext/allowPrivilegeEscalation",
            "false",
        ),
        (container, "/securityContext/capabilities/drop", "[\"ALL\"]"),
        (container, "/image", "\"thnks-hubspot\""),
    ] {
        let is = of
            .pointer(pointer)
            .map(Value::to_string)
            .unwrap_or_default();
        if is != wanted {
            faults.push(format!("{pointer} must be {wanted} and is {is:?}"));
        }
    }
    for pointer in [
        "/resources/requests/cpu",
        "/resources/requests/memory",
        "/resources/limits/memory",
    ] {
        if text(container, pointer).is_empty() {
            faults.push(format!("{pointer} is not set"));
        }
    }
}

/// It is given what the code reads, and the owner's password where it migrates alone.
fn variables(container: &Value, objects: &[(String, Value)], faults: &mut Vec<String>) {
    let given = match environment(container, objects) {
        Err(words) => return faults.push(words),
        Ok(given) => given,
    };
    for variable in given.difference(&known()) {
        faults.push(format!("nothing reads the variable {variable}"));
    }
    let is_migration = list(container, "/args") == ["migrate"];
    if given.contains(OWNERS) != is_migration {
        faults.push(format!("{OWNERS} is for the migration, and for it alone"));
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
                "the example has no secret {secret} with the key {key}"
            ));
        }
    }
    Ok(given)
}

/// It listens where its ports say, and is asked there.
fn ports(container: &Value, objects: &[(String, Value)], faults: &mut Vec<String>) {
    let ports: BTreeMap<&str, u64> = list(container, "/ports")
        .iter()
        .map(|port| {
            let number = port["containerPort"].as_u64().unwrap_or_default();
            (text(port, "/name"), number)
        })
        .collect();
    let config = find(objects, "ConfigMap thnks-config").unwrap();
    for (port, variable) in [("http", "LISTEN_ADDR"), ("metrics", "METRICS_ADDR")] {
        let Some(number) = ports.get(port) else {
            continue;
        };
        let listens = text(config, &format!("/data/{variable}"));
        if !listens.ends_with(&format!(":{number}")) {
            faults.push(format!(
                "its port {port} is {number}, but {variable} is {listens}"
            ));
        }
        if listens.starts_with("127.") {
            faults.push(format!(
                "{variable} is {listens}, where nobody outside of the pod reaches it"
            ));
        }
    }
    for probe in ["readinessProbe", "livenessProbe", "startupProbe"] {
        let port = text(container, &format!("/{probe}/httpGet/port"));
        if container.get(probe).is_some() && !ports.contains_key(port) {
            faults.push(format!("{probe} asks the port {port:?}, which it has not"));
        }
    }
}
