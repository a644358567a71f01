//! Answers that cost the database some work, kept until the ledger changes. The question carries the ledger's version
//! ([`store::statistics::Counters::version`]), so an old answer is never given; those who ask the same at once wait for
//! one reading.

use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use domain::HubId;
use store::PortalScope;

use crate::Error;

/// Answers that nobody asked for in this time are forgotten.
const IDLE: Duration = Duration::from_mins(10);
/// Answers that one process keeps of a kind: some thousand pages' worth, some kilobytes each.
const CAPACITY: u64 = 2_000;

/// Answers of type `A` to questions of type `Q`.
pub(crate) struct Kept<Q, A>(moka::future::Cache<(HubId, i64, Q), Arc<A>>);

// Derived, it would ask for answers that can be cloned.
impl<Q, A> Clone for Kept<Q, A> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<Q, A> Kept<Q, A>
where
    Q: Eq + Hash + Send + Sync + 'static,
    A: Send + Sync + 'static,
{
    pub(crate) fn new() -> Self {
        let cache = moka::future::Cache::builder()
            .max_capacity(CAPACITY)
            .time_to_idle(IDLE);
        Self(cache.build())
    }

    /// The answer to `question` at this `version` of the portal's ledger, read if it is not known yet.
    pub(crate) async fn or_read(
        &self,
        scope: PortalScope,
        version: i64,
        question: Q,
        read: impl Future<Output = Result<A, store::Error>>,
    ) -> Result<Arc<A>, Error> {
        let key = (scope.hub_id(), version, question);
        let answer = self.0.try_get_with(key, async { read.await.map(Arc::new) });
        answer.await.map_err(Error::Reading)
    }
}
