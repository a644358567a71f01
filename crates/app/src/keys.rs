//! The operator's keys and what hangs on them: looked at when a process starts, moved to another key while all are running.
//!
//! A rotation in three steps, none of which interrupts anything: put the new key behind the old one and restart every
//! process; put it first and restart; `keys rotate`. Then nothing hangs on the old one any more, and it can go.

use chrono::{DateTime, Utc};
use secrecy::ExposeSecret;
use serde_json::json;
use store::operator_keys::{self, KeyUse};
use store::{PortalScope, Tx, portal_keys};

use crate::cipher::{Place, PortalKey};
use crate::crash::{self, Point};
use crate::{App, Error, disconnect, operator};

/// What every key has sealed once, to be known by it.
const KNOWN: &str = "thnks-hubspot";
/// Portals that are listed at a time.
const LISTED: i64 = 500;

/// Why the keys of the environment do not do for the database.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    /// Something hangs on a key that is not there.
    #[error("{0}")]
    Missing(Missing),
    /// A key has the name of one that was used here, and is another.
    #[error(
        "the key {0} is not the one of this name that sealed what is in the database: put that one back, or give this one another name"
    )]
    Other(String),
    /// The database failed.
    #[error(transparent)]
    Internal(#[from] Error),
}

impl From<store::Error> for Unfit {
    fn from(error: store::Error) -> Self {
        Self::Internal(error.into())
    }
}

/// A key that is missing, and what cannot be read without it.
#[derive(Debug)]
pub struct Missing(KeyUse);

impl std::fmt::Display for Missing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let KeyUse {
            key_id,
            portals,
            organizations,
            ..
        } = &self.0;
        write!(
            f,
            "the key {key_id} is missing, and the secrets of {portals} portals and {organizations} organizations hang on it: put it \
             back behind the others, run `thnks-hubspot keys rotate`, and take it out when `keys check` says that nothing hangs on it"
        )
    }
}

/// A key, and what hangs on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyState {
    /// What hangs on it.
    pub uses: KeyUse,
    /// Its place in the environment, from 0 on; `None` when it is not there.
    pub place: Option<usize>,
}

/// What a look at everything that is sealed has found.
#[derive(Debug, Default)]
pub struct Report {
    /// The keys, those of the environment first.
    pub keys: Vec<KeyState>,
    /// Secrets that open.
    pub readable: usize,
    /// What does not open.
    pub unreadable: Vec<String>,
}

impl Report {
    /// Whether everything opens and no key is missing that a secret hangs on.
    pub fn is_well(&self) -> bool {
        let is_missing =
            |key: &KeyState| key.place.is_none() && key.uses.portals + key.uses.organizations > 0;
        self.unreadable.is_empty() && !self.keys.iter().any(is_missing)
    }
}

/// What a rotation has done.
#[derive(Debug, Default)]
pub struct Rotated {
    /// Portals whose key was wrapped anew.
    pub portals: usize,
    /// Organizations whose Thnks key was sealed anew.
    pub organizations: usize,
    /// What does not open, and stays as it is.
    pub unreadable: Vec<String>,
}

/// Whether the keys of the environment are those that the database was sealed with. Keys that are new are noted.
pub async fn check(app: &App) -> Result<(), Unfit> {
    let now = app.now();
    let mut conn = app.db.unscoped().await?;
    let uses = operator_keys::list_uses(&mut conn, now).await?;
    for key in uses {
        // A setup link alone can be made anew.
        let needed = key.portals + key.organizations > 0;
        if needed && !app.keys.ids().any(|id| id == key.key_id) {
            return Err(Unfit::Missing(Missing(key)));
        }
    }
    for key_id in app.keys.ids() {
        let is_right = is_right(app, &mut conn, key_id).await?;
        if !is_right {
            return Err(Unfit::Other(key_id.to_owned()));
        }
    }
    Ok(())
}

/// Whether the key of this name is the one that was used under it; one that was never used is noted.
async fn is_right(app: &App, conn: &mut store::Conn, key_id: &str) -> Result<bool, Unfit> {
    if operator_keys::find_check(conn, key_id).await?.is_none() {
        if let Some(scope) = operator_keys::find_portal_of(conn, key_id).await?
            && !opens_portal(app, scope, key_id).await?
        {
            return Ok(false);
        }
        for (id, sealed) in operator_keys::list_organizations(conn).await? {
            // What was sealed before keys were noted tells as well.
            let row = id.to_string();
            if sealed.key_id() == Some(key_id)
                && app
                    .keys
                    .open(operator::api_key_place(&row), &sealed)
                    .is_err()
            {
                return Ok(false);
            }
        }
        let sealed = app
            .keys
            .seal_by(key_id, known_place(key_id), KNOWN.as_bytes());
        let sealed = sealed.expect("the ring names its own keys");
        operator_keys::insert_check(conn, key_id, &sealed, app.now()).await?;
    }
    let Some(sealed) = operator_keys::find_check(conn, key_id).await? else {
        return Ok(false);
    };
    let opened = app.keys.open(known_place(key_id), &sealed);
    Ok(opened.is_ok_and(|text| text.expose_secret() == KNOWN))
}

/// Whether what hangs on the key opens with it, of one portal.
async fn opens_portal(app: &App, scope: PortalScope, key_id: &str) -> Result<bool, Error> {
    let mut tx = app.db.begin(scope).await?;
    if let Some(known) = portal_keys::find(&mut tx, scope).await?
        && known.wrapped.key_id() == Some(key_id)
    {
        return Ok(app.keys.unwrap(scope.hub_id(), &known).is_ok());
    }
    let secrets = portal_keys::list_secrets(&mut tx, scope).await?;
    let of_key = secrets
        .iter()
        .find(|(_, sealed)| sealed.key_id() == Some(key_id));
    Ok(of_key
        .is_none_or(|(secret, sealed)| app.keys.opens_as_before(scope.hub_id(), *secret, sealed)))
}

/// Opens everything that is sealed, for the operator: after a restore, before a key is taken out.
pub async fn inspect(app: &App) -> Result<Report, Error> {
    let mut report = Report {
        keys: states(app).await?,
        ..Report::default()
    };
    let mut conn = app.db.unscoped().await?;
    for (id, sealed) in operator_keys::list_organizations(&mut conn).await? {
        match app
            .keys
            .open(operator::api_key_place(&id.to_string()), &sealed)
        {
            Ok(_) => report.readable += 1,
            Err(_) => report
                .unreadable
                .push(format!("organization {id}: Thnks key")),
        }
    }
    // Every portal: one whose key is not there hangs on none, and it is the one to be told of after a restore.
    let portals = store::chains::list_portals(&mut conn).await?;
    drop(conn);
    for scope in portals {
        inspect_portal(app, scope, &mut report).await?;
    }
    Ok(report)
}

async fn inspect_portal(app: &App, scope: PortalScope, report: &mut Report) -> Result<(), Error> {
    let hub_id = scope.hub_id();
    let mut tx = app.db.begin(scope).await?;
    if is_being_erased(&mut tx, scope).await? {
        return Ok(());
    }
    let secrets = portal_keys::list_secrets(&mut tx, scope).await?;
    let key = match of_portal(app, &mut tx, scope).await {
        Ok(key) => key,
        Err(Error::Unsealable { .. }) => {
            report
                .unreadable
                .push(format!("portal {hub_id}: its key, and with it everything"));
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    for (secret, sealed) in secrets {
        if key.open(secret, &sealed).is_ok() {
            report.readable += 1;
        } else {
            let (table, column) = secret.column();
            let what = format!("portal {hub_id}: {table}.{column}");
            report.unreadable.push(what);
        }
    }
    Ok(())
}

async fn states(app: &App) -> Result<Vec<KeyState>, Error> {
    let mut conn = app.db.unscoped().await?;
    let mut others = operator_keys::list_uses(&mut conn, app.now()).await?;
    let mut states = Vec::new();
    for (place, key_id) in app.keys.ids().enumerate() {
        let uses = match others.iter().position(|uses| uses.key_id == key_id) {
            Some(at) => others.remove(at),
            None => KeyUse {
                key_id: key_id.to_owned(),
                portals: 0,
                organizations: 0,
                setup_links: 0,
            },
        };
        states.push(KeyState {
            uses,
            place: Some(place),
        });
    }
    states.extend(
        others
            .into_iter()
            .map(|uses| KeyState { uses, place: None }),
    );
    Ok(states)
}

/// Moves everything to the first key: wraps portals' keys and seals organizations' anew, and seals with portals' keys what was
/// sealed before they had one. One short transaction a portal; where it is interrupted, the next call goes on.
pub async fn rotate(app: &App) -> Result<Rotated, Error> {
    let mut rotated = Rotated::default();
    let mut after = None;
    loop {
        let mut conn = app.db.unscoped().await?;
        let portals = operator_keys::list_portals(&mut conn, after, LISTED).await?;
        drop(conn);
        let Some(last) = portals.last() else {
            break;
        };
        after = Some(*last);
        for scope in portals {
            match rotate_portal(app, scope).await {
                Ok(has_changed) => rotated.portals += usize::from(has_changed),
                Err(Error::Unsealable { table, column }) => {
                    let hub_id = scope.hub_id();
                    rotated
                        .unreadable
                        .push(format!("portal {hub_id}: {table}.{column}"));
                }
                Err(error) => return Err(error),
            }
            crash::at(Point::KeyRotated);
        }
    }
    let mut conn = app.db.unscoped().await?;
    for (id, sealed) in operator_keys::list_organizations(&mut conn).await? {
        match app
            .keys
            .renew(operator::api_key_place(&id.to_string()), &sealed)
        {
            Ok(Some(renewed)) => {
                operator_keys::save_organization(&mut conn, id, &sealed, &renewed).await?;
                rotated.organizations += 1;
            }
            Ok(None) => {}
            Err(_) => rotated
                .unreadable
                .push(format!("organization {id}: Thnks key")),
        }
    }
    let detail = json!({
        "key": app.keys.first_id(), "portals": rotated.portals, "organizations": rotated.organizations,
        "unreadable": rotated.unreadable.len(),
    });
    store::audit::insert_operators(&mut conn, "keys rotate", &detail, app.now()).await?;
    Ok(rotated)
}

/// Whether anything had to be moved.
async fn rotate_portal(app: &App, scope: PortalScope) -> Result<bool, Error> {
    let now = app.now();
    let mut tx = app.db.begin(scope).await?;
    store::runs::lock(&mut tx, scope).await?;
    if is_being_erased(&mut tx, scope).await? {
        return Ok(false);
    }
    let key = of_portal(app, &mut tx, scope).await?;
    let mut has_changed = false;
    if let Some(known) = portal_keys::find(&mut tx, scope).await?
        && let Some(wrapped) = app.keys.rewrap(scope.hub_id(), &known)?
    {
        portal_keys::rewrap(&mut tx, scope, &known.wrapped, &wrapped).await?;
        has_changed = true;
    }
    for (secret, sealed) in portal_keys::list_secrets(&mut tx, scope).await? {
        if let Some(renewed) = key.renew(secret, &sealed)? {
            portal_keys::save_secret(&mut tx, scope, secret, &sealed, &renewed).await?;
            has_changed = true;
        }
    }
    // A portal may have lost the secrets for which it hung on another key.
    let first = app.keys.first_id();
    has_changed |= portal_keys::save_use(&mut tx, scope, first).await?;
    if has_changed {
        let detail = json!({"key": first});
        store::audit::insert(&mut tx, scope, operator::ACTOR, "key.rotate", &detail, now).await?;
        tx.commit().await.map_err(store::Error::from)?;
    }
    Ok(has_changed)
}

/// Why a portal was not given up.
#[derive(Debug, thiserror::Error)]
pub enum GiveUpError {
    /// Its secrets can be read.
    #[error("everything of this portal opens: there is nothing to give up")]
    Opens,
    /// It was never installed.
    #[error("there is no such portal")]
    Unknown,
    /// Something inside failed.
    #[error(transparent)]
    Internal(#[from] Error),
}

impl From<store::Error> for GiveUpError {
    fn from(error: store::Error) -> Self {
        Self::Internal(error.into())
    }
}

/// Takes away the secrets of a portal of which some cannot be read, and its key, so that no key of the operator's is needed for
/// it any more. It is disconnected; people install it and connect Thnks again. Whom it has erased may come back from Thnks,
/// because the key of their tombstones goes as well.
pub async fn give_up(app: &App, scope: PortalScope) -> Result<(), GiveUpError> {
    let now = app.now();
    let mut tx = app.db.begin(scope).await?;
    store::runs::lock(&mut tx, scope).await?;
    if store::portals::find(&mut tx, scope).await?.is_none() {
        return Err(GiveUpError::Unknown);
    }
    let secrets = portal_keys::list_secrets(&mut tx, scope).await?;
    let opens = match of_portal(app, &mut tx, scope).await {
        Ok(key) => secrets
            .iter()
            .all(|(secret, sealed)| key.open(*secret, sealed).is_ok()),
        Err(Error::Unsealable { .. }) => false,
        Err(error) => return Err(error.into()),
    };
    if opens {
        return Err(GiveUpError::Opens);
    }
    portal_keys::delete_secrets(&mut tx, scope).await?;
    portal_keys::delete(&mut tx, scope).await?;
    let need = disconnect::need();
    store::runs::fail_open(&mut tx, scope, "the portal's secrets were given up", now).await?;
    store::portals::disconnect(&mut tx, scope, &need, now).await?;
    store::sessions::delete_all(&mut tx, scope).await?;
    let detail = json!({"secrets": secrets.len()});
    store::audit::insert(&mut tx, scope, operator::ACTOR, "key.give_up", &detail, now).await?;
    operator::note(&mut tx, scope, "keys give-up", detail, now).await?;
    tx.commit().await.map_err(store::Error::from)?;
    Ok(())
}

async fn is_being_erased(tx: &mut Tx, scope: PortalScope) -> Result<bool, store::Error> {
    let portal = store::portals::find(tx, scope).await?;
    Ok(portal.is_none_or(|portal| portal.erasing_at.is_some()))
}

/// Gives the portal another key and seals with it what is left of its secrets: whoever has the old one reads nothing that is
/// entered from now on. In a transaction that began with a lock and has taken the portal's connection away, whose tokens
/// somebody might be refreshing. Where a secret does not open, nothing is changed.
pub(crate) async fn replace(
    app: &App,
    tx: &mut Tx,
    scope: PortalScope,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    if is_being_erased(tx, scope).await? {
        return Ok(());
    }
    let old = of_portal(app, tx, scope).await?;
    let wrapped = app.keys.new_portal_key(scope.hub_id());
    let new = app.keys.unwrap(scope.hub_id(), &wrapped)?;
    let mut all = Vec::new();
    for (secret, sealed) in portal_keys::list_secrets(tx, scope).await? {
        let renewed = new.seal(secret, &old.open(secret, &sealed)?);
        all.push((secret, sealed, renewed));
    }
    portal_keys::replace(tx, scope, &wrapped, now).await?;
    for (secret, sealed, renewed) in all {
        portal_keys::save_secret(tx, scope, secret, &sealed, &renewed).await?;
    }
    portal_keys::save_use(tx, scope, app.keys.first_id()).await?;
    let detail = json!({"key": app.keys.first_id(), "replaced": true});
    store::audit::insert(tx, scope, operator::ACTOR, "key.rotate", &detail, now).await?;
    Ok(())
}

/// The portal's key; made when it has none. The portal must be stored. One that is missing, although something was sealed with
/// it, is not made anew: a backup that was restored without keys waits for them.
pub(crate) async fn of_portal(
    app: &App,
    tx: &mut Tx,
    scope: PortalScope,
) -> Result<PortalKey, Error> {
    let hub_id = scope.hub_id();
    if let Some(known) = portal_keys::find(tx, scope).await? {
        return app.keys.unwrap(hub_id, &known);
    }
    let missing = Error::Unsealable {
        table: "portal_keys",
        column: "wrapped",
    };
    let secrets = portal_keys::list_secrets(tx, scope).await?;
    if secrets.iter().any(|(_, sealed)| sealed.is_by_portal()) {
        return Err(missing);
    }
    let new = app.keys.new_portal_key(hub_id);
    portal_keys::insert(tx, scope, &new, app.keys.first_id(), app.now()).await?;
    match portal_keys::find(tx, scope).await? {
        Some(known) => app.keys.unwrap(hub_id, &known),
        None => Err(missing),
    }
}

fn known_place(key_id: &str) -> Place<'_> {
    Place {
        table: "key_checks",
        column: "sealed",
        hub_id: 0,
        row: key_id,
    }
}
