//! Facts about an account.

use serde::Deserialize;

use crate::{API_VERSION, Error, Portal, wire};

/// What kind of account it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccountType {
    /// A customer's.
    Standard,
    /// For development and tests.
    DeveloperTest,
    /// A copy of a customer's for trials.
    Sandbox,
    /// A developer's own.
    AppDeveloper,
    /// One we do not know, as HubSpot spells it.
    Other(String),
}

/// An account's details.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// IANA name, for example `Europe/Berlin`, as HubSpot gives it.
    pub time_zone: String,
    /// Host of HubSpot's own pages for this account, for example `app-eu1.hubspot.com`.
    pub ui_domain: String,
    /// ISO 4217 code of the company's currency.
    pub currency: Option<String>,
    /// Its kind.
    pub account_type: AccountType,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Details {
    time_zone: String,
    ui_domain: String,
    company_currency: Option<String>,
    #[serde(default)]
    account_type: String,
}

impl Portal {
    /// Time zone, page host, currency and kind of the account. Needs no scope beyond `oauth`.
    pub async fn account_details(&self) -> Result<Account, Error> {
        let path = format!("/account-info/{API_VERSION}/details");
        let details: Details = wire::read(&self.read("account.details", path).await?)?;
        let account_type = match details.account_type.as_str() {
            "STANDARD" => AccountType::Standard,
            "DEVELOPER_TEST" => AccountType::DeveloperTest,
            "SANDBOX" => AccountType::Sandbox,
            "APP_DEVELOPER" => AccountType::AppDeveloper,
            _ => AccountType::Other(details.account_type),
        };
        Ok(Account {
            time_zone: details.time_zone,
            ui_domain: details.ui_domain,
            currency: details.company_currency,
            account_type,
        })
    }
}
