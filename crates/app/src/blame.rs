//! Whether it is a portal that HubSpot refuses, or us. With a wrong secret, or with the credentials of another app, HubSpot
//! refuses every portal; that must cost none of them its connection.

use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, TimeDelta, Utc};
use store::PortalScope;
use store::renewals::{self, Comparison};

use crate::{App, access};

/// So many portals may be refused at once, or this part of all where it is more, before it looks like us.
const FEW: i64 = 3;
const ONE_IN: i64 = 20;
/// Within so many intervals between two syncs each portal has been asked for.
const INTERVALS: i32 = 2;
/// And at least within this time, however often portals sync.
const SHORTEST: TimeDelta = TimeDelta::hours(1);
/// How far apart one process tells of it.
const COMPLAINTS_APART: TimeDelta = TimeDelta::minutes(10);

/// When this process last told of it.
#[derive(Debug)]
pub(crate) struct Complaints(AtomicI64);

impl Complaints {
    pub(crate) fn new() -> Self {
        Self(AtomicI64::new(i64::MIN))
    }

    /// Whether it is time to tell of it again; then it counts as told.
    fn is_due(&self, now: DateTime<Utc>) -> bool {
        let now = now.timestamp();
        let told = self.0.load(Ordering::Relaxed);
        now.saturating_sub(told) >= COMPLAINTS_APART.num_seconds()
            && self
                .0
                .compare_exchange(told, now, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }
}

/// What a refusal is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Blame {
    /// This portal: it has taken its consent back.
    Portal,
    /// Our credentials.
    Us,
    /// Nothing tells yet.
    Unknown,
}

/// Too many at once are no coincidence. Otherwise it is the portal when another one's tokens were renewed after the first
/// refusal, or where there is no other one.
fn blame(seen: &Comparison) -> Blame {
    if seen.refused > FEW.max(seen.connected / ONE_IN) {
        Blame::Us
    } else if seen.is_vouched || seen.connected <= 1 {
        Blame::Portal
    } else {
        Blame::Unknown
    }
}

/// Whether repeated refusals of the portal's refresh token are its own uninstall. Where nothing tells, another portal's tokens
/// are renewed to see.
pub(crate) async fn is_the_portals(
    app: &App,
    scope: PortalScope,
    now: DateTime<Utc>,
) -> Result<bool, store::Error> {
    let lately = now - SHORTEST.max(app.config.sync_interval * INTERVALS);
    for _ in 0..=FEW {
        let mut conn = app.db.unscoped().await?;
        let seen = renewals::compare(&mut conn, scope, lately).await?;
        let other = renewals::find_unrefused(&mut conn, scope, lately).await?;
        drop(conn);
        match (blame(&seen), other) {
            // Of a few portals all may have left.
            (Blame::Portal, _) | (Blame::Unknown, None) => return Ok(true),
            (Blame::Us, _) => {
                complain_of_many(app, &seen, now);
                return Ok(false);
            }
            (Blame::Unknown, Some(other)) => match access::renew(app, other).await {
                Ok(()) => return Ok(true),
                Err(hubspot::Error::Revoked) => {}
                // Nobody can tell now: the next refusal asks again.
                Err(_) => return Ok(false),
            },
        }
    }
    Ok(false)
}

fn complain_of_many(app: &App, seen: &Comparison, now: DateTime<Utc>) {
    if app.complaints.is_due(now) {
        tracing::error!(
            failed = seen.refused,
            total = seen.connected,
            "HubSpot refuses many portals at once and none is disconnected: compare HUBSPOT_CLIENT_ID and HUBSPOT_CLIENT_SECRET"
        );
    }
}

/// Tells of a refusal that is about our registration: HubSpot names what is wrong with it.
pub(crate) fn complain(app: &App, error: &hubspot::Error, now: DateTime<Utc>) {
    if matches!(error, hubspot::Error::OurFault(_)) && app.complaints.is_due(now) {
        tracing::error!(%error, "no portal's tokens are renewed: compare HUBSPOT_CLIENT_ID and HUBSPOT_CLIENT_SECRET");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> DateTime<Utc> {
        "2026-11-28T10:00:00Z".parse().unwrap()
    }

    fn seen(refused: i64, connected: i64, is_vouched: bool) -> Blame {
        blame(&Comparison {
            refused,
            connected,
            is_vouched,
        })
    }

    #[test]
    fn one_uninstall_is_the_portals_when_another_portal_is_served() {
        assert_eq!(seen(1, 10, true), Blame::Portal);
        assert_eq!(seen(1, 10, false), Blame::Unknown);
        assert_eq!(seen(1, 1, false), Blame::Portal);
    }

    #[test]
    fn many_at_once_are_ours_whoever_vouches() {
        assert_eq!(seen(3, 10, true), Blame::Portal);
        assert_eq!(seen(4, 10, true), Blame::Us);
        assert_eq!(seen(4, 10, false), Blame::Us);
        assert_eq!(seen(50, 1_000, true), Blame::Portal);
        assert_eq!(seen(51, 1_000, true), Blame::Us);
    }

    #[test]
    fn it_is_told_of_once_in_ten_minutes() {
        let complaints = Complaints::new();
        assert!(complaints.is_due(now()));
        assert!(!complaints.is_due(now() + TimeDelta::minutes(9)));
        assert!(complaints.is_due(now() + TimeDelta::minutes(10)));
    }
}
