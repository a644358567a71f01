//! Who is before the screen, and of which portal.

use domain::{HubId, SessionId, UserId};
use secrecy::{ExposeSecret, SecretString};
use store::PortalScope;
pub use store::members::Role;
pub use store::sessions::Open;

use crate::{App, Error, tokens};

/// What every form of a session carries. It can be compared and put into a form, and neither printed, formatted nor serialized.
#[derive(Clone)]
pub struct FormToken(SecretString);

impl FormToken {
    /// Of a text.
    pub fn new(text: impl Into<SecretString>) -> Self {
        Self(text.into())
    }

    /// For a form's hidden field, and to compare with what comes back from one.
    pub fn text(&self) -> &str {
        self.0.expose_secret()
    }
}

/// An open session: one person in one portal. It holds what opens and forges things, so it cannot be printed.
#[derive(Clone)]
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
    pub csrf_token: FormToken,
    scope: PortalScope,
    token_hash: Vec<u8>,
}

impl Session {
    /// The way to the portal's rows.
    pub fn scope(&self) -> &PortalScope {
        &self.scope
    }

    /// What is stored of its token, to tell it from others.
    pub fn token_hash(&self) -> &[u8] {
        &self.token_hash
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
        csrf_token: FormToken::new(tokens::csrf(token)),
        scope: found.scope,
        token_hash,
    }))
}

/// Whether the session still is. Does not count as a use of it.
pub async fn is_open(app: &App, session: &Session) -> Result<bool, Error> {
    let mut conn = app.db.unscoped().await?;
    Ok(store::sessions::is_open(&mut conn, &session.token_hash, app.now()).await?)
}

/// The person's own open sessions of this portal, this one first.
pub async fn list(app: &App, session: &Session) -> Result<Vec<Open>, Error> {
    let mut tx = app.db.begin(session.scope).await?;
    let (user_id, hash) = (session.user_id, &session.token_hash);
    let open = store::sessions::list_of(&mut tx, session.scope, user_id, hash, app.now()).await?;
    Ok(open)
}

/// What ends with a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Itself.
    This,
    /// Every session of the person, on every device and in every portal.
    All,
}

/// Ends the session.
pub async fn end(app: &App, session: &Session, ended: Ended) -> Result<(), Error> {
    let mut tx = app.db.begin(session.scope).await?;
    let action = match ended {
        Ended::This => {
            store::sessions::delete(&mut tx, &session.token_hash).await?;
            "session.end"
        }
        Ended::All => {
            store::sessions::delete_of(&mut tx, session.user_id).await?;
            "session.end_all"
        }
    };
    store::audit::insert(
        &mut tx,
        session.scope,
        &session.actor(),
        action,
        &serde_json::json!({}),
        app.now(),
    )
    .await?;
    tx.commit().await.map_err(store::Error::from)?;
    Ok(())
}

/// Which session has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndedOne {
    /// The one that asked.
    This,
    /// Another of the same person.
    Another,
    /// None: the person has no such session in this portal, or no more.
    Nothing,
}

/// Ends one of the person's own sessions of this portal. Again is harmless, and so is a session of anybody else.
pub async fn end_one(
    app: &App,
    session: &Session,
    session_id: SessionId,
) -> Result<EndedOne, Error> {
    let (scope, user_id) = (session.scope, session.user_id);
    let mut tx = app.db.begin(scope).await?;
    let ended = store::sessions::delete_one_of(&mut tx, scope, user_id, session_id).await?;
    let (ended, action) = match ended {
        None => return Ok(EndedOne::Nothing),
        Some(token_hash) if token_hash == session.token_hash => (EndedOne::This, "session.end"),
        Some(_) => (EndedOne::Another, "session.end_other"),
    };
    let (actor, detail) = (session.actor(), serde_json::json!({}));
    store::audit::insert(&mut tx, scope, &actor, action, &detail, app.now()).await?;
    tx.commit().await.map_err(store::Error::from)?;
    Ok(ended)
}
