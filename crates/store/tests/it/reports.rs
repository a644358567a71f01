//! Every report equals a recount of the gifts themselves, in this test's own words.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Datelike, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;
use domain::association::DealFacts;
use domain::pace::Step;
use domain::refunds::{self, Certainty, Refunds};
use domain::reports::{DealSize, LINES, Ranked, Tally};
use domain::statistics::{Month, Range};
use domain::status::StatusEntry;
use domain::transaction::Person;
use domain::{RecordId, Status, Transaction, money};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use rust_decimal::Decimal;
use store::pipelines::{self, Stage};
use store::reports::{self, DealSizeLine, SenderLine, StageLine, TypeLine};
use store::{PortalScope, associations};

use crate::harness::{World, gift, now, world};

/// A gift and the deals that it was linked to.
type Gift = (Transaction, Vec<DealFacts>);

fn status() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(vec![
        "delivered",
        "undelivered",
        "Opened",
        "redeemed",
        "expired",
        "refunded",
        "donated",
        "sparkled",
    ])
}

fn sender() -> impl Strategy<Value = Person> {
    proptest::sample::select(vec![
        (None, None),
        (Some("Ana"), Some("ana@northwind.example")),
        (Some("Ana Souza"), Some("ANA@northwind.example")),
        (Some("Ben"), None),
        (None, Some("c@northwind.example")),
    ])
    .prop_map(|(name, email)| Person {
        name: name.map(str::to_owned),
        email: email.map(str::to_owned),
        phone: None,
    })
}

fn deal() -> impl Strategy<Value = DealFacts> {
    (
        1..5_i64,
        proptest::option::of(proptest::sample::select(vec!["default", "renewals"])),
        proptest::option::of(proptest::sample::select(vec![
            "contractsent",
            "new",
            "late",
        ])),
        proptest::option::of(proptest::sample::select(vec![
            -5,
            0,
            99_999,
            100_000,
            999_999,
            1_000_000,
            24_999_999,
            25_000_000,
            900_000_000,
        ])),
    )
        .prop_map(|(deal, pipeline, stage, cents)| DealFacts {
            deal: RecordId(deal),
            pipeline: pipeline.map(str::to_owned),
            stage: stage.map(str::to_owned),
            amount: cents.map(|cents| Decimal::new(cents, 2)),
            currency: None,
        })
}

fn a_gift() -> impl Strategy<Value = Gift> {
    (
        (0..24 * 150_i64, any::<bool>()),
        proptest::collection::vec((status(), 0..24 * 60_i64, 0..7_200_i64), 0..4),
        proptest::option::of(proptest::sample::select(vec!["Coffee", "Lunch", "Book"])),
        proptest::option::of((
            0..10_000_i64,
            proptest::option::of(proptest::sample::select(vec!["USD", "JPY", "KWD"])),
        )),
        sender(),
        proptest::collection::vec(deal(), 0..3),
    )
        .prop_map(
            |((hours_ago, scheduled), then, gift_type, price, sender, deals)| {
                let mut gift = gift("txn_0", hours_ago, &[]);
                let sent = gift.history[0].at;
                if scheduled && then.is_empty() {
                    gift.history[0].status = "scheduled".into();
                }
                gift.history
                    .extend(then.iter().map(|(status, hours, secs)| StatusEntry {
                        status: (*status).into(),
                        at: sent + TimeDelta::hours(*hours) + TimeDelta::seconds(*secs),
                    }));
                gift.updated_at = gift.history.iter().map(|entry| entry.at).max().unwrap();
                gift.gift_type = gift_type.map(str::to_owned);
                gift.amount = price.map(|(cents, _)| Decimal::new(cents, 2));
                gift.currency = price.and_then(|(_, currency)| currency.map(str::to_owned));
                gift.sender = sender;
                // One fact for each deal.
                let deals: BTreeMap<i64, DealFacts> =
                    deals.into_iter().map(|deal| (deal.deal.0, deal)).collect();
                (gift, deals.into_values().collect())
            },
        )
}

/// Some gifts, and days around them.
fn ledger() -> impl Strategy<Value = (Vec<Gift>, Range, &'static str)> {
    let days = || {
        proptest::option::of((0..160_i64).prop_map(|ago| now().date_naive() - TimeDelta::days(ago)))
    };
    let zones = vec!["UTC", "America/St_Johns", "Pacific/Kiritimati"];
    (
        proptest::collection::vec(a_gift(), 0..25),
        (days(), days()),
        proptest::sample::select(zones),
    )
        .prop_map(|(mut gifts, (from, to), zone)| {
            for ((gift, _), nth) in gifts.iter_mut().zip(1..) {
                gift.id.0 = format!("txn_{nth}");
            }
            (gifts, Range { from, to }, zone)
        })
}

async fn keep(world: &World, portal: PortalScope, gifts: &[Gift]) {
    let page: Vec<Transaction> = gifts.iter().map(|(gift, _)| gift.clone()).collect();
    world.store(portal, &page).await;
    let facts: Vec<_> = gifts
        .iter()
        .flat_map(|(gift, deals)| deals.iter().map(|deal| (gift.id.clone(), deal.clone())))
        .collect();
    let mut tx = world.db.begin(portal).await.unwrap();
    associations::insert_deal_facts(&mut tx, portal, &facts, now())
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

fn day_of(at: DateTime<Utc>, zone: Tz) -> NaiveDate {
    at.with_timezone(&zone).date_naive()
}

/// The gifts that count.
fn sent(gifts: &[Gift], range: Range, zone: Tz) -> Vec<&Gift> {
    let counts = |gift: &Transaction| {
        gift.status() != Status::Scheduled && range.contains(day_of(gift.sent_at(), zone))
    };
    gifts.iter().filter(|(gift, _)| counts(gift)).collect()
}

fn tally<'a>(gifts: impl Iterator<Item = &'a Gift>) -> Tally {
    let mut tally = Tally::default();
    for (gift, _) in gifts {
        tally.sent += 1;
        tally.redeemed += i64::from(Step::Redeemed.is_reached(gift));
    }
    tally
}

fn months(gifts: &[&Gift], zone: Tz) -> Vec<Month> {
    let month = |gift: &Transaction| day_of(gift.sent_at(), zone).with_day(1).unwrap();
    let all: BTreeSet<NaiveDate> = gifts.iter().map(|(gift, _)| month(gift)).collect();
    all.into_iter()
        .map(|one| {
            let of_month = gifts.iter().filter(|(gift, _)| month(gift) == one);
            let Tally { sent, redeemed } = tally(of_month.copied());
            Month {
                month: one,
                sent,
                redeemed,
            }
        })
        .collect()
}

fn types(gifts: &[&Gift], zone: Tz, boundary: NaiveDate) -> Vec<TypeLine> {
    let all: BTreeSet<_> = gifts
        .iter()
        .map(|(gift, _)| gift.gift_type.clone())
        .collect();
    let line = |gift_type: Option<String>| {
        let of_type = || {
            let own = gifts.iter().copied();
            own.filter(|(gift, _)| gift.gift_type == gift_type)
        };
        let matured = of_type().filter(|(gift, _)| day_of(gift.sent_at(), zone) < boundary);
        TypeLine {
            all: tally(of_type()),
            matured: tally(matured),
            gift_type: gift_type.clone(),
        }
    };
    let mut lines: Vec<TypeLine> = all.into_iter().map(line).collect();
    lines.sort_by_key(|line| {
        (
            -line.all.sent,
            line.gift_type.is_none(),
            line.gift_type.clone(),
        )
    });
    lines
}

fn senders(everything: &[Gift], gifts: &[&Gift]) -> Vec<SenderLine> {
    let key = |gift: &Transaction| {
        let email = gift.sender.email.as_ref().map(|email| email.to_lowercase());
        email.or_else(|| gift.sender.name.clone())
    };
    let all: BTreeSet<_> = gifts.iter().map(|(gift, _)| key(gift)).collect();
    let line = |sender: Option<String>| {
        let own: Vec<&Gift> = gifts
            .iter()
            .copied()
            .filter(|(gift, _)| key(gift) == sender)
            .collect();
        let mut value = BTreeMap::<String, Decimal>::new();
        for (gift, _) in &own {
            if let (Some(currency), Some(amount)) = (&gift.currency, gift.amount) {
                *value.entry(currency.clone()).or_default() += amount;
            }
        }
        // The latest of all gifts names the sender, whatever the days.
        let latest = everything
            .iter()
            .map(|(gift, _)| gift)
            .filter(|gift| {
                gift.status() != Status::Scheduled && key(gift) == sender && sender.is_some()
            })
            .max_by_key(|gift| (gift.sent_at(), gift.id.0.clone()));
        SenderLine {
            name: latest.and_then(|gift| gift.sender.name.clone()),
            email: latest.and_then(|gift| gift.sender.email.clone()),
            tally: tally(own.into_iter()),
            value: value
                .into_iter()
                .map(|(currency, sum)| (currency.clone(), money::total_text(sum, &currency)))
                .collect(),
        }
    };
    let mut lines: Vec<(Option<String>, SenderLine)> = all
        .into_iter()
        .map(|sender| (sender.clone(), line(sender)))
        .collect();
    lines.sort_by_key(|(sender, line)| (-line.tally.sent, sender.is_none(), sender.clone()));
    lines.into_iter().map(|(_, line)| line).collect()
}

fn stages(gifts: &[&Gift]) -> Vec<StageLine> {
    let mut tallies = BTreeMap::<(Option<String>, Option<String>), Tally>::new();
    for one in gifts {
        for deal in &one.1 {
            let counted = tallies
                .entry((deal.pipeline.clone(), deal.stage.clone()))
                .or_default();
            let own = tally(std::iter::once(*one));
            counted.sent += own.sent;
            counted.redeemed += own.redeemed;
        }
    }
    let mut lines: Vec<_> = tallies.into_iter().collect();
    lines.sort_by_key(|((pipeline, stage), tally)| {
        (
            -tally.sent,
            (pipeline.is_none(), pipeline.clone()),
            (stage.is_none(), stage.clone()),
        )
    });
    lines
        .into_iter()
        .map(|((pipeline, stage), tally)| StageLine {
            pipeline,
            stage,
            tally,
        })
        .collect()
}

fn deal_sizes(gifts: &[&Gift]) -> Vec<DealSizeLine> {
    let mut sums = BTreeMap::<(String, DealSize), (i64, Decimal)>::new();
    for (gift, deals) in gifts {
        if let (Some(currency), Some(amount)) = (&gift.currency, gift.amount) {
            for deal in deals {
                let (gifts, sum) = sums
                    .entry((currency.clone(), DealSize::of(deal.amount)))
                    .or_default();
                *gifts += 1;
                *sum += amount;
            }
        }
    }
    sums.into_iter()
        .map(|((currency, size), (gifts, amount))| DealSizeLine {
            size,
            currency,
            gifts,
            amount,
        })
        .collect()
}

fn spans(gifts: &[&Gift], step: Step) -> [i64; 6] {
    let mut spans = [0; 6];
    for (gift, _) in gifts {
        if let Some(secs) = step.seconds_after_sent(gift) {
            let span = match f64::from(secs) / 86_400.0 {
                days if days < 1.0 / 24.0 => 0,
                days if days < 1.0 => 1,
                days if days < 3.0 => 2,
                days if days < 7.0 => 3,
                days if days < 30.0 => 4,
                _ => 5,
            };
            spans[span] += 1;
        }
    }
    spans
}

fn expected_refunds(gifts: &[&Gift], zone: Tz) -> Vec<Refunds> {
    let mut sums = BTreeMap::<(NaiveDate, Certainty, Option<String>), (i64, Decimal)>::new();
    for (gift, _) in gifts {
        if let Some((certainty, on)) = refunds::expected(gift, &zone) {
            let (count, sum) = sums
                .entry((on, certainty, gift.currency.clone()))
                .or_default();
            *count += 1;
            *sum += gift.currency.as_ref().and(gift.amount).unwrap_or_default();
        }
    }
    sums.into_iter()
        .map(|((on, certainty, currency), (gifts, amount))| Refunds {
            on,
            certainty,
            currency,
            gifts,
            amount,
        })
        .collect()
}

fn all<L>(lines: Vec<L>) -> Ranked<L> {
    Ranked {
        lines,
        others: 0,
        rest: None,
    }
}

async fn compare(world: &World, portal: PortalScope, gifts: &[Gift], range: Range, zone: &str) {
    let tz: Tz = zone.parse().unwrap();
    let counted = sent(gifts, range, tz);
    let boundary = day_of(now() - TimeDelta::days(30), tz);
    let mut tx = world.db.begin(portal).await.unwrap();
    let tx = &mut tx;
    assert_eq!(
        reports::list_months(tx, portal, range).await.unwrap(),
        months(&counted, tz)
    );
    assert_eq!(
        reports::list_types(tx, portal, range, boundary)
            .await
            .unwrap(),
        all(types(&counted, tz, boundary))
    );
    assert_eq!(
        reports::list_senders(tx, portal, range).await.unwrap(),
        all(senders(gifts, &counted))
    );
    assert_eq!(
        reports::list_stages(tx, portal, range).await.unwrap(),
        all(stages(&counted))
    );
    assert_eq!(
        reports::list_deal_sizes(tx, portal, range).await.unwrap(),
        deal_sizes(&counted)
    );
    assert_eq!(
        reports::find_spans(tx, portal, range).await.unwrap(),
        [Step::Opened, Step::Redeemed].map(|step| spans(&counted, step))
    );
    assert_eq!(
        reports::list_refunds(tx, portal, range, zone)
            .await
            .unwrap(),
        expected_refunds(&counted, tz)
    );
}

#[test]
fn every_report_equals_a_recount() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let world = runtime.block_on(world());
    let hub = std::cell::Cell::new(2_000);
    let mut runner = TestRunner::new(Config {
        cases: 60,
        ..Config::default()
    });
    runner
        .run(&ledger(), |(gifts, range, zone)| {
            hub.set(hub.get() + 1);
            runtime.block_on(async {
                let portal = world.portal(hub.get(), zone).await;
                keep(&world, portal, &gifts).await;
                compare(&world, portal, &gifts, range, zone).await;
                compare(&world, portal, &gifts, Range::default(), zone).await;
            });
            Ok(())
        })
        .unwrap();
}

#[tokio::test]
async fn what_is_beyond_the_last_line_is_summed() {
    let world = world().await;
    let portal = world.portal(1, "UTC").await;
    let count = LINES + 7;
    let gifts: Vec<Gift> = (0..count)
        .map(|nth| {
            let mut gift = gift(&format!("txn_{nth}"), 5, &["redeemed"]);
            gift.gift_type = Some(format!("Kind {nth:03}"));
            gift.sender.email = Some(format!("sender-{nth:03}@northwind.example"));
            let deal = DealFacts {
                deal: RecordId(1),
                pipeline: Some("default".into()),
                stage: Some(format!("stage-{nth:03}")),
                amount: None,
                currency: None,
            };
            (gift, vec![deal])
        })
        .collect();
    keep(&world, portal, &gifts).await;
    let mut tx = world.db.begin(portal).await.unwrap();
    let seven = Tally {
        sent: 7,
        redeemed: 7,
    };
    let everything = Range::default();
    let today = now().date_naive();
    let types = reports::list_types(&mut tx, portal, everything, today)
        .await
        .unwrap();
    assert_eq!((types.lines.len(), types.others), (LINES, 7));
    assert_eq!(types.rest.as_ref().unwrap().all, seven);
    assert_eq!(types.rest.unwrap().gift_type, None);
    let senders = reports::list_senders(&mut tx, portal, everything)
        .await
        .unwrap();
    assert_eq!((senders.lines.len(), senders.others), (LINES, 7));
    let rest = senders.rest.unwrap();
    assert_eq!((rest.tally, &*rest.value["USD"]), (seven, "35.00"));
    assert_eq!((rest.name, rest.email), (None, None));
    let stages = reports::list_stages(&mut tx, portal, everything)
        .await
        .unwrap();
    assert_eq!((stages.lines.len(), stages.others), (LINES, 7));
    assert_eq!(stages.rest.unwrap().tally, seven);
}

#[tokio::test]
async fn stages_have_the_labels_that_were_read_last() {
    let world = world().await;
    let portal = world.portal(1, "UTC").await;
    let other = world.portal(2, "UTC").await;
    let deal = |id, pipeline: &str, stage: &str| DealFacts {
        deal: RecordId(id),
        pipeline: Some(pipeline.into()),
        stage: Some(stage.into()),
        amount: None,
        currency: None,
    };
    let deals = vec![
        deal(1, "default", "contractsent"),
        deal(2, "default", "gone"),
        deal(3, "77", "81"),
    ];
    keep(&world, portal, &[(gift("txn_1", 5, &[]), deals)]).await;
    let stage = |label: &str| Stage {
        pipeline: "default".into(),
        pipeline_label: "Sales".into(),
        stage: "contractsent".into(),
        stage_label: label.into(),
    };
    for (scope, label) in [
        (portal, "Contract"),
        (portal, "Contract sent"),
        (other, "Foreign"),
    ] {
        let mut tx = world.db.begin(scope).await.unwrap();
        // HubSpot may name a stage twice; that is no reason to fail.
        let twice = [stage(label), stage(label)];
        pipelines::upsert_stages(&mut tx, scope, &twice, now())
            .await
            .unwrap();
        tx.commit().await.unwrap();
    }
    let mut tx = world.db.begin(portal).await.unwrap();
    let stages = reports::list_stages(&mut tx, portal, Range::default())
        .await
        .unwrap();
    let shown: Vec<_> = stages
        .lines
        .iter()
        .map(|line| {
            (
                line.pipeline.as_deref().unwrap(),
                line.stage.as_deref().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        shown,
        [("77", "81"), ("Sales", "Contract sent"), ("Sales", "gone")]
    );
}
