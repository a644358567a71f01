//! The list of gifts as browsers see it, the file of it, and what the dashboard's numbers lead to.

use axum::http::StatusCode;
use domain::status::StatusEntry;
use domain::transaction::Person;
use domain::{Transaction, TransactionId};
use rust_decimal::Decimal;
use store::transactions::LedgerRow;

use crate::harness::{HUB, MEMBER, OWNER, World, now, scope, world};

const HOSTILE: &str = "=HYPERLINK(\"http://evil.example\")<script>alert(1)</script>";

fn gift(n: i64, status: &str) -> Transaction {
    let at = now() - chrono::TimeDelta::hours(n);
    Transaction {
        id: TransactionId(format!("txn_{n:05}")),
        gift_name: Some("Coffee on us".into()),
        gift_type: Some("Coffee".into()),
        amount: Some(Decimal::new(500, 2)),
        currency: Some("USD".into()),
        message: None,
        tracking_url: None,
        delivery_type: None,
        sender: Person {
            name: Some("Dana Reyes".into()),
            email: Some("dana@acme.example".into()),
            phone: None,
        },
        recipient: Person {
            name: Some(format!("Sam {n}")),
            email: Some(format!("sam{n}@client.example")),
            phone: None,
        },
        reported_status: status.into(),
        history: ["sent", status]
            .iter()
            .zip(0..)
            .map(|(status, n)| StatusEntry {
                status: (*status).to_owned(),
                at: at + chrono::TimeDelta::minutes(n),
            })
            .collect(),
        created_at: at,
        updated_at: at,
    }
}

async fn store(world: &World, gifts: &[Transaction]) {
    let mut tx = world.db.begin(scope()).await.unwrap();
    for page in gifts.chunks(500) {
        let rows: Vec<LedgerRow<'_>> = page
            .iter()
            .map(|transaction| LedgerRow {
                transaction,
                desired_hash: vec![1],
                is_erased: false,
            })
            .collect();
        store::transactions::upsert_batch(&mut tx, scope(), &rows, now())
            .await
            .unwrap();
    }
    tx.commit().await.unwrap();
}

fn rows(page: &str) -> usize {
    page.matches("<th scope=\"row\" class=\"listing__who\">")
        .count()
}

/// The address in the first attribute `name` after `mark`.
fn link(page: &str, mark: &str) -> Option<String> {
    let (_, rest) = page.split_once(mark)?;
    let (_, rest) = rest.split_once("href=\"")?;
    Some(rest.split('"').next()?.replace("&#38;", "&"))
}

#[tokio::test]
async fn pages_of_the_list_follow_each_other_both_ways() {
    let world = world().await;
    let gifts: Vec<Transaction> = (0..120).map(|n| gift(n, "delivered")).collect();
    store(&world, &gifts).await;
    let path = format!("/portals/{HUB}/thnks");
    let first = world.get(&path, MEMBER.0).await;
    assert_eq!(first.status, StatusCode::OK);
    assert!(first.body.contains("120 gifts."), "{}", first.body);
    assert_eq!(rows(&first.body), 50);
    assert!(!first.body.contains("rel=\"prev\""));
    let next = link(&first.body, "aria-label=\"Pages of the list\"").unwrap();
    let second = world.get(&next, MEMBER.0).await;
    assert_eq!(rows(&second.body), 50);
    assert!(second.body.contains("Sam 50<") && second.body.contains("Sam 99<"));
    let (_, after_prev) = second.body.split_once("rel=\"prev\"").unwrap();
    let third = world.get(&link(after_prev, "").unwrap(), MEMBER.0).await;
    assert_eq!(rows(&third.body), 20);
    assert!(!third.body.contains("rel=\"next\""));
    let back = world
        .get(
            &link(&third.body, "aria-label=\"Pages of the list\"").unwrap(),
            MEMBER.0,
        )
        .await;
    assert!(back.body.contains("Sam 50<") && back.body.contains("Sam 99<"));
}

#[tokio::test]
async fn filters_and_search_narrow_the_list_and_say_so() {
    let world = world().await;
    let gifts: Vec<Transaction> = (0..9)
        .map(|n| gift(n, if n < 4 { "redeemed" } else { "opened" }))
        .collect();
    store(&world, &gifts).await;
    let list = async |query: &str| {
        let answer = world
            .get(&format!("/portals/{HUB}/thnks?{query}"), OWNER.0)
            .await;
        assert_eq!(answer.status, StatusCode::OK, "{query}");
        answer.body
    };
    for (query, count) in [
        ("status=redeemed", 4),
        ("status=reached-opened", 9),
        ("status=reached-redeemed&sort=lowest", 4),
        ("q=sam7", 1),
        ("q=SAM7%40client.example", 1),
        ("q=reyes", 9),
        ("q=nobody", 0),
        ("q=%21%3F", 0),
        (
            "sender=Dana%40acme.example&type=Coffee&currency=usd&min=5&max=5.00",
            9,
        ),
        ("min=5.01", 0),
        // 23 November began in Berlin 11 hours before the clock of this test.
        ("from=2026-11-23", 9),
        ("to=2026-11-22", 0),
        ("contact=orphan", 0),
        ("sync=failed", 0),
    ] {
        let page = list(query).await;
        assert_eq!(rows(&page), count, "{query}");
        let noun = if count == 1 { "gift" } else { "gifts" };
        assert!(
            page.contains(&format!("{count} {noun} of these filters.")),
            "{query}"
        );
        assert!(page.contains("class=\"chip\""), "{query}");
    }
    let page = list("q=txn_00003").await;
    assert!(
        page.contains(&format!("/portals/{HUB}/thnks/txn_00003")),
        "{page}"
    );
    for query in ["status=lost", "sort=random", "contact=both"] {
        let answer = world
            .get(&format!("/portals/{HUB}/thnks?{query}"), OWNER.0)
            .await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{query}");
    }
    for query in [
        "from=yesterday",
        "min=much",
        "from=2026-02-01&to=2026-01-01",
    ] {
        let answer = world
            .get(&format!("/portals/{HUB}/thnks?{query}"), OWNER.0)
            .await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{query}");
        assert!(answer.body.contains("aria-invalid=\"true\""), "{query}");
    }
}

#[tokio::test]
async fn the_file_holds_every_gift_once_and_no_formula() {
    let world = world().await;
    let mut gifts: Vec<Transaction> = (0..2_100).map(|n| gift(n, "delivered")).collect();
    gifts[7].recipient.name = Some(HOSTILE.into());
    gifts[7].message = Some("One line,\nand \"another\"".into());
    store(&world, &gifts).await;
    let path = format!("/portals/{HUB}/thnks.csv");
    let answer = world.get(&path, MEMBER.0).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(answer.header("content-type").starts_with("text/csv"));
    assert_eq!(
        answer.header("content-disposition"),
        format!("attachment; filename=\"thnks-{HUB}-2026-11-23.csv\"")
    );
    let mut ids: Vec<&str> = answer
        .body
        .lines()
        .filter(|line| line.starts_with("txn_"))
        .map(|line| &line[..9])
        .collect();
    assert_eq!(ids.len(), 2_100);
    ids.dedup();
    assert_eq!(ids.len(), 2_100);
    assert!(
        answer
            .body
            .contains("\"'=HYPERLINK(\"\"http://evil.example\"\")")
    );
    assert!(answer.body.contains("\"One line,\nand \"\"another\"\"\""));
    let one = world
        .get(&format!("{path}?q=sam12%40client.example"), OWNER.0)
        .await;
    assert_eq!(one.body.lines().count(), 2, "{}", one.body);
    let wrong = world.get(&format!("{path}?min=much"), OWNER.0).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    // Who took what with them is on record, without the words that were looked for.
    let audit = world.rows("audit").await;
    let exports: Vec<_> = audit
        .iter()
        .filter(|row| row["action"] == "gifts.export")
        .collect();
    assert_eq!(exports.len(), 2);
    assert!(!serde_json::to_string(&exports).unwrap().contains("sam12"));
}

#[tokio::test]
async fn a_number_of_the_dashboard_leads_to_the_gifts_behind_it() {
    let world = world().await;
    let mut gifts: Vec<Transaction> = (0..30)
        .map(|n| {
            gift(
                n * 24,
                ["delivered", "opened", "redeemed"][usize::try_from(n % 3).unwrap()],
            )
        })
        .collect();
    gifts[1].gift_type = Some("Lunch & <b>more</b>".into());
    store(&world, &gifts).await;
    let page = world
        .get(&format!("/portals/{HUB}?from=2026-11-04"), OWNER.0)
        .await
        .body;
    for (mark, count) in [
        // 20 days of the 30, today's included; all are sent.
        ("aria-label=\"Total sent\"", 20),
        ("aria-label=\"Redemption rate\"", 6),
        ("aria-labelledby=\"funnel-title\"", 20),
        ("aria-labelledby=\"types-title\"", 19),
    ] {
        let list = world.get(&link(&page, mark).unwrap(), OWNER.0).await;
        assert_eq!(list.status, StatusCode::OK);
        assert_eq!(rows(&list.body), count, "{mark}");
    }
    assert!(!page.contains("<b>more</b>"));
    assert!(page.contains("against the 20 days before"), "{page}");
}
