//! The portal's own row: what HubSpot says of the account, where set-up stands, what is missing.

use chrono::{DateTime, Utc};
use domain::matching::Rules;
use domain::portal::{CurrentRun, LastRun, Need, PortalFacts};
use domain::{OrganizationId, RunId};
use serde::{Deserialize, Serialize};
use sqlx::types::Json;

use crate::statistics::Counters;
use crate::{Conn, Error, PortalScope, runs, schedule};

/// A portal.
#[derive(Debug, Clone, PartialEq)]
pub struct Portal {
    /// The organization whose setup link installed it, if it came that way.
    pub organization_id: Option<OrganizationId>,
    /// The account's web domain, for display only.
    pub hub_domain: Option<String>,
    /// Host of HubSpot's pages for this account.
    pub ui_domain: String,
    /// IANA name of its time zone.
    pub time_zone: String,
    /// Type id of the custom object (`2-…`), once set-up has found or made it.
    pub object_type_id: Option<String>,
    /// How its records are linked, once set-up knows.
    pub association_types: Option<AssociationTypes>,
    /// What people must do.
    pub needs: Vec<Need>,
    /// Where the next sync begins.
    pub synced_through: Option<DateTime<Utc>>,
    /// When the first backfill ended.
    pub backfilled_at: Option<DateTime<Utc>>,
    /// Since when it is paused.
    pub paused_at: Option<DateTime<Utc>>,
    /// Since when it is disconnected.
    pub disconnected_at: Option<DateTime<Utc>>,
    /// Since when what is known of it is being erased.
    pub erasing_at: Option<DateTime<Utc>>,
    /// Whether a Thnks key is stored.
    pub thnks_connected: bool,
    /// The Thnks organization's name.
    pub organization_name: Option<String>,
    /// How its gifts are linked.
    pub rules: Rules,
    /// What HubSpot granted; `None` when it is disconnected.
    pub scopes: Option<Vec<String>>,
    /// When its next sync is planned.
    pub next_sync_at: Option<DateTime<Utc>>,
    /// When all its orphans are looked at again.
    pub next_reassociate_at: Option<DateTime<Utc>>,
    /// Its counters.
    pub counters: Counters,
    /// The run in work, else the next that waits.
    pub current_run: Option<CurrentRun>,
    /// The run that ended last. Looking at needs does not count as one, nor does an event that led to nothing.
    pub last_run: Option<LastRun>,
}

/// The association type that links the custom object with each kind of record; `None` where there is none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssociationTypes {
    /// With contacts.
    pub contact: Option<AssociationType>,
    /// With companies.
    pub company: Option<AssociationType>,
    /// With deals.
    pub deal: Option<AssociationType>,
}

/// HubSpot's name for a kind of link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssociationType {
    /// `HUBSPOT_DEFINED`, `USER_DEFINED` or `INTEGRATOR_DEFINED`.
    pub category: String,
    /// Its number, which differs from portal to portal.
    pub type_id: i64,
}

/// What HubSpot says of an account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountDetails {
    /// The account's web domain.
    pub hub_domain: Option<String>,
    /// Host of HubSpot's pages for it.
    pub ui_domain: String,
    /// IANA name of its time zone.
    pub time_zone: String,
    /// Its currency.
    pub currency: Option<String>,
    /// `STANDARD`, `SANDBOX`, `DEVELOPER_TEST` or `APP_DEVELOPER`.
    pub account_type: Option<String>,
}

impl Portal {
    /// The facts that decide its state.
    pub fn facts(&self) -> PortalFacts {
        PortalFacts {
            disconnected: self.disconnected_at.is_some(),
            thnks_connected: self.thnks_connected,
            has_needs: !self.needs.is_empty(),
            paused: self.paused_at.is_some(),
            backfilled: self.backfilled_at.is_some(),
        }
    }
}

/// Of two places in the interval a new portal takes the one with fewer portals this near on either side, as a part of the
/// interval: two and a half seconds of an hour. In simulations wider neighbourhoods crowd their edges.
const CROWD: f64 = 1.0 / 1440.0;

/// Stores a newly installed portal with everything that comes with one, or takes an uninstalled one up again.
pub async fn upsert(
    conn: &mut Conn,
    scope: PortalScope,
    organization_id: Option<OrganizationId>,
    details: &AccountDetails,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let hub_id = scope.hub_id().0;
    sqlx::query!(
        "INSERT INTO portals AS known (hub_id, organization_id, hub_domain, ui_domain, time_zone, currency, account_type, installed_at)
         VALUES ($1, $2, $3, $4,
            -- Days are counted by PostgreSQL: a zone it does not know would fail every page.
            coalesce((SELECT name FROM pg_timezone_names WHERE name = $5), 'UTC'), $6, $7, $8)
         ON CONFLICT (hub_id) DO UPDATE SET
            organization_id = coalesce(excluded.organization_id, known.organization_id),
            hub_domain = coalesce(excluded.hub_domain, known.hub_domain), ui_domain = excluded.ui_domain, currency = excluded.currency,
            account_type = excluded.account_type, disconnected_at = NULL, erased_at = NULL,
            -- What was erased begins anew.
            time_zone = CASE WHEN known.erased_at IS NULL THEN known.time_zone ELSE excluded.time_zone END,
            installed_at = CASE WHEN known.erased_at IS NULL THEN known.installed_at ELSE excluded.installed_at END,
            needs = CASE WHEN known.disconnected_at IS NULL THEN known.needs ELSE '[]' END",
        hub_id,
        organization_id.map(|id| id.0),
        details.hub_domain,
        details.ui_domain,
        details.time_zone,
        details.currency,
        details.account_type,
        now
    )
    .execute(&mut *conn)
    .await?;
    insert_parts(conn, scope).await
}

/// Stores a newly installed portal with everything that comes with one; `false` when it is known, and then nothing of it is
/// touched, also when another transaction is just storing it.
pub async fn insert(
    conn: &mut Conn,
    scope: PortalScope,
    details: &AccountDetails,
    now: DateTime<Utc>,
) -> Result<bool, Error> {
    let result = sqlx::query!(
        "INSERT INTO portals (hub_id, hub_domain, ui_domain, time_zone, currency, account_type, installed_at)
         -- As above, of the zones that PostgreSQL knows.
         VALUES ($1, $2, $3, coalesce((SELECT name FROM pg_timezone_names WHERE name = $4), 'UTC'), $5, $6, $7)
         ON CONFLICT DO NOTHING",
        scope.hub_id().0,
        details.hub_domain,
        details.ui_domain,
        details.time_zone,
        details.currency,
        details.account_type,
        now
    )
    .execute(&mut *conn)
    .await?;
    if result.rows_affected() == 0 {
        return Ok(false);
    }
    insert_parts(conn, scope).await?;
    Ok(true)
}

/// The rows that every portal has beside its own.
async fn insert_parts(conn: &mut Conn, scope: PortalScope) -> Result<(), Error> {
    let hub_id = scope.hub_id().0;
    sqlx::query!(
        "INSERT INTO portal_totals (hub_id) VALUES ($1) ON CONFLICT DO NOTHING",
        hub_id
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "INSERT INTO portal_leases (hub_id) VALUES ($1) ON CONFLICT DO NOTHING",
        hub_id
    )
    .execute(&mut *conn)
    .await?;
    let [one, other] = domain::schedule::places(scope.hub_id());
    sqlx::query!(
        "INSERT INTO sync_schedule (hub_id, place)
         SELECT $1, place FROM UNNEST($2::float8[]) WITH ORDINALITY AS choice (place, nth)
         ORDER BY (SELECT count(*) FROM sync_schedule AS s WHERE s.place BETWEEN choice.place - $3 AND choice.place + $3), nth
         LIMIT 1 ON CONFLICT DO NOTHING",
        hub_id,
        &[one.value(), other.value()],
        CROWD
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The portal with all that every page shows of it; `None` when it was never installed.
pub async fn find(conn: &mut Conn, scope: PortalScope) -> Result<Option<Portal>, Error> {
    let row = sqlx::query!(
        r#"SELECT p.organization_id, p.hub_domain, p.ui_domain, p.time_zone, p.object_type_id,
            p.association_types AS "association_types: Json<AssociationTypes>", p.needs AS "needs: Json<Vec<Need>>",
            p.synced_through, p.backfilled_at, p.paused_at, p.disconnected_at, p.erasing_at,
            p.association_rules AS "rules: Json<Rules>", t.hub_id AS "thnks_hub_id?", t.organization_name AS "organization_name?",
            g.scopes AS "scopes?", s.next_sync_at AS "next_sync_at?", s.next_reassociate_at AS "next_reassociate_at?", c.transactions AS "transactions?", c.synced AS "synced?", c.failed AS "failed?",
            c.rejected AS "rejected?", c.orphans AS "orphans?", c.version AS "version?",
            r.run_id AS "current_id?", r.kind AS "current_kind?", r.state AS "current_state?", r.done AS "current_done?",
            r.total AS current_total, r.started_at AS current_started_at, r.phase AS current_phase,
            l.run_id AS "last_id?", l.kind AS "last_kind?", l.state AS "last_state?", l.finished_at AS last_finished_at
         FROM portals AS p LEFT JOIN thnks_connections AS t USING (hub_id) LEFT JOIN connections AS g USING (hub_id)
            LEFT JOIN sync_schedule AS s USING (hub_id) LEFT JOIN portal_totals AS c USING (hub_id)
            LEFT JOIN LATERAL (
                SELECT run_id, kind, state, done, total, started_at, progress -> 'phase' AS phase
                FROM runs WHERE hub_id = p.hub_id AND state IN ('queued', 'running')
                ORDER BY state = 'running' DESC, started_at IS NULL, created_at LIMIT 1) AS r ON true
            LEFT JOIN LATERAL (
                SELECT run_id, kind, state, finished_at
                FROM runs WHERE hub_id = p.hub_id AND finished_at IS NOT NULL AND kind <> 'check' AND (kind <> 'link' OR done > 0)
                ORDER BY finished_at DESC LIMIT 1) AS l ON true
         WHERE p.hub_id = $1"#,
        scope.hub_id().0
    )
    .fetch_optional(conn)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let current_run = match (row.current_id, row.current_kind, row.current_state) {
        (Some(id), Some(kind), Some(state)) => Some(CurrentRun {
            id: RunId(id),
            kind: runs::kind_from(&kind)?,
            state: runs::state_from(&state)?,
            done: row.current_done.unwrap_or_default(),
            total: row.current_total,
            started_at: row.current_started_at,
            phase: row
                .current_phase
                .and_then(|phase| serde_json::from_value(phase).ok()),
        }),
        _ => None,
    };
    let last_run = match (row.last_id, row.last_kind, row.last_state) {
        (Some(id), Some(kind), Some(state)) => Some(LastRun {
            id: RunId(id),
            kind: runs::kind_from(&kind)?,
            state: runs::state_from(&state)?,
            finished_at: row.last_finished_at,
        }),
        _ => None,
    };
    Ok(Some(Portal {
        organization_id: row.organization_id.map(OrganizationId),
        hub_domain: row.hub_domain,
        ui_domain: row.ui_domain,
        time_zone: row.time_zone,
        object_type_id: row.object_type_id,
        association_types: row.association_types.map(|Json(types)| types),
        needs: row.needs.0,
        synced_through: row.synced_through,
        backfilled_at: row.backfilled_at,
        paused_at: row.paused_at,
        disconnected_at: row.disconnected_at,
        erasing_at: row.erasing_at,
        thnks_connected: row.thnks_hub_id.is_some(),
        organization_name: row.organization_name,
        rules: row.rules.0,
        scopes: row.scopes,
        next_sync_at: row.next_sync_at,
        next_reassociate_at: row.next_reassociate_at,
        counters: Counters {
            transactions: row.transactions.unwrap_or_default(),
            synced: row.synced.unwrap_or_default(),
            failed: row.failed.unwrap_or_default(),
            rejected: row.rejected.unwrap_or_default(),
            orphans: row.orphans.unwrap_or_default(),
            version: row.version.unwrap_or_default(),
        },
        current_run,
        last_run,
    }))
}

/// Stores where the custom object is and how it is linked.
pub async fn save_object(
    conn: &mut Conn,
    scope: PortalScope,
    object_type_id: &str,
    association_types: &AssociationTypes,
) -> Result<(), Error> {
    sqlx::query!(
        "UPDATE portals SET object_type_id = $2, association_types = $3 WHERE hub_id = $1",
        scope.hub_id().0,
        object_type_id,
        Json(association_types) as _
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Stores how gifts are linked.
pub async fn save_rules(conn: &mut Conn, scope: PortalScope, rules: &Rules) -> Result<(), Error> {
    sqlx::query!(
        "UPDATE portals SET association_rules = $2 WHERE hub_id = $1",
        scope.hub_id().0,
        Json(rules) as _
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Replaces what people must do. While there is something, it is looked at again at `next_check_at`.
pub async fn save_needs(
    conn: &mut Conn,
    scope: PortalScope,
    needs: &[Need],
    next_check_at: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        "UPDATE portals SET needs = $2, needs_checked_at = $3 WHERE hub_id = $1",
        scope.hub_id().0,
        Json(needs) as _,
        now
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "UPDATE sync_schedule SET next_check_at = $2 WHERE hub_id = $1",
        scope.hub_id().0,
        next_check_at
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// When the portal's needs were last looked at; `None` before the first look.
pub async fn find_checked_at(
    conn: &mut Conn,
    scope: PortalScope,
) -> Result<Option<DateTime<Utc>>, Error> {
    let at = sqlx::query_scalar!(
        "SELECT needs_checked_at FROM portals WHERE hub_id = $1",
        scope.hub_id().0
    )
    .fetch_optional(conn)
    .await?;
    Ok(at.flatten())
}

/// Moves on the place where the next sync begins; it never moves back.
pub async fn save_synced_through(
    conn: &mut Conn,
    scope: PortalScope,
    through: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        "UPDATE portals SET synced_through = greatest(synced_through, $2) WHERE hub_id = $1",
        scope.hub_id().0,
        through
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Notes that the first backfill has ended; `false` for later ones, which change nothing.
pub async fn save_backfilled(
    conn: &mut Conn,
    scope: PortalScope,
    now: DateTime<Utc>,
) -> Result<bool, Error> {
    let result = sqlx::query!(
        "UPDATE portals SET backfilled_at = $2 WHERE hub_id = $1 AND backfilled_at IS NULL",
        scope.hub_id().0,
        now
    )
    .execute(conn)
    .await?;
    Ok(result.rows_affected() == 1)
}

/// Every portal that is not disconnected, in order.
pub async fn list_not_disconnected(conn: &mut Conn) -> Result<Vec<PortalScope>, Error> {
    let hub_ids = sqlx::query_scalar!(
        "SELECT hub_id FROM sync_schedule WHERE disconnected_at IS NULL ORDER BY hub_id"
    )
    .fetch_all(conn)
    .await?;
    let scope = |hub_id| PortalScope::new(domain::HubId(hub_id));
    Ok(hub_ids.into_iter().map(scope).collect())
}

/// Marks the portal disconnected, with the reason as its only need, and ends its schedule.
pub async fn disconnect(
    conn: &mut Conn,
    scope: PortalScope,
    need: &Need,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        "UPDATE portals SET disconnected_at = coalesce(disconnected_at, $2), needs = $3, paused_at = NULL WHERE hub_id = $1",
        scope.hub_id().0,
        now,
        Json([need]) as _
    )
    .execute(&mut *conn)
    .await?;
    schedule::clear(conn, scope).await
}

/// Notes since when the portal is paused; `None` ends it.
pub async fn save_paused(
    conn: &mut Conn,
    scope: PortalScope,
    paused_at: Option<DateTime<Utc>>,
) -> Result<(), Error> {
    sqlx::query!(
        "UPDATE portals SET paused_at = $2 WHERE hub_id = $1",
        scope.hub_id().0,
        paused_at
    )
    .execute(conn)
    .await?;
    Ok(())
}
