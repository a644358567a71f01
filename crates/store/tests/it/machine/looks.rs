//! Looks: what the pages and the work read, compared with what must be seen.

use std::collections::{BTreeMap, BTreeSet};

use domain::failure::{Selection, Stage};
use domain::pace::Step;
use domain::statistics::{RECENT_ACTIVITY, Range};
use domain::{RecordId, RunId, Status, TransactionId, UserId, refunds, search};
use rust_decimal::Decimal;
use store::gifts::{self, Filter, Link, Order, Place};
use store::members::Role;
use store::notices::DeliveryState;
use store::{
    Sealed, associations, attempts, audit, connections, erasure, failures, members, notices,
    pipelines, portals, rejected_rows, remedies, reports, runs, sessions, statistics,
    thnks_connections, transactions, troubles,
};
use uuid::Uuid;

use super::model::{
    CONTACTS, GIFTS, Gift, Model, Outcome, PRIVATE, Run, Turn, count, gift_id, recipient,
};
use crate::harness::now;

/// More than there is of anything.
const ALL: i64 = 1_000;

fn text(sealed: &Sealed) -> String {
    String::from_utf8_lossy(&sealed.0).into_owned()
}

type Counts = (i64, i64, i64, i64, i64);

fn counts(seen: statistics::Counters) -> Counts {
    (
        seen.transactions,
        seen.synced,
        seen.failed,
        seen.rejected,
        seen.orphans,
    )
}

fn known_counts(model: &Model) -> Counts {
    let gifts = |is: fn(&&Gift) -> bool| count(model.gifts.values().filter(is).count());
    let rows = model.rejected.values();
    (
        gifts(|_| true),
        gifts(|gift| gift.applied.as_ref() == Some(&gift.desired)),
        gifts(|gift| gift.is_failed()),
        count(rows.filter(|row| !row.is_dismissed).count()),
        gifts(|gift| gift.is_orphan()),
    )
}

pub async fn counters(turn: &mut Turn<'_>) -> Outcome {
    let seen = statistics::find_counters(turn.conn, turn.scope).await?;
    turn.same("counters", &counts(seen), &known_counts(turn.model))?;
    let seen = statistics::count_rejected_known(turn.conn, turn.scope).await?;
    let (rows, gifts) = (turn.model.rejected.values(), &turn.model.gifts);
    let is_known = |id: &String| gifts.contains_key(id);
    let known = rows
        .filter(|row| !row.is_dismissed && row.transaction_id.as_ref().is_some_and(is_known))
        .count();
    turn.same("rejected and known", &seen, &count(known))
}

/// The run that pages name as the one in work.
fn current(model: &Model) -> Option<RunId> {
    let open = model.runs.iter().filter(|(_, run)| run.is_open());
    open.min_by_key(|(_, run)| {
        let is_running = run.state == domain::run::RunState::Running;
        (!is_running, !run.is_started, run.created_at)
    })
    .map(|(id, _)| RunId(*id))
}

pub async fn portal(turn: &mut Turn<'_>) -> Outcome {
    let seen = portals::find(turn.conn, turn.scope).await?.map(|portal| {
        (
            (portal.hub_domain, portal.object_type_id, portal.rules),
            (portal.needs, portal.synced_through, portal.backfilled_at),
            (portal.paused_at, portal.disconnected_at),
            (portal.thnks_connected, portal.organization_name),
            (portal.scopes, portal.next_sync_at),
            counts(portal.counters),
            portal.current_run.map(|run| run.id),
            portal.last_run.and_then(|run| run.finished_at),
        )
    });
    let model = turn.model.clone();
    let current = current(&model);
    let shown = model.runs.values().filter(|run| run.is_shown());
    let last = shown.filter_map(|run| run.finished_at).max();
    let counts = known_counts(&model);
    let known = model.is_installed.then(|| {
        (
            (model.hub_domain, model.object_type_id, model.rules),
            (model.needs, model.synced_through, model.backfilled_at),
            (model.paused_at, model.disconnected_at),
            (model.thnks.is_some(), model.thnks.map(|thnks| thnks.name)),
            (model.grant.map(|grant| grant.scopes), model.next_sync_at),
            counts,
            current,
            last,
        )
    });
    turn.same("portal", &seen, &known)?;
    let seen = portals::find_checked_at(turn.conn, turn.scope).await?;
    turn.same("checked", &seen, &turn.model.checked_at)
}

/// The list by any of some filters, in two orders.
pub async fn gifts(turn: &mut Turn<'_>) -> Outcome {
    let order = [Order::Newest, Order::Oldest, Order::Highest][turn.dice.roll(3)];
    let status = [Status::Sent, Status::Opened, Status::Redeemed][turn.dice.roll(3)];
    let terms = ["dana", "al", "bi", "ced", "sam", "client.example", "r1"];
    let terms = [terms[turn.dice.roll(7)], terms[turn.dice.roll(7)]];
    let take = [0, 0, 1, 2][turn.dice.roll(4)];
    let filter = Filter {
        terms: terms[..take].iter().map(|&term| term.to_owned()).collect(),
        status: turn.dice.is(4).then_some(status),
        link: [None, None, None, Some(Link::Linked), Some(Link::Orphan)][turn.dice.roll(5)],
        failed: turn.dice.is(6),
        sender: turn.dice.is(4).then(|| "dana@acme.example".to_owned()),
        ..Filter::default()
    };
    let matches = |gift: &&Gift| {
        let words = search::words(&gift.told);
        let has = |term: &String| words.iter().any(|word| word.starts_with(term.as_str()));
        filter.terms.iter().all(has)
            && filter.status.is_none_or(|one| one == gift.told.status())
            && match filter.link {
                Some(Link::Linked) => gift.contact.is_some(),
                Some(Link::Orphan) => gift.is_orphan(),
                None => true,
            }
            && (!filter.failed || gift.is_failed())
    };
    let mut matching: Vec<&Gift> = turn.model.gifts.values().filter(matches).collect();
    matching.sort_by_key(|gift| {
        let value = match order {
            Order::Highest => gift.told.amount.unwrap_or(Decimal::NEGATIVE_ONE),
            _ => Decimal::from(gift.told.counted_at().timestamp()),
        };
        (value, gift.told.id.clone())
    });
    if order != Order::Oldest {
        matching.reverse();
    }
    let after = turn.dice.pick(&matching).filter(|_| turn.dice.is(3));
    let place = after.map_or(Place::Start, |gift| Place::After(gift.told.id.clone()));
    if let Some(after) = after {
        let at = matching.iter().position(|gift| gift.id() == after.id());
        matching.drain(..=at.unwrap());
    }
    let known: Vec<_> = matching
        .into_iter()
        .map(|gift| {
            let told = &gift.told;
            let ids = (told.id.clone(), gift.record.map(RecordId));
            let names = (told.gift_name.clone(), told.recipient.email.clone());
            (ids, names, gift.contact.map(RecordId), gift.erased)
        })
        .collect();
    let lookup = gifts::lookup(turn.conn, turn.scope, &filter, order).await?;
    let from = (order, &place);
    let lines = gifts::list(turn.conn, turn.scope, &filter, &lookup, from, ALL).await?;
    let seen = lines
        .into_iter()
        .map(|line| {
            let names = (line.gift_name, line.recipient);
            ((line.id, line.record), names, line.contact, line.is_erased)
        })
        .collect();
    turn.same("list", &seen, &known)
}

pub async fn trace(turn: &mut Turn<'_>) -> Outcome {
    let id = TransactionId(gift_id(turn.dice.roll(GIFTS)));
    let seen = associations::find_trace(turn.conn, turn.scope, &id).await?;
    let seen = seen.map(|(trace, told)| {
        let records = |ids: Vec<RecordId>| ids.into_iter().map(|id| id.0).collect();
        let links: (_, BTreeSet<i64>, BTreeSet<i64>) = (
            trace.contact.map(|contact| contact.0),
            records(trace.companies),
            records(trace.deals),
        );
        let state = (trace.is_due, trace.erased_at.is_some(), trace.failure);
        (told, links, state, trace.recipient, trace.decision)
    });
    let gift = turn.model.gifts.get(id.as_str()).cloned();
    let known = gift.map(|gift| {
        let recipient = turn.model.recipient(&gift);
        let links = (gift.contact, gift.companies, gift.deals);
        let state = (gift.due, gift.erased, gift.failure);
        (gift.told, links, state, recipient, gift.decision)
    });
    turn.same("trace", &seen, &known)?;
    let seen = gifts::exists(turn.conn, turn.scope, &id).await?;
    turn.same("exists", &seen, &known.is_some())
}

pub async fn story(turn: &mut Turn<'_>) -> Outcome {
    let id = TransactionId(gift_id(turn.dice.roll(GIFTS)));
    let (events, tries) = attempts::find_story(turn.conn, turn.scope, &id, ALL).await?;
    let seen: Vec<_> = events
        .into_iter()
        .map(|event| (event.at, event.status))
        .collect();
    let own = turn
        .model
        .events
        .iter()
        .filter(|(one, ..)| one == id.as_str());
    let mut known: Vec<_> = own.map(|(_, status, at)| (*at, status.clone())).collect();
    known.sort();
    turn.same("events", &seen, &known)?;
    let seen: Vec<_> = tries
        .into_iter()
        .map(|attempt| (attempt.what, attempt.outcome, attempt.code, attempt.at))
        .collect();
    let mut known = turn
        .model
        .attempts
        .get(id.as_str())
        .cloned()
        .unwrap_or_default();
    known.reverse();
    turn.same("attempts", &seen, &known)
}

pub async fn work(turn: &mut Turn<'_>) -> Outcome {
    let gifts = |turn: &Turn<'_>, is: fn(&&Gift) -> bool| {
        count(turn.model.gifts.values().filter(is).count())
    };
    let seen = transactions::count_dirty(turn.conn, turn.scope).await?;
    turn.same(
        "count of dirty",
        &seen,
        &gifts(turn, |gift| gift.is_dirty()),
    )?;
    let seen = associations::count_due(turn.conn, turn.scope).await?;
    turn.same("count of due", &seen, &gifts(turn, |gift| gift.is_due()))?;
    let seen = transactions::find_oldest_open(turn.conn, turn.scope, now()).await?;
    let open = turn
        .model
        .gifts
        .values()
        .filter(|gift| !gift.told.is_final());
    let known = open.map(|gift| gift.told.updated_at).min();
    turn.same("oldest open", &seen, &known)?;
    let ids: Vec<String> = (0..GIFTS).map(gift_id).collect();
    let mut seen: Vec<_> = transactions::find_all(turn.conn, turn.scope, &ids)
        .await?
        .into_iter()
        .map(|row| row.transaction)
        .collect();
    seen.sort_by(|a, b| a.id.cmp(&b.id));
    let known = turn
        .model
        .gifts
        .values()
        .map(|gift| gift.told.clone())
        .collect();
    turn.same("all gifts", &seen, &known)
}

pub async fn orphans(turn: &mut Turn<'_>) -> Outcome {
    let seen: Vec<_> = associations::list_orphans(turn.conn, turn.scope, None, None, ALL)
        .await?
        .into_iter()
        .map(|orphan| {
            (
                orphan.counted_at,
                orphan.id,
                orphan.gift_name,
                orphan.outcome,
            )
        })
        .collect();
    let orphans = turn.model.gifts.values().filter(|gift| gift.is_orphan());
    let mut known: Vec<_> = orphans
        .map(|gift| {
            let told = gift.told.clone();
            (
                told.counted_at(),
                told.id,
                told.gift_name,
                gift.outcome.unwrap(),
            )
        })
        .collect();
    known.sort_by(|a, b| (b.0, &b.1).cmp(&(a.0, &a.1)));
    turn.same("orphans", &seen, &known)?;

    let counted = associations::count_orphans(turn.conn, turn.scope).await?;
    let seen: BTreeMap<_, _> = counted
        .into_iter()
        .map(|(why, n)| (why.as_str(), n))
        .collect();
    let mut by_outcome = BTreeMap::new();
    for (.., outcome) in known {
        *by_outcome.entry(outcome.as_str()).or_insert(0) += 1;
    }
    turn.same("orphans by outcome", &seen, &by_outcome)?;

    let lookable = turn.model.gifts.values().filter(|gift| gift.is_lookable());
    let mut known = BTreeMap::new();
    for gift in lookable {
        let recipient = turn.model.recipient(gift);
        known
            .entry(format!("{recipient:?}"))
            .or_insert((recipient, 0))
            .1 += 1;
    }
    let seen = associations::list_orphan_recipients(turn.conn, turn.scope, true, ALL).await?;
    let seen: BTreeMap<_, _> = seen
        .into_iter()
        .map(|(recipient, n)| (format!("{recipient:?}"), (recipient, n)))
        .collect();
    turn.same("recipients of orphans", &seen, &known)?;
    let seen = associations::count_lookable(turn.conn, turn.scope, true).await?;
    let rows: i64 = known.values().map(|(_, n)| n).sum();
    let expected = (rows, count(known.len()));
    turn.same("lookable", &(seen.rows, seen.recipients), &expected)?;
    let seen = associations::has_orphans(turn.conn, turn.scope, true).await?;
    turn.same("has orphans", &seen, &(rows > 0))?;
    let seen = associations::list_orphan_phones(turn.conn, turn.scope).await?;
    turn.same("phones of orphans", &seen, &Vec::new())
}

pub async fn contacts(turn: &mut Turn<'_>) -> Outcome {
    let contacts = CONTACTS.map(RecordId);
    let linked = |gift: &&Gift| gift.contact.is_some();
    let mut seen = associations::list_linked_contacts(turn.conn, turn.scope, &contacts).await?;
    seen.sort();
    let own = turn.model.gifts.values().filter_map(|gift| gift.contact);
    let known: BTreeSet<i64> = own.collect();
    let known: Vec<RecordId> = known.into_iter().map(RecordId).collect();
    turn.same("linked contacts", &seen, &known)?;

    let followed = associations::list_by_contact(turn.conn, turn.scope, &contacts).await?;
    let seen: BTreeSet<_> = followed
        .into_iter()
        .map(|row| (row.id, row.contact))
        .collect();
    let own = turn.model.gifts.values().filter(linked);
    let known: BTreeSet<_> = own
        .filter(|gift| gift.record.is_some())
        .map(|gift| (gift.told.id.clone(), gift.contact.map(RecordId)))
        .collect();
    turn.same("by contact", &seen, &known)?;

    let records: Vec<RecordId> = (0..GIFTS).map(|n| RecordId(1_000 + count(n))).collect();
    let followed = associations::list_by_record(turn.conn, turn.scope, &records).await?;
    let seen: BTreeSet<_> = followed
        .into_iter()
        .map(|row| (row.id, row.contact))
        .collect();
    let own = turn.model.gifts.values();
    let known: BTreeSet<_> = own
        .filter(|gift| gift.record.is_some() && !gift.due && !gift.erased)
        .map(|gift| (gift.told.id.clone(), gift.contact.map(RecordId)))
        .collect();
    turn.same("by record", &seen, &known)?;

    let rows = associations::list_linked(turn.conn, turn.scope, ALL).await?;
    let seen: BTreeSet<_> = rows
        .into_iter()
        .map(|row| (row.id, row.links.contact))
        .collect();
    let own = turn.model.gifts.values().filter(linked);
    let known: BTreeSet<_> = own
        .filter(|gift| gift.record.is_some() && gift.hand.is_none() && !gift.erased)
        .map(|gift| (gift.told.id.clone(), gift.contact.map(RecordId)))
        .collect();
    turn.same("linked", &seen, &known)
}

/// What an erasure of both contacts finds.
pub async fn person(turn: &mut Turn<'_>) -> Outcome {
    let contacts = CONTACTS.map(RecordId);
    let is_about = |gift: &&Gift| {
        CONTACTS
            .iter()
            .any(|one| gift.contact == Some(*one) || gift.former.contains(one))
    };
    let seen = erasure::list_identifiers(turn.conn, turn.scope, &contacts).await?;
    let seen: BTreeSet<String> = seen.into_iter().collect();
    let model = &turn.model;
    let about = model.gifts.values().filter(is_about);
    let mut known: BTreeSet<String> = about.filter_map(|gift| gift.told.recipient_key()).collect();
    let aliases = known
        .iter()
        .filter_map(|name| model.remedies.get(name)?.0.clone());
    let chosen = model
        .remedies
        .iter()
        .filter(|(_, (_, chosen))| chosen.is_some());
    let more: Vec<String> = aliases
        .chain(chosen.map(|(name, _)| name.clone()))
        .collect();
    known.extend(more);
    turn.same("identifiers", &seen, &known)?;

    let name = turn.dice.email();
    let rows = erasure::list_rows(
        turn.conn,
        turn.scope,
        &contacts,
        std::slice::from_ref(&name),
    );
    let seen: BTreeSet<_> = rows
        .await?
        .into_iter()
        .map(|row| row.transaction.id)
        .collect();
    let known: BTreeSet<_> = turn
        .model
        .gifts
        .values()
        .filter(|gift| is_about(gift) || gift.told.recipient_key().as_ref() == Some(&name))
        .map(|gift| gift.told.id.clone())
        .collect();
    turn.same("rows of a person", &seen, &known)?;

    let seen = erasure::find_key(turn.conn, turn.scope).await?;
    let seen = seen.map(|key| text(&Sealed(key)));
    turn.same("key of tombstones", &seen, &turn.model.erasure_key)?;
    let hashes: Vec<Vec<u8>> = (0..4).map(|n| recipient(n).into_bytes()).collect();
    let seen = erasure::list_erased(turn.conn, turn.scope, &hashes).await?;
    let seen: BTreeSet<_> = seen.into_iter().collect();
    turn.same("tombstones", &seen, &turn.model.tombstones)?;
    let ids: Vec<String> = (0..GIFTS).map(gift_id).collect();
    let seen = erasure::list_erased_rows(turn.conn, turn.scope, &ids).await?;
    let seen: BTreeSet<_> = seen.into_iter().collect();
    let erased = turn.model.gifts.values().filter(|gift| gift.erased);
    let known = erased.map(|gift| gift.told.id.clone()).collect();
    turn.same("erased rows", &seen, &known)?;
    let words = [PRIVATE.to_owned()];
    let accounts = erasure::list_runs_with(turn.conn, turn.scope, &words).await?;
    let seen: BTreeMap<Uuid, _> = accounts
        .into_iter()
        .map(|(id, _, error)| (id.0, error))
        .collect();
    let own = turn.model.runs.iter().filter(|(_, run)| run.is_private);
    let known = own.map(|(id, run)| (*id, run.error.clone())).collect();
    turn.same("accounts with words", &seen, &known)
}

pub async fn remedies(turn: &mut Turn<'_>) -> Outcome {
    let alias = [format!("{}@alias.example", turn.mark)];
    let seen = remedies::list_recipients_by_alias(turn.conn, turn.scope, &alias).await?;
    let seen: BTreeSet<String> = seen.into_iter().collect();
    let own = turn.model.remedies.iter();
    let known = own
        .filter(|(_, (one, _))| one.as_ref() == Some(&alias[0]))
        .map(|(recipient, _)| recipient.clone())
        .collect();
    turn.same("recipients by alias", &seen, &known)?;
    let name = turn.dice.email();
    let seen = remedies::list_gifts(turn.conn, turn.scope, &name).await?;
    let own = turn.model.gifts.values();
    let known = own
        .filter(|gift| gift.told.recipient_key().as_ref() == Some(&name))
        .map(|gift| gift.id().to_owned())
        .collect();
    turn.same("gifts of a recipient", &seen, &known)
}

pub async fn failures(turn: &mut Turn<'_>) -> Outcome {
    let all = Selection::default();
    let mut seen: Vec<_> = failures::list(turn.conn, turn.scope, &all, None, ALL)
        .await?
        .into_iter()
        .map(|failure| (failure.stage, failure.key, failure.reason))
        .collect();
    seen.sort();
    let mut known = Vec::new();
    for (key, row) in &turn.model.rejected {
        if !row.is_dismissed {
            known.push((Stage::Row, key.clone(), row.reason.clone()));
        }
    }
    for (key, gift) in &turn.model.gifts {
        if gift.is_failed() {
            known.push((Stage::Record, key.clone(), gift.failure.clone().unwrap()));
        }
        if gift.is_link_failed() {
            known.push((Stage::Link, key.clone(), gift.refusal().unwrap().clone()));
        }
    }
    known.sort();
    turn.same("failures", &seen, &known)?;
    let groups = failures::list_groups(turn.conn, turn.scope, ALL).await?;
    let seen: BTreeMap<_, _> = groups
        .iter()
        .map(|group| (group.stage, group.rows))
        .collect();
    let mut by_stage = BTreeMap::new();
    for (stage, ..) in known {
        *by_stage.entry(stage).or_insert(0) += 1;
    }
    turn.same("groups of failures", &seen, &by_stage)
}

pub async fn rejected(turn: &mut Turn<'_>) -> Outcome {
    let seen: Vec<_> = rejected_rows::list(turn.conn, turn.scope, ALL)
        .await?
        .into_iter()
        .map(|row| (row.last_seen_at, row.transaction_id, row.reason))
        .collect();
    let own = turn.model.rejected.values().cloned();
    let mut known: Vec<_> = own
        .map(|row| (row.last_seen_at, row.transaction_id, row.reason))
        .collect();
    known.sort_by_key(|row| std::cmp::Reverse(row.0));
    turn.same("rejected rows", &seen, &known)
}

/// The roll-ups, counted anew.
pub async fn totals(turn: &mut Turn<'_>) -> Outcome {
    let totals = statistics::list_totals(turn.conn, turn.scope, Range::default()).await?;
    let mut seen = BTreeMap::new();
    for total in totals {
        let key = (total.status.as_str(), total.gift_type, total.currency);
        let steps = (total.delivered, total.opened, total.redeemed);
        seen.insert(key, (total.transactions, steps, total.priced, total.amount));
    }
    let mut known = BTreeMap::new();
    for gift in turn.model.gifts.values() {
        let told = &gift.told;
        let key = (
            told.status().as_str(),
            told.gift_type.clone(),
            told.currency.clone(),
        );
        let entry = known.entry(key).or_insert((0, (0, 0, 0), 0, Decimal::ZERO));
        let reached = |step: Step| i64::from(step.is_reached(told));
        entry.0 += 1;
        entry.1.0 += reached(Step::Delivered);
        entry.1.1 += reached(Step::Opened);
        entry.1.2 += reached(Step::Redeemed);
        entry.2 += i64::from(told.amount.is_some());
        entry.3 += told.amount.unwrap_or_default();
    }
    turn.same("totals", &seen, &known)?;
    let seen = gifts::list_types(turn.conn, turn.scope, ALL).await?;
    let own = turn.model.gifts.values();
    let known: BTreeSet<String> = own.filter_map(|gift| gift.told.gift_type.clone()).collect();
    let seen: BTreeSet<String> = seen.into_iter().collect();
    turn.same("types", &seen, &known)?;

    let paces = statistics::list_paces(turn.conn, turn.scope, Range::default()).await?;
    let seen: i64 = paces.iter().map(|(.., gifts)| gifts).sum();
    let steps = [Step::Delivered, Step::Opened, Step::Redeemed];
    let known = turn
        .model
        .sent()
        .flat_map(|gift| steps.map(|step| step.seconds_after_sent(&gift.told)))
        .flatten()
        .count();
    turn.same("paces", &seen, &count(known))
}

/// The reports: how many gifts all of their lines come to.
pub async fn reports(turn: &mut Turn<'_>) -> Outcome {
    let range = Range::default();
    let sent = count(turn.model.sent().count());
    let redeemed = |gift: &&Gift| Step::Redeemed.is_reached(&gift.told);
    let both = (sent, count(turn.model.sent().filter(redeemed).count()));

    let months = reports::list_months(turn.conn, turn.scope, range).await?;
    let seen = months.iter().fold((0, 0), |sum, month| {
        (sum.0 + month.sent, sum.1 + month.redeemed)
    });
    turn.same("months", &seen, &both)?;
    let tomorrow = now().date_naive() + chrono::Days::new(400);
    let before = statistics::find_sent_before(turn.conn, turn.scope, range, tomorrow).await?;
    turn.same("sent before", &before, &both)?;
    let types = reports::list_types(turn.conn, turn.scope, range, tomorrow).await?;
    let seen: i64 = types.iter().map(|line| line.all.sent).sum();
    turn.same("sent by type", &seen, &sent)?;
    turn.same("types of gifts", &types, &types)?;
    let senders = reports::list_senders(turn.conn, turn.scope, range).await?;
    let seen: i64 = senders.iter().map(|line| line.tally.sent).sum();
    turn.same("sent by sender", &seen, &sent)?;
    turn.same("senders", &senders, &senders)?;

    let facts = turn.model.deals.keys();
    let of_sent: Vec<&Gift> = facts
        .filter_map(|(id, _)| turn.model.gifts.get(id))
        .filter(|gift| gift.is_sent())
        .collect();
    let known = count(of_sent.len());
    let priced = count(
        of_sent
            .iter()
            .filter(|gift| gift.told.amount.is_some())
            .count(),
    );
    let stages = reports::list_stages(turn.conn, turn.scope, range).await?;
    let seen: i64 = stages.iter().map(|line| line.tally.sent).sum();
    turn.same("sent by stage", &seen, &known)?;
    turn.same("stages", &stages, &stages)?;
    let sizes = reports::list_deal_sizes(turn.conn, turn.scope, range).await?;
    let seen: i64 = sizes.iter().map(|line| line.gifts).sum();
    turn.same("sent by size of deal", &seen, &priced)?;

    let [opened, redeemed] = reports::find_spans(turn.conn, turn.scope, range).await?;
    let seen = (opened.iter().sum(), redeemed.iter().sum());
    let told = |step: Step| {
        let sent = turn.model.sent();
        let took = sent.filter(|gift| step.seconds_after_sent(&gift.told).is_some());
        count(took.count())
    };
    let known = (told(Step::Opened), told(Step::Redeemed));
    turn.same("spans", &seen, &known)?;
    let refunds = reports::list_refunds(turn.conn, turn.scope, range, "UTC").await?;
    let seen: i64 = refunds.iter().map(|line| line.gifts).sum();
    let open = turn.model.sent().filter(|gift| {
        let told = &gift.told;
        let expected = refunds::certainty(told.status(), false).is_some();
        expected && !told.is_final() && !Step::Opened.is_reached(told)
    });
    let known = count(open.count());
    turn.same("refunds", &seen, &known)
}

pub async fn activity(turn: &mut Turn<'_>) -> Outcome {
    let seen: Vec<_> = statistics::list_activity(turn.conn, turn.scope, None, None)
        .await?
        .into_iter()
        .map(|event| {
            let status = event.status.as_str().to_owned();
            (event.at, event.transaction_id.0, status, event.gift_name)
        })
        .collect();
    let mut known: Vec<_> = turn
        .model
        .events
        .iter()
        .filter(|(_, status, _)| status == "sent" || status == "redeemed")
        .filter_map(|(id, status, at)| {
            let told = &turn.model.gifts.get(id)?.told;
            let holds = told
                .history
                .iter()
                .any(|entry| entry.at == *at && entry.status == *status);
            holds.then(|| (*at, id.clone(), status.clone(), told.gift_name.clone()))
        })
        .collect();
    known.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| (&a.1, &a.2).cmp(&(&b.1, &b.2))));
    known.truncate(usize::try_from(RECENT_ACTIVITY).unwrap());
    turn.same("activity", &seen, &known)
}

pub async fn run_list(turn: &mut Turn<'_>) -> Outcome {
    let describe = |run: &Run| (run.kind, run.state, run.done, run.error.clone());
    let seen: Vec<_> = runs::list(turn.conn, turn.scope, None, ALL)
        .await?
        .into_iter()
        .map(|run| (run.run_id, (run.kind, run.state, run.done, run.error)))
        .collect();
    let shown = turn
        .model
        .runs
        .iter()
        .rev()
        .filter(|(_, run)| run.is_shown());
    let known = shown.map(|(id, run)| (RunId(*id), describe(run))).collect();
    turn.same("runs", &seen, &known)?;
    let all: Vec<Uuid> = turn.lure.runs.keys().copied().collect();
    let Some(id) = turn.dice.pick(&all) else {
        return Ok(());
    };
    let seen = runs::find(turn.conn, turn.scope, RunId(id)).await?;
    let seen = seen.map(|run| (run.kind, run.state, run.done, run.error));
    turn.same("run", &seen, &turn.model.runs.get(&id).map(describe))
}

pub async fn people(turn: &mut Turn<'_>) -> Outcome {
    let seen: Vec<_> = members::list(turn.conn, turn.scope)
        .await?
        .into_iter()
        .map(|member| (member.user_id.0, member.email, member.role))
        .collect();
    let mut known: Vec<_> = turn.model.members.clone().into_iter().collect();
    known.sort_by_key(|(id, member)| (member.role == Role::Member, member.joined_at, *id));
    let owners: BTreeSet<i64> = known
        .iter()
        .filter(|(_, member)| member.role == Role::Owner)
        .map(|(id, _)| *id)
        .collect();
    let known = known
        .into_iter()
        .map(|(id, member)| (id, Some(member.email), member.role))
        .collect();
    turn.same("members", &seen, &known)?;
    let locked = members::lock_owners(turn.conn, turn.scope).await?;
    let seen = locked.into_iter().map(|user| user.0).collect();
    turn.same("owners", &seen, &owners)?;
    let user = count(turn.dice.roll(4));
    let seen = members::find(turn.conn, turn.scope, UserId(user)).await?;
    let member = turn.model.members.get(&user).cloned();
    let known = member.map(|member| (member.role, Some(member.email)));
    turn.same("member", &seen, &known)
}

pub async fn session_count(turn: &mut Turn<'_>) -> Outcome {
    let seen = sessions::count(turn.conn, turn.scope, now()).await?;
    turn.same("sessions", &seen, &count(turn.model.sessions.len()))?;
    let all: Vec<Vec<u8>> = turn.model.sessions.keys().cloned().collect();
    let Some(token) = turn.dice.pick(&all) else {
        return Ok(());
    };
    let seen = sessions::find(turn.conn, &token, now()).await?;
    let seen = seen.map(|session| {
        let person = (session.user_id.0, session.role, session.email);
        (person, session.scope)
    });
    let (user, email) = turn.model.sessions[&token].clone();
    let role = turn.model.members[&user].role;
    let known = Some(((user, role, Some(email)), turn.scope));
    turn.same("session", &seen, &known)
}

pub async fn trail(turn: &mut Turn<'_>) -> Outcome {
    let actor = Some("user:1".to_owned()).filter(|_| turn.dice.is(3));
    let filter = audit::Filter {
        actor,
        ..audit::Filter::default()
    };
    let entries = audit::list(turn.conn, turn.scope, &filter, None, 30).await?;
    let describe = |entry: &audit::Entry| {
        let detail = entry.detail.to_string();
        (entry.at, entry.actor.clone(), entry.action.clone(), detail)
    };
    let seen: Vec<_> = entries.iter().map(describe).collect();
    let own = turn.model.audit.iter().rev();
    let known: Vec<_> = own
        .filter(|(_, actor, ..)| filter.actor.as_ref().is_none_or(|one| one == actor))
        .take(30)
        .cloned()
        .collect();
    turn.same("trail", &seen, &known)?;
    if let Some(first) = entries.first() {
        let before = Some(first.seq);
        let entries = audit::list(turn.conn, turn.scope, &filter, before, 29).await?;
        let seen = entries.iter().map(describe).collect();
        turn.same("trail goes on", &seen, &known[1..].to_vec())?;
    }
    let (actors, actions) = audit::list_choices(turn.conn, turn.scope).await?;
    let seen: (BTreeSet<_>, BTreeSet<_>) =
        (actors.into_iter().collect(), actions.into_iter().collect());
    let own = turn.model.audit.iter();
    let known = own.map(|(_, actor, action, _)| (actor.clone(), action.clone()));
    turn.same("choices", &seen, &known.unzip())
}

pub async fn grants(turn: &mut Turn<'_>) -> Outcome {
    let seen = connections::find(turn.conn, turn.scope).await?;
    let seen = seen.map(|grant| {
        let tokens = (text(&grant.access_token), text(&grant.refresh_token));
        (tokens, grant.generation, grant.refusals, grant.scopes)
    });
    let known = turn.model.grant.clone().map(|grant| {
        let tokens = (grant.token.clone(), grant.token);
        (tokens, grant.generation, grant.refusals, grant.scopes)
    });
    turn.same("grant", &seen, &known)?;
    let key = thnks_connections::find_api_key(turn.conn, turn.scope).await?;
    let id = thnks_connections::find_organization_id(turn.conn, turn.scope).await?;
    let thnks = turn.model.thnks.clone();
    let known = thnks.map_or((None, None), |thnks| {
        (Some(thnks.api_key), thnks.organization_id)
    });
    turn.same("thnks", &(key.as_ref().map(text), id), &known)
}

pub async fn labels(turn: &mut Turn<'_>) -> Outcome {
    let seen = pipelines::list_known(turn.conn, turn.scope).await?;
    let known = turn.model.stages.keys().cloned().collect();
    turn.same("stages", &seen, &known)?;
    let seen = troubles::find(turn.conn, turn.scope).await?;
    turn.same("trouble", &seen, &turn.model.trouble)
}

pub async fn notices(turn: &mut Turn<'_>) -> Outcome {
    let seen = notices::find_settings(turn.conn, turn.scope).await?;
    let seen = seen.map(|settings| {
        let secret = settings.secret.as_ref().map(text);
        (
            settings.emails,
            settings.kinds,
            settings.webhook_url,
            secret,
        )
    });
    let known = turn.model.settings.clone().map(|settings| {
        let secret = settings.secret;
        (
            settings.emails,
            settings.kinds,
            settings.webhook_url,
            secret,
        )
    });
    turn.same("settings of notices", &seen, &known)?;
    let latest = notices::list_latest(turn.conn, turn.scope, ALL).await?;
    let seen: Vec<_> = latest
        .into_iter()
        .map(|one| {
            let is_open = matches!(one.state, DeliveryState::Pending(_));
            let how = (is_open, one.attempts, one.last_error);
            (one.created_at, one.target, how)
        })
        .collect();
    let own = turn.model.deliveries.values().cloned();
    let mut known: Vec<_> = own
        .map(|one| {
            let how = (one.is_open, one.attempts, one.last_error);
            (one.created_at, one.target, how)
        })
        .collect();
    known.sort_by_key(|one| std::cmp::Reverse(one.0));
    turn.same("deliveries", &seen, &known)?;
    let tested = notices::was_tested_after(turn.conn, turn.scope, now()).await?;
    turn.same("tested", &tested, &!turn.model.deliveries.is_empty())
}
