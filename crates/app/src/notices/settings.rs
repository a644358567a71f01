//! Whom to tell what: read, changed by an owner, tried out.

use chrono::{DateTime, TimeDelta, Utc};
use domain::notice::{Notice, NoticeKind};
use domain::text;
pub use notify::TargetFault;
use secrecy::SecretString;
use serde_json::{Value, json};
use store::Sealed;
use store::notices::{Delivery, Settings};
use store::portal_keys::Secret;

use super::{host, sends_mail, targets};
use crate::cipher::PortalKey;
use crate::session::Session;
use crate::{App, Error, keys};

/// Addresses at most.
const EMAILS: usize = 10;
/// How long calls are signed with the former secret as well.
const FORMER: TimeDelta = TimeDelta::hours(24);
/// Deliveries that the page lists.
const LISTED: i64 = 20;
/// Between two tests: whoever enters others' addresses must not fill their mailboxes.
pub const TEST_EVERY: TimeDelta = TimeDelta::minutes(1);

/// What an owner has entered, or what is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entered {
    /// Addresses.
    pub emails: Vec<String>,
    /// What is told.
    pub kinds: Vec<NoticeKind>,
    /// Where calls go; empty for nowhere.
    pub webhook_url: String,
}

/// What is wrong with addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EmailsFault {
    /// This is none.
    NotAnAddress(String),
    /// There are more than ten.
    TooMany,
}

/// What is wrong, by field.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Refused {
    /// With the addresses.
    pub emails: Option<EmailsFault>,
    /// With the webhook's address.
    pub webhook_url: Option<TargetFault>,
}

/// Why settings were not stored.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// Something was entered that cannot be.
    #[error("something was entered that cannot be")]
    Refused(Refused),
    /// Something inside failed.
    #[error(transparent)]
    Internal(#[from] Error),
}

impl From<store::Error> for ChangeError {
    fn from(error: store::Error) -> Self {
        Self::Internal(error.into())
    }
}

/// Why no test was sent.
#[derive(Debug, thiserror::Error)]
pub enum TestError {
    /// There is nobody to tell.
    #[error("there is nobody to tell")]
    Nobody,
    /// One was sent a moment ago.
    #[error("a test was sent a moment ago")]
    TooSoon,
    /// Something inside failed.
    #[error(transparent)]
    Internal(#[from] Error),
}

impl From<store::Error> for TestError {
    fn from(error: store::Error) -> Self {
        Self::Internal(error.into())
    }
}

/// What the page shows.
pub struct Overview {
    /// The settings; without any, what is proposed.
    pub settings: Entered,
    /// Whether somebody has made settings.
    pub is_set: bool,
    /// Whether this installation sends mail.
    pub sends_mail: bool,
    /// What calls are signed with, where there is a webhook, for owners alone.
    pub secret: Option<SecretString>,
    /// Until when calls are signed with the secret before as well.
    pub former_until: Option<DateTime<Utc>>,
    /// The webhook's host, which everybody may see.
    pub webhook_host: Option<String>,
    /// The latest deliveries.
    pub deliveries: Vec<Delivery>,
}

/// What the page shows to the session's person. Before there are settings, an owner's own address and all kinds are proposed.
pub async fn load(app: &App, session: &Session) -> Result<Overview, Error> {
    let scope = *session.scope();
    let mut tx = app.db.begin(scope).await?;
    let settings = store::notices::find_settings(&mut tx, scope).await?;
    let deliveries = store::notices::list_latest(&mut tx, scope, LISTED).await?;
    let is_set = settings.is_some();
    let settings = settings.unwrap_or_else(|| Settings {
        emails: session
            .email
            .iter()
            .filter(|_| session.is_owner())
            .cloned()
            .collect(),
        kinds: NoticeKind::CHOICES.to_vec(),
        webhook_url: None,
        secret: None,
        former_secret: None,
    });
    let secret = match settings.secret.filter(|_| session.is_owner()) {
        None => None,
        Some(sealed) => {
            let key = keys::of_portal(app, &mut tx, scope).await?;
            Some(key.open(Secret::WebhookSecret, &sealed)?)
        }
    };
    drop(tx);
    let former = settings.former_secret.map(|(_, until)| until);
    Ok(Overview {
        is_set,
        sends_mail: sends_mail(app),
        secret,
        former_until: former.filter(|until| *until > app.now()),
        webhook_host: settings.webhook_url.as_deref().map(host),
        settings: Entered {
            emails: settings.emails,
            kinds: settings.kinds,
            webhook_url: settings.webhook_url.unwrap_or_default(),
        },
        deliveries,
    })
}

/// Stores what an owner has entered; the first webhook gets a secret.
pub async fn save(app: &App, session: &Session, entered: &Entered) -> Result<(), ChangeError> {
    let (emails, webhook_url) = read(app, entered).map_err(ChangeError::Refused)?;
    let (scope, now, actor) = (*session.scope(), app.now(), session.actor());
    let mut tx = app.db.begin(scope).await?;
    store::runs::lock(&mut tx, scope).await?;
    let before = store::notices::find_settings(&mut tx, scope).await?;
    let url = webhook_url.as_deref();
    store::notices::save_settings(&mut tx, scope, &emails, &entered.kinds, url, now).await?;
    if url.is_some() && before.as_ref().is_none_or(|before| before.secret.is_none()) {
        let key = keys::of_portal(app, &mut tx, scope).await?;
        store::notices::save_secret(&mut tx, scope, &new_secret(&key), None, now).await?;
    }
    // Addresses are personal data, and a webhook's may be a secret: the trail says how many, and whether.
    let told = |emails: &[String], kinds: &[NoticeKind], webhook: bool| json!({"emails": emails.len(), "kinds": kinds, "webhook": webhook});
    let mut detail = told(&emails, &entered.kinds, url.is_some());
    detail["was"] = before.map_or(Value::Null, |before| {
        told(&before.emails, &before.kinds, before.webhook_url.is_some())
    });
    store::audit::insert(&mut tx, scope, &actor, "notices.change", &detail, now).await?;
    tx.commit().await.map_err(store::Error::from)?;
    Ok(())
}

/// Makes a new secret. For a day calls are signed with the one before as well. Without settings there is nothing to do.
pub async fn renew_secret(app: &App, session: &Session) -> Result<(), Error> {
    let (scope, now, actor) = (*session.scope(), app.now(), session.actor());
    let mut tx = app.db.begin(scope).await?;
    store::runs::lock(&mut tx, scope).await?;
    let Some(settings) = store::notices::find_settings(&mut tx, scope).await? else {
        return Ok(());
    };
    let key = keys::of_portal(app, &mut tx, scope).await?;
    let former = settings
        .secret
        .map(|sealed| {
            let text = key.open(Secret::WebhookSecret, &sealed)?;
            Ok::<_, Error>(key.seal(Secret::FormerWebhookSecret, &text))
        })
        .transpose()?;
    store::notices::save_secret(
        &mut tx,
        scope,
        &new_secret(&key),
        former.as_ref(),
        now + FORMER,
    )
    .await?;
    store::audit::insert(&mut tx, scope, &actor, "notices.secret", &json!({}), now).await?;
    tx.commit().await.map_err(store::Error::from)?;
    Ok(())
}

/// Sends a test to everybody who would be told of something.
pub async fn test(app: &App, session: &Session) -> Result<(), TestError> {
    let (scope, now, actor) = (*session.scope(), app.now(), session.actor());
    let mut tx = app.db.begin(scope).await?;
    store::runs::lock(&mut tx, scope).await?;
    let settings = store::notices::find_settings(&mut tx, scope).await?;
    let targets = settings.map(|settings| targets(app, &settings));
    let targets = targets.filter(|targets| !targets.is_empty());
    let targets = targets.ok_or(TestError::Nobody)?;
    if store::notices::was_tested_after(&mut tx, scope, now - TEST_EVERY).await? {
        return Err(TestError::TooSoon);
    }
    store::notices::insert(&mut tx, scope, &Notice::Test, &targets, now).await?;
    let detail = json!({"receivers": targets.len()});
    store::audit::insert(&mut tx, scope, &actor, "notices.test", &detail, now).await?;
    tx.commit().await.map_err(store::Error::from)?;
    Ok(())
}

/// Addresses without doubles, and the webhook's, as they are stored.
fn read(app: &App, entered: &Entered) -> Result<(Vec<String>, Option<String>), Refused> {
    let mut refused = Refused::default();
    let mut emails: Vec<String> = Vec::new();
    for email in &entered.emails {
        let email = email.trim();
        if !text::is_email(email) || !notify::is_address(email) {
            refused.emails = Some(EmailsFault::NotAnAddress(email.to_owned()));
            break;
        }
        if !emails.iter().any(|known| known.eq_ignore_ascii_case(email)) {
            emails.push(email.to_owned());
        }
    }
    if emails.len() > EMAILS {
        refused.emails = Some(EmailsFault::TooMany);
    }
    let url = match (entered.webhook_url.trim(), &app.notify) {
        ("", _) => None,
        (text, Some(notify)) => match notify.target(text) {
            Ok(url) => Some(url.into()),
            Err(fault) => {
                refused.webhook_url = Some(fault);
                None
            }
        },
        (_, None) => {
            refused.webhook_url = Some(TargetFault::Malformed);
            None
        }
    };
    if refused == Refused::default() {
        Ok((emails, url))
    } else {
        Err(refused)
    }
}

/// The secrets that a call is signed with now.
pub(super) fn signing_secrets(
    key: &PortalKey,
    settings: &Settings,
    now: DateTime<Utc>,
) -> Result<Vec<notify::Secret>, Error> {
    let former = settings.former_secret.as_ref();
    let former = former.filter(|(_, until)| *until > now);
    let current = settings
        .secret
        .as_ref()
        .map(|sealed| (Secret::WebhookSecret, sealed));
    let sealed = current
        .into_iter()
        .chain(former.map(|(sealed, _)| (Secret::FormerWebhookSecret, sealed)));
    let mut secrets = Vec::new();
    for (secret, sealed) in sealed {
        let text = key.open(secret, sealed)?;
        secrets.extend(notify::Secret::from_text(text));
    }
    Ok(secrets)
}

fn new_secret(key: &PortalKey) -> Sealed {
    key.seal(Secret::WebhookSecret, notify::Secret::random().text())
}
