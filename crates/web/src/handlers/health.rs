//! Words for load balancers.

use app::App;
use axum::extract::State;

use crate::error::Error;
use crate::router::Stop;

/// `GET /healthz`: the process answers.
pub async fn process() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: so does its database, and nobody has told the process to stop.
pub async fn database(
    State(app): State<App>,
    State(stop): State<Stop>,
) -> Result<&'static str, Error> {
    if stop.said.is_cancelled() {
        return Err(Error::NotReady);
    }
    match app.check().await {
        Ok(()) => Ok("ready\n"),
        Err(error) => {
            tracing::warn!(%error, "not ready");
            Err(Error::NotReady)
        }
    }
}
