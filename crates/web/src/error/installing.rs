//! Why an install or a sign-in did not work, in words.

use app::install;
use axum::http::StatusCode;

use super::{Error, Problem};

/// The page of such a failure.
pub(super) fn problem(error: &install::Error) -> Problem {
    let link = |status, code, title, detail| {
        Problem::new(status, code, title, detail)
            .remedied_by(&[
                "Ask your Thnks contact for a new setup link.",
                "Or install without a link and enter your Thnks API key afterwards.",
            ])
            .then("/install", "Install without a link")
    };
    match error {
        install::Error::SetupLinkUnknown => link(
            StatusCode::NOT_FOUND,
            "setup_link_unknown",
            "This setup link is not one of ours",
            "It may have been cut off when it was copied.",
        ),
        install::Error::SetupLinkExpired => link(
            StatusCode::GONE,
            "setup_link_expired",
            "This setup link has expired",
            "Setup links work for a limited time only, so that a forgotten one does no harm.",
        ),
        install::Error::SetupLinkUsed => link(
            StatusCode::GONE,
            "setup_link_used",
            "This setup link was used before",
            "Each link works once. If you used it yourself, your portal is connected: sign in.",
        )
        .then("/login", "Sign in"),
        install::Error::StateRefused => Problem::new(
            StatusCode::BAD_REQUEST,
            "state_refused",
            "This attempt is over",
            "It took longer than ten minutes, was finished before, or began in another browser. Nothing was stored.",
        )
        .remedied_by(&["Start again in this browser and finish within ten minutes."])
        .then("/install", "Start again"),
        install::Error::PortalMismatch { expected, got } => Problem::new(
            StatusCode::FORBIDDEN,
            "portal_mismatch",
            "This setup link is for another portal",
            format!("It was made for HubSpot portal {expected}; you chose portal {got}. Nothing was stored."),
        )
        .remedied_by(&["Open the link again and choose the right portal on HubSpot’s page."]),
        install::Error::OtherOrganization => Problem::new(
            StatusCode::CONFLICT,
            "other_organization",
            "This portal belongs to another Thnks organization",
            "Its records are the gifts of another organization; two must not mix. Nothing was stored.",
        )
        .remedied_by(&["Open the setup link again and choose your own portal on HubSpot’s page."])
        .then("/login", "Sign in"),
        install::Error::ThnksUnavailable => Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "thnks_unavailable",
            "The link's Thnks key could not be checked",
            "Thnks did not accept it or did not answer. Your portal keeps the key it has. Nothing was stored.",
        )
        .remedied_by(&["Open the link again in a few minutes, or ask for a new one."])
        .then("/login", "Sign in"),
        install::Error::OwnerNeeded => Problem::new(
            StatusCode::FORBIDDEN,
            "owner_needed",
            "This portal is connected already",
            "Only its owner can connect it with another setup link. Nothing was stored.",
        )
        .remedied_by(&["Ask the person who installed the app to open the link, or sign in to see the dashboard."])
        .then("/login", "Sign in"),
        install::Error::Disconnected => Problem::new(
            StatusCode::FORBIDDEN,
            "disconnected",
            "This portal is disconnected",
            "Its owner or HubSpot ended the connection. Signing in does not bring it back, and nothing was stored.",
        )
        .remedied_by(&["Ask an owner of the portal to sign in, or install the app again."])
        .then("/install", "Install again"),
        install::Error::BeingErased => Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "being_erased",
            "Your old data is being erased",
            "This portal was disconnected so long ago that what we knew of it is being erased. It takes some minutes. Nothing was stored.",
        )
        .remedied_by(&["Install again in a few minutes: everything is read from Thnks anew, and your records in HubSpot are found again."])
        .then("/install", "Install again"),
        install::Error::ReturnUrlRefused => Problem::new(
            StatusCode::BAD_REQUEST,
            "return_url_refused",
            "This link does not lead back to HubSpot",
            "The address at its end is not one of HubSpot’s pages, so we sent nobody there. Nothing was stored.",
        )
        .remedied_by(&[
            "Begin on the app’s page in HubSpot’s marketplace.",
            "Or install from here; the outcome is the same.",
        ])
        .then("/install", "Install from here"),
        install::Error::CodeRefused => Problem::new(
            StatusCode::BAD_REQUEST,
            "code_refused",
            "HubSpot did not accept this attempt",
            "Its confirmation was too old or used before. Nothing was stored.",
        )
        .then("/install", "Start again"),
        install::Error::ScopesMissing { missing } => {
            let mut problem = Problem::new(
                StatusCode::FORBIDDEN,
                "scopes_missing",
                "A permission is missing",
                format!(
                    "HubSpot did not grant {}. Without it gifts cannot become records. Nothing was stored.",
                    missing.join(", ")
                ),
            )
            .then("/install", "Start again");
            problem.remedies = vec![
                "Ask a super admin of the portal to install the app.".to_owned(),
                "Custom objects need an Enterprise subscription in HubSpot; without one HubSpot cannot grant their permissions.".to_owned(),
            ];
            problem
        }
        install::Error::HubSpotUnavailable(_) => Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "hubspot_unavailable",
            "HubSpot does not answer",
            "The connection could not be finished. Nothing was stored.",
        )
        .remedied_by(&["Try again in a few minutes."])
        .then("/install", "Start again"),
        install::Error::Internal(_) => Error::Panicked.problem(),
    }
}
