//! The judge finds each promise broken: a sound world, and the same with one thing wrong.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use sandbox::Verdict;
use sandbox::log::Entry;
use sandbox::verify::WrongValue;
use sandbox::witness::Sighting;
use serde_json::json;

use super::evidence::{Attempt, Evidence, LeaseRow, LedgerRow, Portal, RunRow};
use super::judge::violations;
use super::play::{Expiry, Stroke, What};

const HUBS: [i64; 2] = [1, 2];

fn at(secs: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(secs)
}

fn call(portal: Option<i64>, kind: &'static str, secs: i64, token: Option<u64>) -> Entry {
    Entry {
        seq: 0,
        at: at(secs),
        portal,
        method: "POST".to_owned(),
        path: "/".to_owned(),
        kind,
        status: 200,
        inputs: 0,
        ids: Vec::new(),
        trace_ids: Vec::new(),
        token_generation: token,
        fault: false,
    }
}

fn write(portal: i64, trace: &str, secs: i64, status: &str) -> Sighting {
    Sighting {
        at: at(secs),
        portal,
        transaction: format!("gift of {portal}"),
        trace_id: format!("{trace} of {portal}"),
        status: status.to_owned(),
        applied: true,
    }
}

fn attempt(hub_id: i64, seq: i64, secs: i64, outcome: &str) -> Attempt {
    Attempt {
        hub_id,
        transaction_id: format!("gift of {hub_id}"),
        seq,
        at: at(secs),
        what: "record".to_owned(),
        outcome: outcome.to_owned(),
    }
}

/// Two portals with one gift each. It was written at 10 s by a worker that died at 11 s, again by another one at 30 s, as
/// opened at 50 s. Tokens expired at 20 s and were refreshed.
fn sound() -> Evidence {
    let mut evidence = Evidence {
        is_drained: true,
        strokes: vec![Stroke {
            what: What::Worker,
            from: at(11),
            until: at(11),
        }],
        ..Evidence::default()
    };
    for hub_id in HUBS {
        let gift = format!("gift of {hub_id}");
        evidence.portals.push(Portal {
            hub_id,
            verdict: Verdict {
                ok: true,
                transactions: 1,
                records: 1,
                max_calls_in_10s: 110,
                ..Verdict::default()
            },
            records: BTreeMap::from([(gift.clone(), vec![7])]),
            histories: BTreeMap::from([(
                gift.clone(),
                ["sent", "delivered", "opened"].map(str::to_owned).to_vec(),
            )]),
            status: json!({"transactions": 1, "synced": 1, "failed": 0, "orphans": 0}),
            statistics: json!({"by_status": {"opened": 1}}),
            broken_chain: None,
        });
        let (hub, token) = (Some(hub_id), Some);
        evidence.log.extend([
            call(hub, "oauth.exchange", 1, token(1)),
            call(hub, "objects.batch_upsert", 10, token(1)),
            call(hub, "oauth.refresh", 25, token(2)),
            call(hub, "objects.batch_upsert", 30, token(2)),
            call(hub, "objects.batch_upsert", 50, token(2)),
        ]);
        evidence.writes.extend([
            write(hub_id, "first", 10, "sent"),
            write(hub_id, "second", 30, "sent"),
            write(hub_id, "third", 50, "opened"),
        ]);
        evidence.attempts.extend([
            attempt(hub_id, 1, 31, "written"),
            attempt(hub_id, 2, 51, "written"),
        ]);
        evidence.expiries.push(Expiry { hub_id, at: at(20) });
        evidence.ledger.push(LedgerRow {
            hub_id,
            transaction_id: gift,
            record_id: Some(7),
        });
        let run_id = format!("run of {hub_id}");
        evidence.runs.push(RunRow {
            hub_id,
            run_id: run_id.clone(),
            state: "running".to_owned(),
        });
        evidence.leases.push(LeaseRow {
            hub_id,
            run_id: Some(run_id),
        });
    }
    evidence.log.push(call(None, "thnks.transactions", 2, None));
    for (seq, call) in (1..).zip(&mut evidence.log) {
        call.seq = seq;
    }
    evidence
}

/// What is found in the world once it has been broken.
fn found(breaks: impl FnOnce(&mut Evidence)) -> Vec<String> {
    let mut evidence = sound();
    breaks(&mut evidence);
    violations(&evidence)
}

#[track_caller]
fn finds(words: &str, breaks: impl FnOnce(&mut Evidence)) {
    let found = found(breaks);
    assert!(
        found.len() == 1 && found[0].contains(words),
        "expected one violation with {words:?}: {found:#?}"
    );
}

#[test]
fn a_sound_world_breaks_no_promise() {
    assert_eq!(found(|_| {}), Vec::<String>::new());
}

#[test]
fn lost_doubled_and_strange_records_wrong_values_and_links_are_found() {
    finds("lost", |world| world.portals[0].verdict.missing_count = 1);
    finds("doubled", |world| {
        world.portals[1].verdict.doubled_count = 1;
    });
    finds("of no transaction", |world| {
        world.portals[0].verdict.unknown_count = 1;
    });
    finds("wrong values", |world| {
        let verdict = &mut world.portals[0].verdict;
        verdict.wrong_value_count = 1;
        verdict.wrong_values.push(WrongValue {
            id: "gift of 1".to_owned(),
            property: "status",
            expected: "opened".to_owned(),
            actual: "sent".to_owned(),
        });
    });
    finds("links missing", |world| {
        world.portals[0].verdict.missing_link_count = 2;
    });
    finds("never right", |world| {
        world.portals[0].verdict.wrong_link_count = 2;
    });
    finds("not done within", |world| world.is_drained = false);
}

#[test]
fn a_status_that_goes_backwards_is_found_and_one_that_is_reversed_is_not() {
    // The second write was of a later status than the third.
    finds("was written as sent", |world| {
        world.writes[1].status = "delivered".to_owned();
        world.writes[2].status = "sent".to_owned();
    });
    finds("was written as expired", |world| {
        world.writes[2].status = "expired".to_owned();
    });
    let reversed = found(|world| {
        world.writes[1].status = "delivered".to_owned();
        world.writes[2].status = "sent".to_owned();
        let history = ["sent", "delivered", "sent", "opened"].map(str::to_owned);
        world.portals[0]
            .histories
            .insert("gift of 1".to_owned(), history.to_vec());
    });
    assert!(reversed.is_empty(), "{reversed:#?}");
}

#[test]
fn another_portals_gift_and_another_portals_token_are_found() {
    finds("another organization", |world| {
        world.ledger.push(LedgerRow {
            hub_id: 1,
            transaction_id: "gift of 2".to_owned(),
            record_id: None,
        });
    });
    finds("in the ledger and [7] in HubSpot", |world| {
        world.ledger[0].record_id = Some(8);
    });
    finds("not in the ledger", |world| drop(world.ledger.remove(1)));
    finds("no portal of ours", |world| {
        let mut strange = call(Some(3), "objects.read", 60, Some(1));
        strange.seq = 100;
        world.log.push(strange);
    });
    finds("no portal of ours", |world| {
        world.log.push(call(None, "objects.read", 60, None));
    });
    let crossed = found(|world| world.writes[2].portal = 2);
    assert!(
        crossed
            .iter()
            .any(|words| words.contains("another organization")),
        "{crossed:#?}"
    );
}

#[test]
fn too_many_calls_and_a_refusal_that_nobody_ordered_are_found() {
    finds("111 calls", |world| {
        world.portals[0].verdict.max_calls_in_10s = 111;
    });
    finds("refused with 429", |world| world.log[3].status = 429);
    assert!(found(|world| (world.log[3].status, world.log[3].fault) = (429, true)).is_empty());
}

#[test]
fn a_refresh_without_a_reason_and_an_expiry_without_a_refresh_are_found() {
    finds("without a reason", |world| {
        world.expiries.remove(0);
    });
    finds("never refreshed", |world| {
        world.expiries.push(Expiry {
            hub_id: 1,
            at: at(70),
        });
    });
    // Its answer was lost: nobody has ever used it, and the call was hit.
    let lost = |fault| {
        found(|world| {
            let mut again = call(Some(1), "oauth.refresh", 26, Some(3));
            again.seq = 100;
            world.log.insert(3, again);
            world.log[2].fault = fault;
            for call in &mut world.log[4..6] {
                call.token_generation = Some(3);
            }
        })
    };
    assert!(lost(true).is_empty());
    assert_eq!(lost(false).len(), 1);
}

#[test]
fn attempts_and_writes_that_are_not_one_to_one_are_found() {
    finds("no write that HubSpot saw", |world| {
        world.attempts.push(attempt(1, 9, 60, "written"));
    });
    finds("no write that HubSpot saw", |world| {
        world.attempts.push(attempt(1, 9, 160, "unanswered"));
    });
    // The way to HubSpot was broken: what was tried never arrived.
    let never_left = found(|world| {
        world.attempts.push(attempt(1, 9, 160, "unanswered"));
        world.strokes.push(Stroke {
            what: What::HubSpot,
            from: at(158),
            until: at(159),
        });
    });
    assert!(never_left.is_empty(), "{never_left:#?}");
    finds("nothing struck", |world| drop(world.attempts.remove(1)));
    // The first write was superseded only because a worker died before it could be noted.
    let alive = found(|world| world.strokes.clear());
    assert_eq!(alive.len(), HUBS.len(), "{alive:#?}");
    assert!(alive.iter().all(|words| words.contains("nothing struck")));
    finds("no write that HubSpot saw", |world| {
        world.writes[2].applied = false;
    });
}

#[test]
fn broken_chains_runs_without_a_lease_wrong_pages_and_bad_exits_are_found() {
    finds("audit verify", |world| {
        world.portals[0].broken_chain = Some("BROKEN".to_owned());
    });
    finds("without a lease", |world| world.leases[0].run_id = None);
    finds("status.json says synced", |world| {
        world.portals[0].status["synced"] = json!(2);
    });
    finds("statistics.json says", |world| {
        world.portals[0].statistics = json!({});
    });
    finds("did not stop in order", |world| {
        world.bad_exits.push("web".to_owned());
    });
    finds("lost its beginning", |world| world.log[0].seq = 2);
}
