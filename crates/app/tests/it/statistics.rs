//! The portal's statistics equal a recount of what Thnks has, made by the words of contracts/app.md.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;
use domain::statistics::Range;
use rust_decimal::{Decimal, RoundingStrategy};
use serde_json::{Value, json};

use crate::harness::{ORGANIZATION, World, scope, with};

/// Thnks' order: the later wins a tie, unknown ones stand before all.
const ORDER: [&str; 9] = [
    "scheduled",
    "sent",
    "delivered",
    "undelivered",
    "opened",
    "redeemed",
    "donated",
    "expired",
    "refunded",
];

/// One transaction as the contract reads it.
struct Gift {
    id: String,
    status: String,
    counted_at: DateTime<Utc>,
    redeemed: bool,
    kind: Option<String>,
    money: Option<(String, Decimal)>,
    events: Vec<(String, DateTime<Utc>)>,
}

fn rank(status: &str) -> usize {
    ORDER
        .iter()
        .position(|known| *known == status)
        .map_or(0, |at| at + 1)
}

fn time(value: &Value) -> DateTime<Utc> {
    value.as_str().unwrap().parse().unwrap()
}

fn read(row: &Value) -> Gift {
    let events: Vec<(String, DateTime<Utc>)> = row["status_history"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| {
            (
                step["status"].as_str().unwrap().to_lowercase(),
                time(&step["at"]),
            )
        })
        .collect();
    let latest = events.iter().max_by_key(|(status, at)| (*at, rank(status)));
    let spelt = latest.map_or_else(
        || row["status"].as_str().unwrap().to_lowercase(),
        |l| l.0.clone(),
    );
    let status = if rank(&spelt) == 0 {
        "other".to_owned()
    } else {
        spelt
    };
    let first = |wanted: &str| events.iter().filter(|e| e.0 == wanted).map(|e| e.1).min();
    let wanted = if status == "scheduled" {
        "scheduled"
    } else {
        "sent"
    };
    let amount = row["amount"].as_str().map(|amount| amount.parse().unwrap());
    Gift {
        id: row["id"].as_str().unwrap().to_owned(),
        counted_at: first(wanted).unwrap_or_else(|| time(&row["created_at"])),
        redeemed: first("redeemed").is_some(),
        kind: row["gift_type"].as_str().map(str::to_owned),
        money: row["currency"].as_str().map(str::to_owned).zip(amount),
        status,
        events,
    }
}

fn rate(part: usize, whole: usize) -> Value {
    if whole == 0 {
        return Value::Null;
    }
    let rate = Decimal::from(part) / Decimal::from(whole);
    let rate = rate.round_dp_with_strategy(4, RoundingStrategy::MidpointNearestEven);
    json!(rate.to_string().parse::<f64>().unwrap())
}

/// The currency's own digits; the world's currencies have two.
fn sums(gifts: &[&Gift]) -> BTreeMap<String, (Decimal, i64)> {
    let mut sums: BTreeMap<String, (Decimal, i64)> = BTreeMap::new();
    for (currency, amount) in gifts.iter().filter_map(|gift| gift.money.as_ref()) {
        let sum = sums.entry(currency.clone()).or_default();
        *sum = (sum.0 + amount, sum.1 + 1);
    }
    sums
}

fn text(amount: Decimal, currency: &str) -> String {
    let digits = match currency {
        "JPY" => 0,
        "KWD" => 3,
        _ => 2,
    };
    let mut amount = amount;
    amount.rescale(digits.max(amount.normalize().scale()));
    amount.to_string()
}

fn values(sums: &BTreeMap<String, (Decimal, i64)>) -> Value {
    sums.iter()
        .map(|(currency, (sum, _))| (currency.clone(), json!(text(*sum, currency))))
        .collect()
}

fn recount(rows: &[Value], range: Range, zone: Tz, now: DateTime<Utc>) -> Value {
    let inside = |at: DateTime<Utc>| {
        let day = at.with_timezone(&zone).date_naive();
        range.from.is_none_or(|from| from <= day) && range.to.is_none_or(|to| day <= to)
    };
    let all: Vec<Gift> = rows.iter().map(read).collect();
    let counted: Vec<&Gift> = all.iter().filter(|gift| inside(gift.counted_at)).collect();
    let sent: Vec<&Gift> = counted
        .iter()
        .copied()
        .filter(|gift| gift.status != "scheduled")
        .collect();
    let of_status = |status: &str| counted.iter().filter(|gift| gift.status == status).count();
    let by_status: Value = ORDER
        .into_iter()
        .chain(["other"])
        .map(|status| (status.to_owned(), json!(of_status(status))))
        .collect();
    let redeemed = |gifts: &[&Gift]| gifts.iter().filter(|gift| gift.redeemed).count();
    let until = now - TimeDelta::days(30);
    let matured: Vec<&Gift> = sent
        .iter()
        .copied()
        .filter(|gift| gift.counted_at <= until)
        .collect();
    let mut types: BTreeMap<&str, Vec<&Gift>> = BTreeMap::new();
    for gift in &sent {
        if let Some(kind) = &gift.kind {
            types.entry(kind).or_default().push(gift);
        }
    }
    let mut top: Vec<(&str, Vec<&Gift>)> = types.into_iter().collect();
    top.sort_by(|a, b| b.1.len().cmp(&a.1.len()).then(a.0.cmp(b.0)));
    top.truncate(10);
    let mut activity: Vec<(DateTime<Utc>, &str, &str)> = all
        .iter()
        .flat_map(|gift| {
            gift.events
                .iter()
                .map(|(status, at)| (*at, gift.id.as_str(), status.as_str()))
        })
        .filter(|(at, _, status)| matches!(*status, "sent" | "redeemed") && inside(*at))
        .collect();
    activity.sort_by(|a, b| b.cmp(a));
    activity.dedup();
    activity.truncate(20);
    let total = sums(&sent);
    let average: Value = total
        .iter()
        .map(|(currency, (sum, count))| {
            let mut average = (*sum / Decimal::from(*count))
                .round_dp_with_strategy(2, RoundingStrategy::MidpointNearestEven);
            average.rescale(2);
            (currency.clone(), json!(average.to_string()))
        })
        .collect();
    json!({
        "total_sent": sent.len(),
        "total_value": values(&total),
        "average_value": average,
        "redemption_rate": rate(redeemed(&sent), sent.len()),
        "matured_redemption_rate": rate(redeemed(&matured), matured.len()),
        "by_status": by_status,
        "top_types": top.iter().map(|(name, gifts)| {
            json!({"type": name, "count": gifts.len(), "value": values(&sums(gifts))})
        }).collect::<Vec<_>>(),
        "recent_activity": activity.iter().map(|(at, _, _)| json!(at.timestamp_micros())).collect::<Vec<_>>(),
    })
}

/// `statistics.json` without orphans, and of recent activity the times.
async fn shown(world: &World, range: Range) -> Value {
    let statistics = app::statistics::load(&world.app, &scope(), range)
        .await
        .unwrap();
    assert_eq!(
        usize::try_from(statistics.orphans).unwrap(),
        world.verdict().orphans
    );
    let mut shown = serde_json::to_value(&statistics).unwrap();
    shown.as_object_mut().unwrap().remove("orphans");
    let times: Vec<Value> = statistics
        .recent_activity
        .iter()
        .map(|line| json!(line.at.timestamp_micros()))
        .collect();
    shown["recent_activity"] = json!(times);
    shown
}

async fn assert_recount(world: &World, zone: Tz, range: Range) {
    let rows = world.gifts().await;
    let expected = recount(&rows, range, zone, world.now());
    assert_eq!(shown(world, range).await, expected, "{range:?}");
}

async fn year(gifts: usize) -> World {
    with(|config| config.world = sandbox::WorldSpec::small(config.world.now, gifts)).await
}

async fn zone(world: &World) -> Tz {
    app::portals::load(&world.app, &scope())
        .await
        .unwrap()
        .time_zone
}

#[tokio::test]
async fn the_numbers_equal_a_recount() {
    let world = year(300).await;
    world.backfilled().await;
    let zone = zone(&world).await;
    assert_ne!(zone, chrono_tz::UTC);
    assert_recount(&world, zone, Range::default()).await;
    world.end().await;
}

#[tokio::test]
async fn the_numbers_of_a_range_go_by_the_days_of_the_portal() {
    let world = year(300).await;
    world.backfilled().await;
    let zone = zone(&world).await;
    let mut days: Vec<NaiveDate> = world
        .gifts()
        .await
        .iter()
        .map(|row| read(row).counted_at.with_timezone(&zone).date_naive())
        .collect();
    days.sort_unstable();
    let (early, late) = (days[days.len() / 4], days[days.len() * 3 / 4]);
    for (from, to) in [
        (Some(early), Some(late)),
        (Some(late), None),
        (None, Some(early)),
        (Some(early), Some(early)),
        (Some(late), Some(early)),
    ] {
        assert_recount(&world, zone, Range { from, to }).await;
    }
    world.end().await;
}

#[tokio::test]
async fn midnight_is_the_portals() {
    let world = year(150).await;
    world.backfilled().await;
    let (zone, rows, now) = (zone(&world).await, world.gifts().await, world.now());
    let mut decided = 0;
    for row in &rows {
        let at = read(row).counted_at;
        let day = at.with_timezone(&zone).date_naive();
        let range = Range {
            from: Some(day),
            to: Some(day),
        };
        let (here, elsewhere) = (
            recount(&rows, range, zone, now),
            recount(&rows, range, chrono_tz::UTC, now),
        );
        if day != at.date_naive() && here["total_sent"] != elsewhere["total_sent"] {
            assert_eq!(shown(&world, range).await, here);
            decided += 1;
        }
    }
    assert!(decided > 0, "no gift was sent between the two midnights");
    world.end().await;
}

#[tokio::test]
async fn the_numbers_follow_changes_and_time() {
    let world = year(150).await;
    world.backfilled().await;
    let zone = zone(&world).await;
    for round in 0..3 {
        let change = sandbox::control::Change {
            id: None,
            count: 20 + round,
            status: None,
            at: None,
        };
        world.control.advance(ORGANIZATION, &change).unwrap();
        let id = world.gifts().await[round]["id"]
            .as_str()
            .unwrap()
            .to_owned();
        let fields = [
            json!({"amount": "1500", "currency": "JPY", "gift_type": "Tea"}),
            json!({"amount": "2.125", "currency": "KWD", "gift_type": null}),
            json!({"amount": null, "currency": null}),
        ];
        world
            .control
            .edit_transaction(ORGANIZATION, &id, &fields[round])
            .unwrap();
        world.sync().await;
        assert_recount(&world, zone, Range::default()).await;
    }
    world.let_pass(TimeDelta::days(20));
    assert_recount(&world, zone, Range::default()).await;
    world.end().await;
}
