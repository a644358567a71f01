//! The front page.

use axum::extract::Query;
use serde::Deserialize;

use crate::handlers::page::Page;
use crate::view::landing::LandingPage;

/// The setup link's token, which a person may bring to the front page as well; its Install button then carries it on.
#[derive(Deserialize)]
pub struct Brought {
    setup: Option<String>,
    /// After an owner has disconnected a portal; `untold` when HubSpot did not answer.
    disconnected: Option<String>,
}

/// `GET /`
pub async fn show(Query(brought): Query<Brought>) -> Page<LandingPage> {
    let page = LandingPage::new(brought.setup.as_deref());
    Page(match brought.disconnected.as_deref() {
        Some(outcome) => page.after_disconnect(outcome != "untold"),
        None => page,
    })
}
