//! What the operator does from the command line: organizations and their setup links, and the trail of what was typed.

use chrono::{DateTime, TimeDelta, Utc};
use domain::{HubId, OrganizationId};
use secrecy::SecretString;
use serde_json::{Value, json};
use store::PortalScope;
pub use store::organizations::Organization;
use store::organizations::SetupLink;
use url::Url;
use uuid::Uuid;

use crate::cipher::Place;
use crate::{App, Error, tokens};

/// An organization to add.
pub struct NewOrganization<'a> {
    /// Its name, for people.
    pub name: &'a str,
    /// Its Thnks API key.
    pub api_key: &'a SecretString,
    /// The only portal that may use the link, if known.
    pub portal: Option<HubId>,
    /// How long the link is good.
    pub link_lifetime: TimeDelta,
}

/// Adds an organization and makes its one-use setup link.
pub async fn add_organization(app: &App, new: &NewOrganization<'_>) -> Result<Url, Error> {
    let now = app.now();
    let id = OrganizationId(Uuid::now_v7());
    let link = SetupLink {
        id: Uuid::now_v7(),
        organization_id: id,
        bound_to: new.portal,
        expires_at: now + new.link_lifetime,
        spent_at: None,
    };
    let sealed = app.keys.seal(api_key_place(&id.to_string()), new.api_key);
    let mut tx = app.db.begin_unscoped().await?;
    store::organizations::insert(&mut tx, id, new.name, &sealed, now).await?;
    store::organizations::insert_setup_link(&mut tx, &link, app.keys.first_id(), now).await?;
    let detail = json!({"organization": id, "setup_link": link.id, "portal": new.portal});
    store::audit::insert_operators(&mut tx, "org add", &detail, now).await?;
    tx.commit().await.map_err(store::Error::from)?;
    let mut url = app.config.public_url.clone();
    url.set_path("/install");
    url.set_query(None);
    url.query_pairs_mut().append_pair(
        "setup",
        &tokens::sign_setup(&app.keys, link.id, link.expires_at),
    );
    Ok(url)
}

/// All organizations, newest first.
pub async fn list_organizations(app: &App) -> Result<Vec<Organization>, Error> {
    let mut tx = app.db.begin_unscoped().await?;
    Ok(store::organizations::list(&mut tx).await?)
}

/// Revokes a setup link, given as its address or its token; `false` when it is unknown or spent.
pub async fn revoke_setup_link(app: &App, link: &str) -> Result<bool, Error> {
    let token = match Url::parse(link) {
        Ok(url) => url
            .query_pairs()
            .find(|(name, _)| name == "setup")
            .map(|(_, token)| token.into_owned()),
        Err(_) => Some(link.to_owned()),
    };
    let Some((link_id, _)) = token.and_then(|token| tokens::verify_setup(&app.keys, &token)) else {
        return Ok(false);
    };
    let mut tx = app.db.begin_unscoped().await?;
    let now = app.now();
    let revoked = store::organizations::revoke_setup_link(&mut tx, link_id, now).await?;
    if revoked {
        let detail = json!({"setup_link": link_id});
        store::audit::insert_operators(&mut tx, "org revoke-link", &detail, now).await?;
    }
    tx.commit().await.map_err(store::Error::from)?;
    Ok(revoked)
}

/// Who does what is typed at the command line, in the trail of a portal.
pub(crate) const ACTOR: &str = "operator";

/// Notes what the operator did to one portal at the command line among the operator's acts; `command` is what was typed, `more`
/// an object of ids and counts. At the end of a transaction: those acts are chained one after another.
pub(crate) async fn note(
    tx: &mut store::Tx,
    scope: PortalScope,
    command: &str,
    mut more: Value,
    now: DateTime<Utc>,
) -> Result<(), store::Error> {
    more["portal"] = json!(scope.hub_id());
    store::audit::insert_operators(tx, command, &more, now).await
}

/// Where an organization's Thnks key belongs.
pub(crate) fn api_key_place(row: &str) -> Place<'_> {
    Place {
        table: "organizations",
        column: "api_key",
        hub_id: 0,
        row,
    }
}
