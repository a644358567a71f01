//! One gift in plain words: what was looked for, what was found, what it is linked to, when it is looked at next, and what
//! people can do about it.

use app::portals::PortalSummary;
use app::session::FormToken;
use app::trace::{NextLook, Trace};
use askama::Template;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use domain::association::{Decision, Outcome, PartOutcome};
use domain::portal::PortalState;
use domain::{HubId, RecordId, TransactionId};
use serde_json::{Value, json};

use super::facts::{Fact, FactValue};
use super::format::{self, Moment};
use super::pill::Pill;
use super::shell::{Shell, Viewer};
use super::story::{self, AttemptLine, EventLine};
use super::tabs::{Place, Tab, tabs};
use super::why::{kind, next, part, pill, sentence};

/// `templates/trace/show.html`.
#[derive(Template)]
#[template(path = "trace/show.html")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "templates hold no logic: each is a condition of its own"
)]
pub struct TracePage {
    /// The frame.
    pub shell: Shell,
    /// The portal's path, `/portals/{hub_id}`.
    pub path: String,
    /// The gift's own path.
    pub own: String,
    /// Hidden field of the forms.
    pub csrf_token: FormToken,
    /// Whether the forms are there for this person.
    pub is_owner: bool,
    /// Whether acting makes sense in this state.
    pub can_act: bool,
    /// The portal's pages.
    pub tabs: Vec<Tab>,
    /// Name of the gift.
    pub title: String,
    /// Whether it is linked.
    pub pill: Pill,
    /// Why it is linked as it is.
    pub sentence: String,
    /// When it is looked at next.
    pub next: String,
    /// HubSpot's words about what it refused.
    pub refusals: Vec<String>,
    /// What was tried, in order.
    pub tried: Vec<TriedLine>,
    /// The contacts that were found.
    pub candidates: Vec<CandidateLine>,
    /// What the record is linked to.
    pub links: Vec<Fact>,
    /// The gift, line by line.
    pub gift: Vec<Fact>,
    /// The sender's words.
    pub message: Option<String>,
    /// What happened to it.
    pub timeline: Vec<EventLine>,
    /// What was done to bring it to HubSpot.
    pub attempts: Vec<AttemptLine>,
    /// The key of the failure that can be tried again.
    pub retry: Option<String>,
    /// The decision in a few lines.
    pub decision: Vec<Fact>,
    /// Whether "Look now" makes sense.
    pub can_look: bool,
    /// Whether another address can be added.
    pub can_add_alias: bool,
    /// Another address, as it stands or as it was entered.
    pub alias: String,
    /// What is wrong with it.
    pub alias_error: Option<&'static str>,
    /// Whether a contact can be chosen.
    pub can_choose: bool,
    /// The chosen contact, as it stands or as it was entered.
    pub contact: String,
    /// What is wrong with it.
    pub contact_error: Option<&'static str>,
    /// Whether a person has chosen before.
    pub has_choice: bool,
    /// The time zone's name.
    pub zone: String,
}

/// An identifier that was tried.
#[derive(Debug, Clone)]
pub struct TriedLine {
    /// What it is.
    pub kind: &'static str,
    /// Its value.
    pub value: String,
    /// What came of it.
    pub found: String,
}

/// A contact that was found.
#[derive(Debug, Clone)]
pub struct CandidateLine {
    /// Its record id.
    pub id: String,
    /// Its page in HubSpot.
    pub href: String,
    /// When it was created.
    pub created: Option<Moment>,
    /// When somebody was last in touch with it.
    pub active: Option<Moment>,
    /// Whether the gift is linked to it.
    pub is_linked: bool,
}

/// A form that comes back.
#[derive(Debug, Clone, Default)]
pub struct Refused {
    alias: Option<(String, &'static str)>,
    contact: Option<(String, &'static str)>,
}

impl Refused {
    /// What was entered as another address, and what is wrong with it.
    pub fn alias(entered: String, sentence: &'static str) -> Self {
        Self {
            alias: Some((entered, sentence)),
            contact: None,
        }
    }

    /// What was entered as the contact, and what is wrong with it.
    pub fn contact(entered: String, sentence: &'static str) -> Self {
        Self {
            alias: None,
            contact: Some((entered, sentence)),
        }
    }
}

/// The address of a gift of the portal at `path`.
pub fn address(path: &str, id: &TransactionId) -> String {
    let id = id.as_str().as_bytes();
    let escaped: String = url::form_urlencoded::byte_serialize(id).collect();
    // In a path a plus is a plus.
    format!("{path}/thnks/{}", escaped.replace('+', "%20"))
}

/// A record's page in HubSpot.
fn in_hubspot(portal: &PortalSummary, object_type: &str, id: RecordId) -> String {
    let (host, HubId(hub)) = (&portal.ui_domain, portal.hub_id);
    format!("https://{host}/contacts/{hub}/record/{object_type}/{id}")
}

/// HubSpot's numbers of the object types.
const CONTACT: &str = "0-1";
const COMPANY: &str = "0-2";
const DEAL: &str = "0-3";

impl TracePage {
    /// The page of `trace`, for `viewer`; with a form that was `refused`.
    pub fn new(
        trace: &Trace,
        viewer: Viewer,
        refused: Option<Refused>,
        now: DateTime<Utc>,
    ) -> Self {
        let Trace {
            gift,
            portal,
            status,
            ..
        } = trace;
        let zone = portal.time_zone;
        let path = format!("/portals/{}", portal.hub_id);
        let (csrf_token, is_owner) = (viewer.csrf_token.clone(), viewer.is_owner);
        let decision = gift.decision.as_ref();
        let refused = refused.unwrap_or_default();
        let has_recipient = gift.recipient.key().is_some() && gift.erased_at.is_none();
        let settled = decision.is_some_and(|one| one.outcome == Outcome::LinkedByHand);
        let chosen = gift.recipient.chosen.map(|id| id.to_string());
        Self {
            shell: Shell::new("One gift", Some(viewer)),
            own: address(&path, &gift.id),
            csrf_token,
            is_owner,
            can_act: matches!(status.state, PortalState::Active | PortalState::Backfilling),
            tabs: tabs(&path, Place::Thnks, status),
            title: gift
                .gift_name
                .clone()
                .unwrap_or_else(|| "Unnamed gift".to_owned()),
            pill: pill(trace),
            sentence: sentence(trace),
            next: next(trace, zone),
            refusals: decision.map(|one| one.refusals.clone()).unwrap_or_default(),
            tried: decision.map(tried).unwrap_or_default(),
            candidates: decision
                .map(|one| candidates(one, gift.contact, portal, now))
                .unwrap_or_default(),
            links: links(trace),
            gift: story::facts(trace, &path, now),
            message: trace.transaction.message.clone(),
            timeline: story::timeline(trace, now),
            attempts: story::attempts(trace, &path, now),
            retry: gift.failure.as_ref().map(|_| gift.id.to_string()),
            decision: decision_facts(trace, &path, now, zone),
            can_look: has_recipient && gift.contact.is_none() && gift.record.is_some(),
            can_add_alias: has_recipient && gift.contact.is_none(),
            alias_error: refused.alias.as_ref().map(|(_, sentence)| *sentence),
            alias: refused.alias.map_or_else(
                || gift.recipient.alias.clone().unwrap_or_default(),
                |(entered, _)| entered,
            ),
            can_choose: has_recipient && !settled,
            has_choice: chosen.is_some(),
            contact_error: refused.contact.as_ref().map(|(_, sentence)| *sentence),
            contact: refused
                .contact
                .map_or_else(|| chosen.unwrap_or_default(), |(entered, _)| entered),
            zone: zone.name().replace('_', " "),
            path,
        }
    }
}

fn tried(decision: &Decision) -> Vec<TriedLine> {
    let last = decision.tried.len().saturating_sub(1);
    decision
        .tried
        .iter()
        .enumerate()
        .map(|(at, one)| {
            let found = if at == last {
                decision.candidates.len()
            } else {
                0
            };
            let found = i64::try_from(found).unwrap_or(i64::MAX);
            TriedLine {
                kind: kind(one.kind),
                value: one.value.clone(),
                found: match found {
                    0 => "No contact".to_owned(),
                    found => format::count(found, "contact", "contacts"),
                },
            }
        })
        .collect()
}

fn candidates(
    decision: &Decision,
    linked: Option<RecordId>,
    portal: &PortalSummary,
    now: DateTime<Utc>,
) -> Vec<CandidateLine> {
    let moment = |at| Moment::new(at, now, portal.time_zone);
    decision
        .candidates
        .iter()
        .map(|one| CandidateLine {
            id: one.id.to_string(),
            href: in_hubspot(portal, CONTACT, one.id),
            created: one.created_at.map(moment),
            active: one.active_at.map(moment),
            is_linked: linked == Some(one.id),
        })
        .collect()
}

/// What the record is linked to, each with its page in HubSpot.
fn links(trace: &Trace) -> Vec<Fact> {
    let Trace { gift, portal, .. } = trace;
    let decision = gift.decision.as_ref();
    let mut links = Vec::new();
    links.push(match (gift.record, &portal.object_type) {
        (Some(id), Some(object_type)) => Fact::link(
            "Record",
            id.to_string(),
            in_hubspot(portal, object_type, id),
        ),
        (Some(id), None) => Fact::text("Record", id.to_string()),
        (None, _) => Fact::text("Record", "None yet"),
    });
    links.push(match gift.contact {
        Some(id) => Fact::link("Contact", id.to_string(), in_hubspot(portal, CONTACT, id)),
        None => Fact::text("Contact", "None"),
    });
    let mut list = |one, name, object_type, ids: &[RecordId], outcome: PartOutcome| {
        for id in ids {
            links.push(Fact::link(
                one,
                id.to_string(),
                in_hubspot(portal, object_type, *id),
            ));
        }
        if ids.is_empty() {
            links.push(Fact::text(name, part(outcome)));
        }
    };
    let outcome = |of: fn(&Decision) -> PartOutcome| decision.map(of).unwrap_or_default();
    list(
        "Company",
        "Companies",
        COMPANY,
        &gift.companies,
        outcome(|one| one.companies),
    );
    list("Deal", "Deals", DEAL, &gift.deals, outcome(|one| one.deals));
    links
}

fn decision_facts(trace: &Trace, path: &str, now: DateTime<Utc>, zone: Tz) -> Vec<Fact> {
    let Some(decision) = &trace.gift.decision else {
        return Vec::new();
    };
    let mut facts = vec![Fact::at(
        "Decided",
        Moment::new(decision.decided_at, now, zone),
    )];
    if let Some(run) = decision.run_id {
        facts.push(Fact::link("By", "This run", format!("{path}/runs/{run}")));
    }
    if let NextLook::At(at) = trace.next_look {
        facts.push(Fact::at("Looked at next", Moment::new(at, now, zone)));
    }
    facts
}

/// The same for scripts.
pub fn to_json(trace: &Trace) -> Value {
    let Trace { gift, portal, .. } = trace;
    let decision = gift.decision.as_ref();
    json!({
        "transaction_id": gift.id,
        "gift_name": gift.gift_name,
        "status": gift.status,
        "recipient": {
            "name": gift.recipient_name, "email": gift.recipient.email, "phone": gift.recipient.phone,
            "alias": gift.recipient.alias, "chosen_contact": gift.recipient.chosen,
        },
        "record_id": gift.record,
        "contact_id": gift.contact,
        "company_ids": gift.companies,
        "deal_ids": gift.deals,
        "outcome": decision.map(|one| one.outcome),
        "companies": decision.map(|one| one.companies),
        "deals": decision.map(|one| one.deals),
        "explanation": sentence(trace),
        "next": {"sentence": next(trace, portal.time_zone), "look": trace.next_look},
        "tried": decision.map(|one| &one.tried),
        "candidates": decision.map(|one| &one.candidates),
        "reason": decision.and_then(|one| one.reason),
        "refusals": decision.map(|one| &one.refusals),
        "decided_at": decision.map(|one| one.decided_at),
        "run_id": decision.and_then(|one| one.run_id),
        "erased_at": gift.erased_at,
    })
}
