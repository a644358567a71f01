//! The reports: all of them in small, and one with its chart, its numbers and what it counts.

mod file;
mod gifts;
mod outcomes;
mod sheet;

use app::reports::{Content, Reports};
use askama::Template;
use chrono::NaiveDate;
use domain::portal::PortalState;
use domain::reports::Report;
use domain::statistics::Range;

pub use file::table;

use self::sheet::{Bar, Sheet};
use super::chart::Line;
use super::range::Ranges;
use super::shell::{Shell, Viewer};
use super::tabs::{Place, Tab, tabs};
use crate::assets;

/// How many bars a report in small has: as many as there are sizes of deals, and spans of time.
const SMALL_BARS: usize = 6;
/// How many months it has.
const SMALL_MONTHS: usize = 12;
/// A month is never wider than if there were so many.
const SMALL_PLACES: i64 = 12;

/// `templates/reports/list.html`.
#[derive(Template)]
#[template(path = "reports/list.html")]
pub struct ReportsPage {
    /// The frame.
    pub shell: Shell,
    /// The portal's pages.
    pub tabs: Vec<Tab>,
    /// The organization or the portal.
    pub name: String,
    /// The days.
    pub ranges: Ranges,
    /// Whether gifts are still missing.
    pub is_partial: bool,
    /// The reports in small.
    pub cards: Vec<Card>,
    /// The time zone's name.
    pub zone: String,
}

/// A report in small.
#[derive(Debug)]
pub struct Card {
    /// Its name in addresses.
    pub slug: &'static str,
    /// Its name.
    pub title: &'static str,
    /// Where it is large.
    pub href: String,
    /// The one number.
    pub figure: String,
    /// What it is.
    pub note: String,
    /// What stands there when there is nothing to tell.
    pub empty: Option<&'static str>,
    /// Some months as columns.
    pub columns: Vec<Column>,
    /// Those months' numbers.
    pub months: Vec<Line>,
    /// How the two parts of a bar stand.
    pub kind: &'static str,
    /// What the bars have in common.
    pub group: Option<String>,
    /// Some bars.
    pub bars: Vec<Bar>,
}

/// A month as a column, in a picture of 100 by 100.
#[derive(Debug)]
pub struct Column {
    /// Where it begins.
    pub x: String,
    /// How wide it is.
    pub width: String,
    /// Where sent begins from above, and how high it is.
    pub sent: (String, String),
    /// The same of redeemed.
    pub redeemed: (String, String),
}

/// `templates/reports/show.html`.
#[derive(Template)]
#[template(path = "reports/show.html")]
pub struct ReportPage {
    /// The frame.
    pub shell: Shell,
    /// The portal's pages.
    pub tabs: Vec<Tab>,
    /// The days.
    pub ranges: Ranges,
    /// Its name.
    pub title: &'static str,
    /// What it counts.
    pub definition: &'static str,
    /// Whether gifts are still missing.
    pub is_partial: bool,
    /// The report.
    pub sheet: Sheet,
    /// Its months as columns, for browsers without script.
    pub columns: Vec<Column>,
    /// Where it is as a file.
    pub csv: String,
    /// Where all reports are.
    pub all: String,
    /// The time zone's name.
    pub zone: String,
}

impl ReportsPage {
    /// The page of all `reports` for `viewer`, of the days in `range`.
    pub fn new(reports: &Reports, viewer: Viewer, range: Range) -> Self {
        let path = format!("/portals/{}", reports.portal.hub_id);
        let own = format!("{path}/reports");
        Self {
            shell: Shell::new("Reports", Some(viewer)),
            tabs: tabs(&path, Place::Reports, &reports.status),
            name: super::portals::name(&reports.portal),
            ranges: Ranges::new(&own, range, reports.today),
            is_partial: reports.status.state == PortalState::Backfilling,
            cards: reports
                .contents
                .iter()
                .map(|(report, content)| {
                    let sheet = sheet(content, range, reports.today, &path);
                    Card::new(sheet, address(&own, *report, "", range))
                })
                .collect(),
            zone: reports.portal.time_zone.name().replace('_', " "),
        }
    }
}

impl ReportPage {
    /// The page of the one report in `reports` for `viewer`; `None` where there is none.
    pub fn new(reports: &Reports, viewer: Viewer, range: Range) -> Option<Self> {
        let (report, content) = reports.contents.first()?;
        let path = format!("/portals/{}", reports.portal.hub_id);
        let own = format!("{path}/reports");
        let sheet = sheet(content, range, reports.today, &path);
        let mut shell = Shell::new(report.title(), Some(viewer));
        if !sheet.months.is_empty() {
            shell.scripts = vec![assets::url("uplot.min.js"), assets::url("chart.js")];
        }
        Some(Self {
            shell,
            tabs: tabs(&path, Place::Reports, &reports.status),
            ranges: Ranges::new(&format!("{own}/{}", report.slug()), range, reports.today),
            title: report.title(),
            definition: report.definition(),
            is_partial: reports.status.state == PortalState::Backfilling,
            columns: columns(&sheet.months),
            sheet,
            csv: address(&own, *report, "/csv", range),
            all: format!("{own}{}", query(range)),
            zone: reports.portal.time_zone.name().replace('_', " "),
        })
    }
}

/// The address of a report of the same days.
fn address(reports: &str, report: Report, below: &str, range: Range) -> String {
    format!("{reports}/{}{below}{}", report.slug(), query(range))
}

/// The days as an address carries them.
fn query(range: Range) -> String {
    match (range.from, range.to) {
        (None, None) => String::new(),
        (Some(from), None) => format!("?from={from}"),
        (None, Some(to)) => format!("?to={to}"),
        (Some(from), Some(to)) => format!("?from={from}&to={to}"),
    }
}

fn sheet(content: &Content, range: Range, today: NaiveDate, path: &str) -> Sheet {
    match content {
        Content::Months(months) => {
            let until = range.to.map_or(today, |to| to.min(today));
            gifts::months(months, until, path)
        }
        Content::Types(types) => gifts::types(types),
        Content::Senders(senders) => gifts::senders(senders),
        Content::Stages(stages) => gifts::stages(stages),
        Content::DealSizes(lines) => outcomes::deal_sizes(lines),
        Content::Pace {
            sent,
            opened,
            redeemed,
        } => outcomes::pace(*sent, opened, redeemed),
        Content::Refunds(refunds) => outcomes::refunds(refunds, today),
    }
}

impl Card {
    fn new(sheet: Sheet, href: String) -> Self {
        let skipped = sheet.months.len().saturating_sub(SMALL_MONTHS);
        let months: Vec<Line> = sheet.months.iter().skip(skipped).cloned().collect();
        let empty = sheet.is_empty().then_some(sheet.empty.0);
        let first = sheet.bars.groups.into_iter().next();
        let (group, mut bars) = first.map_or((None, Vec::new()), |one| (one.title, one.bars));
        bars.truncate(SMALL_BARS);
        Self {
            slug: sheet.report.slug(),
            title: sheet.report.title(),
            href,
            figure: sheet.figure,
            note: sheet.note,
            empty,
            columns: columns(&months),
            months,
            kind: sheet.bars.kind,
            group,
            bars,
        }
    }
}

fn columns(months: &[Line]) -> Vec<Column> {
    let most = months.iter().map(|line| line.sent).max().unwrap_or(0);
    let tenths = |tenths: i64| format!("{}.{}", tenths / 10, tenths % 10);
    let tall = |value: i64| {
        let height = value.saturating_mul(1_000) / most.max(1);
        (tenths(1_000 - height), tenths(height))
    };
    // A quarter of each month's place stays free, half of that on either side.
    let place = 1_000 / i64::try_from(months.len()).unwrap_or(1).max(SMALL_PLACES);
    months
        .iter()
        .zip(0..)
        .map(|(line, at)| Column {
            x: tenths(at * place + place / 8),
            width: tenths(place * 3 / 4),
            sent: tall(line.sent),
            redeemed: tall(line.redeemed),
        })
        .collect()
}
