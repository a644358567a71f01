//! What goes wrong at HubSpot and Thnks in mid-backfill: in the end every gift has exactly one record and its links.

use sandbox::{Action, Fault, FaultBody};

use crate::harness::{World, world};

const GIFTS: usize = 120;
/// The calls of a backfill, one of each kind.
const CALLS: [&str; 6] = [
    "schemas.create",
    "objects.batch_upsert",
    "objects.batch_read",
    "associations.batch_read",
    "associations.batch_create",
    "thnks.transactions",
];

fn status(status: u16, body: FaultBody) -> Action {
    Action::Status {
        status,
        body,
        retry_after: None,
    }
}

/// A backfill with these faults, one world for each: it ends well by itself.
async fn survive(faults: impl IntoIterator<Item = Fault>) {
    for fault in faults {
        let world = world(GIFTS).await;
        world.install_from_link().await;
        let words = format!("{} {:?}", fault.kind, fault.action);
        world.control.inject(fault);
        world.drain().await;
        assert!(world.control.faults().is_empty(), "{words} did not strike");
        assert_whole(&world, &words).await;
        world.end().await;
    }
}

async fn assert_whole(world: &World, words: &str) {
    let verdict = world.verdict();
    assert!(verdict.ok, "{words}: {verdict:#?}");
    assert_eq!(verdict.records, GIFTS, "{words}");
    let status = world.status().await;
    assert_eq!((status.synced, status.failed), (120, 0), "{words}");
}

fn once_each(action: &Action) -> Vec<Fault> {
    CALLS.map(|kind| Fault::once(kind, action.clone())).into()
}

#[tokio::test]
async fn server_errors_are_waited_out() {
    let faults = once_each(&status(500, FaultBody::Json));
    survive(faults.into_iter().map(|fault| Fault { times: 2, ..fault })).await;
}

#[tokio::test]
async fn a_longer_outage_is_waited_out_by_the_run() {
    survive(CALLS.map(|kind| Fault {
        times: 14,
        ..Fault::once(kind, status(502, FaultBody::Html))
    }))
    .await;
}

#[tokio::test]
async fn pages_of_a_proxy_and_answers_cut_off_are_asked_for_again() {
    survive(once_each(&status(200, FaultBody::Html))).await;
    survive(once_each(&status(200, FaultBody::Truncated))).await;
}

#[tokio::test]
async fn an_answer_that_swells_is_given_up_while_memory_stays_flat() {
    let before = peak_mebibytes();
    survive(once_each(&Action::Bomb { mebibytes: 1_024 })).await;
    // The largest answer that is taken has 32 MiB (of Thnks), and a buffer that grows holds twice as much for a moment.
    let grown = peak_mebibytes() - before;
    assert!(grown < 256, "memory has grown by {grown} MiB");
}

/// The most memory that this process ever had, in MiB.
fn peak_mebibytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse().ok());
    kibibytes.map_or(0, |kibibytes: u64| kibibytes / 1024)
}

#[tokio::test]
async fn connections_that_break_are_made_again() {
    survive(once_each(&Action::Reset)).await;
}

#[tokio::test]
async fn a_write_that_was_applied_and_not_answered_makes_no_second_record() {
    let lost = |fault| Fault {
        apply: true,
        ..fault
    };
    survive(once_each(&Action::Reset).into_iter().map(lost)).await;
    let cut = once_each(&status(200, FaultBody::Truncated));
    survive(cut.into_iter().map(lost)).await;
}

#[tokio::test]
async fn limits_are_waited_out_as_long_as_hubspot_says() {
    let throttle = |policy: &str, retry_after| Action::Throttle {
        policy: policy.into(),
        retry_after,
    };
    survive([
        Fault::once(
            "objects.batch_upsert",
            throttle("TEN_SECONDLY_ROLLING", Some(1)),
        ),
        Fault::once("objects.batch_upsert", throttle("SECONDLY", None)),
        // Longer than a call's patience: the run goes on later.
        Fault::once("objects.batch_upsert", throttle("DAILY", None)),
        Fault::once("associations.batch_create", throttle("DAILY", Some(3_600))),
        Fault::once("thnks.transactions", throttle("SECONDLY", Some(1))),
    ])
    .await;
}

#[tokio::test]
async fn locked_and_moving_accounts_are_waited_for() {
    survive([
        Fault::once("objects.batch_upsert", Action::Locked),
        Fault::once(
            "associations.batch_create",
            Action::Moving { retry_after: 1 },
        ),
        Fault::once(
            "objects.batch_upsert",
            Action::Moving { retry_after: 7_200 },
        ),
    ])
    .await;
}

#[tokio::test]
async fn rows_that_an_answer_leaves_out_are_sent_once_more() {
    survive([Fault::once("objects.batch_upsert", Action::EmptyResults)]).await;
}

#[tokio::test]
async fn a_cursor_that_expires_while_reading_starts_again_where_rows_are_stored() {
    let world = world(1_100).await;
    world.install_from_link().await;
    let stopped = tokio_util::sync::CancellationToken::new();
    stopped.cancel();
    let run_id = app::schedule::take_due(&world.app, 1).await.unwrap()[0];
    app::engine::work(&world.app, run_id, &stopped)
        .await
        .unwrap();
    world
        .control
        .expire_cursors(crate::harness::ORGANIZATION)
        .unwrap();
    world.drain().await;
    assert_eq!(world.assert_good().await.records, 1_100);
    world.end().await;
}
