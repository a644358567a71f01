//! Records without a contact: which, why, and what "Re-associate orphans" would do, before it is done.

use std::collections::{BTreeSet, HashMap};

use domain::association::Outcome;
use domain::matching::{Deals, Recipient, Rules};
use domain::{TransactionId, scopes};
use serde::Serialize;
use store::PortalScope;
pub use store::associations::Orphan;
use store::portals::AssociationTypes;

use crate::engine::recipients::{Directory, Known, READ};
use crate::session::Session;
use crate::{App, Error, access};

/// Recipients that a preview asks HubSpot for: twenty calls, which takes seconds.
const RECIPIENTS: i64 = 2_000;
/// Contacts whose links one call reads, and links that one call makes.
const LINKS: usize = 1_000;

/// Orphans of a page.
pub const PAGE: i64 = 50;

/// How many orphans there are by why, the most first, and up to [`PAGE`] of them: of one outcome when it is given, the latest
/// gift first, those after a gift when it is given.
pub async fn list(
    app: &App,
    scope: PortalScope,
    outcome: Option<Outcome>,
    after: Option<&TransactionId>,
) -> Result<(Vec<(Outcome, i64)>, Vec<Orphan>), Error> {
    let mut tx = app.db.begin(scope).await?;
    let counts = store::associations::count_orphans(&mut tx, scope).await?;
    let orphans = store::associations::list_orphans(&mut tx, scope, outcome, after, PAGE).await?;
    Ok((counts, orphans))
}

/// What a re-association would do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Preview {
    /// Records without a contact.
    pub orphans: i64,
    /// Of these by why, the most first.
    pub by_outcome: Vec<(Outcome, i64)>,
    /// Of these those with something to look for, which no person has unlinked.
    pub lookable: i64,
    /// Their different recipients.
    pub recipients: i64,
    /// Whether HubSpot could be asked; without it the rest says nothing.
    pub is_asked: bool,
    /// Recipients that were looked for.
    pub looked_at: i64,
    /// Whether these are all.
    pub is_whole: bool,
    /// Gifts that would be linked, of the recipients that were looked for.
    pub would_link: i64,
    /// Gifts whose contact is for a person to choose.
    pub ambiguous: i64,
    /// HubSpot's words about what it did not let us read.
    pub trouble: Option<String>,
    /// Calls that the run would take at least.
    pub calls: u64,
}

/// Looks for the orphans' contacts without changing anything.
pub async fn preview(app: &App, session: &Session) -> Result<Preview, Error> {
    let scope = *session.scope();
    let mut tx = app.db.begin(scope).await?;
    let portal = store::portals::find(&mut tx, scope)
        .await?
        .ok_or(Error::NotConnected)?;
    drop(tx);
    let class = hubspot::CallClass::Interactive;
    let asked = app
        .hubspot
        .portal(scope.hub_id(), access::tokens(app), class);
    let types = portal.association_types.as_ref();
    preview_by(app, scope, &asked, types, &portal.rules).await
}

/// The same by rules that need not be the portal's, asking HubSpot by `asked`; `types` are what records can be linked to.
pub(crate) async fn preview_by(
    app: &App,
    scope: PortalScope,
    asked: &hubspot::Portal,
    types: Option<&AssociationTypes>,
    rules: &Rules,
) -> Result<Preview, Error> {
    let mut tx = app.db.begin(scope).await?;
    let by_outcome = store::associations::count_orphans(&mut tx, scope).await?;
    let lookable = store::associations::count_lookable(&mut tx, scope, rules.phone).await?;
    let gifts: HashMap<Recipient, i64> =
        store::associations::list_orphan_recipients(&mut tx, scope, rules.phone, RECIPIENTS)
            .await?
            .into_iter()
            .collect();
    let scopes = store::connections::find(&mut tx, scope)
        .await?
        .map(|grant| grant.scopes)
        .unwrap_or_default();
    drop(tx);
    let mut preview = Preview {
        orphans: by_outcome.iter().map(|(_, rows)| rows).sum(),
        by_outcome,
        lookable: lookable.rows,
        recipients: lookable.recipients,
        ..Preview::default()
    };
    let Some(types) = types else {
        return Ok(preview);
    };
    let directory = Directory {
        portal: asked,
        scopes: &scopes,
        rules,
        types,
        told: &[],
    };
    let recipients: BTreeSet<Recipient> = gifts.keys().cloned().collect();
    let known = match directory.find_contacts(&recipients).await {
        Ok(known) => known,
        Err(error) => {
            tracing::info!(portal.id = %scope.hub_id(), %error, "a preview could not ask HubSpot");
            return Ok(preview);
        }
    };
    let gifts_of = |wanted: &dyn Fn(&Known) -> bool| {
        known
            .iter()
            .filter(|(_, one)| wanted(one))
            .map(|(recipient, _)| gifts.get(recipient).copied().unwrap_or_default())
            .sum()
    };
    preview.is_asked = true;
    preview.trouble = known.values().find_map(|one| one.trouble.first().cloned());
    preview.looked_at = i64::try_from(recipients.len()).unwrap_or(i64::MAX);
    preview.is_whole = preview.looked_at == preview.recipients;
    preview.would_link = gifts_of(&|one| one.found.contact.is_some());
    preview.ambiguous = gifts_of(&|one| one.found.contact.is_none() && one.found.reason.is_some());
    let contacts: BTreeSet<_> = known.values().filter_map(|one| one.found.contact).collect();
    let looks_for_companies =
        types.company.is_some() && scopes::has(&scopes, scopes::COMPANIES_READ);
    let looks_for_deals = types.deal.is_some()
        && rules.deals != Deals::Off
        && scopes::has(&scopes, scopes::DEALS_READ);
    let kinds = u64::from(looks_for_companies) + u64::from(looks_for_deals) + 1;
    let parts = |count: usize, size: usize| u64::try_from(count.div_ceil(size)).unwrap_or(u64::MAX);
    let recipients = usize::try_from(preview.recipients).unwrap_or(usize::MAX);
    preview.calls = parts(recipients, READ) + kinds * parts(contacts.len(), LINKS);
    Ok(preview)
}
