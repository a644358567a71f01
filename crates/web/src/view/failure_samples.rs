//! What does not get through, from made-up values.

use askama::Template;
use chrono::TimeDelta;
use domain::failure::{Failure, Group, Selection, Stage};
use domain::portal::PortalState;

use super::failures::{FailureRowsPage, FailuresPage};
use super::samples::{HOSTILE, now, portal, status, viewer};
use super::shell::Viewer;

pub(super) fn groups() -> Vec<Group> {
    let group = |stage, code: &str, field: Option<&str>, reason: &str, rows| Group {
        stage,
        code: code.to_owned(),
        field: field.map(str::to_owned),
        reason: reason.to_owned(),
        rows,
        since: now() - TimeDelta::days(12),
        last_at: now() - TimeDelta::minutes(17),
    };
    vec![
        group(
            Stage::Record,
            "INVALID_OPTION",
            Some("delivery_type"),
            "carrier_pigeon was not one of the allowed options: [label: \"Email\" value: \"email\", label: \"SMS\" value: \"sms\"]",
            1_204,
        ),
        group(
            Stage::Link,
            "LINK_REFUSED",
            None,
            "The contact has as many links of this kind as HubSpot allows.",
            9,
        ),
        group(
            Stage::Row,
            "MALFORMED",
            Some("status_history[2].at"),
            "“yesterday” is not a time",
            1,
        ),
    ]
}

fn failures(reason: &str, key: &str, count: i64) -> Vec<Failure> {
    (0..count)
        .map(|n| Failure {
            stage: Stage::Record,
            key: format!("{key}{n:04}"),
            transaction_id: (n != 2).then(|| format!("{key}{n:04}")),
            code: "INVALID_OPTION".to_owned(),
            field: Some("delivery_type".to_owned()),
            reason: reason.to_owned(),
            at: now() - TimeDelta::minutes(17 * n),
        })
        .collect()
}

/// What does not get through: by reason, and by row.
pub(super) fn pages(member: &Viewer) -> Vec<(String, String)> {
    let mut pages = Vec::new();
    let (portal, mut status) = (portal(), status(PortalState::Active));
    let page = FailuresPage::new(&portal, &status, &[], viewer(), now());
    pages.push(("failures-none".to_owned(), page.render().unwrap()));
    status.failed = 1_214;
    for (name, viewer) in [("groups", viewer()), ("member", member.clone())] {
        let page = FailuresPage::new(&portal, &status, &groups(), viewer, now());
        pages.push((format!("failures-{name}"), page.render().unwrap()));
    }
    let mut hostile = groups();
    (hostile[0].code, hostile[0].field) = (HOSTILE.to_owned(), Some(HOSTILE.to_owned()));
    hostile[0].reason = HOSTILE.to_owned();
    let page = FailuresPage::new(&portal, &status, &hostile, viewer(), now());
    pages.push(("failures-hostile".to_owned(), page.render().unwrap()));
    let selection = groups()[0].selection();
    let long = format!("{}{HOSTILE}", "x".repeat(200));
    for (name, rows, is_first) in [
        (
            "rows",
            failures(&groups()[0].reason, "txn_01J9ZK", 50),
            true,
        ),
        ("rows-last", failures("No", "txn_01J9ZK", 3), false),
        ("rows-none", Vec::new(), true),
        ("rows-hostile", failures(&long, &long, 3), true),
    ] {
        let page = FailureRowsPage::new(
            &portal,
            &status,
            &selection,
            &rows,
            is_first,
            viewer(),
            now(),
        );
        pages.push((format!("failures-{name}"), page.render().unwrap()));
    }
    let all = Selection::default();
    let rows = failures("No", "txn_01J9ZK", 3);
    let page = FailureRowsPage::new(&portal, &status, &all, &rows, false, member.clone(), now());
    pages.push(("failures-rows-all".to_owned(), page.render().unwrap()));
    pages
}
