//! Following up on what HubSpot told of contacts. An event only says where to look: how things are is asked anew, so that
//! duplicates and any order are harmless. Only what concerns an orphan or a link of ours costs a call.

use std::collections::{BTreeSet, HashMap, HashSet};

use domain::association::{Decision, Outcome};
use domain::event::Change;
use domain::matching::{Contact, Contacts};
use domain::{RecordId, TransactionId, phone};
use futures::TryStreamExt;
use hubspot::CONTACTS;
use store::associations::Followed;
use store::hubspot_events::Pending;

use super::links::link;
use super::recipients::READ;
use super::{Run, Stop, Target, a_few_at_a_time, count};
use crate::App;
use crate::crash::{self, Point};

/// Events looked into at once.
const EVENTS: i64 = 1_000;

/// Looks into some events; `false` when none waits.
pub(super) async fn step(app: &App, run: &mut Run, target: &Target) -> Result<bool, Stop> {
    let mut tx = app.db.begin(run.scope).await?;
    // Those that come while the slice works are for the next run: a stream of them must not keep links waiting.
    let through = match run.events_through {
        Some(through) => through,
        None => store::hubspot_events::find_latest(&mut tx, run.scope)
            .await?
            .unwrap_or(i64::MIN),
    };
    run.events_through = Some(through);
    let pending = store::hubspot_events::list(&mut tx, run.scope, through, EVENTS).await?;
    if pending.is_empty() {
        return Ok(false);
    }
    let told = Told::sort(&pending);
    let has_orphans = store::associations::has_orphans(&mut tx, run.scope, run.rules.phone).await?;
    let linked = told.of(&[Change::Deleted, Change::Merged, Change::Restored]);
    let linked: HashSet<RecordId> =
        store::associations::list_linked_contacts(&mut tx, run.scope, &linked)
            .await?
            .into_iter()
            .collect();
    let records: Vec<RecordId> = told.links.keys().map(|(record, _)| *record).collect();
    let touched = store::associations::list_by_record(&mut tx, run.scope, &records).await?;
    let touched: Vec<Followed> = touched
        .into_iter()
        .filter(|row| told.is_news(row))
        .collect();
    let looks_at_all = has_orphans && looks_at_all(&mut tx, run, &told).await?;
    drop(tx);

    let mut asked: BTreeSet<RecordId> = linked.iter().copied().collect();
    if has_orphans && !looks_at_all {
        asked.extend(told.of(&[Change::Changed, Change::Restored]));
    }
    asked.extend(touched.iter().filter_map(|row| row.contact));
    let (contacts, unreadable) = read(run, &asked).await?;
    // What HubSpot does not let us read must not pass for gone, and must not stop the rest.
    asked.retain(|contact| !unreadable.contains(contact));
    let fates = Fates::of(&asked, &contacts);
    // Merged and restored contacts may have lost links that we made; made again, one that is there does no harm.
    let to_relink: Vec<RecordId> = fates
        .moved
        .keys()
        .chain(told.by_change.get(&Change::Restored).into_iter().flatten())
        .filter(|contact| linked.contains(contact))
        .copied()
        .collect();
    let refused = relink(app, run, target, &to_relink, &fates).await?;
    let hands = by_hand(app, run, target, &touched, &told, &fates).await?;
    let learnt = Learnt {
        contacts,
        fates,
        hands,
        refused,
        looks_at_all,
    };
    crash::at(Point::EventsRead);
    save(app, run, learnt, &pending).await?;
    crash::at(Point::EventsNoted);
    Ok(true)
}

/// What looking into events has brought.
struct Learnt {
    contacts: Vec<Contact>,
    fates: Fates,
    /// What people did.
    hands: Vec<(TransactionId, Decision)>,
    /// Rows whose link HubSpot did not let us make again.
    refused: Vec<String>,
    /// All orphans are to be looked at.
    looks_at_all: bool,
}

/// Events, sorted by what is to be done.
struct Told {
    by_change: HashMap<Change, BTreeSet<RecordId>>,
    /// Record and contact of links that changed, and whether any event says that the link was removed.
    links: HashMap<(RecordId, RecordId), BTreeSet<Change>>,
}

impl Told {
    fn sort(pending: &[Pending]) -> Self {
        let mut told = Self {
            by_change: HashMap::new(),
            links: HashMap::new(),
        };
        for Pending { event, .. } in pending {
            if let (Change::Linked | Change::Unlinked, Some(record)) = (event.change, event.record)
            {
                let link = told.links.entry((record, event.contact)).or_default();
                link.insert(event.change);
            } else {
                let contacts = told.by_change.entry(event.change).or_default();
                contacts.insert(event.contact);
            }
        }
        told
    }

    fn of(&self, changes: &[Change]) -> Vec<RecordId> {
        let contacts = changes
            .iter()
            .filter_map(|change| self.by_change.get(change));
        contacts
            .flatten()
            .copied()
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect()
    }

    /// Whether what was told of a row's links is not what the ledger says: the echo of our own links costs no call.
    fn is_news(&self, row: &Followed) -> bool {
        let of_row = self
            .links
            .iter()
            .filter(|((record, _), _)| *record == row.record);
        of_row
            .flat_map(|((_, contact), changes)| changes.iter().map(move |change| (contact, change)))
            .any(|(contact, change)| match change {
                Change::Unlinked => row.contact == Some(*contact),
                // Beside the contact that is linked, others say nothing about whose gift it is.
                _ => row.contact.is_none(),
            })
    }
}

/// Whether looking for all orphans takes fewer calls than reading every contact that changed, as after an import.
async fn looks_at_all(tx: &mut store::Tx, run: &Run, told: &Told) -> Result<bool, Stop> {
    let changed = told.of(&[Change::Changed, Change::Restored]).len();
    if changed <= READ || run.rules.phone || run.rules.email_property.is_some() {
        return Ok(false);
    }
    let orphans = store::associations::count_lookable(tx, run.scope, run.rules.phone).await?;
    Ok(usize::try_from(orphans.recipients).is_ok_and(|recipients| recipients < changed))
}

/// Contacts as they are now, and the ids that HubSpot does not let us read.
pub(super) async fn read(
    run: &Run,
    asked: &BTreeSet<RecordId>,
) -> Result<(Vec<Contact>, BTreeSet<RecordId>), Stop> {
    let asked: Vec<RecordId> = asked.iter().copied().collect();
    let property = run.rules.email_property.as_deref();
    let mut reads = a_few_at_a_time(
        asked
            .chunks(READ)
            .map(|part| run.portal.contacts_by_id(part, property)),
    );
    let (mut contacts, mut unreadable) = (Vec::new(), BTreeSet::new());
    while let Some(read) = reads.try_next().await? {
        let refused = read.unreadable.into_keys();
        unreadable.extend(refused.filter_map(|id| id.parse::<RecordId>().ok()));
        contacts.extend(read.contacts);
    }
    Ok((contacts, unreadable))
}

/// What became of the contacts that were asked for.
struct Fates {
    /// Those that are part of another one now.
    moved: HashMap<RecordId, RecordId>,
    /// Those that are no more.
    gone: BTreeSet<RecordId>,
}

impl Fates {
    fn of(asked: &BTreeSet<RecordId>, read: &[Contact]) -> Self {
        let mut contacts = Contacts::default();
        for contact in read {
            contacts.add(contact.clone());
        }
        let mut fates = Self {
            moved: HashMap::new(),
            gone: BTreeSet::new(),
        };
        for id in asked {
            match contacts.survivor(*id) {
                Some(survivor) if survivor == *id => {}
                Some(survivor) => {
                    fates.moved.insert(*id, survivor);
                }
                None => {
                    fates.gone.insert(*id);
                }
            }
        }
        fates
    }
}

/// Makes the links of these contacts' rows again, to what the contacts are now; what a person unlinked is not among them.
/// Returns the rows whose link HubSpot refuses: they are decided about anew, with the reason.
async fn relink(
    app: &App,
    run: &mut Run,
    target: &Target,
    contacts: &[RecordId],
    fates: &Fates,
) -> Result<Vec<String>, Stop> {
    if contacts.is_empty() {
        return Ok(Vec::new());
    }
    let mut tx = app.db.begin(run.scope).await?;
    let rows = store::associations::list_by_contact(&mut tx, run.scope, contacts).await?;
    drop(tx);
    let pairs: Vec<(RecordId, RecordId)> = rows
        .iter()
        .filter_map(|row| {
            let contact = row.contact?;
            let now = fates.moved.get(&contact).copied().unwrap_or(contact);
            (!fates.gone.contains(&contact)).then_some((row.record, now))
        })
        .collect();
    run.ensure_held(app).await?;
    let contact_type = target.association_types.contact.as_ref();
    let refused = link(run, target, CONTACTS, contact_type, &pairs).await?;
    let records: HashSet<RecordId> = refused.keys().map(|(record, _)| *record).collect();
    let rows = rows.into_iter().filter(|row| records.contains(&row.record));
    Ok(rows.map(|row| row.id.0).collect())
}

/// What people did to the links of rows, read from HubSpot as it is now.
async fn by_hand(
    app: &App,
    run: &Run,
    target: &Target,
    touched: &[Followed],
    told: &Told,
    fates: &Fates,
) -> Result<Vec<(TransactionId, Decision)>, Stop> {
    if touched.is_empty() {
        return Ok(Vec::new());
    }
    let object_type_id = &target.object_type_id;
    let records: Vec<RecordId> = touched.iter().map(|row| row.record).collect();
    let portal = &run.portal;
    let held = portal
        .associated(object_type_id, CONTACTS, &records)
        .await?;
    let bare: Vec<RecordId> = records
        .iter()
        .filter(|record| held.rows.get(record).is_some_and(Vec::is_empty))
        .copied()
        .collect();
    // A record that somebody deleted has no links either: it is made again elsewhere.
    let mut existing = HashSet::new();
    for part in bare.chunks(READ) {
        existing.extend(portal.existing_records(object_type_id, part).await?);
    }
    let mut hands = Vec::new();
    for row in touched {
        let Some(linked) = held.rows.get(&row.record) else {
            continue;
        };
        let linked: BTreeSet<RecordId> = linked.iter().map(|contact| contact.id).collect();
        let noted = row.contact;
        let is_there = |contact: &RecordId| {
            linked.contains(contact)
                || fates
                    .moved
                    .get(contact)
                    .is_some_and(|now| linked.contains(now))
        };
        // One that is gone takes its links along: nobody's act.
        let has_gone = noted.is_some_and(|contact| fates.gone.contains(&contact));
        if noted.as_ref().is_some_and(is_there) || has_gone {
            continue;
        }
        // Beside what was there before, a person means the one of which HubSpot tells.
        let is_told = |contact: &&RecordId| {
            let link = told.links.get(&(row.record, **contact));
            link.is_some_and(|changes| changes.contains(&Change::Linked))
        };
        let by_hand = linked.iter().find(is_told).or(linked.first()).copied();
        let outcome = match by_hand {
            Some(_) => Outcome::LinkedByHand,
            None if noted.is_some() && existing.contains(&row.record) => Outcome::UnlinkedByHand,
            None => continue,
        };
        let mut decision = Decision::new(outcome, app.now(), Some(run.id));
        decision.links.contact = by_hand;
        hands.push((row.id.clone(), decision));
    }
    Ok(hands)
}

/// The numbers of orphans that any of the contacts has.
async fn numbers_of(app: &App, run: &Run, contacts: &[Contact]) -> Result<Vec<String>, Stop> {
    let typed: Vec<&String> = contacts
        .iter()
        .flat_map(|contact| &contact.phones)
        .collect();
    if !run.rules.phone || typed.is_empty() {
        return Ok(Vec::new());
    }
    let mut by_tail: HashMap<String, Vec<&String>> = HashMap::new();
    for text in typed {
        by_tail.entry(phone::tail(text)).or_default().push(text);
    }
    let mut tx = app.db.begin(run.scope).await?;
    let numbers = store::associations::list_orphan_phones(&mut tx, run.scope).await?;
    drop(tx);
    let has_it = |key: &String| {
        let near = by_tail.get(&phone::tail(key)).into_iter().flatten();
        near.into_iter().any(|text| phone::is_same(key, text))
    };
    Ok(numbers.into_iter().filter(has_it).collect())
}

/// Stores what was found out, lets the orphans concerned wait for their links, and takes the events away.
async fn save(app: &App, run: &mut Run, learnt: Learnt, pending: &[Pending]) -> Result<(), Stop> {
    let scope = run.scope;
    let Learnt {
        contacts,
        fates,
        hands,
        refused,
        looks_at_all,
    } = learnt;
    let numbers = numbers_of(app, run, &contacts).await?;
    let mut tx = run.begin(app).await?;
    for (lost, survivor) in &fates.moved {
        store::associations::move_contact(&mut tx, scope, *lost, *survivor).await?;
    }
    store::associations::save_hand(&mut tx, scope, &hands).await?;
    store::associations::drop_links(&mut tx, scope, &refused).await?;
    let gone: Vec<RecordId> = fates.gone.iter().copied().collect();
    store::associations::drop_contacts(&mut tx, scope, &gone).await?;
    for Pending { event, .. } in pending {
        if let (Change::Merged, Some(survivor)) = (event.change, event.record) {
            store::associations::note_survivor(&mut tx, scope, event.contact, survivor).await?;
        }
    }
    if looks_at_all {
        store::associations::mark_orphans_due(&mut tx, scope, false, None).await?;
    } else {
        let mut keys: Vec<String> = contacts
            .iter()
            .flat_map(|contact| contact.emails.iter().chain(&contact.property_emails))
            .cloned()
            .collect();
        keys.extend(store::remedies::list_recipients_by_alias(&mut tx, scope, &keys).await?);
        keys.extend(numbers);
        if !keys.is_empty() {
            store::associations::mark_recipients_due(&mut tx, scope, &keys).await?;
        }
    }
    let seqs: Vec<i64> = pending.iter().map(|pending| pending.seq).collect();
    store::hubspot_events::delete(&mut tx, scope, &seqs).await?;
    if !run.kind.reads() {
        run.done += count(hands.len());
        let due = store::associations::count_due(&mut tx, scope).await?;
        run.total = Some(run.done + due);
    }
    run.told.extend(contacts);
    run.commit(tx).await?;
    Ok(())
}
