//! Deaths while tokens are refreshed.

use app::crash::Point;
use sandbox::DEMO_HUB_ID;

use super::dying::{self, kill_workers};
use super::runs::given_up_and_asked_for_again;
use crate::aftermath::{acts, judge, scope};
use crate::processes::{Process, Stage};

const GIFTS: usize = 60;

/// The token has ended before each worker begins. HubSpot's refresh tokens stay as they are: whoever comes next asks again with
/// the same one. The backfill itself never begins, and is given up for it.
pub async fn are_refreshed_again(point: Point) {
    let stage = Stage::set(GIFTS).await;
    stage.install().await;
    kill_workers(&stage, point, async |_| {
        stage.control().expire_tokens(DEMO_HUB_ID).unwrap();
    })
    .await;
    let _worker = stage.worker();
    given_up_and_asked_for_again(&stage).await;
    // A refresh for each worker that asked HubSpot, and none that asked twice.
    let calls = stage.control().counters(Some(DEMO_HUB_ID)).by_kind;
    let refreshes = calls.get("oauth.refresh").copied().unwrap_or_default();
    let expected = match point {
        // The first that gets to ask is the one that lives.
        Point::TokenLeased => 1,
        Point::TokenAnswered => dying::DEATHS + 1,
        _ => dying::DEATHS,
    };
    assert_eq!(refreshes, u64::try_from(expected).unwrap(), "{calls:?}");
}

/// Should HubSpot end the old refresh token with each answer, an answer that is lost costs the connection: it is told, not tried
/// for ever, and an install goes on where it stopped.
#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_token_that_was_lost_with_the_answer_ends_the_connection() {
    let stage = Stage::set(GIFTS).await;
    let mut rules = stage.control().rules();
    rules.rotate_refresh_tokens = true;
    stage.control().set_rules(rules);
    stage.install().await;
    stage.control().expire_tokens(DEMO_HUB_ID).unwrap();
    let order = format!("{}:1", Point::TokenAnswered.name());
    let process = Process::spawn(stage.command(&["work"]).env("CRASH_AT", order));
    assert_eq!(process.wait().await.code(), None);

    let _worker = stage.worker();
    let started = tokio::time::Instant::now();
    loop {
        // The dead one's leases lapse, and the second look at a refused token comes.
        dying::let_pass(&stage).await;
        let portals = stage.scratch.rows("portals", scope()).await;
        if !portals[0]["disconnected_at"].is_null() {
            break;
        }
        assert!(started.elapsed() < stage.patience, "{portals:?}");
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    }
    assert_eq!(acts(&stage, "portal.authorization_lost").await, 1);
    let connections = stage.scratch.rows("connections", scope()).await;
    assert!(connections.is_empty());
    stage.install().await;
    judge(&stage).await;
}
