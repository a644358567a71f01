//! The reports: all in small, one large, one as a file.

use app::App;
use axum::extract::{Path, State};
use axum::response::Response;
use domain::reports::Report;
use serde::Deserialize;

use crate::access::Admitted;
use crate::error::Error;
use crate::handlers::days::DaysAsked;
use crate::handlers::page::Page;
use crate::view::reports::{self, ReportPage, ReportsPage};
use crate::view::shell::Viewer;

/// The path of one report.
#[derive(Deserialize)]
pub struct OneReport {
    report: String,
}

impl OneReport {
    fn named(&self) -> Result<Report, Error> {
        Report::from_slug(&self.report).ok_or(Error::NotFound)
    }
}

/// `GET /portals/{hub_id}/reports?from=DAY&to=DAY`
pub async fn list(
    State(app): State<App>,
    Admitted(session): Admitted,
    DaysAsked(range): DaysAsked,
) -> Result<Page<ReportsPage>, Error> {
    let reports = app::reports::list(&app, session.scope(), range).await?;
    let viewer = Viewer::of(&session);
    Ok(Page(ReportsPage::new(&reports, viewer, range)))
}

/// `GET /portals/{hub_id}/reports/{report}?from=DAY&to=DAY`
pub async fn show(
    State(app): State<App>,
    Admitted(session): Admitted,
    Path(one): Path<OneReport>,
    DaysAsked(range): DaysAsked,
) -> Result<Page<ReportPage>, Error> {
    let reports = app::reports::load(&app, session.scope(), one.named()?, range).await?;
    let page = ReportPage::new(&reports, Viewer::of(&session), range);
    page.map(Page).ok_or(Error::NotFound)
}

/// `GET /portals/{hub_id}/reports/{report}/csv?from=DAY&to=DAY`
pub async fn export(
    State(app): State<App>,
    Admitted(session): Admitted,
    Path(one): Path<OneReport>,
    DaysAsked(range): DaysAsked,
) -> Result<Response, Error> {
    let report = one.named()?;
    let reports = app::reports::export(&app, &session, report, range).await?;
    let name = format!("{}-{}.csv", report.slug(), reports.today);
    Ok(reports::table(&reports).into_response(&name))
}
