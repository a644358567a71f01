//! Reports about money and time: value by deal size, time to open and to redeem, refunds expected.

use app::reports::DealSizeLine;
use chrono::{NaiveDate, TimeDelta};
use domain::money;
use domain::refunds::{Certainty, Refunds};
use domain::reports::{DealSize, Report, Span, StepPace};
use domain::statistics::Amounts;
use rust_decimal::Decimal;

use super::gifts::table;
use super::sheet::{Bar, Bars, Group, Row, Sheet, Table, numbers, words};
use crate::view::format::{self, Money};

/// How many days of refunds the chart and each table show.
const DAYS: usize = 24;
/// How many currencies have bars of their own; the table has all.
const CURRENCIES: usize = 4;

/// A currency's code, or what stands for none.
fn code(currency: Option<&str>) -> String {
    currency.unwrap_or("No currency").to_owned()
}

fn amount(amount: Decimal, currency: &str) -> String {
    Money::new(&money::total_text(amount, currency), currency).to_string()
}

fn average(line: &DealSizeLine) -> String {
    let text = money::average_text(line.amount, line.gifts);
    text.map_or_else(
        || "–".to_owned(),
        |text| Money::new(&text, &line.currency).to_string(),
    )
}

/// Value by deal size.
pub fn deal_sizes(lines: &[DealSizeLine]) -> Sheet {
    let mut sheet = Sheet::empty(
        Report::ValueByDealSize,
        "No gift with an amount is linked to a deal in these days",
        "Gifts are linked to the open deals of their recipients, if HubSpot lets us read deals.",
    );
    // The currency of the most gifts first.
    let mut currencies: Vec<(&str, i64)> = Vec::new();
    for line in lines {
        match currencies
            .iter_mut()
            .find(|(code, _)| *code == line.currency)
        {
            Some((_, gifts)) => *gifts += line.gifts,
            None => currencies.push((&line.currency, line.gifts)),
        }
    }
    currencies.sort_by_key(|(_, gifts)| std::cmp::Reverse(*gifts));
    let Some((main, main_gifts)) = currencies.first().copied() else {
        return sheet;
    };
    let head = vec![
        words("Deal size"),
        words("Currency"),
        numbers("Gifts"),
        numbers("Average value"),
        numbers("Total value"),
    ];
    let of = |currency: &str| -> Vec<&DealSizeLine> {
        lines
            .iter()
            .filter(|line| line.currency == currency)
            .collect()
    };
    let rows = currencies.iter().flat_map(|(currency, _)| of(currency));
    let rows = rows.map(|line| {
        let cells = vec![
            line.currency.clone(),
            format::number(line.gifts),
            average(line),
            amount(line.amount, &line.currency),
        ];
        Row::new(&head, line.size.label().to_owned(), cells)
    });
    let rows = rows.collect();
    let groups = currencies
        .iter()
        .take(CURRENCIES)
        .map(|(currency, _)| Group {
            title: (currencies.len() > 1).then(|| format!("Gifts in {currency}")),
            bars: size_bars(&of(currency)),
        });
    let total: Decimal = of(main).iter().map(|line| line.amount).sum();
    let text = money::average_text(total, main_gifts).unwrap_or_default();
    sheet.figure = Money::new(&text, main).to_string();
    sheet.note = format!(
        "on average, of {} linked to deals",
        format::count(main_gifts, "gift", "gifts"),
    );
    sheet.bars = Bars {
        kind: "single",
        legend: vec!["Average gift value"],
        groups: groups.collect(),
    };
    let caption = "Average gift value by the size of the deal, per currency";
    sheet.tables = vec![table(caption, head, rows, Vec::new())];
    sheet
}

/// The bars of one currency: every size has its place.
fn size_bars(lines: &[&DealSizeLine]) -> Vec<Bar> {
    // Averages as whole hundredths: for widths alone.
    let hundredths = |line: &DealSizeLine| {
        let average = line.amount.checked_div(Decimal::from(line.gifts));
        let hundredths = average.map(|average| (average * Decimal::ONE_HUNDRED).trunc());
        hundredths
            .and_then(|whole| i64::try_from(whole).ok())
            .unwrap_or(0)
    };
    let most = lines.iter().map(|line| hundredths(line)).max().unwrap_or(0);
    DealSize::ALL
        .into_iter()
        .map(|size| {
            let name = size.label().to_owned();
            match lines.iter().find(|line| line.size == size) {
                Some(line) => {
                    let texts = (average(line), format::count(line.gifts, "gift", "gifts"));
                    Bar::new(name, texts, (hundredths(line), 0), most, false)
                }
                None => Bar::new(name, ("–".to_owned(), String::new()), (0, 0), most, false),
            }
        })
        .collect()
}

/// Time to open and to redeem.
pub fn pace(sent: i64, opened: &StepPace, redeemed: &StepPace) -> Sheet {
    let mut sheet = Sheet::empty(
        Report::TimeToOpen,
        "No gift was opened in these days",
        "How long people take shows here as soon as Thnks tells of the first.",
    );
    if opened.reached == 0 && redeemed.reached == 0 {
        return sheet;
    }
    let share = |gifts: i64, of: i64| {
        money::rate(gifts, of).map_or_else(|| "–".to_owned(), format::percent)
    };
    let head = vec![
        words("After sending"),
        numbers("Opened"),
        numbers("Share of opened"),
        numbers("Redeemed"),
        numbers("Share of redeemed"),
    ];
    let rows = (0..Span::COUNT).map(|span| {
        let [of_opened, of_redeemed] = [opened, redeemed].map(|pace| {
            let gifts = pace.spans[span];
            [format::number(gifts), share(gifts, pace.told())]
        });
        let cells = of_opened.into_iter().chain(of_redeemed).collect();
        Row::new(&head, Span::LABELS[span].to_owned(), cells)
    });
    let rows = rows.collect();
    let foot = |name: &str, number: fn(&StepPace) -> i64| {
        let none = String::new;
        vec![
            name.to_owned(),
            format::number(number(opened)),
            none(),
            format::number(number(redeemed)),
            none(),
        ]
    };
    let mut feet = Vec::new();
    if opened.reached > opened.told() || redeemed.reached > redeemed.told() {
        feet.push(foot("Time not told", |pace| {
            (pace.reached - pace.told()).max(0)
        }));
    }
    feet.push(foot("All", |pace| pace.reached));
    let group = |verb: &str, pace: &StepPace| {
        let most = pace.spans.iter().max().copied().unwrap_or(0);
        let bars = Span::LABELS
            .into_iter()
            .zip(pace.spans)
            .map(|(label, gifts)| {
                let texts = (share(gifts, pace.told()), format::number(gifts));
                Bar::new(label.to_owned(), texts, (gifts, 0), most, false)
            });
        Group {
            title: Some(format!(
                "{verb}: {} of {}, median {}",
                format::number(pace.reached),
                format::number(sent),
                median(pace.median)
            )),
            bars: bars.collect(),
        }
    };
    sheet.figure = median(opened.median);
    sheet.note = format!(
        "until half were opened; {} until half were redeemed",
        median(redeemed.median)
    );
    sheet.bars = Bars {
        kind: "single",
        legend: vec!["Gifts"],
        groups: vec![group("Opened", opened), group("Redeemed", redeemed)],
    };
    let caption = "How long after sending gifts were opened and redeemed";
    sheet.tables = vec![table(caption, head, rows, feet)];
    sheet
}

fn median(median: Option<TimeDelta>) -> String {
    median.map_or_else(|| "unknown".to_owned(), format::duration)
}

/// Refunds expected, as of `today`.
pub fn refunds(refunds: &[Refunds], today: NaiveDate) -> Sheet {
    let mut sheet = Sheet::empty(
        Report::RefundsExpected,
        "No refund is to be expected",
        "Gifts that nobody opens come back on the 10th of the month after they expire.",
    );
    if refunds.is_empty() {
        return sheet;
    }
    let (overdue, ahead): (Vec<&Refunds>, Vec<&Refunds>) =
        refunds.iter().partition(|one| one.is_overdue(today));
    let certain = sums(
        ahead
            .iter()
            .filter(|one| one.certainty == Certainty::Certain),
    );
    let possible = sums(
        ahead
            .iter()
            .filter(|one| one.certainty == Certainty::Possible),
    );
    let late = sums(overdue.iter());
    let mut amounts = format::amounts(&certain.amounts, &certain.amounts).into_iter();
    let first = amounts.next().map(|first| first.to_string());
    sheet.figure = first.unwrap_or_else(|| "None certain".to_owned());
    let mut notes = Vec::new();
    if certain.gifts > 0 {
        let mut others: Vec<String> = amounts.map(|one| format!("and {one}")).collect();
        others.push(format!(
            "certain, of {}",
            format::count(certain.gifts, "gift", "gifts")
        ));
        notes.push(others.join(" "));
    }
    if possible.gifts > 0 {
        notes.push(format!("{} more possible", format::number(possible.gifts)));
    }
    if late.gifts > 0 {
        notes.push(format!("{} overdue", format::number(late.gifts)));
    }
    sheet.note = notes.join("; ");
    sheet.bars = Bars {
        kind: "beside",
        legend: vec!["Certain", "Possible"],
        groups: vec![Group {
            title: None,
            bars: day_bars(&ahead, &late),
        }],
    };
    let caption = format!("Refunds expected from {} on", format::day(today));
    sheet.tables.push(days_table(&caption, &ahead));
    if !overdue.is_empty() {
        let caption = "Overdue: the 10th has passed and Thnks has told of no refund";
        sheet.tables.push(days_table(caption, &overdue));
    }
    sheet
}

/// Gifts, and their amounts per currency.
struct Sums {
    gifts: i64,
    amounts: Amounts,
}

fn sums<'a>(refunds: impl Iterator<Item = &'a &'a Refunds>) -> Sums {
    let mut gifts = 0;
    let mut amounts = std::collections::BTreeMap::<&str, Decimal>::new();
    for one in refunds {
        gifts += one.gifts;
        if let Some(currency) = &one.currency {
            *amounts.entry(currency).or_default() += one.amount;
        }
    }
    let amounts = amounts.into_iter();
    Sums {
        gifts,
        amounts: amounts
            .map(|(currency, sum)| (currency.to_owned(), money::total_text(sum, currency)))
            .collect(),
    }
}

/// One bar for each day ahead, and one for all that is overdue.
fn day_bars(ahead: &[&Refunds], late: &Sums) -> Vec<Bar> {
    let mut days: Vec<NaiveDate> = ahead.iter().map(|one| one.on).collect();
    days.dedup();
    let of = |day: NaiveDate, certainty: Certainty| -> i64 {
        let of_day = ahead.iter().filter(|one| one.on == day);
        of_day
            .filter(|one| one.certainty == certainty)
            .map(|one| one.gifts)
            .sum()
    };
    let lines: Vec<(NaiveDate, i64, i64)> = days
        .into_iter()
        .take(DAYS)
        .map(|day| {
            (
                day,
                of(day, Certainty::Certain),
                of(day, Certainty::Possible),
            )
        })
        .collect();
    let most = lines
        .iter()
        .map(|(_, certain, possible)| certain + possible);
    let most = most.chain([late.gifts]).max().unwrap_or(0);
    let mut bars: Vec<Bar> = lines
        .into_iter()
        .map(|(day, certain, possible)| {
            let texts = (
                format!("{} certain", format::number(certain)),
                format!("{} possible", format::number(possible)),
            );
            Bar::new(format::day(day), texts, (certain, possible), most, true)
        })
        .collect();
    if late.gifts > 0 {
        let texts = (
            format!("{} overdue", format::number(late.gifts)),
            String::new(),
        );
        let name = "Before today".to_owned();
        bars.insert(0, Bar::new(name, texts, (late.gifts, 0), most, true));
    }
    bars
}

/// Lines by day, the latest of many.
fn days_table(caption: &str, refunds: &[&Refunds]) -> Table {
    let head = vec![
        words("Refund on"),
        words("How sure"),
        numbers("Gifts"),
        numbers("Amount"),
    ];
    let (older, shown) = refunds.split_at(refunds.len().saturating_sub(DAYS));
    let rows = shown.iter().map(|one| {
        let cells = vec![
            sure(one.certainty).to_owned(),
            format::number(one.gifts),
            match &one.currency {
                Some(currency) => amount(one.amount, currency),
                None => code(None),
            },
        ];
        Row::new(&head, format::day(one.on), cells)
    });
    let rows = rows.collect();
    let foot = |name: &str, some: &[&Refunds]| {
        let sums = sums(some.iter());
        vec![
            name.to_owned(),
            String::new(),
            format::number(sums.gifts),
            super::gifts::money(&sums.amounts),
        ]
    };
    let mut feet = Vec::new();
    if !older.is_empty() {
        feet.push(foot("Days before these", older));
    }
    feet.push(foot("All", refunds));
    Table {
        is_titled: true,
        ..table(caption, head, rows, feet)
    }
}

/// How sure a refund is, in a word.
pub fn sure(certainty: Certainty) -> &'static str {
    match certainty {
        Certainty::Certain => "Certain",
        Certainty::Possible => "Possible",
    }
}
