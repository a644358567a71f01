//! How long a worker trusts its lease without asking. The fence keeps a worker that has lost the portal from storing anything;
//! this keeps it from sending: HubSpot knows no fences, and what is sent late is old.

use std::future::poll_fn;
use std::sync::{Mutex, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

use super::Stop;

/// Less than a lease holds (`store::runs::LEASE_SECS`): it is counted from before the database was asked for it, and the two
/// clocks may differ by a little.
const TRUSTED: Duration = Duration::from_secs(9);

/// How often to look, where nothing else wakes the task: a renewal may hang in the database, and a call in HubSpot.
const LOOK: Duration = Duration::from_millis(500);

/// Since when a lease is known to have been ours.
pub(super) struct Held(Mutex<Instant>);

impl Held {
    pub(super) fn now() -> Self {
        Self(Mutex::new(Instant::now()))
    }

    /// A renewal that was asked for at this moment has been granted.
    pub(super) fn renewed(&self, asked_at: Instant) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = asked_at;
    }

    fn is_over(&self) -> bool {
        let since = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        since.elapsed() > TRUSTED
    }

    /// Works while the lease is surely ours. A process that was frozen, or has not reached the database, for too long is told so
    /// before anything else goes on: after a sleep all its timers are over at once, and one of them may repeat a call.
    pub(super) async fn through(
        &self,
        renewing: impl Future<Output = store::Error>,
        working: impl Future<Output = Result<bool, Stop>>,
    ) -> Result<bool, Stop> {
        let mut looks = tokio::time::interval(LOOK);
        let is_over = poll_fn(|context| {
            while looks.poll_tick(context).is_ready() {}
            if self.is_over() {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        });
        tokio::select! {
            biased;
            () = is_over => Err(Stop::Store(store::Error::Fenced)),
            lost = renewing => Err(Stop::Store(lost)),
            worked = working => worked,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::{pending, ready};

    use super::*;

    #[tokio::test]
    async fn whoever_has_slept_through_the_lease_takes_no_further_step() {
        let held = Held::now();
        let steps = Cell::new(0);
        let work = || async {
            while steps.get() < 100 {
                steps.set(steps.get() + 1);
                tokio::task::yield_now().await;
                if steps.get() == 3 {
                    // The process sleeps here.
                    held.renewed(Instant::now().checked_sub(TRUSTED * 2).unwrap());
                }
            }
            Ok(true)
        };
        let ended = held.through(pending(), work()).await;
        assert!(matches!(ended, Err(Stop::Store(store::Error::Fenced))));
        assert_eq!(steps.get(), 4);
        // Woken again, it does nothing at all.
        let ended = held.through(ready(store::Error::Fenced), work()).await;
        assert!(matches!(ended, Err(Stop::Store(store::Error::Fenced))));
        assert_eq!(steps.get(), 4);
    }

    #[tokio::test]
    async fn work_goes_on_while_the_lease_is_renewed() {
        let held = Held::now();
        held.renewed(Instant::now().checked_sub(TRUSTED / 2).unwrap());
        let work = async {
            tokio::task::yield_now().await;
            Ok(true)
        };
        assert!(held.through(pending(), work).await.unwrap());
    }
}
