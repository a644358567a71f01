//! HubSpot's limits as sliding windows: 110 requests in 10 s and 5 searches in a second per portal (facts §6).

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::rules::Rules;

/// The windows of one portal; a refused request does not count.
#[derive(Debug, Default)]
pub(crate) struct Windows {
    requests: VecDeque<Instant>,
    searches: VecDeque<Instant>,
}

/// What the limiter says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Let through; limit and what is left of it, when the headers show it.
    Pass(Option<(usize, usize)>),
    /// Refused under this policy.
    Refuse(&'static str),
}

impl Windows {
    pub(crate) fn admit(&mut self, search: bool, rules: &Rules, now: Instant) -> Verdict {
        if search {
            let limit = rules.searches_per_second;
            return match slide(&mut self.searches, limit, Duration::from_secs(1), now) {
                // Search answers carry no rate-limit headers.
                Some(_) => Verdict::Pass(None),
                None => Verdict::Refuse("SECONDLY"),
            };
        }
        let limit = rules.requests_per_10s;
        match slide(&mut self.requests, limit, Duration::from_secs(10), now) {
            Some(left) => Verdict::Pass(limit.map(|limit| (limit, left))),
            None => Verdict::Refuse("TEN_SECONDLY_ROLLING"),
        }
    }
}

/// Counts one request and says how many are left, or `None` when the window is full.
pub(crate) fn slide(
    window: &mut VecDeque<Instant>,
    limit: Option<usize>,
    length: Duration,
    now: Instant,
) -> Option<usize> {
    let Some(limit) = limit else {
        window.clear();
        return Some(usize::MAX);
    };
    while window
        .front()
        .is_some_and(|first| now.saturating_duration_since(*first) >= length)
    {
        window.pop_front();
    }
    if window.len() >= limit {
        return None;
    }
    window.push_back(now);
    Some(limit - window.len())
}
