//! The days that a page shows: choices, a form for others, and what they are called.

use chrono::{Days, NaiveDate};
use domain::statistics::Range;

use super::format;

/// A choice of days.
#[derive(Debug, Clone)]
pub struct RangeLink {
    /// `30 days`.
    pub label: &'static str,
    /// Where it leads.
    pub href: String,
    /// Whether it is the one shown.
    pub current: bool,
}

/// The choices of days of a page, and the form for others.
#[derive(Debug, Clone)]
pub struct Ranges {
    /// The page's address, to which the form leads.
    pub page: String,
    /// The choices, each ending today.
    pub choices: Vec<RangeLink>,
    /// The first day shown, as the form has it; empty where it is open.
    pub from: String,
    /// The last day shown.
    pub to: String,
    /// Whether the days are none of the choices.
    pub is_custom: bool,
    /// The days, in words.
    pub words: String,
}

impl Ranges {
    /// The choices for the page at `page`, which shows `range`.
    pub fn new(page: &str, range: Range, today: NaiveDate) -> Self {
        let last = |days: u64| Range {
            from: today.checked_sub_days(Days::new(days - 1)),
            to: None,
        };
        let choices: Vec<RangeLink> = [
            ("7 days", last(7)),
            ("30 days", last(30)),
            ("90 days", last(90)),
            ("12 months", last(365)),
            ("All time", Range::default()),
        ]
        .into_iter()
        .map(|(label, choice)| RangeLink {
            label,
            href: choice
                .from
                .map_or_else(|| page.to_owned(), |from| format!("{page}?from={from}")),
            current: choice == range,
        })
        .collect();
        let text = |day: Option<NaiveDate>| day.map(|day| day.to_string()).unwrap_or_default();
        Self {
            page: page.to_owned(),
            is_custom: !choices.iter().any(|choice| choice.current),
            choices,
            from: text(range.from),
            to: text(range.to),
            words: words(range, today),
        }
    }
}

fn words(range: Range, today: NaiveDate) -> String {
    match (range.from, range.to) {
        (None, None) => "All time".to_owned(),
        (Some(from), None) => format!("{} – {}", format::day(from), format::day(today)),
        (None, Some(to)) => format!("Until {}", format::day(to)),
        (Some(from), Some(to)) if from == to => format::day(from),
        (Some(from), Some(to)) => format!("{} – {}", format::day(from), format::day(to)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_that_are_no_choice_are_custom() {
        let day = |text: &str| text.parse::<NaiveDate>().ok();
        let today = day("2026-11-23").unwrap();
        let of = |from, to| Ranges::new("/p", Range { from, to }, today);
        let week = of(day("2026-11-17"), None);
        assert!(week.choices[0].current && !week.is_custom);
        assert_eq!(week.choices[0].href, "/p?from=2026-11-17");
        let custom = of(day("2026-11-17"), day("2026-11-18"));
        assert!(custom.is_custom);
        assert_eq!(custom.words, "17 Nov 2026 – 18 Nov 2026");
        assert!(!of(None, None).is_custom);
    }
}
