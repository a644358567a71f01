//! Words for load balancers.

use app::App;
use axum::extract::State;

use crate::error::Error;

/// `GET /healthz`: the process answers.
pub async fn process() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: so does its database.
pub async fn database(State(app): State<App>) -> Result<&'static str, Error> {
    match app.check().await {
        Ok(()) => Ok("ready\n"),
        Err(error) => {
            tracing::warn!(%error, "not ready");
            Err(Error::NotReady)
        }
    }
}
