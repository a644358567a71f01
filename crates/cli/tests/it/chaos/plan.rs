//! One number decides what happens: the world, how many workers there are, and every fault with its time.

use std::fmt;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use sandbox::{Action, Fault, FaultBody, Odds};

use super::wire::Mood;

/// Where a fault of the network strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    Postgres,
    Redis,
    HubSpot,
    Thnks,
}

/// What happens.
#[derive(Debug, Clone)]
pub enum Act {
    /// SIGKILL of a worker, which is started again after the pause.
    Kill {
        worker: usize,
        down: Duration,
    },
    /// SIGSTOP, and SIGCONT once its leases have run out.
    Freeze {
        worker: usize,
        lasts: Duration,
    },
    /// `pg_ctl stop -m immediate`, and the start after the pause.
    CrashPostgres {
        down: Duration,
    },
    /// SIGKILL, and a start of an empty one after the pause.
    CrashRedis {
        down: Duration,
    },
    FlushRedis,
    /// A wire in a mood, for a time.
    Wire {
        line: Line,
        mood: Mood,
        lasts: Duration,
    },
    /// All connections of a wire are reset.
    Cut {
        line: Line,
    },
    /// A fault that HubSpot has for the next calls.
    HubSpot {
        fault: Fault,
    },
    /// A portal's access tokens expire.
    Expire {
        portal: usize,
    },
    /// New gifts to people who have had one.
    Send {
        portal: usize,
        gifts: usize,
    },
    /// So many gifts reach their next status.
    Advance {
        portal: usize,
        gifts: usize,
    },
}

/// An act and when it happens after the beginning.
#[derive(Debug, Clone)]
pub struct Event {
    pub at: Duration,
    pub act: Act,
}

/// Everything that a seed decides.
#[derive(Debug, Clone)]
pub struct Plan {
    pub seed: u64,
    /// Gifts of each portal at the beginning.
    pub gifts: Vec<usize>,
    pub workers: usize,
    /// `HUBSPOT_RATE_PER_10S`
    pub rate: u32,
    /// Faults of HubSpot's throughout: writes that are done and not answered, answers that are late.
    pub throughout: Vec<Fault>,
    /// In the order of their times.
    pub events: Vec<Event>,
}

/// Longer than a lease, so that another worker has the portal when the sleeper wakes.
const FREEZE: Duration = Duration::from_secs(23);

struct Dice(StdRng);

impl Dice {
    fn millis(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(self.0.random_range(from..to))
    }

    fn one<T: Clone>(&mut self, of: &[T]) -> T {
        of.choose(&mut self.0).unwrap().clone()
    }

    /// A moment of the schedule, not within its first seconds.
    fn moment(&mut self, length: Duration) -> Duration {
        let end = u64::try_from(length.as_millis()).unwrap();
        self.millis(3_000, end)
    }
}

impl Plan {
    pub fn of(seed: u64) -> Self {
        let mut dice = Dice(StdRng::seed_from_u64(seed));
        let length = dice.millis(35_000, 42_000);
        let portals = dice.0.random_range(2..=3);
        let gifts = (0..portals)
            .map(|_| dice.0.random_range(300..=1_500))
            .collect();
        let workers = dice.0.random_range(2..=4);
        let rate = dice.one(&[60, 100, 100]);
        let throughout = throughout(&mut dice);
        let mut events = Vec::new();
        workers_die(&mut dice, workers, length, &mut events);
        servers_crash(&mut dice, length, &mut events);
        wires_fail(&mut dice, length, &mut events);
        hubspot_fails(&mut dice, portals, length, &mut events);
        life_goes_on(&mut dice, portals, length, &mut events);
        events.sort_by_key(|event| event.at);
        Self {
            seed,
            gifts,
            workers,
            rate,
            throughout,
            events,
        }
    }

    /// One portal with so many gifts that its backfill outlasts `kills` of its workers, and no other fault. While one of the two
    /// is dead the other one takes the portal.
    pub fn of_kills(seed: u64, kills: usize) -> Self {
        let slow = Fault {
            times: u64::MAX,
            ..Fault::once("objects.batch_upsert", Action::Delay { millis: 700 })
        };
        Self {
            seed,
            gifts: vec![2_000 * (kills + 1)],
            workers: 2,
            rate: 100,
            throughout: vec![slow],
            events: Vec::new(),
        }
    }

    /// The acts of one kind, in order.
    pub fn lane(&self, takes: fn(&Act) -> bool) -> Vec<Event> {
        let taken = self.events.iter().filter(|event| takes(&event.act));
        taken.cloned().collect()
    }
}

fn throughout(dice: &mut Dice) -> Vec<Fault> {
    let mut share = |kind: &str, percent, action, apply| Fault {
        times: u64::MAX,
        apply,
        odds: Some(Odds {
            percent,
            seed: dice.0.random(),
        }),
        ..Fault::once(kind, action)
    };
    let lost = || Action::Hang { millis: 1_200 };
    vec![
        share("objects.batch_upsert", 10, lost(), true),
        share("associations.batch_create", 10, lost(), true),
        // Slow enough that there is a middle to strike in.
        share(
            "objects.batch_upsert",
            70,
            Action::Delay { millis: 700 },
            false,
        ),
        share(
            "associations.batch_create",
            70,
            Action::Delay { millis: 500 },
            false,
        ),
        share(
            "objects.batch_read",
            50,
            Action::Delay { millis: 400 },
            false,
        ),
    ]
}

fn workers_die(dice: &mut Dice, workers: usize, length: Duration, events: &mut Vec<Event>) {
    let frozen = dice.0.random_range(0..workers);
    let latest = u64::try_from(length.saturating_sub(FREEZE).as_millis()).unwrap();
    let froze_at = dice.millis(4_000, latest);
    events.push(Event {
        at: froze_at,
        act: Act::Freeze {
            worker: frozen,
            lasts: FREEZE,
        },
    });
    let others: Vec<usize> = (0..workers).filter(|worker| *worker != frozen).collect();
    for _ in 0..dice.0.random_range(6..=9) {
        let at = dice.moment(length);
        // Whoever sleeps is not killed: what it does once it wakes is the point.
        let sleeps =
            froze_at.saturating_sub(Duration::from_secs(1)) <= at && at <= froze_at + FREEZE;
        let worker = if sleeps {
            dice.one(&others)
        } else {
            dice.0.random_range(0..workers)
        };
        let down = dice.millis(200, 4_000);
        events.push(Event {
            at,
            act: Act::Kill { worker, down },
        });
    }
}

fn servers_crash(dice: &mut Dice, length: Duration, events: &mut Vec<Event>) {
    for act in [
        Act::CrashPostgres {
            down: dice.millis(100, 2_000),
        },
        Act::CrashRedis {
            down: dice.millis(100, 4_000),
        },
        Act::FlushRedis,
    ] {
        let at = dice.moment(length);
        events.push(Event { at, act });
    }
}

fn wires_fail(dice: &mut Dice, length: Duration, events: &mut Vec<Event>) {
    let all = [Line::Postgres, Line::Redis, Line::HubSpot, Line::Thnks];
    for _ in 0..dice.0.random_range(3..=5) {
        let (at, line) = (dice.moment(length), dice.one(&all));
        let moods = [
            Mood::Slow(dice.millis(5, 60)),
            Mood::CutAfter(dice.0.random_range(1..5_000)),
            Mood::Silent,
            Mood::Refusing,
        ];
        let mood = dice.one(&moods);
        let lasts = dice.millis(800, 3_500);
        let act = Act::Wire { line, mood, lasts };
        events.push(Event { at, act });
    }
    let (at, line) = (dice.moment(length), dice.one(&all));
    events.push(Event {
        at,
        act: Act::Cut { line },
    });
}

fn hubspot_fails(dice: &mut Dice, portals: usize, length: Duration, events: &mut Vec<Event>) {
    let status = |status, body| Action::Status {
        status,
        body,
        retry_after: None,
    };
    let answers = [
        (
            Action::Throttle {
                policy: "TEN_SECONDLY_ROLLING".to_owned(),
                retry_after: Some(1),
            },
            false,
        ),
        (Action::Locked, false),
        (Action::Moving { retry_after: 1 }, false),
        (status(500, FaultBody::Json), false),
        (status(503, FaultBody::Empty), false),
        (status(502, FaultBody::Html), false),
        (status(200, FaultBody::Html), true),
        (Action::Reset, false),
        (Action::Reset, true),
        (status(200, FaultBody::Truncated), true),
    ];
    for (action, apply) in answers {
        let kinds = ["objects.*", "associations.*", "objects.batch_upsert"];
        let fault = Fault {
            times: dice.0.random_range(1..=3),
            apply,
            ..Fault::once(dice.one(&kinds), action)
        };
        let at = dice.moment(length);
        events.push(Event {
            at,
            act: Act::HubSpot { fault },
        });
    }
    for portal in 0..portals {
        for _ in 0..dice.0.random_range(1..=2) {
            let at = dice.moment(length);
            events.push(Event {
                at,
                act: Act::Expire { portal },
            });
        }
    }
    // One refresh of tokens is done and its answer lost.
    let fault = Fault {
        apply: true,
        ..Fault::once("oauth.refresh", Action::Reset)
    };
    let at = dice.moment(length);
    events.push(Event {
        at,
        act: Act::HubSpot { fault },
    });
}

fn life_goes_on(dice: &mut Dice, portals: usize, length: Duration, events: &mut Vec<Event>) {
    let mut at = Duration::from_secs(2);
    while at < length {
        let portal = dice.0.random_range(0..portals);
        let act = if dice.0.random_bool(0.4) {
            Act::Send {
                portal,
                gifts: dice.0.random_range(5..40),
            }
        } else {
            Act::Advance {
                portal,
                gifts: dice.0.random_range(20..250),
            }
        };
        events.push(Event { at, act });
        at += dice.millis(300, 1_500);
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "seed {}: portals with {:?} gifts, {} workers, {} calls per 10 s",
            self.seed, self.gifts, self.workers, self.rate
        )?;
        for fault in &self.throughout {
            writeln!(f, "  throughout  {}", Told(fault))?;
        }
        for Event { at, act } in &self.events {
            writeln!(f, "  {:>6.2} s    {act}", at.as_secs_f64())?;
        }
        Ok(())
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kill { worker, down } => {
                write!(f, "SIGKILL of worker {worker}, back after {down:?}")
            }
            Self::Freeze { worker, lasts } => write!(f, "SIGSTOP of worker {worker} for {lasts:?}"),
            Self::CrashPostgres { down } => {
                write!(f, "PostgreSQL stopped with -m immediate for {down:?}")
            }
            Self::CrashRedis { down } => write!(f, "Redis killed, back empty after {down:?}"),
            Self::FlushRedis => write!(f, "Redis flushed"),
            Self::Wire { line, mood, lasts } => {
                write!(f, "wire to {line:?} is {mood:?} for {lasts:?}")
            }
            Self::Cut { line } => write!(f, "wire to {line:?} is cut"),
            Self::HubSpot { fault } => write!(f, "HubSpot: {}", Told(fault)),
            Self::Expire { portal } => write!(f, "tokens of portal {portal} expire"),
            Self::Send { portal, gifts } => write!(f, "{gifts} new gifts of portal {portal}"),
            Self::Advance { portal, gifts } => {
                write!(f, "{gifts} gifts of portal {portal} get a new status")
            }
        }
    }
}

struct Told<'a>(&'a Fault);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Fault {
            kind,
            times,
            apply,
            odds,
            action,
            ..
        } = self.0;
        match odds {
            Some(odds) => write!(f, "{} % of {kind}: {action:?}", odds.percent)?,
            None => write!(f, "the next {times} of {kind}: {action:?}")?,
        }
        if *apply {
            write!(f, ", though the call is done")?;
        }
        Ok(())
    }
}

#[test]
fn a_seed_makes_the_same_plan_and_every_plan_has_each_fault() {
    for seed in 0..200 {
        let plan = Plan::of(seed);
        assert_eq!(plan.to_string(), Plan::of(seed).to_string());
        let count = |takes: fn(&Act) -> bool| plan.lane(takes).len();
        assert!(count(|act| matches!(act, Act::Kill { .. })) >= 5);
        assert_eq!(count(|act| matches!(act, Act::Freeze { .. })), 1);
        assert_eq!(count(|act| matches!(act, Act::CrashPostgres { .. })), 1);
        assert_eq!(count(|act| matches!(act, Act::CrashRedis { .. })), 1);
        assert_eq!(count(|act| matches!(act, Act::FlushRedis)), 1);
        assert!(count(|act| matches!(act, Act::Wire { .. })) >= 3);
        assert!(count(|act| matches!(act, Act::HubSpot { .. })) >= 11);
        assert!(count(|act| matches!(act, Act::Expire { .. })) >= 2);
        assert!(count(|act| matches!(act, Act::Send { .. } | Act::Advance { .. })) >= 20);
    }
    assert_ne!(Plan::of(1).to_string(), Plan::of(2).to_string());
}
