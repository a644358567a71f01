//! Started authorizations: each is taken once, in the browser that started it, within its ten minutes.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{Conn, Error, Sealed};

/// What an authorization was started for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To install.
    Install,
    /// To open a session for a portal that is installed.
    Login,
    /// To install from HubSpot's marketplace, whose consent page is not asked for by us.
    Marketplace,
}

impl Purpose {
    fn as_str(self) -> &'static str {
        match self {
            Self::Install => "install",
            Self::Login => "login",
            Self::Marketplace => "marketplace",
        }
    }
}

/// A started authorization.
#[derive(Clone)]
pub struct InstallState {
    /// Hash of the state that HubSpot brings back.
    pub state_hash: Vec<u8>,
    /// Hash of the token in the browser's cookie.
    pub browser_hash: Vec<u8>,
    /// What for.
    pub purpose: Purpose,
    /// The setup link it began with.
    pub setup_link_id: Option<Uuid>,
    /// The PKCE code verifier; none for the marketplace.
    pub code_verifier: Option<Sealed>,
    /// From when on it is refused.
    pub expires_at: DateTime<Utc>,
}

/// Stores a started authorization and clears away those that have expired.
pub async fn insert(
    conn: &mut Conn,
    state: &InstallState,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!("DELETE FROM install_states WHERE expires_at < $1", now)
        .execute(&mut *conn)
        .await?;
    sqlx::query!(
        "INSERT INTO install_states (state_hash, browser_hash, purpose, setup_link_id, code_verifier, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6)",
        state.state_hash,
        state.browser_hash,
        state.purpose.as_str(),
        state.setup_link_id,
        state.code_verifier.as_ref().map(|sealed| sealed.0.as_slice()),
        state.expires_at
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Takes the authorization with this state away: nobody can take it again. `None` when there is none, when it has
/// expired, or when another browser or the marketplace started it (then it stays for the right one).
pub async fn take(
    conn: &mut Conn,
    state_hash: &[u8],
    browser_hash: &[u8],
    now: DateTime<Utc>,
) -> Result<Option<InstallState>, Error> {
    let row = sqlx::query!(
        "DELETE FROM install_states
         WHERE state_hash = $1 AND browser_hash = $2 AND expires_at > $3 AND purpose <> 'marketplace'
         RETURNING purpose, setup_link_id, code_verifier, expires_at",
        state_hash,
        browser_hash,
        now
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| InstallState {
        state_hash: state_hash.to_vec(),
        browser_hash: browser_hash.to_vec(),
        purpose: if row.purpose == "login" {
            Purpose::Login
        } else {
            Purpose::Install
        },
        setup_link_id: row.setup_link_id,
        code_verifier: row.code_verifier.map(Sealed),
        expires_at: row.expires_at,
    }))
}

/// Takes an authorization that began in the marketplace away, whichever browser brings its state back: the caller compares
/// the browser. `None` when there is none or when it has expired.
pub async fn take_marketplace(
    conn: &mut Conn,
    state_hash: &[u8],
    now: DateTime<Utc>,
) -> Result<Option<InstallState>, Error> {
    let row = sqlx::query!(
        "DELETE FROM install_states WHERE state_hash = $1 AND expires_at > $2 AND purpose = 'marketplace'
         RETURNING browser_hash, expires_at",
        state_hash,
        now
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| InstallState {
        state_hash: state_hash.to_vec(),
        browser_hash: row.browser_hash,
        purpose: Purpose::Marketplace,
        setup_link_id: None,
        code_verifier: None,
        expires_at: row.expires_at,
    }))
}
