//! Deaths of what the operator calls, and of what follows a disconnect.

use app::crash::Point;
use sandbox::DEMO_HUB_ID;

use super::dying::{self, kill, kill_workers};
use crate::aftermath::{acts, scope, the_trail_is_whole};
use crate::processes::{ENCRYPTION_KEYS, Stage};

const GIFTS: usize = 60;
const NEW_KEY: &str = "new:SGVsbG8sIHRoaXMgaXMgYSBrZXkgb2YgMzIgYnl0ZXM=";

/// A portal in step, and no worker.
async fn in_step() -> Stage {
    let stage = Stage::set(GIFTS).await;
    stage.install().await;
    let worker = stage.worker();
    stage.wait_for_the_end().await;
    assert_eq!(worker.terminate(), Some(0));
    stage
}

/// The portal has no tokens and no open run any more, HubSpot honours none, and the trail tells of it once.
async fn is_disconnected(stage: &Stage) {
    let connections = stage.scratch.rows("connections", scope()).await;
    assert!(connections.is_empty(), "{connections:?}");
    assert_eq!(stage.control().portals()["portals"][0]["installed"], false);
    assert_eq!(acts(stage, "portal.disconnect").await, 1);
    the_trail_is_whole(stage);
}

/// `disconnect --portal`
pub async fn disconnects(point: Point) {
    let stage = in_step().await;
    let hub_id = DEMO_HUB_ID.to_string();
    let command = || stage.command(&["disconnect", "--portal", &hub_id]);
    kill(&stage, point, command, async |_| {}).await;
    let words = dying::output(command());
    // HubSpot, which has let the app go, may refuse to be asked again.
    assert!(
        words.starts_with(&format!("{hub_id} is disconnected")),
        "{words}"
    );
    is_disconnected(&stage).await;
}

/// `disconnect --all`
pub async fn disconnects_all(point: Point) {
    let stage = in_step().await;
    let command = || stage.command(&["disconnect", "--all"]);
    let keys = stage.scratch.rows("portal_keys", scope()).await;
    kill(&stage, point, command, async |_| {}).await;
    assert_eq!(dying::output(command()), "1 portals are disconnected\n");
    is_disconnected(&stage).await;
    let after = stage.scratch.rows("portal_keys", scope()).await;
    assert_ne!(keys[0]["wrapped"], after[0]["wrapped"], "another key");
}

/// `keys rotate`
pub async fn rotates(point: Point) {
    let stage = in_step().await;
    let both = format!("{NEW_KEY},{ENCRYPTION_KEYS}");
    let with = |keys: &str, arguments: &[&str]| {
        let mut command = stage.command(arguments);
        command.env("ENCRYPTION_KEYS", keys);
        command
    };
    let command = || with(&both, &["keys", "rotate"]);
    kill(&stage, point, command, async |_| {}).await;
    // The portal was moved by the first of the dead; what comes after the portals is left.
    let words = dying::output(command());
    assert!(
        words.contains("0 portals and 1 organizations moved"),
        "{words}"
    );
    let words = dying::output(with(NEW_KEY, &["keys", "check"]));
    assert!(words.contains("1 portals, 1 organizations"), "{words}");
    assert_eq!(acts(&stage, "key.rotate").await, 1);
    let verified = with(NEW_KEY, &["audit", "verify"]);
    dying::output(verified);
}

/// What is known of a portal that was disconnected longer ago than it is kept.
pub async fn erases(point: Point) {
    let stage = in_step().await;
    let hub_id = DEMO_HUB_ID.to_string();
    dying::output(stage.command(&["disconnect", "--portal", &hub_id]));
    let aged = "UPDATE sync_schedule SET disconnected_at = disconnected_at - interval '31 days'";
    stage.scratch.tamper(&["sync_schedule"], aged).await;
    kill_workers(&stage, point, async |_| {}).await;
    let _worker = stage.worker();
    let started = tokio::time::Instant::now();
    while acts(&stage, "portal.erase").await == 0 {
        assert!(started.elapsed() < stage.patience, "never erased");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert_eq!(acts(&stage, "portal.erase").await, 1);
    assert_eq!(acts(&stage, "portal.erase_begin").await, 1);
    let mut left = stage.scratch.count_rows(scope()).await;
    left.retain(|_, rows| *rows > 0);
    for table in ["transactions", "write_attempts", "portal_keys", "runs"] {
        assert!(!left.contains_key(table), "{left:?}");
    }
    the_trail_is_whole(&stage);
}
