//! Deaths while gifts are brought in.

use app::crash::Point;
use domain::run::STARTS_WITHOUT_PROGRESS;
use sandbox::{Action, DEMO_HUB_ID, Fault};

use super::dying::{self, kill_workers};
use crate::aftermath::{self, judge, sent_again};
use crate::processes::Stage;

/// Three pages of Thnks, so that each death can come behind another one.
const PAGES: usize = 1_100;
/// Four batches of records.
const BATCHES: usize = 330;

async fn installed(point: Point) -> Stage {
    let gifts = match point {
        Point::PageStored => PAGES,
        _ => BATCHES,
    };
    let stage = Stage::set(gifts).await;
    stage.install().await;
    stage
}

/// A worker that lives ends the backfill that others died of, and there was no other one.
async fn is_finished(stage: &Stage, point: Point) {
    let _worker = stage.worker();
    judge(stage).await;
    assert_eq!(
        aftermath::runs(stage, "backfill").await,
        [("succeeded".to_owned(), None)]
    );
    match point {
        Point::RecordsAnswered | Point::LeaseRenewed => {
            dying::little_was_sent_again(stage, point);
        }
        // Each batch was sent until its worker gave up waiting for an answer.
        Point::RecordsUnanswered => assert!(sent_again(stage) > 0),
        // Batches that were under way beside the one that was noted.
        Point::RecordsNoted => dying::little_was_sent_again(stage, point),
        _ => assert_eq!(sent_again(stage), 0),
    }
}

/// Each worker gets somewhere, or the first one did: the run is not to blame and goes on.
pub async fn goes_on(point: Point) {
    let stage = installed(point).await;
    kill_workers(&stage, point, async |_| {}).await;
    is_finished(&stage, point).await;
}

/// HubSpot takes what it is sent and does not answer.
pub async fn goes_on_after_silence(point: Point) {
    let stage = installed(point).await;
    stage.control().inject(Fault {
        times: u64::MAX,
        apply: true,
        ..Fault::once("objects.batch_upsert", Action::Reset)
    });
    // Workers tell each other that HubSpot is down, by way of Redis: each has to find out by itself.
    kill_workers(&stage, point, async |_| stage.redis.flush()).await;
    stage.redis.flush();
    stage.control().clear_faults();
    is_finished(&stage, point).await;
}

/// HubSpot answers after the lease is renewed.
pub async fn goes_on_after_long_calls(point: Point) {
    let stage = installed(point).await;
    stage.control().inject(Fault {
        times: u64::MAX,
        ..Fault::once("objects.batch_upsert", Action::Delay { millis: 7_000 })
    });
    kill_workers(&stage, point, async |_| {}).await;
    stage.control().clear_faults();
    is_finished(&stage, point).await;
}

/// Redis forgets each ring with the worker that rang.
pub async fn rings_again(point: Point) {
    let stage = installed(point).await;
    kill_workers(&stage, point, async |_| stage.redis.flush()).await;
    is_finished(&stage, point).await;
}

/// A run that kills a worker at each start and never gets anywhere cannot be told from one that is poison: after so many starts it
/// is given up, which people see, and what they ask for then is done.
pub async fn is_given_up(point: Point) {
    let stage = installed(point).await;
    kill_workers(&stage, point, async |_| {}).await;
    let _worker = stage.worker();
    given_up_and_asked_for_again(&stage).await;
    assert_eq!(sent_again(&stage), 0);
    let calls = stage.control().counters(Some(DEMO_HUB_ID)).by_kind;
    assert_eq!(calls["schemas.create"], 1, "{calls:?}");
}

/// The backfill is dead and shown; another one brings everything in.
pub async fn given_up_and_asked_for_again(stage: &Stage) {
    stage
        .wait("the end of a run that kills", |status| {
            status["last_run"]["state"] == "dead"
        })
        .await;
    let reason = format!("gave up after {STARTS_WITHOUT_PROGRESS} starts without progress");
    let given_up = ("dead".to_owned(), Some(reason));
    let so_far = aftermath::runs(stage, "backfill").await;
    assert_eq!(so_far, std::slice::from_ref(&given_up));
    let hub_id = DEMO_HUB_ID.to_string();
    let again = ["run", "start", "--portal", &hub_id, "--kind", "backfill"];
    dying::output(stage.command(&again));
    judge(stage).await;
    let succeeded = ("succeeded".to_owned(), None);
    assert_eq!(
        aftermath::runs(stage, "backfill").await,
        [given_up, succeeded]
    );
}

/// A stride of links is all that a small backfill has: orphans that are looked at again bring the next ones.
pub async fn links_again(point: Point) {
    let stage = installed(point).await;
    let page = format!("/portals/{DEMO_HUB_ID}");
    kill_workers(&stage, point, async |death| {
        if death > 1 {
            let adopted = stage.control().adopt_orphans(DEMO_HUB_ID, None, 1);
            assert_eq!(adopted.unwrap().len(), 1);
            let button = format!("{page}/reassociate");
            stage.browser.press(&page, &button).await;
        }
    })
    .await;
    is_finished(&stage, point).await;
    let runs = aftermath::runs(&stage, "reassociate").await;
    assert!(
        runs.iter().all(|(state, _)| state == "succeeded"),
        "{runs:?}"
    );
}

/// Each run has ended when its worker dies: the next worker needs a next one.
pub async fn ends(point: Point) {
    let stage = installed(point).await;
    let page = format!("/portals/{DEMO_HUB_ID}");
    kill_workers(&stage, point, async |death| {
        if death > 1 {
            stage.browser.press(&page, &format!("{page}/sync")).await;
        }
    })
    .await;
    is_finished(&stage, point).await;
    let syncs = aftermath::runs(&stage, "sync").await;
    assert_eq!(
        syncs,
        vec![("succeeded".to_owned(), None); dying::DEATHS - 1]
    );
}
