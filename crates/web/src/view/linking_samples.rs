//! The pages about linking in every state; see `samples`.

use app::orphans::{Orphan, Preview};
use app::trace::{Attempt, AttemptOutcome, Event, Gift, NextLook, Trace, What};
use askama::Template;
use chrono::TimeDelta;
use domain::association::{Decision, Links, Outcome, PartOutcome};
use domain::matching::{
    Candidate, DealLabel, Identifier, IdentifierKind, Reason, Recipient, Rules, Several,
};
use domain::portal::PortalState;
use domain::status::StatusEntry;
use domain::transaction::{DeliveryType, Person};
use domain::{RecordId, RunId, Transaction, TransactionId};
use rust_decimal::Decimal;
use uuid::Uuid;

use super::orphans::{OrphansPage, Shown};
use super::reassociate::PreviewPage;
use super::rules::RulesPage;
use super::samples::{HOSTILE, now, portal, status, viewer};
use super::trace::{Refused, TracePage};

fn gift(name: &str) -> Gift {
    Gift {
        id: TransactionId("txn_01J9ZK7Q4W8X2M".to_owned()),
        gift_name: Some(name.to_owned()),
        amount: Some(Decimal::new(1_250, 2)),
        currency: Some("USD".to_owned()),
        sender_name: Some("Ana Souza".to_owned()),
        recipient_name: Some("Sam Okafor".to_owned()),
        recipient: Recipient {
            email: Some("sam@client.example".to_owned()),
            ..Recipient::default()
        },
        status: "delivered".to_owned(),
        counted_at: now() - TimeDelta::days(2),
        record: Some(RecordId(90_000_001)),
        failure: None,
        contact: None,
        companies: Vec::new(),
        deals: Vec::new(),
        is_due: false,
        erased_at: None,
        decision: None,
    }
}

fn decision(outcome: Outcome) -> Decision {
    Decision {
        tried: vec![Identifier {
            kind: IdentifierKind::Email,
            value: "sam@client.example".to_owned(),
        }],
        ..Decision::new(
            outcome,
            now() - TimeDelta::minutes(17),
            Some(RunId(Uuid::from_u128(17))),
        )
    }
}

fn candidate(id: i64, days: i64) -> Candidate {
    Candidate {
        id: RecordId(id),
        created_at: Some(now() - TimeDelta::days(days)),
        active_at: (days % 2 == 0).then(|| now() - TimeDelta::hours(days)),
    }
}

/// The gift as Thnks tells of it.
fn transaction(gift: &Gift) -> Transaction {
    let sent = gift.counted_at;
    let entry = |status: &str, minutes| StatusEntry {
        status: status.to_owned(),
        at: sent + TimeDelta::minutes(minutes),
    };
    // The same words in two places are somebody's everywhere.
    let hostile = gift.gift_name.as_deref();
    let hostile = hostile.filter(|words| gift.sender_name.as_deref() == Some(words));
    let words = |plain: &str| hostile.unwrap_or(plain).to_owned();
    Transaction {
        id: gift.id.clone(),
        gift_name: gift.gift_name.clone(),
        gift_type: Some(words("Coffee")),
        amount: gift.amount,
        currency: gift.currency.clone(),
        message: gift
            .erased_at
            .is_none()
            .then(|| words("Thank you for the call!\nLet’s talk again in January.")),
        tracking_url: Some(
            if hostile.is_some() {
                "javascript:alert(1)"
            } else {
                "https://app.thnks.example/t/01J9ZK"
            }
            .to_owned(),
        ),
        delivery_type: Some(DeliveryType::Email),
        sender: Person {
            name: gift.sender_name.clone(),
            email: Some(words("ana@acme.example")),
            phone: None,
        },
        recipient: Person {
            name: gift.recipient_name.clone(),
            email: gift.recipient.email.clone(),
            phone: gift.recipient.phone.clone(),
        },
        reported_status: "delivered".to_owned(),
        history: vec![
            entry("sent", 0),
            entry("delivered", 1),
            entry("opened", 190),
        ],
        created_at: sent,
        updated_at: sent + TimeDelta::minutes(190),
    }
}

fn attempts(gift: &Gift) -> Vec<Attempt> {
    let attempt = |what, outcome, code: Option<&str>, minutes| Attempt {
        at: gift.counted_at + TimeDelta::minutes(minutes),
        run_id: RunId(Uuid::nil()),
        what,
        outcome,
        code: code.map(str::to_owned),
        field: None,
    };
    if gift.record.is_none() {
        return vec![attempt(
            What::Record,
            AttemptOutcome::Refused,
            Some("INVALID_EMAIL"),
            20,
        )];
    }
    vec![
        attempt(What::Links, AttemptOutcome::Written, None, 22),
        attempt(What::Record, AttemptOutcome::Written, None, 21),
        attempt(
            What::Record,
            AttemptOutcome::Unanswered,
            Some("UNKNOWN_OUTCOME"),
            20,
        ),
    ]
}

fn trace(gift: Gift, next_look: NextLook) -> Trace {
    let transaction = transaction(&gift);
    Trace {
        portal: portal(),
        status: status(PortalState::Active),
        events: transaction
            .history
            .iter()
            .map(|entry| Event {
                status: entry.status.clone(),
                at: entry.at,
                seen_at: entry.at,
                is_withdrawn: false,
            })
            .collect(),
        attempts: attempts(&gift),
        transaction,
        gift,
        next_look,
        rules: Rules::default(),
    }
}

/// A gift that has these words wherever a person, Thnks or HubSpot has written any.
pub(super) fn hostile_trace(words: &str) -> Trace {
    let mut hostile = gift(words);
    hostile.recipient_name = Some(words.to_owned());
    hostile.sender_name = Some(words.to_owned());
    hostile.recipient.email = Some(words.to_owned());
    hostile.failure = Some(words.to_owned());
    hostile.decision = Some(Decision {
        refusals: vec![words.to_owned()],
        tried: vec![Identifier {
            kind: IdentifierKind::Email,
            value: words.to_owned(),
        }],
        ..decision(Outcome::NoContact)
    });
    trace(hostile, NextLook::At(now() + TimeDelta::minutes(43)))
}

/// Name, trace, and a form that came back.
fn traces() -> Vec<(&'static str, Trace, Option<Refused>)> {
    let next = NextLook::At(now() + TimeDelta::minutes(43));
    let mut orphan = gift("Coffee on us");
    orphan.decision = Some(decision(Outcome::NoContact));
    let refused = Refused::alias(
        "sam".to_owned(),
        "Enter an e-mail address, like sam@client.example.",
    );

    let mut linked = gift("Coffee on us");
    linked.contact = Some(RecordId(512));
    linked.companies = vec![RecordId(77)];
    linked.deals = vec![RecordId(9_001), RecordId(9_002)];
    linked.decision = Some(Decision {
        candidates: vec![candidate(512, 400)],
        reason: Some(Reason::Only),
        companies: PartOutcome::Linked,
        deals: PartOutcome::Linked,
        links: Links {
            contact: Some(RecordId(512)),
            ..Links::default()
        },
        ..decision(Outcome::Linked)
    });

    let mut several =
        gift("Lunch for two, with dessert and a long name that has to break somewhere");
    several.recipient = Recipient {
        phone: Some("+12025550123".to_owned()),
        ..Recipient::default()
    };
    several.decision = Some(Decision {
        tried: vec![
            Identifier {
                kind: IdentifierKind::Alias,
                value: "a.very.long.address.of.somebody@subsidiary.client.example".to_owned(),
            },
            Identifier {
                kind: IdentifierKind::Phone,
                value: "+12025550123".to_owned(),
            },
        ],
        candidates: vec![candidate(512, 400), candidate(513, 31), candidate(514, 2)],
        reason: Some(Reason::Rule(Several::Nobody)),
        ..decision(Outcome::Several)
    });
    let mut to_choose = trace(several, next);
    to_choose.rules.several = Several::Nobody;

    let mut unread = gift("Cupcakes");
    unread.decision = Some(Decision {
        refusals: vec!["the deal 9001 has reached its limit of associated records".to_owned()],
        deals: PartOutcome::Refused,
        ..decision(Outcome::Refused)
    });
    let mut erased = gift("Flowers");
    erased.recipient = Recipient::default();
    erased.recipient_name = None;
    erased.erased_at = Some(now() - TimeDelta::days(1));
    erased.decision = Some(Decision::new(Outcome::Erased, now(), None));
    let mut by_hand = gift("Book");
    by_hand.decision = Some(Decision::new(Outcome::UnlinkedByHand, now(), None));
    let mut unwritten = gift("Ride home");
    unwritten.record = None;
    unwritten.failure = Some("carrier_pigeon was not one of the allowed options".to_owned());
    vec![
        ("orphan", trace(orphan.clone(), next), None),
        ("refused-form", trace(orphan, next), Some(refused)),
        ("linked", trace(linked, NextLook::Never), None),
        ("to-choose", to_choose, None),
        ("refused", trace(unread, NextLook::Soon), None),
        ("erased", trace(erased, NextLook::Never), None),
        ("by-hand", trace(by_hand, NextLook::Never), None),
        ("unwritten", trace(unwritten, NextLook::Soon), None),
        ("waiting", trace(gift("Coffee"), NextLook::AfterPause), None),
        ("hostile", hostile_trace(HOSTILE), None),
    ]
}

fn orphans() -> Vec<Orphan> {
    let row = |n: i64, outcome, name: Option<&str>, identifier: Option<&str>| Orphan {
        id: TransactionId(format!("txn_{n:06}")),
        gift_name: Some("Coffee on us".to_owned()),
        recipient_name: name.map(str::to_owned),
        recipient: identifier.map(str::to_owned),
        counted_at: now() - TimeDelta::hours(n * 7),
        outcome,
    };
    let mut rows = vec![
        row(
            1,
            Outcome::NoContact,
            Some("Sam Okafor"),
            Some("sam@client.example"),
        ),
        row(2, Outcome::NoIdentifier, None, Some("+12025550123")),
        row(
            3,
            Outcome::Several,
            Some("山田 太郎"),
            Some("taro@client.example"),
        ),
        row(
            4,
            Outcome::UnlinkedByHand,
            Some("Zoë O’Neill-Fitzgerald of Kilkenny and Beyond"),
            Some("a.very.long.address.of.somebody@subsidiary.client.example"),
        ),
        row(5, Outcome::Erased, None, None),
        row(6, Outcome::NoContact, Some(HOSTILE), Some(HOSTILE)),
    ];
    rows.extend((7..51).map(|n| {
        row(
            n,
            Outcome::NoContact,
            Some("Priya Nair"),
            Some("priya@client.example"),
        )
    }));
    rows
}

/// The pages, by name.
pub(super) fn pages() -> Vec<(String, String)> {
    let mut pages = Vec::new();
    let active = status(PortalState::Active);
    for (name, trace, refused) in traces() {
        let page = TracePage::new(&trace, viewer(), refused, now());
        pages.push((format!("trace-{name}"), page.render().unwrap()));
    }
    let mut member = viewer();
    member.is_owner = false;
    let (_, trace, _) = traces().swap_remove(0);
    let page = TracePage::new(&trace, member.clone(), None, now());
    pages.push(("trace-member".to_owned(), page.render().unwrap()));

    let counts = [
        (Outcome::NoContact, 301),
        (Outcome::NoIdentifier, 27),
        (Outcome::Several, 8),
        (Outcome::UnlinkedByHand, 3),
        (Outcome::Erased, 1),
    ];
    let rows = orphans();
    for (name, counts, rows, why, is_first) in [
        ("all", &counts[..], &rows[..], None, true),
        (
            "some",
            &counts[..],
            &rows[..2],
            Some(Outcome::NoContact),
            false,
        ),
        (
            "none-left",
            &counts[..],
            &[][..],
            Some(Outcome::Refused),
            true,
        ),
        ("none", &[][..], &[][..], None, true),
    ] {
        let shown = Shown {
            counts,
            orphans: rows,
            why,
            is_first,
        };
        let page = OrphansPage::new(&portal(), &active, &shown, viewer(), now());
        pages.push((format!("orphans-{name}"), page.render().unwrap()));
    }

    let preview = Preview {
        orphans: 340,
        by_outcome: counts.to_vec(),
        lookable: 309,
        recipients: 288,
        is_asked: true,
        looked_at: 288,
        is_whole: true,
        would_link: 41,
        ambiguous: 8,
        trouble: None,
        calls: 6,
    };
    let unasked = Preview {
        is_asked: false,
        ..preview.clone()
    };
    let large = Preview {
        orphans: 128_441,
        lookable: 120_007,
        recipients: 98_112,
        looked_at: 2_000,
        is_whole: false,
        ..preview.clone()
    };
    for (name, preview) in [
        ("ready", preview),
        ("unasked", unasked),
        ("large", large),
        ("nothing", Preview::default()),
    ] {
        let page = PreviewPage::new(&portal(), &active, &preview, viewer());
        pages.push((format!("preview-{name}"), page.render().unwrap()));
    }

    let label = |type_id, label: &str| DealLabel {
        category: "USER_DEFINED".to_owned(),
        type_id,
        label: label.to_owned(),
    };
    let labels = vec![label(3, "Decision maker"), label(5, "Billing contact")];
    let rules = Rules {
        email_property: Some("work_email".to_owned()),
        phone: true,
        several: Several::Nobody,
        deal_labels: vec![label(3, "Decision maker"), label(9, HOSTILE)],
        ..Rules::default()
    };
    let wrong = (
        "Work e-mail".to_owned(),
        "Enter the property’s internal name: lower-case letters, digits and underscores.",
    );
    for (name, rules, labels, refused, is_saved, viewer) in [
        (
            "default",
            Rules::default(),
            Some(Vec::new()),
            None,
            false,
            viewer(),
        ),
        (
            "chosen",
            rules.clone(),
            Some(labels.clone()),
            None,
            true,
            viewer(),
        ),
        ("refused", rules.clone(), None, Some(wrong), false, viewer()),
        ("member", rules, Some(labels), None, false, member),
    ] {
        let page = RulesPage::new(
            &portal(),
            &active,
            &rules,
            labels,
            refused,
            is_saved,
            viewer,
        );
        pages.push((format!("settings-{name}"), page.render().unwrap()));
    }
    pages
}
