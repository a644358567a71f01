//! Whom to tell what: the form, the webhook's secret, and what became of the latest messages.

use app::notices::{Delivery, DeliveryState, Overview};
use app::portals::PortalSummary;
use app::session::FormToken;
use askama::Template;
use chrono::{DateTime, Utc};
use domain::notice::{Channel, NoticeKind};
use domain::portal::PortalStatus;
use secrecy::ExposeSecret;

use super::format::Moment;
use super::pill::Pill;
use super::sections::{Part, SectionLink, sections};
use super::shell::{Shell, Viewer};
use super::tabs::{Place, Tab, tabs};
use crate::assets;

/// `templates/notices/show.html`.
#[derive(Template)]
#[template(path = "notices/show.html")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "templates hold no logic: each is a condition of its own"
)]
pub struct NoticesPage {
    /// The frame.
    pub shell: Shell,
    /// The page's path.
    pub path: String,
    /// Hidden field of the forms.
    pub csrf_token: FormToken,
    /// Whether this person may change anything.
    pub is_owner: bool,
    /// The portal's pages.
    pub tabs: Vec<Tab>,
    /// The settings' pages.
    pub sections: Vec<SectionLink>,
    /// What has just been done: title and sentence.
    pub done: Option<(&'static str, &'static str)>,
    /// What was wrong with what was sent.
    pub refusals: Refusals,
    /// Whether nothing has been stored yet: what the form shows to an owner is proposed.
    pub is_proposal: bool,
    /// Addresses, one a line.
    pub emails: String,
    /// Lines that the field shows.
    pub email_lines: usize,
    /// Whether this installation sends no mail.
    pub mail_is_off: bool,
    /// What is told.
    pub kinds: Vec<KindChoice>,
    /// Where calls go; for members the host alone.
    pub webhook_url: String,
    /// What calls are signed with.
    pub secret: Option<String>,
    /// Until when they are signed with the one before as well.
    pub former_until: Option<Moment>,
    /// Whether there is somebody to tell.
    pub can_test: bool,
    /// The latest messages.
    pub deliveries: Vec<DeliveryLine>,
    /// The portal's time zone.
    pub zone: &'static str,
}

/// What was wrong, by field.
#[derive(Debug, Clone, Default)]
pub struct Refusals {
    /// With the addresses.
    pub emails: Option<String>,
    /// With the webhook's address.
    pub webhook_url: Option<&'static str>,
    /// Why no test was sent.
    pub test: Option<&'static str>,
}

/// What has just been done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// Settings were stored.
    Saved,
    /// A test is on its way.
    Tested,
    /// There is a new secret.
    Renewed,
}

/// Something that can be told.
#[derive(Debug, Clone)]
pub struct KindChoice {
    /// The value in the form.
    pub value: &'static str,
    /// What people read.
    pub label: &'static str,
    /// When it is told.
    pub hint: &'static str,
    /// Whether it is chosen.
    pub chosen: bool,
}

/// A message to one receiver, as a line.
#[derive(Debug, Clone)]
pub struct DeliveryLine {
    /// What it is about.
    pub what: &'static str,
    /// When there was something to say.
    pub at: Moment,
    /// The way: `E-mail` or `Webhook`.
    pub channel: &'static str,
    /// The address, or the webhook's host.
    pub target: String,
    /// How it stands.
    pub outcome: Pill,
    /// Why it has not arrived, or how many attempts it took.
    pub note: Option<String>,
    /// When the next attempt is made.
    pub next: Option<Moment>,
}

/// Title and sentence of what was done.
fn done_words(done: Done) -> (&'static str, &'static str) {
    match done {
        Done::Saved => ("Saved", "What happens from now on is told so."),
        Done::Tested => (
            "A test is on its way",
            "It leaves within seconds. Load this page again to see below whether it arrived.",
        ),
        Done::Renewed => (
            "There is a new secret",
            "For a day calls carry both signatures, of the new secret and of the one before. Give your receiver the new one meanwhile.",
        ),
    }
}

fn label(kind: NoticeKind) -> &'static str {
    match kind {
        NoticeKind::BackfillFinished => "The history is in HubSpot",
        NoticeKind::SyncFailing => "Syncs do not get through",
        NoticeKind::AuthorizationLost => "The connection to HubSpot is lost",
        NoticeKind::Recovered => "All is well again",
        NoticeKind::InstalledAgain => "The app was installed again",
        NoticeKind::Test => "Test message",
    }
}

fn hint(kind: NoticeKind) -> &'static str {
    match kind {
        NoticeKind::BackfillFinished => "Once, when the first backfill has ended.",
        NoticeKind::SyncFailing => {
            "After three failures in a row or two hours; after five minutes when something is missing that only people can give."
        }
        NoticeKind::AuthorizationLost => {
            "At once, when the app was uninstalled or its access revoked."
        }
        NoticeKind::Recovered => {
            "When syncs get through again after one of these troubles was told."
        }
        NoticeKind::InstalledAgain => {
            "When somebody installs it again, or connects the portal after a disconnect: who, and what changed of its permissions."
        }
        NoticeKind::Test => "",
    }
}

impl NoticesPage {
    /// The page of `overview`, for `viewer`; after something was done, or refused.
    pub fn new(
        portal: &PortalSummary,
        status: &PortalStatus,
        overview: &Overview,
        done: Option<Done>,
        refusals: &Refusals,
        viewer: Viewer,
        now: DateTime<Utc>,
    ) -> Self {
        let path = format!("/portals/{}", portal.hub_id);
        let (csrf_token, is_owner) = (viewer.csrf_token.clone(), viewer.is_owner);
        let is_refused = refusals.emails.is_some() || refusals.webhook_url.is_some();
        let title = if is_refused {
            "Error: Notifications"
        } else {
            "Notifications"
        };
        let mut shell = Shell::new(title, Some(viewer));
        shell.scripts = vec![assets::url("live.js")];
        let zone = portal.time_zone;
        let settings = &overview.settings;
        let moment = |at: DateTime<Utc>| Moment::new(at, now, zone);
        let hears = overview.sends_mail && !settings.emails.is_empty();
        Self {
            shell,
            csrf_token,
            is_owner,
            tabs: tabs(&path, Place::Settings, status),
            sections: sections(&path, Part::Notifications),
            done: done.map(done_words),
            refusals: refusals.clone(),
            is_proposal: !overview.is_set && !is_refused,
            emails: settings.emails.join("\n"),
            email_lines: (settings.emails.len() + 1).clamp(3, 11),
            mail_is_off: !overview.sends_mail,
            kinds: NoticeKind::CHOICES
                .into_iter()
                .map(|kind| KindChoice {
                    value: kind.as_str(),
                    label: label(kind),
                    hint: hint(kind),
                    chosen: settings.kinds.contains(&kind),
                })
                .collect(),
            webhook_url: if is_owner {
                settings.webhook_url.clone()
            } else {
                overview.webhook_host.clone().unwrap_or_default()
            },
            secret: overview
                .secret
                .as_ref()
                .map(|secret| secret.expose_secret().to_owned()),
            former_until: overview.former_until.map(moment),
            can_test: overview.is_set && (hears || overview.webhook_host.is_some()),
            deliveries: overview
                .deliveries
                .iter()
                .map(|delivery| DeliveryLine::new(delivery, moment))
                .collect(),
            zone: zone.name(),
            path: format!("{path}/settings/notifications"),
        }
    }
}

impl DeliveryLine {
    fn new(delivery: &Delivery, moment: impl Fn(DateTime<Utc>) -> Moment) -> Self {
        let (word, tone) = match delivery.state {
            DeliveryState::Delivered(_) => ("Delivered", "good"),
            DeliveryState::Failed(_) => ("Not delivered", "bad"),
            DeliveryState::Pending(_) if delivery.last_error.is_some() => ("Trying again", "warn"),
            DeliveryState::Pending(_) => ("On its way", "busy"),
        };
        let attempts = match delivery.attempts {
            ..2 => None,
            attempts => Some(format!("{attempts} attempts")),
        };
        let reason = delivery.last_error.as_deref().map(sentence);
        let note = match (reason, attempts) {
            (Some(reason), Some(attempts)) => Some(format!("{reason}; {attempts}")),
            (reason, attempts) => reason.or(attempts),
        };
        Self {
            what: label(delivery.kind),
            at: moment(delivery.created_at),
            channel: match delivery.channel {
                Channel::Email => "E-mail",
                Channel::Webhook => "Webhook",
            },
            target: delivery.target.clone(),
            outcome: Pill { word, tone },
            note,
            next: match delivery.state {
                DeliveryState::Pending(at) if delivery.last_error.is_some() => Some(moment(at)),
                _ => None,
            },
        }
    }
}

/// With a capital letter.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}
