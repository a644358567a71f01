//! The portal's statistics as the dashboard shows them, each with its definition.

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use domain::Status;
use domain::statistics::{Activity, Amounts, MATURE_AFTER_DAYS, Range, Statistics};
use rust_decimal::Decimal;

use super::asked::Asked;
use super::format::{self, Moment, Money};
use super::trace;

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
    /// How it changed against the days before.
    pub change: Option<Change>,
    /// The gifts behind it.
    pub href: String,
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

/// How a number changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// `↑ 12.4%`, `↓ 1.2 points`, `Unchanged`.
    pub words: String,
    /// `against the 30 days before`.
    pub than: String,
}

/// The days before, to compare with.
#[derive(Debug, Clone)]
pub struct Before<'a> {
    /// Their numbers.
    pub statistics: &'a Statistics,
    /// What they are called: `the 30 days before`.
    pub words: String,
}

/// What the days before `range` are called.
pub fn days_before(range: Range, today: NaiveDate) -> String {
    let days = range
        .from
        .map_or(0, |from| (range.to.unwrap_or(today) - from).num_days() + 1);
    match days {
        1 => "the day before".to_owned(),
        days => format!("the {} before", format::count(days, "day", "days")),
    }
}

impl Before<'_> {
    /// In percent of what it was.
    fn change(&self, now: Decimal, before: Decimal, unit: &str) -> Change {
        let words = if before.is_zero() {
            if now.is_zero() { "Unchanged" } else { "None" }.to_owned()
        } else {
            let change = ((now - before) / before).round_dp(3);
            let share = format::percent(change.abs());
            match change {
                change if change.is_zero() => "Unchanged".to_owned(),
                change if change.is_sign_negative() => format!("↓\u{a0}{share}{unit}"),
                _ => format!("↑\u{a0}{share}{unit}"),
            }
        };
        let joint = if words == "None" { "in" } else { "against" };
        Change {
            words,
            than: format!("{joint} {}", self.words),
        }
    }

    /// Of the main currency.
    fn money(&self, now: &[Money], amounts: (&Amounts, &Amounts)) -> Option<Change> {
        let main = &now.first()?.currency;
        let amount = |amounts: &Amounts| {
            amounts
                .get(main)
                .map_or(Some(Decimal::ZERO), |text| text.parse().ok())
        };
        let unit = if now.len() > 1 {
            format!(" in {main}")
        } else {
            String::new()
        };
        Some(self.change(amount(amounts.0)?, amount(amounts.1)?, &unit))
    }

    /// Between shares: in points.
    fn points(&self, now: Option<Decimal>) -> Option<Change> {
        let points = ((now? - self.statistics.redemption_rate?) * Decimal::ONE_HUNDRED).round_dp(1);
        let size = points.abs().normalize();
        let words = match points {
            points if points.is_zero() => "Unchanged".to_owned(),
            points if points.is_sign_negative() => format!("↓\u{a0}{size} points"),
            _ => format!("↑\u{a0}{size} points"),
        };
        Some(Change {
            words,
            than: format!("against {}", self.words),
        })
    }
}

/// The four numbers on top, of the portal at `path`. `days` asks for the gifts of the days shown.
pub fn stats(
    statistics: &Statistics,
    before: Option<&Before<'_>>,
    path: &str,
    days: &Asked,
) -> Vec<Stat> {
    let scheduled = statistics.by_status.count(Status::Scheduled);
    let gifts = |status: &str, sort: &str| {
        let asked = Asked {
            status: status.to_owned(),
            sort: sort.to_owned(),
            ..days.clone()
        };
        asked.href(path, "/thnks")
    };
    let value = format::amounts(&statistics.total_value, &statistics.total_value);
    let average = format::amounts(&statistics.average_value, &statistics.total_value);
    vec![
        Stat {
            name: "Total sent",
            definition: "Gifts that have left “scheduled”, whatever became of them. Days are counted by when a gift was sent.".to_owned(),
            figure: Figure::Plain(format::number(statistics.total_sent)),
            note: match scheduled {
                0 => "None scheduled".to_owned(),
                more => format!("{} more scheduled", format::number(more)),
            },
            change: before.map(|before| {
                let (now, then) = (statistics.total_sent, before.statistics.total_sent);
                before.change(now.into(), then.into(), "")
            }),
            href: gifts("reached-sent", ""),
            wide: false,
        },
        money(
            "Total value",
            "The amounts of all gifts sent, one sum per currency. Currencies are never added up.",
            before.and_then(|before| before.money(&value, (&statistics.total_value, &before.statistics.total_value))),
            gifts("reached-sent", "highest"),
            value,
        ),
        money(
            "Average value",
            "Total value divided by the number of gifts with an amount, per currency, rounded half to even.",
            before.and_then(|before| before.money(&average, (&statistics.average_value, &before.statistics.average_value))),
            gifts("reached-sent", "highest"),
            average,
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
            change: before.and_then(|before| before.points(statistics.redemption_rate)),
            href: gifts("reached-redeemed", ""),
            wide: false,
        },
    ]
}

fn money(
    name: &'static str,
    definition: &str,
    change: Option<Change>,
    href: String,
    mut amounts: Vec<Money>,
) -> Stat {
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
        change,
        href,
        wide: true,
        figure: if amounts.is_empty() {
            Figure::Plain("–".to_owned())
        } else {
            Figure::Money(amounts)
        },
    }
}

fn share(rate: Option<Decimal>) -> String {
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
    /// Its gifts.
    pub href: String,
}

/// The top types of the portal at `path`; the first one's bar is the longest. `days` asks for the gifts of the days shown.
pub fn types(statistics: &Statistics, path: &str, days: &Asked) -> Vec<TypeLine> {
    let totals = &statistics.top_types;
    let most = totals.iter().map(|total| total.count).max().unwrap_or(1);
    totals
        .iter()
        .map(|total| TypeLine {
            name: total.gift_type.clone(),
            href: Asked {
                gift_type: total.gift_type.clone(),
                status: "reached-sent".to_owned(),
                ..days.clone()
            }
            .href(path, "/thnks"),
            count: format::number(total.count),
            share: share(domain::money::rate(total.count, statistics.total_sent)),
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
    /// The gift's page.
    pub href: String,
}

/// Recent activity of the portal at `path`, latest first.
pub fn activity(
    events: &[Activity],
    path: &str,
    now: DateTime<Utc>,
    zone: Tz,
) -> Vec<ActivityLine> {
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
                href: trace::address(path, &event.transaction_id),
                at: Moment::new(event.at, now, zone),
            }
        })
        .collect()
}
