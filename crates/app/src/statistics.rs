//! The portal's statistics: definitions in `domain::statistics`, sums kept by `store`, answers kept until they change.

use std::sync::Arc;

use chrono::{DateTime, Datelike, Months, NaiveDate, SubsecRound, TimeDelta, Utc};
use chrono_tz::Tz;
use domain::pace::Step;
use domain::statistics::{Activity, Funnel, MATURE_AFTER_DAYS, Month, Range, Statistics, Total};
use store::PortalScope;

use crate::days::instants;
use crate::kept::Kept;
use crate::portals::PortalSummary;
use crate::{App, Error};

/// How many months the chart shows, the current one included.
const CHART_MONTHS: u32 = 12;

/// What is asked: days, and the two days on which the answer depends by what is today.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Question {
    range: Range,
    /// The day in which a gift of now becomes a matured one.
    boundary: NaiveDate,
    /// The chart's first month.
    first_month: NaiveDate,
}

/// What the roll-ups say about some days.
#[derive(Debug)]
pub(crate) struct Answer {
    totals: Vec<Total>,
    /// Sent on whole days before the boundary, and redeemed of these.
    matured: (i64, i64),
    activity: Vec<Activity>,
    paces: Vec<(Step, i16, i64)>,
    months: Vec<Month>,
}

/// The answers that a process keeps.
pub(crate) type Answers = Kept<Question, Answer>;

/// Sent and redeemed on the day on which gifts mature now, up to a second of it.
pub(crate) type LastDays = Kept<DateTime<Utc>, (i64, i64)>;

/// The numbers of some days with what stands beside them.
#[derive(Debug, Clone)]
pub struct Overview {
    /// The numbers.
    pub statistics: Statistics,
    /// How far the gifts got.
    pub funnel: Funnel,
    /// The last twelve months, oldest first, months without any included; whatever the range.
    pub months: Vec<Month>,
    /// The numbers of as many days before, where the range has a first day.
    pub before: Option<Statistics>,
}

/// The statistics of the days in `range`.
pub async fn load(app: &App, scope: &PortalScope, range: Range) -> Result<Statistics, Error> {
    let mut tx = app.db.begin(*scope).await?;
    let portal = store::portals::find(&mut tx, *scope)
        .await?
        .ok_or(Error::NotConnected)?;
    drop(tx);
    let zone = PortalSummary::of(*scope, &portal).time_zone;
    let (statistics, _) = read(app, *scope, zone, &portal.counters, range).await?;
    Ok(statistics)
}

/// The numbers of `range`, of the days before it, and of the last months.
pub(crate) async fn overview(
    app: &App,
    scope: PortalScope,
    zone: Tz,
    counters: &store::statistics::Counters,
    range: Range,
) -> Result<Overview, Error> {
    let (statistics, answer) = read(app, scope, zone, counters, range).await?;
    let today = app.now().with_timezone(&zone).date_naive();
    let before = match range.before(today) {
        Some(before) => Some(read(app, scope, zone, counters, before).await?.0),
        None => None,
    };
    Ok(Overview {
        statistics,
        funnel: Funnel::assemble(&answer.totals, &answer.paces),
        months: every_month(first_month(today), &answer.months),
        before,
    })
}

/// The totals of the days in `range`, by status, type and currency.
pub(crate) async fn totals(
    app: &App,
    scope: PortalScope,
    zone: Tz,
    counters: &store::statistics::Counters,
    range: Range,
) -> Result<Vec<Total>, Error> {
    let question = Question::new(app.now(), zone, range);
    let reading = ask(app, scope, zone, question);
    let kept = &app.statistics;
    let answer = kept.or_read(scope, counters.version, question, reading);
    Ok(answer.await?.totals.clone())
}

async fn read(
    app: &App,
    scope: PortalScope,
    zone: Tz,
    counters: &store::statistics::Counters,
    range: Range,
) -> Result<(Statistics, Arc<Answer>), Error> {
    // Gifts mature by the second: those of the last day are counted anew for each.
    let now = app.now().trunc_subsecs(0);
    let question = Question::new(now, zone, range);
    let reading = ask(app, scope, zone, question);
    let kept = &app.statistics;
    let answer = kept
        .or_read(scope, counters.version, question, reading)
        .await?;
    let until = matured_until(now);
    let last_day = if range.contains(question.boundary) {
        let reading = async {
            let mut tx = app.db.begin(scope).await?;
            store::statistics::find_sent_until(&mut tx, scope, question.boundary, until).await
        };
        let kept = &app.last_days;
        *kept
            .or_read(scope, counters.version, until, reading)
            .await?
    } else {
        (0, 0)
    };
    let matured = (answer.matured.0 + last_day.0, answer.matured.1 + last_day.1);
    let activity = answer.activity.clone();
    let statistics = Statistics::assemble(&answer.totals, matured, activity, counters.orphans);
    Ok((statistics, answer))
}

/// Gifts sent at this moment or before are matured.
fn matured_until(now: DateTime<Utc>) -> DateTime<Utc> {
    now - TimeDelta::days(MATURE_AFTER_DAYS)
}

impl Question {
    fn new(now: DateTime<Utc>, zone: Tz, range: Range) -> Self {
        Self {
            range,
            boundary: matured_until(now).with_timezone(&zone).date_naive(),
            first_month: first_month(now.with_timezone(&zone).date_naive()),
        }
    }
}

/// In a transaction of its own: whoever waits for the answer holds none.
async fn ask(
    app: &App,
    scope: PortalScope,
    zone: Tz,
    question: Question,
) -> Result<Answer, store::Error> {
    use store::statistics;
    let tx = &mut app.db.begin(scope).await?;
    let Question {
        range,
        boundary,
        first_month,
    } = question;
    let (from, until) = instants(range, zone);
    Ok(Answer {
        totals: statistics::list_totals(tx, scope, range).await?,
        matured: statistics::find_sent_before(tx, scope, range, boundary).await?,
        activity: statistics::list_activity(tx, scope, from, until).await?,
        paces: statistics::list_paces(tx, scope, range).await?,
        months: statistics::list_months(tx, scope, first_month).await?,
    })
}

fn first_month(today: NaiveDate) -> NaiveDate {
    today.with_day(1).unwrap_or(today) - Months::new(CHART_MONTHS - 1)
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
