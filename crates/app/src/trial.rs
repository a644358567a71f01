//! Rules for linking, tried out before they are stored: which orphans would get a contact, and which of the latest linked gifts
//! would be linked otherwise than by the rules in force. HubSpot is asked and nothing is written.
//!
//! Linked gifts are decided about twice, by both sets of rules and on what HubSpot says now: what has changed there since they
//! were linked is no doing of the rules.

use std::collections::BTreeSet;
use std::time::Duration;

use domain::TransactionId;
use domain::association::{self, Keep, Links, Plan};
use domain::matching::Rules;
use serde::Serialize;
use store::PortalScope;
use store::associations::Due;
use store::portals::Portal;

use crate::engine::recipients::{Answer, Directory};
use crate::orphans::{self, Preview};
use crate::rules::{self, Error};
use crate::session::Session;
use crate::{App, access};

/// Linked gifts that are decided about again: some twenty calls.
pub const LINKED: i64 = 500;
/// Changed gifts that are named.
const EXAMPLES: usize = 5;
/// How long each half may take: a page waits for both.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the rules would do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Trial {
    /// Whether they are the rules in force.
    pub is_same: bool,
    /// What would become of orphans; `None` when it took too long.
    pub orphans: Option<Preview>,
    /// What would become of linked gifts; `None` when HubSpot could not be asked, or it took too long.
    pub linked: Option<Linked>,
    /// HubSpot's words about what it did not let us read, such as a property that it does not have.
    pub trouble: Option<String>,
    /// Calls that the trial took.
    pub calls: u64,
}

/// What would become of the latest linked gifts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Linked {
    /// How many were looked at.
    pub gifts: i64,
    /// Whether these are all there are.
    pub is_whole: bool,
    /// Of these: would have another contact.
    pub other_contact: i64,
    /// Would have none.
    pub no_contact: i64,
    /// Would have other companies.
    pub other_companies: i64,
    /// Would have other deals.
    pub other_deals: i64,
    /// Would be linked as they are.
    pub unchanged: i64,
    /// Nothing can be said, because HubSpot did not let us read everything.
    pub unclear: i64,
    /// Some of those that would be linked otherwise, the latest first.
    pub examples: Vec<TransactionId>,
}

/// Tries rules out.
pub async fn run(app: &App, session: &Session, rules: &Rules) -> Result<Trial, Error> {
    rules::check(rules)?;
    let scope = *session.scope();
    let mut tx = app.db.begin(scope).await?;
    let portal = store::portals::find(&mut tx, scope)
        .await?
        .ok_or(crate::Error::NotConnected)?;
    drop(tx);
    let class = hubspot::CallClass::Interactive;
    let asked = app
        .hubspot
        .portal(scope.hub_id(), access::tokens(app), class);
    let mut trial = Trial {
        is_same: portal.rules == *rules,
        ..Trial::default()
    };
    let types = portal.association_types.as_ref();
    let orphans = orphans::preview_by(app, scope, &asked, types, rules);
    if let Ok(orphans) = tokio::time::timeout(PATIENCE, orphans).await {
        let orphans = orphans?;
        trial.trouble.clone_from(&orphans.trouble);
        trial.orphans = Some(orphans);
    }
    let linked = linked(app, scope, &asked, &portal, rules);
    if let Ok(linked) = tokio::time::timeout(PATIENCE, linked).await
        && let Some((linked, trouble)) = linked?
    {
        trial.trouble = trial.trouble.or(trouble);
        trial.linked = Some(linked);
    }
    trial.calls = asked.calls().total();
    Ok(trial)
}

/// What would become of linked gifts, and HubSpot's words about what it did not let us read; `None` when it could not be asked.
async fn linked(
    app: &App,
    scope: PortalScope,
    asked: &hubspot::Portal,
    portal: &Portal,
    rules: &Rules,
) -> Result<Option<(Linked, Option<String>)>, crate::Error> {
    let Some(types) = &portal.association_types else {
        return Ok(None);
    };
    let mut tx = app.db.begin(scope).await?;
    let rows = store::associations::list_linked(&mut tx, scope, LINKED + 1).await?;
    let scopes = portal.scopes.clone().unwrap_or_default();
    drop(tx);
    let sample = usize::try_from(LINKED).unwrap_or(usize::MAX);
    let is_whole = rows.len() <= sample;
    let rows = &rows[..rows.len().min(sample)];
    let recipients: BTreeSet<_> = rows.iter().map(|row| row.recipient.clone()).collect();
    let by = |rules| Directory {
        portal: asked,
        scopes: &scopes,
        rules,
        types,
        told: &[],
    };
    let (now, then) = (by(&portal.rules), by(rules));
    let found = async {
        let now = now.find(&recipients).await?;
        let then = if portal.rules == *rules {
            None
        } else {
            Some(then.find(&recipients).await?)
        };
        Ok((now, then))
    };
    match found.await {
        Ok((now, then)) => {
            // The rules in force need not be asked about twice.
            let then = then.as_ref().unwrap_or(&now);
            let words = then.known.values().find_map(|one| one.trouble.first());
            let linked = Linked {
                is_whole,
                ..compare(rows, &now, then)
            };
            Ok(Some((linked, words.cloned())))
        }
        Err(error) => {
            let error: hubspot::Error = error;
            tracing::info!(portal.id = %scope.hub_id(), %error, "a trial of rules could not ask HubSpot");
            Ok(None)
        }
    }
}

/// Counts what is otherwise in `then` than in `now`.
fn compare(rows: &[Due], now: &Answer, then: &Answer) -> Linked {
    let mut linked = Linked::default();
    for row in rows {
        linked.gifts += 1;
        let (Some(before), Some(after)) = (
            now.known.get(&row.recipient),
            then.known.get(&row.recipient),
        ) else {
            linked.unclear += 1;
            continue;
        };
        if !before.trouble.is_empty() || !after.trouble.is_empty() {
            linked.unclear += 1;
            continue;
        }
        if linked.count(&before.wanted, &after.wanted) && linked.examples.len() < EXAMPLES {
            linked.examples.push(row.id.clone());
        }
    }
    linked
}

impl Linked {
    /// Counts one gift; whether anything of it is otherwise.
    fn count(&mut self, before: &Links, after: &Links) -> bool {
        let plan = association::plan(before, after, Keep::Wanted);
        if plan == Plan::default() {
            self.unchanged += 1;
            return false;
        }
        let is_other = |created: &BTreeSet<_>, removed: &BTreeSet<_>| {
            !created.is_empty() || !removed.is_empty()
        };
        self.other_contact += i64::from(plan.create.contact.is_some());
        self.no_contact +=
            i64::from(plan.create.contact.is_none() && plan.remove.contact.is_some());
        self.other_companies += i64::from(is_other(&plan.create.companies, &plan.remove.companies));
        self.other_deals += i64::from(is_other(&plan.create.deals, &plan.remove.deals));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::RecordId;

    fn links(contact: Option<i64>, companies: &[i64], deals: &[i64]) -> Links {
        let ids = |ids: &[i64]| ids.iter().copied().map(RecordId).collect();
        Links {
            contact: contact.map(RecordId),
            companies: ids(companies),
            deals: ids(deals),
        }
    }

    #[test]
    fn each_kind_of_difference_is_counted_once_for_a_gift() {
        let mut linked = Linked::default();
        let before = links(Some(1), &[10], &[20, 21]);
        assert!(!linked.count(&before, &before));
        // Another contact brings its own companies and deals.
        assert!(linked.count(&before, &links(Some(2), &[11], &[])));
        assert!(linked.count(&before, &links(None, &[], &[])));
        // Fewer deals are other deals, more companies other companies.
        assert!(linked.count(&before, &links(Some(1), &[10], &[21])));
        assert!(linked.count(&before, &links(Some(1), &[10, 12], &[20, 21])));
        let expected = Linked {
            other_contact: 1,
            no_contact: 1,
            other_companies: 3,
            other_deals: 3,
            unchanged: 1,
            ..Linked::default()
        };
        assert_eq!(linked, expected);
    }
}
