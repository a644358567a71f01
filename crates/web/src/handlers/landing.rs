//! The front page.

use crate::handlers::page::Page;
use crate::view::landing::LandingPage;

/// `GET /`
pub async fn show() -> Page<LandingPage> {
    Page(LandingPage::new())
}
