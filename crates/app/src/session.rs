//! Who is before the screen, and of which portal.

use domain::{HubId, UserId};
use store::PortalScope;
pub use store::members::Role;

use crate::{App, Error, tokens};

/// An open session: one person in one portal.
#[derive(Debug, Clone)]
pub struct Session {
    /// The portal.
    pub hub_id: HubId,
    /// The person's number at HubSpot.
    pub user_id: UserId,
    /// The person's address, for display.
    pub email: Option<String>,
    /// What they may do.
    pub role: Role,
    /// What every form of this session carries.
    pub csrf_token: String,
    scope: PortalScope,
    token_hash: Vec<u8>,
}

impl Session {
    /// The way to the portal's rows.
    pub fn scope(&self) -> &PortalScope {
        &self.scope
    }

    /// Whether the person may change things.
    pub fn is_owner(&self) -> bool {
        self.role == Role::Owner
    }

    /// The name of this person in the audit trail.
    pub(crate) fn actor(&self) -> String {
        format!("user:{}", self.user_id)
    }
}

/// The session that a cookie's token opens; `None` when it is over, or when the person is no member any more.
pub async fn find(app: &App, token: &str) -> Result<Option<Session>, Error> {
    let token_hash = tokens::hash(token);
    let mut conn = app.db.unscoped().await?;
    let Some(found) = store::sessions::find(&mut conn, &token_hash, app.now()).await? else {
        return Ok(None);
    };
    Ok(Some(Session {
        hub_id: found.scope.hub_id(),
        user_id: found.user_id,
        email: found.email,
        role: found.role,
        csrf_token: tokens::csrf(token),
        scope: found.scope,
        token_hash,
    }))
}

/// Whether the session still is. Does not count as a use of it.
pub async fn is_open(app: &App, session: &Session) -> Result<bool, Error> {
    let mut conn = app.db.unscoped().await?;
    Ok(store::sessions::is_open(&mut conn, &session.token_hash, app.now()).await?)
}

/// Ends the session.
pub async fn end(app: &App, session: &Session) -> Result<(), Error> {
    let mut tx = app.db.begin(session.scope).await?;
    store::sessions::delete(&mut tx, &session.token_hash).await?;
    store::audit::insert(
        &mut tx,
        session.scope,
        &session.actor(),
        "session.end",
        &serde_json::json!({}),
        app.now(),
    )
    .await?;
    tx.commit().await.map_err(store::Error::from)?;
    Ok(())
}
