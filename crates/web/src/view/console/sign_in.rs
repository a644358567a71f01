//! The way into the console.

use app::session::FormToken;
use askama::Template;

use crate::view::shell::Shell;

/// `templates/console/sign_in.html`.
#[derive(Template)]
#[template(path = "console/sign_in.html")]
pub struct SignInPage {
    /// The frame.
    pub shell: Shell,
    /// Hidden field of the form.
    pub csrf_token: FormToken,
    /// The name that was entered.
    pub name: String,
    /// What is wrong.
    pub error: Option<&'static str>,
}

impl SignInPage {
    /// Whichever of the two it is.
    pub const REFUSED: &'static str = "This name with this password lets nobody in.";

    /// The form with this token, and what was entered before.
    pub fn new(csrf_token: FormToken, name: String, error: Option<&'static str>) -> Self {
        let title = if error.is_some() {
            "Error: Console"
        } else {
            "Console"
        };
        Self {
            shell: Shell::of_console(title, None),
            csrf_token,
            name,
            error,
        }
    }
}
