//! One gift's own story: all that Thnks tells of it, what happened when, and what was done to bring it to HubSpot.

use app::trace::{AttemptOutcome, Event, Trace, What};
use chrono::{DateTime, Utc};
use domain::Status;
use domain::transaction::DeliveryType;

use super::asked::Asked;
use super::facts::Fact;
use super::format::{self, Moment, Money};
use super::pill::Pill;

/// Something that happened to the gift.
#[derive(Debug, Clone)]
pub struct EventLine {
    /// The status; an unknown one as Thnks spells it.
    pub label: String,
    /// When.
    pub at: Moment,
    /// How long after it was sent, or another remark.
    pub note: Option<String>,
    /// The colour's name, as a pill has it.
    pub tone: &'static str,
}

/// An attempt to bring it to HubSpot.
#[derive(Debug, Clone)]
pub struct AttemptLine {
    /// When its outcome was known.
    pub at: Moment,
    /// What was brought.
    pub what: &'static str,
    /// What became of it.
    pub outcome: Pill,
    /// HubSpot's code, with the property at fault.
    pub detail: String,
    /// The run that did it.
    pub run: String,
}

/// All that Thnks tells of the gift; what it does not tell is left out.
pub(super) fn facts(trace: &Trace, path: &str, now: DateTime<Utc>) -> Vec<Fact> {
    let (transaction, zone) = (&trace.transaction, trace.portal.time_zone);
    let mut facts = Vec::new();
    let is_erased = trace.gift.erased_at.is_some();
    let recipient = transaction.recipient.name.clone().unwrap_or_else(|| {
        let words = if is_erased { "Erased" } else { "Unknown" };
        words.to_owned()
    });
    facts.push(Fact::text("Recipient", recipient));
    let mut tell = |name, value: Option<String>| {
        facts.extend(value.map(|value| Fact::text(name, value)));
    };
    tell("E-mail", transaction.recipient.email.clone());
    tell("Telephone", transaction.recipient.phone.clone());
    tell("Gift type", transaction.gift_type.clone());
    tell(
        "Value",
        match (&transaction.amount, &transaction.currency) {
            (Some(amount), Some(currency)) => {
                Some(Money::new(&amount.to_string(), currency).to_string())
            }
            (amount, _) => amount.map(|amount| amount.to_string()),
        },
    );
    let by = transaction.delivery_type.map(|kind| match kind {
        DeliveryType::Email => "E-mail".to_owned(),
        DeliveryType::Sms => "Text message".to_owned(),
    });
    tell("Delivered by", by);
    let (sender, address) = (&transaction.sender.name, &transaction.sender.email);
    if let Some(name) = sender.clone().or_else(|| address.clone()) {
        let asked = Asked {
            sender: transaction.sender_key().unwrap_or_default(),
            ..Asked::default()
        };
        facts.push(Fact::link("Sender", name, asked.href(path, "/thnks")));
    }
    let mut tell = |name, value: Option<String>| {
        facts.extend(value.map(|value| Fact::text(name, value)));
    };
    tell(
        "Sender’s e-mail",
        address.clone().filter(|_| sender.is_some()),
    );
    let status = transaction.status();
    tell("Status", Some(status.label().to_owned()));
    let spelt = transaction.source_status();
    tell(
        "As Thnks spells it",
        Some(spelt.to_owned()).filter(|spelt| spelt != status.as_str()),
    );
    let at = |name, at| Fact::at(name, Moment::new(at, now, zone));
    let placed = if status == Status::Scheduled {
        "Scheduled for"
    } else {
        "Sent"
    };
    facts.push(at(placed, trace.gift.counted_at));
    facts.push(at("Made at Thnks", transaction.created_at));
    facts.push(at("Changed at Thnks", transaction.updated_at));
    if let Some(url) = transaction.tracking_url.clone().filter(|url| is_web(url)) {
        facts.push(Fact::link("At Thnks", "Open", url));
    }
    facts.push(Fact::text("Transaction", transaction.id.as_str()));
    facts
}

/// Thnks' words are text: what is no address of a web page is no link.
fn is_web(url: &str) -> bool {
    url::Url::parse(url).is_ok_and(|url| url.scheme() == "https")
}

/// What happened, the first first.
pub(super) fn timeline(trace: &Trace, now: DateTime<Utc>) -> Vec<EventLine> {
    let zone = trace.portal.time_zone;
    let sent_at = trace.transaction.sent_at();
    let line = |event: &Event| {
        let status = Status::from_source(&event.status);
        let note = if event.is_withdrawn {
            Some("Thnks no longer tells of this".to_owned())
        } else if event.at > sent_at {
            Some(format!(
                "{} after it was sent",
                format::stopwatch(event.at - sent_at)
            ))
        } else {
            None
        };
        EventLine {
            label: match status {
                Status::Other => event.status.clone(),
                known => known.label().to_owned(),
            },
            at: Moment::new(event.at, now, zone),
            note,
            tone: Pill::of_status(status).tone,
        }
    };
    trace.events.iter().map(line).collect()
}

/// What was done, the last first.
pub(super) fn attempts(trace: &Trace, path: &str, now: DateTime<Utc>) -> Vec<AttemptLine> {
    let zone = trace.portal.time_zone;
    trace
        .attempts
        .iter()
        .map(|attempt| {
            let (word, tone) = match attempt.outcome {
                AttemptOutcome::Written => ("Written", "good"),
                AttemptOutcome::Refused => ("Refused", "bad"),
                AttemptOutcome::Unanswered => ("No answer", "warn"),
            };
            AttemptLine {
                at: Moment::new(attempt.at, now, zone),
                what: match attempt.what {
                    What::Record => "Record",
                    What::Links => "Links",
                },
                outcome: Pill { word, tone },
                detail: match (&attempt.code, &attempt.field) {
                    (Some(code), Some(field)) => format!("{code}: {field}"),
                    (Some(code), None) => code.clone(),
                    (None, _) => String::new(),
                },
                run: format!("{path}/runs/{}", attempt.run_id),
            }
        })
        .collect()
}
