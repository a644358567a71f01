//! Acts on gifts: what Thnks tells, what HubSpot answers, links, failures, erasures. Each does it and notes what must be
//! seen from now on.

use std::collections::BTreeSet;

use domain::association::{DealFacts, Decision, Keep, Links, Outcome as Linking};
use domain::failure::Stage;
use domain::transaction::Malformed;
use domain::{RecordId, TransactionId, search};
use rust_decimal::Decimal;
use serde_json::json;
use store::associations::{self, Decided, Due};
use store::attempts::{Outcome as Tried, What};
use store::erasure::Wiped;
use store::rejected_rows::RejectedRow;
use store::transactions::{LedgerRow, Refused, Stored, Written};
use store::{attempts, erasure, failures, rejected_rows, remedies, transactions};

use super::model::{
    CONTACTS, GIFTS, Gift, Model, OTHER_RUN, Outcome, PRIVATE, RUN, Row, Turn, count, gift_id,
    recipient, selects, tell, transaction_ids,
};
use crate::harness::{hash, now};

pub async fn page(turn: &mut Turn<'_>) -> Outcome {
    let numbers: BTreeSet<usize> = (0..=turn.dice.roll(5))
        .map(|_| turn.dice.roll(GIFTS))
        .collect();
    let mut told = Vec::new();
    for n in numbers {
        let is_erased = turn.lure.tombstones.contains(recipient(n % 4).as_bytes());
        let gift = tell(&mut turn.dice, n, turn.mark, turn.tick);
        told.push((if is_erased { gift.erased() } else { gift }, is_erased));
    }
    let rows: Vec<LedgerRow<'_>> = told
        .iter()
        .map(|(transaction, is_erased)| LedgerRow {
            transaction,
            desired_hash: hash(transaction),
            is_erased: *is_erased,
        })
        .collect();
    let stored = transactions::upsert_batch(turn.conn, turn.scope, &rows, turn.at).await?;
    let changed = told
        .iter()
        .filter(|(gift, _)| turn.model.gifts.contains_key(gift.id.as_str()))
        .count();
    let expected = Stored {
        new: count(told.len() - changed),
        changed: count(changed),
    };
    turn.same("stored", &stored, &expected)?;
    for (gift, is_erased) in told {
        let id = gift.id.0.clone();
        for entry in &gift.history {
            let status = entry.status().as_str().to_owned();
            turn.model.events.insert((id.clone(), status, entry.at));
        }
        let fresh = Gift::new(gift.clone());
        let known = turn.model.gifts.entry(id).or_insert(fresh);
        known.desired = hash(&gift);
        known.told = gift;
        if is_erased {
            known.erased = true;
            known.link_refused = false;
            known.contact = None;
            known.hand = None;
            known.outcome = Some(Linking::Erased);
            known.decision = None;
            known.failure = None;
        }
    }
    Ok(())
}

pub async fn page_again(turn: &mut Turn<'_>) -> Outcome {
    let rows: Vec<LedgerRow<'_>> = turn
        .lure
        .gifts
        .values()
        .map(|gift| LedgerRow {
            transaction: &gift.told,
            desired_hash: gift.desired.clone(),
            is_erased: gift.erased,
        })
        .collect();
    let stored = transactions::upsert_batch(turn.conn, turn.scope, &rows, turn.at).await?;
    turn.same("stored again", &stored, &Stored::default())
}

/// The rows to write, as they are listed; those of the lure are taken.
async fn to_write(turn: &mut Turn<'_>) -> Outcome<Vec<Gift>> {
    let limit = turn.dice.roll(5) + 1;
    let seen = transactions::list_dirty(turn.conn, turn.scope, RUN, count(limit)).await?;
    let seen: Vec<_> = seen
        .into_iter()
        .map(|row| (row.transaction, row.desired_hash))
        .collect();
    let dirty = |model: &Model| -> Vec<Gift> {
        let dirty = model.gifts.values().filter(|gift| gift.is_dirty());
        dirty.take(limit).cloned().collect()
    };
    let known = dirty(turn.model)
        .into_iter()
        .map(|gift| (gift.told, gift.desired))
        .collect();
    turn.same("dirty", &seen, &known)?;
    Ok(dirty(turn.lure))
}

pub async fn write(turn: &mut Turn<'_>) -> Outcome {
    let written: Vec<Written> = to_write(turn)
        .await?
        .iter()
        .map(|gift| Written {
            id: gift.told.id.clone(),
            applied_hash: gift.desired.clone(),
            record_id: RecordId(record_of(gift.id())),
        })
        .collect();
    transactions::save_written(turn.conn, turn.scope, RUN, &written, turn.at).await?;
    for row in written {
        let attempt = (What::Record, Tried::Written, None, turn.at);
        turn.model.note_attempt(row.id.as_str(), attempt);
        let Some(gift) = turn.model.gifts.get_mut(row.id.as_str()) else {
            continue;
        };
        gift.applied = Some(row.applied_hash);
        gift.failure = None;
        gift.dismissed = None;
        if gift.record != Some(row.record_id.0) {
            gift.record = Some(row.record_id.0);
            gift.due = true;
            gift.part_with_links();
        }
    }
    Ok(())
}

fn record_of(id: &str) -> i64 {
    1_000 + id[4..].parse::<i64>().unwrap()
}

pub async fn refuse(turn: &mut Turn<'_>) -> Outcome {
    let reason = turn.text();
    let refused: Vec<Refused> = to_write(turn)
        .await?
        .iter()
        .map(|gift| Refused {
            id: gift.told.id.clone(),
            code: "REFUSED".into(),
            field: Some("gift_name".into()),
            reason: reason.clone(),
        })
        .collect();
    transactions::save_refused(turn.conn, turn.scope, OTHER_RUN, &refused, turn.at).await?;
    for row in refused {
        let attempt = (What::Record, Tried::Refused, Some(row.code), turn.at);
        turn.model.note_attempt(row.id.as_str(), attempt);
        if let Some(gift) = turn.model.gifts.get_mut(row.id.as_str()) {
            gift.failure = Some(row.reason);
        }
    }
    Ok(())
}

pub async fn leave_unanswered(turn: &mut Turn<'_>) -> Outcome {
    let ids = turn.dice.some(turn.lure.gifts.keys().cloned());
    let code = turn.text();
    attempts::insert_unanswered(turn.conn, turn.scope, RUN, &ids, &code, turn.at).await?;
    for id in ids {
        let attempt = (What::Record, Tried::Unanswered, Some(code.clone()), turn.at);
        turn.model.note_attempt(&id, attempt);
    }
    Ok(())
}

pub async fn give_up(turn: &mut Turn<'_>) -> Outcome {
    let selection = turn.selection();
    let seen = failures::dismiss(turn.conn, turn.scope, &selection, turn.at).await?;
    let mut known = 0;
    for (key, gift) in &mut turn.model.gifts {
        if gift.is_failed() && selects(&selection, Stage::Record, key) {
            gift.dismissed = Some(gift.desired.clone());
            known += 1;
        }
        if gift.is_link_failed() && selects(&selection, Stage::Link, key) {
            (gift.due, gift.link_refused) = (false, false);
            known += 1;
        }
    }
    for (key, row) in &mut turn.model.rejected {
        if !row.is_dismissed && selects(&selection, Stage::Row, key) {
            row.is_dismissed = true;
            known += 1;
        }
    }
    turn.same("given up", &seen, &known)
}

pub async fn try_again(turn: &mut Turn<'_>) -> Outcome {
    let selection = turn.selection();
    let seen = failures::retry(turn.conn, turn.scope, &selection).await?;
    let mut known = 0;
    for (key, gift) in &mut turn.model.gifts {
        if gift.failure.is_some() && selects(&selection, Stage::Record, key) {
            gift.dismissed = None;
            known += 1;
        }
        if gift.refusal().is_some() && selects(&selection, Stage::Link, key) {
            (gift.due, gift.link_refused) = (true, false);
            known += 1;
        }
    }
    for (key, row) in &mut turn.model.rejected {
        if selects(&selection, Stage::Row, key) {
            (row.is_dismissed, row.reread) = (false, row.transaction_id.is_some());
            known += 1;
        }
    }
    turn.same("tried again", &seen, &known)
}

pub async fn mark_dirty(turn: &mut Turn<'_>) -> Outcome {
    let ids = turn.dice.ids();
    transactions::mark_dirty(turn.conn, turn.scope, &ids).await?;
    for gift in those(turn.model, &ids) {
        (gift.applied, gift.dismissed) = (None, None);
        gift.due |= gift.hand.is_none() && !gift.erased;
    }
    Ok(())
}

fn those<'m>(model: &'m mut Model, ids: &'m [String]) -> impl Iterator<Item = &'m mut Gift> {
    let gifts = model.gifts.iter_mut();
    gifts
        .filter(|(id, _)| ids.contains(id))
        .map(|(_, gift)| gift)
}

pub async fn mark_all_dirty(turn: &mut Turn<'_>) -> Outcome {
    transactions::mark_all_dirty(turn.conn, turn.scope).await?;
    for gift in turn.model.gifts.values_mut() {
        gift.applied = None;
    }
    Ok(())
}

pub async fn forget_records(turn: &mut Turn<'_>) -> Outcome {
    transactions::forget_records(turn.conn, turn.scope).await?;
    let gifts = turn.model.gifts.values_mut();
    for gift in gifts.filter(|gift| gift.record.is_some()) {
        gift.part_with_record();
        (gift.outcome, gift.decision, gift.hand) = (None, None, None);
        gift.link_refused = false;
    }
    Ok(())
}

pub async fn forget_lost(turn: &mut Turn<'_>) -> Outcome {
    let lost: Vec<RecordId> = turn
        .dice
        .ids()
        .iter()
        .map(|id| RecordId(record_of(id)))
        .collect();
    let since = turn.at + chrono::TimeDelta::days(1);
    let mut seen = transactions::forget_lost(turn.conn, turn.scope, &lost, since).await?;
    seen.sort();
    let mut known = Vec::new();
    for gift in turn.model.gifts.values_mut() {
        let is_lost = |record| lost.contains(&RecordId(record));
        if gift.due && gift.record.is_some_and(is_lost) {
            gift.part_with_record();
            known.push(gift.told.id.clone());
        }
    }
    turn.same("lost", &seen, &known)
}

pub async fn link(turn: &mut Turn<'_>) -> Outcome {
    let limit = turn.dice.roll(5) + 1;
    let seen = associations::list_due(turn.conn, turn.scope, RUN, count(limit)).await?;
    let known = due(turn.model, limit);
    turn.same("due", &seen, &known)?;
    let mut decided = Vec::new();
    for row in due(turn.lure, limit) {
        let found = turn.dice.pick(&CONTACTS).unwrap();
        let how = turn.dice.roll(4);
        let refusals = (how == 0).then(|| turn.text()).into_iter().collect();
        let links = Links {
            contact: (how > 1).then_some(RecordId(found)),
            companies: turn.dice.some([20, 21]).into_iter().map(RecordId).collect(),
            deals: turn.dice.some([30, 31]).into_iter().map(RecordId).collect(),
        };
        let outcome = [
            Linking::Refused,
            Linking::NoContact,
            Linking::Linked,
            Linking::Linked,
        ][how];
        decided.push(Decided {
            id: row.id,
            version: row.version,
            former: None,
            decision: Decision {
                links,
                refusals,
                ..Decision::new(outcome, turn.at, Some(RUN))
            },
        });
    }
    associations::save(turn.conn, turn.scope, RUN, &decided).await?;
    for one in decided {
        let Some(gift) = turn.model.gifts.get_mut(one.id.as_str()) else {
            continue;
        };
        let decision = one.decision;
        let contact = decision.links.contact.map(|contact| contact.0);
        let companies: BTreeSet<i64> = decision.links.companies.iter().map(|id| id.0).collect();
        let deals: BTreeSet<i64> = decision.links.deals.iter().map(|id| id.0).collect();
        let is_refused = !decision.refusals.is_empty();
        let is_new = (contact, &companies, &deals) != (gift.contact, &gift.companies, &gift.deals);
        gift.due = is_refused;
        gift.link_refused = is_refused;
        gift.of_another &= is_refused;
        gift.outcome = Some(decision.outcome);
        gift.decision = Some(decision);
        (gift.contact, gift.companies, gift.deals) = (contact, companies, deals);
        if is_refused || is_new {
            let tried = [Tried::Written, Tried::Refused][usize::from(is_refused)];
            let attempt = (What::Links, tried, None, turn.at);
            turn.model.note_attempt(one.id.as_str(), attempt);
        }
    }
    Ok(())
}

fn due(model: &Model, limit: usize) -> Vec<Due> {
    let mut due: Vec<&Gift> = model
        .gifts
        .values()
        .filter(|gift| gift.is_due() && !gift.link_refused)
        .collect();
    due.sort_by_key(|gift| (gift.told.recipient_key(), gift.told.id.clone()));
    due.truncate(limit);
    let records = |ids: &BTreeSet<i64>| ids.iter().copied().map(RecordId).collect();
    due.into_iter()
        .map(|gift| Due {
            id: gift.told.id.clone(),
            record_id: RecordId(gift.record.unwrap()),
            recipient: model.recipient(gift),
            links: Links {
                contact: gift.contact.map(RecordId),
                companies: records(&gift.companies),
                deals: records(&gift.deals),
            },
            keep: if gift.of_another {
                Keep::Wanted
            } else {
                Keep::All
            },
            version: gift.version,
        })
        .collect()
}

pub async fn keep_deals(turn: &mut Turn<'_>) -> Outcome {
    let facts: Vec<(TransactionId, DealFacts)> = turn
        .dice
        .some(turn.lure.gifts.keys().cloned())
        .into_iter()
        .map(|id| {
            let facts = DealFacts {
                deal: RecordId(30),
                pipeline: Some("default".into()),
                stage: Some("new".into()),
                amount: Some(Decimal::from(turn.tick)),
                currency: None,
            };
            (TransactionId(id), facts)
        })
        .collect();
    associations::insert_deal_facts(turn.conn, turn.scope, &facts, turn.at).await?;
    for (id, facts) in facts {
        let key = (id.0, facts.deal.0);
        turn.model.deals.entry(key).or_insert(facts);
    }
    Ok(())
}

pub async fn mark_orphans(turn: &mut Turn<'_>) -> Outcome {
    let seen = associations::mark_orphans_due(turn.conn, turn.scope, true, None).await?;
    let mut known = 0;
    for gift in turn.model.gifts.values_mut() {
        if gift.is_lookable() && !gift.due {
            gift.due = true;
            known += 1;
        }
    }
    turn.same("orphans to look at", &seen, &known)
}

pub async fn mark_recipients(turn: &mut Turn<'_>) -> Outcome {
    let keys = vec![turn.dice.email(), turn.dice.email()];
    let seen = associations::mark_recipients_due(turn.conn, turn.scope, &keys).await?;
    let mut known = 0;
    for gift in turn.model.gifts.values_mut() {
        if gift.is_lookable() && keys.contains(&gift.told.recipient_key().unwrap()) {
            gift.due = true;
            gift.version += 1;
            known += 1;
        }
    }
    turn.same("recipients to look at", &seen, &known)
}

pub async fn mark_due(turn: &mut Turn<'_>) -> Outcome {
    let (ids, right) = (turn.dice.ids(), turn.dice.pick(&CONTACTS));
    let right = right.filter(|_| turn.dice.is(2));
    associations::mark_due(turn.conn, turn.scope, &ids, right.map(RecordId)).await?;
    for gift in those(turn.model, &ids) {
        if gift.erased || gift.contact.is_some() && gift.contact == right {
            continue;
        }
        (gift.due, gift.link_refused) = (true, false);
        gift.version += 1;
        let is_by_hand = gift.hand == Some(Linking::LinkedByHand);
        gift.of_another |= gift.contact.is_some() && !is_by_hand;
        gift.contact = gift.contact.filter(|_| !is_by_hand);
        gift.hand = None;
    }
    Ok(())
}

pub async fn drop_contact(turn: &mut Turn<'_>) -> Outcome {
    let contact = turn.dice.pick(&CONTACTS).unwrap();
    associations::drop_contacts(turn.conn, turn.scope, &[RecordId(contact)]).await?;
    for gift in turn.model.gifts.values_mut() {
        if gift.contact == Some(contact) {
            gift.part_with_contact();
            (gift.due, gift.hand, gift.link_refused) = (true, None, false);
            gift.version += 1;
        }
    }
    Ok(())
}

pub async fn drop_links(turn: &mut Turn<'_>) -> Outcome {
    let ids = turn.dice.ids();
    associations::drop_links(turn.conn, turn.scope, &ids).await?;
    for gift in those(turn.model, &ids).filter(|gift| gift.contact.is_some()) {
        gift.part_with_contact();
        gift.due = true;
        gift.version += 1;
    }
    Ok(())
}

pub async fn move_contact(turn: &mut Turn<'_>) -> Outcome {
    let [lost, survivor] = CONTACTS;
    associations::move_contact(turn.conn, turn.scope, RecordId(lost), RecordId(survivor)).await?;
    for gift in turn.model.gifts.values_mut() {
        if gift.contact == Some(lost) {
            gift.part_with_contact();
            gift.contact = Some(survivor);
            if let Some(decision) = &mut gift.decision {
                decision.links.contact = Some(RecordId(survivor));
            }
        }
    }
    for (_, chosen) in turn.model.remedies.values_mut() {
        *chosen = chosen.map(|contact| if contact == lost { survivor } else { contact });
    }
    Ok(())
}

pub async fn take_in_hand(turn: &mut Turn<'_>) -> Outcome {
    let outcome = [Linking::LinkedByHand, Linking::UnlinkedByHand][turn.dice.roll(2)];
    let contact = turn.dice.pick(&CONTACTS);
    let contact = contact.filter(|_| outcome == Linking::LinkedByHand);
    let decision = Decision {
        links: Links {
            contact: contact.map(RecordId),
            ..Links::default()
        },
        ..Decision::new(outcome, turn.at, None)
    };
    let ids = turn.dice.some(turn.lure.gifts.keys().cloned());
    let rows: Vec<(TransactionId, Decision)> = transaction_ids(&ids)
        .into_iter()
        .map(|id| (id, decision.clone()))
        .collect();
    associations::save_hand(turn.conn, turn.scope, &rows).await?;
    for gift in those(turn.model, &ids).filter(|gift| !gift.erased) {
        if outcome == Linking::UnlinkedByHand {
            gift.part_with_contact();
        }
        gift.contact = contact;
        (gift.due, gift.of_another, gift.link_refused) = (false, false, false);
        gift.outcome = Some(outcome);
        gift.hand = Some(outcome);
        gift.decision = Some(decision.clone());
    }
    Ok(())
}

/// Another address of a recipient, or the contact that is meant.
pub async fn remedy(turn: &mut Turn<'_>) -> Outcome {
    let recipient = turn.dice.email();
    let actor = turn.text();
    let (conn, scope, at) = (&mut *turn.conn, turn.scope, turn.at);
    if turn.dice.is(2) {
        let alias = format!("{}@alias.example", turn.mark);
        let alias = Some(alias).filter(|_| !turn.dice.is(4));
        remedies::save_alias(conn, scope, &recipient, alias.as_deref(), &actor, at).await?;
        turn.model.remedies.entry(recipient).or_default().0 = alias;
    } else {
        let contact = turn.dice.pick(&CONTACTS).filter(|_| !turn.dice.is(4));
        let chosen = contact.map(RecordId);
        remedies::save_choice(conn, scope, &recipient, chosen, &actor, at).await?;
        turn.model.remedies.entry(recipient).or_default().1 = contact;
    }
    Ok(())
}

pub async fn reject(turn: &mut Turn<'_>) -> Outcome {
    let key = gift_id(turn.dice.roll(GIFTS));
    let id = Some(TransactionId(key.clone())).filter(|_| !key.ends_with(['1', '3']));
    let malformed = Malformed {
        id: id.clone(),
        field: "amount".into(),
        reason: turn.text(),
    };
    let payload = json!({"amount": turn.text()});
    let row = RejectedRow {
        row_key: &key,
        malformed: &malformed,
        payload: &payload,
    };
    rejected_rows::upsert_batch(turn.conn, turn.scope, &[row], turn.at).await?;
    let row = Row {
        transaction_id: id.map(|id| id.0),
        reason: malformed.reason,
        last_seen_at: turn.at,
        is_dismissed: false,
        reread: false,
        is_private: true,
    };
    turn.model.rejected.insert(key, row);
    Ok(())
}

pub async fn accept(turn: &mut Turn<'_>) -> Outcome {
    let ids = turn.dice.ids();
    rejected_rows::delete_batch(turn.conn, turn.scope, &ids).await?;
    turn.model.rejected.retain(|key, _| !ids.contains(key));
    Ok(())
}

pub async fn drop_unseen(turn: &mut Turn<'_>) -> Outcome {
    let since = turn.at - chrono::TimeDelta::minutes(count(turn.dice.roll(300)));
    rejected_rows::delete_unseen(turn.conn, turn.scope, since).await?;
    let rows = &mut turn.model.rejected;
    rows.retain(|_, row| row.last_seen_at >= since);
    Ok(())
}

pub async fn read_again(turn: &mut Turn<'_>) -> Outcome {
    let seen = rejected_rows::list_to_reread(turn.conn, turn.scope, 100).await?;
    let mut known = Vec::new();
    let lured = turn.dice.ids();
    let ids = transaction_ids(&lured);
    rejected_rows::clear_reread(turn.conn, turn.scope, &ids).await?;
    for row in turn.model.rejected.values_mut() {
        let id = row.transaction_id.clone().map(TransactionId);
        if row.reread {
            known.extend(id.clone());
        }
        row.reread &= !id.is_some_and(|id| ids.contains(&id));
    }
    turn.same("to be read again", &seen, &known)
}

pub async fn save_key(turn: &mut Turn<'_>) -> Outcome {
    let key = turn.text();
    erasure::save_key(turn.conn, turn.scope, key.as_bytes()).await?;
    turn.model.erasure_key = Some(key);
    Ok(())
}

/// Erases a recipient of a portal's gifts, with all that may hold the name.
pub async fn erase(turn: &mut Turn<'_>) -> Outcome {
    let person = turn.dice.email();
    let is_theirs = |gift: &&Gift| gift.told.recipient_key().as_ref() == Some(&person);
    let theirs: Vec<Gift> = turn
        .lure
        .gifts
        .values()
        .filter(is_theirs)
        .cloned()
        .collect();
    let decision = Decision::new(Linking::Erased, now(), None);
    let wiped: Vec<Wiped> = theirs
        .iter()
        .map(|gift| {
            let left = gift.told.clone().erased();
            Wiped {
                id: left.id.clone(),
                desired_hash: hash(&left),
                decision: decision.clone(),
                words: search::words(&left),
            }
        })
        .collect();
    erasure::wipe_rows(turn.conn, turn.scope, &wiped, turn.at).await?;
    for row in &wiped {
        let Some(gift) = turn.model.gifts.get_mut(row.id.as_str()) else {
            continue;
        };
        gift.told = gift.told.clone().erased();
        gift.desired.clone_from(&row.desired_hash);
        (gift.failure, gift.dismissed) = (None, None);
        (gift.contact, gift.hand) = (None, None);
        (gift.due, gift.link_refused, gift.of_another) = (false, false, false);
        gift.outcome = gift.record.map(|_| Linking::Erased);
        gift.decision = Some(decision.clone());
        gift.erased = true;
    }
    let words = [PRIVATE.to_owned()];
    let seen = erasure::wipe_rejected(turn.conn, turn.scope, &words).await?;
    let mut known = 0;
    for row in turn
        .model
        .rejected
        .values_mut()
        .filter(|row| row.is_private)
    {
        row.is_private = false;
        row.reason = "the row was erased".into();
        known += 1;
    }
    turn.same("rows wiped", &seen, &known)?;
    let contacts = CONTACTS.map(RecordId);
    let people = [person.clone()];
    erasure::delete_remedies(turn.conn, turn.scope, &contacts, &people).await?;
    let remedies = &mut turn.model.remedies;
    remedies.retain(|recipient, (_, chosen)| *recipient != person && chosen.is_none());
    let tombstone = [person.into_bytes()];
    erasure::insert_tombstones(turn.conn, turn.scope, &tombstone, turn.at).await?;
    turn.model.tombstones.extend(tombstone);
    Ok(())
}
