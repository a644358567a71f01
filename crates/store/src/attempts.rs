//! Each attempt to bring a gift's record or its links to HubSpot: append-only. HubSpot's own words are not kept here, as
//! they may name people; those of the last refusal stand with the transaction, where an erasure finds them.

use chrono::{DateTime, Utc};
use domain::{RunId, TransactionId};

use crate::{Conn, Error, PortalScope};

/// What was to be brought to HubSpot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// The record with its properties.
    Record,
    /// The record's links.
    Links,
}

/// What became of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// HubSpot has it.
    Written,
    /// HubSpot refused it.
    Refused,
    /// No answer that tells of this gift came: it is sent again, which the unique key makes safe.
    Unanswered,
}

impl Outcome {
    fn as_str(self) -> &'static str {
        match self {
            Self::Written => "written",
            Self::Refused => "refused",
            Self::Unanswered => "unanswered",
        }
    }

    fn from_stored(text: &str) -> Result<Self, Error> {
        [Self::Written, Self::Refused, Self::Unanswered]
            .into_iter()
            .find(|outcome| outcome.as_str() == text)
            .ok_or(Error::Corrupt {
                table: "write_attempts",
                column: "outcome",
            })
    }
}

/// An attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// When its outcome was known.
    pub at: DateTime<Utc>,
    /// By which run.
    pub run_id: RunId,
    /// What was to be brought.
    pub what: What,
    /// What became of it.
    pub outcome: Outcome,
    /// HubSpot's code for a refusal, or the kind of silence.
    pub code: Option<String>,
    /// The property at fault, when HubSpot names it.
    pub field: Option<String>,
}

/// Notes that a call about these records was made and brought no answer.
pub async fn insert_unanswered(
    conn: &mut Conn,
    scope: PortalScope,
    run_id: RunId,
    ids: &[String],
    code: &str,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        "INSERT INTO write_attempts (hub_id, transaction_id, at, run_id, what, outcome, code)
         SELECT $1, id, $2, $3, 'record', 'unanswered', $4 FROM UNNEST($5::text[]) AS attempt (id)",
        scope.hub_id().0,
        now,
        run_id.0,
        code,
        ids
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Up to `limit` attempts of one transaction, the latest first.
pub async fn list(
    conn: &mut Conn,
    scope: PortalScope,
    id: &TransactionId,
    limit: i64,
) -> Result<Vec<Attempt>, Error> {
    let rows = sqlx::query!(
        "SELECT at, run_id, what, outcome, code, field FROM write_attempts
         WHERE hub_id = $1 AND transaction_id = $2 ORDER BY seq DESC LIMIT $3",
        scope.hub_id().0,
        id.as_str(),
        limit
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Attempt {
                at: row.at,
                run_id: RunId(row.run_id),
                what: if row.what == "links" {
                    What::Links
                } else {
                    What::Record
                },
                outcome: Outcome::from_stored(&row.outcome)?,
                code: row.code,
                field: row.field,
            })
        })
        .collect()
}
