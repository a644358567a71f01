//! The trail of acts: who did what and when, as people look at it and take it along.

use std::collections::HashMap;

use chrono::TimeDelta;
use domain::UserId;
use serde_json::json;
pub use store::audit::{Entry, Filter};

use crate::session::Session;
use crate::{App, Error, PortalScope};

/// Acts of a page.
pub const PAGE: i64 = 50;
/// Acts that an export reads at a time.
const STRIDE: i64 = 1_000;

/// Between two lines about the same refusal.
const REFUSALS_APART: TimeDelta = TimeDelta::minutes(1);

/// A page of the trail, and what it can be narrowed to.
#[derive(Debug, Clone, Default)]
pub struct Trail {
    /// The acts, the newest first.
    pub entries: Vec<Entry>,
    /// Whether there are older ones.
    pub has_more: bool,
    /// Everybody who has ever done something.
    pub actors: Vec<String>,
    /// Everything that was ever done.
    pub actions: Vec<String>,
    /// Addresses of the people of the portal.
    pub people: People,
}

/// Addresses of the people of a portal; who has left it, or whose address is not known, is missing.
pub type People = HashMap<UserId, String>;

/// Up to [`PAGE`] acts of a filter, those before the act `before` when it is given.
pub async fn load(
    app: &App,
    scope: PortalScope,
    filter: &Filter,
    before: Option<i64>,
) -> Result<Trail, Error> {
    let mut tx = app.db.begin(scope).await?;
    let mut entries = store::audit::list(&mut tx, scope, filter, before, PAGE + 1).await?;
    let page = usize::try_from(PAGE).unwrap_or(usize::MAX);
    let has_more = entries.len() > page;
    entries.truncate(page);
    let (actors, actions) = store::audit::list_choices(&mut tx, scope).await?;
    Ok(Trail {
        entries,
        has_more,
        actors,
        actions,
        people: people(&mut tx, scope).await?,
    })
}

async fn people(tx: &mut store::Tx, scope: PortalScope) -> Result<People, Error> {
    let members = store::members::list(tx, scope).await?;
    Ok(members
        .into_iter()
        .filter_map(|member| Some((member.user_id, member.email?)))
        .collect())
}

/// Notes that a member asked for what only owners may do, by the route's pattern: once a minute, however often they ask.
pub async fn note_refused(app: &App, session: &Session, route: &str) -> Result<(), Error> {
    let (scope, actor) = (*session.scope(), session.actor());
    let detail = json!({"route": route});
    let mut tx = app.db.begin(scope).await?;
    let lately = Filter {
        actor: Some(actor.clone()),
        action: Some("act.refused".to_owned()),
        from: Some(app.now() - REFUSALS_APART),
        until: None,
    };
    let known = store::audit::list(&mut tx, scope, &lately, None, PAGE).await?;
    if known.iter().any(|entry| entry.detail == detail) {
        return Ok(());
    }
    store::audit::insert(&mut tx, scope, &actor, "act.refused", &detail, app.now()).await?;
    tx.commit().await.map_err(store::Error::from)?;
    Ok(())
}

/// Begins an export: it is an act itself. What is exported is read by [`next`].
pub async fn begin_export(app: &App, session: &Session, filter: &Filter) -> Result<People, Error> {
    let scope = *session.scope();
    // What an address says of a person is anybody's text: only that it said something is kept for good.
    let detail = json!({
        "by_actor": filter.actor.is_some(), "by_action": filter.action.is_some(), "from": filter.from, "until": filter.until,
    });
    let mut tx = app.db.begin(scope).await?;
    let people = people(&mut tx, scope).await?;
    let actor = session.actor();
    store::audit::insert(&mut tx, scope, &actor, "audit.export", &detail, app.now()).await?;
    tx.commit().await.map_err(store::Error::from)?;
    Ok(people)
}

/// The next acts of an export, those before the act `before` when it is given; none when all have been read.
pub async fn next(
    app: &App,
    scope: PortalScope,
    filter: &Filter,
    before: Option<i64>,
) -> Result<Vec<Entry>, Error> {
    let mut tx = app.db.begin(scope).await?;
    Ok(store::audit::list(&mut tx, scope, filter, before, STRIDE).await?)
}
