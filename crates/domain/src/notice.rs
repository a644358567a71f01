//! Notices: what people are told of a portal when they do not look. Which facts, in which words, and how often it is tried.
//! When trouble is said is in [`crate::trouble`].

use std::fmt::Display;

use chrono::{DateTime, TimeDelta, TimeZone, Utc};
use serde::{Deserialize, Serialize};

use crate::portal::NeedCode;
use crate::trouble::Said;
use crate::{HubId, UserId};

/// What a notice is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoticeKind {
    /// The history is in.
    BackfillFinished,
    /// Syncs do not get through.
    SyncFailing,
    /// HubSpot no longer lets us in.
    AuthorizationLost,
    /// Syncs get through again.
    Recovered,
    /// Somebody has installed the app in a portal that had it, or connected the portal again.
    InstalledAgain,
    /// Somebody tries the settings.
    Test,
}

impl NoticeKind {
    /// Those that people choose from; a test goes to everybody.
    pub const CHOICES: [Self; 5] = [
        Self::BackfillFinished,
        Self::SyncFailing,
        Self::AuthorizationLost,
        Self::Recovered,
        Self::InstalledAgain,
    ];

    /// The value in the database, in forms and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BackfillFinished => "backfill_finished",
            Self::SyncFailing => "sync_failing",
            Self::AuthorizationLost => "authorization_lost",
            Self::Recovered => "recovered",
            Self::InstalledAgain => "installed_again",
            Self::Test => "test",
        }
    }

    /// The kind that a stored value means.
    pub fn from_stored(text: &str) -> Option<Self> {
        Self::CHOICES
            .into_iter()
            .chain([Self::Test])
            .find(|kind| kind.as_str() == text)
    }
}

/// Where something failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Thnks does not answer, or not as it should.
    Thnks,
    /// HubSpot does not answer, or not as it should.
    #[serde(rename = "hubspot")]
    HubSpot,
    /// People must act first.
    Needs,
    /// On our side.
    Ours,
}

/// One notice with its facts: counts, codes and times, and of a person HubSpot's number at most. Stored as JSON, and sent so to
/// webhooks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Notice {
    /// The first backfill has ended.
    BackfillFinished {
        /// Gifts known.
        gifts: i64,
        /// Those whose record has no contact.
        orphans: i64,
        /// Those that did not get through.
        failed: i64,
    },
    /// Syncs do not get through.
    SyncFailing {
        /// Since when.
        since: DateTime<Utc>,
        /// Runs in a row that did not reach their end.
        failures: u32,
        /// Where the last one failed.
        cause: Cause,
        /// What people must do.
        needs: Vec<NeedCode>,
    },
    /// HubSpot no longer lets us in.
    AuthorizationLost,
    /// Syncs get through again.
    Recovered {
        /// What had been said.
        after: Said,
        /// Since when nothing had gone well.
        since: DateTime<Utc>,
    },
    /// Somebody has installed the app in a portal that had it, or connected the portal again.
    InstalledAgain {
        /// Who.
        user_id: UserId,
        /// When.
        at: DateTime<Utc>,
        /// Whether the portal was disconnected until then: what the app had been allowed is forgotten.
        was_disconnected: bool,
        /// Permissions at HubSpot that it had not had.
        gained: Vec<String>,
        /// Permissions at HubSpot that it has no longer.
        lost: Vec<String>,
    },
    /// Somebody tries the settings.
    Test,
}

/// A notice in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    /// In one line, without names.
    pub subject: String,
    /// What happened, and what to do.
    pub paragraphs: Vec<String>,
    /// What the link says.
    pub action: &'static str,
    /// Where it leads, below the portal's page.
    pub below: &'static str,
}

impl Notice {
    /// Its kind.
    pub fn kind(&self) -> NoticeKind {
        match self {
            Self::BackfillFinished { .. } => NoticeKind::BackfillFinished,
            Self::SyncFailing { .. } => NoticeKind::SyncFailing,
            Self::AuthorizationLost => NoticeKind::AuthorizationLost,
            Self::Recovered { .. } => NoticeKind::Recovered,
            Self::InstalledAgain { .. } => NoticeKind::InstalledAgain,
            Self::Test => NoticeKind::Test,
        }
    }

    /// The notice in words, times in `zone`.
    pub fn words<Z: TimeZone>(&self, hub_id: HubId, zone: &Z) -> Words
    where
        Z::Offset: Display,
    {
        let time = |at: &DateTime<Utc>| {
            let local = at.with_timezone(zone);
            local.format("%H:%M %Z on %-d %b %Y").to_string()
        };
        let (subject, paragraphs, action, below) = match self {
            Self::BackfillFinished {
                gifts,
                orphans,
                failed,
            } => (
                "the history is in HubSpot",
                history(*gifts, *orphans, *failed),
                "See the dashboard",
                "",
            ),
            Self::SyncFailing {
                since,
                failures,
                cause,
                needs,
            } => {
                let mut paragraphs = vec![happened(*failures, &time(since))];
                if needs.is_empty() {
                    paragraphs.push(cause_words(*cause).to_owned());
                } else {
                    paragraphs.extend(needs.iter().map(|need| remedy(*need).to_owned()));
                }
                paragraphs.push(
                    "Nothing is lost: what is sent meanwhile arrives once syncs get through, and we write again when they do.".to_owned(),
                );
                let (action, below) = match cause {
                    Cause::Needs => ("See what to do", ""),
                    Cause::Thnks | Cause::HubSpot | Cause::Ours => ("See the runs", "/runs"),
                };
                ("syncs do not get through", paragraphs, action, below)
            }
            Self::AuthorizationLost => (
                "the connection to HubSpot is lost",
                vec![
                    "HubSpot no longer accepts the connection: the app was uninstalled there, or its access was revoked.".to_owned(),
                    "To go on, let an owner or a super admin of the portal install the app again, from the page below or from the setup link.".to_owned(),
                    "Nothing is lost: records stay in HubSpot, and syncs go on where they stopped.".to_owned(),
                ],
                "Connect again",
                "",
            ),
            Self::Recovered { after, since } => {
                let what = match after {
                    Said::SyncFailing => "Syncs get through again",
                    Said::AuthorizationLost => "The portal is connected again and in step",
                };
                (
                    "all is well again",
                    vec![
                        format!("{what}. The trouble began at {}.", time(since)),
                        "What was sent meanwhile is in HubSpot now. There is nothing to do.".to_owned(),
                    ],
                    "See the dashboard",
                    "",
                )
            }
            Self::InstalledAgain {
                user_id,
                at,
                was_disconnected,
                gained,
                lost,
            } => {
                let (subject, deed) = if *was_disconnected {
                    (
                        "the portal is connected again",
                        "connected the portal again, which was disconnected,",
                    )
                } else {
                    ("the app was installed again", "installed the app again")
                };
                let mut paragraphs = vec![format!(
                    "The person whose number at HubSpot is {user_id} {deed} at {}.",
                    time(at)
                )];
                paragraphs.extend(permissions(*was_disconnected, gained, lost));
                paragraphs.push(
                    "Records and rules are as they were. If you did not expect this, the audit says who it was and what they have done since.".to_owned(),
                );
                (subject, paragraphs, "See the audit", "/audit")
            }
            Self::Test => (
                "a test message",
                vec![
                    "Somebody asked for this message to see whether it arrives. It does; there is nothing to do.".to_owned(),
                ],
                "See the settings",
                "/settings/notifications",
            ),
        };
        Words {
            subject: format!("Thnks for HubSpot, portal {hub_id}: {subject}"),
            paragraphs,
            action,
            below,
        }
    }
}

fn history(gifts: i64, orphans: i64, failed: i64) -> Vec<String> {
    let mut paragraphs = vec![match gifts {
        0 => "The first look at Thnks is over: there are no gifts yet. New ones arrive by themselves.".to_owned(),
        1 => "The one gift so far has been brought in. New ones arrive by themselves.".to_owned(),
        _ => format!("{} gifts have been brought in. New ones arrive by themselves.", grouped(gifts)),
    }];
    if orphans > 0 {
        paragraphs.push(format!(
            "{} not linked to a contact, because HubSpot has none for the recipient. It is linked as soon as there is one.",
            counted(orphans, "record is", "records are")
        ));
    }
    if failed > 0 {
        paragraphs.push(format!(
            "{} not get through. The page Failures says why, and what to do.",
            counted(failed, "gift did", "gifts did")
        ));
    }
    paragraphs
}

/// What has become of the app's permissions.
fn permissions(was_disconnected: bool, gained: &[String], lost: &[String]) -> Vec<String> {
    if was_disconnected {
        return vec!["HubSpot has given the app its permissions anew.".to_owned()];
    }
    let mut paragraphs = Vec::new();
    if !gained.is_empty() {
        let gained = gained.join(", ");
        paragraphs.push(format!("It has more permissions than before: {gained}."));
    }
    if !lost.is_empty() {
        let lost = lost.join(", ");
        paragraphs.push(format!("It no longer has these permissions: {lost}."));
    }
    if paragraphs.is_empty() {
        paragraphs.push("Its permissions are the same as before.".to_owned());
    }
    paragraphs
}

fn happened(failures: u32, since: &str) -> String {
    match failures {
        0 | 1 => format!("No sync has got through since {since}."),
        failures => format!(
            "No sync has got through since {since}; {failures} in a row have ended without reaching their end."
        ),
    }
}

fn cause_words(cause: Cause) -> &'static str {
    match cause {
        Cause::Thnks => {
            "Thnks does not answer as it should. We go on asking; there is nothing you need to do. If it lasts, ask your Thnks contact."
        }
        Cause::HubSpot => {
            "HubSpot does not answer as it should, or the portal has used up its calls for the day. We go on asking; there is nothing you need to do. If it lasts, look at status.hubspot.com and at other integrations of the portal."
        }
        Cause::Needs => "Something is missing that only people can give: the page says what.",
        Cause::Ours => {
            "The reason is on our side. We go on trying; if it lasts, tell us the portal’s number."
        }
    }
}

/// What to do about a need, for somebody who is not looking at the page.
fn remedy(need: NeedCode) -> &'static str {
    match need {
        NeedCode::ThnksKeyMissing => {
            "No Thnks API key is stored. An owner of the portal has to enter one."
        }
        NeedCode::ThnksKeyRefused => {
            "Thnks no longer accepts the stored API key. An owner of the portal has to enter a new one."
        }
        NeedCode::ThnksIntegrationDisabled => {
            "The Thnks plan does not include the HubSpot integration. Ask your Thnks contact to switch it on."
        }
        NeedCode::ScopeMissing => {
            "HubSpot does not grant a permission that is needed. A super admin of the portal has to install the app again."
        }
        NeedCode::TierMissing => {
            "The HubSpot subscription no longer includes custom objects, which records of gifts are."
        }
        NeedCode::ObjectMissing => {
            "The object “Thnks” is missing in HubSpot, and we may not create it. The page says how to make or restore it."
        }
        NeedCode::PropertyMissing => {
            "A property of the object “Thnks” is missing in HubSpot, and we may not create it. The page names it."
        }
        NeedCode::PropertyDiffers => {
            "A property of the object “Thnks” was changed in HubSpot so that values no longer fit. The page names it."
        }
        NeedCode::PropertyLimit => "HubSpot takes no more properties for the object “Thnks”.",
        NeedCode::AuthorizationLost => "HubSpot no longer accepts the connection.",
    }
}

fn counted(count: i64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(count), if count == 1 { one } else { many })
}

/// `1234567` as `1,234,567`.
fn grouped(count: i64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The way on which a notice is delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// A letter to one address.
    Email,
    /// A signed call to the portal's webhook.
    Webhook,
}

impl Channel {
    /// The value in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Webhook => "webhook",
        }
    }

    /// The channel that a stored value means.
    pub fn from_stored(text: &str) -> Option<Self> {
        [Self::Email, Self::Webhook]
            .into_iter()
            .find(|channel| channel.as_str() == text)
    }
}

/// The waits between attempts. The first attempt is made at once, the seventh is the last: a receiver may be away for a day.
const LADDER: [TimeDelta; 6] = [
    TimeDelta::minutes(1),
    TimeDelta::minutes(5),
    TimeDelta::minutes(30),
    TimeDelta::hours(2),
    TimeDelta::hours(8),
    TimeDelta::hours(24),
];

/// How long to wait after the attempt of this number has failed, counted from 1; `None` when it was the last.
pub fn wait_after(attempt: u32) -> Option<TimeDelta> {
    let rung = usize::try_from(attempt).ok()?.saturating_sub(1);
    LADDER.get(rung).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<Notice> {
        let since = "2026-11-23T10:00:00Z".parse().unwrap();
        let failing = |cause, needs| Notice::SyncFailing {
            since,
            failures: 3,
            cause,
            needs,
        };
        vec![
            Notice::BackfillFinished {
                gifts: 1_204,
                orphans: 1,
                failed: 12,
            },
            failing(Cause::Thnks, vec![]),
            failing(Cause::HubSpot, vec![]),
            failing(Cause::Ours, vec![]),
            failing(Cause::Needs, vec![NeedCode::ThnksKeyRefused]),
            Notice::AuthorizationLost,
            Notice::Recovered {
                after: Said::SyncFailing,
                since,
            },
            Notice::Test,
            again(false, &[], &[]),
            again(true, &[], &[]),
            again(
                false,
                &["crm.objects.deals.read"],
                &["crm.objects.owners.read"],
            ),
        ]
    }

    fn again(was_disconnected: bool, gained: &[&str], lost: &[&str]) -> Notice {
        let owned = |scopes: &[&str]| scopes.iter().map(|&scope| scope.to_owned()).collect();
        Notice::InstalledAgain {
            user_id: UserId(11),
            at: "2026-11-23T10:00:00Z".parse().unwrap(),
            was_disconnected,
            gained: owned(gained),
            lost: owned(lost),
        }
    }

    #[test]
    fn every_notice_says_what_happened_which_portal_and_where_to_look() {
        for notice in all() {
            let words = notice.words(HubId(48_151_623), &Utc);
            assert!(words.subject.contains("portal 48151623"), "{words:?}");
            assert!(words.subject.len() < 78, "{}", words.subject);
            assert!(!words.paragraphs.is_empty() && !words.action.is_empty());
            for paragraph in &words.paragraphs {
                assert!(paragraph.ends_with('.'), "{paragraph}");
            }
        }
    }

    #[test]
    fn numbers_and_times_are_as_people_write_them() {
        let text = |at: usize| all()[at].words(HubId(1), &Utc).paragraphs.join(" ");
        let history = text(0);
        assert!(history.contains("1,204 gifts have been"), "{history}");
        assert!(history.contains("1 record is not linked"), "{history}");
        assert!(history.contains("12 gifts did not get through"));
        assert!(text(1).contains("since 10:00 UTC on 23 Nov 2026; 3 in a row"));
        assert!(text(4).contains("enter a new one"));
    }

    #[test]
    fn an_install_again_says_who_when_and_what_of_its_permissions() {
        let text = |notice: Notice| notice.words(HubId(1), &Utc).paragraphs.join(" ");
        let same = text(again(false, &[], &[]));
        assert!(
            same.contains("HubSpot is 11 installed the app again at 10:00 UTC on 23 Nov 2026."),
            "{same}"
        );
        assert!(same.contains("are the same as before"), "{same}");
        let other = text(again(false, &["a.b", "c.d"], &["e.f"]));
        assert!(other.contains("than before: a.b, c.d."), "{other}");
        assert!(other.contains("these permissions: e.f."), "{other}");
        let anew = text(again(true, &[], &[]));
        assert!(anew.contains("connected the portal again"), "{anew}");
    }

    #[test]
    fn stored_notices_are_read_back() {
        for notice in all() {
            let stored = serde_json::to_value(&notice).unwrap();
            assert_eq!(stored["type"], notice.kind().as_str());
            assert_eq!(serde_json::from_value::<Notice>(stored).unwrap(), notice);
            let kind = notice.kind();
            assert_eq!(NoticeKind::from_stored(kind.as_str()), Some(kind));
        }
        assert_eq!(NoticeKind::from_stored("moon"), None);
        for channel in [Channel::Email, Channel::Webhook] {
            assert_eq!(Channel::from_stored(channel.as_str()), Some(channel));
        }
    }

    #[test]
    fn seven_attempts_are_made_over_a_day_and_a_half() {
        let waits: Vec<_> = (1..).map_while(wait_after).collect();
        assert_eq!(waits.len(), 6);
        assert_eq!(waits[0], TimeDelta::minutes(1));
        assert_eq!(waits[5], TimeDelta::hours(24));
        assert_eq!(wait_after(7), None);
        let all = waits
            .iter()
            .fold(TimeDelta::zero(), |sum, wait| sum + *wait);
        assert_eq!(all, TimeDelta::hours(34) + TimeDelta::minutes(36));
    }
}
