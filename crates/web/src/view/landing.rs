//! The front page: what this is, for whom, and what it asks for.

use askama::Template;
use domain::scopes;

use super::shell::Shell;
use url::form_urlencoded;

/// `templates/landing/show.html`.
#[derive(Template)]
#[template(path = "landing/show.html")]
pub struct LandingPage {
    /// The frame.
    pub shell: Shell,
    /// What became of a connection that an owner has just ended.
    pub parted: Option<&'static str>,
    /// Where the Install button leads.
    pub install_href: String,
    /// What is asked for, and why.
    pub scopes: Vec<ScopeLine>,
}

/// One scope.
#[derive(Debug, Clone)]
pub struct ScopeLine {
    /// HubSpot's name.
    pub name: &'static str,
    /// What it is for.
    pub purpose: &'static str,
    /// What is off without it; `None` when it is required.
    pub without: Option<&'static str>,
}

impl LandingPage {
    /// The page, for somebody who brings the token of a setup link or none.
    pub fn new(setup: Option<&str>) -> Self {
        let required = scopes::REQUIRED.into_iter().map(|name| ScopeLine {
            name,
            purpose: scopes::purpose(name),
            without: None,
        });
        let optional = scopes::OPTIONAL.into_iter().map(|scope| ScopeLine {
            name: scope.name,
            purpose: scopes::purpose(scope.name),
            without: Some(scope.without),
        });
        let install_href = setup.map_or_else(
            || "/install".to_owned(),
            |token| {
                let query = form_urlencoded::Serializer::new(String::new())
                    .append_pair("setup", token)
                    .finish();
                format!("/install?{query}")
            },
        );
        Self {
            shell: Shell::new("Thnks for HubSpot", None),
            parted: None,
            install_href,
            scopes: required.chain(optional).collect(),
        }
    }
}

impl LandingPage {
    /// The page after an owner has disconnected a portal; whether HubSpot could be told.
    #[must_use]
    pub fn after_disconnect(mut self, hubspot_told: bool) -> Self {
        self.parted = Some(if hubspot_told {
            "The app is removed from your HubSpot portal and you are signed out. Your records stay in HubSpot. Install the app again to go on where it stopped."
        } else {
            "Our access is destroyed and you are signed out, but HubSpot may still list the app: remove it there under Settings → Integrations → Connected apps. Your records stay in HubSpot."
        });
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setup_links_token_travels_on_and_stays_text() {
        assert_eq!(LandingPage::new(None).install_href, "/install");
        let hostile = LandingPage::new(Some("a\"&b=<x>")).install_href;
        assert_eq!(hostile, "/install?setup=a%22%26b%3D%3Cx%3E");
    }
}
