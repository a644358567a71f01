//! What a portal must see: plain maps, in this test's own words.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Debug};

use chrono::{DateTime, TimeDelta, Utc};
use domain::association::{DealFacts, Decision, Outcome as Linking};
use domain::failure::{Selection, Stage};
use domain::matching::{Recipient, Rules};
use domain::notice::NoticeKind;
use domain::portal::Need;
use domain::run::{RunKind, RunState};
use domain::trouble::Trouble;
use domain::{RunId, Transaction, TransactionId};
use rust_decimal::Decimal;
use store::attempts::{Outcome as Tried, What};
use store::members::Role;
use store::pipelines;
use store::{Conn, PortalScope};
use uuid::Uuid;

use crate::harness::{gift, hash, now};

/// Every text that a portal stores has its mark, so that another's is seen wherever it comes out. None is part of a word
/// that the product writes.
pub const MARKS: [&str; 3] = ["alder", "birch", "cedar"];
/// How many transactions each portal may have: the same ids in each.
pub const GIFTS: usize = 10;
/// The contacts to which all portals link.
pub const CONTACTS: [i64; 2] = [7, 8];
/// The run in whose name all portals list.
pub const RUN: RunId = RunId(Uuid::from_u128(1));
/// The run in whose name HubSpot refuses.
pub const OTHER_RUN: RunId = RunId(Uuid::from_u128(2));
/// A word of every payload, error and account.
pub const PRIVATE: &str = "private";

#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "the columns are")]
pub struct Gift {
    pub told: Transaction,
    pub desired: Vec<u8>,
    pub applied: Option<Vec<u8>>,
    pub record: Option<i64>,
    pub failure: Option<String>,
    pub dismissed: Option<Vec<u8>>,
    pub due: bool,
    pub link_refused: bool,
    pub outcome: Option<Linking>,
    pub contact: Option<i64>,
    pub companies: BTreeSet<i64>,
    pub deals: BTreeSet<i64>,
    pub decision: Option<Decision>,
    pub version: i32,
    pub hand: Option<Linking>,
    pub former: BTreeSet<i64>,
    pub of_another: bool,
    pub erased: bool,
}

impl Gift {
    pub fn new(told: Transaction) -> Self {
        Self {
            desired: hash(&told),
            told,
            applied: None,
            record: None,
            failure: None,
            dismissed: None,
            due: true,
            link_refused: false,
            outcome: None,
            contact: None,
            companies: BTreeSet::new(),
            deals: BTreeSet::new(),
            decision: None,
            version: 0,
            hand: None,
            former: BTreeSet::new(),
            of_another: false,
            erased: false,
        }
    }

    pub fn id(&self) -> &str {
        self.told.id.as_str()
    }

    pub fn is_given_up(&self) -> bool {
        self.dismissed.as_ref() == Some(&self.desired)
    }

    pub fn is_dirty(&self) -> bool {
        self.applied.as_ref() != Some(&self.desired) && !self.is_given_up()
    }

    pub fn is_failed(&self) -> bool {
        self.failure.is_some() && !self.is_given_up()
    }

    pub fn is_link_failed(&self) -> bool {
        self.due && self.link_refused
    }

    pub fn refusal(&self) -> Option<&String> {
        self.decision
            .as_ref()
            .and_then(|decision| decision.refusals.first())
    }

    pub fn is_due(&self) -> bool {
        self.due && self.record.is_some() && self.hand.is_none() && !self.erased
    }

    pub fn is_orphan(&self) -> bool {
        self.record.is_some() && self.contact.is_none() && self.outcome.is_some()
    }

    /// An orphan that has something to look for.
    pub fn is_lookable(&self) -> bool {
        let key = self.told.recipient_key();
        self.record.is_some() && self.contact.is_none() && self.hand.is_none() && key.is_some()
    }

    pub fn is_sent(&self) -> bool {
        self.told.status() != domain::Status::Scheduled
    }

    pub fn part_with_contact(&mut self) {
        self.former.extend(self.contact.take());
    }

    /// The record is gone, and every link with it.
    pub fn part_with_record(&mut self) {
        self.applied = None;
        self.record = None;
        self.part_with_links();
        self.due = true;
    }

    pub fn part_with_links(&mut self) {
        self.part_with_contact();
        self.companies.clear();
        self.deals.clear();
        self.of_another = false;
        self.hand = self.hand.filter(|hand| *hand == Linking::UnlinkedByHand);
    }
}

#[derive(Debug, Clone)]
pub struct Row {
    pub transaction_id: Option<String>,
    pub reason: String,
    pub last_seen_at: DateTime<Utc>,
    pub is_dismissed: bool,
    pub reread: bool,
    pub is_private: bool,
}

#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "the columns are")]
pub struct Run {
    pub kind: RunKind,
    pub state: RunState,
    pub is_started: bool,
    pub starts: i32,
    pub is_held: bool,
    pub wanted_again: bool,
    pub done: i64,
    pub is_private: bool,
    pub error: Option<String>,
    pub created_at: DateTime<Utc>,
    pub finished_at: Option<DateTime<Utc>>,
}

impl Run {
    pub fn is_open(&self) -> bool {
        matches!(self.state, RunState::Queued | RunState::Running)
    }

    /// Whether pages show it.
    pub fn is_shown(&self) -> bool {
        self.kind != RunKind::Check && (self.kind != RunKind::Link || self.done > 0)
    }

    pub fn end(&mut self, state: RunState, error: Option<&str>, at: DateTime<Utc>) {
        self.state = state;
        self.error = error.map(str::to_owned);
        self.finished_at = Some(at);
    }
}

#[derive(Debug, Clone)]
pub struct Member {
    pub email: String,
    pub role: Role,
    pub joined_at: DateTime<Utc>,
}

#[derive(Debug, Clone)]
pub struct Grant {
    pub token: String,
    pub generation: i64,
    pub refusals: i32,
    pub refused_at: Option<DateTime<Utc>>,
    pub scopes: Vec<String>,
}

#[derive(Debug, Clone)]
pub struct Thnks {
    pub api_key: String,
    pub organization_id: Option<String>,
    pub name: String,
}

#[derive(Debug, Clone)]
pub struct Settings {
    pub emails: Vec<String>,
    pub kinds: Vec<NoticeKind>,
    pub webhook_url: Option<String>,
    pub secret: Option<String>,
}

#[derive(Debug, Clone)]
pub struct Delivery {
    pub created_at: DateTime<Utc>,
    pub target: String,
    pub due_at: DateTime<Utc>,
    pub is_open: bool,
    pub attempts: i32,
    pub last_error: Option<String>,
}

/// An attempt to write, as a page shows it.
pub type Attempt = (What, Tried, Option<String>, DateTime<Utc>);

/// A portal. Empty, it is what a portal sees of another one's rows.
#[derive(Debug, Clone, Default)]
pub struct Model {
    pub is_installed: bool,
    pub hub_domain: Option<String>,
    pub object_type_id: Option<String>,
    pub rules: Rules,
    pub needs: Vec<Need>,
    pub checked_at: Option<DateTime<Utc>>,
    pub synced_through: Option<DateTime<Utc>>,
    pub backfilled_at: Option<DateTime<Utc>>,
    pub paused_at: Option<DateTime<Utc>>,
    pub disconnected_at: Option<DateTime<Utc>>,
    pub next_sync_at: Option<DateTime<Utc>>,
    pub erasure_key: Option<String>,
    pub gifts: BTreeMap<String, Gift>,
    /// Transaction, status, time.
    pub events: BTreeSet<(String, String, DateTime<Utc>)>,
    pub attempts: BTreeMap<String, Vec<Attempt>>,
    pub deals: BTreeMap<(String, i64), DealFacts>,
    pub rejected: BTreeMap<String, Row>,
    /// Another address, and the contact that is meant, of a recipient.
    pub remedies: BTreeMap<String, (Option<String>, Option<i64>)>,
    pub tombstones: BTreeSet<Vec<u8>>,
    pub stages: BTreeMap<(String, String), pipelines::Stage>,
    pub runs: BTreeMap<Uuid, Run>,
    pub lease: Option<RunId>,
    pub fence: i64,
    pub members: BTreeMap<i64, Member>,
    /// Whose, by the token.
    pub sessions: BTreeMap<Vec<u8>, (i64, String)>,
    /// Actor, action, detail, the oldest first.
    pub audit: Vec<(DateTime<Utc>, String, String, String)>,
    pub grant: Option<Grant>,
    pub thnks: Option<Thnks>,
    pub trouble: Trouble,
    pub settings: Option<Settings>,
    pub deliveries: BTreeMap<Uuid, Delivery>,
}

impl Model {
    pub fn recipient(&self, gift: &Gift) -> Recipient {
        let email = gift.told.recipient_key();
        let remedy = email.as_ref().and_then(|email| self.remedies.get(email));
        let (alias, chosen) = remedy.cloned().unwrap_or_default();
        Recipient {
            email,
            phone: None,
            alias,
            chosen: chosen.map(domain::RecordId),
        }
    }

    pub fn open_runs(&self) -> Vec<RunId> {
        let open = self.runs.iter().filter(|(_, run)| run.is_open());
        open.map(|(id, _)| RunId(*id)).collect()
    }

    /// The gifts that were sent: reports count no others.
    pub fn sent(&self) -> impl Iterator<Item = &Gift> {
        self.gifts.values().filter(|gift| gift.is_sent())
    }

    pub fn note_attempt(&mut self, id: &str, attempt: Attempt) {
        self.attempts
            .entry(id.to_owned())
            .or_default()
            .push(attempt);
    }
}

/// Numbers out of one seed, so that a step does the same each time.
#[derive(Debug, Clone)]
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self, sides: usize) -> usize {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        usize::try_from(mixed % u64::try_from(sides.max(1)).unwrap()).unwrap()
    }

    pub fn is(&mut self, one_in: usize) -> bool {
        self.roll(one_in) == 0
    }

    pub fn pick<T: Clone>(&mut self, from: &[T]) -> Option<T> {
        let at = self.roll(from.len());
        from.get(at).cloned()
    }

    /// Some of them: each with the same chance.
    pub fn some<T>(&mut self, from: impl IntoIterator<Item = T>) -> Vec<T> {
        from.into_iter().filter(|_| self.is(2)).collect()
    }

    /// Ids of gifts, whether there are such or not.
    pub fn ids(&mut self) -> Vec<String> {
        self.some((0..GIFTS).map(gift_id))
    }

    pub fn email(&mut self) -> String {
        recipient(self.roll(4))
    }
}

pub fn gift_id(n: usize) -> String {
    format!("txn_{n}")
}

pub fn recipient(n: usize) -> String {
    format!("r{n}@client.example")
}

/// What Thnks tells of a gift at this tick: always newer than what it told before.
pub fn tell(dice: &mut Dice, n: usize, mark: &str, tick: i64) -> Transaction {
    const STORIES: [&[&str]; 6] = [
        &[],
        &["delivered"],
        &["delivered", "opened"],
        &["opened", "redeemed"],
        &["expired"],
        &["expired", "refunded"],
    ];
    let hours = i64::try_from(n).unwrap() * 24 + tick % 7;
    let mut told = gift(&gift_id(n), hours, STORIES[dice.roll(STORIES.len())]);
    if told.history.len() == 1 && dice.is(2) {
        told.history[0].status = "scheduled".into();
        told.reported_status = "scheduled".into();
    }
    told.updated_at = now() + TimeDelta::minutes(tick);
    told.gift_name = Some(format!("{mark} {tick}"));
    told.gift_type = match dice.roll(3) {
        0 => Some("Coffee".into()),
        1 => Some(format!("{mark} tea")),
        _ => None,
    };
    told.amount = [Some(500), Some(1_250), None][dice.roll(3)].map(|cents| Decimal::new(cents, 2));
    told.currency = told.amount.map(|_| ["USD", "EUR"][dice.roll(2)].to_owned());
    told.message = Some(format!("{PRIVATE} {mark}"));
    told.sender.name = Some(format!("Dana {mark}"));
    told.sender.email = Some("dana@acme.example".into());
    told.recipient.email = Some(recipient(n % 4));
    told
}

/// What a machine cannot go on after.
#[derive(Debug)]
pub enum Surprise {
    /// A portal saw something else than it must.
    Differs(String),
    /// The database refused.
    Refused(store::Error),
}

impl From<store::Error> for Surprise {
    fn from(error: store::Error) -> Self {
        Self::Refused(error)
    }
}

impl fmt::Display for Surprise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Differs(how) => f.write_str(how),
            Self::Refused(error) => write!(f, "the database refused: {error:?}"),
        }
    }
}

pub type Outcome<T = ()> = Result<T, Surprise>;

/// One step of one portal.
pub struct Turn<'a> {
    /// In a transaction.
    pub conn: &'a mut Conn,
    pub scope: PortalScope,
    /// The portal's own mark.
    pub mark: &'static str,
    /// Whose mark may be seen: that of the transaction's portal.
    pub may_see: &'static str,
    /// What must be seen, and after an act: what must be seen from now on.
    pub model: &'a mut Model,
    /// Whether it must: where only the security of rows holds, a scope on another portal's transaction sees that portal.
    pub is_judged: bool,
    /// Where ids are taken from: all that the scope's portal has.
    pub lure: &'a Model,
    pub dice: Dice,
    pub tick: i64,
    pub at: DateTime<Utc>,
}

impl Turn<'_> {
    /// Compares what is seen with what must be; nothing that is seen may have another portal's mark.
    pub fn same<T: Debug + PartialEq>(&self, what: &str, seen: &T, known: &T) -> Outcome {
        let text = format!("{seen:?}");
        let stranger = |mark: &&&str| **mark != self.may_see && text.contains(**mark);
        if let Some(mark) = MARKS.iter().find(stranger) {
            return Err(Surprise::Differs(format!(
                "{what}: {} sees what is {mark}'s: {text}",
                self.mark
            )));
        }
        if self.is_judged && seen != known {
            return Err(Surprise::Differs(format!(
                "{what}: {} sees {text} and not {known:?}",
                self.mark
            )));
        }
        Ok(())
    }

    /// A text of this portal and of this step.
    pub fn text(&self) -> String {
        format!("{PRIVATE} {} {}", self.mark, self.tick)
    }

    /// Failures to give up or to try again: all, or one.
    pub fn selection(&mut self) -> Selection {
        let stage = [
            None,
            Some(Stage::Record),
            Some(Stage::Row),
            Some(Stage::Link),
        ];
        let stage = stage[self.dice.roll(4)];
        let key = gift_id(self.dice.roll(GIFTS));
        Selection {
            stage,
            key: stage.map(|_| key),
            ..Selection::default()
        }
    }
}

/// Whether a selection contains a failure.
pub fn selects(selection: &Selection, stage: Stage, key: &str) -> bool {
    selection.stage.is_none_or(|one| one == stage)
        && selection.key.as_ref().is_none_or(|one| one == key)
}

pub fn transaction_ids(ids: &[String]) -> Vec<TransactionId> {
    ids.iter().cloned().map(TransactionId).collect()
}

pub fn count(n: usize) -> i64 {
    i64::try_from(n).unwrap()
}
