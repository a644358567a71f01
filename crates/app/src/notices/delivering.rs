//! Sending what is due. An attempt is leased in one short transaction, made without any, and its outcome stored in another: at
//! least once, and by one worker at a time.

use chrono::{DateTime, TimeDelta, Utc};
use domain::notice::{Channel, wait_after};
use notify::{Call, Letter};
use serde_json::{Value, json};
use store::PortalScope;
use store::notices::{Leased, Outcome, Settings};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::settings::signing_secrets;
use crate::crash::{self, Point};
use crate::portals::PortalSummary;
use crate::{App, Error, keys};

/// How long an attempt is one worker's: twice as long as the longest letter takes.
const LEASE: TimeDelta = TimeDelta::minutes(1);
/// So many attempts of a portal are made in one go, one after the other; what is left is due at once.
const IN_ONE_GO: usize = 20;

/// Up to `limit` portals with something due, for [`deliver_due`].
pub async fn take_due(app: &App, limit: i64) -> Result<Vec<PortalScope>, Error> {
    if app.notify.is_none() {
        return Ok(Vec::new());
    }
    let now = app.now();
    let mut tx = app.db.begin_unscoped().await?;
    let due = store::notices::take_due(&mut tx, limit, now, now + LEASE).await?;
    tx.commit().await.map_err(store::Error::from)?;
    Ok(due)
}

/// Makes the portal's attempts that are due; returns how many. What fails is tried again later: an error is the database's. When
/// the process stops, the attempt under way is the last.
pub async fn deliver_due(
    app: &App,
    scope: PortalScope,
    shutdown: &CancellationToken,
) -> Result<usize, Error> {
    let Some(notify) = &app.notify else {
        return Ok(0);
    };
    for made in 0..IN_ONE_GO {
        if shutdown.is_cancelled() {
            return Ok(made);
        }
        let now = app.now();
        let mut tx = app.db.begin(scope).await?;
        let leased = store::notices::lease(&mut tx, scope, now, now + LEASE).await?;
        if leased.is_none() {
            store::notices::plan(&mut tx, scope).await?;
        }
        tx.commit().await.map_err(store::Error::from)?;
        let Some(leased) = leased else {
            return Ok(made);
        };
        crash::at(Point::NoticeTaken);
        let sent = match send(app, notify, scope, &leased).await {
            Ok(sent) => sent,
            Err(Error::Store(error)) => return Err(error.into()),
            Err(error) => {
                tracing::error!(portal.id = %scope.hub_id(), notice.id = %leased.notice_id, %error, "a notice could not be made ready");
                Err(notify::Error::Unavailable(
                    "the reason is on our side".to_owned(),
                ))
            }
        };
        if sent.is_ok() {
            crash::at(Point::NoticeSent);
        }
        telemetry::measure::notice_attempt(leased.channel.as_str(), ended(&sent));
        let now = app.now();
        let (reason, again_at) = match &sent {
            Ok(()) => (String::new(), None),
            Err(notify::Error::Refused(reason)) => (reason.clone(), None),
            Err(notify::Error::Unavailable(reason)) => (
                reason.clone(),
                wait_after(leased.attempt).map(|wait| now + wait),
            ),
        };
        let outcome = match sent {
            Ok(()) => Outcome::Delivered,
            Err(_) => Outcome::Failed(&reason, again_at),
        };
        let mut tx = app.db.begin(scope).await?;
        store::notices::save_outcome(&mut tx, scope, &leased, outcome, now).await?;
        tx.commit().await.map_err(store::Error::from)?;
        tracing::info!(
            portal.id = %scope.hub_id(), notice.id = %leased.notice_id, notice.kind = leased.notice.kind().as_str(),
            channel = leased.channel.as_str(), attempt = leased.attempt, delivered = matches!(outcome, Outcome::Delivered),
            error = reason, "an attempt to tell of something has ended"
        );
    }
    Ok(IN_ONE_GO)
}

/// For figures: how an attempt ended.
fn ended(sent: &Result<(), notify::Error>) -> &'static str {
    match sent {
        Ok(()) => "delivered",
        Err(notify::Error::Refused(_)) => "refused",
        Err(notify::Error::Unavailable(_)) => "unavailable",
    }
}

/// Makes one attempt. Who is told is decided by the settings as they are now: an address that was taken out gets nothing.
async fn send(
    app: &App,
    notify: &notify::Client,
    scope: PortalScope,
    leased: &Leased,
) -> Result<Result<(), notify::Error>, Error> {
    let mut tx = app.db.begin(scope).await?;
    let settings = store::notices::find_settings(&mut tx, scope).await?;
    let portal = store::portals::find(&mut tx, scope).await?;
    drop(tx);
    let portal = portal.ok_or(Error::NotConnected)?;
    let portal = PortalSummary::of(scope, &portal);
    let removed = || notify::Error::Refused("taken out of the settings meanwhile".to_owned());
    let Some(settings) = settings else {
        return Ok(Err(removed()));
    };
    match leased.channel {
        Channel::Email if settings.emails.contains(&leased.target) => {
            Ok(notify.send(&letter(app, &portal, leased)).await)
        }
        Channel::Webhook => match webhook_url(&settings) {
            Some(url) => call(app, notify, scope, leased, &settings, &url).await,
            None => Ok(Err(removed())),
        },
        Channel::Email => Ok(Err(removed())),
    }
}

fn webhook_url(settings: &Settings) -> Option<Url> {
    settings.webhook_url.as_ref()?.parse().ok()
}

fn letter(app: &App, portal: &PortalSummary, leased: &Leased) -> Letter {
    let words = leased.notice.words(portal.hub_id, &portal.time_zone);
    let name = portal.organization.as_ref().or(portal.hub_domain.as_ref());
    Letter {
        id: leased.notice_id,
        to: leased.target.clone(),
        at: leased.created_at,
        link: page(app, portal.hub_id, words.below),
        settings: page(app, portal.hub_id, "/settings/notifications"),
        portal: match name {
            Some(name) => format!("{name}, HubSpot portal {}", portal.hub_id),
            None => format!("HubSpot portal {}", portal.hub_id),
        },
        words,
    }
}

async fn call(
    app: &App,
    notify: &notify::Client,
    scope: PortalScope,
    leased: &Leased,
    settings: &Settings,
    url: &Url,
) -> Result<Result<(), notify::Error>, Error> {
    let at = app.now();
    let mut tx = app.db.begin(scope).await?;
    let key = keys::of_portal(app, &mut tx, scope).await?;
    drop(tx);
    let secrets = signing_secrets(&key, settings, at)?;
    let body = payload(app, scope, leased).to_string();
    let call = Call {
        url,
        id: leased.notice_id,
        at,
        body: body.as_bytes(),
        secrets: &secrets,
    };
    Ok(notify.call(&call).await)
}

/// What a webhook gets, the same at each attempt (docs/notifications.md).
fn payload(app: &App, scope: PortalScope, leased: &Leased) -> Value {
    let words = leased.notice.words(scope.hub_id(), &Utc);
    let mut data = json!(leased.notice);
    if let Some(data) = data.as_object_mut() {
        data.remove("type");
        data.insert("portal_id".into(), json!(scope.hub_id()));
        data.insert("summary".into(), json!(words.subject));
        let url = page(app, scope.hub_id(), words.below);
        data.insert("url".into(), json!(url));
    }
    let timestamp: DateTime<Utc> = leased.created_at;
    json!({"type": leased.notice.kind(), "timestamp": timestamp, "data": data})
}

/// A page of the portal.
fn page(app: &App, hub_id: domain::HubId, below: &str) -> Url {
    let mut url = app.config.public_url.clone();
    url.set_path(&format!("/portals/{hub_id}{below}"));
    url.set_query(None);
    url
}
