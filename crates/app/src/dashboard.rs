//! Everything the dashboard shows, read at one moment.

use domain::portal::PortalStatus;
use domain::scopes::{self, OptionalScope};
use domain::statistics::Range;
use store::PortalScope;

use crate::portals::PortalSummary;
use crate::statistics::{self, Overview};
use crate::{App, Error, status};

/// The dashboard's content.
#[derive(Debug, Clone)]
pub struct Dashboard {
    /// The portal.
    pub portal: PortalSummary,
    /// Where it stands.
    pub status: PortalStatus,
    /// Its numbers.
    pub overview: Overview,
    /// Optional scopes that were not granted.
    pub optional_missing: Vec<OptionalScope>,
}

/// Loads the dashboard.
pub async fn load(app: &App, scope: &PortalScope, range: Range) -> Result<Dashboard, Error> {
    let mut tx = app.db.begin(*scope).await?;
    let portal = store::portals::find(&mut tx, *scope)
        .await?
        .ok_or(Error::NotConnected)?;
    let status = status::read(&mut tx, *scope, &portal).await?;
    drop(tx);
    let summary = PortalSummary::of(*scope, &portal);
    let zone = summary.time_zone;
    let overview = statistics::overview(app, *scope, zone, &portal.counters, range).await?;
    let optional_missing = portal.scopes.as_ref().map_or_else(Vec::new, |granted| {
        scopes::OPTIONAL
            .into_iter()
            .filter(|scope| !scopes::has(granted, scope.name))
            .collect()
    });
    Ok(Dashboard {
        portal: summary,
        status,
        overview,
        optional_missing,
    })
}
