//! HubSpot's events with real processes: delivered to web, followed up by the worker.

use sandbox::control::{Contact, Sent};
use sandbox::{DEMO_HUB_ID, DEMO_ORGANIZATION_ID, WorldSpec};
use url::Url;

use crate::processes::Stage;

#[tokio::test(flavor = "multi_thread")]
async fn a_contact_that_appears_gets_its_gift_and_one_that_asks_for_it_is_forgotten() {
    let stage = Stage::with(WorldSpec::empty(sandbox::machine_clock()())).await;
    let control = stage.control();
    let events: Url = format!("{}/webhooks/hubspot", stage.public_url())
        .parse()
        .unwrap();
    control.set_webhook_target(Some(events));
    let sent = Sent {
        email: Some("ana@client.example".into()),
        name: Some("Ana Souza".into()),
        ..Sent::default()
    };
    control.send_gift(DEMO_ORGANIZATION_ID, sent).unwrap();
    let worker = stage.worker();
    stage.install().await;
    stage.wait_for_the_end().await;
    assert_eq!(stage.status().await["orphans"], 1);
    let ana = Contact {
        email: Some("ana@client.example".into()),
        ..Contact::default()
    };
    let ana = control.add_contact(DEMO_HUB_ID, &ana).unwrap();
    stage
        .wait("the link", |status| status["orphans"] == 0)
        .await;
    stage.wait_for_the_end().await;

    control
        .delete_record(DEMO_HUB_ID, "contacts", ana, true)
        .unwrap();
    let status = stage
        .wait("the erasure", |status| {
            status["orphans"] == 1 && status["current_run"].is_null()
        })
        .await;
    assert_eq!(status["synced"], 1);
    let statistics = stage
        .browser
        .json(&format!("/portals/{DEMO_HUB_ID}/statistics.json"))
        .await;
    assert_eq!(statistics["total_sent"], 1);
    assert_eq!(
        statistics["recent_activity"][0]["recipient"],
        serde_json::Value::Null
    );
    assert!(
        control
            .deliveries()
            .iter()
            .all(|one| one.status == Some(204))
    );
    assert_eq!(worker.terminate(), Some(0));
}
