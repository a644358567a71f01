//! The operators' own trail, to be read.

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::{Conn, Error};

/// An act of an operator's, on the console or on the command line.
#[derive(Debug, Clone, PartialEq)]
pub struct OperatorAct {
    /// Its number in the chain.
    pub number: i64,
    /// When.
    pub at: DateTime<Utc>,
    /// What: `console look`, or the command.
    pub action: String,
    /// Who, where and why, as far as it is known; ids and counts otherwise.
    pub detail: Value,
}

/// Up to `limit` acts, the newest first; those before the act with the number `before` when it is given.
pub async fn list_acts(
    conn: &mut Conn,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<OperatorAct>, Error> {
    let acts = sqlx::query_as!(
        OperatorAct,
        "SELECT number, at, action, detail FROM operator_acts
         WHERE $1::bigint IS NULL OR number < $1 ORDER BY number DESC LIMIT $2",
        before,
        limit
    )
    .fetch_all(conn)
    .await?;
    Ok(acts)
}
