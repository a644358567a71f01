//! Why a gift is linked as it is, when it is looked at next, and what people can do about it.

use chrono::{DateTime, TimeDelta, Utc};
use domain::association::Outcome;
use domain::matching::Rules;
use domain::portal::PortalStatus;
use domain::run::RunKind;
use domain::{RecordId, Transaction, TransactionId, text};
use serde::Serialize;
use serde_json::json;
use store::PortalScope;
pub use store::associations::Trace as Gift;
pub use store::attempts::{Attempt, Outcome as AttemptOutcome, What};

use crate::engine::RECENT;
use crate::portals::PortalSummary;
use crate::session::Session;
use crate::{App, runs, status};

/// A gift with its trace.
#[derive(Debug, Clone, PartialEq)]
pub struct Trace {
    /// The portal.
    pub portal: PortalSummary,
    /// Where it stands.
    pub status: PortalStatus,
    /// What the ledger knows of its links.
    pub gift: Gift,
    /// The gift as Thnks tells of it.
    pub transaction: Transaction,
    /// What happened to it, in that order.
    pub events: Vec<Event>,
    /// What was done to bring it to HubSpot, the latest first, at most [`ATTEMPTS`].
    pub attempts: Vec<Attempt>,
    /// When it is looked at next.
    pub next_look: NextLook,
    /// The portal's rules, as they are now.
    pub rules: Rules,
}

/// A status that the gift reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// As Thnks spelt it.
    pub status: String,
    /// When it happened.
    pub at: DateTime<Utc>,
    /// When it was first seen here.
    pub seen_at: DateTime<Utc>,
    /// Whether Thnks no longer tells of it.
    pub is_withdrawn: bool,
}

/// When a gift is looked at next, without an event or a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "when", content = "at")]
pub enum NextLook {
    /// No more: it is linked, or there is nothing to look for, or a person decided.
    Never,
    /// With the next run, which is due.
    Soon,
    /// At this time.
    At(DateTime<Utc>),
    /// Once the portal's work goes on.
    AfterPause,
}

/// Attempts that are shown.
pub const ATTEMPTS: i64 = 50;
/// Times that differ by less are the same.
const SAME_TIME: TimeDelta = TimeDelta::milliseconds(1);

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such gift.
    #[error("there is no such gift")]
    NotFound,
    /// The gift has neither an address nor a number that such a remedy could be kept under.
    #[error("nothing is known of the gift's recipient")]
    NoRecipient,
    /// What was entered is no record id.
    #[error("not a record id")]
    NotAContact,
    /// What was entered is no e-mail address.
    #[error("not an e-mail address")]
    NotAnAddress,
    /// It is the address that the gift has already.
    #[error("the gift has this address already")]
    SameAddress,
    /// Asking for the run failed.
    #[error(transparent)]
    Run(#[from] runs::Error),
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        Self::Run(error.into())
    }
}

/// One gift with its trace.
pub async fn find(
    app: &App,
    scope: PortalScope,
    id: &TransactionId,
) -> Result<Option<Trace>, crate::Error> {
    let mut tx = app.db.begin(scope).await?;
    let Some((gift, transaction)) = store::associations::find_trace(&mut tx, scope, id).await?
    else {
        return Ok(None);
    };
    let Some(portal) = store::portals::find(&mut tx, scope).await? else {
        return Ok(None);
    };
    let status = status::read(&mut tx, scope, &portal).await?;
    let (events, attempts) = store::attempts::find_story(&mut tx, scope, id, ATTEMPTS).await?;
    let planned = if gift.counted_at >= app.now() - RECENT {
        portal.next_sync_at
    } else {
        portal.next_reassociate_at
    };
    let rules = portal.rules.clone();
    let next_look = next_look(&gift, &rules, planned);
    Ok(Some(Trace {
        portal: PortalSummary::of(scope, &portal),
        status,
        events: events_of(&transaction, events),
        gift,
        transaction,
        attempts,
        next_look,
        rules,
    }))
}

/// What was seen, in Thnks' own spelling where the history of today has it.
fn events_of(transaction: &Transaction, seen: Vec<store::attempts::Event>) -> Vec<Event> {
    seen.into_iter()
        .map(
            |store::attempts::Event {
                 status,
                 at,
                 seen_at,
             }| {
                let known = transaction.history.iter().find(|entry| {
                    entry.status.trim().to_lowercase().starts_with(&status)
                        && (entry.at - at).abs() < SAME_TIME
                });
                Event {
                    is_withdrawn: known.is_none(),
                    status: known.map_or(status, |entry| entry.status.clone()),
                    at,
                    seen_at,
                }
            },
        )
        .collect()
}

fn next_look(gift: &Gift, rules: &Rules, planned: Option<DateTime<Utc>>) -> NextLook {
    let outcome = gift.decision.as_ref().map(|decision| decision.outcome);
    let is_settled = matches!(
        outcome,
        Some(Outcome::LinkedByHand | Outcome::UnlinkedByHand | Outcome::Erased)
    );
    let has_chosen = gift.recipient.chosen.is_some();
    let can_be_found = has_chosen || !gift.recipient.identifiers(rules).is_empty();
    if gift.is_due || gift.record.is_none() {
        NextLook::Soon
    } else if gift.contact.is_some() || gift.erased_at.is_some() || is_settled || !can_be_found {
        NextLook::Never
    } else {
        planned.map_or(NextLook::AfterPause, NextLook::At)
    }
}

/// Adds another address of the gift's recipient: their orphans are looked for under it at once.
pub async fn add_alias(
    app: &App,
    session: &Session,
    id: &TransactionId,
    alias: &str,
) -> Result<(), Error> {
    let alias = text::email_key(alias)
        .filter(|alias| text::is_email(alias))
        .ok_or(Error::NotAnAddress)?;
    let (scope, now, actor) = (*session.scope(), app.now(), session.actor());
    let mut tx = app.db.begin(scope).await?;
    store::runs::lock(&mut tx, scope).await?;
    let gift = find_gift(&mut tx, scope, id).await?;
    if gift.recipient.email.as_deref() == Some(&*alias) {
        return Err(Error::SameAddress);
    }
    let recipient = gift.recipient.key().ok_or(Error::NoRecipient)?;
    store::remedies::save_alias(&mut tx, scope, recipient, Some(&alias), &actor, now).await?;
    let keys = [recipient.to_owned()];
    store::associations::mark_recipients_due(&mut tx, scope, &keys).await?;
    // The address itself is personal data: the trail of acts says only for which gift one was added.
    let detail = json!({"transaction": id});
    store::audit::insert(&mut tx, scope, &actor, "recipient.alias", &detail, now).await?;
    runs::request_in(&mut tx, app, scope, RunKind::Link.into(), &actor).await?;
    tx.commit().await.map_err(store::Error::from)?;
    Ok(())
}

/// Says which contact the gift's recipient is, or takes that back. All their gifts follow: links that were made to another
/// contact, and to its companies and deals, go.
pub async fn choose(
    app: &App,
    session: &Session,
    id: &TransactionId,
    contact: Option<RecordId>,
) -> Result<(), Error> {
    if contact.is_some_and(|contact| contact.0 <= 0) {
        return Err(Error::NotAContact);
    }
    let (scope, now, actor) = (*session.scope(), app.now(), session.actor());
    let mut tx = app.db.begin(scope).await?;
    store::runs::lock(&mut tx, scope).await?;
    let gift = find_gift(&mut tx, scope, id).await?;
    let recipient = gift.recipient.key().ok_or(Error::NoRecipient)?;
    store::remedies::save_choice(&mut tx, scope, recipient, contact, &actor, now).await?;
    let gifts = store::remedies::list_gifts(&mut tx, scope, recipient).await?;
    store::associations::mark_due(&mut tx, scope, &gifts, contact).await?;
    let detail = json!({"transaction": id, "contact": contact});
    store::audit::insert(&mut tx, scope, &actor, "recipient.choose", &detail, now).await?;
    runs::request_in(&mut tx, app, scope, RunKind::Link.into(), &actor).await?;
    tx.commit().await.map_err(store::Error::from)?;
    Ok(())
}

/// Looks at the gift now, also when a person has unlinked it before.
pub async fn look_now(app: &App, session: &Session, id: &TransactionId) -> Result<(), Error> {
    let (scope, now, actor) = (*session.scope(), app.now(), session.actor());
    let mut tx = app.db.begin(scope).await?;
    store::runs::lock(&mut tx, scope).await?;
    let gift = find_gift(&mut tx, scope, id).await?;
    store::associations::mark_due(&mut tx, scope, &[gift.id.0], gift.contact).await?;
    let detail = json!({"transaction": id});
    store::audit::insert(&mut tx, scope, &actor, "gift.look", &detail, now).await?;
    runs::request_in(&mut tx, app, scope, RunKind::Link.into(), &actor).await?;
    tx.commit().await.map_err(store::Error::from)?;
    Ok(())
}

async fn find_gift(
    tx: &mut store::Tx,
    scope: PortalScope,
    id: &TransactionId,
) -> Result<Gift, Error> {
    let found = store::associations::find_trace(tx, scope, id).await?;
    found.map(|(gift, _)| gift).ok_or(Error::NotFound)
}
