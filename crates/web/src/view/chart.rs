//! The chart of the last months and the table of its numbers.

use chrono::{Datelike, Months, NaiveDate};
use domain::statistics::{Month, Range};

use super::asked::Asked;
use super::format;

/// The chart with its table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chart {
    /// One line per month, oldest first.
    pub months: Vec<Line>,
    /// What it shows, in one sentence, for those who do not see it.
    pub summary: String,
}

/// One month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// `Nov`, in January `Jan 2026`: for the axis.
    pub axis: String,
    /// `Nov 2026`.
    pub name: String,
    /// Its gifts.
    pub href: String,
    /// Gifts sent, as the script reads it.
    pub sent: i64,
    /// Those redeemed, as the script reads it.
    pub redeemed: i64,
    /// Gifts sent, grouped.
    pub sent_text: String,
    /// Those redeemed, grouped.
    pub redeemed_text: String,
    /// Redeemed by sent: `43.1%`, or `–`.
    pub rate: String,
    /// Width of the bar of sent, 0 to 100.
    pub sent_width: String,
    /// Width of the bar of redeemed, 0 to 100.
    pub redeemed_width: String,
}

/// The gifts sent in the month that begins on `first`.
fn gifts(first: NaiveDate) -> Asked {
    let last = first
        .checked_add_months(Months::new(1))
        .and_then(|next| next.pred_opt());
    Asked {
        status: "reached-sent".to_owned(),
        ..Asked::of_days(Range {
            from: Some(first),
            to: last,
        })
    }
}

impl Chart {
    /// The chart of `months` of the portal at `path`; `None` when nothing was sent in any of them.
    pub fn of(months: &[Month], path: &str) -> Option<Self> {
        let most = months.iter().map(|month| month.sent).max()?;
        if most <= 0 {
            return None;
        }
        let width = |value: i64| {
            let tenths = value.saturating_mul(1_000) / most;
            format!("{}.{}", tenths / 10, tenths % 10)
        };
        let first: Option<NaiveDate> = months.first().map(|month| month.month);
        let lines = months
            .iter()
            .map(|month| Line {
                axis: format::month(
                    month.month,
                    month.month.month() == 1 || Some(month.month) == first,
                ),
                name: format::month(month.month, true),
                href: gifts(month.month).href(path, "/thnks"),
                sent: month.sent,
                redeemed: month.redeemed,
                sent_text: format::number(month.sent),
                redeemed_text: format::number(month.redeemed),
                rate: domain::money::rate(month.redeemed, month.sent)
                    .map_or_else(|| "–".to_owned(), format::percent),
                sent_width: width(month.sent),
                redeemed_width: width(month.redeemed),
            })
            .collect();
        let sent = months.iter().map(|month| month.sent).sum();
        let redeemed = months.iter().map(|month| month.redeemed).sum();
        Some(Self {
            months: lines,
            summary: format!(
                "{} sent in the last {} months, of which {} redeemed.",
                format::count(sent, "gift", "gifts"),
                months.len(),
                format::number(redeemed),
            ),
        })
    }
}
