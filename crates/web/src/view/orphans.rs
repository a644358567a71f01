//! Records without a contact: by why, and one by one.

use app::orphans::{Orphan, PAGE};
use app::portals::PortalSummary;
use askama::Template;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use domain::TransactionId;
use domain::association::Outcome;
use domain::portal::{PortalState, PortalStatus};
use url::form_urlencoded;

use super::format::{self, Moment};
use super::shell::{Shell, Viewer};
use super::tabs::{Place, Tab, tabs};
use super::trace;
use crate::assets;

/// What the page shows of the orphans.
pub struct Shown<'a> {
    /// How many by why, the most first.
    pub counts: &'a [(Outcome, i64)],
    /// Some of them.
    pub orphans: &'a [Orphan],
    /// Only those of this outcome.
    pub why: Option<Outcome>,
    /// Whether none come before them.
    pub is_first: bool,
}

/// `templates/orphans/list.html`.
#[derive(Template)]
#[template(path = "orphans/list.html")]
pub struct OrphansPage {
    /// The frame.
    pub shell: Shell,
    /// The portal's path, `/portals/{hub_id}`.
    pub path: String,
    /// Whether the button is there for this person.
    pub is_owner: bool,
    /// Whether looking again makes sense in this state.
    pub can_look: bool,
    /// The portal's pages.
    pub tabs: Vec<Tab>,
    /// What the page shows, in one sentence.
    pub sentence: String,
    /// The reasons to choose from.
    pub reasons: Vec<ReasonLink>,
    /// What helps against the chosen one.
    pub remedy: Option<&'static str>,
    /// The orphans.
    pub rows: Vec<OrphanLine>,
    /// Where more of them are.
    pub more: Option<String>,
    /// Where they begin, when these are not the first.
    pub first: Option<String>,
}

/// A reason to choose.
#[derive(Debug, Clone)]
pub struct ReasonLink {
    /// In words.
    pub label: &'static str,
    /// How many.
    pub count: String,
    /// Where it leads.
    pub href: String,
    /// Whether it is the one shown.
    pub current: bool,
}

/// An orphan, as a row.
#[derive(Debug, Clone)]
pub struct OrphanLine {
    /// Who got it.
    pub recipient: String,
    /// The address or number, where that is not the name already.
    pub identifier: Option<String>,
    /// What was given.
    pub gift: String,
    /// Why it has no contact.
    pub why: &'static str,
    /// When it was sent.
    pub at: Moment,
    /// Its trace.
    pub href: String,
}

/// Why a record has no contact, in a few words.
pub fn why(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::NoContact => "No such contact",
        Outcome::NoIdentifier => "Nothing to look for",
        Outcome::Several => "Several contacts",
        Outcome::Refused => "HubSpot refused",
        Outcome::UnlinkedByHand => "Unlinked by hand",
        Outcome::Erased => "Erased",
        Outcome::Linked | Outcome::LinkedByHand => "Contact gone",
    }
}

fn remedy(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::NoContact => {
            "Create the contact in HubSpot, or add the address to one: its gifts are linked within seconds. Where a person has another address in HubSpot, open the gift and add that."
        }
        Outcome::NoIdentifier => {
            "These gifts have no e-mail address. Those that went by text message can be matched by telephone number: turn that on in Settings."
        }
        Outcome::Several => {
            "Open a gift and choose the contact that is meant, or change the rule in Settings."
        }
        Outcome::Refused => {
            "HubSpot’s words stand with each gift. They are tried again with every run."
        }
        Outcome::UnlinkedByHand => {
            "Somebody removed the contact in HubSpot, and it stays that way. Open a gift to link it again."
        }
        Outcome::Erased => {
            "The recipients asked for erasure. Nothing is left to look for, and nothing is to be done."
        }
        Outcome::Linked | Outcome::LinkedByHand => "They are looked at with the next run.",
    }
}

impl OrphansPage {
    /// The page of what is `shown`, for `viewer`.
    pub fn new(
        portal: &PortalSummary,
        status: &PortalStatus,
        shown: &Shown<'_>,
        viewer: Viewer,
        now: DateTime<Utc>,
    ) -> Self {
        let path = format!("/portals/{}", portal.hub_id);
        let is_owner = viewer.is_owner;
        let mut shell = Shell::new("Orphans", Some(viewer));
        shell.scripts = vec![assets::url("live.js")];
        let all: i64 = shown.counts.iter().map(|(_, count)| count).sum();
        let sentence = if all == 0 {
            "Every record is linked to a contact.".to_owned()
        } else {
            format!(
                "{} in HubSpot without a contact.",
                format::count(all, "record", "records")
            )
        };
        let address = |why| address(&path, why, None);
        let chosen = |outcome| shown.why == outcome;
        let everything = ReasonLink {
            label: "All",
            count: format::number(all),
            href: address(None),
            current: chosen(None),
        };
        let reasons = shown.counts.iter().map(|(outcome, count)| ReasonLink {
            label: why(*outcome),
            count: format::number(*count),
            href: address(Some(*outcome)),
            current: chosen(Some(*outcome)),
        });
        let is_full = i64::try_from(shown.orphans.len()).is_ok_and(|count| count >= PAGE);
        let last = shown.orphans.last().filter(|_| is_full);
        let more = last.map(|last| self::address(&path, shown.why, Some(&last.id)));
        Self {
            shell,
            is_owner,
            can_look: status.state == PortalState::Active && all > 0,
            tabs: tabs(&path, Place::Orphans, status),
            sentence,
            reasons: if all == 0 {
                Vec::new()
            } else {
                std::iter::once(everything).chain(reasons).collect()
            },
            remedy: shown.why.map(remedy),
            rows: shown
                .orphans
                .iter()
                .map(|orphan| OrphanLine::new(orphan, &path, now, portal.time_zone))
                .collect(),
            more,
            first: (!shown.is_first).then(|| address(shown.why)),
            path,
        }
    }
}

/// The orphans of the portal at `path`, those of one outcome when it is given, from the gift `after` on.
pub fn address(path: &str, why: Option<Outcome>, after: Option<&TransactionId>) -> String {
    if why.is_none() && after.is_none() {
        return format!("{path}/orphans");
    }
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(why.map(|why| ("why", why.as_str())))
        .extend_pairs(after.map(|after| ("after", after.as_str())))
        .finish();
    format!("{path}/orphans?{query}")
}

impl OrphanLine {
    fn new(orphan: &Orphan, path: &str, now: DateTime<Utc>, zone: Tz) -> Self {
        let name = orphan.recipient_name.clone();
        let identifier = orphan.recipient.clone();
        Self {
            identifier: identifier.clone().filter(|_| name.is_some()),
            recipient: name.or(identifier).unwrap_or_else(|| {
                let words = if orphan.outcome == Outcome::Erased {
                    "Erased"
                } else {
                    "Unknown"
                };
                words.to_owned()
            }),
            gift: orphan
                .gift_name
                .clone()
                .unwrap_or_else(|| "Unnamed gift".to_owned()),
            why: why(orphan.outcome),
            at: Moment::new(orphan.counted_at, now, zone),
            href: trace::address(path, &orphan.id),
        }
    }
}
