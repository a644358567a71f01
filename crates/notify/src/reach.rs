//! Which addresses a customer may make us call: public ones, over https. Names are resolved by us and checked at the moment
//! of the connection, so that a name which leads elsewhere by then is refused as well.

use std::error::Error as StdError;
use std::net::{IpAddr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

/// The longest address of a webhook.
const LONGEST: usize = 2_048;

/// How far calls may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Public addresses over https.
    Public,
    /// The same, and this machine itself, also over http: for a demo and for tests.
    PublicAndLoopback,
}

/// Why an address cannot be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TargetFault {
    /// It is no address, or too long.
    #[error("not an address")]
    Malformed,
    /// It is not https.
    #[error("not https")]
    NotHttps,
    /// It holds a user's name or a password.
    #[error("has a user part")]
    HasUser,
    /// It leads into a private network.
    #[error("not a public address")]
    NotPublic,
}

impl Reach {
    /// The address as one that may be called, as far as it tells by itself.
    pub(crate) fn target(self, text: &str) -> Result<Url, TargetFault> {
        let text = text.trim();
        if text.len() > LONGEST {
            return Err(TargetFault::Malformed);
        }
        let mut url: Url = text.parse().map_err(|_| TargetFault::Malformed)?;
        let is_loopback = match url.host().ok_or(TargetFault::Malformed)? {
            Host::Domain(name) => {
                let name = name.trim_end_matches('.');
                let is_local = name == "localhost" || name.ends_with(".localhost");
                if !is_local && !name.contains('.') {
                    // A name of one's own network: no public name is without a dot.
                    return Err(TargetFault::NotPublic);
                }
                is_local
            }
            Host::Ipv4(ip) => self.look(ip.into())?,
            Host::Ipv6(ip) => self.look(ip.into())?,
        };
        if is_loopback && self == Self::Public {
            return Err(TargetFault::NotPublic);
        }
        match url.scheme() {
            "https" => {}
            "http" if is_loopback => {}
            _ => return Err(TargetFault::NotHttps),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(TargetFault::HasUser);
        }
        url.set_fragment(None);
        Ok(url)
    }

    /// Whether it is this machine itself; an error where it may not be called.
    fn look(self, ip: IpAddr) -> Result<bool, TargetFault> {
        if self.allows(ip) {
            Ok(ip.is_loopback())
        } else {
            Err(TargetFault::NotPublic)
        }
    }

    /// Whether this address may be connected to.
    pub(crate) fn allows(self, ip: IpAddr) -> bool {
        is_public(ip) || self == Self::PublicAndLoopback && ip.is_loopback()
    }
}

impl Resolve for Reach {
    fn resolve(&self, name: Name) -> Resolving {
        let reach = *self;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let allowed: Vec<SocketAddr> = found.filter(|at| reach.allows(at.ip())).collect();
            if allowed.is_empty() {
                return Err(TargetFault::NotPublic.into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

/// Whether an error of the client comes from [`Reach`].
pub(crate) fn is_about_reach(error: &(dyn StdError + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.downcast_ref::<TargetFault>().is_some() {
            return true;
        }
        next = error.source();
    }
    false
}

/// Networks that are not public, by first address and length of the prefix: IANA's special-purpose registry for IPv4,
/// multicast and what is reserved, and Azure's host agent, which has a public number.
const SPECIAL_V4: [([u8; 4], u32); 17] = [
    ([0, 0, 0, 0], 8),          // this network
    ([10, 0, 0, 0], 8),         // private
    ([100, 64, 0, 0], 10),      // carriers' own
    ([127, 0, 0, 0], 8),        // this machine
    ([168, 63, 129, 16], 32),   // Azure's host agent
    ([169, 254, 0, 0], 16),     // link-local, metadata of clouds
    ([172, 16, 0, 0], 12),      // private
    ([192, 0, 0, 0], 24),       // protocol assignments
    ([192, 0, 2, 0], 24),       // documentation
    ([192, 88, 99, 0], 24),     // relays of 6to4
    ([192, 168, 0, 0], 16),     // private
    ([198, 18, 0, 0], 15),      // benchmarks
    ([198, 51, 100, 0], 24),    // documentation
    ([203, 0, 113, 0], 24),     // documentation
    ([224, 0, 0, 0], 4),        // multicast
    ([240, 0, 0, 0], 4),        // reserved
    ([255, 255, 255, 255], 32), // broadcast
];

/// Of IPv6 only this is global unicast.
const GLOBAL_V6: (u128, u32) = (0x2000 << 112, 3);

/// And these are not, although they lie in it. Addresses that carry an IPv4 one in them are not followed, whatever that is.
const SPECIAL_V6: [(u128, u32); 4] = [
    (0x2001 << 112, 23),     // protocol assignments: Teredo, benchmarks, ORCHID
    (0x2001_0db8 << 96, 32), // documentation
    (0x2002 << 112, 16),     // 6to4
    (0x3fff << 112, 20),     // documentation
];

fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let lies_in = |(first, prefix): ([u8; 4], u32)| {
                (u32::from(ip) ^ u32::from_be_bytes(first)) >> (32 - prefix) == 0
            };
            !SPECIAL_V4.into_iter().any(lies_in)
        }
        IpAddr::V6(ip) => {
            let lies_in =
                |(first, prefix): (u128, u32)| (u128::from(ip) ^ first) >> (128 - prefix) == 0;
            lies_in(GLOBAL_V6) && !SPECIAL_V6.into_iter().any(lies_in)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_numbers_may_be_called() {
        for ip in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.100.100.200",
            "127.0.0.1",
            "127.255.255.254",
            "168.63.129.16",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:8.8.8.8",
            "64:ff9b::a00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:20::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(ip.parse().unwrap()), "{ip} passes for public");
        }
        for ip in [
            "1.1.1.1",
            "8.8.8.8",
            "100.63.255.255",
            "100.128.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "198.17.0.1",
            "223.255.255.255",
            "2001:4860:4860::8888",
            "2606:4700::1111",
            "2a00:1450::1",
        ] {
            assert!(
                is_public(ip.parse().unwrap()),
                "{ip} does not pass for public"
            );
        }
    }

    #[test]
    fn addresses_are_told_apart_before_anything_is_called() {
        use TargetFault::{HasUser, Malformed, NotHttps, NotPublic};
        let long = format!("https://hooks.example/{}", "x".repeat(2_048));
        for (text, fault) in [
            ("", Malformed),
            ("hooks.example", Malformed),
            ("https://", Malformed),
            (long.as_str(), Malformed),
            ("data:text/plain,x", Malformed),
            ("http://hooks.example/x", NotHttps),
            ("ftp://hooks.example/x", NotHttps),
            ("https://user@hooks.example/x", HasUser),
            ("https://user:pass@hooks.example/x", HasUser),
            ("https://localhost/x", NotPublic),
            ("https://localhost./x", NotPublic),
            ("https://db.localhost/x", NotPublic),
            ("https://intranet/x", NotPublic),
            ("https://127.0.0.1/x", NotPublic),
            ("https://0x7f.1/x", NotPublic),
            ("https://2130706433/x", NotPublic),
            ("https://[::1]/x", NotPublic),
            ("https://[::ffff:169.254.169.254]/x", NotPublic),
            ("https://169.254.169.254/latest/meta-data", NotPublic),
            ("http://127.0.0.1/x", NotPublic),
        ] {
            assert_eq!(Reach::Public.target(text), Err(fault), "{text}");
        }
        let taken = Reach::Public.target(" https://hooks.example:8443/a?b=c#d ");
        assert_eq!(taken.unwrap().as_str(), "https://hooks.example:8443/a?b=c");
    }

    #[test]
    fn a_demo_may_call_its_own_machine_and_nothing_else_private() {
        let reach = Reach::PublicAndLoopback;
        for text in [
            "http://127.0.0.1:4000/x",
            "http://localhost:4000/x",
            "https://[::1]/x",
        ] {
            assert!(reach.target(text).is_ok(), "{text}");
        }
        for text in ["http://10.0.0.1/x", "https://192.168.0.1/x"] {
            assert_eq!(reach.target(text), Err(TargetFault::NotPublic), "{text}");
        }
        let plain = reach.target("http://hooks.example/x");
        assert_eq!(plain, Err(TargetFault::NotHttps));
    }

    #[tokio::test]
    async fn a_name_that_leads_to_a_private_network_is_refused_when_it_is_resolved() {
        let resolve = |reach: Reach| reach.resolve("localhost".parse().unwrap());
        let refused = resolve(Reach::Public).await.err().unwrap();
        assert!(is_about_reach(&*refused));
        assert!(resolve(Reach::PublicAndLoopback).await.is_ok());
    }
}
