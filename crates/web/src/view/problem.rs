//! A page that says what went wrong and what to do about it.

use askama::Template;

use super::shell::Shell;

/// `templates/problem/show.html`.
#[derive(Template)]
#[template(path = "problem/show.html")]
pub struct ProblemPage {
    /// The frame.
    pub shell: Shell,
    /// What happened, in one short sentence.
    pub title: String,
    /// What it means.
    pub detail: String,
    /// What to do, as sentences; may be empty.
    pub remedies: Vec<String>,
    /// Where to go on: address and label.
    pub action: Option<(&'static str, &'static str)>,
    /// Whether it is our fault, otherwise something a person can mend.
    pub ours: bool,
    /// The request's id, for support.
    pub request_id: String,
}
