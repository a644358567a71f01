//! The install of a portal that had the app before: nobody needs to look to hear of it.

use std::collections::BTreeSet;

use domain::UserId;
use domain::notice::Notice;
use store::PortalScope;
use store::connections::{self, Connection};

use crate::{App, notices};

/// Says that somebody has installed the app again, in the install's transaction; `earlier` is the connection before, none
/// where the portal was disconnected.
pub(super) async fn tell(
    app: &App,
    tx: &mut store::Tx,
    scope: PortalScope,
    user_id: UserId,
    earlier: Option<&Connection>,
) -> Result<(), store::Error> {
    // Not every grant takes the place of the one before: what counts is what the portal has now.
    let held = connections::find(tx, scope).await?;
    let names = |connection: Option<&Connection>| -> BTreeSet<String> {
        connection
            .iter()
            .flat_map(|one| one.scopes.iter().cloned())
            .collect()
    };
    let (before, after) = (names(earlier), names(held.as_ref()));
    let was_disconnected = earlier.is_none();
    let without = |these: &BTreeSet<String>, those: &BTreeSet<String>| {
        let left = these.difference(those).filter(|_| !was_disconnected);
        left.cloned().collect()
    };
    let now = app.now();
    let notice = Notice::InstalledAgain {
        user_id,
        at: now,
        was_disconnected,
        gained: without(&after, &before),
        lost: without(&before, &after),
    };
    notices::tell(app, tx, scope, &notice, now).await?;
    Ok(())
}
