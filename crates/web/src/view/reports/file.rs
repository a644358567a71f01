//! Reports as CSV: plain numbers, one column per currency where a line has several amounts, all lines that are known.

use std::collections::BTreeSet;

use app::reports::{Content, Reports, SenderLine};
use domain::money;
use domain::refunds::{Certainty, Refunds};
use domain::reports::{Ranked, Span, StepPace, Tally};
use rust_decimal::Decimal;

use crate::csv::{Cell, Table};

/// The report as a table.
pub fn table(reports: &Reports) -> Table {
    let Some((_, content)) = reports.contents.first() else {
        return Table::new(&[]);
    };
    match &**content {
        Content::Months(months) => {
            let mut table = Table::new(&["Month", "Sent", "Redeemed", "Rate"]);
            for line in months {
                let month = Cell::plain(line.month.format("%Y-%m"));
                let tally = Tally {
                    sent: line.sent,
                    redeemed: line.redeemed,
                };
                push(&mut table, [month], &[tally], []);
            }
            table
        }
        Content::Types(types) => {
            let mut table = Table::new(&[
                "Type",
                "Sent",
                "Redeemed",
                "Rate",
                "Matured sent",
                "Matured redeemed",
                "Matured rate",
            ]);
            for line in &types.lines {
                let name = Cell::from(&line.gift_type);
                push(&mut table, [name], &[line.all, line.matured], []);
            }
            if let Some(rest) = &types.rest {
                let name = others(types, "types");
                push(&mut table, [name], &[rest.all, rest.matured], []);
            }
            table
        }
        Content::Senders(senders) => of_senders(senders),
        Content::Stages(stages) => {
            let mut table = Table::new(&["Pipeline", "Stage", "Gifts", "Redeemed", "Rate"]);
            for line in &stages.lines {
                let names = [Cell::from(&line.pipeline), Cell::from(&line.stage)];
                push(&mut table, names, &[line.tally], []);
            }
            if let Some(rest) = &stages.rest {
                let names = [Cell::Empty, others(stages, "stages")];
                push(&mut table, names, &[rest.tally], []);
            }
            table
        }
        Content::DealSizes(lines) => {
            let mut table = Table::new(&[
                "Currency",
                "Deal size",
                "Gifts",
                "Average value",
                "Total value",
            ]);
            for line in lines {
                table.push(&[
                    Cell::from(line.currency.as_str()),
                    Cell::plain(line.size.label()),
                    Cell::plain(line.gifts),
                    money::average_text(line.amount, line.gifts).map_or(Cell::Empty, Cell::plain),
                    Cell::plain(money::total_text(line.amount, &line.currency)),
                ]);
            }
            table
        }
        Content::Pace {
            opened, redeemed, ..
        } => of_pace(opened, redeemed),
        Content::Refunds(refunds) => {
            let mut table = Table::new(&[
                "Refund on",
                "How sure",
                "Overdue",
                "Currency",
                "Gifts",
                "Amount",
            ]);
            for line in refunds {
                table.push(&of_refunds(line, reports));
            }
            table
        }
    }
}

fn of_senders(senders: &Ranked<SenderLine>) -> Table {
    let currencies: BTreeSet<&String> = senders.iter().flat_map(|line| line.value.keys()).collect();
    let columns: Vec<String> = currencies
        .iter()
        .map(|currency| format!("Value {currency}"))
        .collect();
    let mut head = vec!["Name", "E-mail", "Sent", "Redeemed", "Rate"];
    head.extend(columns.iter().map(String::as_str));
    let mut table = Table::new(&head);
    for (at, line) in senders.iter().enumerate() {
        let name = if at < senders.lines.len() {
            Cell::from(&line.name)
        } else {
            others(senders, "senders")
        };
        let values = currencies.iter().map(|currency| {
            let value = line.value.get(*currency);
            value.map_or(Cell::Empty, Cell::plain)
        });
        push(
            &mut table,
            [name, Cell::from(&line.email)],
            &[line.tally],
            values,
        );
    }
    table
}

fn of_pace(opened: &StepPace, redeemed: &StepPace) -> Table {
    let mut table = Table::new(&["After sending", "Opened", "Redeemed"]);
    let mut line = |name: &str, numbers: [Option<i64>; 2]| {
        let [opened, redeemed] = numbers.map(|one| one.map_or(Cell::Empty, Cell::plain));
        table.push(&[Cell::plain(name), opened, redeemed]);
    };
    for (span, label) in Span::LABELS.into_iter().enumerate() {
        line(label, [opened, redeemed].map(|pace| Some(pace.spans[span])));
    }
    let untold = |pace: &StepPace| Some((pace.reached - pace.told()).max(0));
    line("Time not told", [untold(opened), untold(redeemed)]);
    let median = |pace: &StepPace| pace.median.map(|median| median.num_seconds());
    line("Median in seconds", [median(opened), median(redeemed)]);
    table
}

fn of_refunds<'a>(line: &'a Refunds, reports: &Reports) -> [Cell<'a>; 6] {
    [
        Cell::plain(line.on),
        Cell::plain(match line.certainty {
            Certainty::Certain => "certain",
            Certainty::Possible => "possible",
        }),
        Cell::plain(if line.is_overdue(reports.today) {
            "yes"
        } else {
            "no"
        }),
        Cell::from(&line.currency),
        Cell::plain(line.gifts),
        match &line.currency {
            Some(currency) => Cell::plain(money::total_text(line.amount, currency)),
            None => Cell::Empty,
        },
    ]
}

/// The name of the last line of many.
fn others<L>(ranked: &Ranked<L>, noun: &str) -> Cell<'static> {
    Cell::plain(format!("{} more {noun}", ranked.others))
}

fn push<'a>(
    table: &mut Table,
    names: impl IntoIterator<Item = Cell<'a>>,
    tallies: &[Tally],
    more: impl IntoIterator<Item = Cell<'a>>,
) {
    let rate = |rate: Option<Decimal>| {
        let four = rate.map(|mut rate| {
            rate.rescale(4);
            rate
        });
        four.map_or(Cell::Empty, Cell::plain)
    };
    let counted = tallies.iter().flat_map(|tally| {
        [
            Cell::plain(tally.sent),
            Cell::plain(tally.redeemed),
            rate(tally.rate()),
        ]
    });
    let row: Vec<Cell<'_>> = names.into_iter().chain(counted).chain(more).collect();
    table.push(&row);
}
