//! What people are told when they do not look: by a mail server and a webhook that really take it.

use std::time::Duration;

use app::engine::Outcome;
use app::install::Begin;
use app::notices::{ChangeError, Delivery, DeliveryState, EmailsFault, Entered, TestError};
use app::session::Session;
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::TimeDelta;
use domain::notice::{Channel, NoticeKind};
use domain::portal::NeedCode;
use domain::run::{RunKind, RunState, STARTS_WITHOUT_PROGRESS};
use sandbox::control::OrganizationSettings;
use sandbox::{Action, Fault, FaultBody};
use secrecy::ExposeSecret;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::harness::sinks::{Mail, Sink, Taken, mail_server, webhook};
use crate::harness::{World, scope, world};

const ANA: &str = "ana@northwind.example";
const BO: &str = "bo@northwind.example";

/// A world that can tell people, and who is told.
struct Told {
    world: World,
    mail: Sink<Mail>,
    hook: Sink<Taken>,
    session: Session,
}

/// Installed, nothing brought in yet.
async fn installed(gifts: usize) -> Told {
    let (mut world, mail, hook) = (world(gifts).await, mail_server().await, webhook().await);
    let client = notify::Client::new(notify::Config {
        mail: Some(notify::MailConfig {
            smtp_url: format!("smtp://{}", mail.address).into(),
            from: "Thnks for HubSpot <no-reply@gifts.example>".into(),
        }),
        reach: notify::Reach::PublicAndLoopback,
    });
    world.app = world.app.clone().with_notify(client.unwrap());
    let session = world.install_from_link().await;
    Told {
        world,
        mail,
        hook,
        session,
    }
}

/// In step, and Ana and a webhook are told everything from here on, where an hour lies between two syncs: longer than a token
/// lives.
async fn in_step(gifts: usize) -> Told {
    let told = installed(gifts).await;
    told.world.drain().await;
    told.world.sync().await;
    told.choose(&[ANA], true).await;
    told
}

impl Told {
    fn entered(&self, emails: &[&str], hook: bool) -> Entered {
        Entered {
            emails: emails.iter().map(|&email| email.to_owned()).collect(),
            kinds: NoticeKind::CHOICES.to_vec(),
            webhook_url: if hook {
                format!("http://{}/notices?for=thnks", self.hook.address)
            } else {
                String::new()
            },
        }
    }

    async fn choose(&self, emails: &[&str], hook: bool) {
        let entered = self.entered(emails, hook);
        app::notices::save(&self.world.app, &self.session, &entered)
            .await
            .unwrap();
    }

    async fn test(&self) {
        app::notices::test(&self.world.app, &self.session)
            .await
            .unwrap();
    }

    /// Delivers until nothing is due; returns how many attempts that were.
    async fn deliver(&self) -> usize {
        let mut attempts = 0;
        loop {
            let due = app::notices::take_due(&self.world.app, 10).await.unwrap();
            if due.is_empty() {
                return attempts;
            }
            for scope in due {
                let stays = CancellationToken::new();
                attempts += app::notices::deliver_due(&self.world.app, scope, &stays)
                    .await
                    .unwrap();
            }
        }
    }

    async fn deliveries(&self) -> Vec<Delivery> {
        app::notices::load(&self.world.app, &self.session)
            .await
            .unwrap()
            .deliveries
    }

    /// The types of the calls that the webhook has taken.
    fn types(&self) -> Vec<String> {
        let calls = self.hook.taken();
        calls
            .iter()
            .map(|call| body(call)["type"].as_str().unwrap().to_owned())
            .collect()
    }

    async fn secret(&self) -> String {
        let overview = app::notices::load(&self.world.app, &self.session).await;
        let secret = overview.unwrap().secret.unwrap();
        secret.expose_secret().to_owned()
    }

    /// Thnks refuses to list gifts, until its faults are cleared.
    fn break_thnks(&self) {
        let action = Action::Status {
            status: 400,
            body: FaultBody::Json,
            retry_after: None,
        };
        self.world.control.inject(Fault {
            times: u64::MAX,
            ..Fault::once("thnks.transactions", action)
        });
    }
}

fn body(call: &Taken) -> Value {
    serde_json::from_slice(&call.body).unwrap()
}

/// The signature by the standard's words, without the code under test.
fn signature(call: &Taken, secret: &str) -> String {
    let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap());
    let mut signed = format!(
        "{}.{}.",
        call.headers["webhook-id"], call.headers["webhook-timestamp"]
    )
    .into_bytes();
    signed.extend_from_slice(&call.body);
    let key = hmac::Key::new(hmac::HMAC_SHA256, &key.unwrap());
    format!("v1,{}", STANDARD.encode(hmac::sign(&key, &signed)))
}

#[tokio::test]
async fn the_end_of_the_backfill_is_told_once_by_letter_and_by_a_signed_call() {
    let told = installed(120).await;
    told.choose(&[ANA, BO], true).await;
    told.world.drain().await;
    assert_eq!(told.deliver().await, 3);
    let letters = told.mail.taken();
    let mut to: Vec<_> = letters.iter().map(|letter| letter.to.as_str()).collect();
    to.sort_unstable();
    assert_eq!(to, [ANA, BO]);
    for line in [
        "Subject: Thnks for HubSpot, portal ",
        ": the history is in HubSpot",
        "120 gifts have been brought in.",
        "Auto-Submitted: auto-generated",
        "@gifts.example>",
    ] {
        assert!(
            letters[0].text.contains(line),
            "{line}: {}",
            letters[0].text
        );
    }
    let calls = told.hook.taken();
    let call = &calls[0];
    assert_eq!((calls.len(), call.path.as_str()), (1, "/notices?for=thnks"));
    assert_eq!(call.headers["content-type"], "application/json");
    let secret = told.secret().await;
    assert_eq!(
        call.headers["webhook-signature"],
        signature(call, &secret),
        "{call:?}"
    );
    let (body, status) = (body(call), told.world.status().await);
    assert_eq!(body["type"], "backfill_finished");
    assert_eq!(body["data"]["gifts"], status.transactions);
    assert_eq!(body["data"]["orphans"], status.orphans);
    assert_eq!(body["data"]["portal_id"], crate::harness::HUB);
    let page = format!("http://localhost:3000/portals/{}", crate::harness::HUB);
    assert_eq!(body["data"]["url"], page);

    // A sync, and a backfill that somebody asks for, are no news.
    told.world.sync().await;
    told.world.run(&told.session, RunKind::Backfill).await;
    assert_eq!(told.deliver().await, 0);
    told.world.end().await;
}

#[tokio::test]
async fn failing_syncs_are_told_once_an_episode_and_so_is_their_end() {
    let told = in_step(20).await;
    for episode in 1..=2 {
        told.break_thnks();
        for failed in 1..=5 {
            told.world.sync().await;
            told.deliver().await;
            let expected = 2 * (episode - 1) + usize::from(failed >= 3);
            assert_eq!(told.types().len(), expected, "after {failed} failures");
        }
        told.world.control.clear_faults();
        told.world.sync().await;
        told.world.sync().await;
        told.deliver().await;
    }
    let episode = ["sync_failing", "recovered"];
    assert_eq!(told.types(), [episode, episode].concat());
    assert_eq!(told.mail.taken().len(), 4);
    let call = body(&told.hook.taken()[0]);
    assert_eq!(call["data"]["cause"], "thnks");
    // With an hourly sync the third is under way when two hours are over.
    assert_eq!(call["data"]["failures"], 2);
    told.world.assert_good().await;
    told.world.end().await;
}

#[tokio::test]
async fn an_outage_that_lasts_is_told_although_its_run_is_not_over() {
    let told = installed(60).await;
    told.choose(&[ANA], true).await;
    for kind in ["objects.*", "schemas.*", "properties.*", "account.*"] {
        told.world.control.inject(Fault {
            times: u64::MAX,
            ..Fault::once(
                kind,
                Action::Status {
                    status: 503,
                    body: FaultBody::Html,
                    retry_after: None,
                },
            )
        });
    }
    let live = async |time: TimeDelta| {
        let until = told.world.now() + time;
        while told.world.now() < until {
            let stays = CancellationToken::new();
            told.world.work_what_is_due(&stays).await;
            told.world.skip_wait().await;
        }
    };
    live(TimeDelta::minutes(100)).await;
    told.deliver().await;
    assert_eq!(told.types(), [""; 0]);
    live(TimeDelta::minutes(60)).await;
    told.deliver().await;
    assert_eq!(told.types(), ["sync_failing"]);
    assert_eq!(body(&told.hook.taken()[0])["data"]["cause"], "hubspot");

    told.world.control.clear_faults();
    told.world.forget_outages().await;
    told.world.drain().await;
    told.deliver().await;
    let mut types = told.types();
    types.sort_unstable();
    assert_eq!(types, ["backfill_finished", "recovered", "sync_failing"]);
    told.world.end().await;
}

#[tokio::test]
async fn a_lost_grant_is_told_and_a_disconnect_of_ones_own_is_not() {
    let told = in_step(20).await;
    told.world.control.uninstall(crate::harness::HUB).unwrap();
    told.world.sync().await;
    told.deliver().await;
    assert_eq!(told.types(), ["authorization_lost"]);
    let letter = &told.mail.taken()[0].text;
    assert!(letter.contains("the connection to HubSpot is lost"));

    let session = told.world.install(None).await;
    told.world.drain().await;
    told.world.sync().await;
    told.deliver().await;
    let mut types = told.types();
    types.sort_unstable();
    assert_eq!(
        types,
        ["authorization_lost", "installed_again", "recovered"]
    );
    let calls = told.hook.taken();
    let recovered = calls.iter().map(body).find(|it| it["type"] == "recovered");
    assert_eq!(recovered.unwrap()["data"]["after"], "authorization_lost");

    app::disconnect::disconnect(&told.world.app, *session.scope(), "user:1")
        .await
        .unwrap();
    assert_eq!(told.deliver().await, 0);
    told.world.install(None).await;
    told.world.drain().await;
    told.deliver().await;
    assert_eq!(told.types().len(), 4, "that it is connected again is all");
    assert_eq!(told.types()[3], "installed_again");
    told.world.end().await;
}

#[tokio::test]
async fn an_install_again_is_told_and_a_first_one_and_a_sign_in_are_not() {
    const OPTIONAL: &str = "crm.objects.deals.read";
    let told = in_step(5).await;
    let world = &told.world;
    let come = async |wish: Begin<'_>, less: bool| {
        let mut started = app::install::begin(&world.app, wish).await.unwrap();
        if less {
            let url = started.authorize_url.as_str();
            started.authorize_url = url.replace(OPTIONAL, "").parse().unwrap();
        }
        let back = world.consent(&started, crate::harness::HUB, None).await;
        world.complete(&back).await.unwrap();
        world.drain().await;
        told.deliver().await;
        told.hook.taken().len()
    };
    assert_eq!(told.deliver().await, 0, "the first install is no news");
    assert_eq!(come(Begin::Login, false).await, 0);
    let install = Begin::Install { setup: None };
    assert_eq!(come(install, false).await, 1);
    assert_eq!(come(install, true).await, 2);
    assert_eq!(come(install, false).await, 3);
    let (user_id, calls) = (told.session.user_id, told.hook.taken());
    let nothing: [&str; 0] = [];
    for (call, (gained, lost)) in calls.iter().zip([
        (&nothing[..], &nothing[..]),
        (&nothing, &[OPTIONAL]),
        (&[OPTIONAL], &nothing),
    ]) {
        let body = body(call);
        assert_eq!(body["type"], "installed_again");
        let data = &body["data"];
        assert_eq!(data["user_id"], serde_json::json!(user_id));
        assert_eq!(data["was_disconnected"], false);
        assert_eq!(data["gained"], serde_json::json!(gained), "{data}");
        assert_eq!(data["lost"], serde_json::json!(lost), "{data}");
        assert!(data["url"].as_str().unwrap().ends_with("/audit"));
    }
    let letters = told.mail.taken();
    let (email, letter) = (told.session.email.as_deref().unwrap(), &letters[0].text);
    assert_eq!(letters.len(), 3);
    assert!(letter.contains("the app was installed again"), "{letter}");
    assert!(!letter.contains(email), "who it was is a number");
    told.world.end().await;
}

#[tokio::test]
async fn a_sign_in_that_connects_a_disconnected_portal_is_told_as_well() {
    let told = in_step(5).await;
    app::disconnect::disconnect(&told.world.app, *told.session.scope(), "user:1")
        .await
        .unwrap();
    let login = app::install::begin(&told.world.app, Begin::Login).await;
    let back = told
        .world
        .consent(&login.unwrap(), crate::harness::HUB, None)
        .await;
    told.world.complete(&back).await.unwrap();
    told.world.drain().await;
    told.deliver().await;
    assert_eq!(told.types(), ["installed_again"]);
    let data = &body(&told.hook.taken()[0])["data"];
    assert_eq!(data["was_disconnected"], true);
    // What it had been allowed is forgotten.
    assert_eq!(data["gained"], serde_json::json!([]));
    told.world.end().await;
}

#[tokio::test]
async fn what_people_must_mend_is_told_when_they_have_not_within_minutes() {
    let told = in_step(20).await;
    let revoke = |yes| {
        let revoked = OrganizationSettings {
            revoked: Some(yes),
            ..OrganizationSettings::default()
        };
        let control = &told.world.control;
        control
            .set_organization(crate::harness::ORGANIZATION, revoked)
            .unwrap();
    };
    revoke(true);
    told.world.sync().await;
    assert_eq!(told.world.needs().await, [NeedCode::ThnksKeyRefused]);
    assert_eq!(told.deliver().await, 0);
    for _ in 0..6 {
        told.world.let_pass(TimeDelta::seconds(61));
        app::schedule::insert_due_runs(&told.world.app)
            .await
            .unwrap();
        told.world.drain().await;
        told.deliver().await;
    }
    assert_eq!(told.types(), ["sync_failing"]);
    let call = body(&told.hook.taken()[0]);
    assert_eq!(
        call["data"]["needs"],
        serde_json::json!(["thnks_key_refused"])
    );
    let letter = &told.mail.taken()[0].text;
    assert!(letter.contains("has to enter a new one"), "{letter}");
    revoke(false);
    told.world.let_pass(TimeDelta::seconds(61));
    app::schedule::insert_due_runs(&told.world.app)
        .await
        .unwrap();
    told.world.drain().await;
    told.deliver().await;
    assert_eq!(told.types(), ["sync_failing", "recovered"]);
    told.world.end().await;
}

#[tokio::test]
async fn what_nobody_heard_is_said_once_somebody_listens() {
    let told = installed(20).await;
    told.world.drain().await;
    told.break_thnks();
    for _ in 0..4 {
        told.world.sync().await;
    }
    assert_eq!(told.world.rows("notices").await.len(), 0);
    told.choose(&[ANA], false).await;
    told.world.sync().await;
    told.world.sync().await;
    told.deliver().await;
    assert_eq!(told.mail.taken().len(), 1);
    told.world.control.clear_faults();
    // Taken out meanwhile: nobody hears of the end, and the next episode begins anew.
    told.choose(&[], false).await;
    told.world.sync().await;
    assert_eq!(told.world.rows("portal_troubles").await.len(), 0);
    assert_eq!(told.deliver().await, 0);
    told.world.end().await;
}

#[tokio::test]
async fn kinds_that_are_not_chosen_are_not_told() {
    let told = installed(20).await;
    let mut entered = told.entered(&[ANA], true);
    entered.kinds = vec![NoticeKind::AuthorizationLost];
    app::notices::save(&told.world.app, &told.session, &entered)
        .await
        .unwrap();
    told.world.drain().await;
    assert_eq!(told.deliver().await, 0);
    told.world.end().await;
}

#[tokio::test]
async fn what_does_not_arrive_is_sent_again_later_and_is_the_same() {
    let told = in_step(5).await;
    told.hook.answer(&[500, 302]);
    told.mail.answer(&[451]);
    told.test().await;
    assert_eq!(told.deliver().await, 2);
    for delivery in told.deliveries().await {
        let due = told.world.now() + TimeDelta::minutes(1);
        let DeliveryState::Pending(at) = delivery.state else {
            panic!("{delivery:?}");
        };
        assert!((due - at).abs() < TimeDelta::seconds(10), "{delivery:?}");
        let words = match delivery.channel {
            Channel::Email => "the mail server answered 451",
            Channel::Webhook => "the webhook answered 500",
        };
        assert_eq!(delivery.last_error.as_deref(), Some(words));
    }
    assert_eq!(told.deliver().await, 0, "nothing is due before its time");
    told.world.let_pass(TimeDelta::seconds(61));
    assert_eq!(told.deliver().await, 2);
    assert_eq!(told.mail.taken().len(), 1);
    // A redirect was not followed.
    told.world.let_pass(TimeDelta::seconds(301));
    assert_eq!(told.deliver().await, 1);
    let calls = told.hook.taken();
    assert_eq!(calls.len(), 3);
    let secret = told.secret().await;
    for call in &calls {
        assert_eq!(call.headers["webhook-id"], calls[0].headers["webhook-id"]);
        assert_eq!(call.body, calls[0].body);
        assert_eq!(call.path, "/notices?for=thnks");
        assert_eq!(call.headers["webhook-signature"], signature(call, &secret));
    }
    let stamps: Vec<i64> = calls
        .iter()
        .map(|call| call.headers["webhook-timestamp"].parse().unwrap())
        .collect();
    assert!(stamps[2] - stamps[0] >= 362, "{stamps:?}");
    for delivery in told.deliveries().await {
        assert!(matches!(delivery.state, DeliveryState::Delivered(_)));
        assert_eq!(delivery.last_error, None);
    }
    assert_eq!(told.world.rows("notice_board").await.len(), 0);
    told.world.end().await;
}

#[tokio::test]
async fn after_seven_attempts_or_a_final_no_it_is_given_up() {
    let told = in_step(5).await;
    told.hook.answer(&[503; 9]);
    told.mail.answer(&[550]);
    told.test().await;
    let mut attempts = told.deliver().await;
    for _ in 0..12 {
        told.world.let_pass(TimeDelta::hours(25));
        attempts += told.deliver().await;
    }
    assert_eq!(attempts, 8);
    let deliveries = told.deliveries().await;
    let words: Vec<_> = deliveries
        .iter()
        .map(|delivery| (delivery.attempts, delivery.last_error.as_deref().unwrap()))
        .collect();
    let expected = [
        (1, "the mail server refuses the address (550)"),
        (7, "the webhook answered 503"),
    ];
    assert_eq!(words, expected);
    for delivery in deliveries {
        assert!(matches!(delivery.state, DeliveryState::Failed(_)));
    }
    told.world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_at_once_send_each_only_once() {
    let told = in_step(5).await;
    told.choose(&[ANA, BO, "cleo@northwind.example"], true)
        .await;
    told.hook.slow_down(Duration::from_millis(300));
    told.mail.slow_down(Duration::from_millis(100));
    told.test().await;
    let due = app::notices::take_due(&told.world.app, 10).await.unwrap();
    assert_eq!(due, [scope()]);
    let again = app::notices::take_due(&told.world.app, 10).await.unwrap();
    assert_eq!(again, [], "the board gives a portal to one worker");
    let stays = CancellationToken::new();
    // As if the board's lease had run out.
    let (one, other) = tokio::join!(
        app::notices::deliver_due(&told.world.app, scope(), &stays),
        app::notices::deliver_due(&told.world.app, scope(), &stays)
    );
    assert_eq!(one.unwrap() + other.unwrap(), 4);
    assert_eq!(told.hook.taken().len(), 1);
    let mut to: Vec<_> = told.mail.taken().into_iter().map(|mail| mail.to).collect();
    to.sort_unstable();
    assert_eq!(to, [ANA, BO, "cleo@northwind.example"]);
    told.world.end().await;
}

#[tokio::test]
async fn an_attempt_whose_worker_died_is_made_again() {
    let told = in_step(5).await;
    told.choose(&[ANA], false).await;
    told.test().await;
    assert_eq!(
        app::notices::take_due(&told.world.app, 10)
            .await
            .unwrap()
            .len(),
        1
    );
    let (now, scope) = (told.world.now(), scope());
    let mut tx = told.world.db.begin(scope).await.unwrap();
    let until = now + TimeDelta::minutes(1);
    let leased = store::notices::lease(&mut tx, scope, now, until).await;
    tx.commit().await.unwrap();
    assert_eq!(leased.unwrap().unwrap().attempt, 1);
    assert_eq!(told.deliver().await, 0);
    told.world.let_pass(TimeDelta::seconds(61));
    assert_eq!(told.deliver().await, 1);
    assert_eq!(told.mail.taken().len(), 1);
    assert_eq!(told.deliveries().await[0].attempts, 2);
    told.world.end().await;
}

#[tokio::test]
async fn who_was_taken_out_of_the_settings_gets_nothing_more() {
    let told = in_step(5).await;
    told.test().await;
    told.choose(&[BO], false).await;
    told.deliver().await;
    assert_eq!((told.mail.taken().len(), told.hook.taken().len()), (0, 0));
    for delivery in told.deliveries().await {
        let reason = delivery.last_error.as_deref();
        assert_eq!(reason, Some("taken out of the settings meanwhile"));
    }
    told.world.end().await;
}

#[tokio::test]
async fn the_secret_is_sealed_and_a_new_one_leaves_a_day_to_change_over() {
    let told = in_step(5).await;
    let first = told.secret().await;
    let stored = told.world.rows("notice_settings").await[0].clone();
    assert!(stored["webhook_secret"].is_string());
    let plain = STANDARD
        .decode(first.strip_prefix("whsec_").unwrap())
        .unwrap();
    let hex = |bytes: &[u8]| {
        bytes
            .iter()
            .fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
    };
    for secret in [hex(first.as_bytes()), hex(&plain), first.clone()] {
        assert!(!stored.to_string().contains(&secret));
    }
    // What was stored moves with nothing: settings that are saved again keep the secret.
    told.choose(&[ANA], true).await;
    assert_eq!(told.secret().await, first);
    app::notices::renew_secret(&told.world.app, &told.session)
        .await
        .unwrap();
    let second = told.secret().await;
    assert_ne!(first, second);
    told.test().await;
    told.deliver().await;
    let call = &told.hook.taken()[0];
    let both = format!("{} {}", signature(call, &second), signature(call, &first));
    assert_eq!(call.headers["webhook-signature"], both);
    told.world.let_pass(TimeDelta::hours(25));
    told.test().await;
    told.deliver().await;
    let call = &told.hook.taken()[1];
    assert_eq!(call.headers["webhook-signature"], signature(call, &second));
    told.world.end().await;
}

#[tokio::test]
async fn what_cannot_be_is_refused_by_field() {
    let told = installed(5).await;
    let save = async |emails: &[&str], url: &str| {
        let mut entered = told.entered(emails, false);
        url.clone_into(&mut entered.webhook_url);
        match app::notices::save(&told.world.app, &told.session, &entered).await {
            Err(ChangeError::Refused(refused)) => {
                (refused.emails, refused.webhook_url.map(|f| f.to_string()))
            }
            other => panic!("{other:?}"),
        }
    };
    let wrong = |email: &str| Some(EmailsFault::NotAnAddress(email.to_owned()));
    for (email, url, words) in [
        ("ana", "http://hooks.example/x", "not https"),
        ("ana@", "https://10.0.0.1/x", "not a public address"),
        ("a@b\r\nBcc: c@d", "hooks.example", "not an address"),
        ("ana@x y", "https://u@hooks.example/", "has a user part"),
    ] {
        assert_eq!(
            save(&[email], url).await,
            (wrong(email), Some(words.into()))
        );
    }
    let many: Vec<String> = (0..11).map(|n| format!("a{n}@x.example")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(save(&many, "").await, (Some(EmailsFault::TooMany), None));
    assert_eq!(told.world.rows("notice_settings").await.len(), 0);
    // Doubles are one.
    told.choose(&[ANA, " ANA@northwind.example "], false).await;
    let stored = told.world.rows("notice_settings").await[0].clone();
    assert_eq!(stored["emails"], serde_json::json!([ANA]));
    let audit = told.world.rows("audit").await;
    let change = audit.iter().find(|line| line["action"] == "notices.change");
    let detail = &change.unwrap()["detail"];
    assert_eq!(
        (&detail["was"], &detail["emails"]),
        (&Value::Null, &1.into())
    );
    assert!(
        !serde_json::json!(audit)
            .to_string()
            .contains("northwind.example")
    );
    told.world.drain().await;
    told.world.end().await;
}

#[tokio::test]
async fn tests_are_for_somebody_and_not_many_a_minute() {
    let told = installed(5).await;
    told.world.drain().await;
    let test = async || app::notices::test(&told.world.app, &told.session).await;
    assert!(matches!(test().await, Err(TestError::Nobody)));
    told.choose(&[ANA], false).await;
    test().await.unwrap();
    assert!(matches!(test().await, Err(TestError::TooSoon)));
    told.world.let_pass(TimeDelta::seconds(61));
    test().await.unwrap();
    told.deliver().await;
    let ids: Vec<_> = told
        .mail
        .taken()
        .into_iter()
        .map(|mail| mail.text)
        .collect();
    assert_eq!(ids.len(), 2);
    assert!(ids[0].contains("a test message"));
    told.world.end().await;
}

#[tokio::test]
async fn runs_that_are_given_up_count_as_failures() {
    let told = in_step(5).await;
    let world = &told.world;
    for _ in 0..3 {
        app::runs::request(&world.app, &told.session, RunKind::Sync)
            .await
            .unwrap();
        let run = app::schedule::take_due(&world.app, 1).await.unwrap()[0];
        // Each of its workers dies before it has got on.
        for _ in 0..STARTS_WITHOUT_PROGRESS {
            let mut tx = world.db.begin(scope()).await.unwrap();
            store::runs::claim(&mut tx, scope(), run, world.now())
                .await
                .unwrap();
            tx.commit().await.unwrap();
            world.scratch.end_leases().await;
        }
        let stays = CancellationToken::new();
        let outcome = app::engine::work(&world.app, run, &stays).await.unwrap();
        assert_eq!(outcome, Outcome::Ended(RunState::Dead));
    }
    told.deliver().await;
    assert_eq!(told.types(), ["sync_failing"]);
    assert_eq!(body(&told.hook.taken()[0])["data"]["cause"], "ours");
    told.world.end().await;
}
