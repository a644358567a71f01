//! What HubSpot knows of the recipients of some rows: contacts by e-mail, their primary companies, their open deals. Each
//! is asked for once, in batches, a few calls at a time.

use std::collections::{BTreeSet, HashMap, HashSet};

use domain::association::{self, Links};
use domain::{RecordId, scopes};
use futures::TryStreamExt;
use hubspot::{AssociatedRecord, COMPANIES, CONTACTS, DEALS};
use store::associations::Due;

use super::{Run, Stop, Target, a_few_at_a_time};

/// Inputs of a batch that reads records, and of one that reads links.
pub(super) const READ: usize = 100;
const READ_LINKS: usize = 1_000;

/// What HubSpot knows of a recipient.
#[derive(Default)]
pub(super) struct Recipient {
    /// The contacts that have the address.
    pub(super) candidates: Vec<RecordId>,
    /// What records of this recipient should be linked to.
    pub(super) wanted: Links,
    /// HubSpot's words about what it did not let us read: the next run asks again.
    pub(super) trouble: Vec<String>,
}

/// What HubSpot knows of the recipients of these rows, by address; one that it knows nothing of is left out.
pub(super) async fn find(
    run: &Run,
    target: &Target,
    due: &[Due],
) -> Result<HashMap<String, Recipient>, Stop> {
    let keys: BTreeSet<&String> = due
        .iter()
        .filter_map(|row| row.recipient_key.as_ref())
        .collect();
    let keys: Vec<String> = keys.into_iter().cloned().collect();
    let mut recipients: HashMap<String, Recipient> = HashMap::new();
    let mut reads = a_few_at_a_time(keys.chunks(READ).map(|part| async move {
        let read = run.portal.contacts_by_email(part).await?;
        Ok::<_, hubspot::Error>((part, read))
    }));
    while let Some((part, read)) = reads.try_next().await? {
        let asked: HashSet<&String> = part.iter().collect();
        for contact in read.contacts {
            for email in contact
                .emails
                .into_iter()
                .filter(|email| asked.contains(email))
            {
                recipients
                    .entry(email)
                    .or_default()
                    .candidates
                    .push(contact.id);
            }
        }
        for (email, words) in read.unreadable {
            recipients.entry(email).or_default().trouble.push(words);
        }
    }
    let contacts: BTreeSet<RecordId> = recipients
        .values()
        .filter_map(|found| association::choose(&found.candidates))
        .collect();
    let contacts: Vec<RecordId> = contacts.into_iter().collect();
    let types = &target.association_types;
    let may = |scope| scopes::has(&run.scopes, scope);
    let companies = match &types.company {
        Some(_) if may(scopes::COMPANIES_READ) => primary_companies(run, &contacts).await?,
        _ => Linked::default(),
    };
    let deals = match &types.deal {
        Some(_) if may(scopes::DEALS_READ) => open_deals(run, &contacts).await?,
        _ => Linked::default(),
    };
    for found in recipients.values_mut() {
        let Some(contact) = association::choose(&found.candidates) else {
            continue;
        };
        found.wanted = Links {
            contact: Some(contact),
            company: companies
                .of
                .get(&contact)
                .and_then(|companies| companies.first())
                .copied(),
            deals: deals.of.get(&contact).cloned().unwrap_or_default(),
        };
        found
            .trouble
            .extend(companies.trouble.get(&contact).cloned());
        found.trouble.extend(deals.trouble.get(&contact).cloned());
    }
    Ok(recipients)
}

/// What contacts are linked to, and HubSpot's words about those whose links it did not let us read.
#[derive(Default)]
struct Linked {
    of: HashMap<RecordId, BTreeSet<RecordId>>,
    trouble: HashMap<RecordId, String>,
}

/// The primary company of each contact that has one.
async fn primary_companies(run: &Run, contacts: &[RecordId]) -> Result<Linked, Stop> {
    read_links(run, contacts, COMPANIES, |company| company.primary).await
}

/// The open deals of each contact, in any pipeline.
async fn open_deals(run: &Run, contacts: &[RecordId]) -> Result<Linked, Stop> {
    let mut linked = read_links(run, contacts, DEALS, |_| true).await?;
    let all: BTreeSet<RecordId> = linked.of.values().flatten().copied().collect();
    let all: Vec<RecordId> = all.into_iter().collect();
    let (mut open, mut unreadable) = (HashSet::new(), HashMap::new());
    let mut closed_stages = None;
    let mut reads = a_few_at_a_time(all.chunks(READ).map(|part| run.portal.deals(part)));
    while let Some(read) = reads.try_next().await? {
        unreadable.extend(read.unreadable);
        for deal in read.deals {
            // HubSpot computes the flag with a delay: without it the stage decides, which costs one call.
            if deal.is_closed.is_none() && closed_stages.is_none() {
                closed_stages = Some(run.portal.closed_stages().await?);
            }
            if deal.is_open(closed_stages.as_ref().unwrap_or(&HashSet::new())) {
                open.insert(deal.id);
            }
        }
    }
    for (contact, deals) in &mut linked.of {
        if let Some(words) = deals.iter().find_map(|deal| unreadable.get(deal)) {
            linked.trouble.insert(*contact, words.clone());
        }
        deals.retain(|deal| open.contains(deal));
    }
    Ok(linked)
}

/// The records of one kind that contacts are linked to, as far as `wanted`. A kind that this portal does not let us read
/// after all is left out: gifts are then linked without it.
async fn read_links(
    run: &Run,
    contacts: &[RecordId],
    to: &str,
    wanted: impl Fn(&AssociatedRecord) -> bool,
) -> Result<Linked, Stop> {
    let mut links = Linked::default();
    for part in contacts.chunks(READ_LINKS) {
        let read = match run.portal.associated(CONTACTS, to, part).await {
            Err(hubspot::Error::MissingScopes { .. }) => return Ok(Linked::default()),
            other => other?,
        };
        links.trouble.extend(read.failed);
        for (contact, records) in read.rows {
            let records = records
                .iter()
                .filter(|record| wanted(record))
                .map(|record| record.id);
            links.of.entry(contact).or_default().extend(records);
        }
    }
    Ok(links)
}
