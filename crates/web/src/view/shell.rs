//! The frame around every page: title, top bar, style and script addresses.

use app::session::FormToken;

use crate::assets;

/// What the frame needs.
#[derive(Clone)]
pub struct Shell {
    /// The page's title, without names of people.
    pub title: String,
    /// Address of the style sheet.
    pub style: &'static str,
    /// Addresses of the scripts, in the order in which they run.
    pub scripts: Vec<&'static str>,
    /// Address of the icon.
    pub icon: &'static str,
    /// Who is signed in; `None` on public pages.
    pub viewer: Option<Viewer>,
    /// Whether the page is the operators'.
    pub is_console: bool,
    /// Seconds after which a browser without script loads the page again.
    pub reload_secs: Option<u32>,
}

/// The person who is signed in, as the top bar and the forms need it. It cannot be printed: it holds the token of forms.
#[derive(Clone)]
pub struct Viewer {
    /// The e-mail address, or what stands for it.
    pub name: String,
    /// Whether the buttons work for this person.
    pub is_owner: bool,
    /// The hidden field of every form.
    pub csrf_token: FormToken,
}

impl Shell {
    /// A page without scripts.
    pub fn new(title: impl Into<String>, viewer: Option<Viewer>) -> Self {
        Self {
            title: title.into(),
            style: assets::url("app.css"),
            scripts: Vec::new(),
            icon: assets::url("mark.svg"),
            viewer,
            is_console: false,
            reload_secs: None,
        }
    }

    /// A page of the operator's console, without scripts.
    pub fn of_console(title: impl Into<String>, viewer: Option<Viewer>) -> Self {
        Self {
            is_console: true,
            ..Self::new(title, viewer)
        }
    }

    /// Where the mark in the top bar leads.
    pub fn home(&self) -> &'static str {
        match (self.is_console, &self.viewer) {
            (true, _) => "/operator",
            (false, Some(_)) => "/portals",
            (false, None) => "/",
        }
    }

    /// Where its button to sign out leads.
    pub fn sign_out(&self) -> &'static str {
        if self.is_console {
            "/operator/sign-out"
        } else {
            "/logout"
        }
    }
}

impl Viewer {
    /// From a session of the console.
    pub fn of_operator(operator: &app::console::Operator) -> Self {
        Self {
            name: operator.name.clone(),
            is_owner: false,
            csrf_token: operator.csrf_token.clone(),
        }
    }

    /// From a session.
    pub fn of(session: &app::session::Session) -> Self {
        Self {
            name: session
                .email
                .clone()
                .unwrap_or_else(|| format!("User {}", session.user_id)),
            is_owner: session.is_owner(),
            csrf_token: session.csrf_token.clone(),
        }
    }
}
