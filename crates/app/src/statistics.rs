//! The portal's statistics: definitions in `domain::statistics`, sums kept by `store`.

use chrono::TimeDelta;
use domain::statistics::{MATURE_AFTER_DAYS, Range, Statistics};
use store::PortalScope;

use crate::{App, Error};

/// The statistics of the days in `range`.
pub async fn load(app: &App, scope: &PortalScope, range: Range) -> Result<Statistics, Error> {
    let mut tx = app.db.begin(*scope).await?;
    read(app, &mut tx, *scope, range).await
}

pub(crate) async fn read(
    app: &App,
    tx: &mut store::Tx,
    scope: PortalScope,
    range: Range,
) -> Result<Statistics, Error> {
    let totals = store::statistics::list_totals(tx, scope, range).await?;
    let until = app.now() - TimeDelta::days(MATURE_AFTER_DAYS);
    let matured = store::statistics::find_matured(tx, scope, range, until).await?;
    let activity = store::statistics::list_activity(tx, scope, range).await?;
    let orphans = store::statistics::find_counters(tx, scope).await?.orphans;
    Ok(Statistics::assemble(&totals, matured, activity, orphans))
}
