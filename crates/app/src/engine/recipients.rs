//! What HubSpot knows of recipients: contacts by their identifiers, the contacts' companies and open deals. Each is asked
//! for once, in batches, a few calls at a time; searches only for what no batch read can find.

use std::collections::{BTreeSet, HashMap, HashSet};

use domain::association::{DealFacts, Links, PartOutcome};
use domain::matching::{
    self, Companies, Contact, Contacts, Deals, Found, Identifier, IdentifierKind, Recipient, Rules,
};
use domain::{RecordId, phone, scopes};
use futures::TryStreamExt;
use hubspot::{AssociatedRecord, COMPANIES, CONTACTS, DEALS, DealStage};
use store::portals::AssociationTypes;

use super::a_few_at_a_time;
use crate::setup::from_stored;

/// Inputs of a batch that reads records, and of one that reads links.
pub(crate) const READ: usize = 100;
const READ_LINKS: usize = 1_000;
/// Properties of contacts by which HubSpot finds telephone numbers: area code and local number, in digits.
const PHONE_PROPERTIES: [&str; 2] = [
    "hs_searchable_calculated_phone_number",
    "hs_searchable_calculated_mobile_number",
];

/// Where recipients are looked for, and by which rules.
pub(crate) struct Directory<'a> {
    /// The portal.
    pub(crate) portal: &'a hubspot::Portal,
    /// What HubSpot lets us read.
    pub(crate) scopes: &'a [String],
    /// The portal's rules.
    pub(crate) rules: &'a Rules,
    /// What records can be linked to.
    pub(crate) types: &'a AssociationTypes,
    /// Contacts that were read a moment ago: who is found among them is not asked for again.
    pub(crate) told: &'a [Contact],
}

/// What HubSpot knows of a recipient.
#[derive(Default)]
pub(crate) struct Known {
    /// The contact, and how it was found.
    pub(crate) found: Found,
    /// What records of this recipient should be linked to.
    pub(crate) wanted: Links,
    /// How looking for companies ended.
    pub(crate) companies: PartOutcome,
    /// How looking for deals ended.
    pub(crate) deals: PartOutcome,
    /// HubSpot's words about what it did not let us read: the next run asks again.
    pub(crate) trouble: Vec<String>,
}

/// What HubSpot knows of some recipients.
#[derive(Default)]
pub(crate) struct Answer {
    /// By recipient.
    pub(crate) known: HashMap<Recipient, Known>,
    /// The open deals among what is wanted, as they are now.
    pub(crate) deals: HashMap<RecordId, DealFacts>,
    /// The stages of deal pipelines, where these had to be read.
    pub(crate) stages: Vec<DealStage>,
}

/// What was read of deals beside the links to them.
#[derive(Default)]
struct DealsRead {
    facts: HashMap<RecordId, DealFacts>,
    stages: Option<Vec<DealStage>>,
}

impl Directory<'_> {
    /// What HubSpot knows of each recipient.
    pub(crate) async fn find(
        &self,
        recipients: &BTreeSet<Recipient>,
    ) -> Result<Answer, hubspot::Error> {
        let mut known = self.find_contacts(recipients).await?;
        let contacts: BTreeSet<RecordId> =
            known.values().filter_map(|one| one.found.contact).collect();
        let contacts: Vec<RecordId> = contacts.into_iter().collect();
        let mut read = DealsRead::default();
        let companies = self.companies(&contacts).await?;
        let deals = self.deals(&contacts, &mut read).await?;
        for one in known.values_mut() {
            let Some(contact) = one.found.contact else {
                continue;
            };
            one.wanted = Links {
                contact: Some(contact),
                companies: companies.wanted(contact),
                deals: deals.wanted(contact),
            };
            one.companies = companies.outcome(contact);
            one.deals = deals.outcome(contact);
            one.trouble.extend(companies.trouble.get(&contact).cloned());
            one.trouble.extend(deals.trouble.get(&contact).cloned());
        }
        Ok(Answer {
            known,
            deals: read.facts,
            stages: read.stages.unwrap_or_default(),
        })
    }

    /// The contact of each recipient; nothing else of [`Known`] is filled in.
    pub(crate) async fn find_contacts(
        &self,
        recipients: &BTreeSet<Recipient>,
    ) -> Result<HashMap<Recipient, Known>, hubspot::Error> {
        let mut contacts = Contacts::default();
        for contact in self.told {
            contacts.add(contact.clone());
        }
        let mut unreadable = HashMap::new();
        self.read_by_email(recipients, &mut contacts, &mut unreadable)
            .await?;
        self.read_chosen(recipients, &mut contacts, &mut unreadable)
            .await?;
        let mut refused = None;
        for kind in [IdentifierKind::EmailProperty, IdentifierKind::Phone] {
            let values = self.left_to_try(recipients, &contacts, kind);
            match self.search(kind, &values, &mut contacts).await {
                // The property may be gone. What could be found without it is found.
                Err(hubspot::Error::Rejected(refusal)) => {
                    refused = Some((kind, refusal.fault.message));
                }
                other => other?,
            }
        }
        Ok(recipients
            .iter()
            .map(|recipient| {
                let found = matching::find(recipient, &contacts, self.rules);
                let chosen = recipient.chosen.map(|id| id.to_string());
                let mut trouble: Vec<String> = [&recipient.email, &recipient.alias, &chosen]
                    .into_iter()
                    .flatten()
                    .filter_map(|asked| unreadable.get(asked).cloned())
                    .collect();
                if let Some((kind, words)) = &refused
                    && found.contact.is_none()
                    && found
                        .tried
                        .iter()
                        .any(|identifier| identifier.kind == *kind)
                {
                    trouble.push(words.clone());
                }
                let known = Known {
                    found,
                    trouble,
                    ..Known::default()
                };
                (recipient.clone(), known)
            })
            .collect())
    }

    /// Reads the contacts that have an address or an alias.
    async fn read_by_email(
        &self,
        recipients: &BTreeSet<Recipient>,
        contacts: &mut Contacts,
        unreadable: &mut HashMap<String, String>,
    ) -> Result<(), hubspot::Error> {
        let emails: BTreeSet<&String> = recipients
            .iter()
            .filter(|recipient| {
                // What was told by an event is found by its address; by anything else it may not be the right one.
                let found = matching::find(recipient, contacts, self.rules);
                let by = found.tried.last().map(|identifier| identifier.kind);
                found.contact.is_none() || by != Some(IdentifierKind::Email)
            })
            .flat_map(|recipient| [&recipient.email, &recipient.alias])
            .flatten()
            .collect();
        let emails: Vec<String> = emails.into_iter().cloned().collect();
        let property = self.rules.email_property.as_deref();
        let portal = self.portal;
        let mut reads = a_few_at_a_time(
            emails
                .chunks(READ)
                .map(|part| async move { portal.contacts_by_email(part, property).await }),
        );
        while let Some(read) = reads.try_next().await? {
            for contact in read.contacts {
                contacts.add(contact);
            }
            unreadable.extend(read.unreadable);
        }
        Ok(())
    }

    /// Reads the contacts that people chose, unless they are read already.
    async fn read_chosen(
        &self,
        recipients: &BTreeSet<Recipient>,
        contacts: &mut Contacts,
        unreadable: &mut HashMap<String, String>,
    ) -> Result<(), hubspot::Error> {
        let chosen: BTreeSet<RecordId> = recipients
            .iter()
            .filter_map(|recipient| recipient.chosen)
            .filter(|id| contacts.survivor(*id).is_none())
            .collect();
        let chosen: Vec<RecordId> = chosen.into_iter().collect();
        let property = self.rules.email_property.as_deref();
        for part in chosen.chunks(READ) {
            let read = self.portal.contacts_by_id(part, property).await?;
            unreadable.extend(read.unreadable);
            for contact in read.contacts {
                contacts.add(contact);
            }
        }
        Ok(())
    }

    /// The identifiers of a kind that are still to be tried.
    fn left_to_try(
        &self,
        recipients: &BTreeSet<Recipient>,
        contacts: &Contacts,
        kind: IdentifierKind,
    ) -> Vec<String> {
        let left: BTreeSet<String> = recipients
            .iter()
            .filter(|recipient| {
                // Found by this very kind is found among what events told of: there may be others.
                let found = matching::find(recipient, contacts, self.rules);
                found.candidates.is_empty()
                    || found.tried.last().is_some_and(|one| one.kind == kind)
            })
            .flat_map(|recipient| recipient.identifiers(self.rules))
            .filter(|identifier: &Identifier| identifier.kind == kind)
            .map(|identifier| identifier.value)
            .collect();
        left.into_iter().collect()
    }

    async fn search(
        &self,
        kind: IdentifierKind,
        values: &[String],
        contacts: &mut Contacts,
    ) -> Result<(), hubspot::Error> {
        let property = self.rules.email_property.as_deref();
        let found: Vec<Contact> = match (kind, property) {
            (IdentifierKind::EmailProperty, Some(name)) => {
                self.portal
                    .contacts_having(&[name], values, property)
                    .await?
            }
            (IdentifierKind::Phone, _) => {
                let digits: BTreeSet<String> = values
                    .iter()
                    .filter_map(|key| phone::national_digits(key))
                    .collect();
                let digits: Vec<String> = digits.into_iter().collect();
                self.portal
                    .contacts_having(&PHONE_PROPERTIES, &digits, property)
                    .await?
            }
            _ => Vec::new(),
        };
        for contact in found {
            contacts.add(contact);
        }
        Ok(())
    }

    /// The companies of each contact that the rules want.
    async fn companies(&self, contacts: &[RecordId]) -> Result<Linked, hubspot::Error> {
        if !scopes::has(self.scopes, scopes::COMPANIES_READ) {
            return Ok(Linked::not_looked_for(PartOutcome::NotGranted));
        }
        if self.types.company.is_none() {
            return Ok(Linked::not_looked_for(PartOutcome::Off));
        }
        let all = self.rules.companies == Companies::All;
        self.read_links(contacts, COMPANIES, |company| all || company.primary)
            .await
    }

    /// The open deals of each contact, in any pipeline, that the rules want.
    async fn deals(
        &self,
        contacts: &[RecordId],
        DealsRead { facts, stages }: &mut DealsRead,
    ) -> Result<Linked, hubspot::Error> {
        if self.rules.deals == Deals::Off || self.types.deal.is_none() {
            return Ok(Linked::not_looked_for(PartOutcome::Off));
        }
        if !scopes::has(self.scopes, scopes::DEALS_READ) {
            return Ok(Linked::not_looked_for(PartOutcome::NotGranted));
        }
        let labels: Vec<hubspot::AssociationType> = self
            .rules
            .deal_labels
            .iter()
            .map(|label| {
                from_stored(&store::portals::AssociationType {
                    category: label.category.clone(),
                    type_id: label.type_id,
                })
            })
            .collect();
        let has_label = |deal: &AssociatedRecord| {
            let mut types = deal.types.iter().map(|held| held.association_type);
            labels.is_empty() || types.any(|held| labels.contains(&held))
        };
        let mut linked = self.read_links(contacts, DEALS, has_label).await?;
        let all: BTreeSet<RecordId> = linked.of.values().flatten().copied().collect();
        let all: Vec<RecordId> = all.into_iter().collect();
        let (mut open, mut unreadable) = (HashMap::new(), HashMap::new());
        let mut closed_stages = HashSet::new();
        let mut reads = a_few_at_a_time(all.chunks(READ).map(|part| self.portal.deals(part)));
        while let Some(read) = reads.try_next().await? {
            unreadable.extend(read.unreadable);
            for deal in read.deals {
                // HubSpot computes the flag with a delay: without it the stage decides, which costs one call.
                if deal.is_closed.is_none() && stages.is_none() {
                    let read = stages.insert(self.portal.deal_stages().await?);
                    let closed = read.iter().filter(|stage| stage.is_closed);
                    closed_stages = closed.map(|stage| stage.id.clone()).collect();
                }
                if deal.is_open(&closed_stages) {
                    open.insert(deal.id, deal.created_at);
                    let kept = DealFacts {
                        deal: deal.id,
                        pipeline: deal.pipeline,
                        stage: deal.stage,
                        amount: deal.amount,
                        currency: deal.currency,
                    };
                    facts.insert(deal.id, kept);
                }
            }
        }
        for (contact, deals) in &mut linked.of {
            if let Some(words) = deals.iter().find_map(|deal| unreadable.get(deal)) {
                linked.trouble.insert(*contact, words.clone());
            }
            deals.retain(|deal| open.contains_key(deal));
            if self.rules.deals == Deals::Newest {
                // HubSpot numbers records as they are made: the number decides where the time does not.
                let newest = deals.iter().copied().max_by_key(|deal| (open[deal], *deal));
                *deals = newest.into_iter().collect();
            }
        }
        Ok(linked)
    }

    /// The records of one kind that contacts are linked to, as far as `wanted`. A kind that this portal does not let us read
    /// after all is left out: gifts are then linked without it.
    async fn read_links(
        &self,
        contacts: &[RecordId],
        to: &str,
        wanted: impl Fn(&AssociatedRecord) -> bool,
    ) -> Result<Linked, hubspot::Error> {
        let mut links = Linked::default();
        for part in contacts.chunks(READ_LINKS) {
            let read = match self.portal.associated(CONTACTS, to, part).await {
                Err(hubspot::Error::MissingScopes { .. }) => {
                    return Ok(Linked::not_looked_for(PartOutcome::NotGranted));
                }
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
}

/// What contacts are linked to, and HubSpot's words about those whose links it did not let us read.
#[derive(Default)]
struct Linked {
    of: HashMap<RecordId, BTreeSet<RecordId>>,
    trouble: HashMap<RecordId, String>,
    /// Why nobody looked.
    not_looked_for: Option<PartOutcome>,
}

impl Linked {
    fn not_looked_for(why: PartOutcome) -> Self {
        Self {
            not_looked_for: Some(why),
            ..Self::default()
        }
    }

    fn wanted(&self, contact: RecordId) -> BTreeSet<RecordId> {
        self.of.get(&contact).cloned().unwrap_or_default()
    }

    fn outcome(&self, contact: RecordId) -> PartOutcome {
        match self.not_looked_for {
            Some(why) => why,
            None if self.trouble.contains_key(&contact) => PartOutcome::Refused,
            None if self.of.get(&contact).is_none_or(BTreeSet::is_empty) => PartOutcome::NoneFound,
            None => PartOutcome::Linked,
        }
    }
}
