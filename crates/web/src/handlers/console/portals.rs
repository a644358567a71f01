//! The list of all portals.

use app::App;
use app::console::{Filter, Trouble};
use axum::extract::{Query, State};
use domain::HubId;
use domain::portal::PortalState;
use serde::Deserialize;

use super::Signed;
use crate::error::Error;
use crate::handlers::page::Page;
use crate::view::console::portals::{self as view, PortalsPage};
use crate::view::shell::Viewer;

/// What is asked for, in the address.
#[derive(Deserialize)]
pub struct Which {
    #[serde(default)]
    q: String,
    #[serde(default)]
    state: String,
    #[serde(default)]
    trouble: String,
    after: Option<String>,
}

impl Which {
    fn read(&self) -> Result<(Filter, Option<HubId>), Error> {
        // The database knows no NUL, so nothing it holds can be meant.
        if self.q.contains('\0') {
            return Err(Error::NotFound);
        }
        let state = match self.state.as_str() {
            "" => None,
            text => Some(PortalState::from_stored(text).ok_or(Error::NotFound)?),
        };
        let trouble = match self.trouble.as_str() {
            "" => None,
            text => Some(trouble(text).ok_or(Error::NotFound)?),
        };
        let after = self.after.as_deref().map(str::parse).transpose();
        let words = self.q.trim();
        let filter = Filter {
            state,
            trouble,
            words: (!words.is_empty()).then(|| words.to_owned()),
        };
        Ok((filter, after.map_err(|_| Error::NotFound)?))
    }
}

fn trouble(text: &str) -> Option<Trouble> {
    [Trouble::Late, Trouble::Failing, Trouble::Refused]
        .into_iter()
        .find(|trouble| view::word(*trouble) == text)
}

/// `GET /operator/portals?q=WORDS&state=STATE&trouble=TROUBLE&after=HUB_ID`
pub async fn list(
    State(app): State<App>,
    Signed(operator): Signed,
    Query(which): Query<Which>,
) -> Result<Page<PortalsPage>, Error> {
    let (filter, after) = which.read()?;
    let listed = app::console::list(&app, &filter, after).await?;
    Ok(Page(PortalsPage::new(
        &listed,
        &filter,
        after.is_none(),
        &Viewer::of_operator(&operator),
        app.now(),
    )))
}
