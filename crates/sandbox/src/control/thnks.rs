//! Verbs on an organization at Thnks: gifts sent, statuses changed, keys revoked, rows broken.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Control, NewOrganization, Refused};
use crate::config::DEMO_ORGANIZATION_ID;
use crate::thnks::catalogue::GIFTS;
use crate::thnks::gift_requests::new_id;
use crate::thnks::{Organization, Person, Row, Step};
use crate::world::malformed;

/// A gift sent now.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sent {
    /// Recipient's e-mail.
    pub email: Option<String>,
    /// Recipient's name.
    pub name: Option<String>,
    /// Recipient's phone number.
    pub phone: Option<String>,
    /// The message.
    pub message: Option<String>,
    /// Gift type; the first gift of that type is taken (the first of all when none is named).
    pub gift_type: Option<String>,
    /// The planned time of a scheduled gift; none sends it now.
    pub scheduled_for: Option<DateTime<Utc>>,
}

/// A status change of a transaction.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// The transaction; none takes the oldest ones that can go on.
    #[serde(default)]
    pub id: Option<String>,
    /// How many, when no transaction is named.
    #[serde(default = "one")]
    pub count: usize,
    /// The new status, in any spelling; none takes the next one in a gift's usual course.
    #[serde(default)]
    pub status: Option<String>,
    /// When it was reached; now when not given. May be earlier than what the history has.
    #[serde(default)]
    pub at: Option<DateTime<Utc>>,
}

fn one() -> usize {
    1
}

/// What of an organization can be switched.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OrganizationSettings {
    /// Whether its plan has the HubSpot integration.
    pub enabled: Option<bool>,
    /// Whether its key is revoked.
    pub revoked: Option<bool>,
    /// Its name.
    pub name: Option<String>,
}

impl Control {
    pub(super) fn organization_or_demo(
        &self,
        id: Option<&str>,
    ) -> Result<Arc<Organization>, Refused> {
        let id = id.unwrap_or(DEMO_ORGANIZATION_ID);
        let found = self.universe.organization(id);
        found.ok_or_else(|| Refused(format!("there is no organization {id}")))
    }

    /// Adds an organization without gifts.
    pub fn add_organization(&self, new: &NewOrganization, name: &str) -> Result<(), Refused> {
        if self.universe.organization(&new.id).is_some()
            || self.universe.organization_of_key(&new.key).is_some()
        {
            return Err(Refused("the id or the key is taken".to_owned()));
        }
        let made = Organization::new(new.id.clone(), new.key.clone(), name.to_owned());
        self.universe.add_organization(made);
        Ok(())
    }

    /// The organizations, their keys and sizes.
    pub fn organizations(&self) -> Value {
        let rows: Vec<Value> = self
            .universe
            .organizations()
            .iter()
            .map(|organization| {
                let state = organization.state();
                json!({
                    "id": organization.id,
                    "key": organization.key,
                    "name": state.name,
                    "enabled": state.enabled,
                    "revoked": state.revoked,
                    "transactions": state.len(),
                })
            })
            .collect();
        json!({"organizations": rows})
    }

    /// Switches what is given.
    pub fn set_organization(
        &self,
        id: &str,
        settings: OrganizationSettings,
    ) -> Result<(), Refused> {
        let organization = self.organization_or_demo(Some(id))?;
        let mut state = organization.state();
        state.enabled = settings.enabled.unwrap_or(state.enabled);
        state.revoked = settings.revoked.unwrap_or(state.revoked);
        if let Some(name) = settings.name {
            state.name = name;
        }
        Ok(())
    }

    /// The transactions that keep the contract, as Thnks' API gives them out, in order of their ids.
    pub fn transactions(&self, organization: &str) -> Result<Vec<Value>, Refused> {
        let organization = self.organization_or_demo(Some(organization))?;
        let state = organization.state();
        Ok(state.sound().map(Row::to_json).collect())
    }

    /// Sends a gift now and returns its id.
    pub fn send_gift(&self, organization: &str, sent: Sent) -> Result<String, Refused> {
        let organization = self.organization_or_demo(Some(organization))?;
        let now = self.universe.now();
        let wanted = sent.gift_type.as_deref();
        let gift = GIFTS
            .iter()
            .find(|gift| wanted.is_none_or(|kind| gift.kind == kind));
        let gift = gift.ok_or_else(|| Refused("there is no gift of that type".to_owned()))?;
        let mut state = organization.state();
        let number = state.next_number();
        let id = new_id(&organization.id, now, number);
        let status = if sent.scheduled_for.is_some() {
            "scheduled"
        } else {
            "sent"
        };
        state.put(Row {
            id: id.clone(),
            gift_id: Some(gift.id),
            gift_name: Some(gift.name.to_owned()),
            gift_type: Some(gift.kind.to_owned()),
            amount: Some(gift.price.to_owned()),
            currency: Some(gift.currency.to_owned()),
            message: sent.message,
            tracking_url: Some(format!("https://app.thnks.com/t/{id}")),
            delivery_type: Some(if sent.email.is_some() { "email" } else { "sms" }.to_owned()),
            sender: Some(Person {
                name: Some("Dana Reyes".to_owned()),
                email: Some("dana@acme.example".to_owned()),
                phone: None,
            }),
            recipient: Some(Person {
                name: sent.name,
                email: sent.email,
                phone: sent.phone,
            }),
            status: status.to_owned(),
            history: vec![Step {
                status: status.to_owned(),
                at: sent.scheduled_for.unwrap_or(now),
            }],
            created_at: now,
            updated_at: now,
        });
        Ok(id)
    }

    /// Appends a status to the history of one or some transactions and returns their ids.
    pub fn advance(&self, organization: &str, change: &Change) -> Result<Vec<String>, Refused> {
        let organization = self.organization_or_demo(Some(organization))?;
        let now = self.universe.now();
        let mut state = organization.state();
        let rows: Vec<Row> = match &change.id {
            Some(id) => state.find(id).cloned().into_iter().collect(),
            None => state
                .sound()
                .filter(|row| change.status.is_some() || next_status(&row.status).is_some())
                .take(change.count)
                .cloned()
                .collect(),
        };
        if rows.is_empty() {
            return Err(Refused("there is no such transaction".to_owned()));
        }
        let mut ids = Vec::new();
        for mut row in rows {
            let next = change
                .status
                .clone()
                .or_else(|| next_status(&row.status).map(str::to_owned));
            let Some(status) = next else {
                return Err(Refused(format!("{} is an end", row.status)));
            };
            let at = change.at.unwrap_or(now);
            row.history.push(Step { status, at });
            let current = row
                .history
                .iter()
                .max_by_key(|step| (step.at, crate::verify::expected::rank(&step.status)));
            row.status = current
                .map(|step| step.status.clone())
                .unwrap_or(row.status);
            // A change is always later than what was written before, whatever the clock says.
            row.updated_at = now.max(row.updated_at + chrono::TimeDelta::microseconds(1));
            ids.push(row.id.clone());
            state.put(row);
        }
        Ok(ids)
    }

    /// Replaces fields of a transaction by JSON of the API's shape, and sets `updated_at` to now, or to the time given as
    /// `updated_at`: a change that Thnks makes without a word keeps its old time.
    pub fn edit_transaction(
        &self,
        organization: &str,
        id: &str,
        fields: &Value,
    ) -> Result<(), Refused> {
        let organization = self.organization_or_demo(Some(organization))?;
        let now = self.universe.now();
        let mut state = organization.state();
        let row = state.find(id).cloned();
        let mut row = row.ok_or_else(|| Refused(format!("there is no transaction {id}")))?;
        let fields = fields
            .as_object()
            .ok_or_else(|| Refused("fields are an object".to_owned()))?;
        let bad = |name: &str| Refused(format!("{name} has the wrong type"));
        row.updated_at = now.max(row.updated_at + chrono::TimeDelta::microseconds(1));
        for (name, value) in fields {
            let text = || match value {
                Value::Null => Ok(None),
                Value::String(text) => Ok(Some(text.clone())),
                _ => Err(bad(name)),
            };
            let person = || serde_json::from_value(value.clone()).map_err(|_| bad(name));
            match name.as_str() {
                "gift_name" => row.gift_name = text()?,
                "gift_type" => row.gift_type = text()?,
                "amount" => row.amount = text()?,
                "currency" => row.currency = text()?,
                "message" => row.message = text()?,
                "tracking_url" => row.tracking_url = text()?,
                "delivery_type" => row.delivery_type = text()?,
                "sender" => row.sender = person()?,
                "recipient" => row.recipient = person()?,
                "updated_at" => {
                    let at = serde_json::from_value(value.clone());
                    row.updated_at = at.map_err(|_| bad(name))?;
                }
                _ => return Err(Refused(format!("{name} cannot be edited"))),
            }
        }
        state.put(row);
        Ok(())
    }

    /// Adds malformed rows, each wrong in another way, updated now.
    pub fn add_bad_rows(&self, organization: &str, count: usize) -> Result<(), Refused> {
        let organization = self.organization_or_demo(Some(organization))?;
        let now = self.universe.now();
        let mut state = organization.state();
        for way in 0..count {
            let number = usize::try_from(state.next_number()).unwrap_or_default();
            // Each call goes through the ways from the first on; places stay different.
            let (_, value) = malformed::row(way, now);
            let place = format!("txn_bad{number:06}");
            let mut value = value;
            if value["id"].is_string() {
                value["id"] = json!(place);
            }
            state.put_malformed(now, &place, value);
        }
        Ok(())
    }

    /// Lets all cursors given out so far expire.
    pub fn expire_cursors(&self, organization: &str) -> Result<(), Refused> {
        self.organization_or_demo(Some(organization))?
            .state()
            .cursor_epoch += 1;
        Ok(())
    }
}

/// The next status in a gift's usual course.
fn next_status(status: &str) -> Option<&'static str> {
    match status {
        "scheduled" => Some("sent"),
        "sent" => Some("delivered"),
        "delivered" => Some("opened"),
        "opened" => Some("redeemed"),
        "expired" => Some("refunded"),
        _ => None,
    }
}
