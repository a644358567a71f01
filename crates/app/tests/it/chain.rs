//! The chains over what was done: every write is in them, and whoever changes a line is found out.

use app::chain::{self, Break, Chain, Noted, Of, Verdict};
use domain::run::RunKind;
use sandbox::{Action, Fault, FaultBody};

use crate::harness::{World, scope, world};

const TABLES: [&str; 4] = ["audit", "write_attempts", "write_batches", "chain_heads"];

async fn verify(world: &World) -> Verdict {
    chain::verify(&world.app, scope(), &Noted::default())
        .await
        .unwrap()
}

/// The end of a chain, noted as the log notes it.
fn noted(world: &World, of: Of, chain: &Chain) -> Noted {
    let end = chain::sign(&world.app, of, chain.head.clone());
    let portal = (of != Of::Operator).then(|| scope().hub_id());
    let end = end.to_string().parse().unwrap();
    Noted::sort(&world.app, portal, &[end]).unwrap()
}

async fn tampered(world: &World, sql: &str) -> Verdict {
    world.scratch.tamper(&TABLES, sql).await;
    verify(world).await
}

#[tokio::test]
async fn every_record_that_was_sent_is_an_attempt_in_a_whole_chain() {
    let world = world(230).await;
    let session = world.install_from_link().await;
    world.drain().await;
    world.run(&session, RunKind::Resync).await;
    let calls = world
        .control
        .log(None, Some("objects.batch_upsert"), 0, 1_000);
    let sent: usize = calls.iter().map(|call| call.inputs).sum();
    let attempts = world.scratch.rows("write_attempts", scope()).await;
    let of_records = attempts.iter().filter(|row| row["what"] == "record");
    assert_eq!(of_records.count(), sent);
    let verdict = verify(&world).await;
    assert!(verdict.is_whole(), "{verdict:?}");
    assert_eq!(verdict.writes.lines, attempts.len() as u64);
    assert!(verdict.acts.lines >= 3);
    // What was made of HubSpot's schema is an act.
    let acts = world.scratch.rows("audit", scope()).await;
    let of_object: Vec<_> = acts
        .iter()
        .filter(|act| act["action"] == "object.change")
        .collect();
    assert_eq!(of_object.len(), 1);
    assert_eq!(of_object[0]["detail"]["changes"][0], "object");
    world.end().await;
}

/// How the attempts to write records ended, in their order.
async fn outcomes_of_records(world: &World) -> Vec<(String, Option<String>)> {
    let mut attempts = world.scratch.rows("write_attempts", scope()).await;
    attempts.retain(|row| row["what"] == "record");
    attempts.sort_by_key(|row| row["seq"].as_i64());
    let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
    attempts
        .iter()
        .map(|row| (text(&row["outcome"]).unwrap(), text(&row["code"])))
        .collect()
}

#[tokio::test]
async fn a_write_that_was_lost_once_is_an_attempt_whatever_its_repeat_is_told() {
    let told = [
        Action::Status {
            status: 401,
            body: FaultBody::Json,
            retry_after: None,
        },
        // Longer than a call waits.
        Action::Throttle {
            policy: "DAILY".into(),
            retry_after: Some(3_600),
        },
    ];
    for told in told {
        let world = world(3).await;
        let faults = [
            Fault {
                apply: true,
                ..Fault::once("objects.batch_upsert", Action::Reset)
            },
            // A call takes up all that match it, and does what the first one says.
            Fault {
                times: 3,
                ..Fault::once("objects.batch_upsert", told.clone())
            },
        ];
        for fault in faults {
            world.control.inject(fault);
        }
        world.backfilled().await;
        let outcomes = outcomes_of_records(&world).await;
        let lost = ("unanswered".to_owned(), Some("UNKNOWN_OUTCOME".to_owned()));
        assert_eq!(
            outcomes[..3],
            [lost.clone(), lost.clone(), lost],
            "{told:?}"
        );
        let later = &outcomes[outcomes.len() - 3..];
        assert!(
            later.iter().all(|(outcome, _)| outcome == "written"),
            "{outcomes:?}"
        );
        world.end().await;
    }
}

#[tokio::test]
async fn the_first_act_that_is_not_as_it_was_written_is_named() {
    let world = world(5).await;
    let session = world.backfilled().await;
    for _ in 0..6 {
        world.run(&session, RunKind::Sync).await;
    }
    let whole = verify(&world).await;
    let lines = i64::try_from(whole.acts.lines).unwrap();
    assert!(whole.is_whole() && lines > 6, "{whole:?}");
    let noted = noted(&world, Of::Acts(scope().hub_id()), &whole.acts);

    for (sql, broken) in [
        ("UPDATE audit SET actor = 'user:1' WHERE number = 3", Break::Changed(3)),
        ("UPDATE audit SET at = at + interval '1 microsecond' WHERE number = 4", Break::Changed(4)),
        ("UPDATE audit SET detail = '{}' WHERE number = 1", Break::Changed(1)),
        ("DELETE FROM audit WHERE number = 2", Break::Missing(2)),
        // Two lines change places.
        (
            "UPDATE audit SET number = 1000 WHERE number = 2; UPDATE audit SET number = 2 WHERE number = 3;
             UPDATE audit SET number = 3 WHERE number = 1000",
            Break::Changed(2),
        ),
        // A line that fits in itself, so that the one after it does not.
        (
            "UPDATE audit SET actor = 'user:1' WHERE number = 3;
             UPDATE audit AS a SET hash = act_hash((SELECT hash FROM audit WHERE number = 2), a) WHERE number = 3",
            Break::Changed(4),
        ),
        // A line at the end that no head knows.
        (
            "INSERT INTO audit (hub_id, at, actor, action, number, hash)
             SELECT hub_id, now(), 'user:1', 'x', number + 1, '' FROM chain_heads WHERE chain = 'acts'",
            Break::Changed(lines + 1),
        ),
    ] {
        let verdict = as_it_was(&world, sql).await;
        assert_eq!(verdict.acts.broken, Some(broken), "{sql}");
        assert_eq!(verdict.writes.broken, None);
    }
    // The end is cut off, and the head with it: only the end that was noted elsewhere tells.
    let cut = format!("DELETE FROM audit WHERE number > {}", lines - 2);
    let verdict = tampered(&world, &cut).await;
    assert_eq!(verdict.acts.broken, Some(Break::Cut(lines - 2)));
    let with_head = "UPDATE chain_heads AS h SET number = last.number, hash = last.hash
        FROM (SELECT number, hash FROM audit ORDER BY number DESC LIMIT 1) AS last WHERE chain = 'acts'";
    let verdict = tampered(&world, with_head).await;
    assert!(verdict.is_whole());
    let verdict = chain::verify(&world.app, scope(), &noted).await.unwrap();
    assert_eq!(verdict.acts.broken, Some(Break::Cut(lines - 2)));
    // And other lines in their place, too.
    for _ in 0..2 {
        world.run(&session, RunKind::Sync).await;
    }
    assert!(verify(&world).await.is_whole());
    let verdict = chain::verify(&world.app, scope(), &noted).await.unwrap();
    assert_eq!(verdict.acts.broken, Some(Break::Replaced(lines)));
    world.end().await;
}

#[tokio::test]
async fn the_first_batch_of_writes_that_is_not_as_it_was_written_is_named() {
    let world = world(230).await;
    world.backfilled().await;
    let whole = verify(&world).await;
    let batches = whole.writes.head.number;
    assert!(whole.is_whole() && batches >= 4, "{whole:?}");
    let noted = noted(&world, Of::Writes(scope().hub_id()), &whole.writes);
    let one_of_2 = "seq = (SELECT min(seq) FROM write_attempts WHERE batch = 2)";
    for (sql, broken) in [
        (format!("UPDATE write_attempts SET outcome = 'refused' WHERE {one_of_2}"), Break::Changed(2)),
        (format!("DELETE FROM write_attempts WHERE {one_of_2}"), Break::Changed(2)),
        (format!("UPDATE write_attempts SET batch = 3 WHERE {one_of_2}"), Break::Changed(2)),
        ("DELETE FROM write_attempts WHERE batch = 2".to_owned(), Break::Changed(2)),
        ("DELETE FROM write_batches WHERE number = 3".to_owned(), Break::Changed(3)),
        (
            "DELETE FROM write_attempts WHERE batch = 3; DELETE FROM write_batches WHERE number = 3".to_owned(),
            Break::Missing(3),
        ),
        (
            format!("DELETE FROM write_attempts WHERE batch = {batches}; DELETE FROM write_batches WHERE number = {batches}"),
            Break::Cut(batches - 1),
        ),
    ] {
        let verdict = as_it_was(&world, &sql).await;
        assert_eq!(verdict.writes.broken, Some(broken), "{sql}");
        assert_eq!(verdict.acts.broken, None);
    }
    // The last batch goes, and the head with it: only the end that was noted elsewhere tells.
    let last = batches - 1;
    let cut = format!(
        "DELETE FROM write_attempts WHERE batch > {last}; DELETE FROM write_batches WHERE number > {last};
         UPDATE chain_heads AS h SET number = {last}, hash = b.hash FROM write_batches AS b WHERE chain = 'writes' AND b.number = {last}"
    );
    assert!(tampered(&world, &cut).await.is_whole());
    let verdict = chain::verify(&world.app, scope(), &noted).await.unwrap();
    assert_eq!(verdict.writes.broken, Some(Break::Cut(last)));
    world.end().await;
}

/// What is found after `sql`, which is undone afterwards.
async fn as_it_was(world: &World, sql: &str) -> Verdict {
    let each = |statements: &str| TABLES.map(|table| statements.replace("{}", table)).concat();
    let copies = each("CREATE TABLE {}_copy AS SELECT * FROM {};");
    let verdict = tampered(world, &format!("{copies} {sql}")).await;
    let back = each(
        "DELETE FROM {}; INSERT INTO {} OVERRIDING SYSTEM VALUE SELECT * FROM {}_copy; DROP TABLE {}_copy;",
    );
    assert!(tampered(world, &back).await.is_whole());
    verdict
}

#[tokio::test]
async fn nobody_changes_what_was_done_by_accident() {
    let world = world(5).await;
    world.backfilled().await;
    for sql in [
        "UPDATE audit SET actor = 'x'",
        "DELETE FROM audit",
        "TRUNCATE audit",
        "UPDATE write_attempts SET outcome = 'written'",
        "UPDATE write_batches SET attempts = 0",
        "UPDATE operator_acts SET action = 'x'",
        "DELETE FROM operator_acts",
    ] {
        let refused = world.scratch.try_as_owner(sql).await.unwrap_err();
        assert!(refused.contains("only added to"), "{sql}: {refused}");
    }
    let verify = async |noted: &Noted| chain::verify_operator(&world.app, noted).await.unwrap();
    let acts = verify(&Noted::default()).await;
    assert!(acts.broken.is_none() && acts.lines == 1, "{acts:?}");
    let noted = noted(&world, Of::Operator, &acts);
    assert!(verify(&noted).await.broken.is_none());
    let tamper = async |sql| world.scratch.tamper(&["operator_acts"], sql).await;
    tamper("UPDATE operator_acts SET action = 'x'").await;
    let acts = verify(&Noted::default()).await;
    assert_eq!(acts.broken, Some(Break::Changed(1)));
    tamper("DELETE FROM operator_acts").await;
    assert!(verify(&Noted::default()).await.broken.is_none());
    assert_eq!(verify(&noted).await.broken, Some(Break::Cut(0)));
    world.end().await;
}

#[tokio::test]
async fn attempts_from_before_there_were_chains_join_theirs() {
    const MIGRATION: &str =
        include_str!("../../../../migrations/20261129000003_every_attempt_chained.sql");
    let world = world(350).await;
    let session = world.backfilled().await;
    world.run(&session, RunKind::Resync).await;
    let whole = verify(&world).await;
    // Everything from before the third batch was written when there were none.
    let early = "ALTER TABLE write_attempts ALTER COLUMN batch DROP NOT NULL;
        UPDATE write_attempts SET batch = CASE WHEN batch > 2 THEN batch - 2 END;
        DELETE FROM write_batches WHERE number <= 2;
        UPDATE write_batches SET number = number - 2;
        UPDATE chain_heads SET number = number - 2 WHERE chain = 'writes'";
    let verdict = tampered(&world, early).await;
    assert!(verdict.writes.broken.is_some(), "{verdict:?}");
    world.scratch.try_as_owner(MIGRATION).await.unwrap();
    let verdict = verify(&world).await;
    assert!(verdict.is_whole(), "{verdict:?}");
    assert_eq!(verdict.writes.lines, whole.writes.lines);
    // Both batches had a hundred attempts, as the migration makes them.
    assert_eq!(verdict.writes.head, whole.writes.head);
    // What comes after goes on with it, and nothing is outside of it.
    world.run(&session, RunKind::Resync).await;
    let verdict = verify(&world).await;
    assert!(verdict.is_whole() && verdict.writes.lines > whole.writes.lines);
    let outside = format!(
        "SELECT set_config('app.hub_id', '{}', false);
        INSERT INTO write_attempts (hub_id, transaction_id, at, run_id, what, outcome, batch)
        SELECT hub_id, transaction_id, at, run_id, what, outcome, NULL FROM write_attempts LIMIT 1",
        scope().hub_id()
    );
    let refused = world.scratch.try_as_owner(&outside).await.unwrap_err();
    assert!(refused.contains("batch"), "{refused}");
    world.end().await;
}
