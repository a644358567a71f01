//! Linking records: the contact, its companies, its open deals. Rows come sorted by recipient, so that each recipient is
//! asked for once, and in strides as large as HubSpot's link calls take.

use std::collections::{BTreeSet, HashMap, HashSet};

use domain::association::{self, DealFacts, Decision, Links, Outcome, PartOutcome, Plan};
use domain::failure::Stage;
use domain::matching::Reason;
use domain::run::Phase;
use domain::{RecordId, TransactionId};
use hubspot::{COMPANIES, CONTACTS, DEALS, DealStage, RefusedLink};
use store::associations::{Decided, Due};
use store::portals::AssociationType;

use super::links::{link, unlink};
use super::recipients::{Answer, Directory, Known, READ};
use super::{Run, Stop, Target, count};
use crate::App;
use crate::crash::{self, Point};

/// Rows per stride: what one call that creates links takes.
const STRIDE: i64 = 2_000;

/// Links one stride; `false` when no row waits.
pub(super) async fn step(app: &App, run: &mut Run, target: &Target) -> Result<bool, Stop> {
    let mut tx = app.db.begin(run.scope).await?;
    let due = store::associations::list_due(&mut tx, run.scope, run.id, STRIDE).await?;
    drop(tx);
    if due.is_empty() {
        return Ok(false);
    }
    run.progress.phase = Phase::Linking;
    let mut answer = look_up(run, target, &due).await?;
    name_new_stages(app, run, &mut answer).await?;
    let plans: Vec<Planned<'_>> = due
        .iter()
        .map(|row| {
            let known = answer.known.get(&row.recipient);
            let wanted = known.map(|known| known.wanted.clone()).unwrap_or_default();
            // What could not be looked up may still be right: nothing is removed for the want of an answer. And the same contact
            // by another address is the same recipient.
            let keep = match known {
                Some(known) if known.trouble.is_empty() && row.links.contact != wanted.contact => {
                    row.keep
                }
                _ => association::Keep::All,
            };
            Planned {
                row,
                known,
                plan: association::plan(&row.links, &wanted, keep),
            }
        })
        .collect();
    let gone = gone(run, &plans).await?;
    run.ensure_held(app).await?;
    crash::at(Point::ContactsFound);
    let refused = carry_out(run, target, &plans).await?;
    crash::at(Point::LinksMade);
    let lost = lost_records(run, target, &refused).await?;
    let outcome = Done {
        refused,
        lost,
        gone,
    };
    save(app, run, &plans, &answer, &outcome).await?;
    crash::at(Point::LinksNoted);
    Ok(true)
}

/// A row, what is known of its recipient, and what is to be done.
struct Planned<'a> {
    row: &'a Due,
    known: Option<&'a Known>,
    plan: Plan,
}

impl Planned<'_> {
    /// The contact from which the gift would be taken for another one of the same recipient.
    fn left(&self) -> Option<RecordId> {
        let is_left = self.row.keep == association::Keep::All && self.plan.create.contact.is_some();
        self.row.links.contact.filter(|_| is_left)
    }
}

/// What became of a stride at HubSpot.
struct Done {
    refused: Refusals,
    /// Records that are no more.
    lost: Vec<RecordId>,
    /// Contacts that are no more, whose rows are another's now.
    gone: BTreeSet<RecordId>,
}

async fn look_up(run: &Run, target: &Target, due: &[Due]) -> Result<Answer, Stop> {
    let directory = Directory {
        portal: &run.portal,
        scopes: &run.scopes,
        rules: &run.rules,
        types: &target.association_types,
        told: &run.told,
    };
    let recipients: BTreeSet<_> = due.iter().map(|row| row.recipient.clone()).collect();
    Ok(directory.find(&recipients).await?)
}

/// Reads how pipelines and stages are called when one is met for the first time: reports show names. What HubSpot does not
/// list, or does not let us read, is called by its id from then on, so that nobody asks for it again and again.
async fn name_new_stages(app: &App, run: &Run, answer: &mut Answer) -> Result<(), Stop> {
    let met: BTreeSet<(String, String)> = answer
        .deals
        .values()
        .filter_map(|facts| Some((facts.pipeline.clone()?, facts.stage.clone()?)))
        .collect();
    if met.is_empty() || !answer.stages.is_empty() {
        return Ok(());
    }
    let mut tx = app.db.begin(run.scope).await?;
    let known = store::pipelines::list_known(&mut tx, run.scope).await?;
    drop(tx);
    let mut new = met.difference(&known).peekable();
    if new.peek().is_none() {
        return Ok(());
    }
    answer.stages = match run.portal.deal_stages().await {
        Ok(stages) => stages,
        Err(error) if error.is_transient() => return Err(error.into()),
        Err(error) => {
            tracing::warn!(%error, "the names of stages cannot be read");
            Vec::new()
        }
    };
    let unnamed: Vec<DealStage> = new
        .filter(|(pipeline, stage)| {
            let listed = &answer.stages;
            !listed
                .iter()
                .any(|one| one.pipeline == *pipeline && one.id == *stage)
        })
        .map(|(pipeline, stage)| DealStage {
            pipeline: pipeline.clone(),
            pipeline_label: pipeline.clone(),
            id: stage.clone(),
            label: stage.clone(),
            is_closed: false,
        })
        .collect();
    answer.stages.extend(unnamed);
    Ok(())
}

/// Makes and removes the links, one call per kind of object where there is anything to do.
async fn carry_out(run: &Run, target: &Target, plans: &[Planned<'_>]) -> Result<Refusals, Stop> {
    let types = &target.association_types;
    let contacts = pairs(plans, |links| links.contact.into_iter().collect());
    let companies = pairs(plans, |links| links.companies.iter().copied().collect());
    let deals = pairs(plans, |links| links.deals.iter().copied().collect());
    let (contacts, companies, deals) = tokio::try_join!(
        change(run, target, CONTACTS, types.contact.as_ref(), &contacts),
        change(run, target, COMPANIES, types.company.as_ref(), &companies),
        change(run, target, DEALS, types.deal.as_ref(), &deals),
    )?;
    Ok(Refusals {
        contacts,
        companies,
        deals,
    })
}

/// Record and other end of links of one kind.
type Pairs = Vec<(RecordId, RecordId)>;

async fn change(
    run: &Run,
    target: &Target,
    to: &str,
    association_type: Option<&AssociationType>,
    (create, remove): &(Pairs, Pairs),
) -> Result<RefusedLinks, Stop> {
    let mut refused = unlink(run, target, to, remove).await?;
    refused.extend(link(run, target, to, association_type, create).await?);
    Ok(refused)
}

/// Stores what became of a stride.
async fn save(
    app: &App,
    run: &mut Run,
    plans: &[Planned<'_>],
    answer: &Answer,
    Done {
        refused,
        lost,
        gone,
    }: &Done,
) -> Result<(), Stop> {
    let now = app.now();
    let mut tx = run.begin(app).await?;
    let forgotten: HashSet<TransactionId> =
        store::transactions::forget_lost(&mut tx, run.scope, lost, run.asked_at)
            .await?
            .into_iter()
            .collect();
    let (mut decisions, mut facts, mut made) = (Vec::new(), Vec::new(), Made::default());
    for planned in plans.iter().filter(|one| !forgotten.contains(&one.row.id)) {
        let (done, words) = refused.split(planned.row.record_id, &planned.plan);
        made.add(&done.create);
        let kept = done
            .create
            .deals
            .iter()
            .filter_map(|id| answer.deals.get(id));
        facts.extend(kept.map(|kept: &DealFacts| (planned.row.id.clone(), kept.clone())));
        let decision = decide(run, planned, &done, words, now);
        decisions.push(Decided {
            id: planned.row.id.clone(),
            version: planned.row.version,
            former: planned.left().filter(|contact| {
                decision.links.contact != Some(*contact) && gone.contains(contact)
            }),
            decision,
        });
    }
    store::associations::save(&mut tx, run.scope, run.id, &decisions).await?;
    store::associations::insert_deal_facts(&mut tx, run.scope, &facts, now).await?;
    if !answer.stages.is_empty() {
        let stages: Vec<_> = answer.stages.iter().map(labels).collect();
        store::pipelines::upsert_stages(&mut tx, run.scope, &stages, now).await?;
    }
    run.counts.remade += count(forgotten.len());
    run.counts.associated += count(decisions.len());
    run.counts.contacts += made.contacts;
    run.counts.companies += made.companies;
    run.counts.deals += made.deals;
    for Decided { id, decision, .. } in &decisions {
        run.counts.orphans += i64::from(decision.links.contact.is_none());
        if let Some(words) = decision.refusals.first() {
            run.counts.unlinked += 1;
            let failures = &mut run.counts.failures;
            failures.add(Stage::Link, "LINK_REFUSED", None, words, id.as_str());
        }
    }
    if !run.kind.reads() {
        run.done += count(decisions.len());
    }
    run.commit(tx).await?;
    Ok(())
}

/// What reports say of a stage.
fn labels(stage: &DealStage) -> store::pipelines::Stage {
    store::pipelines::Stage {
        pipeline: stage.pipeline.clone(),
        pipeline_label: stage.pipeline_label.clone(),
        stage: stage.id.clone(),
        stage_label: stage.label.clone(),
    }
}

/// How many links were made, by kind.
#[derive(Default)]
struct Made {
    contacts: i64,
    companies: i64,
    deals: i64,
}

impl Made {
    fn add(&mut self, made: &Links) {
        self.contacts += i64::from(made.contact.is_some());
        self.companies += count(made.companies.len());
        self.deals += count(made.deals.len());
    }
}

/// The trace of what was looked for, found and done for one row.
fn decide(
    run: &Run,
    planned: &Planned<'_>,
    done: &Plan,
    mut refusals: Vec<String>,
    now: chrono::DateTime<chrono::Utc>,
) -> Decision {
    let Planned { row, known, plan } = planned;
    let links = row.links.after(done);
    let missed = plan.create.without(&done.create);
    let found = known.map(|known| known.found.clone()).unwrap_or_default();
    refusals.extend(known.iter().flat_map(|known| known.trouble.iter().cloned()));
    let outcome = if links.contact.is_some() {
        Outcome::Linked
    } else if !refusals.is_empty() {
        Outcome::Refused
    } else if matches!(found.reason, Some(Reason::Rule(_))) {
        Outcome::Several
    } else if found.tried.is_empty() {
        Outcome::NoIdentifier
    } else {
        Outcome::NoContact
    };
    let part = |looked: Option<PartOutcome>, missed: &BTreeSet<RecordId>| {
        if missed.is_empty() {
            looked.unwrap_or_default()
        } else {
            PartOutcome::Refused
        }
    };
    Decision {
        outcome,
        companies: part(known.map(|known| known.companies), &missed.companies),
        deals: part(known.map(|known| known.deals), &missed.deals),
        tried: found.tried,
        candidates: found.candidates,
        reason: found.reason,
        links,
        refusals,
        decided_at: now,
        run_id: Some(run.id),
    }
}

/// The contacts that rows would be taken from for another one of the same recipient, and that are no more, or are part of
/// another one. Such a contact may have asked to be forgotten, and HubSpot tells of it later than it searches. One that is
/// still there has merely lost the address. No call while every row stays with its contact.
async fn gone(run: &Run, plans: &[Planned<'_>]) -> Result<BTreeSet<RecordId>, Stop> {
    let left: BTreeSet<RecordId> = plans.iter().filter_map(Planned::left).collect();
    let (contacts, unreadable) = super::follow::read(run, &left).await?;
    let there: HashSet<RecordId> = contacts.iter().map(|contact| contact.id).collect();
    Ok(left
        .into_iter()
        .filter(|contact| !there.contains(contact) && !unreadable.contains(contact))
        .collect())
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

/// Record and other end of every link of one kind in the plans.
fn pairs(plans: &[Planned<'_>], ends: fn(&Links) -> Vec<RecordId>) -> (Pairs, Pairs) {
    let (mut create, mut remove) = (Vec::new(), Vec::new());
    for Planned { row, plan, .. } in plans {
        let to = |ends: Vec<RecordId>| ends.into_iter().map(|end| (row.record_id, end));
        create.extend(to(ends(&plan.create)));
        remove.extend(to(ends(&plan.remove)));
    }
    (create, remove)
}

/// Record and other end of links that HubSpot refused to make or to remove, with its words.
pub(super) type RefusedLinks = HashMap<(RecordId, RecordId), RefusedLink>;

struct Refusals {
    contacts: RefusedLinks,
    companies: RefusedLinks,
    deals: RefusedLinks,
}

impl Refusals {
    /// The part of a plan that was done, and HubSpot's words about the rest.
    fn split(&self, record: RecordId, plan: &Plan) -> (Plan, Vec<String>) {
        let mut words = BTreeSet::new();
        let mut done = |refused: &RefusedLinks, end: &RecordId| match refused.get(&(record, *end)) {
            Some(refusal) => {
                words.insert(refusal.message.clone());
                false
            }
            None => true,
        };
        let mut part = |links: &Links| Links {
            contact: links.contact.filter(|end| done(&self.contacts, end)),
            companies: kept(&links.companies, |end| done(&self.companies, end)),
            deals: kept(&links.deals, |end| done(&self.deals, end)),
        };
        let plan = Plan {
            create: part(&plan.create),
            remove: part(&plan.remove),
        };
        (plan, words.into_iter().collect())
    }
}

fn kept(ends: &BTreeSet<RecordId>, mut keep: impl FnMut(&RecordId) -> bool) -> BTreeSet<RecordId> {
    ends.iter().filter(|end| keep(end)).copied().collect()
}
