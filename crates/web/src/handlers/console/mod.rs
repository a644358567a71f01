//! The operator's console: one file per page.

pub mod acts;
pub mod look;
pub mod overview;
pub mod portal;
pub mod portals;
pub mod runs;
pub mod sign_in;

use app::console::{self, Operator};
use app::{App, PortalScope};
use axum::extract::{FromRef, FromRequestParts, Path};
use axum::http::request::Parts;
use serde::Deserialize;

use crate::error::Error;

/// The operator whose session the layer has checked.
pub struct Signed(pub Operator);

impl<S: Sync> FromRequestParts<S> for Signed {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        let operator = parts.extensions.get::<Operator>().cloned();
        operator.map(Self).ok_or(Error::SignInNeeded)
    }
}

/// The same before the portal that the address names, which is there.
pub struct Before {
    /// Who.
    pub operator: Operator,
    /// The way to the portal's rows.
    pub scope: PortalScope,
}

impl<S> FromRequestParts<S> for Before
where
    S: Send + Sync,
    App: FromRef<S>,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let Signed(operator) = Signed::from_request_parts(parts, state).await?;
        let Path(hub_id) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|_| Error::NotFound)?;
        let hub_id = hub_id.parse().map_err(|_| Error::NotFound)?;
        let scope = console::find(&App::from_ref(state), hub_id).await?;
        let scope = scope.ok_or(Error::NotFound)?;
        Ok(Self { operator, scope })
    }
}

/// A form with a reason.
#[derive(Deserialize)]
pub struct Reasoned {
    #[serde(default)]
    reason: String,
}
