//! Notices: what people are told of a portal when they do not look. The fact and the notice are stored in one transaction
//! (here), people decide what they want to be told (`settings`), and the worker's relay sends it (`delivering`).

mod delivering;
mod settings;

use chrono::{DateTime, Utc};
use domain::notice::{Channel, Notice};
use domain::trouble::Sign;
use store::PortalScope;
use store::notices::{Settings, Target};
use url::Url;

use crate::App;

pub use delivering::{deliver_due, take_due};
pub use settings::{
    ChangeError, EmailsFault, Entered, Overview, Refused, TEST_EVERY, TargetFault, TestError, load,
    renew_secret, save, test,
};
pub use store::notices::{Delivery, DeliveryState};

/// Takes note of a sign of the portal's health, in the transaction of the fact, which holds the portal's lease or lock; where
/// that is something to say, it goes into the outbox.
pub(crate) async fn note(
    app: &App,
    tx: &mut store::Tx,
    scope: PortalScope,
    sign: Sign<'_>,
    now: DateTime<Utc>,
) -> Result<(), store::Error> {
    let before = store::troubles::find(tx, scope).await?;
    let (mut after, notice) = before.after(sign, now);
    if let Some(notice) = notice {
        let is_told = tell(app, tx, scope, &notice, now).await?;
        // What nobody hears is not said: it is once somebody wants to hear it.
        if !is_told && after.said.is_some() {
            after.said = before.said;
        }
    }
    if after != before {
        store::troubles::save(tx, scope, &after).await?;
    }
    Ok(())
}

/// Says that the first backfill has ended, in its transaction.
pub(crate) async fn tell_backfilled(
    app: &App,
    tx: &mut store::Tx,
    scope: PortalScope,
    now: DateTime<Utc>,
) -> Result<(), store::Error> {
    let counters = store::statistics::find_counters(tx, scope).await?;
    let counted_twice = store::statistics::count_rejected_known(tx, scope).await?;
    let notice = Notice::BackfillFinished {
        gifts: counters.transactions + counters.rejected - counted_twice,
        orphans: counters.orphans,
        failed: counters.failed + counters.rejected,
    };
    tell(app, tx, scope, &notice, now).await?;
    Ok(())
}

/// Puts the notice into the outbox; `false` when nobody wants to hear it.
pub(crate) async fn tell(
    app: &App,
    tx: &mut store::Tx,
    scope: PortalScope,
    notice: &Notice,
    now: DateTime<Utc>,
) -> Result<bool, store::Error> {
    let Some(settings) = store::notices::find_settings(tx, scope).await? else {
        return Ok(false);
    };
    let targets = targets(app, &settings);
    if targets.is_empty() || !settings.kinds.contains(&notice.kind()) {
        return Ok(false);
    }
    store::notices::insert(tx, scope, notice, &targets, now).await?;
    tracing::info!(portal.id = %scope.hub_id(), notice.kind = notice.kind().as_str(), receivers = targets.len(), "there is something to say");
    Ok(true)
}

/// Who is told of something.
fn targets(app: &App, settings: &Settings) -> Vec<Target> {
    let emails: &[String] = if sends_mail(app) {
        &settings.emails
    } else {
        &[]
    };
    let letters = emails.iter().map(|email| Target {
        channel: Channel::Email,
        name: email.clone(),
    });
    let calls = settings.webhook_url.iter().map(|url| Target {
        channel: Channel::Webhook,
        name: host(url),
    });
    letters.chain(calls).collect()
}

/// Whether this installation sends mail.
fn sends_mail(app: &App) -> bool {
    app.notify.as_ref().is_some_and(notify::Client::sends_mail)
}

/// What may be shown of a webhook's address: the rest may be a secret.
fn host(url: &str) -> String {
    let url: Option<Url> = url.parse().ok();
    url.and_then(|url| url.host_str().map(str::to_owned))
        .unwrap_or_else(|| "webhook".to_owned())
}
