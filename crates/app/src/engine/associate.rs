//! Linking records: the contact by e-mail, its primary company, its open deals. Rows come sorted by recipient, so that
//! each recipient is asked for once, and in strides as large as HubSpot's link calls take.

use std::collections::{BTreeSet, HashMap, HashSet};

use domain::association::{self, Decision, Outcome, Plan};
use domain::failure::Stage;
use domain::run::{Phase, RunKind};
use domain::{RecordId, TransactionId};
use futures::TryStreamExt;
use hubspot::{COMPANIES, CONTACTS, DEALS, RefusedLink};
use store::associations::Due;
use store::portals::AssociationType;

use super::recipients::{self, READ};
use super::{Run, Stop, Target, a_few_at_a_time, count};
use crate::App;
use crate::setup::from_stored;

/// Rows per stride: what one call that creates links takes.
const STRIDE: i64 = 2_000;
/// Inputs of a batch that creates links.
const CREATE_LINKS: usize = 2_000;

/// Links one stride; `false` when no row waits.
pub(super) async fn step(app: &App, run: &mut Run, target: &Target) -> Result<bool, Stop> {
    let mut tx = app.db.begin(run.scope).await?;
    let due = store::associations::list_due(&mut tx, run.scope, run.id, STRIDE).await?;
    drop(tx);
    if due.is_empty() {
        return Ok(false);
    }
    run.progress.phase = Phase::Linking;
    let recipients = recipients::find(run, target, &due).await?;
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
