//! The reports: which there are and what they count is `domain::reports`'s, who counts is `store`; answers are kept until
//! the ledger changes.

use std::sync::Arc;

use chrono::{Datelike, Months, NaiveDate, TimeDelta};
use chrono_tz::Tz;
use domain::pace::{self, Step};
use domain::portal::PortalStatus;
use domain::refunds::Refunds;
use domain::reports::{Ranked, Report, StepPace};
use domain::statistics::{Funnel, MATURE_AFTER_DAYS, Month, Range};
use serde_json::json;
use store::PortalScope;
pub use store::reports::{DealSizeLine, SenderLine, StageLine, TypeLine};

use crate::kept::Kept;
use crate::portals::PortalSummary;
use crate::session::Session;
use crate::{App, Error, status};

/// How many months a report shows one by one; what was before is summed.
pub const MONTHS: u32 = 36;

/// What is asked: a report of some days, and the day on which an answer about matured gifts depends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Question {
    report: Report,
    range: Range,
    /// Gifts of earlier days are matured.
    boundary: NaiveDate,
    zone: Tz,
}

/// The answers that a process keeps.
pub(crate) type Answers = Kept<Question, Content>;

/// What a report says.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// Months that have any gifts, oldest first.
    Months(Vec<Month>),
    /// By type.
    Types(Ranked<TypeLine>),
    /// By sender.
    Senders(Ranked<SenderLine>),
    /// By stage.
    Stages(Ranked<StageLine>),
    /// By currency and size of the deals.
    DealSizes(Vec<DealSizeLine>),
    /// How long gifts took.
    Pace {
        /// Gifts sent.
        sent: i64,
        /// Until they were opened.
        opened: StepPace,
        /// Until they were redeemed.
        redeemed: StepPace,
    },
    /// By day, earliest first.
    Refunds(Vec<Refunds>),
}

/// Some reports with what stands around them.
#[derive(Debug, Clone)]
pub struct Reports {
    /// The portal.
    pub portal: PortalSummary,
    /// Where it stands.
    pub status: PortalStatus,
    /// The day it is there.
    pub today: NaiveDate,
    /// The reports, in the order in which they were asked for.
    pub contents: Vec<(Report, Arc<Content>)>,
}

/// All reports of the days in `range`.
pub async fn list(app: &App, scope: &PortalScope, range: Range) -> Result<Reports, Error> {
    read(app, *scope, &Report::ALL, range).await
}

/// One report of the days in `range`.
pub async fn load(
    app: &App,
    scope: &PortalScope,
    report: Report,
    range: Range,
) -> Result<Reports, Error> {
    read(app, *scope, &[report], range).await
}

/// One report for a file that leaves the house, which the audit trail tells.
pub async fn export(
    app: &App,
    session: &Session,
    report: Report,
    range: Range,
) -> Result<Reports, Error> {
    let scope = *session.scope();
    let reports = read(app, scope, &[report], range).await?;
    let mut tx = app.db.begin(scope).await?;
    let detail = json!({"report": report.slug()});
    let actor = session.actor();
    store::audit::insert(&mut tx, scope, &actor, "reports.export", &detail, app.now()).await?;
    tx.commit().await.map_err(store::Error::from)?;
    Ok(reports)
}

async fn read(
    app: &App,
    scope: PortalScope,
    asked: &[Report],
    range: Range,
) -> Result<Reports, Error> {
    let mut tx = app.db.begin(scope).await?;
    let portal = store::portals::find(&mut tx, scope)
        .await?
        .ok_or(Error::NotConnected)?;
    let counters = portal.counters;
    let status = status::read(&mut tx, scope, &portal).await?;
    drop(tx);
    let portal = PortalSummary::of(scope, &portal);
    let zone = portal.time_zone;
    let now = app.now();
    let matured_at = now - TimeDelta::days(MATURE_AFTER_DAYS);
    let mut contents = Vec::with_capacity(asked.len());
    for report in asked {
        let question = Question {
            report: *report,
            range,
            boundary: matured_at.with_timezone(&zone).date_naive(),
            zone,
        };
        let reading = ask(app, scope, question);
        let kept = &app.reports;
        let content = kept
            .or_read(scope, counters.version, question, reading)
            .await?;
        contents.push((*report, content));
    }
    Ok(Reports {
        portal,
        status,
        today: now.with_timezone(&zone).date_naive(),
        contents,
    })
}

/// In a transaction of its own: whoever waits for the answer holds none.
async fn ask(app: &App, scope: PortalScope, question: Question) -> Result<Content, store::Error> {
    use store::reports;
    let tx = &mut app.db.begin(scope).await?;
    let range = question.range;
    Ok(match question.report {
        Report::SentPerMonth => Content::Months(reports::list_months(tx, scope, range).await?),
        Report::RedemptionByType => {
            let boundary = question.boundary;
            Content::Types(reports::list_types(tx, scope, range, boundary).await?)
        }
        Report::TopSenders => Content::Senders(reports::list_senders(tx, scope, range).await?),
        Report::SentPerStage => Content::Stages(reports::list_stages(tx, scope, range).await?),
        Report::ValueByDealSize => {
            Content::DealSizes(reports::list_deal_sizes(tx, scope, range).await?)
        }
        Report::TimeToOpen => find_pace(tx, scope, range).await?,
        Report::RefundsExpected => {
            let zone = question.zone.name();
            Content::Refunds(reports::list_refunds(tx, scope, range, zone).await?)
        }
    })
}

async fn find_pace(
    tx: &mut store::Tx,
    scope: PortalScope,
    range: Range,
) -> Result<Content, store::Error> {
    let totals = store::statistics::list_totals(tx, scope, range).await?;
    let paces = store::statistics::list_paces(tx, scope, range).await?;
    let [opened, redeemed] = store::reports::find_spans(tx, scope, range).await?;
    let funnel = Funnel::assemble(&totals, &paces);
    let of = |step: Step, spans| StepPace {
        reached: funnel
            .steps
            .iter()
            .find(|one| one.step == step)
            .map_or(0, |one| one.reached),
        spans,
        median: pace::median(
            &paces
                .iter()
                .filter(|(of, ..)| *of == step)
                .map(|(_, bucket, gifts)| (*bucket, *gifts))
                .collect::<Vec<_>>(),
        ),
    };
    Ok(Content::Pace {
        sent: funnel.sent,
        opened: of(Step::Opened, opened),
        redeemed: of(Step::Redeemed, redeemed),
    })
}

/// The last [`MONTHS`] of `known` months up to the one of `until`, those without any gift included, and what was before them
/// in one: how many months, sent, redeemed.
pub fn last_months(known: &[Month], until: NaiveDate) -> (Vec<Month>, Option<(usize, i64, i64)>) {
    let (Some(first), Some(last)) = (known.first(), known.last()) else {
        return (Vec::new(), None);
    };
    let until = until.with_day(1).unwrap_or(until).max(last.month);
    let begin = until.checked_sub_months(Months::new(MONTHS - 1));
    let begin = begin.map_or(first.month, |begin| begin.max(first.month));
    let shown = (0..MONTHS)
        .filter_map(|ahead| begin.checked_add_months(Months::new(ahead)))
        .take_while(|month| *month <= until)
        .map(|month| {
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
        .collect();
    let before: Vec<&Month> = known.iter().filter(|line| line.month < begin).collect();
    let sums = before.iter().fold((0, 0), |(sent, redeemed), line| {
        (sent + line.sent, redeemed + line.redeemed)
    });
    let before = (!before.is_empty()).then_some((before.len(), sums.0, sums.1));
    (shown, before)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn month(text: &str, sent: i64) -> Month {
        Month {
            month: text.parse().unwrap(),
            sent,
            redeemed: sent / 2,
        }
    }

    fn until(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn months_without_gifts_have_their_place() {
        let known = [month("2026-09-01", 4), month("2026-11-01", 2)];
        let (shown, before) = last_months(&known, until("2026-12-24"));
        let sent: Vec<i64> = shown.iter().map(|line| line.sent).collect();
        assert_eq!((sent, before), (vec![4, 0, 2, 0], None));
        assert_eq!(last_months(&[], until("2026-12-24")), (vec![], None));
    }

    #[test]
    fn what_is_long_ago_is_summed() {
        let known = [
            month("0004-02-01", 10),
            month("2019-01-01", 20),
            month("2026-11-01", 2),
        ];
        let (shown, before) = last_months(&known, until("2026-11-24"));
        assert_eq!(shown.len(), 36);
        assert_eq!(shown[0].month, until("2023-12-01"));
        assert_eq!(before, Some((2, 30, 15)));
    }

    #[test]
    fn a_gift_of_a_day_to_come_is_shown() {
        let known = [month("2027-03-01", 1)];
        let (shown, _) = last_months(&known, until("2026-11-24"));
        assert_eq!(shown, known);
    }
}
