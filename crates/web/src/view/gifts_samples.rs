//! The list of gifts in every state; see `samples`.

use app::gifts::{Count, Line, Page};
use askama::Template;
use chrono::TimeDelta;
use domain::portal::PortalState;
use domain::{RecordId, Status, TransactionId};
use rust_decimal::Decimal;

use super::asked::Asked;
use super::gifts::GiftsPage;
use super::samples::{HOSTILE, now, portal, status, viewer};

pub(super) fn line(n: i64, name: &str, gift: &str, status: Status) -> Line {
    Line {
        id: TransactionId(format!("txn_01J9ZK7Q4W8X{n:02}")),
        gift_name: Some(gift.to_owned()),
        gift_type: Some("Coffee".to_owned()),
        amount: Some(Decimal::new(1_250 * (n + 1), 2)),
        currency: Some("USD".to_owned()),
        sender_name: Some("Ana Souza".to_owned()),
        recipient_name: Some(name.to_owned()),
        recipient: Some(format!("person{n}@client.example")),
        status,
        counted_at: now() - TimeDelta::hours(7 * n + 1),
        record: Some(RecordId(900 + n)),
        contact: Some(RecordId(512 + n)),
        is_looked_at: true,
        is_failed: false,
        is_erased: false,
    }
}

fn lines() -> Vec<Line> {
    let mut orphan = line(
        1,
        "Maximiliane von und zu Hohenstein-Oberwittgenstein",
        "A long lunch for the whole team, drinks included",
        Status::Delivered,
    );
    orphan.contact = None;
    let mut refused = line(2, "Dana Reyes", "Flowers", Status::Sent);
    (refused.record, refused.contact, refused.is_failed) = (None, None, true);
    let mut waiting = line(3, "Kofi Mensah", "Coffee on us", Status::Scheduled);
    (waiting.record, waiting.contact, waiting.is_looked_at) = (None, None, false);
    waiting.counted_at = now() + TimeDelta::days(3);
    let mut erased = line(4, "", "Coffee on us", Status::Redeemed);
    (
        erased.recipient_name,
        erased.recipient,
        erased.contact,
        erased.is_erased,
    ) = (None, None, None, true);
    let mut bare = line(5, "", "", Status::Other);
    (
        bare.gift_name,
        bare.gift_type,
        bare.amount,
        bare.sender_name,
    ) = (None, None, None, None);
    bare.recipient_name = None;
    vec![
        line(0, "Sam Okafor", "Coffee on us", Status::Redeemed),
        orphan,
        refused,
        waiting,
        erased,
        bare,
        line(6, "Zoë Tanaka", "Movie night", Status::Opened),
        line(7, "Léa Roux", "Dinner for two", Status::Expired),
    ]
}

pub(super) fn page(lines: Vec<Line>) -> Page {
    Page {
        portal: portal(),
        status: status(PortalState::Active),
        lines,
        has_before: false,
        has_after: true,
        count: Some(Count::Exactly(4_988)),
        types: ["Coffee", "Dinner", "Lunch"].map(str::to_owned).into(),
        exact: None,
    }
}

/// Name and page.
pub(super) fn pages() -> Vec<(String, String)> {
    let all = page(lines());
    let filtered = Asked {
        q: "okafor".to_owned(),
        status: "reached-opened".to_owned(),
        gift_type: "Coffee".to_owned(),
        contact: "orphan".to_owned(),
        from: "2026-11-01".to_owned(),
        min: "a lot".to_owned(),
        ..Asked::default()
    };
    let (_, mistakes) = filtered.wanted().unwrap();
    let mut middle = page(lines());
    (middle.has_before, middle.count) = (true, None);
    let mut none = page(Vec::new());
    (none.has_after, none.count) = (false, Some(Count::Exactly(0)));
    none.exact = Some(TransactionId("txn_01J9ZK7Q4W8X2M".to_owned()));
    let mut nothing = none.clone();
    nothing.status.transactions = 0;
    nothing.exact = None;
    let mut hostile = page(vec![line(0, HOSTILE, HOSTILE, Status::Sent)]);
    hostile.types = vec![HOSTILE.to_owned()];
    hostile.lines[0].sender_name = Some(HOSTILE.to_owned());
    hostile.lines[0].recipient = Some(HOSTILE.to_owned());
    let attack = Asked {
        q: HOSTILE.to_owned(),
        gift_type: HOSTILE.to_owned(),
        sender: HOSTILE.to_owned(),
        ..Asked::default()
    };
    [
        ("gifts", &all, Asked::default(), Vec::new()),
        ("gifts-filtered", &all, filtered, mistakes),
        ("gifts-middle", &middle, Asked::default(), Vec::new()),
        (
            "gifts-none",
            &none,
            Asked {
                q: "txn_01J9ZK7Q4W8X2M".to_owned(),
                ..Asked::default()
            },
            Vec::new(),
        ),
        ("gifts-nothing", &nothing, Asked::default(), Vec::new()),
        ("gifts-hostile", &hostile, attack, Vec::new()),
    ]
    .into_iter()
    .map(|(name, page, asked, mistakes)| {
        let page = GiftsPage::new(page, &asked, mistakes, viewer(), now());
        (name.to_owned(), page.render().unwrap())
    })
    .collect()
}
