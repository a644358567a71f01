//! The reports: pages, days, files, and who may see them.

use axum::http::StatusCode;
use chrono::TimeDelta;
use domain::association::DealFacts;
use domain::reports::Report;
use domain::status::StatusEntry;
use domain::transaction::Person;
use domain::{RecordId, Transaction, TransactionId};
use rust_decimal::Decimal;
use store::transactions::LedgerRow;

use crate::harness::{HUB, MEMBER, OTHER, OTHER_HUB, OWNER, World, now, scope, world};

const HOSTILE: &str = "<script>alert(1)</script>";
/// What a spreadsheet would take for a formula.
const FORMULA: &str = "=HYPERLINK(\"https://evil.example\")";

/// A gift of 5 USD that was sent so many days ago.
fn gift(id: &str, days_ago: i64, name: &str, then: &[(&str, i64)]) -> Transaction {
    let sent = now() - TimeDelta::days(days_ago);
    let mut history = vec![StatusEntry {
        status: "sent".into(),
        at: sent,
    }];
    history.extend(then.iter().map(|(status, hours)| StatusEntry {
        status: (*status).into(),
        at: sent + TimeDelta::hours(*hours),
    }));
    Transaction {
        id: TransactionId(id.into()),
        gift_name: None,
        gift_type: Some(name.into()),
        amount: Some(Decimal::new(500, 2)),
        currency: Some("USD".into()),
        message: None,
        tracking_url: None,
        delivery_type: None,
        sender: Person {
            name: Some(name.into()),
            email: Some("ana@northwind.example".into()),
            phone: None,
        },
        recipient: Person::default(),
        reported_status: history.last().unwrap().status.clone(),
        created_at: sent,
        updated_at: history.last().unwrap().at,
        history,
    }
}

async fn keep(world: &World, gifts: &[Transaction]) {
    let rows: Vec<LedgerRow<'_>> = gifts
        .iter()
        .map(|transaction| LedgerRow {
            transaction,
            desired_hash: vec![1],
            is_erased: false,
        })
        .collect();
    let facts: Vec<_> = gifts
        .iter()
        .map(|gift| {
            let deal = DealFacts {
                deal: RecordId(9),
                pipeline: Some("default".into()),
                stage: gift.gift_type.clone(),
                amount: Some(Decimal::from(12_000)),
                currency: None,
            };
            (gift.id.clone(), deal)
        })
        .collect();
    let scope = scope();
    let mut tx = world.db.begin(scope).await.unwrap();
    store::transactions::upsert_batch(&mut tx, scope, &rows, now())
        .await
        .unwrap();
    store::associations::insert_deal_facts(&mut tx, scope, &facts, now())
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

fn reports() -> String {
    format!("/portals/{HUB}/reports")
}

/// The lines of a report as a file, without the mark before them.
async fn csv(world: &World, report: Report, query: &str) -> Vec<String> {
    let path = format!("{}/{}/csv{query}", reports(), report.slug());
    let file = world.get(&path, MEMBER.0).await;
    assert_eq!(file.status, StatusCode::OK, "{path}");
    assert!(
        file.header("content-type").starts_with("text/csv"),
        "{path}"
    );
    let name = format!("{}-2026-11-23.csv", report.slug());
    assert_eq!(
        file.header("content-disposition"),
        format!("attachment; filename=\"{name}\"")
    );
    let text = file.body.strip_prefix('\u{feff}').unwrap();
    text.lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn without_gifts_every_report_says_so() {
    let world = world().await;
    let all = world.get(&reports(), MEMBER.0).await;
    assert_eq!(all.status, StatusCode::OK);
    for report in Report::ALL {
        let href = format!("href=\"{}/{}\"", reports(), report.slug());
        assert!(all.body.contains(&href), "{href}");
        let page = world
            .get(&format!("{}/{}", reports(), report.slug()), MEMBER.0)
            .await;
        assert_eq!(page.status, StatusCode::OK);
        assert!(page.body.contains(&format!("<h1>{}</h1>", report.title())));
        assert!(page.body.contains("class=\"empty\""), "{}", report.slug());
        assert!(!page.body.contains("/csv"), "{}", report.slug());
        // The head of the file is there all the same.
        assert!(!csv(&world, report, "").await.is_empty());
    }
}

#[tokio::test]
async fn every_report_shows_its_numbers_and_gives_them_as_a_file() {
    let world = world().await;
    keep(
        &world,
        &[
            gift("txn_1", 3, "Coffee", &[("opened", 2), ("redeemed", 50)]),
            gift("txn_2", 4, "Coffee", &[("delivered", 1)]),
            gift("txn_3", 40, "Lunch", &[("expired", 721)]),
            gift("txn_4", 200, "Lunch", &[("expired", 721)]),
        ],
    )
    .await;
    for (report, on_page, line) in [
        (Report::SentPerMonth, "Nov 2026", "2026-11,2,1,0.5000"),
        (Report::RedemptionByType, "Coffee", "Coffee,2,1,0.5000,0,0,"),
        (
            Report::TopSenders,
            "20.00\u{a0}USD",
            "Coffee,ana@northwind.example,4,1,0.2500,20.00",
        ),
        (Report::SentPerStage, "Lunch", "default,Lunch,2,0,0.0000"),
        (
            Report::ValueByDealSize,
            "10,000 – 50,000",
            "USD,\"10,000 – 50,000\",4,5.00,20.00",
        ),
        (Report::TimeToOpen, "Within a day", "1 – 3 days,0,1"),
        (
            Report::RefundsExpected,
            "10 Dec 2026",
            "2026-12-10,certain,no,USD,1,5.00",
        ),
    ] {
        let page = world
            .get(&format!("{}/{}", reports(), report.slug()), OWNER.0)
            .await;
        assert!(
            page.body.contains(on_page),
            "{}: {}",
            report.slug(),
            page.body
        );
        assert!(page.body.contains(&format!("/{}/csv", report.slug())));
        let lines = csv(&world, report, "").await;
        assert!(lines.contains(&line.to_owned()), "{line}: {lines:?}");
    }
    let refunds = csv(&world, Report::RefundsExpected, "").await;
    for line in [
        // Sent on 19 November, it would expire on 19 December.
        "2027-01-10,possible,no,USD,1,5.00",
        // Expired in June, and nothing was told since.
        "2026-07-10,certain,yes,USD,1,5.00",
    ] {
        assert!(refunds.contains(&line.to_owned()), "{line}: {refunds:?}");
    }
}

#[tokio::test]
async fn days_narrow_a_report_and_travel_along() {
    let world = world().await;
    keep(
        &world,
        &[
            gift("txn_1", 3, "Coffee", &[]),
            gift("txn_2", 60, "Lunch", &[]),
        ],
    )
    .await;
    let days = "?from=2026-11-01&to=2026-11-30";
    let lines = csv(&world, Report::RedemptionByType, days).await;
    assert_eq!(lines[1..], ["Coffee,1,0,0.0000,0,0,"]);
    let page = world.get(&format!("{}{days}", reports()), OWNER.0).await;
    assert!(page.body.contains("1 Nov 2026 – 30 Nov 2026"));
    assert!(
        page.body
            .contains("/reports/top-senders?from=2026-11-01&#38;to=2026-11-30")
    );
    let path = format!("{}/top-senders{days}", reports());
    let page = world.get(&path, OWNER.0).await;
    for address in ["/reports/top-senders/csv", "/reports"] {
        let href = format!("{address}?from=2026-11-01&#38;to=2026-11-30\"");
        assert!(page.body.contains(&href), "{href}");
    }
    assert!(
        page.body
            .contains("name=\"from\" type=\"date\" value=\"2026-11-01\"")
    );
    for path in ["", "/top-senders", "/top-senders/csv"] {
        let path = format!("{}{path}?from=yesterday", reports());
        let answer = world.get(&path, OWNER.0).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path}");
    }
}

#[tokio::test]
async fn what_was_told_a_moment_ago_is_in_the_next_answer() {
    let world = world().await;
    keep(&world, &[gift("txn_1", 3, "Coffee", &[])]).await;
    let first = csv(&world, Report::RedemptionByType, "").await;
    keep(&world, &[gift("txn_2", 3, "Coffee", &[])]).await;
    let second = csv(&world, Report::RedemptionByType, "").await;
    assert_eq!(
        [&*first[1], &*second[1]],
        ["Coffee,1,0,0.0000,0,0,", "Coffee,2,0,0.0000,0,0,"]
    );
}

#[tokio::test]
async fn names_are_text_on_pages_and_in_files() {
    let world = world().await;
    keep(
        &world,
        &[
            gift("txn_1", 3, HOSTILE, &[]),
            gift("txn_2", 4, FORMULA, &[]),
        ],
    )
    .await;
    for report in [
        Report::RedemptionByType,
        Report::TopSenders,
        Report::SentPerStage,
    ] {
        let path = format!("{}/{}", reports(), report.slug());
        let page = world.get(&path, OWNER.0).await;
        assert!(page.body.contains("&#60;script&#62;alert(1)"), "{path}");
        assert!(!page.body.contains(HOSTILE), "{path}");
    }
    let lines = csv(&world, Report::RedemptionByType, "").await;
    assert!(
        lines.iter().any(|line| line.starts_with("\"'=HYPERLINK(")),
        "{lines:?}"
    );
}

#[tokio::test]
async fn what_is_no_report_is_not_found() {
    let world = world().await;
    for path in ["sent-per-day", "TOP-SENDERS", "top-senders.csv", "%00"] {
        for below in ["", "/csv"] {
            let path = format!("{}/{path}{below}", reports());
            let answer = world.get(&path, OWNER.0).await;
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        }
    }
}

#[tokio::test]
async fn another_portal_has_reports_of_its_own() {
    let world = world().await;
    keep(&world, &[gift("txn_1", 3, "Coffee", &[])]).await;
    let path = format!("/portals/{OTHER_HUB}/reports/redemption-by-type");
    let page = world.get(&path, OTHER.0).await;
    assert!(page.body.contains("No types in these days"));
    assert_eq!(
        world.get(&path, OWNER.0).await.status,
        StatusCode::NOT_FOUND
    );
}
