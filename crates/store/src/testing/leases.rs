//! What somebody sees of a portal's work from outside, while everything runs and the database may be away.

use sqlx::{Connection, PgConnection};

use super::ScratchDatabase;
use crate::{Error, PortalScope};

/// A portal's lease, and how far a run is.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct Look {
    /// Grows with each claim.
    pub fence: i64,
    /// Whose it is.
    pub run_id: Option<String>,
    /// When it ends; every renewal and every commit of its holder moves it.
    pub until: String,
    /// For how long it still holds, in seconds; negative when it is over.
    pub left_secs: f64,
    /// Changes with everything that the run commits; renewals and claims leave it as it is.
    pub trail: Option<String>,
}

impl ScratchDatabase {
    /// The portal's lease with the trail of `run_id`, or of the lease's run.
    pub async fn look(
        &self,
        scope: PortalScope,
        run_id: Option<&str>,
    ) -> Result<Option<Look>, Error> {
        let mut owner = PgConnection::connect(&self.owner_url).await?;
        let mut tx = owner.begin().await?;
        sqlx::query("SELECT set_config('app.hub_id', $1, true)")
            .bind(scope.hub_id().to_string())
            .execute(&mut *tx)
            .await?;
        let look = sqlx::query_as(
            "SELECT l.fence, l.run_id::text AS run_id, l.lease_until::text AS until,
                greatest(extract(epoch FROM l.lease_until - now()), -1)::float8 AS left_secs,
                md5(concat_ws('|', r.progress, r.counts, r.done, r.finished_at)) AS trail
             FROM portal_leases AS l
             LEFT JOIN runs AS r ON r.hub_id = l.hub_id AND r.run_id = coalesce($1::uuid, l.run_id)",
        )
        .bind(run_id)
        .fetch_optional(&mut *tx)
        .await?;
        Ok(look)
    }
}
