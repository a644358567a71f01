//! What must hold after every schedule, judged from the sandbox's own log and the rows of the database. `docs/reliability.md`
//! says the same in words.

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::{DateTime, TimeDelta, Utc};
use sandbox::log::Entry;
use sandbox::witness::Sighting;

use super::evidence::{Attempt, Evidence, Portal};
use super::play::{Expiry, Stroke, What};

/// HubSpot's limit in any sliding ten seconds.
const RATE: usize = 110;
/// How far apart two clocks of this machine may read one moment: it passes between a call's effect and its line in the log.
const SLACK: TimeDelta = TimeDelta::milliseconds(500);
/// The longest that a call is waited for, with its repeats.
const LONGEST_CALL: TimeDelta = TimeDelta::seconds(90);
/// The longest between the answer to a write and the moment that its attempt is noted with: others are noted before it.
const NOTED_WITHIN: TimeDelta = TimeDelta::seconds(30);
/// Examples of one kind that are told.
const TOLD: usize = 5;

/// Everything that does not hold: what was expected, and what was seen.
pub fn violations(evidence: &Evidence) -> Vec<String> {
    let mut all = Vec::new();
    if !evidence.is_drained {
        all.push(
            "the work was not done within the patience after the faults had stopped".to_owned(),
        );
    }
    for exit in &evidence.bad_exits {
        all.push(format!("a process did not stop in order: {exit}"));
    }
    if evidence.log.first().is_some_and(|first| first.seq != 1) {
        all.push("the sandbox's log has lost its beginning: nothing can be judged".to_owned());
    }
    for portal in &evidence.portals {
        let found = [
            records(portal),
            statuses(portal, evidence),
            tenancy(portal, evidence),
            rate(portal, evidence),
            refreshes(portal, evidence),
            attempts(portal, evidence),
            chains(portal),
            pages(portal),
        ];
        for (violation, more) in found.map(told).into_iter().flatten() {
            all.push(format!("portal {}: {violation}{more}", portal.hub_id));
        }
    }
    for (violation, more) in [strangers(evidence), leases(evidence)]
        .map(told)
        .into_iter()
        .flatten()
    {
        all.push(format!("{violation}{more}"));
    }
    all
}

/// The first of many that are alike.
fn told(found: Vec<String>) -> Vec<(String, String)> {
    let left = found.len().saturating_sub(TOLD);
    let mut told: Vec<_> = found
        .into_iter()
        .take(TOLD)
        .map(|one| (one, String::new()))
        .collect();
    if let Some((_, more)) = told.last_mut().filter(|_| left > 0) {
        *more = format!(" (and {left} more)");
    }
    told
}

/// No transaction lost, none doubled, all values right, associations as they should be.
fn records(portal: &Portal) -> Vec<String> {
    let verdict = &portal.verdict;
    let counts = [
        (
            "transactions lost",
            verdict.missing_count,
            format!("{:?}", verdict.missing),
        ),
        (
            "transactions doubled",
            verdict.doubled_count,
            format!("{:?}", verdict.doubled),
        ),
        (
            "records of no transaction",
            verdict.unknown_count,
            format!("{:?}", verdict.unknown),
        ),
        (
            "wrong values",
            verdict.wrong_value_count,
            format!("{:?}", verdict.wrong_values),
        ),
        (
            "links missing",
            verdict.missing_link_count,
            format!("{:?}", verdict.missing_links),
        ),
        (
            "links never right",
            verdict.wrong_link_count,
            format!("{:?}", verdict.wrong_links),
        ),
    ];
    counts
        .into_iter()
        .filter(|(_, count, _)| *count > 0)
        .map(|(what, count, examples)| format!("{count} {what}, expected none: {examples:.400}"))
        .collect()
}

/// No status has gone backwards in what was written: each is at or behind the one before in the transaction's history. A
/// status that the history has twice may come twice.
fn statuses(portal: &Portal, evidence: &Evidence) -> Vec<String> {
    let mut reached: HashMap<&str, usize> = HashMap::new();
    let mut found = Vec::new();
    for write in evidence.writes_of(portal).filter(|write| write.applied) {
        let Some(history) = portal.histories.get(&write.transaction) else {
            continue;
        };
        let place = reached.entry(&write.transaction).or_default();
        match history
            .iter()
            .skip(*place)
            .position(|status| *status == write.status)
        {
            Some(further) => *place += further,
            None => found.push(format!(
                "{} was written as {} at {} after {}; its history is {history:?}",
                write.transaction,
                write.status,
                write.at,
                history.get(*place).map_or("nothing", String::as_str)
            )),
        }
    }
    found
}

/// Nothing of another portal: what was written with this portal's token, and what its ledger holds, is its own organization's,
/// and the ledger knows each record by the id that it has in this portal.
fn tenancy(portal: &Portal, evidence: &Evidence) -> Vec<String> {
    let own = portal.own();
    let written = evidence.writes_of(portal).map(|write| &write.transaction);
    let kept = evidence
        .ledger
        .iter()
        .filter(|row| row.hub_id == portal.hub_id);
    let mut found: Vec<String> = written
        .chain(kept.clone().map(|row| &row.transaction_id))
        .filter(|id| !own.contains(id.as_str()))
        .map(|id| format!("{id} belongs to another organization"))
        .collect();
    let mut known = HashSet::new();
    for row in kept {
        known.insert(row.transaction_id.as_str());
        let records = portal
            .records
            .get(&row.transaction_id)
            .map_or(&[][..], Vec::as_slice);
        if records != row.record_id.as_slice() {
            found.push(format!(
                "{} is record {:?} in the ledger and {records:?} in HubSpot",
                row.transaction_id, row.record_id
            ));
        }
    }
    let lost = own.iter().filter(|id| !known.contains(**id));
    found.extend(lost.map(|id| format!("{id} is not in the ledger")));
    found
}

/// The rate was never exceeded, and HubSpot has refused no call over it but those that it was told to.
fn rate(portal: &Portal, evidence: &Evidence) -> Vec<String> {
    let mut found = Vec::new();
    let most = portal.verdict.max_calls_in_10s;
    if most > RATE {
        found.push(format!("{most} calls within 10 s, expected at most {RATE}"));
    }
    let throttled = evidence
        .calls_of(portal)
        .filter(|call| call.status == 429 && !call.fault);
    found
        .extend(throttled.map(|call| format!("{} was refused with 429 at {}", call.kind, call.at)));
    found
}

/// Refreshes are expiries. Each refresh has a reason: the access token before it had expired, or its answer was lost on the
/// way, so that nobody ever used it. And each expiry has led to a refresh.
fn refreshes(portal: &Portal, evidence: &Evidence) -> Vec<String> {
    let issued: Vec<&Entry> = evidence
        .calls_of(portal)
        .filter(|call| call.kind.starts_with("oauth.") && call.token_generation.is_some())
        .collect();
    let used: HashSet<u64> = evidence
        .calls_of(portal)
        .filter(|call| !call.kind.starts_with("oauth."))
        .filter_map(|call| call.token_generation)
        .collect();
    let expiries: Vec<&Expiry> = evidence
        .expiries
        .iter()
        .filter(|expiry| expiry.hub_id == portal.hub_id)
        .collect();
    let mut found = Vec::new();
    for pair in issued.windows(2) {
        let (before, refresh) = (pair[0], pair[1]);
        let has_expired = expiries
            .iter()
            .any(|expiry| before.at - SLACK <= expiry.at && expiry.at <= refresh.at + SLACK);
        let was_lost = before
            .token_generation
            .is_some_and(|token| !used.contains(&token))
            && (before.fault || evidence.struck(|_| true, before.at - SLACK, refresh.at + SLACK));
        if !has_expired && !was_lost {
            found.push(format!(
                "tokens were refreshed at {} without a reason: those of {} had not expired and were not lost",
                refresh.at, before.at
            ));
        }
    }
    for expiry in &expiries {
        if !issued.iter().any(|issue| issue.at + SLACK >= expiry.at) {
            found.push(format!(
                "tokens expired at {} and were never refreshed",
                expiry.at
            ));
        }
    }
    found
}

/// One write of one record as HubSpot saw it: all calls that carried its trace id.
struct Sent<'a> {
    first: DateTime<Utc>,
    last: DateTime<Utc>,
    applied: bool,
    trace_id: &'a str,
    is_noted: bool,
}

/// Attempts in the trail and writes at HubSpot are one to one. Each attempt is a write of its own, and one that is noted as
/// written was. Each write that was done is an attempt, unless a worker died or slept or the database was away before it could
/// be noted: then a later write of the same transaction, which is noted, has superseded it.
fn attempts(portal: &Portal, evidence: &Evidence) -> Vec<String> {
    let mut sends: BTreeMap<&str, Vec<Sent>> = BTreeMap::new();
    for write in evidence.writes_of(portal) {
        let of_row = sends.entry(&write.transaction).or_default();
        match of_row
            .iter_mut()
            .find(|send| send.trace_id == write.trace_id)
        {
            Some(send) => {
                send.last = write.at;
                send.applied |= write.applied;
            }
            None => of_row.push(Sent {
                first: write.at,
                last: write.at,
                applied: write.applied,
                trace_id: &write.trace_id,
                is_noted: false,
            }),
        }
    }
    let mut found = Vec::new();
    let noted = evidence.attempts.iter();
    for attempt in noted.filter(|row| row.hub_id == portal.hub_id && row.what == "record") {
        let of_row = sends.entry(&attempt.transaction_id).or_default();
        let is_written = attempt.outcome == "written";
        let latest = if is_written {
            NOTED_WITHIN
        } else {
            LONGEST_CALL
        };
        let own = of_row.iter_mut().rev().find(|send| {
            !send.is_noted
                && (send.applied || !is_written)
                && send.first <= attempt.at + SLACK
                && attempt.at - latest <= send.last
        });
        match own {
            Some(send) => send.is_noted = true,
            None if never_left(attempt, evidence) => {}
            None => found.push(format!(
                "the attempt to write {} noted as {} at {} is no write that HubSpot saw",
                attempt.transaction_id, attempt.outcome, attempt.at
            )),
        }
    }
    for (id, of_row) in &sends {
        for (place, send) in of_row.iter().enumerate() {
            if send.is_noted || !send.applied {
                continue;
            }
            // A repeat of the call counts as the same write; the next one is another.
            let next = of_row[place + 1..].iter().find(|next| next.applied);
            let is_superseded = next.is_some_and(|next| {
                evidence.struck(|what| what != What::HubSpot, send.first - SLACK, next.first)
            });
            if !is_superseded {
                found.push(format!(
                    "the write of {id} at {} to {} is no attempt in the trail, and nothing struck before the next one{}",
                    send.first,
                    send.last,
                    next.map_or_else(String::new, |next| format!(" at {}", next.first))
                ));
            }
        }
    }
    found
}

/// An attempt without an answer whose calls never arrived: the way to HubSpot was broken.
fn never_left(attempt: &Attempt, evidence: &Evidence) -> bool {
    attempt.outcome == "unanswered"
        && evidence.struck(
            |what| what == What::HubSpot,
            attempt.at - LONGEST_CALL,
            attempt.at,
        )
}

fn chains(portal: &Portal) -> Vec<String> {
    let broken = portal.broken_chain.iter();
    broken
        .map(|words| format!("audit verify is not content: {words}"))
        .collect()
}

/// The dashboard shows what is in the sandbox.
fn pages(portal: &Portal) -> Vec<String> {
    let verdict = &portal.verdict;
    let mut found = Vec::new();
    for (name, expected) in [
        ("transactions", verdict.transactions + verdict.malformed),
        ("synced", verdict.records),
        ("failed", verdict.malformed),
        ("orphans", verdict.orphans),
    ] {
        let seen = &portal.status[name];
        if *seen != expected {
            found.push(format!(
                "status.json says {name} {seen}, expected {expected}"
            ));
        }
    }
    let mut by_status: BTreeMap<&str, usize> = BTreeMap::new();
    for history in portal.histories.values() {
        *by_status
            .entry(history.last().map_or("", String::as_str))
            .or_default() += 1;
    }
    for (status, expected) in by_status {
        let seen = &portal.statistics["by_status"][status];
        if *seen != expected {
            found.push(format!(
                "statistics.json says {seen} {status}, expected {expected}"
            ));
        }
    }
    found
}

/// No call to HubSpot with a token that is nobody's, nor for a portal that is none of ours.
fn strangers(evidence: &Evidence) -> Vec<String> {
    let is_ours = |hub_id| {
        evidence
            .portals
            .iter()
            .any(|portal| portal.hub_id == hub_id)
    };
    let strange = evidence.log.iter().filter(|call| match call.portal {
        Some(hub_id) => !is_ours(hub_id),
        None => !call.kind.starts_with("thnks."),
    });
    strange
        .map(|call| {
            format!(
                "{} at {} was made with a token of no portal of ours",
                call.kind, call.at
            )
        })
        .collect()
}

/// Nobody is at work any more, so no run is.
fn leases(evidence: &Evidence) -> Vec<String> {
    let running = evidence.runs.iter().filter(|run| run.state == "running");
    running
        .filter(|run| {
            !evidence.leases.iter().any(|lease| {
                lease.hub_id == run.hub_id && lease.run_id.as_deref() == Some(run.run_id.as_str())
            })
        })
        .map(|run| {
            format!(
                "run {} of portal {} is running without a lease",
                run.run_id, run.hub_id
            )
        })
        .collect()
}

impl Evidence {
    fn writes_of(&self, portal: &Portal) -> impl Iterator<Item = &Sighting> {
        let hub_id = portal.hub_id;
        self.writes
            .iter()
            .filter(move |write| write.portal == hub_id)
    }

    fn calls_of(&self, portal: &Portal) -> impl Iterator<Item = &Entry> {
        let hub_id = Some(portal.hub_id);
        self.log.iter().filter(move |call| call.portal == hub_id)
    }

    /// Whether something of a kind struck between two moments.
    fn struck(&self, kind: fn(What) -> bool, from: DateTime<Utc>, until: DateTime<Utc>) -> bool {
        let overlaps =
            |stroke: &Stroke| kind(stroke.what) && stroke.from <= until && from <= stroke.until;
        self.strokes.iter().any(overlaps)
    }
}
