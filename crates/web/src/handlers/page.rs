//! A rendered page as an answer.

use askama::Template;
use axum::response::{Html, IntoResponse, Response};

use crate::error::Error;

/// Renders its template.
pub struct Page<T>(pub T);

impl<T: Template> IntoResponse for Page<T> {
    fn into_response(self) -> Response {
        match self.0.render() {
            Ok(text) => Html(text).into_response(),
            Err(error) => {
                tracing::error!(%error, "a page could not be rendered");
                Error::Panicked.into_response()
            }
        }
    }
}
