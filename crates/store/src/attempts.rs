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

/// A status that a gift reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The status.
    pub status: String,
    /// When it happened.
    pub at: DateTime<Utc>,
    /// When it was first seen here.
    pub seen_at: DateTime<Utc>,
}

/// What happened to one transaction: every status event that was ever seen, in the order in which they happened; and up to
/// `limit` attempts, the latest first.
pub async fn find_story(
    conn: &mut Conn,
    scope: PortalScope,
    id: &TransactionId,
    limit: i64,
) -> Result<(Vec<Event>, Vec<Attempt>), Error> {
    let rows = sqlx::query!(
        r#"(SELECT happened_at AS "at!", seen_at, status AS "word!", NULL::uuid AS run_id, NULL AS what, NULL AS code, NULL AS field,
                NULL::bigint AS seq
            FROM status_events WHERE hub_id = $1 AND transaction_id = $2)
         UNION ALL
         (SELECT at, NULL, outcome, run_id, what, code, field, seq
            FROM write_attempts WHERE hub_id = $1 AND transaction_id = $2 ORDER BY seq DESC LIMIT $3)"#,
        scope.hub_id().0,
        id.as_str(),
        limit
    )
    .fetch_all(conn)
    .await?;
    let (mut events, mut attempts) = (Vec::new(), Vec::new());
    for row in rows {
        match (row.seen_at, row.run_id) {
            (Some(seen_at), _) => events.push(Event {
                status: row.word,
                at: row.at,
                seen_at,
            }),
            (None, Some(run_id)) => attempts.push((
                row.seq,
                Attempt {
                    at: row.at,
                    run_id: RunId(run_id),
                    what: if row.what.as_deref() == Some("links") {
                        What::Links
                    } else {
                        What::Record
                    },
                    outcome: Outcome::from_stored(&row.word)?,
                    code: row.code,
                    field: row.field,
                },
            )),
            (None, None) => {}
        }
    }
    events.sort_by(|a, b| (a.at, &a.status).cmp(&(b.at, &b.status)));
    attempts.sort_by_key(|(seq, _)| std::cmp::Reverse(*seq));
    Ok((
        events,
        attempts.into_iter().map(|(_, attempt)| attempt).collect(),
    ))
}
