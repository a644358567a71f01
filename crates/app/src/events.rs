//! Events from HubSpot: checked, stored, acknowledged. What they lead to is a run's work.

use hubspot::SignatureError;
pub use hubspot::SignedRequest;

use crate::App;

/// Why a delivery was not taken.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It does not come from HubSpot, or is too old.
    #[error(transparent)]
    Unsigned(#[from] SignatureError),
    /// It comes from HubSpot and is no list of events.
    #[error("the delivery is no list of events")]
    Unreadable,
    /// Something inside failed.
    #[error(transparent)]
    Internal(#[from] crate::Error),
}

/// Takes a delivery: when this returns, what concerns us is stored. Events of portals that are not known, and of other apps,
/// are left out.
pub async fn accept(app: &App, request: &SignedRequest<'_>) -> Result<(), Error> {
    app.hubspot.verify(request, app.now())?;
    let told = app
        .hubspot
        .contact_events(request.body)
        .map_err(|_| Error::Unreadable)?;
    if told.foreign > 0 {
        tracing::info!(rows = told.foreign, "events of another app were dropped");
    }
    let events = told.contacts;
    if events.is_empty() {
        return Ok(());
    }
    let stored = async {
        let mut tx = app.db.begin_unscoped().await?;
        let stored = store::hubspot_events::insert(&mut tx, &events).await?;
        tx.commit().await?;
        Ok::<_, store::Error>(stored)
    };
    let stored = stored.await.map_err(crate::Error::from)?;
    tracing::debug!(events = events.len(), stored, "HubSpot told of contacts");
    Ok(())
}
