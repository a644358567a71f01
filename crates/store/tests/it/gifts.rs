//! The list of gifts, against the same filters in this test's own words.

use chrono::{DateTime, TimeDelta, Utc};
use domain::association::{Decision, Outcome};
use domain::pace::Step;
use domain::transaction::Person;
use domain::{RecordId, RunId, Status, Transaction, TransactionId, search};
use rust_decimal::Decimal;
use store::gifts::{self, Filter, Link, Lookup, Order, Place, Reached};
use store::transactions::{self, Refused, Written};
use store::{PortalScope, associations};

use crate::harness::{World, gift, hash, now, world};

/// How the `n`th gift stands in HubSpot.
#[derive(Clone, Copy, PartialEq)]
enum Stands {
    Unwritten,
    Refused,
    Orphan,
    Linked,
}

fn stands(n: usize) -> Stands {
    match n % 5 {
        0 => Stands::Unwritten,
        1 => Stands::Refused,
        2 => Stands::Orphan,
        _ => Stands::Linked,
    }
}

const STORIES: [&[&str]; 6] = [
    &[],
    &["delivered"],
    &["delivered", "opened"],
    &["delivered", "opened", "redeemed"],
    &["redeemed"],
    &["expired", "refunded"],
];

fn some_gifts() -> Vec<Transaction> {
    (0..60)
        .map(|n| {
            // Several at the same time, so that the id decides.
            let hours = i64::try_from(n / 3).unwrap();
            let mut gift = gift(&format!("txn_{n:03}"), hours, STORIES[n % 6]);
            if n % 13 == 0 {
                gift.history[0].status = "scheduled".into();
            }
            gift.gift_type = [Some("Coffee"), Some("Lunch"), None][n % 3].map(str::to_owned);
            gift.amount = [Some(500), None, Some(1_250), Some(500)][n % 4]
                .map(|cents| Decimal::new(cents, 2));
            gift.currency = gift.amount.map(|_| ["USD", "EUR"][n % 2].to_owned());
            gift.sender = Person {
                name: Some("Dana Reyes".into()),
                email: [Some("Dana@acme.example"), None][n % 2].map(str::to_owned),
                phone: None,
            };
            gift.recipient.name =
                Some(["José Núñez", "Joséphine Roux", "Sam Okafor"][n % 3].into());
            gift
        })
        .collect()
}

async fn filled(world: &World) -> (PortalScope, Vec<Transaction>) {
    let portal = world.portal(1, "UTC").await;
    let all = some_gifts();
    world.store(portal, &all).await;
    let run = RunId(uuid::Uuid::now_v7());
    let mut tx = world.db.begin(portal).await.unwrap();
    let of = |wanted: &'static [Stands]| {
        all.iter()
            .enumerate()
            .filter(move |(n, _)| wanted.contains(&stands(*n)))
            .map(|(_, gift)| gift)
    };
    let written: Vec<Written> = of(&[Stands::Orphan, Stands::Linked])
        .zip(1..)
        .map(|(gift, record)| Written {
            id: gift.id.clone(),
            applied_hash: hash(gift),
            record_id: RecordId(record),
        })
        .collect();
    transactions::save_written(&mut tx, portal, run, &written, now())
        .await
        .unwrap();
    let refused: Vec<Refused> = of(&[Stands::Refused])
        .map(|gift| Refused {
            id: gift.id.clone(),
            code: "INVALID_EMAIL".into(),
            field: None,
            reason: "No.".into(),
        })
        .collect();
    transactions::save_refused(&mut tx, portal, run, &refused, now())
        .await
        .unwrap();
    let decided: Vec<associations::Decided> = of(&[Stands::Orphan])
        .map(|gift| (gift, Decision::new(Outcome::NoContact, now(), Some(run))))
        .chain(of(&[Stands::Linked]).map(|gift| {
            let mut decision = Decision::new(Outcome::Linked, now(), Some(run));
            decision.links.contact = Some(RecordId(77));
            (gift, decision)
        }))
        .map(|(gift, decision)| associations::Decided {
            id: gift.id.clone(),
            version: 0,
            former: None,
            decision,
        })
        .collect();
    associations::save(&mut tx, portal, run, &decided)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    (portal, all)
}

fn is_wanted(n: usize, gift: &Transaction, filter: &Filter) -> bool {
    let words = search::words(gift);
    let status = gift.status();
    let at = gift.counted_at();
    filter
        .terms
        .iter()
        .all(|term| words.iter().any(|word| word.starts_with(term)))
        && filter.status.is_none_or(|wanted| wanted == status)
        && filter.reached.is_none_or(|reached| {
            status != Status::Scheduled
                && match reached {
                    Reached::Sent => true,
                    Reached::Step(step) => step.is_reached(gift),
                }
        })
        && (filter.gift_type.is_none() || filter.gift_type == gift.gift_type)
        && (filter.sender.is_none() || filter.sender == gift.sender_key())
        && filter.link.is_none_or(|link| match link {
            Link::Linked => stands(n) == Stands::Linked,
            Link::Orphan => stands(n) == Stands::Orphan,
        })
        && (!filter.failed || stands(n) == Stands::Refused)
        && filter.from.is_none_or(|from| at >= from)
        && filter.until.is_none_or(|until| at < until)
        && (filter.currency.is_none() || filter.currency == gift.currency)
        && filter
            .least
            .is_none_or(|least| gift.amount.is_some_and(|amount| amount >= least))
        && filter
            .most
            .is_none_or(|most| gift.amount.is_some_and(|amount| amount <= most))
}

fn expected(all: &[Transaction], filter: &Filter, order: Order) -> Vec<TransactionId> {
    let mut found: Vec<&Transaction> = all
        .iter()
        .enumerate()
        .filter(|(n, gift)| is_wanted(*n, gift, filter))
        .map(|(_, gift)| gift)
        .filter(|gift| order != Order::Lowest || gift.amount.is_some())
        .collect();
    let time = |gift: &Transaction| (gift.counted_at(), gift.id.clone());
    let value = |gift: &Transaction| (gift.amount.unwrap_or(-Decimal::ONE), gift.id.clone());
    match order {
        Order::Newest => found.sort_by_key(|gift| std::cmp::Reverse(time(gift))),
        Order::Oldest => found.sort_by_key(|gift| time(gift)),
        Order::Highest => found.sort_by_key(|gift| std::cmp::Reverse(value(gift))),
        Order::Lowest => found.sort_by_key(|gift| value(gift)),
    }
    found.into_iter().map(|gift| gift.id.clone()).collect()
}

fn filters() -> Vec<Filter> {
    let none = Filter::default;
    let at = |hours| -> Option<DateTime<Utc>> { Some(now() - TimeDelta::hours(hours)) };
    let terms = |text| search::terms(text);
    let text = |text: &str| Some(text.to_owned());
    let mut filters = vec![
        none(),
        Filter {
            terms: terms("jos"),
            ..none()
        },
        Filter {
            terms: terms("jose nunez"),
            ..none()
        },
        Filter {
            terms: terms("txn_007@client.example"),
            ..none()
        },
        Filter {
            terms: terms("client.example roux"),
            ..none()
        },
        Filter {
            terms: terms("nobody"),
            ..none()
        },
        Filter {
            gift_type: text("Lunch"),
            ..none()
        },
        Filter {
            sender: text("dana@acme.example"),
            ..none()
        },
        Filter {
            sender: text("Dana Reyes"),
            ..none()
        },
        Filter {
            link: Some(Link::Linked),
            ..none()
        },
        Filter {
            link: Some(Link::Orphan),
            ..none()
        },
        Filter {
            failed: true,
            ..none()
        },
        Filter {
            from: at(12),
            until: at(3),
            ..none()
        },
        Filter {
            currency: text("EUR"),
            ..none()
        },
        Filter {
            least: Some(Decimal::new(6, 0)),
            ..none()
        },
        Filter {
            most: Some(Decimal::new(5, 0)),
            ..none()
        },
        Filter {
            least: Some(Decimal::ZERO),
            most: Some(Decimal::MAX),
            ..none()
        },
        Filter {
            terms: terms("sam"),
            reached: Some(Reached::Sent),
            from: at(15),
            link: Some(Link::Linked),
            ..none()
        },
        Filter {
            terms: terms("dana okafor"),
            gift_type: text("Coffee"),
            ..none()
        },
    ];
    filters.extend(Status::ALL.map(|status| Filter {
        status: Some(status),
        ..none()
    }));
    filters.extend(Step::ALL.map(|step| Filter {
        reached: Some(Reached::Step(step)),
        ..none()
    }));
    filters
}

#[tokio::test]
async fn every_filter_in_every_order_shows_what_it_says_page_by_page() {
    let world = world().await;
    let (portal, all) = filled(&world).await;
    let other = world.portal(2, "UTC").await;
    world.store(other, &some_gifts()).await;
    let mut tx = world.db.begin(portal).await.unwrap();
    for filter in filters() {
        for order in [Order::Newest, Order::Oldest, Order::Highest, Order::Lowest] {
            let expected = expected(&all, &filter, order);
            // Whichever way the words are looked up, the list is the same.
            let mut lookups = vec![lookup(&mut tx, portal, &filter, order).await];
            if !filter.terms.is_empty() {
                lookups.push(Lookup::Common);
                lookups.extend((0..filter.terms.len()).map(Lookup::Rare));
            }
            for lookup in lookups {
                let walked = walk(&mut tx, portal, &filter, &lookup, order).await;
                assert_eq!(walked, expected, "{filter:?} {lookup:?} {order:?}");
                let whole = (order, &Place::Start);
                let whole = gifts::list(&mut tx, portal, &filter, &lookup, whole, 50_000)
                    .await
                    .unwrap();
                let whole: Vec<_> = whole.into_iter().map(|line| line.id).collect();
                assert_eq!(whole, expected, "{filter:?} {lookup:?} {order:?} in one");
            }
        }
    }
}

async fn lookup(tx: &mut store::Tx, portal: PortalScope, filter: &Filter, order: Order) -> Lookup {
    gifts::lookup(tx, portal, filter, order).await.unwrap()
}

#[tokio::test]
async fn a_term_that_only_one_word_begins_with_is_read_in_the_order_of_time() {
    let world = world().await;
    let portal = world.portal(1, "UTC").await;
    let named = |n: usize, name: &str| {
        let mut gift = gift(
            &format!("txn_{n}"),
            i64::try_from(n).unwrap(),
            &["delivered"],
        );
        gift.recipient.name = Some(name.into());
        gift
    };
    let gifts: Vec<_> = (0..40)
        .map(|n| {
            named(
                n,
                if n % 4 == 0 {
                    "Sam Okafor"
                } else {
                    "Samuel Okafor"
                },
            )
        })
        .collect();
    world.store(portal, &gifts).await;
    let mut tx = world.db.begin(portal).await.unwrap();
    let by_terms = |text: &str| Filter {
        terms: search::terms(text),
        ..Filter::default()
    };
    let found = lookup(&mut tx, portal, &by_terms("okaf"), Order::Newest).await;
    assert_eq!(found, Lookup::Words(0, vec!["okafor".into()]));
    let found = lookup(&mut tx, portal, &by_terms("sam"), Order::Newest).await;
    let both = vec!["sam".to_owned(), "samuel".to_owned()];
    assert_eq!(found, Lookup::Words(0, both));
    // With another word some of them are left out, so their gifts cannot be merged page by page.
    let found = lookup(&mut tx, portal, &by_terms("sam nobody"), Order::Newest).await;
    assert_eq!(found, Lookup::Rare(1));
    // `samuel` leads to fewer gifts than `okafor`.
    let found = lookup(&mut tx, portal, &by_terms("okafor samu"), Order::Oldest).await;
    assert_eq!(found, Lookup::Words(1, vec!["samuel".into()]));
    // By amount, its gifts stand in no order.
    let found = lookup(&mut tx, portal, &by_terms("okaf"), Order::Highest).await;
    assert_eq!(found, Lookup::Rare(0));
    let found = lookup(&mut tx, portal, &by_terms("nobody"), Order::Newest).await;
    assert_eq!(found, Lookup::Rare(0));
}

/// The list, page by page to its end; and back from there, which must be the same.
async fn walk(
    tx: &mut store::Tx,
    portal: PortalScope,
    filter: &Filter,
    lookup: &Lookup,
    order: Order,
) -> Vec<TransactionId> {
    let mut forwards: Vec<TransactionId> = Vec::new();
    let mut place = Place::Start;
    loop {
        let page = gifts::list(tx, portal, filter, lookup, (order, &place), 7)
            .await
            .unwrap();
        let Some(last) = page.last() else { break };
        place = Place::After(last.id.clone());
        forwards.extend(page.into_iter().map(|line| line.id));
    }
    let Some(last) = forwards.last() else {
        return forwards;
    };
    let mut backwards = vec![last.clone()];
    loop {
        let place = Place::Before(backwards[0].clone());
        let page = gifts::list(tx, portal, filter, lookup, (order, &place), 7)
            .await
            .unwrap();
        if page.is_empty() {
            break;
        }
        backwards.splice(0..0, page.into_iter().map(|line| line.id));
    }
    assert_eq!(forwards, backwards, "{filter:?} {lookup:?} {order:?}");
    forwards
}

#[tokio::test]
async fn words_follow_the_gift() {
    let world = world().await;
    let portal = world.portal(1, "UTC").await;
    let mut one = gift("txn_1", 5, &["delivered"]);
    one.recipient.name = Some("Sam Okafor".into());
    world.store(portal, std::slice::from_ref(&one)).await;
    let found = async |text: &str| {
        let mut tx = world.db.begin(portal).await.unwrap();
        let filter = Filter {
            terms: search::terms(text),
            ..Filter::default()
        };
        let lookup = lookup(&mut tx, portal, &filter, Order::Newest).await;
        let from = (Order::Newest, &Place::Start);
        let list = gifts::list(&mut tx, portal, &filter, &lookup, from, 10).await;
        list.unwrap().len()
    };
    assert_eq!((found("okafor").await, found("reyes").await), (1, 0));
    one.recipient.name = Some("Sam Reyes".into());
    // The time moves as well: it was scheduled before.
    one.history[0].at -= TimeDelta::days(1);
    one.updated_at += TimeDelta::hours(1);
    world.store(portal, std::slice::from_ref(&one)).await;
    assert_eq!((found("okafor").await, found("reyes").await), (0, 1));
    assert_eq!(found("sam").await, 1);
    let mut owner = world.scratch.rows("gift_words", portal).await;
    owner.retain(|row| row["word"] == "okafor");
    assert_eq!(owner, Vec::<serde_json::Value>::new());
}
