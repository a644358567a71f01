//! The front page.

use axum::extract::Query;
use serde::Deserialize;

use crate::handlers::page::Page;
use crate::view::landing::LandingPage;

/// The setup link's token, which a person may bring to the front page as well; its Install button then carries it on.
#[derive(Deserialize)]
pub struct Brought {
    setup: Option<String>,
}

/// `GET /`
pub async fn show(Query(brought): Query<Brought>) -> Page<LandingPage> {
    Page(LandingPage::new(brought.setup.as_deref()))
}
