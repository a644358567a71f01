//! Reports of a portal that was backfilled: they agree with its statistics, and an export leaves a trace.

use app::reports::Content;
use domain::reports::{Ranked, Report, Tally};
use domain::statistics::Range;
use serde_json::json;

use crate::harness::world;

fn sum<L>(lines: &Ranked<L>, tally: impl Fn(&L) -> Tally) -> (i64, i64) {
    lines
        .iter()
        .map(tally)
        .fold((0, 0), |(sent, redeemed), one| {
            (sent + one.sent, redeemed + one.redeemed)
        })
}

#[tokio::test]
async fn reports_agree_with_the_statistics() {
    let world = world(400).await;
    let session = world.backfilled().await;
    let app = &world.app;
    let scope = session.scope();
    let all = Range::default();
    let statistics = app::statistics::load(app, scope, all).await.unwrap();
    let reports = app::reports::list(app, scope, all).await.unwrap();
    let known: Vec<Report> = reports.contents.iter().map(|(report, _)| *report).collect();
    assert_eq!(known, Report::ALL);
    let sent = statistics.total_sent;
    assert!(sent > 0);
    for (report, content) in &reports.contents {
        let slug = report.slug();
        match &**content {
            Content::Months(months) => {
                assert_eq!(months.iter().map(|line| line.sent).sum::<i64>(), sent);
            }
            Content::Types(types) => assert_eq!(sum(types, |line| line.all).0, sent),
            Content::Senders(senders) => assert_eq!(sum(senders, |line| line.tally).0, sent),
            Content::Stages(stages) => {
                let facts = world.rows("deal_facts").await;
                assert!(!facts.is_empty());
                let counted = usize::try_from(sum(stages, |line| line.tally).0).unwrap();
                assert!(counted > 0 && counted <= facts.len(), "{slug}");
            }
            Content::DealSizes(lines) => assert!(!lines.is_empty(), "{slug}"),
            Content::Pace {
                sent: of,
                opened,
                redeemed,
            } => {
                assert_eq!(*of, sent);
                assert!(opened.told() <= opened.reached && opened.reached <= sent);
                assert!(redeemed.reached <= opened.reached && opened.median.is_some());
            }
            Content::Refunds(refunds) => {
                let expected: i64 = refunds.iter().map(|one| one.gifts).sum();
                assert!(expected > 0 && expected < sent, "{slug}: {expected}");
            }
        }
    }
    world.end().await;
}

#[tokio::test]
async fn an_export_is_in_the_audit_trail_and_a_look_is_not() {
    let world = world(5).await;
    let session = world.backfilled().await;
    let days = Range::default();
    let report = Report::TopSenders;
    let exports = async || {
        let audit = world.rows("audit").await;
        let exports = audit
            .into_iter()
            .filter(|row| row["action"] == "reports.export");
        exports.collect::<Vec<_>>()
    };
    app::reports::load(&world.app, session.scope(), report, days)
        .await
        .unwrap();
    assert!(exports().await.is_empty());
    app::reports::export(&world.app, &session, report, days)
        .await
        .unwrap();
    let exports = exports().await;
    assert_eq!(exports.len(), 1);
    assert_eq!(
        exports[0]["actor"],
        json!(format!("user:{}", session.user_id))
    );
    assert_eq!(exports[0]["detail"], json!({"report": "top-senders"}));
    world.end().await;
}
