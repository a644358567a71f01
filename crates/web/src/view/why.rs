//! Why a gift is linked as it is, and when it is looked at next, in plain words.

use app::trace::{NextLook, Trace};
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use domain::association::{Decision, Outcome, PartOutcome};
use domain::matching::{Identifier, IdentifierKind, Reason, Several};

use super::pill::Pill;

/// What an identifier is called.
pub(super) fn kind(kind: IdentifierKind) -> &'static str {
    match kind {
        IdentifierKind::Email => "E-mail address",
        IdentifierKind::Alias => "Added address",
        IdentifierKind::EmailProperty => "Address in your property",
        IdentifierKind::Phone => "Telephone number",
    }
}

/// Identifiers as a list in a sentence: `a, b or c`.
fn listed(tried: &[Identifier], joint: &str) -> String {
    let values: Vec<&str> = tried.iter().map(|one| one.value.as_str()).collect();
    let mut once = Vec::new();
    for value in values {
        if !once.contains(&value) {
            once.push(value);
        }
    }
    match once.split_last() {
        None => String::new(),
        Some((last, [])) => (*last).to_owned(),
        Some((last, others)) => format!("{} {joint} {last}", others.join(", ")),
    }
}

/// Why the gift is linked as it is.
pub(super) fn sentence(trace: &Trace) -> String {
    let gift = &trace.gift;
    if gift.erased_at.is_some() {
        return "The recipient asked for erasure. Name, address, number and message are gone here and in HubSpot’s record; what was given and what it cost stays.".to_owned();
    }
    if gift.record.is_none() {
        return match &gift.failure {
            Some(words) => format!("HubSpot has no record of this gift yet, so there is nothing to link. It refused: {words}"),
            None => "HubSpot has no record of this gift yet: it is written, and then linked, with the next run.".to_owned(),
        };
    }
    let Some(decision) = &gift.decision else {
        return if gift.contact.is_some() {
            "This gift was linked before reasons were kept.".to_owned()
        } else {
            "Nobody has looked for the recipient’s contact yet.".to_owned()
        };
    };
    of_decision(trace, decision)
}

fn of_decision(trace: &Trace, decision: &Decision) -> String {
    let by = decision.tried.last();
    let has = by.map_or_else(|| "it".to_owned(), |one| one.value.clone());
    let several = decision.candidates.len();
    match decision.outcome {
        Outcome::Linked => match decision.reason {
            Some(Reason::Chosen) => "Linked to the contact that an owner chose.".to_owned(),
            Some(Reason::Rule(rule)) => {
                let which = match rule {
                    Several::Oldest => "the one created first",
                    Several::Newest => "the one created last",
                    Several::MostRecentlyActive => "the one with the latest activity",
                    Several::Nobody => "one",
                };
                format!("{several} contacts in HubSpot have {has}. By your rule {which} is linked.")
            }
            Some(Reason::Only) | None => format!("Linked to the contact in HubSpot that has {has}."),
        },
        Outcome::LinkedByHand => {
            "Somebody linked this contact in HubSpot by hand. It is left as it is.".to_owned()
        }
        Outcome::UnlinkedByHand => {
            "Somebody removed the contact from this gift in HubSpot. It stays that way until somebody wants it linked again.".to_owned()
        }
        Outcome::NoContact => match decision.tried.len() {
            1 => format!("No contact in HubSpot has {has}."),
            _ => format!("No contact in HubSpot has {}.", listed(&decision.tried, "or")),
        },
        Outcome::NoIdentifier if trace.gift.recipient.phone.is_some() => {
            "This gift has a telephone number and no e-mail address, and gifts are not matched by number. Turn that on in Settings.".to_owned()
        }
        Outcome::NoIdentifier => {
            "Thnks knows neither an e-mail address nor a usable telephone number of the recipient, so there is nothing to look for.".to_owned()
        }
        Outcome::Several => {
            format!("{several} contacts in HubSpot have {has}, and your rule leaves the choice to a person.")
        }
        Outcome::Refused => "HubSpot refused the link, or did not let us look.".to_owned(),
        Outcome::Erased => "The recipient’s data was erased.".to_owned(),
    }
}

/// When the gift is looked at next; the clock in the portal's zone.
pub(super) fn next(trace: &Trace, zone: Tz) -> String {
    let outcome = trace
        .gift
        .decision
        .as_ref()
        .map(|decision| decision.outcome);
    let when = |at: DateTime<Utc>| {
        let local = at.with_timezone(&zone);
        local.format("%H:%M on %-d %b %Y").to_string()
    };
    match (trace.next_look, outcome) {
        (NextLook::Soon, _) => "It is looked at with the next run, which is due.".to_owned(),
        (NextLook::At(at), Some(Outcome::Several)) => {
            format!("It is looked at again when you choose, or at {}.", when(at))
        }
        (NextLook::At(at), _) => format!(
            "It is checked again when such a contact is created, or at {}.",
            when(at)
        ),
        (NextLook::AfterPause, _) => {
            "It is checked again when such a contact is created, once the portal’s work goes on.".to_owned()
        }
        (NextLook::Never, _) if trace.gift.contact.is_some() => {
            "What is linked stays linked, also when a deal closes or the contact gets another address.".to_owned()
        }
        (NextLook::Never, _) => "It is not looked at again by itself.".to_owned(),
    }
}

/// How linking companies or deals ended.
pub(super) fn part(outcome: PartOutcome) -> &'static str {
    match outcome {
        PartOutcome::NoContact => "None: there is no contact",
        PartOutcome::Linked => "Linked",
        PartOutcome::NoneFound => "None: the contact has none that your rules link",
        PartOutcome::NotGranted => "None: HubSpot has not granted the permission to read them",
        PartOutcome::Off => "None: your rules link none",
        PartOutcome::Refused => "HubSpot refused",
    }
}

/// The same in one word.
pub(super) fn pill(trace: &Trace) -> Pill {
    let outcome = trace
        .gift
        .decision
        .as_ref()
        .map(|decision| decision.outcome);
    let (word, tone) = match outcome {
        _ if trace.gift.erased_at.is_some() => ("Erased", "idle"),
        _ if trace.gift.contact.is_some() => ("Linked", "good"),
        Some(Outcome::Several) => ("To choose", "warn"),
        Some(Outcome::Refused) => ("Refused", "bad"),
        Some(Outcome::UnlinkedByHand) => ("Unlinked", "idle"),
        None => ("Waiting", "idle"),
        Some(_) => ("Orphan", "warn"),
    };
    Pill { word, tone }
}
