//! The reports in every state; see `samples`.

use std::sync::Arc;

use app::reports::{Content, DealSizeLine, Reports, SenderLine, StageLine, TypeLine};
use askama::Template;
use chrono::{Months, NaiveDate, TimeDelta};
use domain::portal::PortalState;
use domain::refunds::{Certainty, Refunds};
use domain::reports::{DealSize, Ranked, Report, StepPace, Tally};
use domain::statistics::{Amounts, Month, Range};
use rust_decimal::Decimal;

use super::reports::{ReportPage, ReportsPage};
use super::samples::{HOSTILE, now, portal, status, viewer};

fn today() -> NaiveDate {
    "2026-11-23".parse().unwrap()
}

fn tally(sent: i64) -> Tally {
    Tally {
        sent,
        redeemed: sent * 43 / 100,
    }
}

fn amounts(pairs: &[(&str, &str)]) -> Amounts {
    pairs
        .iter()
        .map(|(currency, amount)| ((*currency).to_owned(), (*amount).to_owned()))
        .collect()
}

fn months(count: u32, scale: i64) -> Content {
    let first: NaiveDate = "2026-11-01".parse().unwrap();
    let months = (0..count).rev().map(|ago| {
        let wave = i64::from(ago * 37 % 11) + 6;
        let sent = wave * scale;
        Month {
            month: first - Months::new(ago),
            sent,
            redeemed: sent * if ago == 0 { 2 } else { 5 } / 11,
        }
    });
    Content::Months(months.collect())
}

fn types(names: &[(Option<&str>, i64)], others: i64) -> Content {
    let line = |name: Option<&str>, sent| TypeLine {
        gift_type: name.map(str::to_owned),
        all: tally(sent),
        matured: tally(sent / 2),
    };
    Content::Types(Ranked {
        lines: names
            .iter()
            .map(|(name, sent)| line(*name, *sent))
            .collect(),
        others,
        rest: (others > 0).then(|| line(None, others * 2)),
    })
}

fn senders(people: &[(Option<&str>, Option<&str>, i64)], others: i64) -> Content {
    let line = |name: Option<&str>, email: Option<&str>, sent: i64| SenderLine {
        name: name.map(str::to_owned),
        email: email.map(str::to_owned),
        tally: tally(sent),
        value: if sent % 2 == 0 {
            amounts(&[("USD", "5125.00"), ("EUR", "812.50"), ("JPY", "12000")])
        } else {
            amounts(&[("USD", "1240.50")])
        },
    };
    Content::Senders(Ranked {
        lines: people
            .iter()
            .map(|(name, email, sent)| line(*name, *email, *sent))
            .collect(),
        others,
        rest: (others > 0).then(|| line(None, None, others * 2)),
    })
}

fn stages(lines: &[(&str, &str, i64)]) -> Content {
    let line = |pipeline: &str, stage: &str, sent| StageLine {
        pipeline: Some(pipeline.to_owned()),
        stage: Some(stage.to_owned()),
        tally: tally(sent),
    };
    Content::Stages(Ranked {
        lines: lines
            .iter()
            .map(|(pipeline, stage, sent)| line(pipeline, stage, *sent))
            .collect(),
        ..Ranked::default()
    })
}

fn sizes(currencies: &[&str]) -> Content {
    let lines = currencies
        .iter()
        .zip(1..)
        .flat_map(|(currency, nth): (_, i64)| {
            DealSize::ALL
                .into_iter()
                .zip(1..)
                .filter(move |(_, at)| (at + nth) % 5 != 0)
                .map(move |(size, at): (_, i64)| DealSizeLine {
                    size,
                    currency: (*currency).to_owned(),
                    gifts: 412 / (at * nth),
                    amount: Decimal::new(412 / (at * nth) * (900 + at * 310), 2),
                })
        });
    Content::DealSizes(lines.collect())
}

fn pace(scale: i64) -> Content {
    let step = |spans: [i64; 6], hours| StepPace {
        reached: spans.iter().sum::<i64>() * scale + scale / 2,
        spans: spans.map(|gifts| gifts * scale),
        median: Some(TimeDelta::hours(hours)),
    };
    Content::Pace {
        sent: 4_870 * scale / 10,
        opened: step([96, 104, 41, 22, 12, 3], 7),
        redeemed: step([31, 62, 58, 33, 21, 10], 41),
    }
}

fn refunds(lines: &[(&str, Certainty, Option<&str>, i64)]) -> Content {
    let lines = lines
        .iter()
        .map(|(on, certainty, currency, gifts)| Refunds {
            on: on.parse().unwrap(),
            certainty: *certainty,
            currency: currency.map(str::to_owned),
            gifts: *gifts,
            amount: Decimal::new(gifts * 1_250, 2),
        });
    Content::Refunds(lines.collect())
}

fn full() -> Vec<Content> {
    use Certainty::{Certain, Possible};
    vec![
        months(16, 61),
        types(
            &[
                (Some("Coffee"), 1_402),
                (Some("Lunch"), 986),
                (Some("Cupcakes"), 641),
                (None, 512),
                (Some("Charity donation of the recipient’s own choice"), 311),
                (Some("Flowers"), 205),
                (Some("Book"), 1),
            ],
            0,
        ),
        senders(
            &[
                (Some("Ana Souza"), Some("ana.souza@northwind.example"), 412),
                (Some("山田 太郎"), Some("taro@northwind.example"), 351),
                (
                    Some("Zoë O’Neill-Fitzgerald of Kilkenny and Beyond"),
                    Some("zoe.oneill-fitzgerald.of.kilkenny@subsidiary.northwind.example"),
                    220,
                ),
                (None, Some("j.doe@northwind.example"), 97),
                (None, None, 12),
            ],
            0,
        ),
        stages(&[
            ("Sales Pipeline", "Qualified To Buy", 804),
            ("Sales Pipeline", "Presentation Scheduled", 513),
            ("Renewals", "Contract Sent", 240),
            ("default", "appointmentscheduled", 98),
        ]),
        sizes(&["USD", "EUR"]),
        pace(10),
        refunds(&[
            ("2026-09-10", Certain, Some("USD"), 2),
            ("2026-10-10", Possible, Some("USD"), 1),
            ("2026-12-10", Certain, Some("USD"), 61),
            ("2026-12-10", Certain, Some("EUR"), 8),
            ("2026-12-10", Possible, Some("USD"), 18),
            ("2027-01-10", Possible, Some("EUR"), 40),
            ("2027-01-10", Possible, Some("USD"), 211),
            ("2027-01-10", Possible, None, 3),
        ]),
    ]
}

fn none() -> Vec<Content> {
    let nothing = StepPace {
        reached: 0,
        spans: [0; 6],
        median: None,
    };
    vec![
        Content::Months(Vec::new()),
        types(&[], 0),
        senders(&[], 0),
        stages(&[]),
        Content::DealSizes(Vec::new()),
        Content::Pace {
            sent: 0,
            opened: nothing.clone(),
            redeemed: nothing,
        },
        Content::Refunds(Vec::new()),
    ]
}

fn one() -> Vec<Content> {
    let opened = StepPace {
        reached: 1,
        spans: [0, 1, 0, 0, 0, 0],
        median: Some(TimeDelta::minutes(95)),
    };
    let redeemed = StepPace {
        reached: 0,
        spans: [0; 6],
        median: None,
    };
    vec![
        months(1, 1),
        types(&[(Some("Coffee"), 1)], 0),
        senders(&[(Some("Ana Souza"), Some("ana@northwind.example"), 1)], 0),
        stages(&[("Sales Pipeline", "Contract Sent", 1)]),
        Content::DealSizes(vec![DealSizeLine {
            size: DealSize::Unknown,
            currency: "JPY".to_owned(),
            gifts: 1,
            amount: Decimal::from(1_500),
        }]),
        Content::Pace {
            sent: 1,
            opened,
            redeemed,
        },
        refunds(&[("2026-12-10", Certainty::Possible, Some("USD"), 1)]),
    ]
}

/// As much as a report can have.
fn many() -> Vec<Content> {
    let names: Vec<(String, i64)> = (0..50)
        .map(|n| (format!("Kind of gift number {n}"), 120_000 - n * 2_311))
        .collect();
    let kinds: Vec<_> = names
        .iter()
        .map(|(name, sent)| (Some(name.as_str()), *sent))
        .collect();
    let people: Vec<_> = names
        .iter()
        .map(|(name, sent)| {
            (
                Some(name.as_str()),
                Some("somebody@northwind.example"),
                *sent,
            )
        })
        .collect();
    let rows: Vec<_> = names
        .iter()
        .map(|(name, sent)| ("Pipeline", name.as_str(), *sent))
        .collect();
    let days: Vec<String> = (0..60)
        .map(|month| {
            let first: NaiveDate = "2026-12-10".parse().unwrap();
            (first - Months::new(month)).to_string()
        })
        .rev()
        .collect();
    let late: Vec<_> = days
        .iter()
        .map(|day| (day.as_str(), Certainty::Certain, Some("USD"), 4_120))
        .collect();
    vec![
        months(90, 1_961),
        types(&kinds, 8_211),
        senders(&people, 41_007),
        stages(&rows),
        sizes(&["USD", "EUR", "JPY", "GBP", "CAD", "KWD"]),
        pace(20_000),
        refunds(&late),
    ]
}

fn hostile() -> Vec<Content> {
    let name = Some(HOSTILE);
    let mut contents = full();
    contents[1] = types(&[(name, 12), (Some("Lunch"), 3)], 0);
    contents[2] = senders(&[(name, name, 12), (None, name, 3)], 0);
    contents[3] = stages(&[(HOSTILE, HOSTILE, 12), ("Renewals", HOSTILE, 3)]);
    contents
}

fn reports(contents: Vec<Content>) -> Reports {
    Reports {
        portal: portal(),
        status: status(PortalState::Active),
        today: today(),
        contents: Report::ALL
            .into_iter()
            .zip(contents.into_iter().map(Arc::new))
            .collect(),
    }
}

/// Name and page.
pub(super) fn pages() -> Vec<(String, String)> {
    assert_eq!(now().date_naive(), today());
    let mut pages = Vec::new();
    let year = Range {
        from: "2025-11-24".parse().ok(),
        to: None,
    };
    for (name, contents, range) in [
        ("full", full(), year),
        ("none", none(), Range::default()),
        ("one", one(), Range::default()),
        ("many", many(), Range::default()),
        ("hostile", hostile(), Range::default()),
    ] {
        let reports = reports(contents);
        let page = ReportsPage::new(&reports, viewer(), range);
        pages.push((format!("reports-{name}"), page.render().unwrap()));
        for one in &reports.contents {
            // Of these nothing comes from outside but numbers and codes.
            let is_numbers = matches!(
                one.0,
                Report::SentPerMonth
                    | Report::ValueByDealSize
                    | Report::TimeToOpen
                    | Report::RefundsExpected
            );
            if name == "hostile" && is_numbers {
                continue;
            }
            let alone = Reports {
                contents: vec![one.clone()],
                ..reports.clone()
            };
            let page = ReportPage::new(&alone, viewer(), range).unwrap();
            let name = format!("report-{}-{name}", one.0.slug());
            pages.push((name, page.render().unwrap()));
        }
    }
    pages
}

#[test]
fn a_report_is_a_small_page_however_much_it_has_to_tell() {
    for (name, page) in pages() {
        // Before compression, which takes four fifths of such text.
        assert!(page.len() < 120_000, "{name} has {} bytes", page.len());
    }
}
