//! Everything the dashboard shows, read at one moment.

use chrono::{Datelike, Months, NaiveDate};
use domain::portal::PortalStatus;
use domain::scopes::{self, OptionalScope};
use domain::statistics::{Month, Range, Statistics};
use store::PortalScope;

use crate::portals::PortalSummary;
use crate::{App, Error, statistics, status};

/// How many months the chart shows, the current one included.
const CHART_MONTHS: u32 = 12;

/// The dashboard's content.
#[derive(Debug, Clone)]
pub struct Dashboard {
    /// The portal.
    pub portal: PortalSummary,
    /// Where it stands.
    pub status: PortalStatus,
    /// Its numbers.
    pub statistics: Statistics,
    /// The last twelve months, oldest first, months without any included.
    pub months: Vec<Month>,
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
    let statistics = statistics::read(app, &mut tx, *scope, range).await?;
    let summary = PortalSummary::of(*scope, &portal);
    let today = app.now().with_timezone(&summary.time_zone).date_naive();
    let first = today.with_day(1).unwrap_or(today) - Months::new(CHART_MONTHS - 1);
    let known = store::statistics::list_months(&mut tx, *scope, first).await?;
    let granted = store::connections::find(&mut tx, *scope)
        .await?
        .map(|grant| grant.scopes);
    let optional_missing = granted.map_or_else(Vec::new, |granted| {
        scopes::OPTIONAL
            .into_iter()
            .filter(|scope| !scopes::has(&granted, scope.name))
            .collect()
    });
    Ok(Dashboard {
        portal: summary,
        status,
        statistics,
        months: every_month(first, &known),
        optional_missing,
    })
}

/// The months from `first` on, those that are not known with zeros.
fn every_month(first: NaiveDate, known: &[Month]) -> Vec<Month> {
    (0..CHART_MONTHS)
        .map(|ahead| {
            let month = first + Months::new(ahead);
            known
                .iter()
                .find(|line| line.month == month)
                .cloned()
                .unwrap_or(Month {
                    month,
                    sent: 0,
                    redeemed: 0,
                })
        })
        .collect()
}
