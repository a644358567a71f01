//! Identifiers as types, so that a portal is never taken for a user and a run never for a transaction.

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty) $($extra:ident),*) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize $(, $extra)*)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = <$inner as std::str::FromStr>::Err;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    };
}

id! {
    /// A HubSpot account, HubSpot's `hub_id`: the tenant.
    HubId(i64) Copy
}
id! {
    /// A HubSpot user's number, the same in every portal of that person.
    UserId(i64) Copy
}
id! {
    /// A record in HubSpot (contact, company, deal or Thnks record): its `hs_object_id`.
    RecordId(i64) Copy
}
id! {
    /// Thnks' own id of a transaction, for example `txn_01J9ZK…`.
    TransactionId(String)
}
id! {
    /// One execution of backfill, sync or re-association.
    RunId(uuid::Uuid) Copy
}
id! {
    /// An organization at Thnks, as this service knows it.
    OrganizationId(uuid::Uuid) Copy
}
id! {
    /// An open session, to name it in a form; nothing opens with it.
    SessionId(uuid::Uuid) Copy
}

impl TransactionId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
