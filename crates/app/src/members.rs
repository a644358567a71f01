//! The people of a portal: an owner decides what each may do and takes people out. There is always an owner.

use domain::UserId;
use serde_json::json;
pub use store::members::{Member, Role};

use crate::session::Session;
use crate::{App, PortalScope};

/// Why nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody of the portal has this number.
    #[error("there is no such member")]
    NotFound,
    /// It would leave the portal without an owner.
    #[error("it is the last owner")]
    LastOwner,
    /// Something inside failed.
    #[error(transparent)]
    Internal(#[from] crate::Error),
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        Self::Internal(error.into())
    }
}

/// What is to become of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// May do this from now on.
    Role(Role),
    /// Belongs to the portal no longer.
    Remove,
}

/// Everybody: owners first, then by the time they came.
pub async fn list(app: &App, scope: PortalScope) -> Result<Vec<Member>, crate::Error> {
    let mut tx = app.db.begin(scope).await?;
    Ok(store::members::list(&mut tx, scope).await?)
}

/// Changes a member. A new role holds at once, in open sessions too; whoever is removed is signed out of this portal. Again
/// is harmless.
pub async fn change(
    app: &App,
    session: &Session,
    user_id: UserId,
    change: Change,
) -> Result<(), Error> {
    let (scope, now, actor) = (*session.scope(), app.now(), session.actor());
    let mut tx = app.db.begin(scope).await?;
    let owners = store::members::lock_owners(&mut tx, scope).await?;
    let (before, _) = store::members::find(&mut tx, scope, user_id)
        .await?
        .ok_or(Error::NotFound)?;
    if change == Change::Role(before) {
        return Ok(());
    }
    if before == Role::Owner && owners == [user_id] {
        return Err(Error::LastOwner);
    }
    let (action, detail) = match change {
        Change::Role(role) => {
            store::members::save_role(&mut tx, scope, user_id, role).await?;
            let detail = json!({"member": user_id, "role": role.as_str(), "was": before.as_str()});
            ("member.role", detail)
        }
        Change::Remove => {
            // Their sessions here end with it, by the database.
            store::members::delete(&mut tx, scope, user_id).await?;
            let detail = json!({"member": user_id, "was": before.as_str()});
            ("member.remove", detail)
        }
    };
    store::audit::insert(&mut tx, scope, &actor, action, &detail, now).await?;
    tx.commit().await.map_err(store::Error::from)?;
    Ok(())
}
