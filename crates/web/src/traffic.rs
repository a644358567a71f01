//! How many requests one client, one session and one portal may send. Counted in this process alone: nothing that could be
//! away lets everybody in, and several processes together allow as many times more.

use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Once};
use std::time::Duration;

use axum::http::HeaderMap;
use domain::HubId;
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::router::Kind;

/// What the operator decides about requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Traffic {
    /// Requests a second of one session, for long; for a moment ten times as many. A portal may send five times, a client ten
    /// times this.
    pub requests_per_second: NonZeroU32,
    /// Proxies before this process that write `X-Forwarded-For`. With none the header is not believed, and one address may
    /// hold so many connections and no more.
    pub trusted_hops: u8,
    /// How long requests are still taken after the word to stop, while `/readyz` says that others should have them.
    pub drain: Duration,
}

impl Default for Traffic {
    fn default() -> Self {
        Self {
            requests_per_second: NonZeroU32::new(20).expect("not zero"),
            trusted_hops: 0,
            drain: Duration::ZERO,
        }
    }
}

/// Whoever opened the connection; requests carry it.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub IpAddr);

/// Said once.
static UNTRUSTED: Once = Once::new();

/// Seconds a burst lasts.
const BURST_SECS: u32 = 10;
/// A client may take so many steps of a sign-in at once, and one more each time this passes. A sign-in has two: it begins here
/// and comes back from HubSpot. Each step costs a row or a call to HubSpot, whoever asks.
const SIGN_INS: u32 = 60;
const SIGN_IN_EVERY: Duration = Duration::from_secs(1);
/// A session may download so many files at once, and one more each time this passes.
const DOWNLOADS: u32 = 10;
const DOWNLOAD_EVERY: Duration = Duration::from_secs(6);
/// A client may try to sign in to the console so many times at once, and one more each time this passes; the same for a name, whoever
/// tries it. The latter is slower, and a name that is tried from everywhere waits: who is signed in already does not.
const OPERATOR_TRIES: u32 = 10;
const OPERATOR_TRY_EVERY: Duration = Duration::from_secs(30);
const OPERATOR_NAME_EVERY: Duration = Duration::from_mins(1);
/// What a name is told apart by: longer ones are no operator's.
const OPERATOR_NAME_BYTES: usize = 64;
/// After so many requests those who have been quiet are forgotten.
const FORGET_AFTER: u32 = 4_096;

/// What each client, session and portal has used.
pub struct Limits {
    trusted_hops: u8,
    clients: Limit<IpAddr>,
    machines: Limit<IpAddr>,
    sign_ins: Limit<IpAddr>,
    sessions: Limit<Vec<u8>>,
    downloads: Limit<Vec<u8>>,
    portals: Limit<HubId>,
    operator_clients: Limit<IpAddr>,
    operator_names: Limit<Vec<u8>>,
    requests: AtomicU32,
}

/// It was too much: how long to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused(pub Duration);

struct Limit<K: Hash + Eq + Clone>(DefaultKeyedRateLimiter<K>);

impl<K: Hash + Eq + Clone> Limit<K> {
    fn new(quota: Quota) -> Self {
        Self(RateLimiter::keyed(quota))
    }

    fn take(&self, key: &K) -> Result<(), Refused> {
        let taken = self.0.check_key(key);
        taken.map_err(|until| Refused(until.wait_time_from(DefaultClock::default().now())))
    }
}

impl Limits {
    pub fn new(traffic: Traffic) -> Arc<Self> {
        let per_second = |times: u32| {
            let rate = traffic
                .requests_per_second
                .saturating_mul(NonZeroU32::new(times).unwrap_or(NonZeroU32::MIN));
            let burst = rate.saturating_mul(NonZeroU32::new(BURST_SECS).unwrap_or(NonZeroU32::MIN));
            Quota::per_second(rate).allow_burst(burst)
        };
        let every = |period, burst| {
            let quota = Quota::with_period(period).expect("a period");
            quota.allow_burst(NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN))
        };
        Arc::new(Self {
            trusted_hops: traffic.trusted_hops,
            clients: Limit::new(per_second(10)),
            // HubSpot sends the events of all portals from few addresses; probes come often.
            machines: Limit::new(per_second(50)),
            sign_ins: Limit::new(every(SIGN_IN_EVERY, SIGN_INS)),
            sessions: Limit::new(per_second(1)),
            downloads: Limit::new(every(DOWNLOAD_EVERY, DOWNLOADS)),
            portals: Limit::new(per_second(5)),
            operator_clients: Limit::new(every(OPERATOR_TRY_EVERY, OPERATOR_TRIES)),
            operator_names: Limit::new(every(OPERATOR_NAME_EVERY, OPERATOR_TRIES)),
            requests: AtomicU32::new(0),
        })
    }

    /// A request before anything is known of it but where it comes from.
    pub fn take_client(
        &self,
        peer: Option<Peer>,
        headers: &HeaderMap,
        kind: Kind,
    ) -> Result<(), Refused> {
        if kind == Kind::File {
            return Ok(());
        }
        self.forget_the_quiet();
        if self.trusted_hops == 0 && headers.contains_key("x-forwarded-for") {
            UNTRUSTED.call_once(|| {
                tracing::warn!(
                    "requests come through a proxy but TRUSTED_HOPS is 0: all clients behind it count as one"
                );
            });
        }
        let client = client(peer, headers, self.trusted_hops);
        if matches!(kind, Kind::Hook | Kind::Probe) {
            return self.machines.take(&client);
        }
        self.clients.take(&client)?;
        if kind == Kind::SignIn {
            self.sign_ins.take(&client)?;
        }
        Ok(())
    }

    /// A request of a session, by the hash of its token.
    pub fn take_session(
        &self,
        token_hash: &[u8],
        hub_id: HubId,
        kind: Kind,
    ) -> Result<(), Refused> {
        let session = token_hash.to_vec();
        self.sessions.take(&session)?;
        self.portals.take(&hub_id)?;
        if kind == Kind::Download {
            self.downloads.take(&session)?;
        }
        Ok(())
    }

    /// A request of an operator's session, by the hash of its token.
    pub fn take_operator(&self, token_hash: &[u8]) -> Result<(), Refused> {
        self.sessions.take(&token_hash.to_vec())
    }

    /// A try to sign in to the console under this name.
    pub fn take_operator_sign_in(
        &self,
        peer: Option<Peer>,
        headers: &HeaderMap,
        name: &str,
    ) -> Result<(), Refused> {
        self.operator_clients
            .take(&client(peer, headers, self.trusted_hops))?;
        let name = &name.as_bytes()[..name.len().min(OPERATOR_NAME_BYTES)];
        self.operator_names.take(&name.to_vec())
    }

    fn forget_the_quiet(&self) {
        if self.requests.fetch_add(1, Ordering::Relaxed) % FORGET_AFTER == FORGET_AFTER - 1 {
            self.clients.0.retain_recent();
            self.machines.0.retain_recent();
            self.sign_ins.0.retain_recent();
            self.sessions.0.retain_recent();
            self.downloads.0.retain_recent();
            self.portals.0.retain_recent();
            self.operator_clients.0.retain_recent();
            self.operator_names.0.retain_recent();
        }
    }
}

/// Who the client is: the address that the outermost trusted proxy saw.
fn client(peer: Option<Peer>, headers: &HeaderMap, trusted_hops: u8) -> IpAddr {
    let peer = peer.map_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED), |Peer(address)| address);
    let forwarded: Vec<&str> = headers
        .get_all("x-forwarded-for")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .collect();
    let seen = usize::from(trusted_hops)
        .checked_sub(1)
        .and_then(|before| forwarded.iter().rev().nth(before))
        .and_then(|address| {
            // Some proxies write the port as well.
            let with_port = || address.parse::<SocketAddr>().ok().map(|seen| seen.ip());
            address.parse().ok().or_else(with_port)
        });
    holder_of(seen.unwrap_or(peer))
}

/// By what one client's connections and requests are counted: its address, an IPv6 one with all of its network.
pub fn holder_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(peer: &str, forwarded: &[&str], trusted_hops: u8) -> String {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", value.parse().unwrap());
        }
        let peer = Some(Peer(peer.parse().unwrap()));
        client(peer, &headers, trusted_hops).to_string()
    }

    #[test]
    fn a_client_is_who_the_outermost_trusted_proxy_saw() {
        assert_eq!(seen("192.0.2.1", &["203.0.113.9"], 0), "192.0.2.1");
        assert_eq!(seen("10.0.0.1", &["203.0.113.9"], 1), "203.0.113.9");
        // What stands further left the client may have written itself.
        assert_eq!(
            seen("10.0.0.1", &["8.8.8.8, 203.0.113.9"], 1),
            "203.0.113.9"
        );
        assert_eq!(
            seen("10.0.0.1", &["8.8.8.8", "203.0.113.9, 10.0.0.2"], 2),
            "203.0.113.9"
        );
        assert_eq!(seen("10.0.0.1", &["203.0.113.9:4711"], 1), "203.0.113.9");
        assert_eq!(seen("10.0.0.1", &[], 1), "10.0.0.1");
        assert_eq!(seen("10.0.0.1", &["nonsense"], 1), "10.0.0.1");
        assert_eq!(seen("2001:db8:1:2:3:4:5:6", &[], 0), "2001:db8:1:2::");
        assert_eq!(seen("::ffff:192.0.2.1", &[], 0), "192.0.2.1");
    }

    #[test]
    fn each_has_a_burst_of_its_own_and_is_told_how_long_to_wait() {
        let limits = Limits::new(Traffic {
            requests_per_second: NonZeroU32::MIN,
            ..Traffic::default()
        });
        let take = |session: u8, hub: i64| limits.take_session(&[session], HubId(hub), Kind::Page);
        for _ in 0..10 {
            take(1, 7).unwrap();
        }
        let Refused(wait) = take(1, 7).unwrap_err();
        assert!(
            wait > Duration::ZERO && wait <= Duration::from_secs(1),
            "{wait:?}"
        );
        // Another session of the same portal goes on, until the portal's is used up: 50 in all.
        for session in 2..=5 {
            for _ in 0..10 {
                take(session, 7).unwrap();
            }
        }
        take(6, 7).unwrap_err();
        take(7, 8).unwrap();
    }

    #[test]
    fn an_operators_password_is_tried_a_few_times_by_client_and_by_name() {
        let limits = Limits::new(Traffic::default());
        let peer = |n: u8| Some(Peer(IpAddr::from([192, 0, 2, n])));
        let take = |n, name: &str| limits.take_operator_sign_in(peer(n), &HeaderMap::new(), name);
        for try_ in 0..OPERATOR_TRIES {
            take(1, &format!("name {try_}")).unwrap();
        }
        let Refused(wait) = take(1, "ana").unwrap_err();
        assert!(
            wait > Duration::ZERO && wait <= OPERATOR_TRY_EVERY,
            "{wait:?}"
        );
        // From many places under one name; another name goes on.
        for n in 2..12 {
            take(n, "ana").unwrap();
        }
        let Refused(wait) = take(12, "ana").unwrap_err();
        assert!(
            wait > Duration::ZERO && wait <= OPERATOR_NAME_EVERY,
            "{wait:?}"
        );
        take(12, "ben").unwrap();
        let long = "x".repeat(10_000);
        take(13, &long).unwrap();
    }

    #[test]
    fn sign_ins_and_downloads_are_fewer_than_pages() {
        let limits = Limits::new(Traffic::default());
        let peer = |n: u8| Some(Peer(IpAddr::from([192, 0, 2, n])));
        let headers = HeaderMap::new();
        for _ in 0..SIGN_INS {
            limits.take_client(peer(1), &headers, Kind::SignIn).unwrap();
        }
        limits
            .take_client(peer(1), &headers, Kind::SignIn)
            .unwrap_err();
        limits.take_client(peer(1), &headers, Kind::Page).unwrap();
        limits.take_client(peer(2), &headers, Kind::SignIn).unwrap();
        for _ in 0..DOWNLOADS {
            limits.take_session(&[1], HubId(7), Kind::Download).unwrap();
        }
        limits
            .take_session(&[1], HubId(7), Kind::Download)
            .unwrap_err();
        limits.take_session(&[1], HubId(7), Kind::Page).unwrap();
    }
}
