//! The page of notifications in every state; see `samples`.

use app::notices::{Delivery, DeliveryState, Entered, Overview};
use askama::Template;
use chrono::{DateTime, TimeDelta, Utc};
use domain::notice::{Channel, NoticeKind};
use domain::portal::PortalState;

use super::notices::{Done, NoticesPage, Refusals};
use super::samples::{HOSTILE, now, portal, status, viewer};

fn ago(minutes: i64) -> DateTime<Utc> {
    now() - TimeDelta::minutes(minutes)
}

fn delivery(kind: NoticeKind, minutes: i64, target: &str, state: DeliveryState) -> Delivery {
    Delivery {
        kind,
        created_at: ago(minutes),
        channel: if target.contains('@') {
            Channel::Email
        } else {
            Channel::Webhook
        },
        target: target.to_owned(),
        state,
        attempts: 1,
        last_error: None,
    }
}

fn deliveries() -> Vec<Delivery> {
    use DeliveryState::{Delivered, Failed, Pending};
    const ANA: &str = "ana.souza@northwind.example";
    const HOOK: &str = "hooks.northwind.example";
    let waiting = Delivery {
        last_error: Some("the webhook answered 503".to_owned()),
        attempts: 3,
        ..delivery(
            NoticeKind::SyncFailing,
            9,
            HOOK,
            Pending(now() + TimeDelta::minutes(26)),
        )
    };
    let refused = Delivery {
        last_error: Some("the mail server refuses the address (550)".to_owned()),
        ..delivery(
            NoticeKind::SyncFailing,
            9,
            "a.very.long.name.of.somebody@subsidiary.northwind.example",
            Failed(ago(9)),
        )
    };
    vec![
        delivery(NoticeKind::Test, 0, ANA, Pending(now())),
        waiting,
        delivery(NoticeKind::SyncFailing, 9, ANA, Delivered(ago(9))),
        refused,
        delivery(NoticeKind::Recovered, 3_000, ANA, Delivered(ago(3_000))),
        Delivery {
            attempts: 2,
            ..delivery(NoticeKind::Recovered, 3_000, HOOK, Delivered(ago(2_999)))
        },
        delivery(
            NoticeKind::InstalledAgain,
            4_400,
            HOOK,
            Delivered(ago(4_400)),
        ),
        delivery(
            NoticeKind::BackfillFinished,
            30_000,
            ANA,
            Delivered(ago(30_000)),
        ),
    ]
}

fn overview() -> Overview {
    Overview {
        settings: Entered {
            emails: vec![
                "ana.souza@northwind.example".to_owned(),
                "ops@northwind.example".to_owned(),
            ],
            kinds: NoticeKind::CHOICES.to_vec(),
            webhook_url: "https://hooks.northwind.example/thnks/5b1f?team=gifts".to_owned(),
        },
        is_set: true,
        sends_mail: true,
        secret: Some("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwVhE0sM2c9aQ=".into()),
        former_until: None,
        webhook_host: Some("hooks.northwind.example".to_owned()),
        deliveries: deliveries(),
    }
}

/// The page's name and text.
pub(super) fn pages() -> Vec<(String, String)> {
    let empty = Overview {
        settings: Entered {
            emails: vec!["ana.souza@northwind.example".to_owned()],
            kinds: NoticeKind::CHOICES.to_vec(),
            webhook_url: String::new(),
        },
        is_set: false,
        secret: None,
        webhook_host: None,
        deliveries: Vec::new(),
        ..overview()
    };
    let one = Overview {
        deliveries: deliveries()[4..5].to_vec(),
        former_until: Some(now() + TimeDelta::hours(23)),
        ..overview()
    };
    let mut wrong = overview();
    wrong.settings.emails.push(HOSTILE.to_owned());
    wrong.settings.webhook_url = "http://hooks.northwind.example".to_owned();
    let refused = Refusals {
        emails: Some(format!("“{HOSTILE}” is no e-mail address.")),
        webhook_url: Some("Enter an address that begins with https://."),
        test: None,
    };
    let too_soon = Refusals {
        test: Some("A test was sent a moment ago. Another one can follow in a minute."),
        ..Refusals::default()
    };
    let no_mail = Overview {
        sends_mail: false,
        ..overview()
    };
    let for_member = Overview {
        secret: None,
        ..overview()
    };
    let mut member = viewer();
    member.is_owner = false;
    let none = Refusals::default();
    let status = status(PortalState::Active);
    [
        ("empty", empty, None, none.clone(), viewer()),
        ("many", overview(), None, none.clone(), viewer()),
        (
            "saved",
            overview(),
            Some(Done::Saved),
            none.clone(),
            viewer(),
        ),
        (
            "tested",
            overview(),
            Some(Done::Tested),
            none.clone(),
            viewer(),
        ),
        ("renewed", one, Some(Done::Renewed), none.clone(), viewer()),
        ("refused", wrong, None, refused, viewer()),
        ("too-soon", overview(), None, too_soon, viewer()),
        ("no-mail", no_mail, None, none.clone(), viewer()),
        ("member", for_member, None, none, member),
    ]
    .into_iter()
    .map(|(name, overview, done, refusals, viewer)| {
        let page = NoticesPage::new(
            &portal(),
            &status,
            &overview,
            done,
            &refusals,
            viewer,
            now(),
        );
        (format!("notifications-{name}"), page.render().unwrap())
    })
    .collect()
}
