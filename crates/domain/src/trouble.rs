//! When people are told that a portal's syncs do not get through, and that they do again: once an episode, not once a try.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::notice::{Cause, Notice};
use crate::portal::NeedCode;

/// So many runs in a row that did not reach their end are said: with an hourly sync a night's hiccup stays unsaid.
const FAILURES: u32 = 3;
/// What lasts this long is said, however many runs it was: an outage is one run that waits.
const LASTING: TimeDelta = TimeDelta::hours(2);
/// What only people can mend is said after this: they may be at it already, and it is looked at every minute.
const UNMENDED: TimeDelta = TimeDelta::minutes(5);

/// What people have been told and nobody has taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Said {
    /// Syncs do not get through.
    SyncFailing,
    /// HubSpot no longer lets us in.
    AuthorizationLost,
}

impl Said {
    /// The value in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SyncFailing => "sync_failing",
            Self::AuthorizationLost => "authorization_lost",
        }
    }

    /// What a stored value means.
    pub fn from_stored(text: &str) -> Option<Self> {
        [Self::SyncFailing, Self::AuthorizationLost]
            .into_iter()
            .find(|said| said.as_str() == text)
    }
}

/// A portal's trouble, from its first sign until a sync ends well.
///
/// | sign | since | failures | said |
/// |---|---|---|---|
/// | well, ended | – | 0 | – |
/// | moved | – unless said | | |
/// | stumbled | now, where it is the first | | when two hours are over before the next try |
/// | failed | now, where it is the first | one more | at the third, or after two hours |
/// | parked | now, where it is the first | | after five minutes |
/// | lost | now, where it is the first | | at once |
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trouble {
    /// When the first sign came after which nothing has gone well.
    pub since: Option<DateTime<Utc>>,
    /// Runs in a row that did not reach their end.
    pub failures: u32,
    /// What people know of it.
    pub said: Option<Said>,
}

/// What a portal's work shows of its health.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign<'a> {
    /// A sync, or the backfill, has reached its end.
    Well,
    /// A run has got on and goes on later, or the portal has rested.
    Moved,
    /// A run was stopped and tries again.
    Stumbled {
        /// Where it failed.
        cause: Cause,
        /// Whether it had got on before.
        has_moved: bool,
        /// When it tries again.
        again_at: DateTime<Utc>,
    },
    /// A run has ended without reaching its end.
    Failed {
        /// Where it failed.
        cause: Cause,
    },
    /// People must act before anything goes on.
    Parked {
        /// What is missing.
        needs: &'a [NeedCode],
    },
    /// HubSpot no longer lets us in.
    Lost,
    /// Somebody ended the connection and knows it.
    Ended,
}

impl Trouble {
    /// The trouble after a sign, and what is to be said now. Where it reaches nobody, the caller keeps what was said before.
    pub fn after(&self, sign: Sign<'_>, now: DateTime<Utc>) -> (Self, Option<Notice>) {
        let mut next = Self {
            since: self.since.or(Some(now)),
            ..self.clone()
        };
        let mut over = now;
        let (cause, needs, patience) = match sign {
            Sign::Well => {
                let since = self.since.unwrap_or(now);
                let notice = self.said.map(|after| Notice::Recovered { after, since });
                return (Self::default(), notice);
            }
            Sign::Ended => return (Self::default(), None),
            Sign::Moved => {
                // Once said, it is over when a sync has reached its end.
                next.since = self.since.filter(|_| self.said.is_some());
                return (next, None);
            }
            Sign::Lost => {
                next.said = Some(Said::AuthorizationLost);
                let is_known = self.said == next.said;
                return (next, (!is_known).then_some(Notice::AuthorizationLost));
            }
            Sign::Stumbled {
                cause,
                has_moved,
                again_at,
            } => {
                if has_moved && self.said.is_none() {
                    next.since = Some(now);
                }
                over = again_at;
                (cause, &[][..], LASTING)
            }
            Sign::Failed { cause } => {
                next.failures += 1;
                (cause, &[][..], LASTING)
            }
            Sign::Parked { needs } => (Cause::Needs, needs, UNMENDED),
        };
        let since = next.since.unwrap_or(now);
        let is_due = next.failures >= FAILURES || over - since >= patience;
        if self.said.is_some() || !is_due {
            return (next, None);
        }
        next.said = Some(Said::SyncFailing);
        let notice = Notice::SyncFailing {
            since,
            failures: next.failures,
            cause,
            needs: needs.to_vec(),
        };
        (next, Some(notice))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::minutes(minutes)
    }

    fn stumbled(has_moved: bool, again: i64) -> Sign<'static> {
        Sign::Stumbled {
            cause: Cause::HubSpot,
            has_moved,
            again_at: at(again),
        }
    }

    const FAILED: Sign<'static> = Sign::Failed {
        cause: Cause::Thnks,
    };

    /// The minutes at which something is said, and what.
    fn said(signs: &[(i64, Sign<'_>)]) -> Vec<(i64, &'static str)> {
        let mut trouble = Trouble::default();
        let mut said = Vec::new();
        for (minute, sign) in signs {
            let (next, notice) = trouble.after(*sign, at(*minute));
            trouble = next;
            said.extend(notice.map(|notice| (*minute, notice.kind().as_str())));
        }
        said
    }

    #[test]
    fn the_third_failure_in_a_row_is_said_once_and_its_end_once() {
        let night = [
            (0, FAILED),
            (1, FAILED),
            (2, FAILED),
            (3, FAILED),
            (200, FAILED),
        ];
        assert_eq!(said(&night), [(2, "sync_failing")]);
        let whole = [&night[..], &[(300, Sign::Well), (301, Sign::Well)]].concat();
        assert_eq!(said(&whole), [(2, "sync_failing"), (300, "recovered")]);
    }

    #[test]
    fn two_failures_and_a_success_are_nobodys_business() {
        let signs = [(0, FAILED), (1, FAILED), (2, Sign::Well), (3, FAILED)];
        assert_eq!(said(&signs), []);
    }

    #[test]
    fn an_outage_is_said_when_two_hours_will_be_over_before_the_next_try() {
        let signs = [
            (0, stumbled(false, 15)),
            (90, stumbled(false, 105)),
            (110, stumbled(false, 125)),
            (125, stumbled(false, 140)),
        ];
        assert_eq!(said(&signs), [(110, "sync_failing")]);
        // HubSpot asks for patience until tomorrow.
        assert_eq!(said(&[(0, stumbled(false, 1_000))]), [(0, "sync_failing")]);
    }

    #[test]
    fn a_long_backfill_that_stumbles_now_and_then_is_not_failing() {
        let signs = [
            (0, stumbled(false, 1)),
            (100, Sign::Moved),
            (130, stumbled(false, 131)),
            (200, stumbled(true, 201)),
            (300, stumbled(false, 301)),
        ];
        assert_eq!(said(&signs), []);
    }

    #[test]
    fn what_people_must_mend_is_said_after_five_minutes() {
        let parked = Sign::Parked {
            needs: &[NeedCode::ThnksKeyRefused],
        };
        let signs = [
            (0, parked),
            (1, parked),
            (4, parked),
            (5, parked),
            (6, parked),
        ];
        assert_eq!(said(&signs), [(5, "sync_failing")]);
        assert_eq!(said(&[(0, parked), (4, Sign::Well), (8, parked)]), []);
        let mut trouble = Trouble::default();
        (trouble, _) = trouble.after(parked, at(0));
        let (_, notice) = trouble.after(parked, at(5));
        let Some(Notice::SyncFailing { needs, cause, .. }) = notice else {
            panic!("nothing is said");
        };
        assert_eq!(
            (&needs[..], cause),
            (&[NeedCode::ThnksKeyRefused][..], Cause::Needs)
        );
    }

    #[test]
    fn a_lost_grant_is_said_at_once_also_to_those_who_know_that_syncs_fail() {
        let signs = [
            (0, FAILED),
            (1, FAILED),
            (2, FAILED),
            (3, Sign::Lost),
            (4, Sign::Lost),
            (5, FAILED),
            (6, Sign::Well),
        ];
        assert_eq!(
            said(&signs),
            [
                (2, "sync_failing"),
                (3, "authorization_lost"),
                (6, "recovered")
            ]
        );
    }

    #[test]
    fn who_disconnects_is_told_nothing_and_connecting_again_is_no_recovery() {
        let signs = [
            (0, FAILED),
            (1, FAILED),
            (2, FAILED),
            (3, Sign::Ended),
            (4, Sign::Well),
        ];
        assert_eq!(said(&signs), [(2, "sync_failing")]);
    }

    #[test]
    fn a_pause_is_no_time_of_trouble() {
        let signs = [
            (0, stumbled(false, 1)),
            (1_440, Sign::Moved),
            (1_441, stumbled(false, 1_442)),
        ];
        assert_eq!(said(&signs), []);
    }

    #[test]
    fn stored_values_are_read_back() {
        for said in [Said::SyncFailing, Said::AuthorizationLost] {
            assert_eq!(Said::from_stored(said.as_str()), Some(said));
        }
        assert_eq!(Said::from_stored("moon"), None);
    }
}
