//! What a page says of a portal, and which portals a person belongs to.

use domain::HubId;
use store::PortalScope;

use crate::session::Session;
use crate::{App, Error};

/// A portal in a few words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortalSummary {
    /// Its number.
    pub hub_id: HubId,
    /// Its web domain, for display.
    pub hub_domain: Option<String>,
    /// The Thnks organization.
    pub organization: Option<String>,
    /// Its time zone: days begin at its midnight.
    pub time_zone: chrono_tz::Tz,
    /// Host of HubSpot's pages for it.
    pub ui_domain: String,
    /// Type id of the custom object there, once set-up has found or made it.
    pub object_type: Option<String>,
    /// Whether a Thnks key is stored.
    pub thnks_connected: bool,
}

impl PortalSummary {
    pub(crate) fn of(scope: PortalScope, portal: &store::portals::Portal) -> Self {
        Self {
            hub_id: scope.hub_id(),
            hub_domain: portal.hub_domain.clone(),
            organization: portal.organization_name.clone(),
            time_zone: portal.time_zone.parse().unwrap_or(chrono_tz::UTC),
            ui_domain: portal.ui_domain.clone(),
            object_type: portal.object_type_id.clone(),
            thnks_connected: portal.thnks_connected,
        }
    }
}

/// The session's portal.
pub async fn load(app: &App, scope: &PortalScope) -> Result<PortalSummary, Error> {
    let mut tx = app.db.begin(*scope).await?;
    let portal = store::portals::find(&mut tx, *scope)
        .await?
        .ok_or(Error::NotConnected)?;
    Ok(PortalSummary::of(*scope, &portal))
}

/// The portals of the session's person.
pub async fn list(app: &App, session: &Session) -> Result<Vec<PortalSummary>, Error> {
    let mut tx = app.db.begin_unscoped().await?;
    let scopes = store::members::list_portals(&mut tx, session.user_id).await?;
    drop(tx);
    let mut portals = Vec::with_capacity(scopes.len());
    for scope in scopes {
        portals.push(load(app, &scope).await?);
    }
    Ok(portals)
}
