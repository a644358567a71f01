//! Connecting Thnks: the admin's API key is tried at Thnks before it is stored.

use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use store::PortalScope;
use store::portal_keys::Secret;
use store::thnks_connections::ThnksConnection;

use crate::session::Session;
use crate::{App, install, keys};

/// Why a key was not stored.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody has said that the portal is the right one.
    #[error("the portal was not confirmed")]
    NotConfirmed,
    /// Nothing was entered.
    #[error("no key was entered")]
    KeyEmpty,
    /// Thnks does not know the key.
    #[error("Thnks refuses the key")]
    KeyRefused,
    /// The organization's plan lacks the HubSpot integration.
    #[error("the organization's Thnks plan lacks the HubSpot integration")]
    IntegrationDisabled,
    /// The portal holds the gifts of another organization.
    #[error("the key is another organization's")]
    OtherOrganization,
    /// Thnks does not answer.
    #[error("Thnks is unavailable")]
    ThnksUnavailable,
    /// Something inside failed.
    #[error(transparent)]
    Internal(#[from] crate::Error),
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        Self::Internal(error.into())
    }
}

/// Checks the key with Thnks and stores it; the backfill, or a look at what was missing, is asked for in the same
/// transaction. `confirmed` is the number of the portal that the person has said is the right one: somebody may have been led
/// into another one, and what they enter would bring their gifts there.
pub async fn connect(
    app: &App,
    session: &Session,
    confirmed: &str,
    key: &SecretString,
) -> Result<(), Error> {
    if confirmed.trim().parse() != Ok(session.hub_id) {
        return Err(Error::NotConfirmed);
    }
    let key = SecretString::from(key.expose_secret().trim());
    if key.expose_secret().is_empty() {
        return Err(Error::KeyEmpty);
    }
    let organization = app.thnks.organization(&key).await.map_err(|error| match error {
        thnks::Error::KeyRefused => Error::KeyRefused,
        thnks::Error::IntegrationDisabled => Error::IntegrationDisabled,
        other => {
            tracing::warn!(portal.id = %session.hub_id, error = %other, "a Thnks key could not be checked");
            Error::ThnksUnavailable
        }
    })?;
    if !organization.hubspot_enabled {
        return Err(Error::IntegrationDisabled);
    }
    let (scope, now) = (*session.scope(), app.now());
    let mut tx = app.db.begin(scope).await?;
    store::runs::lock(&mut tx, scope).await?;
    let portal_key = keys::of_portal(app, &mut tx, scope).await?;
    let sealed = portal_key.seal(Secret::ThnksKey, &key);
    if is_another(&mut tx, scope, &organization.id).await? {
        return Err(Error::OtherOrganization);
    }
    let is_first = store::thnks_connections::find_api_key(&mut tx, scope)
        .await?
        .is_none();
    let connection = ThnksConnection {
        api_key: &sealed,
        organization_id: Some(&organization.id),
        organization_name: Some(&organization.name),
    };
    store::thnks_connections::upsert(&mut tx, scope, &connection, now).await?;
    install::begin_work(app, &mut tx, scope, &session.actor()).await?;
    let detail = json!({"thnks_organization": organization.id, "replaced": !is_first});
    store::audit::insert(
        &mut tx,
        scope,
        &session.actor(),
        "thnks.connect",
        &detail,
        now,
    )
    .await?;
    tx.commit().await.map_err(store::Error::from)?;
    Ok(())
}

/// Whether the portal is connected to another organization than this one.
pub(crate) async fn is_another(
    tx: &mut store::Tx,
    scope: PortalScope,
    organization_id: &str,
) -> Result<bool, store::Error> {
    let known = store::thnks_connections::find_organization_id(tx, scope).await?;
    Ok(known.is_some_and(|known| known != organization_id))
}
