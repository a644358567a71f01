//! The values that contracts/app.md asks for, written from its text.

use chrono::{DateTime, SecondsFormat, Utc};
use unicode_segmentation::UnicodeSegmentation;

use crate::thnks::Row;

/// Thnks' order of statuses: the later wins a tie.
const ORDER: [&str; 9] = [
    "scheduled",
    "sent",
    "delivered",
    "undelivered",
    "opened",
    "redeemed",
    "donated",
    "expired",
    "refunded",
];

/// The longest text, in characters.
const TEXT_LIMIT: usize = 65_536;

/// Where a status stands in Thnks' order; unknown ones stand before all.
pub(crate) fn rank(status: &str) -> usize {
    let status = status.trim().to_lowercase();
    ORDER
        .iter()
        .position(|known| *known == status)
        .map_or(0, |place| place + 1)
}

/// The 24 properties of a transaction's record; `""` is no value.
pub(super) fn values(row: &Row) -> Vec<(&'static str, String)> {
    let latest = row
        .history
        .iter()
        .max_by_key(|step| (step.at, rank(&step.status)));
    let current = latest.map_or(row.status.as_str(), |step| step.status.as_str());
    let lower = current.trim().to_lowercase();
    let status = if ORDER.contains(&lower.as_str()) {
        lower
    } else {
        "other".to_owned()
    };
    let sender = row.sender.clone().unwrap_or_default();
    let recipient = row.recipient.clone().unwrap_or_default();
    let delivery = row
        .delivery_type
        .as_deref()
        .unwrap_or_default()
        .to_lowercase();
    let delivery = if matches!(delivery.as_str(), "email" | "sms") {
        delivery
    } else {
        String::new()
    };
    let mut all = vec![
        ("transaction_id", row.id.clone()),
        ("gift_name", text(row.gift_name.as_deref())),
        ("gift_type", text(row.gift_type.as_deref())),
        ("gift_currency", text(row.currency.as_deref())),
        ("gift_amount", row.amount.clone().unwrap_or_default()),
        ("sender_name", text(sender.name.as_deref())),
        ("sender_email", email(sender.email.as_deref())),
        ("recipient_name", text(recipient.name.as_deref())),
        ("recipient_email", email(recipient.email.as_deref())),
        ("recipient_phone", text(recipient.phone.as_deref())),
        ("status", status),
        ("source_status", text(Some(current))),
        ("message", text(row.message.as_deref())),
        ("delivery_type", delivery),
        ("tracking_url", text(row.tracking_url.as_deref())),
    ];
    for (property, status) in [
        ("scheduled_date", "scheduled"),
        ("sent_date", "sent"),
        ("delivered_date", "delivered"),
        ("undelivered_date", "undelivered"),
        ("opened_date", "opened"),
        ("redeemed_date", "redeemed"),
        ("donated_date", "donated"),
        ("expired_date", "expired"),
        ("refunded_date", "refunded"),
    ] {
        all.push((property, first_reached(row, status)));
    }
    all
}

fn first_reached(row: &Row, status: &str) -> String {
    let steps = row.history.iter();
    let first: Option<DateTime<Utc>> = steps
        .filter(|step| step.status.trim().eq_ignore_ascii_case(status))
        .map(|step| step.at)
        .min();
    first.map_or_else(String::new, |at| {
        let at = DateTime::from_timestamp_millis(at.timestamp_millis()).unwrap_or(at);
        at.to_rfc3339_opts(SecondsFormat::Millis, true)
    })
}

fn text(value: Option<&str>) -> String {
    let kept: String = value
        .unwrap_or_default()
        .chars()
        .filter(|c| *c >= ' ' || matches!(c, '\t' | '\n'))
        .collect();
    if kept.chars().count() <= TEXT_LIMIT {
        return kept;
    }
    // What people see as one character is not split.
    let mut cut = String::new();
    let mut length = 0;
    for seen in kept.graphemes(true) {
        length += seen.chars().count();
        if length >= TEXT_LIMIT {
            break;
        }
        cut.push_str(seen);
    }
    cut.push('…');
    cut
}

fn email(value: Option<&str>) -> String {
    text(value).trim().to_owned()
}
