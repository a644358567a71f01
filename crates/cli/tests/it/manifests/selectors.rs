//! Which pods services, budgets and policies choose.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{list, text};

/// Whoever chooses pods chooses some, and asks for ports that they have.
pub fn selectors(name: &str, object: &Value, pods: &[&Value], faults: &mut Vec<String>) {
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
