//! What is known of a portal that was disconnected is kept for some time, so that an install takes it up again; then it is
//! erased, its key first: from that moment on its secrets cannot be read, nor in a copy that was made without keys.
//!
//! What stays: the portal's number, and the trail of acts, which holds ids and counts, with the certificate at its end. The
//! tombstones of erased recipients go too: whoever installs after that begins from nothing.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use serde_json::json;
use store::PortalScope;
use store::retention::{self, Begun};
use tracing::Instrument;

use crate::crash::{self, Point};
use crate::{App, Error, chain};

/// Portals that one call takes up: more than fail at a time.
const PORTALS: i64 = 100;
/// Rows of one transaction: short enough to keep nobody waiting.
const STRIDE: i64 = 2_000;
/// Transactions of a portal in one call; the next goes on.
const STRIDES: usize = 10;

/// How long one call goes on before it lets its caller look whether to stop.
const BOUT: Duration = Duration::from_secs(2);

/// Goes on erasing the portals whose time is over; returns whether there is more to do at once. Any number of processes may
/// call it, and may be stopped in it.
pub async fn run_due(app: &App) -> Result<bool, Error> {
    let before = app.now() - app.config.retention;
    let mut conn = app.db.unscoped().await?;
    let due = retention::list_due(&mut conn, before, PORTALS).await?;
    drop(conn);
    let (began, mut has_more) = (Instant::now(), false);
    for scope in due {
        if began.elapsed() >= BOUT {
            return Ok(true);
        }
        // One portal's trouble must not keep the others' data.
        let span = tracing::error_span!("erase", portal.id = %scope.hub_id());
        match erase(app, scope, STRIDES).instrument(span).await {
            Ok(is_over) => has_more |= !is_over,
            Err(error) => {
                tracing::error!(portal.id = %scope.hub_id(), %error, "a portal's data could not be erased; it is tried again");
            }
        }
    }
    Ok(has_more)
}

/// Up to `strides` transactions; whether nothing is left to do. Where somebody else is at the portal, the next call goes on.
pub(crate) async fn erase(app: &App, scope: PortalScope, strides: usize) -> Result<bool, Error> {
    for _ in 0..strides {
        let now = app.now();
        let mut tx = app.db.begin(scope).await?;
        // Under the lock, each time: an install waits for this, and once one has come nothing is erased any more.
        if !store::runs::try_lock(&mut tx, scope).await? {
            return Ok(false);
        }
        let is_over =
            match retention::begin(&mut tx, scope, now - app.config.retention, now).await? {
                Begun::No => return Ok(true),
                Begun::Now => {
                    store::portal_keys::delete(&mut tx, scope).await?;
                    note_begin(&mut tx, scope, now).await?;
                    false
                }
                Begun::Before => !retention::erase_some(&mut tx, scope, STRIDE).await?,
            };
        if is_over {
            retention::finish(&mut tx, scope, now).await?;
            store::audit::insert(&mut tx, scope, "schedule", "portal.erase", &json!({}), now)
                .await?;
        }
        let ends = chain::Ends::find(app, &mut tx, scope).await?;
        tx.commit().await.map_err(store::Error::from)?;
        crash::at(Point::PortalErasing);
        if is_over {
            ends.note();
            tracing::info!(portal.id = %scope.hub_id(), "a portal's data is erased");
            return Ok(true);
        }
    }
    Ok(false)
}

/// Tells in the trail what will be erased. The chain of writes goes with what was written: its end stands here.
async fn note_begin(
    tx: &mut store::Tx,
    scope: PortalScope,
    now: DateTime<Utc>,
) -> Result<(), store::Error> {
    let counters = store::statistics::find_counters(tx, scope).await?;
    let (_, writes) = chain::heads(tx, scope).await?;
    let detail = json!({"transactions": counters.transactions, "writes": writes.to_string()});
    store::audit::insert(tx, scope, "schedule", "portal.erase_begin", &detail, now).await
}
