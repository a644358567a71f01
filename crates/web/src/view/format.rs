//! How numbers, money, shares, days and moments are written: grouped by commas, currencies by their codes, times in
//! the portal's zone with the exact value beside them.

use chrono::{DateTime, NaiveDate, SecondsFormat, TimeDelta, Utc};
use chrono_tz::Tz;
use domain::statistics::Amounts;
use rust_decimal::Decimal;

/// `1234567` as `1,234,567`.
pub fn number(value: i64) -> String {
    let digits = grouped(&value.unsigned_abs().to_string());
    if value < 0 {
        format!("\u{2212}{digits}")
    } else {
        digits
    }
}

/// A count with its noun: `1 gift`, `2,000 gifts`.
pub fn count(value: i64, one: &str, many: &str) -> String {
    format!("{} {}", number(value), if value == 1 { one } else { many })
}

/// A share with one decimal: `0.4312` as `43.1%`.
pub fn percent(share: Decimal) -> String {
    let mut percent = (share * Decimal::ONE_HUNDRED).round_dp(1);
    percent.rescale(1);
    format!("{percent}%")
}

/// An amount in one currency, in parts, so that a page can set the parts apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Money {
    /// The digits before the point, grouped: `60,875`.
    pub whole: String,
    /// The point and the digits after it, or nothing: `.00`.
    pub minor: String,
    /// The currency's code: `USD`.
    pub currency: String,
}

impl Money {
    /// Whether it is too long to stand as large as others.
    pub fn is_long(&self) -> bool {
        self.whole.len() + self.minor.len() > 10
    }

    /// From an amount as the statistics write it.
    pub fn new(amount: &str, currency: &str) -> Self {
        let (whole, minor) = amount
            .split_once('.')
            .map_or((amount, String::new()), |(whole, minor)| {
                (whole, format!(".{minor}"))
            });
        let (sign, digits) = whole
            .strip_prefix('-')
            .map_or(("", whole), |digits| ("\u{2212}", digits));
        Self {
            whole: format!("{sign}{}", grouped(digits)),
            minor,
            currency: currency.to_owned(),
        }
    }
}

impl std::fmt::Display for Money {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}\u{a0}{}", self.whole, self.minor, self.currency)
    }
}

/// One amount per currency, in the order of the `weights`, the greatest first. Amounts of different currencies are
/// compared by their count of minor units (cents, yen), which is near enough to put the main currency first.
pub fn amounts(amounts: &Amounts, weights: &Amounts) -> Vec<Money> {
    let weight = |currency: &str| {
        let mut weight: Decimal = weights.get(currency)?.parse().ok()?;
        weight
            .set_scale(
                weight
                    .scale()
                    .checked_sub(domain::money::digits(currency))?,
            )
            .ok()?;
        Some(weight)
    };
    let mut sorted: Vec<_> = amounts.iter().collect();
    sorted.sort_by_key(|(currency, _)| std::cmp::Reverse(weight(currency)));
    sorted
        .into_iter()
        .map(|(currency, amount)| Money::new(amount, currency))
        .collect()
}

/// A moment in three spellings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    /// For machines: `2026-11-23T19:20:00Z`.
    pub machine: String,
    /// For a glance: `5 minutes ago`, `in 12 minutes`, `3 Nov 2026`.
    pub relative: String,
    /// To the second, in the portal's zone: `23 Nov 2026, 20:20:00 CET`.
    pub exact: String,
}

impl Moment {
    /// `at`, seen from `now` in `zone`.
    pub fn new(at: DateTime<Utc>, now: DateTime<Utc>, zone: Tz) -> Self {
        let local = at.with_timezone(&zone);
        Self {
            machine: at.to_rfc3339_opts(SecondsFormat::Secs, true),
            relative: relative(at, now).unwrap_or_else(|| local.format("%-d %b %Y").to_string()),
            exact: local.format("%-d %b %Y, %H:%M:%S %Z").to_string(),
        }
    }
}

/// How long something takes: `under a minute`, `12 minutes`, `3 hours`, `2 days`.
pub fn duration(length: TimeDelta) -> String {
    let minutes = (length.num_seconds() + 30) / 60;
    match minutes {
        ..1 => "under a minute".to_owned(),
        1..90 => count(minutes, "minute", "minutes"),
        90..2_880 => count((minutes + 30) / 60, "hour", "hours"),
        _ => count((minutes + 720) / 1_440, "day", "days"),
    }
}

/// How long something took: `under a second`, `42 s`, `3 min 5 s`, `2 h 10 min`, `3 d 4 h`.
pub fn stopwatch(length: TimeDelta) -> String {
    let secs = length.num_seconds();
    match secs {
        ..1 if length <= TimeDelta::zero() => "0 s".to_owned(),
        ..1 => "under a second".to_owned(),
        1..60 => format!("{secs} s"),
        60..3_600 => format!("{} min {} s", secs / 60, secs % 60),
        3_600..86_400 => format!("{} h {} min", secs / 3_600, secs % 3_600 / 60),
        _ => format!("{} d {} h", secs / 86_400, secs % 86_400 / 3_600),
    }
}

/// A month on an axis: `Nov`, and with its year in January or where `with_year`: `Jan 2026`.
pub fn month(day: NaiveDate, with_year: bool) -> String {
    day.format(if with_year { "%b %Y" } else { "%b" })
        .to_string()
}

/// A day: `3 Nov 2026`.
pub fn day(day: NaiveDate) -> String {
    day.format("%-d %b %Y").to_string()
}

/// `None` from a week on, where a date says more.
fn relative(at: DateTime<Utc>, now: DateTime<Utc>) -> Option<String> {
    let distance = (now - at).abs();
    let text = match distance.num_seconds() {
        ..10 => return Some("just now".to_owned()),
        10..60 => count(distance.num_seconds(), "second", "seconds"),
        60..3_600 => count(distance.num_minutes(), "minute", "minutes"),
        3_600..86_400 => count(distance.num_hours(), "hour", "hours"),
        86_400..604_800 => count(distance.num_days(), "day", "days"),
        _ => return None,
    };
    Some(if at > now {
        format!("in {text}")
    } else {
        format!("{text} ago")
    })
}

fn grouped(digits: &str) -> String {
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn numbers_are_grouped_by_thousands() {
        assert_eq!(number(0), "0");
        assert_eq!(number(999), "999");
        assert_eq!(number(1_000), "1,000");
        assert_eq!(number(-1_234_567), "\u{2212}1,234,567");
        assert_eq!(number(i64::MIN), "\u{2212}9,223,372,036,854,775,808");
    }

    #[test]
    fn shares_have_one_decimal() {
        assert_eq!(percent(Decimal::new(4312, 4)), "43.1%");
        assert_eq!(percent(Decimal::ONE), "100.0%");
        assert_eq!(percent(Decimal::ZERO), "0.0%");
    }

    #[test]
    fn money_keeps_its_digits() {
        let money = Money::new("60875.00", "USD");
        assert_eq!(
            (money.whole.as_str(), money.minor.as_str()),
            ("60,875", ".00")
        );
        assert_eq!(Money::new("120", "JPY").to_string(), "120\u{a0}JPY");
        assert_eq!(
            Money::new("-1234.500", "KWD").to_string(),
            "\u{2212}1,234.500\u{a0}KWD"
        );
    }

    #[test]
    fn the_greatest_amount_comes_first() {
        let sums = Amounts::from([
            ("CAD".to_owned(), "9.00".to_owned()),
            ("JPY".to_owned(), "950".to_owned()),
            ("USD".to_owned(), "10.00".to_owned()),
        ]);
        let order: Vec<_> = amounts(&sums, &sums)
            .into_iter()
            .map(|m| m.currency)
            .collect();
        assert_eq!(order, ["USD", "JPY", "CAD"]);
    }

    #[test]
    fn moments_are_near_in_words_and_far_as_dates() {
        let now = at("2026-11-23T19:20:00Z");
        let zone = chrono_tz::Europe::Berlin;
        let words = |text| Moment::new(at(text), now, zone).relative;
        assert_eq!(words("2026-11-23T19:19:55Z"), "just now");
        assert_eq!(words("2026-11-23T19:15:00Z"), "5 minutes ago");
        assert_eq!(words("2026-11-23T20:20:00Z"), "in 1 hour");
        assert_eq!(words("2026-11-21T19:20:00Z"), "2 days ago");
        assert_eq!(words("2026-11-03T23:30:00Z"), "4 Nov 2026");
        assert_eq!(
            Moment::new(now, now, zone).exact,
            "23 Nov 2026, 20:20:00 CET"
        );
    }

    #[test]
    fn what_is_over_is_told_in_two_units() {
        let words = |millis| stopwatch(TimeDelta::milliseconds(millis));
        assert_eq!(words(0), "0 s");
        assert_eq!(words(400), "under a second");
        assert_eq!(words(42_900), "42 s");
        assert_eq!(words(185_000), "3 min 5 s");
        assert_eq!(words(7_800_000), "2 h 10 min");
        assert_eq!(words(273_600_000), "3 d 4 h");
    }

    #[test]
    fn durations_are_rounded_to_what_matters() {
        assert_eq!(duration(TimeDelta::seconds(20)), "under a minute");
        assert_eq!(duration(TimeDelta::seconds(95)), "2 minutes");
        assert_eq!(duration(TimeDelta::minutes(150)), "3 hours");
        assert_eq!(duration(TimeDelta::hours(60)), "3 days");
    }
}
