//! Every page in every state, rendered from made-up values: a check that nothing is left unfilled, and pictures to look
//! at (`target/pages/*.html`, or in the folder that `THNKS_PAGES` names, with the files they name under `static/`), which the
//! browser's tests hold to the rules.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use app::portals::PortalSummary;
use askama::Template;
use chrono::{DateTime, TimeDelta, Utc};
use domain::portal::{LastRun, PortalState, PortalStatus};
use domain::run::{RunKind, RunState};
use domain::{HubId, RunId};
use uuid::Uuid;

use super::connect::{ConnectPage, Tried};
use super::landing::LandingPage;
use super::portals::PortalsPage;
use super::problem::ProblemPage;
use super::shell::{Shell, Viewer};
use crate::assets;
use crate::error::Error;
use crate::traffic::Refused;

/// What people, Thnks or HubSpot could send by malice or by chance, all in one text: markup and handlers that would run,
/// what leaves an attribute, a title or a comment, addresses that are scripts, marks of templates, a spreadsheet's
/// formula, letters that turn the direction around, hide or pile up, control characters, and a word without an end.
pub(super) const HOSTILE: &str = concat!(
    "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>",
    "</title></textarea></select></svg>--><svg onload=alert(1)><iframe srcdoc=\"<script>alert(1)</script>\">",
    "\" onmouseover=alert(1) autofocus onfocus=\"alert(1)\" '`",
    "<a href=javascript:alert(1)>javascript:alert(1)</a> &lt;b&gt; &#60;script&#62; \\u003cscript\\u003e %3Cscript%3E ",
    "{{7*7}} ${7*7} {%7*7%} <%=7*7%> =HYPERLINK(\"http://evil.example\",\"x\") +1+1 @SUM(1) ",
    "'; DROP TABLE portals; -- ../../etc/passwd\r\nSet-Cookie: a=b ",
    "\u{202e}gnp.tfig\u{2066}\u{200b}\u{200d}\u{feff}\u{1}\u{8}\u{b}\u{1b}[31m\u{7f}\u{85}\u{2028} ",
    "👩\u{200d}👩\u{200d}👧\u{200d}👦🏴\u{e0067}\u{e007f} Z\u{351}\u{36b}\u{343}a\u{321}\u{34a}\u{360}lgo ﷽ ",
    "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft",
    "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft",
);

pub(super) fn now() -> DateTime<Utc> {
    "2026-11-23T19:20:00Z".parse().unwrap()
}

pub(super) fn viewer() -> Viewer {
    Viewer {
        name: "ana.souza@northwind.example".to_owned(),
        is_owner: true,
        csrf_token: app::session::FormToken::new("token"),
    }
}

pub(super) fn portal() -> PortalSummary {
    PortalSummary {
        hub_id: HubId(48_151_623),
        hub_domain: Some("northwind.example".to_owned()),
        organization: Some("Northwind Traders".to_owned()),
        time_zone: chrono_tz::America::New_York,
        ui_domain: "app.hubspot.com".to_owned(),
        object_type: Some("2-1234567".to_owned()),
        thnks_connected: true,
    }
}

pub(super) fn last_run(kind: RunKind, state: RunState) -> LastRun {
    LastRun {
        id: RunId(Uuid::nil()),
        kind,
        state,
        finished_at: Some(now() - TimeDelta::minutes(17)),
    }
}

pub(super) fn status(state: PortalState) -> PortalStatus {
    PortalStatus {
        state,
        current_run: None,
        last_run: Some(last_run(RunKind::Sync, RunState::Succeeded)),
        transactions: 5_000,
        synced: 5_000,
        failed: 0,
        orphans: 340,
        next_sync_at: Some(now() + TimeDelta::minutes(43)),
        needs: Vec::new(),
    }
}

fn problem(error: &Error) -> String {
    let problem = error.problem();
    let page = ProblemPage {
        shell: Shell::new(problem.title.as_str(), None),
        title: problem.title,
        detail: problem.detail,
        remedies: problem.remedies,
        action: problem.action,
        ours: problem.status.is_server_error(),
        request_id: Uuid::nil().to_string(),
    };
    page.render().unwrap()
}

fn pages() -> Vec<(String, String)> {
    use app::install::Error as Install;
    let mut pages: Vec<(String, String)> = Vec::new();
    let member = Viewer {
        is_owner: false,
        ..viewer()
    };
    pages.extend(super::dashboard_samples::pages(&member));
    pages.extend(super::run_samples::pages(&member));
    pages.extend(super::failure_samples::pages(&member));
    pages.extend(super::linking_samples::pages());
    pages.extend(super::gifts_samples::pages());
    pages.extend(super::reports_samples::pages());
    pages.extend(super::notices_samples::pages());
    pages.extend(super::settings_samples::pages());
    pages.extend(super::console_samples::pages());
    pages.extend(super::attack_samples::pages());
    let mut fresh = portal();
    fresh.thnks_connected = false;
    let refused = |is_confirmed, error| Tried {
        is_confirmed,
        error: Some(error),
    };
    for (name, viewer, tried) in [
        ("connect", viewer(), Tried::default()),
        (
            "connect-refused",
            viewer(),
            refused(true, "Thnks does not know this key."),
        ),
        (
            "connect-unconfirmed",
            viewer(),
            refused(false, "Confirm that this is the right HubSpot portal."),
        ),
        ("connect-member", member, Tried::default()),
    ] {
        let page = ConnectPage::new(&fresh, viewer, &tried);
        pages.push((name.to_owned(), page.render().unwrap()));
    }
    let mut other = portal();
    other.hub_id = HubId(7);
    other.organization = None;
    let page = PortalsPage::new(&[portal(), other], HubId(48_151_623), viewer());
    pages.push(("portals".to_owned(), page.render().unwrap()));
    let page = PortalsPage::new(&[], HubId(1), viewer());
    pages.push(("portals-none".to_owned(), page.render().unwrap()));
    pages.push((
        "landing".to_owned(),
        LandingPage::new(None).render().unwrap(),
    ));
    let missing = vec!["crm.objects.custom.write", "crm.schemas.custom.read"];
    for (name, error) in [
        ("not-found", Error::NotFound),
        ("foreign-form", Error::ForeignForm),
        ("foreign-link", Error::ForeignLink),
        ("too-many", Error::TooMany(Refused(Duration::from_secs(3)))),
        ("owner-needed", Error::OwnerNeeded),
        ("consent-refused", Error::ConsentRefused),
        ("internal", Error::Panicked),
        ("link-unknown", Error::Install(Install::SetupLinkUnknown)),
        ("link-expired", Error::Install(Install::SetupLinkExpired)),
        ("link-used", Error::Install(Install::SetupLinkUsed)),
        ("state-refused", Error::Install(Install::StateRefused)),
        (
            "scopes-missing",
            Error::Install(Install::ScopesMissing { missing }),
        ),
    ] {
        pages.push((format!("problem-{name}"), problem(&error)));
    }
    pages
}

#[test]
fn every_page_renders_in_every_state() {
    let folder = std::env::var_os("THNKS_PAGES").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/pages")),
        PathBuf::from,
    );
    fs::create_dir_all(folder.join("static")).unwrap();
    for name in ["app.css", "uplot.min.js", "chart.js", "live.js", "mark.svg"] {
        let address = assets::url(name).strip_prefix("/static/").unwrap();
        let asset = assets::find(address).unwrap();
        fs::write(folder.join("static").join(address), &asset.bytes).unwrap();
    }
    for (name, page) in pages() {
        let filled = page.replace("{{7*7}}", "").replace("{%7*7%}", "");
        for left_over in ["{{", "{%", "{#", "style=", "onclick", "<style", "<script>"] {
            assert!(!filled.contains(left_over), "{name} contains {left_over}");
        }
        assert_eq!(
            page.matches("<h1").count(),
            1,
            "{name} has one heading of the first level"
        );
        assert_eq!(page.matches("<main").count(), 1, "{name}");
        assert_eq!(
            page.matches("method=\"post\"").count(),
            page.matches("name=\"csrf_token\"").count(),
            "every form of {name} carries its token"
        );
        for tag in [
            "div", "section", "form", "ul", "ol", "li", "p", "details", "svg", "table", "span", "a",
        ] {
            let opened = page.matches(&format!("<{tag} ")).count()
                + page.matches(&format!("<{tag}>")).count();
            assert_eq!(
                opened,
                page.matches(&format!("</{tag}>")).count(),
                "{name} closes every <{tag}>"
            );
        }
        fs::write(folder.join(format!("{name}.html")), page).unwrap();
    }
}

#[test]
fn texts_from_outside_are_text() {
    let pages = pages();
    for name in [
        "dashboard-hostile",
        "failures-hostile",
        "failures-rows-hostile",
        "gifts-hostile",
        "run-hostile",
        "trace-hostile",
        "orphans-all",
        "settings-chosen",
        "reports-hostile",
        "report-redemption-by-type-hostile",
        "report-top-senders-hostile",
        "report-sent-per-stage-hostile",
        "audit-all",
        "people-many",
        "disconnect-refused",
        "trial-troubled",
        "console-runs-hostile",
        "console-portals-hostile",
        "console-portal-no-act",
        "console-ask-refused",
        "console-look-hostile",
    ] {
        let (_, page) = pages.iter().find(|(page, _)| page == name).unwrap();
        assert!(page.contains("&#60;script&#62;alert(1)"), "{name}");
        assert!(!page.contains("<img src=x"), "{name}");
    }
}
