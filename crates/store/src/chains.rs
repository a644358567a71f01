//! The chains over what was done, as they are stored; the database makes them (migration `…28000003`), `app` recomputes them.

use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};

use crate::{Conn, Error, PortalScope};

/// The end of a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The number of its last line or batch.
    pub number: i64,
    /// Its hash, 32 bytes.
    pub hash: Vec<u8>,
}

/// An act, as its hash is made of it.
pub struct Act {
    /// Its number in the portal's chain, from 1 on.
    pub number: i64,
    /// Its number in the table.
    pub seq: i64,
    /// When, in microseconds since 1970.
    pub at: i64,
    /// Who; `None` of the operator's own acts, which have no such column.
    pub actor: Option<String>,
    /// What.
    pub action: String,
    /// Details as PostgreSQL spells them.
    pub detail: String,
    /// Its hash, 32 bytes.
    pub hash: Vec<u8>,
}

/// An attempt to write, or a batch that has none any more.
pub struct Write {
    /// The batch.
    pub batch: i64,
    /// How many attempts the batch had, and its hash; `None` when the batch is gone.
    pub of_batch: Option<(i64, Vec<u8>)>,
    /// The attempt; `None` when the batch is all that is left.
    pub attempt: Option<Attempt>,
}

/// An attempt to write, as its batch's hash is made of it.
pub struct Attempt {
    /// Its number in the table.
    pub seq: i64,
    /// The transaction.
    pub transaction_id: String,
    /// When, in microseconds since 1970.
    pub at: i64,
    /// The run, as text.
    pub run_id: String,
    /// `record` or `links`.
    pub what: String,
    /// `written`, `refused` or `unanswered`.
    pub outcome: String,
    /// HubSpot's code for a refusal.
    pub code: Option<String>,
    /// The property at fault.
    pub field: Option<String>,
}

/// The ends of the portal's chains: of acts, and of writes. `None` of a chain without a line.
pub async fn find_heads(
    conn: &mut Conn,
    scope: PortalScope,
) -> Result<(Option<Head>, Option<Head>), Error> {
    let rows = sqlx::query!(
        "SELECT chain, number, hash FROM chain_heads WHERE hub_id = $1 AND number > 0",
        scope.hub_id().0
    )
    .fetch_all(conn)
    .await?;
    let (mut acts, mut writes) = (None, None);
    for row in rows {
        let head = Head {
            number: row.number,
            hash: row.hash,
        };
        if row.chain == "acts" {
            acts = Some(head);
        } else {
            writes = Some(head);
        }
    }
    Ok((acts, writes))
}

/// Every act of the portal, in the order of the chain.
pub fn acts(conn: &mut Conn, scope: PortalScope) -> BoxStream<'_, Result<Act, Error>> {
    sqlx::query_as!(
        Act,
        r#"SELECT number, seq, micros(at)::bigint AS "at!", actor AS "actor?", action, detail::text AS "detail!", hash
         FROM audit WHERE hub_id = $1 ORDER BY number"#,
        scope.hub_id().0
    )
    .fetch(conn)
    .map_err(Error::from)
    .boxed()
}

/// The end of the chain of the operator's acts; `None` without one.
pub async fn find_operators_head(conn: &mut Conn) -> Result<Option<Head>, Error> {
    let head = sqlx::query_as!(
        Head,
        "SELECT number, hash FROM operator_acts ORDER BY number DESC LIMIT 1"
    )
    .fetch_optional(conn)
    .await?;
    Ok(head)
}

/// Every act of the operators' own trail, in the order of the chain.
pub fn operator_acts(conn: &mut Conn) -> BoxStream<'_, Result<Act, Error>> {
    sqlx::query_as!(
        Act,
        r#"SELECT number, number AS seq, micros(at)::bigint AS "at!", NULL AS actor, action, detail::text AS "detail!", hash
         FROM operator_acts ORDER BY number"#
    )
    .fetch(conn)
    .map_err(Error::from)
    .boxed()
}

/// Every attempt to write to HubSpot, batch by batch.
pub fn writes(conn: &mut Conn, scope: PortalScope) -> BoxStream<'_, Result<Write, Error>> {
    sqlx::query!(
        r#"SELECT coalesce(b.number, a.batch) AS "batch!", b.attempts AS "attempts?", b.hash AS "hash?", a.seq AS "seq?",
            a.transaction_id AS "transaction_id?", micros(a.at)::bigint AS at, a.run_id::text AS run_id, a.what AS "what?",
            a.outcome AS "outcome?", a.code, a.field
         FROM (SELECT number, attempts, hash FROM write_batches WHERE hub_id = $1) AS b
         FULL JOIN (SELECT * FROM write_attempts WHERE hub_id = $1) AS a ON a.batch = b.number
         ORDER BY 1, a.seq"#,
        scope.hub_id().0
    )
    .fetch(conn)
    .map(|row| {
        let row = row?;
        let attempt = match (row.seq, row.transaction_id, row.at, row.run_id, row.what, row.outcome) {
            (Some(seq), Some(transaction_id), Some(at), Some(run_id), Some(what), Some(outcome)) => {
                Some(Attempt {
                    seq,
                    transaction_id,
                    at,
                    run_id,
                    what,
                    outcome,
                    code: row.code,
                    field: row.field,
                })
            }
            _ => None,
        };
        Ok(Write {
            batch: row.batch,
            of_batch: row.attempts.zip(row.hash),
            attempt,
        })
    })
    .boxed()
}

/// All portals that have a chain, in order.
pub async fn list_portals(conn: &mut Conn) -> Result<Vec<PortalScope>, Error> {
    let hub_ids = sqlx::query_scalar!("SELECT hub_id FROM sync_schedule ORDER BY hub_id")
        .fetch_all(conn)
        .await?;
    let scope = |hub_id| PortalScope::new(domain::HubId(hub_id));
    Ok(hub_ids.into_iter().map(scope).collect())
}
