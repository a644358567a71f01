//! The trouble a portal is in, between its first sign and the next sync that ends well. Whoever changes it holds the portal's
//! lease or lock.

use domain::trouble::{Said, Trouble};

use crate::{Conn, Error, PortalScope};

/// The portal's trouble; without a row there is none.
pub async fn find(conn: &mut Conn, scope: PortalScope) -> Result<Trouble, Error> {
    let row = sqlx::query!(
        "SELECT since, failures, said FROM portal_troubles WHERE hub_id = $1",
        scope.hub_id().0
    )
    .fetch_optional(conn)
    .await?;
    let Some(row) = row else {
        return Ok(Trouble::default());
    };
    let said = row.said.map(|said| {
        Said::from_stored(&said).ok_or(Error::Corrupt {
            table: "portal_troubles",
            column: "said",
        })
    });
    Ok(Trouble {
        since: row.since,
        failures: row.failures.unsigned_abs(),
        said: said.transpose()?,
    })
}

/// Stores it; none leaves no row.
pub async fn save(conn: &mut Conn, scope: PortalScope, trouble: &Trouble) -> Result<(), Error> {
    let hub_id = scope.hub_id().0;
    if *trouble == Trouble::default() {
        sqlx::query!("DELETE FROM portal_troubles WHERE hub_id = $1", hub_id)
            .execute(conn)
            .await?;
        return Ok(());
    }
    sqlx::query!(
        "INSERT INTO portal_troubles (hub_id, since, failures, said) VALUES ($1, $2, $3, $4)
         ON CONFLICT (hub_id) DO UPDATE SET since = excluded.since, failures = excluded.failures, said = excluded.said",
        hub_id,
        trouble.since,
        i32::try_from(trouble.failures).unwrap_or(i32::MAX),
        trouble.said.map(Said::as_str)
    )
    .execute(conn)
    .await?;
    Ok(())
}
