//! The list of gifts by any filter and in four orders; and what pages read of single gifts beside their links.

mod listing;

use chrono::{DateTime, Utc};
use domain::pace::Step;
use domain::{RecordId, Status, TransactionId};
use rust_decimal::Decimal;

pub use listing::{Lookup, list, lookup};

use crate::{Conn, Error, PortalScope};

/// Which gifts. Every filter that is set narrows the list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Beginnings of words, each of which one of the gift's words has ([`domain::search::terms`]).
    pub terms: Vec<String>,
    /// Its status now.
    pub status: Option<Status>,
    /// Whether it was sent, and how far it got at least.
    pub reached: Option<Reached>,
    /// Its type, the first 255 characters.
    pub gift_type: Option<String>,
    /// Its sender ([`domain::Transaction::sender_key`]).
    pub sender: Option<String>,
    /// Whether it has a contact.
    pub link: Option<Link>,
    /// Only those that HubSpot refused.
    pub failed: bool,
    /// Placed at this moment or later.
    pub from: Option<DateTime<Utc>>,
    /// Placed before this moment.
    pub until: Option<DateTime<Utc>>,
    /// In this currency.
    pub currency: Option<String>,
    /// Of this amount or more.
    pub least: Option<Decimal>,
    /// Of this amount or less.
    pub most: Option<Decimal>,
}

/// How far a gift got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reached {
    /// It has left `scheduled`.
    Sent,
    /// It took this step, or a later one.
    Step(Step),
}

/// Whether a gift has a contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// It has.
    Linked,
    /// Its record has none.
    Orphan,
}

/// The order of the list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Order {
    /// The latest first.
    #[default]
    Newest,
    /// The earliest first.
    Oldest,
    /// The greatest amount first, whatever its currency; those without one last.
    Highest,
    /// The smallest amount first; those without one are left out.
    Lowest,
}

/// Where a page begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// At the beginning.
    Start,
    /// Right after this gift.
    After(TransactionId),
    /// Right before this gift.
    Before(TransactionId),
}

/// A gift as the list shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The transaction.
    pub id: TransactionId,
    /// Name of the gift.
    pub gift_name: Option<String>,
    /// Its type.
    pub gift_type: Option<String>,
    /// Its amount.
    pub amount: Option<Decimal>,
    /// ISO 4217 code.
    pub currency: Option<String>,
    /// Who gave.
    pub sender_name: Option<String>,
    /// Who got.
    pub recipient_name: Option<String>,
    /// The recipient's address, without one the number.
    pub recipient: Option<String>,
    /// Its status.
    pub status: Status,
    /// By which time it is placed.
    pub counted_at: DateTime<Utc>,
    /// Its record in HubSpot.
    pub record: Option<RecordId>,
    /// Its contact.
    pub contact: Option<RecordId>,
    /// Whether somebody has looked for a contact.
    pub is_looked_at: bool,
    /// Whether HubSpot refused the record.
    pub is_failed: bool,
    /// Whether the recipient's data was erased.
    pub is_erased: bool,
}

/// Whether there is a gift with this id.
pub async fn exists(
    conn: &mut Conn,
    scope: PortalScope,
    id: &TransactionId,
) -> Result<bool, Error> {
    let found = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM transactions WHERE hub_id = $1 AND transaction_id = $2) AS "found!""#,
        scope.hub_id().0,
        id.as_str()
    )
    .fetch_one(conn)
    .await?;
    Ok(found)
}

/// The types of the portal's gifts, by name, at most `limit`.
pub async fn list_types(
    conn: &mut Conn,
    scope: PortalScope,
    limit: i64,
) -> Result<Vec<String>, Error> {
    let types = sqlx::query_scalar!(
        r#"SELECT gift_type AS "gift_type!" FROM daily_totals WHERE hub_id = $1 AND gift_type IS NOT NULL
         GROUP BY gift_type HAVING sum(transactions) > 0 ORDER BY gift_type LIMIT $2"#,
        scope.hub_id().0,
        limit
    )
    .fetch_all(conn)
    .await?;
    Ok(types)
}
