//! The rate budget of a portal: when a call may go. This crate's own keeps count in one process; `worker` has one that
//! processes share.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use domain::HubId;
use domain::breaker::Breaker;
use tokio::time::Instant;

use crate::limits::{BUDGET_WINDOW, INTERACTIVE_PATIENCE, LONGEST_PATIENCE, LONGEST_WAIT};

/// Who waits for a call's answer. The order is that of precedence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CallClass {
    /// A person in front of a page.
    Interactive,
    /// An event that just came in.
    Webhook,
    /// The hourly sync.
    Sync,
    /// The import of history.
    Backfill,
}

impl CallClass {
    /// How many of `limit` calls per window this class may fill. Each class keeps a little free for those before it, five
    /// of a hundred in all: as calls leave the window, whoever comes first finds room first, so that a person's click never
    /// waits behind an import. Never less than one.
    pub fn share(self, limit: u32) -> u32 {
        let kept_free = match self {
            Self::Interactive => 0,
            Self::Webhook => limit / 50,
            Self::Sync => limit / 33,
            Self::Backfill => limit / 20,
        };
        limit.saturating_sub(kept_free).max(1)
    }

    /// For figures.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Interactive => "interactive",
            Self::Webhook => "webhook",
            Self::Sync => "sync",
            Self::Backfill => "backfill",
        }
    }

    /// The longest that a call of this class waits for its turn.
    pub fn patience(self) -> Duration {
        match self {
            Self::Interactive => INTERACTIVE_PATIENCE,
            Self::Webhook | Self::Sync | Self::Backfill => LONGEST_PATIENCE,
        }
    }
}

/// Why a call may not go now, and how long from now to wait before asking again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoTurn {
    /// The portal's calls are used up, or HubSpot asked it to slow down.
    Busy(Duration),
    /// HubSpot as a whole does not answer: one call a minute asks whether it is back.
    Down(Duration),
}

/// How much of a portal's budget is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Used {
    /// Calls of the window that ends now.
    pub calls: u32,
    /// How many there may be.
    pub limit: u32,
    /// For how long HubSpot has asked it to send nothing.
    pub blocked: Duration,
}

/// Spends a portal's calls. All calls of one portal have to go through budgets that know of each other.
#[async_trait]
pub trait Budget: Send + Sync {
    /// Waits until one call to the portal may go, and counts it. When that is longer than [`CallClass::patience`], or while
    /// HubSpot is down, no call is counted.
    async fn acquire(&self, hub: HubId, class: CallClass) -> Result<(), NoTurn>;

    /// HubSpot asks to slow down: no call of this portal goes, in any process, before `wait` is over.
    async fn block(&self, hub: HubId, wait: Duration);

    /// Whether HubSpot has answered a call, well or badly, or the call broke.
    async fn report(&self, answered: bool);

    /// Whether HubSpot as a whole counts as down.
    fn is_down(&self) -> bool;

    /// How much of their budgets these portals have used, in their order; `None` when it cannot be told now.
    async fn used(&self, _hubs: &[HubId]) -> Option<Vec<Used>> {
        None
    }
}

/// A budget for one process: an exact sliding window. In no span of [`BUDGET_WINDOW`] more than `limit` calls go.
#[derive(Debug)]
pub struct LocalBudget {
    limit: u32,
    windows: Mutex<HashMap<HubId, Window>>,
    breaker: Mutex<Breaker<Instant>>,
}

/// Portals after which windows without calls are swept out.
const SWEEP_ABOVE: usize = 256;

#[derive(Debug, Default)]
struct Window {
    /// When the calls of the last window went, oldest first.
    gone: VecDeque<Instant>,
    blocked_until: Option<Instant>,
}

impl Window {
    fn forget_before(&mut self, now: Instant) {
        while self
            .gone
            .front()
            .is_some_and(|at| *at + BUDGET_WINDOW <= now)
        {
            self.gone.pop_front();
        }
        self.blocked_until = self.blocked_until.filter(|until| *until > now);
    }

    /// Counts a call now, or says when to ask again.
    fn take(&mut self, now: Instant, share: usize) -> Result<(), Instant> {
        self.forget_before(now);
        if let Some(until) = self.blocked_until {
            return Err(until);
        }
        if let Some(excess) = self.gone.len().checked_sub(share) {
            // Room is there once all calls above the share, and one more, have left the window.
            return Err(self.gone[excess] + BUDGET_WINDOW);
        }
        self.gone.push_back(now);
        Ok(())
    }
}

impl LocalBudget {
    /// A budget of `limit` calls per window and portal; zero counts as one.
    pub fn new(limit: u32) -> Self {
        Self {
            limit: limit.max(1),
            windows: Mutex::default(),
            breaker: Mutex::default(),
        }
    }

    /// Counts a call now and says when that was, or says when to ask again. Never waits.
    pub fn take(&self, hub: HubId, class: CallClass) -> Result<Instant, Instant> {
        let now = Instant::now();
        let share = usize::try_from(class.share(self.limit)).unwrap_or(usize::MAX);
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        if windows.len() > SWEEP_ABOVE {
            windows.retain(|_, window| {
                window.forget_before(now);
                !window.gone.is_empty() || window.blocked_until.is_some()
            });
        }
        windows
            .entry(hub)
            .or_default()
            .take(now, share)
            .map(|()| now)
    }

    /// Whether HubSpot as a whole is up, as far as this process knows; while it is down one call a minute passes, and all
    /// others are told when the next one will.
    pub fn pass(&self) -> Result<(), Instant> {
        let mut breaker = self.breaker.lock().unwrap_or_else(PoisonError::into_inner);
        breaker.pass(Instant::now())
    }

    /// The call that [`Self::take`] counted at `taken` does not go.
    pub fn give_back(&self, hub: HubId, taken: Instant) {
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(window) = windows.get_mut(&hub)
            && let Some(place) = window.gone.iter().rposition(|at| *at == taken)
        {
            window.gone.remove(place);
        }
    }
}

#[async_trait]
impl Budget for LocalBudget {
    async fn acquire(&self, hub: HubId, class: CallClass) -> Result<(), NoTurn> {
        let give_up_at = Instant::now() + class.patience();
        loop {
            match self.take(hub, class) {
                Ok(taken) => {
                    return self.pass().map_err(|probe_at| {
                        self.give_back(hub, taken);
                        NoTurn::Down(probe_at.saturating_duration_since(Instant::now()))
                    });
                }
                Err(ask_again) if ask_again > give_up_at => {
                    return Err(NoTurn::Busy(ask_again.duration_since(Instant::now())));
                }
                Err(ask_again) => tokio::time::sleep_until(ask_again).await,
            }
        }
    }

    async fn report(&self, answered: bool) {
        let mut breaker = self.breaker.lock().unwrap_or_else(PoisonError::into_inner);
        if answered {
            breaker.answered();
        } else {
            breaker.broke(Instant::now());
        }
    }

    fn is_down(&self) -> bool {
        let breaker = self.breaker.lock().unwrap_or_else(PoisonError::into_inner);
        breaker.is_open()
    }

    async fn block(&self, hub: HubId, wait: Duration) {
        let until = Instant::now() + wait.min(LONGEST_WAIT);
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        let window = windows.entry(hub).or_default();
        window.blocked_until = window.blocked_until.max(Some(until));
    }

    async fn used(&self, hubs: &[HubId]) -> Option<Vec<Used>> {
        let now = Instant::now();
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        let used = hubs.iter().map(|hub| {
            let (calls, blocked_until) = windows.get_mut(hub).map_or((0, None), |window| {
                window.forget_before(now);
                (window.gone.len(), window.blocked_until)
            });
            Used {
                calls: u32::try_from(calls).unwrap_or(u32::MAX),
                limit: self.limit,
                blocked: blocked_until.map_or(Duration::ZERO, |until| until - now),
            }
        });
        Some(used.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    const HUB: HubId = HubId(1);

    #[tokio::test(start_paused = true)]
    async fn no_window_holds_more_than_the_limit_and_none_is_wasted() {
        let budget = Arc::new(LocalBudget::new(10));
        let tasks: Vec<_> = (0..35)
            .map(|_| {
                let budget = Arc::clone(&budget);
                tokio::spawn(async move {
                    while let Err(NoTurn::Busy(wait)) =
                        budget.acquire(HUB, CallClass::Interactive).await
                    {
                        tokio::time::sleep(wait).await;
                    }
                    Instant::now()
                })
            })
            .collect();
        let started = Instant::now();
        let mut gone = Vec::new();
        for task in tasks {
            gone.push(task.await.unwrap());
        }
        gone.sort();
        for (at, later) in gone.iter().zip(gone.iter().skip(10)) {
            assert!(*later - *at >= BUDGET_WINDOW);
        }
        // 35 calls at 10 per window are three full windows and the beginning of a fourth; the clock ticks in
        // milliseconds, so that each window can end one late.
        let last = *gone.last().unwrap() - started;
        assert!(
            last >= BUDGET_WINDOW * 3 && last <= BUDGET_WINDOW * 3 + Duration::from_millis(3),
            "{last:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_person_goes_where_a_backfill_has_to_wait() {
        let budget = LocalBudget::new(100);
        for _ in 0..95 {
            budget.acquire(HUB, CallClass::Backfill).await.unwrap();
        }
        let before = Instant::now();
        for _ in 0..5 {
            budget.acquire(HUB, CallClass::Interactive).await.unwrap();
        }
        assert_eq!(Instant::now(), before);
        budget.acquire(HUB, CallClass::Backfill).await.unwrap();
        assert!(Instant::now() - before >= BUDGET_WINDOW);
    }

    #[tokio::test(start_paused = true)]
    async fn a_block_holds_every_class_of_that_portal_and_no_other() {
        let budget = LocalBudget::new(100);
        budget.block(HUB, Duration::from_secs(7)).await;
        budget.block(HUB, Duration::from_secs(2)).await;
        let before = Instant::now();
        budget.acquire(HubId(2), CallClass::Backfill).await.unwrap();
        assert_eq!(Instant::now(), before);
        budget.acquire(HUB, CallClass::Interactive).await.unwrap();
        assert!(Instant::now() - before >= Duration::from_secs(7));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_used_is_told_by_portal_and_forgotten_with_the_window() {
        let budget = LocalBudget::new(3);
        budget.acquire(HUB, CallClass::Sync).await.unwrap();
        budget.acquire(HUB, CallClass::Sync).await.unwrap();
        budget.block(HubId(2), Duration::from_secs(7)).await;
        let told = |calls, secs| Used {
            calls,
            limit: 3,
            blocked: Duration::from_secs(secs),
        };
        let used = budget.used(&[HubId(2), HUB, HubId(3)]).await.unwrap();
        assert_eq!(used, [told(0, 7), told(2, 0), told(0, 0)]);
        tokio::time::sleep(BUDGET_WINDOW).await;
        assert_eq!(budget.used(&[HUB]).await.unwrap(), [told(0, 0)]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_window_is_waited_out_by_every_class() {
        for class in [CallClass::Interactive, CallClass::Webhook, CallClass::Sync] {
            let budget = LocalBudget::new(1);
            budget.acquire(HUB, class).await.unwrap();
            let before = Instant::now();
            budget.acquire(HUB, class).await.unwrap();
            assert!(Instant::now() - before >= BUDGET_WINDOW, "{class:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_block_is_given_back_at_once_and_counts_nothing() {
        let budget = LocalBudget::new(1);
        budget.block(HUB, Duration::from_mins(15)).await;
        let before = Instant::now();
        let wait = Duration::from_mins(15);
        let turn = budget.acquire(HUB, CallClass::Backfill).await;
        assert_eq!(Instant::now(), before);
        assert_eq!(turn, Err(NoTurn::Busy(wait)));
        tokio::time::sleep(wait).await;
        assert!(budget.take(HUB, CallClass::Backfill).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_crowd_waits_no_longer_than_its_patience() {
        let budget = Arc::new(LocalBudget::new(2));
        let started = Instant::now();
        let tasks: Vec<_> = (0..9)
            .map(|_| {
                let budget = Arc::clone(&budget);
                tokio::spawn(async move {
                    let turn = budget.acquire(HUB, CallClass::Sync).await;
                    (turn, Instant::now())
                })
            })
            .collect();
        let mut gone = 0;
        for task in tasks {
            let (turn, ended) = task.await.unwrap();
            assert!(ended - started <= LONGEST_PATIENCE);
            match turn {
                Ok(()) => gone += 1,
                Err(NoTurn::Busy(wait)) => assert!(wait > Duration::ZERO && wait <= BUDGET_WINDOW),
                Err(NoTurn::Down(_)) => panic!("HubSpot is up"),
            }
        }
        // Two at once and two a window later; the third window opens after more than anyone's patience.
        assert_eq!(gone, 4);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_is_given_back_makes_room_for_another() {
        let budget = LocalBudget::new(1);
        let taken = budget.take(HUB, CallClass::Sync).unwrap();
        assert!(budget.take(HUB, CallClass::Sync).is_err());
        budget.give_back(HUB, taken);
        budget.give_back(HUB, taken);
        assert!(budget.take(HUB, CallClass::Sync).is_ok());
        assert!(budget.take(HUB, CallClass::Sync).is_err());
    }

    #[test]
    fn a_tiny_limit_still_lets_every_class_go() {
        assert_eq!(CallClass::Backfill.share(1), 1);
        let shares = [
            CallClass::Interactive,
            CallClass::Webhook,
            CallClass::Sync,
            CallClass::Backfill,
        ]
        .map(|class| class.share(100));
        assert_eq!(shares, [100, 98, 97, 95]);
    }

    #[tokio::test(start_paused = true)]
    async fn while_hubspot_is_down_one_call_a_minute_goes_for_all_portals_together() {
        let budget = LocalBudget::new(100);
        for _ in 0..domain::breaker::OPENS_AFTER {
            budget.acquire(HUB, CallClass::Sync).await.unwrap();
            budget.report(false).await;
        }
        assert!(budget.is_down());
        let mut gone = 0;
        for portal in 0..600 {
            let turn = budget.acquire(HubId(portal), CallClass::Sync).await;
            match turn {
                Ok(()) => {
                    gone += 1;
                    budget.report(false).await;
                }
                Err(turn) => assert!(matches!(turn, NoTurn::Down(_)), "{turn:?}"),
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        assert!((9..=10).contains(&gone), "{gone}");
        budget.report(true).await;
        for portal in 0..600 {
            budget
                .acquire(HubId(portal), CallClass::Sync)
                .await
                .unwrap();
        }
    }
}
