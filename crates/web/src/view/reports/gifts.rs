//! Reports that count gifts sent and redeemed: by month, type, sender and stage.

use app::reports::{SenderLine, StageLine, TypeLine};
use chrono::NaiveDate;
use domain::reports::{Ranked, Report, Tally};
use domain::statistics::{Amounts, Month};

use super::sheet::{Bar, Bars, Column, Group, Row, Sheet, Table, numbers, words};
use crate::view::chart::Chart;
use crate::view::format;

/// How many bars a chart has; the table has all lines.
const BARS: usize = 10;
const LEGEND: [&str; 2] = ["Sent", "Redeemed of these"];

/// A rate, or a dash for none.
pub fn rate(tally: Tally) -> String {
    tally.rate().map_or_else(|| "–".to_owned(), format::percent)
}

fn counted(tally: Tally) -> [String; 3] {
    [
        format::number(tally.sent),
        format::number(tally.redeemed),
        rate(tally),
    ]
}

fn sum(tallies: impl Iterator<Item = Tally>) -> Tally {
    tallies.fold(Tally::default(), |sum, tally| Tally {
        sent: sum.sent + tally.sent,
        redeemed: sum.redeemed + tally.redeemed,
    })
}

fn bars(lines: impl Iterator<Item = (String, Tally)>) -> Bars {
    let lines: Vec<_> = lines.take(BARS).collect();
    let most = lines.iter().map(|(_, tally)| tally.sent).max().unwrap_or(0);
    let bars = lines
        .into_iter()
        .map(|(name, tally)| {
            let texts = (format::number(tally.sent), rate(tally));
            Bar::new(name, texts, (tally.sent, tally.redeemed), most, false)
        })
        .collect();
    Bars {
        kind: "within",
        legend: LEGEND.to_vec(),
        groups: vec![Group { title: None, bars }],
    }
}

/// Sent per month, up to the month of `until`, of the portal at `path`.
pub fn months(known: &[Month], until: NaiveDate, path: &str) -> Sheet {
    let report = Report::SentPerMonth;
    let mut sheet = Sheet::empty(
        report,
        "Nothing sent in these days",
        "Each month’s gifts show here once they are sent.",
    );
    let (shown, before) = app::reports::last_months(known, until);
    let Some(chart) = Chart::of(&shown, path) else {
        return sheet;
    };
    let tally = |month: &Month| Tally {
        sent: month.sent,
        redeemed: month.redeemed,
    };
    let total = sum(known.iter().map(tally));
    let head = vec![
        words("Month"),
        numbers("Sent"),
        numbers("Redeemed"),
        numbers("Rate"),
    ];
    let rows = chart.months.iter().map(|line| {
        let cells = vec![
            line.sent_text.clone(),
            line.redeemed_text.clone(),
            line.rate.clone(),
        ];
        Row {
            point: Some(line.clone()),
            ..Row::new(&head, line.name.clone(), cells)
        }
    });
    let rows = rows.collect();
    let mut foot = Vec::new();
    if let Some((_, sent, redeemed)) = before {
        let name = format!("Before {}", chart.months[0].name);
        foot.push(line(name, counted(Tally { sent, redeemed })));
    }
    foot.push(line("Total".to_owned(), counted(total)));
    sheet.figure = format::number(total.sent);
    sheet.note = format!("gifts sent, {} redeemed", rate(total));
    sheet.tables = vec![table("Gifts sent and redeemed, by month", head, rows, foot)];
    sheet.bars = Bars {
        kind: "within",
        legend: LEGEND.to_vec(),
        groups: Vec::new(),
    };
    sheet.months = chart.months;
    sheet
}

/// Redemption by type.
pub fn types(types: &Ranked<TypeLine>) -> Sheet {
    let mut sheet = Sheet::empty(
        Report::RedemptionByType,
        "No types in these days",
        "The kinds of gifts people choose, and which of them are taken.",
    );
    let Some(first) = types.lines.first() else {
        return sheet;
    };
    let name = |line: &TypeLine| {
        let name = line.gift_type.clone();
        name.unwrap_or_else(|| "No type".to_owned())
    };
    let cells = |all: Tally, matured: Tally| {
        let [sent, redeemed, of_all] = counted(all);
        vec![sent, redeemed, of_all, rate(matured)]
    };
    let head = vec![
        words("Type"),
        numbers("Sent"),
        numbers("Redeemed"),
        numbers("Rate"),
        numbers("Matured rate"),
    ];
    let row = |line: &TypeLine| Row::new(&head, name(line), cells(line.all, line.matured));
    let rows = types.lines.iter().map(row).collect();
    let total = sum(types.iter().map(|line| line.all));
    let matured = sum(types.iter().map(|line| line.matured));
    let mut foot = Vec::new();
    if let Some(rest) = &types.rest {
        let name = format::count(types.others, "more type", "more types");
        foot.push(line(name, cells(rest.all, rest.matured)));
    }
    foot.push(line("Total".to_owned(), cells(total, matured)));
    sheet.figure = rate(total);
    sheet.note = format!(
        "of {} redeemed; the most are {}",
        format::count(total.sent, "gift", "gifts"),
        first.gift_type.as_deref().unwrap_or("without a type"),
    );
    sheet.bars = bars(types.lines.iter().map(|line| (name(line), line.all)));
    sheet.tables = vec![table("Gifts sent and redeemed, by type", head, rows, foot)];
    sheet
}

/// Top senders.
pub fn senders(senders: &Ranked<SenderLine>) -> Sheet {
    let mut sheet = Sheet::empty(
        Report::TopSenders,
        "Nobody sent a gift in these days",
        "The people of your organization who send most.",
    );
    let Some(first) = senders.lines.first() else {
        return sheet;
    };
    let name = |line: &SenderLine| {
        let name = line.name.clone().or_else(|| line.email.clone());
        name.unwrap_or_else(|| "Unknown sender".to_owned())
    };
    let cells = |tally: Tally, value: &Amounts| {
        let [sent, redeemed, rate] = counted(tally);
        vec![sent, redeemed, rate, money(value)]
    };
    let head = vec![
        words("Sender"),
        numbers("Sent"),
        numbers("Redeemed"),
        numbers("Rate"),
        numbers("Value"),
    ];
    let row = |line: &SenderLine| Row {
        detail: line.email.clone().filter(|_| line.name.is_some()),
        ..Row::new(&head, name(line), cells(line.tally, &line.value))
    };
    let rows = senders.lines.iter().map(row).collect();
    let total = sum(senders.iter().map(|line| line.tally));
    let foot = senders.rest.iter().map(|rest| {
        let name = format::count(senders.others, "more sender", "more senders");
        line(name, cells(rest.tally, &rest.value))
    });
    let foot = foot.collect();
    let count = i64::try_from(senders.lines.len()).unwrap_or(i64::MAX) + senders.others;
    sheet.figure = format::number(count);
    sheet.note = format!(
        "{} of {}; {} sent most",
        if count == 1 { "sender" } else { "senders" },
        format::count(total.sent, "gift", "gifts"),
        name(first),
    );
    sheet.bars = bars(senders.lines.iter().map(|line| (name(line), line.tally)));
    sheet.tables = vec![table(
        "Gifts by sender, the most sent first",
        head,
        rows,
        foot,
    )];
    sheet
}

/// Sent per pipeline stage.
pub fn stages(stages: &Ranked<StageLine>) -> Sheet {
    let mut sheet = Sheet::empty(
        Report::SentPerStage,
        "No gift is linked to a deal in these days",
        "Gifts are linked to the open deals of their recipients, if HubSpot lets us read deals.",
    );
    if stages.lines.is_empty() {
        return sheet;
    }
    let pipeline = |line: &StageLine| {
        let name = line.pipeline.clone();
        name.unwrap_or_else(|| "No pipeline".to_owned())
    };
    let stage = |line: &StageLine| {
        let name = line.stage.clone();
        name.unwrap_or_else(|| "No stage".to_owned())
    };
    let several = stages
        .lines
        .iter()
        .any(|line| line.pipeline != stages.lines[0].pipeline);
    let head = vec![
        words("Stage"),
        words("Pipeline"),
        numbers("Gifts"),
        numbers("Redeemed"),
        numbers("Rate"),
    ];
    let cells = |pipeline: String, tally: Tally| {
        let [sent, redeemed, rate] = counted(tally);
        vec![pipeline, sent, redeemed, rate]
    };
    let row = |line: &StageLine| Row::new(&head, stage(line), cells(pipeline(line), line.tally));
    let rows = stages.lines.iter().map(row).collect();
    let foot = stages.rest.iter().map(|rest| {
        let name = format::count(stages.others, "more stage", "more stages");
        line(name, cells(String::new(), rest.tally))
    });
    let foot = foot.collect();
    let total = sum(stages.iter().map(|line| line.tally));
    sheet.figure = format::number(total.sent);
    sheet.note = format!(
        "{} linked to deals, the most in {}",
        if total.sent == 1 { "gift" } else { "gifts" },
        stage(&stages.lines[0]),
    );
    sheet.bars = bars(stages.lines.iter().map(|line| {
        let name = if several {
            format!("{} · {}", stage(line), pipeline(line))
        } else {
            stage(line)
        };
        (name, line.tally)
    }));
    let caption = "Gifts by the pipeline and stage of their deals";
    sheet.tables = vec![table(caption, head, rows, foot)];
    sheet
}

/// Amounts in one line, the greatest first.
pub fn money(value: &Amounts) -> String {
    let amounts = format::amounts(value, value);
    if amounts.is_empty() {
        return "–".to_owned();
    }
    let amounts: Vec<String> = amounts.iter().map(ToString::to_string).collect();
    amounts.join(" · ")
}

fn line(name: String, cells: impl IntoIterator<Item = String>) -> Vec<String> {
    std::iter::once(name).chain(cells).collect()
}

/// A table that stands alone.
pub fn table(caption: &str, head: Vec<Column>, rows: Vec<Row>, foot: Vec<Vec<String>>) -> Table {
    Table {
        caption: caption.to_owned(),
        is_titled: false,
        head,
        rows,
        foot,
    }
}
