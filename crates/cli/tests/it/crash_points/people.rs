//! Deaths on the way of what HubSpot and people ask for: events, erasures, notices.

use std::collections::BTreeSet;

use app::crash::Point;
use sandbox::DEMO_HUB_ID;
use serde_json::Value;
use url::Url;

use super::dying::{self, kill_workers};
use crate::aftermath::{acts, judge, runs, scope, the_trail_is_whole};
use crate::notices::{wait_for, webhook};
use crate::processes::Stage;

const GIFTS: usize = 150;

/// A portal in step, of whose contacts HubSpot tells, and no worker.
async fn in_step() -> Stage {
    let stage = Stage::set(GIFTS).await;
    let events: Url = format!("{}/webhooks/hubspot", stage.public_url())
        .parse()
        .unwrap();
    stage.install().await;
    let worker = stage.worker();
    stage.wait_for_the_end().await;
    assert_eq!(worker.terminate(), Some(0));
    stage.control().set_webhook_target(Some(events));
    stage
}

/// Waits until HubSpot has told of everything.
async fn told(stage: &Stage) {
    while stage.control().is_delivering() {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let deliveries = stage.control().deliveries();
    assert!(deliveries.iter().all(|one| one.status == Some(204)));
}

/// Somebody adds the contact of an orphan.
async fn adopt(stage: &Stage) {
    let adopted = stage.control().adopt_orphans(DEMO_HUB_ID, None, 1);
    assert_eq!(adopted.unwrap().len(), 1);
    told(stage).await;
}

/// Waits until no event is left and no run is open.
async fn followed(stage: &Stage) {
    let started = tokio::time::Instant::now();
    loop {
        let events = stage.scratch.rows("hubspot_events", scope()).await;
        if events.is_empty() && stage.status().await["current_run"].is_null() {
            return;
        }
        assert!(started.elapsed() < stage.patience, "{events:?}");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}

/// A contact comes before each death: its gift is linked in the end.
pub async fn are_followed(point: Point) {
    let stage = in_step().await;
    kill_workers(&stage, point, async |_| adopt(&stage).await).await;
    let _worker = stage.worker();
    followed(&stage).await;
    judge(&stage).await;
    let links = runs(&stage, "link").await;
    assert!(
        links.iter().all(|(state, _)| state == "succeeded"),
        "{links:?}"
    );
}

/// Events that no run gets past are kept: the next one looks into them, whatever it was asked for.
pub async fn are_kept(point: Point) {
    let stage = in_step().await;
    kill_workers(&stage, point, async |death| {
        if death == 1 {
            adopt(&stage).await;
        }
    })
    .await;
    let _worker = stage.worker();
    let hub_id = DEMO_HUB_ID.to_string();
    let sync = ["run", "start", "--portal", &hub_id, "--kind", "sync"];
    dying::output(stage.command(&sync));
    followed(&stage).await;
    judge(&stage).await;
    let links = runs(&stage, "link").await;
    assert_eq!(links[0].0, "dead", "{links:?}");
}

/// Contacts that ask for it are erased, each once, here and in HubSpot's records.
pub async fn are_erased(point: Point) {
    let stage = in_step().await;
    let gifts = stage.scratch.rows("transactions", scope()).await;
    let contacts: BTreeSet<u64> = gifts
        .iter()
        .filter_map(|gift| gift["contact_id"].as_u64())
        .collect();
    // The same one stays until its erasure is committed.
    let people = match point {
        Point::RecipientErasing => 1,
        _ => dying::DEATHS,
    };
    let mut contacts = contacts.into_iter().take(people);
    let mut forgotten = Vec::new();
    kill_workers(&stage, point, async |_| {
        let Some(contact) = contacts.next() else {
            return;
        };
        stage
            .control()
            .delete_record(DEMO_HUB_ID, "contacts", contact, true)
            .unwrap();
        forgotten.push(contact);
        told(&stage).await;
    })
    .await;
    let _worker = stage.worker();
    followed(&stage).await;
    assert_eq!(forgotten.len(), people);
    assert_eq!(acts(&stage, "recipient.erase").await, people);

    let theirs = |gift: &&Value| {
        let contact = gift["contact_id"].as_u64();
        contact.is_some_and(|contact| forgotten.contains(&contact))
    };
    let gone: Vec<&Value> = gifts.iter().filter(theirs).collect();
    let addresses = gone
        .iter()
        .filter_map(|gift| gift["recipient_email"].as_str());
    for table in ["transactions", "runs", "rejected_rows"] {
        let rows = Value::from(stage.scratch.rows(table, scope()).await).to_string();
        for address in addresses.clone() {
            assert!(!rows.contains(address), "{table}");
        }
    }
    // The referee expects what Thnks still says: the values of these people, and of nobody else, are missing in HubSpot.
    let verdict = stage.control().verify(DEMO_HUB_ID, None).unwrap();
    let ids: BTreeSet<&str> = gone
        .iter()
        .filter_map(|gift| gift["transaction_id"].as_str())
        .collect();
    let emptied: BTreeSet<&str> = verdict
        .wrong_values
        .iter()
        .map(|wrong| wrong.id.as_str())
        .collect();
    // It names the first of them.
    assert!(
        !emptied.is_empty() && emptied.is_subset(&ids),
        "{emptied:?}"
    );
    assert!(
        verdict
            .wrong_values
            .iter()
            .all(|wrong| wrong.actual.is_empty())
    );
    assert_eq!(
        (
            verdict.missing_count,
            verdict.doubled_count,
            verdict.unknown_count
        ),
        (0, 0, 0)
    );
    assert_eq!(
        (verdict.missing_link_count, verdict.wrong_link_count),
        (0, 0)
    );
    the_trail_is_whole(&stage);
}

/// A portal with one notice that is due, and no worker: the bodies that the receiver takes.
async fn with_a_notice() -> (Stage, crate::notices::Taken) {
    let stage = in_step().await;
    let (url, taken) = webhook().await;
    let page = format!("/portals/{DEMO_HUB_ID}/settings/notifications");
    let fields = [
        ("webhook_url", url.as_str()),
        ("kind", "authorization_lost"),
    ];
    let (status, _) = stage.browser.fill(&page, &page, &fields).await;
    assert_eq!(status, 200);
    stage.browser.press(&page, &format!("{page}/test")).await;
    (stage, taken)
}

/// What was never sent arrives once.
pub async fn are_told_once(point: Point) {
    let (stage, taken) = with_a_notice().await;
    kill_workers(&stage, point, async |_| {}).await;
    assert!(taken.lock().unwrap().is_empty());
    let _worker = stage.worker();
    assert_eq!(wait_for(&taken, 1).await, ["test"]);
    is_delivered(&stage).await;
}

/// What arrived without being noted is sent again, each time the same: receivers know it by that.
pub async fn are_told_again(point: Point) {
    let (stage, taken) = with_a_notice().await;
    kill_workers(&stage, point, async |_| {}).await;
    let _worker = stage.worker();
    let types = wait_for(&taken, dying::DEATHS + 1).await;
    assert_eq!(types, vec!["test"; dying::DEATHS + 1]);
    is_delivered(&stage).await;
    let taken = taken.lock().unwrap();
    assert!(taken.iter().all(|body| *body == taken[0]), "{taken:?}");
}

async fn is_delivered(stage: &Stage) {
    let deliveries = stage.scratch.rows("notice_deliveries", scope()).await;
    let states: Vec<&Value> = deliveries.iter().map(|one| &one["state"]).collect();
    assert_eq!(states, ["delivered"]);
}
