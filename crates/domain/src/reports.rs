//! The reports: which there are, what exactly each counts, and the steps in which sizes and spans are put together. Who
//! counts is `store`'s business, how it looks is `web`'s.

use chrono::TimeDelta;
use rust_decimal::Decimal;

use crate::money;

/// How many lines a report has; what is beyond them is summed in one more.
pub const LINES: usize = 50;

/// A report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Report {
    /// Sent and redeemed per month.
    SentPerMonth,
    /// Redemption rate by gift type.
    RedemptionByType,
    /// Who sends most.
    TopSenders,
    /// Gifts by where their deals stood.
    SentPerStage,
    /// Average gift value by the size of the deal.
    ValueByDealSize,
    /// How long gifts take to be opened and to be redeemed.
    TimeToOpen,
    /// What Thnks will pay back.
    RefundsExpected,
}

impl Report {
    /// All reports in the order in which they are shown.
    pub const ALL: [Self; 7] = [
        Self::SentPerMonth,
        Self::RedemptionByType,
        Self::TopSenders,
        Self::SentPerStage,
        Self::ValueByDealSize,
        Self::TimeToOpen,
        Self::RefundsExpected,
    ];

    /// Its name in addresses, file names and the audit trail.
    pub fn slug(self) -> &'static str {
        match self {
            Self::SentPerMonth => "sent-per-month",
            Self::RedemptionByType => "redemption-by-type",
            Self::TopSenders => "top-senders",
            Self::SentPerStage => "sent-per-stage",
            Self::ValueByDealSize => "value-by-deal-size",
            Self::TimeToOpen => "time-to-open",
            Self::RefundsExpected => "refunds-expected",
        }
    }

    /// The report that an address names.
    pub fn from_slug(slug: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|report| report.slug() == slug)
    }

    /// Its name for people.
    pub fn title(self) -> &'static str {
        match self {
            Self::SentPerMonth => "Sent per month",
            Self::RedemptionByType => "Redemption by type",
            Self::TopSenders => "Top senders",
            Self::SentPerStage => "Sent per pipeline stage",
            Self::ValueByDealSize => "Value by deal size",
            Self::TimeToOpen => "Time to open and to redeem",
            Self::RefundsExpected => "Refunds expected",
        }
    }

    /// What exactly it counts. The days of every report are those on which gifts were sent.
    pub fn definition(self) -> &'static str {
        match self {
            Self::SentPerMonth => {
                "Gifts by the month in which they were sent, in the portal’s time zone. Redeemed counts those of them that reached “redeemed”, whenever that was, so the latest months still grow. Scheduled gifts are not counted before they are sent."
            }
            Self::RedemptionByType => {
                "Gifts sent, by their type. The rate is those that reached “redeemed” divided by all sent. The matured rate counts only gifts whose day of sending is more than 30 days ago: one that nobody opened has expired by then."
            }
            Self::TopSenders => {
                "Gifts sent, by sender: one e-mail address, compared without case, is one sender; where Thnks tells no address, the name is. Name and address are those of the latest gift. Amounts are summed per currency and never across."
            }
            Self::SentPerStage => {
                "Gifts sent, by the pipeline and the stage in which their deals stood when the gift was first linked to them; where a deal went later does not matter. A gift with several deals counts once for each deal, so the lines can add up to more than was sent. Gifts without a deal are not counted."
            }
            Self::ValueByDealSize => {
                "The average amount of gifts, by the amount that their deals had when the gift was first linked to them, in the deal’s own currency. A gift with several deals counts once for each deal; gifts without an amount are left out. Each currency of gifts has its own average: currencies are never mixed."
            }
            Self::TimeToOpen => {
                "How long after sending a gift was first opened, and first redeemed. Gifts of which Thnks does not tell when are not in the spans. Half of the gifts took no longer than the median, which is true to about 4.5%."
            }
            Self::RefundsExpected => {
                "A gift that nobody opened expires 30 days after it was sent, and Thnks refunds it on the 10th of the next month. Certain: expired unopened, the refund has not been told yet. Possible: not opened so far; opening it in time ends the expectation. Overdue: the 10th has passed and Thnks has told of no refund. A bounced gift is refunded at once and an opened one never, so neither is here."
            }
        }
    }
}

/// How many gifts were sent, and what became of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Sent.
    pub sent: i64,
    /// Those of them that reached `redeemed`.
    pub redeemed: i64,
}

impl Tally {
    /// The share of redeemed ones; `None` when nothing was sent.
    pub fn rate(self) -> Option<Decimal> {
        money::rate(self.redeemed, self.sent)
    }
}

/// The size of a deal by its amount, in the deal's own currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DealSize {
    /// HubSpot has no amount.
    Unknown,
    /// At least this many of the bounds are reached: 0 is below the first.
    Reaches(u8),
}

impl DealSize {
    /// Where one size ends and the next begins.
    pub const BOUNDS: [i64; 4] = [1_000, 10_000, 50_000, 250_000];
    /// All sizes, without an amount first.
    pub const ALL: [Self; 6] = [
        Self::Unknown,
        Self::Reaches(0),
        Self::Reaches(1),
        Self::Reaches(2),
        Self::Reaches(3),
        Self::Reaches(4),
    ];

    /// The size of a deal of this amount.
    pub fn of(amount: Option<Decimal>) -> Self {
        let Some(amount) = amount else {
            return Self::Unknown;
        };
        let reached = Self::BOUNDS
            .into_iter()
            .zip(1..)
            .filter(|(bound, _)| amount >= Decimal::from(*bound))
            .map(|(_, nth)| nth);
        Self::Reaches(reached.max().unwrap_or(0))
    }

    /// The size that a stored number means: how many bounds are reached.
    pub fn from_stored(reached: Option<i32>) -> Self {
        match reached {
            None => Self::Unknown,
            Some(reached) => Self::Reaches(u8::try_from(reached).unwrap_or(0).min(4)),
        }
    }

    /// In words: `10,000 – 50,000`.
    pub fn label(self) -> &'static str {
        match self {
            Self::Unknown => "No amount",
            Self::Reaches(0) => "Below 1,000",
            Self::Reaches(1) => "1,000 – 10,000",
            Self::Reaches(2) => "10,000 – 50,000",
            Self::Reaches(3) => "50,000 – 250,000",
            Self::Reaches(_) => "250,000 and more",
        }
    }
}

/// Spans in which times from sending are put together: each ends before its bound, the last has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span;

impl Span {
    /// Where one span ends and the next begins, in seconds.
    pub const BOUNDS_SECS: [i32; 5] = [3_600, 86_400, 3 * 86_400, 7 * 86_400, 30 * 86_400];
    /// In words, one more than there are bounds.
    pub const LABELS: [&str; 6] = [
        "Within an hour",
        "Within a day",
        "1 – 3 days",
        "3 – 7 days",
        "7 – 30 days",
        "30 days and more",
    ];
    /// How many there are.
    pub const COUNT: usize = Self::LABELS.len();
}

/// How gifts took one step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepPace {
    /// Gifts that took it, or a later one.
    pub reached: i64,
    /// How many of them took how long, in the order of [`Span::LABELS`], where Thnks tells it.
    pub spans: [i64; Span::COUNT],
    /// Half of these took no longer.
    pub median: Option<TimeDelta>,
}

impl StepPace {
    /// Gifts of which Thnks tells when they took the step.
    pub fn told(&self) -> i64 {
        self.spans.iter().sum()
    }
}

/// The greatest lines, and what all others come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ranked<L> {
    /// The greatest first, at most [`LINES`].
    pub lines: Vec<L>,
    /// How many more there are.
    pub others: i64,
    /// What these come to together, when there are any.
    pub rest: Option<L>,
}

impl<L> Default for Ranked<L> {
    fn default() -> Self {
        Self {
            lines: Vec::new(),
            others: 0,
            rest: None,
        }
    }
}

impl<L> Ranked<L> {
    /// The lines, and the rest behind them.
    pub fn iter(&self) -> impl Iterator<Item = &L> {
        self.lines.iter().chain(&self.rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_report_is_found_by_its_own_name() {
        for report in Report::ALL {
            assert_eq!(Report::from_slug(report.slug()), Some(report));
            assert!(
                report
                    .slug()
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b == b'-')
            );
        }
        assert_eq!(Report::from_slug("sent-per-day"), None);
        assert_eq!(Report::from_slug(""), None);
    }

    #[test]
    fn a_bound_belongs_to_the_larger_size() {
        let of = |cents| DealSize::of(Some(Decimal::new(cents, 2)));
        assert_eq!(DealSize::of(None), DealSize::Unknown);
        assert_eq!(of(-500), DealSize::Reaches(0));
        assert_eq!(of(99_999), DealSize::Reaches(0));
        assert_eq!(of(100_000), DealSize::Reaches(1));
        assert_eq!(of(24_999_999), DealSize::Reaches(3));
        assert_eq!(of(25_000_000), DealSize::Reaches(4));
        let labels: std::collections::BTreeSet<_> =
            DealSize::ALL.into_iter().map(DealSize::label).collect();
        assert_eq!(labels.len(), DealSize::ALL.len());
    }

    #[test]
    fn nothing_sent_has_no_rate() {
        assert_eq!(Tally::default().rate(), None);
        let tally = Tally {
            sent: 3,
            redeemed: 1,
        };
        assert_eq!(tally.rate().unwrap().to_string(), "0.3333");
    }
}
