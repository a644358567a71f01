//! Faults on order: at the nth call of an endpoint kind, something goes wrong, `times` times, or to a share of the calls.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};

/// One fault. Calls are counted from the moment it is added.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// The endpoint's name in the log, such as `objects.batch_upsert`; a trailing `*` matches any ending.
    pub kind: String,
    /// Only calls of this portal.
    #[serde(default)]
    pub portal: Option<i64>,
    /// The first matching call that is hit, from 1.
    #[serde(default = "one")]
    pub nth: u64,
    /// How many matching calls in a row are hit.
    #[serde(default = "one")]
    pub times: u64,
    /// Whether the call takes effect although its answer is replaced.
    #[serde(default)]
    pub apply: bool,
    /// Only a share of the calls that it would hit.
    #[serde(default)]
    pub odds: Option<Odds>,
    /// What happens.
    pub action: Action,
    /// Matching calls seen so far; starts at 0.
    #[serde(default)]
    pub seen: u64,
}

fn one() -> u64 {
    1
}

/// A share of calls, drawn by a seed: the same calls in the same order are hit again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Odds {
    /// How many of a hundred calls are hit.
    pub percent: u32,
    /// What decides which.
    pub seed: u64,
}

impl Odds {
    fn hit(self, call: u64) -> bool {
        let mut rng = StdRng::seed_from_u64(self.seed.wrapping_add(call));
        rng.random_range(0..100) < self.percent
    }
}

impl Fault {
    /// A fault that hits the next call of `kind` once and leaves no effect.
    pub fn once(kind: &str, action: Action) -> Self {
        Self {
            kind: kind.to_owned(),
            portal: None,
            nth: 1,
            times: 1,
            apply: false,
            odds: None,
            action,
            seen: 0,
        }
    }

    fn matches(&self, kind: &str, portal: Option<i64>) -> bool {
        let named = match self.kind.strip_suffix('*') {
            Some(start) => kind.starts_with(start),
            None => kind == self.kind,
        };
        named && self.portal.is_none_or(|wanted| portal == Some(wanted))
    }
}

/// What a fault does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Action {
    /// Answers this status with this body.
    Status {
        /// HTTP status.
        status: u16,
        /// What stands in the body.
        #[serde(default)]
        body: FaultBody,
        /// `Retry-After` in seconds.
        #[serde(default)]
        retry_after: Option<u64>,
    },
    /// 429 with HubSpot's body of this policy.
    Throttle {
        /// `TEN_SECONDLY_ROLLING`, `SECONDLY` or `DAILY`.
        policy: String,
        /// `Retry-After` in seconds.
        #[serde(default)]
        retry_after: Option<u64>,
    },
    /// 423: the resource is locked.
    Locked,
    /// 477: the account is moving between data centres.
    Moving {
        /// `Retry-After` in seconds.
        retry_after: u64,
    },
    /// The connection is reset without an answer.
    Reset,
    /// Nothing is answered for so long, then the connection is reset.
    Hang {
        /// How long, in milliseconds.
        millis: u64,
    },
    /// The call works, but its answer is late.
    Delay {
        /// How late, in milliseconds.
        millis: u64,
    },
    /// The first `count` inputs of a batch are refused (207), the others work.
    Partial {
        /// How many.
        count: usize,
    },
    /// 200 with `{"status":"COMPLETE","results":[]}`.
    EmptyResults,
    /// 200 with a compressed answer of little more than a KiB for each MiB that it is unpacked.
    Bomb {
        /// What it swells to.
        mebibytes: u32,
    },
    /// The portal's access tokens expire before the call is judged.
    ExpireTokens,
    /// The portal's grant is revoked before the call is judged.
    RevokeGrant,
}

/// The body of a status fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultBody {
    /// HubSpot's (or Thnks') error object.
    #[default]
    Json,
    /// An HTML page, as a proxy would send it.
    Html,
    /// Nothing.
    Empty,
    /// JSON that ends in the middle.
    Truncated,
}

/// The faults on order.
#[derive(Debug, Default)]
pub(crate) struct Faults(pub(crate) Vec<Fault>);

impl Faults {
    /// Counts a call and returns the fault that hits it, if any; spent faults are dropped.
    pub(crate) fn strike(&mut self, kind: &str, portal: Option<i64>) -> Option<Fault> {
        let mut hit = None;
        for fault in &mut self.0 {
            if fault.matches(kind, portal) {
                fault.seen += 1;
                let drawn = fault.odds.is_none_or(|odds| odds.hit(fault.seen));
                if hit.is_none() && fault.seen >= fault.nth && drawn {
                    hit = Some(fault.clone());
                }
            }
        }
        self.0
            .retain(|fault| fault.seen + 1 < fault.nth.saturating_add(fault.times));
        hit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_the_calls_is_hit_and_the_same_ones_again() {
        let strikes = |seed| {
            let mut faults = Faults(vec![Fault {
                times: u64::MAX,
                odds: Some(Odds { percent: 10, seed }),
                ..Fault::once("objects.*", Action::Reset)
            }]);
            let hit = |_| faults.strike("objects.batch_upsert", None).is_some();
            (0..2_000).map(hit).collect::<Vec<bool>>()
        };
        let hits = strikes(7);
        let count = hits.iter().filter(|hit| **hit).count();
        assert!((150..250).contains(&count), "{count}");
        assert_eq!(hits, strikes(7));
        assert_ne!(hits, strikes(8));
    }
}
