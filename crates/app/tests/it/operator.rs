//! What the operator does to one portal at the command line.

use domain::RecordId;
use domain::run::RunKind;
use serde_json::{Value, json};

use crate::harness::{HUB, World, scope, world};

/// What operators did, the first first.
async fn acts(world: &World) -> Vec<(Value, Value)> {
    let mut acts = world.scratch.rows_of_all("operator_acts").await;
    // The world's own.
    acts.retain(|act| act["action"] != "org add");
    acts.sort_by_key(|act| act["number"].as_i64());
    acts.into_iter()
        .map(|act| (act["action"].clone(), act["detail"].clone()))
        .collect()
}

#[tokio::test]
async fn what_is_typed_for_one_portal_is_among_the_operators_acts() {
    let world = world(5).await;
    world.backfilled().await;
    let run = app::runs::request_by_operator(&world.app, scope(), RunKind::Reassociate)
        .await
        .unwrap();
    let nobody = RecordId(4_711);
    let erased = app::erase::again(&world.app, scope(), nobody, None)
        .await
        .unwrap();
    assert_eq!(erased.map(|again| again.gifts), Some(0));
    let told = app::disconnect::disconnect_by_operator(&world.app, scope())
        .await
        .unwrap();
    assert!(told);
    let expected = [
        (
            "run start",
            json!({"portal": HUB, "kind": "reassociate", "since": null, "run": run.id}),
        ),
        ("erase", json!({"portal": HUB, "transactions": 0})),
        ("disconnect", json!({"portal": HUB})),
    ];
    let expected = expected.map(|(action, detail)| (json!(action), detail));
    assert_eq!(acts(&world).await, expected);
    // And in the portal's own trail, for its people.
    let own = world.scratch.rows("audit", scope()).await;
    for action in ["run.request", "recipient.erase", "portal.disconnect"] {
        let act = own
            .iter()
            .find(|act| act["action"] == action && act["actor"] == "operator");
        assert!(act.is_some(), "{action}: {own:#?}");
    }
    world.end().await;
}
