//! The boards of the operator's console: what the migration that made them puts onto them is what the database keeps there.

use app::engine;
use domain::run::RunKind;
use tokio_util::sync::CancellationToken;

use crate::harness::{World, world};

const BOARDS: [&str; 3] = ["portal_board", "ledger_board", "run_board"];
const MIGRATION: &str = include_str!("../../../../migrations/20261129000001_console.sql");

/// The migration's statement about portals that were there before it.
fn catching_up() -> &'static str {
    let (_, rest) = MIGRATION
        .split_once("-- What is there already.\n")
        .expect("the part that catches up");
    let end = rest.find("\n$$;\n").expect("its end");
    &rest[..end + "\n$$;\n".len()]
}

async fn boards(world: &World) -> Vec<(&'static str, Vec<String>)> {
    let mut all = Vec::new();
    for board in BOARDS {
        let rows = world.scratch.rows_of_all(board).await;
        let mut rows: Vec<String> = rows.iter().map(ToString::to_string).collect();
        rows.sort();
        all.push((board, rows));
    }
    all
}

/// A run that ends by a person's will, after another one of its kind has ended well.
async fn cancelled(world: &World, session: &app::session::Session) {
    world.run(session, RunKind::Resync).await;
    app::runs::request(&world.app, session, RunKind::Resync)
        .await
        .unwrap();
    let run_id = app::schedule::take_due(&world.app, 1).await.unwrap()[0];
    let stopped = CancellationToken::new();
    stopped.cancel();
    engine::work(&world.app, run_id, &stopped).await.unwrap();
    app::runs::cancel(&world.app, session, run_id)
        .await
        .unwrap();
}

#[tokio::test]
async fn portals_from_before_the_boards_are_put_onto_them_as_if_these_had_been_there() {
    let world = world(30).await;
    let session = world.backfilled().await;
    cancelled(&world, &session).await;
    app::pause::pause(&world.app, &session).await.unwrap();
    let kept = boards(&world).await;
    // There is something to get wrong: a portal that rests, orphans, and a run that ended otherwise than the one before.
    let runs = world.scratch.rows_of_all("run_board").await;
    assert_eq!(runs.len(), 2, "{runs:?}");
    let resync = runs.iter().find(|run| run["kind"] == "resync").unwrap();
    assert_eq!(resync["state"], "cancelled");
    assert!(resync["succeeded_at"].is_string(), "{resync}");
    let ledger = &world.scratch.rows_of_all("ledger_board").await[0];
    assert_ne!(ledger["orphans"], 0);
    let portal = &world.scratch.rows_of_all("portal_board").await[0];
    assert_eq!(portal["state"], "paused");

    for board in BOARDS {
        world
            .scratch
            .tamper(&[], &format!("DELETE FROM {board}"))
            .await;
    }
    world.scratch.tamper(&[], catching_up()).await;
    assert_eq!(boards(&world).await, kept);
    world.end().await;
}
