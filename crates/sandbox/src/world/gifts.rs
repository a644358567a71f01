//! A year of gifts: who sent what to whom. Some recipients get many, most few, some are no contacts.

use chrono::{DateTime, Datelike, TimeDelta, Utc, Weekday};
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

use super::{Recipient, history, malformed};
use crate::config::WorldSpec;
use crate::thnks::catalogue::{GIFTS, Gift};
use crate::thnks::gift_requests::new_id;
use crate::thnks::{Organization, Person, Row, names};

/// People of the organization who send gifts.
const SENDERS: usize = 14;
/// Share of the people outside the portal who have an e-mail, so that they can become contacts later.
const OUTSIDERS_WITH_EMAIL: f64 = 0.8;

/// Fills an organization.
pub(super) fn fill(
    organization: &Organization,
    spec: &WorldSpec,
    contacts: &[Recipient],
    rng: &mut StdRng,
) {
    let senders: Vec<Person> = (0..SENDERS)
        .map(|index| {
            let named = names::person(rng);
            Person {
                name: Some(named.full),
                email: Some(format!("{}{index}@acme.example", named.local)),
                phone: None,
            }
        })
        .collect();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a share of a count stays a small positive count"
    )]
    let orphans = (spec.transactions as f64 * spec.orphan_share).round() as usize;
    let outsiders: Vec<Recipient> = (0..(orphans * 2 / 3).max(1))
        .map(|i| outsider(i, rng))
        .collect();
    let gifts_total: u32 = GIFTS.iter().map(|gift| gift.weight).sum();
    let mut state = organization.state();
    // Orphans are spread evenly over the year.
    for index in 0..spec.transactions {
        let orphan = contacts.is_empty()
            || (index + 1) * orphans / spec.transactions.max(1)
                > index * orphans / spec.transactions.max(1);
        let to = if orphan {
            &outsiders[rng.random_range(0..outsiders.len())]
        } else if spec.even {
            &contacts[index % contacts.len()]
        } else {
            // The square of a uniform draw makes a few people popular.
            let draw: f64 = rng.random();
            pick(contacts, draw * draw)
        };
        let scheduled = rng.random_bool(0.05);
        let created = moment(spec, rng);
        let mut choice = rng.random_range(0..gifts_total);
        let gift = GIFTS
            .iter()
            .find(|gift| {
                let hit = choice < gift.weight;
                choice = choice.saturating_sub(gift.weight);
                hit
            })
            .unwrap_or(&GIFTS[0]);
        let sender = senders.choose(rng).cloned();
        let number = state.next_number();
        let row = row(
            Draft {
                organization,
                number,
                gift,
                sender,
                to,
                created,
                scheduled,
            },
            spec,
            rng,
        );
        state.put(row);
    }
    for index in 0..spec.bad_rows {
        let at = moment(spec, rng);
        let (place, value) = malformed::row(index, at);
        state.put_malformed(at, &place, value);
    }
}

fn pick(people: &[Recipient], share: f64) -> &Recipient {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "an index below the length"
    )]
    let index = (share * people.len() as f64) as usize;
    &people[index.min(people.len() - 1)]
}

fn outsider(index: usize, rng: &mut StdRng) -> Recipient {
    let named = names::person(rng);
    let emails = if rng.random_bool(OUTSIDERS_WITH_EMAIL) {
        vec![format!("{}.x{index}@elsewhere.example.net", named.local)]
    } else {
        Vec::new()
    };
    Recipient {
        name: named.full,
        emails,
        phone: Some(format!("+4479{:08}", 10_000_000 + index)),
    }
}

/// A moment within the spec's days, rather on working days and more often lately.
fn moment(spec: &WorldSpec, rng: &mut StdRng) -> DateTime<Utc> {
    let span = f64::from(spec.days) * 86_400_000_000.0;
    let mut at = spec.now;
    for _ in 0..3 {
        let draw: f64 = rng.random::<f64>().powf(1.3);
        #[expect(clippy::cast_possible_truncation, reason = "a year fits many times")]
        let back = (draw * span) as i64;
        at = spec.now - TimeDelta::microseconds(back);
        if !matches!(at.weekday(), Weekday::Sat | Weekday::Sun) {
            break;
        }
    }
    // Not all of Thnks' times have microseconds.
    if rng.random_bool(0.2) {
        DateTime::from_timestamp(at.timestamp(), 0).unwrap_or(at)
    } else {
        DateTime::from_timestamp_micros(at.timestamp_micros()).unwrap_or(at)
    }
}

struct Draft<'a> {
    organization: &'a Organization,
    number: u64,
    gift: &'a Gift,
    sender: Option<Person>,
    to: &'a Recipient,
    created: DateTime<Utc>,
    scheduled: bool,
}

fn row(draft: Draft<'_>, spec: &WorldSpec, rng: &mut StdRng) -> Row {
    let Draft {
        organization,
        number,
        gift,
        sender,
        to,
        created,
        scheduled,
    } = draft;
    let email = match to.emails.as_slice() {
        [] => None,
        [only] => Some(only.clone()),
        [primary, more @ ..] => {
            let additional = more.choose(rng).filter(|_| rng.random_bool(0.5));
            Some(additional.unwrap_or(primary).clone())
        }
    };
    let by_sms = email.is_none() || rng.random_bool(0.04);
    let email = email.map(|email| vary(email, rng));
    let story = history::story(created, scheduled, gift.kind == "Donation", spec.now, rng);
    let id = new_id(&organization.id, created, number);
    let tracking = id.trim_start_matches("txn_").to_lowercase();
    Row {
        gift_id: Some(gift.id),
        gift_name: Some(gift.name.to_owned()),
        gift_type: Some(gift.kind.to_owned()),
        amount: Some(gift.price.to_owned()),
        currency: Some(gift.currency.to_owned()),
        message: (rng.random_bool(0.8))
            .then(|| names::MESSAGES.choose(rng).map(|text| (*text).to_owned()))
            .flatten(),
        tracking_url: rng
            .random_bool(0.97)
            .then(|| format!("https://app.thnks.com/t/{tracking}")),
        delivery_type: Some(if by_sms { "sms" } else { "email" }.to_owned()),
        sender,
        recipient: Some(Person {
            name: rng.random_bool(0.985).then(|| to.name.clone()),
            email,
            phone: if by_sms { to.phone.clone() } else { None },
        }),
        status: story.status,
        history: story.steps,
        created_at: created,
        updated_at: story.updated_at,
        id,
    }
}

/// E-mails as people type them: other capitals, spaces around.
fn vary(email: String, rng: &mut StdRng) -> String {
    match rng.random_range(0..100) {
        0..=3 => email.to_uppercase(),
        4..=5 => {
            let mut letters = email.chars();
            let first = letters.next().map(|c| c.to_ascii_uppercase());
            first.into_iter().chain(letters).collect()
        }
        6 => format!(" {email}"),
        7 => format!("{email} "),
        _ => email,
    }
}
