//! Before the first step: is the portal ready, and if not, what makes it so?

use domain::portal::{Need, NeedCode};
use domain::run::RunKind;
use serde_json::json;
use store::portals::Portal;
use store::runs;

use super::{Run, Stop, Target, api_key, settle, write};
use crate::crash::{self, Point};
use crate::setup::{self, Setup};
use crate::{App, access};

/// The target to write to; `None` when there is nothing more to do: a check ends here. No call while all is well.
pub(super) async fn step(app: &App, run: &mut Run) -> Result<Option<Target>, Stop> {
    let portal = find(app, run).await?;
    if portal.disconnected_at.is_some() {
        return Err(Stop::Idle("the portal is disconnected"));
    }
    if portal.paused_at.is_some() {
        return Err(Stop::Idle("the portal is paused"));
    }
    if run.kind == RunKind::Sync {
        // While there is nothing to write, an uninstall shows only when the token is refreshed.
        access::tokens(app).current(run.scope.hub_id()).await?;
    }
    if !portal.thnks_connected {
        return Err(Stop::Needs(vec![settle::thnks_key_missing()]));
    }
    if run.kind != RunKind::Check
        && portal.needs.is_empty()
        && let (Some(object_type_id), Some(association_types)) =
            (&portal.object_type_id, &portal.association_types)
    {
        return Ok(Some(Target {
            object_type_id: object_type_id.clone(),
            association_types: association_types.clone(),
            is_mended: false,
        }));
    }
    if portal.needs.iter().any(is_about_thnks) {
        let key = api_key(app, run.scope).await?;
        let organization = app.thnks.organization(&key).await?;
        if !organization.hubspot_enabled {
            return Err(Stop::Thnks(thnks::Error::IntegrationDisabled));
        }
    }
    let target = set_up(app, run, &portal).await?;
    Ok((run.kind != RunKind::Check).then_some(target))
}

/// How often a run looks at the object again.
const LOOKS: u32 = 3;

/// Looks at the object once more in a run, because HubSpot refuses what is written to it: somebody may have deleted or
/// changed it. When that was so and is mended, the slice ends with [`Stop::Again`], and the next one goes on with the object
/// as it is now; when people must mend it, with their needs. Otherwise the object is as it should be, or this run has
/// looked often enough.
pub(super) async fn look_again(app: &App, run: &mut Run) -> Result<(), Stop> {
    if run.progress.looks >= LOOKS {
        return Ok(());
    }
    run.progress.looks += 1;
    let portal = find(app, run).await?;
    let target = set_up(app, run, &portal).await?;
    if target.is_mended {
        return Err(Stop::Again);
    }
    Ok(())
}

/// Finds, makes or repairs the object and stores where it is.
async fn set_up(app: &App, run: &mut Run, portal: &Portal) -> Result<Target, Stop> {
    let mut changes = Vec::new();
    let prepared = setup::prepare(&run.portal, &run.scopes, &mut changes).await;
    crash::at(Point::ObjectReady);
    if !changes.is_empty() {
        let now = app.now();
        let mut tx = run.begin(app).await?;
        let detail = json!({"changes": changes});
        store::audit::insert(&mut tx, run.scope, "worker", "object.change", &detail, now).await?;
        tx.commit().await.map_err(store::Error::from)?;
    }
    let (mut target, has_new_properties) = match prepared? {
        Setup::Needs(needs) => return Err(Stop::Needs(needs)),
        Setup::Ready {
            object_type_id,
            association_types,
            is_mended,
            has_new_properties,
        } => (
            Target {
                object_type_id,
                association_types,
                is_mended,
            },
            has_new_properties,
        ),
    };
    if portal.needs.iter().any(is_about_scopes) {
        // HubSpot may let us read the definition and refuse the records: only a write shows that it no longer does.
        write::try_one(app, run, &target).await?;
    }
    let now = app.now();
    let mut tx = run.begin(app).await?;
    let is_another = portal
        .object_type_id
        .as_ref()
        .is_some_and(|known| *known != target.object_type_id);
    target.is_mended |=
        is_another || portal.association_types.as_ref() != Some(&target.association_types);
    if is_another {
        // Somebody deleted the object, and it was made again: its records are gone.
        store::transactions::forget_records(&mut tx, run.scope).await?;
    } else if has_new_properties || portal.needs.iter().any(is_about_properties) {
        // A property that was made again is empty on every record.
        store::transactions::mark_all_dirty(&mut tx, run.scope).await?;
    }
    store::portals::save_object(
        &mut tx,
        run.scope,
        &target.object_type_id,
        &target.association_types,
    )
    .await?;
    store::portals::save_needs(&mut tx, run.scope, &[], None, now).await?;
    let asks_for_work = matches!(
        run.kind,
        RunKind::Check | RunKind::Reassociate | RunKind::Link
    );
    if asks_for_work && !portal.needs.is_empty() {
        let kind = if portal.backfilled_at.is_some() {
            RunKind::Sync
        } else {
            RunKind::Backfill
        };
        runs::request(&mut tx, run.scope, kind, "needs met", now).await?;
    }
    run.commit(tx).await?;
    Ok(target)
}

async fn find(app: &App, run: &Run) -> Result<Portal, Stop> {
    let mut tx = app.db.begin(run.scope).await?;
    let portal = store::portals::find(&mut tx, run.scope).await?;
    Ok(portal.ok_or(crate::Error::NotConnected)?)
}

fn is_about_thnks(need: &Need) -> bool {
    matches!(
        need.code,
        NeedCode::ThnksKeyMissing | NeedCode::ThnksKeyRefused | NeedCode::ThnksIntegrationDisabled
    )
}

fn is_about_scopes(need: &Need) -> bool {
    matches!(need.code, NeedCode::ScopeMissing | NeedCode::TierMissing)
}

fn is_about_properties(need: &Need) -> bool {
    matches!(
        need.code,
        NeedCode::PropertyMissing | NeedCode::PropertyDiffers | NeedCode::PropertyLimit
    )
}
