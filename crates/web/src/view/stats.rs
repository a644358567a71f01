//! The portal's statistics as the dashboard shows them, each with its definition.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use domain::Status;
use domain::statistics::{Activity, MATURE_AFTER_DAYS, Statistics, TypeTotal};

use super::format::{self, Moment, Money};

/// How many currencies a figure shows before the rest is counted.
const CURRENCIES_SHOWN: usize = 3;

/// One number with its name and meaning.
#[derive(Debug, Clone)]
pub struct Stat {
    /// Its name.
    pub name: &'static str,
    /// What exactly it counts.
    pub definition: String,
    /// The number, or one amount per currency.
    pub figure: Figure,
    /// A small line under it.
    pub note: String,
    /// Whether it wants a row of its own on a phone.
    pub wide: bool,
}

/// What a statistic shows large.
#[derive(Debug, Clone)]
pub enum Figure {
    /// A count, a share or a dash.
    Plain(String),
    /// Amounts, the greatest first.
    Money(Vec<Money>),
}

/// The four numbers on top.
pub fn stats(statistics: &Statistics) -> Vec<Stat> {
    let scheduled = statistics.by_status.count(Status::Scheduled);
    vec![
        Stat {
            name: "Total sent",
            definition: "Gifts that have left “scheduled”, whatever became of them. Days are counted by when a gift was sent.".to_owned(),
            figure: Figure::Plain(format::number(statistics.total_sent)),
            note: match scheduled {
                0 => "None scheduled".to_owned(),
                more => format!("{} more scheduled", format::number(more)),
            },
            wide: false,
        },
        money(
            "Total value",
            "The amounts of all gifts sent, one sum per currency. Currencies are never added up.",
            format::amounts(&statistics.total_value, &statistics.total_value),
        ),
        money(
            "Average value",
            "Total value divided by the number of gifts with an amount, per currency, rounded half to even.",
            format::amounts(&statistics.average_value, &statistics.total_value),
        ),
        Stat {
            name: "Redemption rate",
            definition: format!(
                "Gifts that reached “redeemed” divided by gifts sent. Matured counts only gifts sent at least {MATURE_AFTER_DAYS} days ago, which had their time."
            ),
            figure: Figure::Plain(share(statistics.redemption_rate)),
            note: match statistics.matured_redemption_rate {
                Some(rate) => format!("{} matured", format::percent(rate)),
                None if statistics.total_sent == 0 => "Nothing sent yet".to_owned(),
                None => "None old enough to be matured".to_owned(),
            },
            wide: false,
        },
    ]
}

fn money(name: &'static str, definition: &str, mut amounts: Vec<Money>) -> Stat {
    let hidden = amounts.len().saturating_sub(CURRENCIES_SHOWN);
    let mut definition = definition.to_owned();
    if hidden > 0 {
        let rest: Vec<String> = amounts[CURRENCIES_SHOWN..]
            .iter()
            .map(ToString::to_string)
            .collect();
        definition = format!("{definition} Also: {}.", rest.join(", "));
    }
    let currencies = amounts.len();
    amounts.truncate(CURRENCIES_SHOWN);
    Stat {
        name,
        definition,
        note: match (currencies, hidden) {
            (0, _) => "No amounts yet".to_owned(),
            (1, _) => "One currency".to_owned(),
            (_, 0) => format!("{currencies} currencies"),
            (_, 1) => "1 more currency".to_owned(),
            _ => format!("{hidden} more currencies"),
        },
        wide: true,
        figure: if amounts.is_empty() {
            Figure::Plain("–".to_owned())
        } else {
            Figure::Money(amounts)
        },
    }
}

fn share(rate: Option<rust_decimal::Decimal>) -> String {
    rate.map_or_else(|| "–".to_owned(), format::percent)
}

/// One line of the top types.
#[derive(Debug, Clone)]
pub struct TypeLine {
    /// The type.
    pub name: String,
    /// How many, grouped.
    pub count: String,
    /// Its share in all gifts sent.
    pub share: String,
    /// The bar's width in percent of the longest.
    pub width: String,
    /// Its amounts in one line.
    pub value: String,
}

/// The top types; the first one's bar is the longest.
pub fn types(totals: &[TypeTotal], total_sent: i64) -> Vec<TypeLine> {
    let most = totals.iter().map(|total| total.count).max().unwrap_or(1);
    totals
        .iter()
        .map(|total| TypeLine {
            name: total.gift_type.clone(),
            count: format::number(total.count),
            share: share(domain::money::rate(total.count, total_sent)),
            width: (total.count.saturating_mul(100) / most.max(1)).to_string(),
            value: format::amounts(&total.value, &total.value)
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(" · "),
        })
        .collect()
}

/// One line of recent activity.
#[derive(Debug, Clone)]
pub struct ActivityLine {
    /// The gift, or what stands for it.
    pub gift: String,
    /// `Sent to Ana Souza`, `Redeemed by Ana Souza`.
    pub sentence: String,
    /// Whether it was redeemed, otherwise sent.
    pub redeemed: bool,
    /// When.
    pub at: Moment,
}

/// Recent activity, latest first.
pub fn activity(events: &[Activity], now: DateTime<Utc>, zone: Tz) -> Vec<ActivityLine> {
    events
        .iter()
        .map(|event| {
            let redeemed = event.status == Status::Redeemed;
            let who = event.recipient.as_deref();
            ActivityLine {
                gift: event
                    .gift_name
                    .clone()
                    .unwrap_or_else(|| "Unnamed gift".to_owned()),
                sentence: match (redeemed, who) {
                    (true, Some(who)) => format!("Redeemed by {who}"),
                    (true, None) => "Redeemed".to_owned(),
                    (false, Some(who)) => format!("{} to {who}", event.status.label()),
                    (false, None) => event.status.label().to_owned(),
                },
                redeemed,
                at: Moment::new(event.at, now, zone),
            }
        })
        .collect()
}
