//! What "Re-associate orphans" would do.

use app::orphans::Preview;
use app::portals::PortalSummary;
use app::session::FormToken;
use askama::Template;
use domain::portal::{PortalState, PortalStatus};

use super::format;
use super::orphans::why;
use super::shell::{Shell, Viewer};
use super::tabs::{Place, Tab, tabs};

/// `templates/orphans/preview.html`.
#[derive(Template)]
#[template(path = "orphans/preview.html")]
pub struct PreviewPage {
    /// The frame.
    pub shell: Shell,
    /// The portal's path, `/portals/{hub_id}`.
    pub path: String,
    /// Hidden field of the form.
    pub csrf_token: FormToken,
    /// The portal's pages.
    pub tabs: Vec<Tab>,
    /// What was found, in one sentence.
    pub sentence: String,
    /// The numbers that matter: name, number, what it means.
    pub figures: Vec<Figure>,
    /// Orphans that it does not look at: how many, and why.
    pub left_out: Vec<String>,
    /// Whether the button makes sense.
    pub can_run: bool,
    /// Why not, or what to expect.
    pub note: String,
}

/// A number with its name.
#[derive(Debug, Clone)]
pub struct Figure {
    /// Its name.
    pub name: &'static str,
    /// The number.
    pub number: String,
    /// What it means.
    pub meaning: String,
}

impl PreviewPage {
    /// The page of `preview`, for `viewer`.
    pub fn new(
        portal: &PortalSummary,
        status: &PortalStatus,
        preview: &Preview,
        viewer: Viewer,
    ) -> Self {
        let path = format!("/portals/{}", portal.hub_id);
        let csrf_token = viewer.csrf_token.clone();
        let left_out = preview.orphans - preview.lookable;
        let mut figures = vec![Figure {
            name: "Orphans",
            number: format::number(preview.orphans),
            meaning: format!(
                "{} of them can be looked for, for {}",
                format::number(preview.lookable),
                format::count(preview.recipients, "recipient", "recipients")
            ),
        }];
        if preview.is_asked {
            let of_looked_at = if preview.is_whole {
                "have a contact in HubSpot now".to_owned()
            } else {
                format!(
                    "of the {} recipients with the most gifts have a contact now; more may follow",
                    format::number(preview.looked_at)
                )
            };
            figures.push(Figure {
                name: "Would be linked",
                number: format::number(preview.would_link),
                meaning: of_looked_at,
            });
            if preview.ambiguous > 0 {
                figures.push(Figure {
                    name: "For you to choose",
                    number: format::number(preview.ambiguous),
                    meaning: "have several contacts, and your rule leaves the choice to a person"
                        .to_owned(),
                });
            }
            figures.push(Figure {
                name: "Calls to HubSpot",
                number: format!(
                    "{}{}",
                    if preview.is_whole { "" } else { "at least " },
                    format::number(i64::try_from(preview.calls).unwrap_or(i64::MAX))
                ),
                meaning: "and a few more for each thousand companies and deals that are linked"
                    .to_owned(),
            });
        }
        let idle = status.state == PortalState::Active;
        let can_run = idle && preview.lookable > 0;
        let sentence = if preview.orphans == 0 {
            "Every record is linked to a contact. There is nothing to do."
        } else if !preview.is_asked {
            "HubSpot could not be asked just now, so this page cannot say how many would be linked."
        } else if preview.would_link == 0 {
            "None of the orphans has a contact in HubSpot now. New contacts are linked by themselves within seconds."
        } else {
            "This is what it would do. Nothing has been changed yet."
        };
        let note = if !idle {
            "Not possible while the portal is paused, disconnected or not set up."
        } else if preview.lookable == 0 {
            "There is nothing to look for."
        } else {
            "It runs in the background, and only adds links. You can watch it on the dashboard."
        };
        let whys = preview
            .by_outcome
            .iter()
            .map(|(outcome, count)| format!("{}: {}", why(*outcome), format::number(*count)));
        Self {
            shell: Shell::new("Re-associate orphans", Some(viewer)),
            csrf_token,
            tabs: tabs(&path, Place::Orphans, status),
            sentence: sentence.to_owned(),
            figures,
            left_out: if left_out > 0 {
                whys.collect()
            } else {
                Vec::new()
            },
            can_run,
            note: note.to_owned(),
            path,
        }
    }
}
