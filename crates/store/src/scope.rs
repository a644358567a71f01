//! The proof that somebody may see a portal's rows.

use domain::HubId;

/// Access to one portal's rows. One gets it from a session, from a run or from HubSpot's own answer about a token,
/// never from a URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PortalScope(HubId);

impl PortalScope {
    pub(crate) fn new(hub_id: HubId) -> Self {
        Self(hub_id)
    }

    /// The scope of the portal that HubSpot named in its answer to a code or token exchange.
    pub fn from_grant(hub_id: HubId) -> Self {
        Self(hub_id)
    }

    /// The scope of a portal that the operator named on the command line.
    pub fn from_operator(hub_id: HubId) -> Self {
        Self(hub_id)
    }

    /// The portal.
    pub fn hub_id(self) -> HubId {
        self.0
    }
}
