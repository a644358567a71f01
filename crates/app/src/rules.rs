//! The portal's rules for linking: read, changed by an owner. A change is about gifts that are linked from then on;
//! orphans are looked at again at once.

use domain::matching::{DealLabel, Rules};
use domain::portal::PortalState;
use domain::run::RunKind;
use serde_json::json;
use store::PortalScope;

use crate::session::Session;
use crate::{App, access, status};

/// The longest name of a property in HubSpot.
const PROPERTY_NAME_CHARS: usize = 100;

/// Why rules were not stored.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What was entered cannot be the internal name of a property.
    #[error("not the internal name of a property")]
    NotAProperty,
    /// Something inside failed.
    #[error(transparent)]
    Internal(#[from] crate::Error),
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        Self::Internal(error.into())
    }
}

/// The portal's rules.
pub async fn load(app: &App, scope: PortalScope) -> Result<Rules, crate::Error> {
    let mut tx = app.db.begin(scope).await?;
    let portal = store::portals::find(&mut tx, scope).await?;
    Ok(portal.ok_or(crate::Error::NotConnected)?.rules)
}

/// Stores the rules and looks at all orphans by them.
pub async fn save(app: &App, session: &Session, rules: &Rules) -> Result<(), Error> {
    check(rules)?;
    let (scope, now, actor) = (*session.scope(), app.now(), session.actor());
    let mut tx = app.db.begin(scope).await?;
    store::runs::lock(&mut tx, scope).await?;
    let portal = store::portals::find(&mut tx, scope)
        .await?
        .ok_or(crate::Error::NotConnected)?;
    if portal.rules == *rules {
        return Ok(());
    }
    store::portals::save_rules(&mut tx, scope, rules).await?;
    let has_orphans = store::associations::has_orphans(&mut tx, scope, rules.phone).await?;
    let detail = json!({"rules": rules, "was": portal.rules});
    store::audit::insert(&mut tx, scope, &actor, "rules.change", &detail, now).await?;
    let state = status::read(&mut tx, scope, &portal).await?.state;
    // Marking many is a worker's work. In any other state the night does it.
    if has_orphans && matches!(state, PortalState::Active | PortalState::Backfilling) {
        store::runs::request(&mut tx, scope, RunKind::Reassociate, &actor, now).await?;
    }
    tx.commit().await.map_err(store::Error::from)?;
    Ok(())
}

/// Whether these can be rules.
pub(crate) fn check(rules: &Rules) -> Result<(), Error> {
    match rules.email_property.as_deref() {
        Some(name) if !is_property_name(name) => Err(Error::NotAProperty),
        _ => Ok(()),
    }
}

/// HubSpot's internal names: lower-case letters, digits and underscores, a letter first.
fn is_property_name(name: &str) -> bool {
    name.len() <= PROPERTY_NAME_CHARS
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

/// The labels that the portal has for deals of a contact, asked of HubSpot; `None` when it does not answer.
pub async fn deal_labels(app: &App, scope: PortalScope) -> Option<Vec<DealLabel>> {
    let class = hubspot::CallClass::Interactive;
    let portal = app
        .hubspot
        .portal(scope.hub_id(), access::tokens(app), class);
    let types = portal
        .association_types(hubspot::CONTACTS, hubspot::DEALS)
        .await
        .inspect_err(
            |error| tracing::info!(portal.id = %scope.hub_id(), %error, "labels could not be read"),
        )
        .ok()?;
    let labels = types.into_iter().filter_map(|held| {
        let stored = crate::setup::to_stored(held.association_type);
        Some(DealLabel {
            category: stored.category,
            type_id: stored.type_id,
            label: held.label?,
        })
    });
    Some(labels.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn internal_names_are_told_from_what_people_read() {
        for name in ["work_email", "e2", "a"] {
            assert!(is_property_name(name), "{name}");
        }
        for name in [
            "",
            "Work email",
            "2nd",
            "_x",
            "work-email",
            "é",
            &"x".repeat(101),
        ] {
            assert!(!is_property_name(name), "{name}");
        }
    }
}
