//! What has ever been true in a portal about e-mails, primary companies and open deals.
//!
//! A link that the product made is judged by this: "what is linked stays linked", so a link is right when it was
//! right at some time, and it is due when its reason is older than the record's link to the contact.

use std::collections::{BTreeMap, HashMap};

/// A portal's change count at which something became true.
pub(crate) type Since = u64;

/// Facts that only grow.
#[derive(Debug, Default)]
pub(crate) struct Truths {
    emails: HashMap<String, BTreeMap<u64, Since>>,
    primary_company: HashMap<u64, BTreeMap<u64, Since>>,
    open_deals: HashMap<u64, BTreeMap<u64, Since>>,
}

impl Truths {
    pub(crate) fn email(&mut self, email: String, contact: u64, since: Since) {
        let of = self.emails.entry(email).or_default();
        of.entry(contact).or_insert(since);
    }

    pub(crate) fn primary_company(&mut self, contact: u64, company: u64, since: Since) {
        let of = self.primary_company.entry(contact).or_default();
        of.entry(company).or_insert(since);
    }

    pub(crate) fn open_deal(&mut self, contact: u64, deal: u64, since: Since) {
        let of = self.open_deals.entry(contact).or_default();
        of.entry(deal).or_insert(since);
    }

    /// Since when `contact` has been one with that e-mail.
    pub(crate) fn had_email(&self, contact: u64, email: &str) -> Option<Since> {
        self.emails.get(email)?.get(&contact).copied()
    }

    /// Every contact that ever had that e-mail.
    pub(crate) fn contacts_of(&self, email: &str) -> impl Iterator<Item = u64> {
        self.emails
            .get(email)
            .into_iter()
            .flat_map(|of| of.keys().copied())
    }

    pub(crate) fn had_primary(&self, contact: u64, company: u64) -> Option<Since> {
        self.primary_company.get(&contact)?.get(&company).copied()
    }

    pub(crate) fn had_open_deal(&self, contact: u64, deal: u64) -> Option<Since> {
        self.open_deals.get(&contact)?.get(&deal).copied()
    }
}
