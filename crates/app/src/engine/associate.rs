//! Linking records: the contact by e-mail, its primary company, its open deals. Rows come sorted by recipient, so that
//! each recipient is asked for once, and in strides as large as HubSpot's link calls take.

use std::collections::{BTreeSet, HashMap, HashSet};

use domain::association::{self, Decision, Links, Outcome, Plan};
use domain::failure::Stage;
use domain::run::{Phase, RunKind};
use domain::{RecordId, TransactionId, scopes};
use futures::TryStreamExt;
use hubspot::{AssociatedRecord, COMPANIES, CONTACTS, DEALS, RefusedLink};
use store::associations::Due;
use store::portals::AssociationType;

use super::{Run, Stop, Target, a_few_at_a_time, count};
use crate::App;
use crate::setup::from_stored;

/// Rows per stride: what one call that creates links takes.
const STRIDE: i64 = 2_000;
/// Inputs of a batch that reads records, of one that reads links, and of one that creates links.
const READ: usize = 100;
const READ_LINKS: usize = 1_000;
const CREATE_LINKS: usize = 2_000;

/// What HubSpot knows of a recipient.
#[derive(Default)]
struct Recipient {
    /// The contacts that have the address.
    candidates: Vec<RecordId>,
    /// What records of this recipient should be linked to.
    wanted: Links,
    /// HubSpot's words about what it did not let us read: the next run asks again.
    trouble: Vec<String>,
}

/// Links one stride; `false` when no row waits.
pub(super) async fn step(app: &App, run: &mut Run, target: &Target) -> Result<bool, Stop> {
    let mut tx = app.db.begin(run.scope).await?;
    let due = store::associations::list_due(&mut tx, run.scope, run.id, STRIDE).await?;
    drop(tx);
    if due.is_empty() {
        return Ok(false);
    }
    run.progress.phase = Phase::Linking;
    let recipients = find_recipients(run, target, &due).await?;
    let plans: Vec<(&Due, Plan)> = due
        .iter()
        .map(|row| {
            let recipient = row
                .recipient_key
                .as_ref()
                .and_then(|key| recipients.get(key));
            (
                row,
                recipient.map_or_else(Plan::default, |recipient| {
                    association::plan(&row.links, &recipient.wanted)
                }),
            )
        })
        .collect();
    let types = &target.association_types;
    let contacts = pairs(&plans, |plan| plan.contact.into_iter().collect());
    let companies = pairs(&plans, |plan| plan.company.into_iter().collect());
    let deals = pairs(&plans, |plan| plan.deals.iter().copied().collect());
    let (contact, company, deal) = (
        types.contact.as_ref(),
        types.company.as_ref(),
        types.deal.as_ref(),
    );
    let (contacts_refused, companies_refused, deals_refused) = tokio::try_join!(
        link(run, target, CONTACTS, contact, &contacts),
        link(run, target, COMPANIES, company, &companies),
        link(run, target, DEALS, deal, &deals),
    )?;
    let refused = Refusals {
        contacts: contacts_refused,
        companies: companies_refused,
        deals: deals_refused,
    };

    let lost = lost_records(run, target, &refused).await?;

    let now = app.now();
    let mut tx = run.begin(app).await?;
    let forgotten: HashSet<TransactionId> =
        store::transactions::forget_lost(&mut tx, run.scope, &lost, run.asked_at)
            .await?
            .into_iter()
            .collect();
    let decisions: Vec<(TransactionId, Decision)> = plans
        .iter()
        .filter(|(row, _)| !forgotten.contains(&row.id))
        .map(|(row, plan)| {
            let (made, mut refusals) = refused.split(row.record_id, plan);
            let links = row.links.with(&made);
            let found = row
                .recipient_key
                .as_ref()
                .and_then(|key| recipients.get(key));
            refusals.extend(found.iter().flat_map(|found| found.trouble.iter().cloned()));
            let outcome = match (&row.recipient_key, found) {
                _ if links.contact.is_some() => Outcome::Linked,
                (None, _) => Outcome::NoIdentifier,
                (Some(_), Some(_)) => Outcome::Refused,
                (Some(_), None) => Outcome::NoContact,
            };
            let decision = Decision {
                outcome,
                identifiers: row.recipient_key.iter().cloned().collect(),
                candidates: found
                    .map(|found| found.candidates.clone())
                    .unwrap_or_default(),
                links,
                refusals,
                decided_at: now,
                run_id: run.id,
            };
            (row.id.clone(), decision)
        })
        .collect();

    store::associations::save(&mut tx, run.scope, &decisions).await?;
    run.counts.remade += count(forgotten.len());
    run.counts.associated += count(decisions.len());
    run.counts.contacts += count(contacts.len()) - count(refused.contacts.len());
    run.counts.companies += count(companies.len()) - count(refused.companies.len());
    run.counts.deals += count(deals.len()) - count(refused.deals.len());
    for (id, decision) in &decisions {
        run.counts.orphans += i64::from(decision.links.contact.is_none());
        if let Some(words) = decision.refusals.first() {
            run.counts.unlinked += 1;
            let failures = &mut run.counts.failures;
            failures.add(Stage::Link, "LINK_REFUSED", None, words, id.as_str());
        }
    }
    if run.kind == RunKind::Reassociate {
        run.done += count(decisions.len());
    }
    run.commit(tx).await?;
    Ok(true)
}

/// The records among refused links that are gone at HubSpot, or are part of another one now. No call while no link was
/// refused for the want of a record.
async fn lost_records(
    run: &Run,
    target: &Target,
    refused: &Refusals,
) -> Result<Vec<RecordId>, Stop> {
    let kinds = [&refused.contacts, &refused.companies, &refused.deals];
    let suspects: BTreeSet<RecordId> = kinds
        .into_iter()
        .flatten()
        .filter(|(_, refusal)| refusal.category == "OBJECT_NOT_FOUND")
        .map(|((record, _), _)| *record)
        .collect();
    let suspects: Vec<RecordId> = suspects.into_iter().collect();
    let mut lost = Vec::new();
    for part in suspects.chunks(READ) {
        let object_type_id = &target.object_type_id;
        let existing = run.portal.existing_records(object_type_id, part).await?;
        lost.extend(part.iter().filter(|record| !existing.contains(record)));
    }
    Ok(lost)
}

/// What HubSpot knows of the recipients of these rows, by address; one that it knows nothing of is left out.
async fn find_recipients(
    run: &Run,
    target: &Target,
    due: &[Due],
) -> Result<HashMap<String, Recipient>, Stop> {
    let keys: BTreeSet<&String> = due
        .iter()
        .filter_map(|row| row.recipient_key.as_ref())
        .collect();
    let keys: Vec<String> = keys.into_iter().cloned().collect();
    let mut recipients: HashMap<String, Recipient> = HashMap::new();
    let mut reads = a_few_at_a_time(keys.chunks(READ).map(|part| async move {
        let read = run.portal.contacts_by_email(part).await?;
        Ok::<_, hubspot::Error>((part, read))
    }));
    while let Some((part, read)) = reads.try_next().await? {
        let asked: HashSet<&String> = part.iter().collect();
        for contact in read.contacts {
            for email in contact
                .emails
                .into_iter()
                .filter(|email| asked.contains(email))
            {
                recipients
                    .entry(email)
                    .or_default()
                    .candidates
                    .push(contact.id);
            }
        }
        for (email, words) in read.unreadable {
            recipients.entry(email).or_default().trouble.push(words);
        }
    }
    let contacts: BTreeSet<RecordId> = recipients
        .values()
        .filter_map(|found| association::choose(&found.candidates))
        .collect();
    let contacts: Vec<RecordId> = contacts.into_iter().collect();
    let types = &target.association_types;
    let may = |scope| scopes::has(&run.scopes, scope);
    let companies = match &types.company {
        Some(_) if may(scopes::COMPANIES_READ) => primary_companies(run, &contacts).await?,
        _ => Linked::default(),
    };
    let deals = match &types.deal {
        Some(_) if may(scopes::DEALS_READ) => open_deals(run, &contacts).await?,
        _ => Linked::default(),
    };
    for found in recipients.values_mut() {
        let Some(contact) = association::choose(&found.candidates) else {
            continue;
        };
        found.wanted = Links {
            contact: Some(contact),
            company: companies
                .of
                .get(&contact)
                .and_then(|companies| companies.first())
                .copied(),
            deals: deals.of.get(&contact).cloned().unwrap_or_default(),
        };
        found
            .trouble
            .extend(companies.trouble.get(&contact).cloned());
        found.trouble.extend(deals.trouble.get(&contact).cloned());
    }
    Ok(recipients)
}

/// What contacts are linked to, and HubSpot's words about those whose links it did not let us read.
#[derive(Default)]
struct Linked {
    of: HashMap<RecordId, BTreeSet<RecordId>>,
    trouble: HashMap<RecordId, String>,
}

/// The primary company of each contact that has one.
async fn primary_companies(run: &Run, contacts: &[RecordId]) -> Result<Linked, Stop> {
    read_links(run, contacts, COMPANIES, |company| company.primary).await
}

/// The open deals of each contact, in any pipeline.
async fn open_deals(run: &Run, contacts: &[RecordId]) -> Result<Linked, Stop> {
    let mut linked = read_links(run, contacts, DEALS, |_| true).await?;
    let all: BTreeSet<RecordId> = linked.of.values().flatten().copied().collect();
    let all: Vec<RecordId> = all.into_iter().collect();
    let (mut open, mut unreadable) = (HashSet::new(), HashMap::new());
    let mut closed_stages = None;
    let mut reads = a_few_at_a_time(all.chunks(READ).map(|part| run.portal.deals(part)));
    while let Some(read) = reads.try_next().await? {
        unreadable.extend(read.unreadable);
        for deal in read.deals {
            // HubSpot computes the flag with a delay: without it the stage decides, which costs one call.
            if deal.is_closed.is_none() && closed_stages.is_none() {
                closed_stages = Some(run.portal.closed_stages().await?);
            }
            if deal.is_open(closed_stages.as_ref().unwrap_or(&HashSet::new())) {
                open.insert(deal.id);
            }
        }
    }
    for (contact, deals) in &mut linked.of {
        if let Some(words) = deals.iter().find_map(|deal| unreadable.get(deal)) {
            linked.trouble.insert(*contact, words.clone());
        }
        deals.retain(|deal| open.contains(deal));
    }
    Ok(linked)
}

/// The records of one kind that contacts are linked to, as far as `wanted`. A kind that this portal does not let us read
/// after all is left out: gifts are then linked without it.
async fn read_links(
    run: &Run,
    contacts: &[RecordId],
    to: &str,
    wanted: impl Fn(&AssociatedRecord) -> bool,
) -> Result<Linked, Stop> {
    let mut links = Linked::default();
    for part in contacts.chunks(READ_LINKS) {
        let read = match run.portal.associated(CONTACTS, to, part).await {
            Err(hubspot::Error::MissingScopes { .. }) => return Ok(Linked::default()),
            other => other?,
        };
        links.trouble.extend(read.failed);
        for (contact, records) in read.rows {
            let records = records
                .iter()
                .filter(|record| wanted(record))
                .map(|record| record.id);
            links.of.entry(contact).or_default().extend(records);
        }
    }
    Ok(links)
}

/// Record and other end of every link that the plans want of one kind.
fn pairs(
    plans: &[(&Due, Plan)],
    ends: impl Fn(&Plan) -> Vec<RecordId>,
) -> Vec<(RecordId, RecordId)> {
    plans
        .iter()
        .flat_map(|(row, plan)| ends(plan).into_iter().map(|end| (row.record_id, end)))
        .collect()
}

/// Makes the links; returns those that HubSpot refused, with its words.
async fn link(
    run: &Run,
    target: &Target,
    to: &str,
    association_type: Option<&AssociationType>,
    pairs: &[(RecordId, RecordId)],
) -> Result<RefusedLinks, Stop> {
    let mut refused = HashMap::new();
    let Some(association_type) = association_type else {
        refused.extend(pairs.iter().map(|pair| {
            let refusal = RefusedLink {
                from: Some(pair.0),
                to: Some(pair.1),
                category: "NOT_ASSOCIABLE".to_owned(),
                message: format!("the Thnks object cannot be associated with {to}"),
            };
            (*pair, refusal)
        }));
        return Ok(refused);
    };
    let association_type = from_stored(association_type);
    let object_type_id = target.object_type_id.as_str();
    let mut answers = a_few_at_a_time(pairs.chunks(CREATE_LINKS).map(|part| async move {
        let portal = &run.portal;
        let answer = portal.associate(object_type_id, to, association_type, part);
        Ok::<_, hubspot::Error>((part, answer.await?))
    }));
    while let Some((part, answer)) = answers.try_next().await? {
        for link in answer.refused {
            // An end that HubSpot does not name may be any: none of these counts as made, all can be tried again.
            let hit = part.iter().filter(|(from, to)| {
                link.from.is_none_or(|named| named == *from)
                    && link.to.is_none_or(|named| named == *to)
            });
            refused.extend(hit.map(|pair| (*pair, link.clone())));
        }
    }
    Ok(refused)
}

/// Record and other end of links that HubSpot refused, with its words.
type RefusedLinks = HashMap<(RecordId, RecordId), RefusedLink>;

struct Refusals {
    contacts: RefusedLinks,
    companies: RefusedLinks,
    deals: RefusedLinks,
}

impl Refusals {
    /// The part of a plan that was made, and HubSpot's words about the rest.
    fn split(&self, record: RecordId, plan: &Plan) -> (Plan, Vec<String>) {
        let mut words = BTreeSet::new();
        let mut made = |refused: &RefusedLinks, end: &RecordId| match refused.get(&(record, *end)) {
            Some(refusal) => {
                words.insert(refusal.message.clone());
                false
            }
            None => true,
        };
        let plan = Plan {
            contact: plan.contact.filter(|end| made(&self.contacts, end)),
            company: plan.company.filter(|end| made(&self.companies, end)),
            deals: plan
                .deals
                .iter()
                .filter(|end| made(&self.deals, end))
                .copied()
                .collect(),
        };
        (plan, words.into_iter().collect())
    }
}
