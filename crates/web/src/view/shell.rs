//! The frame around every page: title, top bar, style and script addresses.

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
    /// Seconds after which a browser without script loads the page again.
    pub reload_secs: Option<u32>,
}

/// The person who is signed in, as the top bar and the forms need it. It must not be printed: it holds the token of forms.
#[derive(Clone)]
pub struct Viewer {
    /// The e-mail address, or what stands for it.
    pub name: String,
    /// Whether the buttons work for this person.
    pub is_owner: bool,
    /// The hidden field of every form.
    pub csrf_token: String,
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
            reload_secs: None,
        }
    }
}

impl Viewer {
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
