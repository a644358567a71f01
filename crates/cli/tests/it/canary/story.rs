//! What happens in the canary run: everything that people, operators, HubSpot and Thnks do, once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use domain::reports::Report;
use sandbox::control::{Change, Contact, NewOrganization, NewPortal, Sent};
use sandbox::{Action, Control, Fault, FaultBody, User};
use serde_json::json;
use web::router::{Kind, ROUTES};

use super::post::REFUSED;
use super::premises::{
    CLIENT_SECRET, FORMER_CLIENT_SECRET, Format, HUBSPOTS_WORDS, KEYS, Premises, REDIS_PASSWORD,
    SMTP_PASSWORD, key_list,
};
use super::visitor::{Answer, Answers, Visitor};
use super::wire::between;

/// The portal that the story is about, and one that has no business in it.
pub const HERE: i64 = 48_151_700;
pub const THERE: i64 = 48_151_701;
const OWNER: i64 = 71;
const MEMBER: i64 = 72;
const NEIGHBOUR: i64 = 73;
/// Put into Redis to see that it is searched.
pub const PLANTED: &str = "a_planted_word";

const THNKS_KEYS: [&str; 2] = ["Kanarek7ThnksKeyHere", "Kanarek7ThnksKeyThere"];

/// Secrets that are chosen, by name.
pub const SECRETS: &[(&str, &str)] = &[
    ("HubSpot's client secret", CLIENT_SECRET),
    ("HubSpot's former client secret", FORMER_CLIENT_SECRET),
    ("Redis' password", REDIS_PASSWORD),
    ("the mail server's password", SMTP_PASSWORD),
    ("the first key", KEYS[0]),
    ("the second key", KEYS[1]),
    ("the Thnks key", THNKS_KEYS[0]),
    ("the neighbour's Thnks key", THNKS_KEYS[1]),
    ("a Thnks key that is wrong", "Kanarek7ThnksKeyWrong"),
    ("a setup link that is wrong", "Kanarek7WrongSetup"),
    ("a code that is wrong", "Kanarek7WrongCode"),
    ("a state that is wrong", "Kanarek7WrongState"),
    ("a CSRF token that is wrong", "Kanarek7WrongCsrf"),
    ("a cookie that is wrong", "Kanarek7WrongCookie"),
    ("a signature that is wrong", "Kanarek7WrongSignature"),
    ("a password in a variable", "Kanarek7MistypedPassword"),
];

/// Secrets that are learnt on the way: some of each are.
pub const HANDED_OUT: &[&str] = &[
    "PostgreSQL's password",
    "a setup link",
    "a session",
    "a browser's half of an install",
    "a state",
    "a CSRF token",
    "a code",
    "a code verifier",
    "an access token",
    "a refresh token",
    "a webhook's secret",
    "a signature of HubSpot",
    "a signature of ours",
];

/// Words that tell of somebody or were written by somebody: name, word, portal, and whether it is kept in the database.
pub const PEOPLE: &[(&str, &str, i64, bool)] = &[
    ("ana's name", "Kanarek7AnaName", HERE, true),
    ("ana's address", "kanarek7anamail", HERE, true),
    ("ana's number", "5558800731", HERE, true),
    ("ana's message", "Kanarek7AnaMessage", HERE, true),
    ("ana's page at Thnks", "Kanarek7AnaTracking", HERE, true),
    ("ana's name in HubSpot", "Kanarek7AnaContact", HERE, false),
    ("the sender's name", "Kanarek7SenderName", HERE, true),
    ("the sender's address", "kanarek7sendermail", HERE, true),
    ("bob, whom HubSpot refuses", "Kanarek7BobName", HERE, true),
    ("bob's address", "kanarek7bobmail", HERE, true),
    ("HubSpot's words of bob", HUBSPOTS_WORDS, HERE, true),
    ("cid, whose row is malformed", "Kanarek7CidName", HERE, true),
    ("cid's address", "kanarek7cidmail", HERE, true),
    ("cid's message", "Kanarek7CidMessage", HERE, true),
    ("cid's amount", "Kanarek7CidAmount", HERE, true),
    ("dot, who is no contact", "Kanarek7DotName", HERE, true),
    ("dot's address", "kanarek7dotmail", HERE, true),
    ("dot's other address", "kanarek7dotalias", HERE, true),
    (
        "dot's address that is no address",
        "kanarek7dotnoaddress",
        HERE,
        false,
    ),
    (
        "dot's address that does not arrive",
        "kanarek7dotunstored",
        HERE,
        false,
    ),
    ("fay, at whom a run breaks", "Kanarek7FayName", HERE, true),
    ("fay's message", "Kanarek7FayMessage", HERE, true),
    ("fay's number", "5558800736", HERE, true),
    ("the owner's address", "kanarek7owner", HERE, true),
    ("the member's address", "kanarek7member", HERE, true),
    (
        "the owner's name in HubSpot",
        "Kanarek7OwnerName",
        HERE,
        false,
    ),
    ("a receiver of notices", "kanarek7receiver", HERE, true),
    ("a receiver who is refused", "kanarek7bounces", HERE, true),
    (
        "a receiver who is no address",
        "kanarek7noreceiver",
        HERE,
        false,
    ),
    ("a webhook's address", "kanarek7hook", HERE, true),
    (
        "a word that is searched for",
        "Kanarek7SearchWord",
        HERE,
        false,
    ),
    (
        "a field that is searched in",
        "Kanarek7SearchField",
        HERE,
        false,
    ),
    (
        "a gift that is not there",
        "Kanarek7NoSuchGift",
        HERE,
        false,
    ),
    ("a path that is not there", "Kanarek7NoSuchPath", 0, false),
    ("a browser", "Kanarek7Browser", 0, false),
    ("the neighbour's address", "kanarek7neighbour", THERE, true),
    ("the neighbour's recipient", "Kanarek7GusName", THERE, true),
    (
        "the neighbour's recipient's address",
        "kanarek7gusmail",
        THERE,
        true,
    ),
    ("erased: eva's name", "Kanarek7EvaName", HERE, true),
    ("erased: eva's address", "kanarek7evamail", HERE, true),
    (
        "erased: eva's other address",
        "kanarek7evaalias",
        HERE,
        true,
    ),
    ("erased: eva's number", "5558800735", HERE, true),
    ("erased: eva's message", "Kanarek7EvaMessage", HERE, true),
    (
        "erased: eva's page at Thnks",
        "Kanarek7EvaTracking",
        HERE,
        true,
    ),
    (
        "erased: eva's malformed amount",
        "Kanarek7EvaAmount",
        HERE,
        true,
    ),
    (
        "erased: eva's malformed message",
        "Kanarek7EvaBadMessage",
        HERE,
        true,
    ),
    (
        "erased: eva's name in HubSpot",
        "Kanarek7EvaContact",
        HERE,
        false,
    ),
];

/// All that was said and kept.
pub struct Gathered {
    pub secrets: BTreeSet<(&'static str, String)>,
    pub logs: Vec<(String, Vec<u8>)>,
    /// Answers, and whether eva was erased before.
    pub answers: Vec<(Arc<Answer>, bool)>,
    pub letters: Vec<String>,
    pub calls: Vec<String>,
    pub redis: Vec<(&'static str, Vec<u8>)>,
    /// Columns by name, before and after the erasure and at the end.
    pub dumps: Vec<(&'static str, BTreeMap<String, String>)>,
}

fn sent(name: &str, mail: Option<&str>, phone: Option<&str>, message: &str) -> Sent {
    Sent {
        name: Some(name.to_owned()),
        email: mail.map(|mail| format!("{mail}@client.example")),
        phone: phone.map(str::to_owned),
        message: Some(format!("Dear “you”, {message} – <b>\n☕")),
        ..Sent::default()
    }
}

/// The gifts, by whom they went to.
struct Gifts {
    ana: String,
    bob: String,
    dot: String,
    eva: String,
    bad_eva: String,
}

fn user(id: i64, email: &str, name: &str) -> User {
    User {
        id,
        email: format!("{email}@acme.example"),
        name: name.to_owned(),
        super_admin: true,
    }
}

/// Both portals, and what was given before anybody installs.
fn settle(control: &Control) -> Gifts {
    let users = [
        vec![
            user(OWNER, "kanarek7owner", "Kanarek7OwnerName"),
            user(MEMBER, "kanarek7member", "Lee"),
        ],
        vec![user(NEIGHBOUR, "kanarek7neighbour", "Kim")],
    ];
    for ((hub_id, users), key) in [HERE, THERE].into_iter().zip(users).zip(THNKS_KEYS) {
        let new = NewPortal {
            hub_id,
            name: format!("Portal {hub_id}"),
            enterprise: true,
            users,
            organization: Some(NewOrganization {
                id: format!("org_{hub_id}"),
                key: key.to_owned(),
            }),
            transactions: 0,
            recipients: None,
        };
        control.add_portal(&new).unwrap();
    }
    let here = format!("org_{HERE}");
    let send = |one: Sent| control.send_gift(&here, one).unwrap();
    let gifts = Gifts {
        ana: send(sent(
            "Ána Kanarek7AnaName",
            Some("Kanarek7AnaMail"),
            Some("+15558800731"),
            "Kanarek7AnaMessage",
        )),
        bob: send(sent(
            "Bob Kanarek7BobName",
            Some("kanarek7bobmail"),
            None,
            "",
        )),
        dot: send(sent(
            "Dot Kanarek7DotName",
            Some("kanarek7dotmail"),
            None,
            "",
        )),
        eva: send(sent(
            "Eva Kanarek7EvaName",
            Some("kanarek7evamail"),
            Some("+15558800735"),
            "Kanarek7EvaMessage",
        )),
        bad_eva: send(sent(
            "Eva Kanarek7EvaName",
            Some("Kanarek7EvaMail"),
            None,
            "Kanarek7EvaBadMessage",
        )),
    };
    let cid = send(sent(
        "Cid Kanarek7CidName",
        Some("kanarek7cidmail"),
        None,
        "Kanarek7CidMessage",
    ));
    let sender = json!({"name": "Kanarek7SenderName", "email": "kanarek7sendermail@acme.example"});
    for (id, fields) in [
        (
            &gifts.ana,
            json!({"sender": sender, "gift_name": "<i>Coffee</i> & \"more\"", "gift_type": "Odd, =1+1",
                "tracking_url": "https://app.thnks.com/t/Kanarek7AnaTracking"}),
        ),
        (
            &gifts.eva,
            json!({"tracking_url": "https://app.thnks.com/t/Kanarek7EvaTracking"}),
        ),
        (&gifts.bad_eva, json!({"amount": "Kanarek7EvaAmount"})),
        (&cid, json!({"amount": "Kanarek7CidAmount"})),
    ] {
        control.edit_transaction(&here, id, &fields).unwrap();
    }
    let odd = Change {
        id: Some(gifts.ana.clone()),
        count: 1,
        status: Some("Twirled".to_owned()),
        at: None,
    };
    control.advance(&here, &odd).unwrap();
    let ana = Contact {
        email: Some("kanarek7anamail@client.example".into()),
        first_name: Some("Kanarek7AnaContact".into()),
        ..Contact::default()
    };
    control.add_contact(HERE, &ana).unwrap();
    let gus = sent("Kanarek7GusName", Some("kanarek7gusmail"), None, "");
    control.send_gift(&format!("org_{THERE}"), gus).unwrap();
    control
        .merge_rules(&json!({"upsert_refuses": [gifts.bob], "rotate_refresh_tokens": true}))
        .unwrap();
    gifts
}

/// Every address that can be looked at, by the portal's people, by strangers and by the neighbour.
async fn look_around(visitors: &[&Visitor], gift: &str, run: &str) {
    for route in ROUTES.iter().filter(|route| route.method == "GET") {
        let is_way_in = matches!(route.path, "/install" | "/login" | "/oauth/callback");
        if is_way_in || route.kind == Kind::File {
            continue;
        }
        let path = route
            .path
            .replace("{hub_id}", &HERE.to_string())
            .replace("{transaction_id}", gift)
            .replace("{run_id}", run);
        let paths: Vec<String> = if path.contains("{report}") {
            let slugs = Report::ALL.map(Report::slug);
            slugs.map(|slug| path.replace("{report}", slug)).into()
        } else {
            vec![path]
        };
        assert!(
            !paths[0].contains('{'),
            "a parameter that is not known: {}",
            paths[0]
        );
        for path in &paths {
            for visitor in visitors {
                visitor.get(path).await;
                if !matches!(route.kind, Kind::Events | Kind::Download) {
                    visitor.get_as_script(path).await;
                }
            }
        }
    }
}

/// Everything that is asked wrongly.
async fn err(owner: &Visitor, member: &Visitor, stranger: &Visitor, gifts: &Gifts) {
    let portal = format!("/portals/{HERE}");
    let gift = format!("{portal}/thnks/{}", gifts.dot);
    for (path, status) in [
        (
            "/nowhere/Kanarek7NoSuchPath?a=Kanarek7NoSuchPath".to_owned(),
            404,
        ),
        ("/portals/Kanarek7NoSuchPath".to_owned(), 303),
        ("/install?setup=Kanarek7WrongSetup".to_owned(), 404),
        (
            "/oauth/callback?code=Kanarek7WrongCode&state=Kanarek7WrongState".to_owned(),
            400,
        ),
        (
            "/oauth/callback?error=Kanarek7WrongCode&state=Kanarek7WrongState".to_owned(),
            400,
        ),
    ] {
        let answer = stranger.get(&path).await;
        assert!(
            answer.status == status || answer.status / 100 == 4,
            "{path}: {}",
            answer.status
        );
        stranger.get_as_script(&path).await;
    }
    for path in [
        format!("{portal}/thnks/Kanarek7NoSuchGift"),
        format!("{portal}/runs/Kanarek7NoSuchGift"),
        format!("{portal}/reports/Kanarek7NoSuchGift"),
        format!("{portal}/failures?stage=Kanarek7NoSuchGift"),
        format!("{portal}/orphans?why=Kanarek7NoSuchGift&after=Kanarek7NoSuchGift"),
        format!("{portal}/thnks?from=Kanarek7NoSuchGift&min=Kanarek7NoSuchGift"),
        format!("{portal}/audit?who=Kanarek7NoSuchGift&from=Kanarek7NoSuchGift"),
        "/portals/Kanarek7NoSuchGift".to_owned(),
    ] {
        owner.get(&path).await;
        owner.get_as_script(&path).await;
    }
    // Every form without a token, with a wrong one, with nothing in it, from somebody who may not.
    for route in ROUTES.iter().filter(|route| route.method == "POST") {
        let path = route
            .path
            .replace("{hub_id}", &HERE.to_string())
            .replace("{transaction_id}", "Kanarek7NoSuchGift")
            .replace("{user_id}", "Kanarek7NoSuchGift")
            .replace("{run_id}", "Kanarek7NoSuchGift");
        let wrong = [("csrf_token", "Kanarek7WrongCsrf")];
        for accept in ["text/html", "application/json"] {
            assert_ne!(owner.post_with(&path, accept, &[]).await.status / 100, 2);
            assert_ne!(owner.post_with(&path, accept, &wrong).await.status / 100, 2);
            stranger.post_with(&path, accept, &wrong).await;
        }
        if path != "/logout" {
            member
                .post(&path, &[("email", "kanarek7dotnoaddress")])
                .await;
        }
    }
    for (path, fields) in [
        (format!("{gift}/alias"), [("email", "kanarek7dotnoaddress")]),
        (
            format!("{gift}/contact"),
            [("contact", "kanarek7dotnoaddress")],
        ),
        (
            format!("{portal}/settings/notifications"),
            [("emails", "kanarek7noreceiver")],
        ),
        (
            format!("{portal}/settings/notifications"),
            [("webhook_url", "kanarek7noreceiver")],
        ),
        (
            format!("{portal}/settings"),
            [("email_property", "kanarek7noreceiver x")],
        ),
        (
            format!("{portal}/connect"),
            [("thnks_api_key", "Kanarek7ThnksKeyWrong")],
        ),
        (
            format!("{portal}/resync"),
            [("since", "kanarek7noreceiver")],
        ),
        (
            format!("{portal}/disconnect"),
            [("confirm", "kanarek7noreceiver")],
        ),
        (
            format!("{portal}/failures/retry"),
            [("stage", "kanarek7noreceiver")],
        ),
    ] {
        for answer in [
            owner.post(&path, &fields).await,
            owner.post_as_script(&path, &fields).await,
        ] {
            assert_eq!(answer.status / 100, 4, "{path}: {}", answer.text());
        }
    }
    // Confirmed, the key is tried at Thnks.
    let (path, here) = (format!("{portal}/connect"), HERE.to_string());
    let fields = [
        ("thnks_api_key", "Kanarek7ThnksKeyWrong"),
        ("portal", here.as_str()),
    ];
    for answer in [
        owner.post(&path, &fields).await,
        owner.post_as_script(&path, &fields).await,
    ] {
        assert_eq!(answer.status / 100, 4, "{path}: {}", answer.text());
    }
}

/// Commands whose environment is wrong, with a password in it.
fn mistype(premises: &Premises) {
    const PASSWORD: &str = "Kanarek7MistypedPassword";
    let database: url::Url = premises.scratch.app_url.parse().unwrap();
    let mut wrong_password = database.clone();
    wrong_password.set_password(Some(PASSWORD)).unwrap();
    let short = format!("k:{PASSWORD}");
    let with = |form: &str| form.replace("PASSWORD", PASSWORD);
    let cases = [
        ("DATABASE_URL", wrong_password.to_string()),
        (
            "DATABASE_URL",
            with("postgres://app:PASSWORD@localhost:port/thnks"),
        ),
        ("DATABASE_URL", with("PASSWORD")),
        ("REDIS_URL", with("redis://:PASSWORD@localhost:port")),
        ("REDIS_URL", with("http://:PASSWORD@localhost")),
        ("ENCRYPTION_KEYS", PASSWORD.to_owned()),
        ("ENCRYPTION_KEYS", short),
        ("SMTP_URL", with("smtp://me:PASSWORD@mail.example")),
        ("SMTP_URL", with("me:PASSWORD@mail.example")),
        ("PUBLIC_URL", with("http://me:PASSWORD@gifts.example")),
        ("PUBLIC_URL", with("https://me:PASSWORD@gifts.example:port")),
        ("PUBLIC_URL", with("https://me:PASSWORD@gifts.example")),
        (
            "HUBSPOT_AUTHORIZE_URL",
            with("http://me:PASSWORD@api.example"),
        ),
        ("THNKS_API_URL", with("http://me:PASSWORD@localhost")),
        ("HUBSPOT_API_URL", with("ftp://me:PASSWORD@api.example")),
        ("THNKS_API_URL", with("ftp://me:PASSWORD@api.example")),
    ];
    std::thread::scope(|scope| {
        for (name, value) in &cases {
            scope.spawn(move || {
                let https = [("PUBLIC_URL", "https://gifts.example")];
                let variables = [https.as_slice(), &[(*name, value.as_str())]].concat();
                let done = premises.run_with(&["org", "list"], "", Format::Text, &variables);
                assert!(!done.status.success(), "{name}={value}: {done:?}");
            });
        }
    });
}

/// Commands of the operator.
fn operate(premises: &Premises) {
    let hub_id = HERE.to_string();
    for arguments in [
        ["org", "list"].as_slice(),
        &["healthcheck", "serve"],
        &["healthcheck", "work"],
        &[
            "run", "start", "--portal", &hub_id, "--kind", "sync", "--json",
        ],
        &["run", "start", "--portal", &hub_id, "--kind", "resync"],
        &["keys", "check"],
        &["audit", "verify"],
    ] {
        let done = premises.run(arguments);
        assert!(done.status.success(), "{arguments:?}: {done:?}");
    }
    let nobody = premises.run(&["run", "start", "--portal", "1", "--kind", "sync"]);
    assert!(!nobody.status.success());
}

/// What the owner does, and what comes of it.
async fn use_everything(premises: &Premises, owner: &Visitor, gifts: &Gifts) {
    let portal = format!("/portals/{HERE}");
    let notifications = format!("{portal}/settings/notifications");
    let hook = format!("http://127.0.0.1:{}/kanarek7hook", premises.post.hook_port);
    let emails = format!("kanarek7receiver@acme.example\nkanarek7bounces.{REFUSED}@acme.example");
    let told = [
        ("webhook_url", hook.as_str()),
        ("emails", &emails),
        ("kind", "backfill_finished"),
        ("kind", "sync_failing"),
        ("kind", "authorization_lost"),
    ];
    let dot = format!("{portal}/thnks/{}", gifts.dot);
    let eva = format!("{portal}/thnks/{}", gifts.eva);
    let good: [(String, &[(&str, &str)]); 14] = [
        (notifications.clone(), &told),
        (format!("{notifications}/test"), &[]),
        (format!("{notifications}/secret"), &[]),
        (
            format!("{portal}/settings"),
            &[("phone", "on"), ("several", "nobody")],
        ),
        (
            format!("{portal}/settings/preview"),
            &[("several", "nobody")],
        ),
        (
            format!("{dot}/alias"),
            &[("email", "Kanarek7DotAlias@home.example")],
        ),
        (
            format!("{eva}/alias"),
            &[("email", "Kanarek7EvaAlias@home.example")],
        ),
        (format!("{dot}/look"), &[]),
        (format!("{portal}/reassociate"), &[]),
        (format!("{portal}/pause"), &[]),
        (format!("{portal}/resume"), &[]),
        (format!("{portal}/check"), &[]),
        (
            format!("{portal}/settings/members/{MEMBER}"),
            &[("role", "owner")],
        ),
        (
            format!("{portal}/settings/members/{MEMBER}"),
            &[("role", "member")],
        ),
    ];
    // The secret is on the page only while there is one.
    for (path, fields) in &good {
        let answer = owner.post(path, fields).await;
        assert!(answer.status < 400, "{path}: {}", answer.text());
        if path.starts_with(&notifications) {
            owner.get(&notifications).await;
            owner.get_as_script(&notifications).await;
        }
    }
    for query in [
        "thnks?q=Kanarek7SearchWord+%22%3Cb%3E",
        "thnks?q=Kanarek7AnaName",
        "thnks?q=kanarek7anamail%40client.example&sender=Kanarek7SearchField",
        "thnks?sender=kanarek7sendermail%40acme.example",
        "thnks.csv?q=Kanarek7SearchWord",
        "thnks.csv?currency=USD",
        "failures?stage=record",
        "failures?stage=row",
        "failures?stage=record&code=INVALID_EMAIL&field=recipient_email",
    ] {
        let answer = owner.get(&format!("{portal}/{query}")).await;
        assert!(
            answer.status == 200 || query.starts_with("failures"),
            "{query}: {}",
            answer.status
        );
    }
    owner.rest("what the owner has begun").await;
}

/// Statements of ours fail with a person's words in them: the database quotes the row.
async fn break_down(premises: &Premises, owner: &Visitor, gifts: &Gifts) {
    let portal = format!("/portals/{HERE}");
    let (alias, message) = ("kanarek7dotunstored", "Kanarek7FayMessage");
    for sql in [
        format!(
            "ALTER TABLE recipient_remedies ADD CONSTRAINT broken_on_purpose CHECK (alias NOT LIKE '%{alias}%') NOT VALID"
        ),
        format!(
            "ALTER TABLE transactions ADD CONSTRAINT broken_on_purpose CHECK (message NOT LIKE '%{message}%') NOT VALID"
        ),
    ] {
        premises.scratch.try_as_owner(&sql).await.unwrap();
    }
    let path = format!("{portal}/thnks/{}/alias", gifts.dot);
    let fields = [("email", "kanarek7dotunstored@home.example")];
    for answer in [
        owner.post(&path, &fields).await,
        owner.post_as_script(&path, &fields).await,
    ] {
        assert_eq!(answer.status, 500, "{}", answer.text());
    }
    let fay = sent("Fay Kanarek7FayName", None, Some("+15558800736"), message);
    let control = premises.control();
    control.send_gift(&format!("org_{HERE}"), fay).unwrap();
    owner.post(&format!("{portal}/sync"), &[]).await;
    let mut waited = 0;
    while !premises.has_said("a run could not be carried on") {
        waited += 1;
        assert!(waited < 100, "no run broke");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    for table in ["recipient_remedies", "transactions"] {
        let sql = format!("ALTER TABLE {table} DROP CONSTRAINT broken_on_purpose");
        premises.scratch.try_as_owner(&sql).await.unwrap();
    }
    // The run is tried again after a while, and after a longer one.
    for _ in 0..100 {
        let status = owner.json(&format!("{portal}/status.json")).await;
        if status["current_run"].is_null() {
            return;
        }
        premises.scratch.skip_wait().await;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    panic!("the run that broke does not end");
}

/// HubSpot and Thnks do not answer as they should.
fn order_faults(control: &Control) {
    let status = |status, body| Action::Status {
        status,
        body,
        retry_after: None,
    };
    for fault in [
        Fault::once("thnks.transactions", status(500, FaultBody::Html)),
        Fault::once("objects.batch_upsert", status(502, FaultBody::Html)),
        Fault {
            apply: true,
            ..Fault::once("objects.batch_upsert", status(200, FaultBody::Truncated))
        },
        Fault::once("objects.batch_upsert", Action::ExpireTokens),
    ] {
        control.inject(fault);
    }
}

/// Everything from the first link to the last disconnect.
pub async fn tell() -> Gathered {
    let mut premises = Premises::open().await;
    premises.tell_redis(&["SET", "planted", PLANTED]);
    let control = premises.control();
    let gifts = settle(&control);
    order_faults(&control);
    let serving = premises.spawn("serve", Format::Text);
    let working = premises.spawn("work", Format::Json);
    let answers = Answers::default();
    let public_url = premises.public_url();
    let visitor = |who| Visitor::new(who, &public_url, &answers);
    let (owner, member) = (visitor("owner"), visitor("member"));
    let (neighbour, stranger) = (visitor("neighbour"), visitor("stranger"));
    until_served(&public_url).await;
    let events = format!("{public_url}/webhooks/hubspot").parse().unwrap();
    control.set_webhook_target(Some(events));

    let mut links = vec![
        premises.setup_link("Here & <there>", THNKS_KEYS[0]),
        premises.setup_link("Neighbours", THNKS_KEYS[1]),
        premises.setup_link("Nobody", THNKS_KEYS[1]),
    ];
    let url = format!("{public_url}{}", links[2]);
    let revoked = premises.run(&["org", "revoke-link", &url]);
    assert!(revoked.status.success(), "{revoked:?}");
    stranger.get(&links[2]).await;
    owner.sign_in(&links[0], HERE, OWNER).await;
    member.sign_in("/login", HERE, MEMBER).await;
    neighbour.sign_in(&links[1], THERE, NEIGHBOUR).await;
    let status = owner.rest("the first look at Thnks").await;
    let run = status["last_run"]["id"].as_str().unwrap();
    neighbour.rest("the neighbour's first look").await;

    use_everything(&premises, &owner, &gifts).await;
    err(&owner, &member, &stranger, &gifts).await;
    look_around(&[&owner, &member, &neighbour, &stranger], &gifts.ana, run).await;
    let own = format!("/portals/{THERE}");
    for page in ["", "/thnks", "/orphans", "/settings/members", "/audit.csv"] {
        neighbour.get(&format!("{own}{page}")).await;
        owner.get(&format!("{own}{page}")).await;
    }
    for (gift, page) in [
        (&gifts.bob, ""),
        (&gifts.dot, ""),
        (&gifts.eva, ""),
        (&gifts.bad_eva, ""),
    ] {
        owner
            .get(&format!("/portals/{HERE}/thnks/{gift}{page}"))
            .await;
    }
    forge(&public_url).await;
    break_down(&premises, &owner, &gifts).await;
    owner.rest("the run that broke").await;
    let eva = Contact {
        email: Some("kanarek7evaalias@home.example".into()),
        first_name: Some("Kanarek7EvaContact".into()),
        ..Contact::default()
    };
    let eva = control.add_contact(HERE, &eva).unwrap();
    let look = format!("/portals/{HERE}/thnks/{}/look", gifts.eva);
    owner.post(&look, &[]).await;
    owner
        .wait("eva's contact", |status| status["orphans"] == 2)
        .await;
    owner.rest("eva's link").await;
    let mut redis = vec![("before", premises.redis())];
    let mut dumps = vec![("before", premises.scratch.dump().await)];

    // Keys are moved; both processes come back with both, and the other way of writing.
    assert_eq!(serving.terminate(), Some(0));
    assert_eq!(working.terminate(), Some(0));
    premises.keys = key_list(&[1, 0]);
    let serving = premises.spawn("serve", Format::Json);
    let working = premises.spawn("work", Format::Text);
    until_served(&public_url).await;
    let rotated = premises.run(&["keys", "rotate"]);
    assert!(rotated.status.success(), "{rotated:?}");
    links.push(premises.setup_link("Later", THNKS_KEYS[1]));
    operate(&premises);
    mistype(&premises);

    let page = format!("/portals/{HERE}/failures");
    for (path, fields) in [
        (format!("{page}/retry"), [("stage", "record")]),
        (format!("{page}/dismiss"), [("stage", "record")]),
        (format!("/portals/{HERE}/resync"), [("since", "2026-01-01")]),
    ] {
        let answer = owner.post(&path, &fields).await;
        assert!(answer.status < 400, "{path}: {}", answer.text());
    }
    owner.rest("another look at everything").await;
    control.delete_record(HERE, "contacts", eva, true).unwrap();
    owner
        .wait("the erasure", |status| status["orphans"] == 3)
        .await;
    owner.rest("what follows the erasure").await;
    let before = answers.lock().unwrap().len();
    // What is read again does not bring her back.
    let hub_id = HERE.to_string();
    let resync = ["run", "start", "--portal", &hub_id, "--kind", "resync"];
    assert!(premises.run(&resync).status.success());
    look_around(&[&owner], &gifts.eva, run).await;
    owner
        .get(&format!("/portals/{HERE}/thnks/{}", gifts.bad_eva))
        .await;
    dumps.push(("after the erasure", premises.scratch.dump().await));
    redis.push(("after the erasure", premises.redis()));

    let gone = neighbour
        .post(
            &format!("{own}/disconnect"),
            &[("confirm", &THERE.to_string())],
        )
        .await;
    assert_eq!(gone.status, 303, "{}", gone.text());
    let left = member.post("/logout", &[("everywhere", "1")]).await;
    assert_eq!(left.status, 303);
    let done = premises.run(&["disconnect", "--portal", &hub_id]);
    assert!(done.status.success(), "{done:?}");
    let figures = premises.figures().await;
    assert_eq!(figures.len(), 2, "of serve and of work");
    assert_eq!(serving.terminate(), Some(0));
    assert_eq!(working.terminate(), Some(0));
    assert!(premises.run(&["audit", "verify"]).status.success());
    dumps.push(("at the end", premises.scratch.dump().await));
    redis.push(("at the end", premises.redis()));
    redis.push(("every command", premises.redis_commands()));

    let answers: Vec<Arc<Answer>> = answers.lock().unwrap().clone();
    let secrets = learn(&premises, &answers, &links);
    let mut logs = premises.said();
    assert_all_was_said(&logs);
    // Figures and traces are for the same eyes as logs.
    for page in figures {
        assert!(page.contains("thnks_build_info"), "{page}");
        logs.push(("figures".to_owned(), page.into_bytes()));
    }
    let traces = premises.collector.bodies().concat();
    assert!(!traces.is_empty());
    logs.push(("traces".to_owned(), traces));
    let letters = premises.post.letters.lock().unwrap().clone();
    let calls = premises.post.calls.lock().unwrap().clone();
    assert!(
        letters.iter().any(|letter| letter.contains("Subject: ")),
        "{letters:?}"
    );
    assert!(
        letters.iter().any(|letter| letter.contains(REFUSED)),
        "{letters:?}"
    );
    assert!(!calls.is_empty());
    let erased = |(place, answer)| (answer, place >= before);
    Gathered {
        secrets,
        logs,
        answers: answers.into_iter().enumerate().map(erased).collect(),
        letters,
        calls,
        redis,
        dumps,
    }
}

async fn until_served(public_url: &str) {
    crate::browser::Browser::open(public_url)
        .wait_until_served()
        .await;
}

/// What nobody has signed, and nobody's cookie.
async fn forge(public_url: &str) {
    let client = hubspot::http_client().build().unwrap();
    let refused = client
        .post(format!("{public_url}/webhooks/hubspot"))
        .header("x-hubspot-signature-v3", "Kanarek7WrongSignature")
        .header("x-hubspot-request-timestamp", "1")
        .body("[{\"propertyValue\": \"Kanarek7NoSuchPath\"}]")
        .send()
        .await
        .unwrap();
    assert_eq!(refused.status(), 401);
    let refused = client
        .get(format!("{public_url}/portals/{HERE}"))
        .header(
            "cookie",
            "session=Kanarek7WrongCookie; install=Kanarek7WrongCookie",
        )
        .send()
        .await
        .unwrap();
    assert!(!refused.text().await.unwrap().contains("Kanarek7"));
}

/// The secrets that were handed out on the way.
fn learn(
    premises: &Premises,
    answers: &[Arc<Answer>],
    links: &[String],
) -> BTreeSet<(&'static str, String)> {
    let mut secrets = BTreeSet::new();
    for url in [&premises.scratch.app_url, &premises.scratch.owner_url] {
        let url: url::Url = url.parse().unwrap();
        secrets.insert(("PostgreSQL's password", url.password().unwrap().to_owned()));
    }
    for link in links {
        let (_, token) = link.split_once("setup=").unwrap();
        secrets.insert(("a setup link", token.to_owned()));
    }
    let ends = [';', '\n', '\r', '&', '"', '<', ' ', ','];
    for answer in answers {
        let page = answer.text();
        for (name, text, start) in [
            ("a session", &answer.head, "set-cookie: session="),
            (
                "a browser's half of an install",
                &answer.head,
                "set-cookie: install=",
            ),
            ("a state", &answer.head, "&state="),
            ("a CSRF token", &page, "name=\"csrf_token\" value=\""),
        ] {
            secrets.extend(
                between(text, start, &ends)
                    .into_iter()
                    .map(|word| (name, word)),
            );
        }
        let hook = between(&page, "whsec_", &ends);
        secrets.extend(hook.into_iter().map(|word| ("a webhook's secret", word)));
    }
    for (name, wire, start) in [
        ("a code", &premises.front, "callback?code="),
        ("a code verifier", &premises.hubspot, "code_verifier="),
        ("an access token", &premises.hubspot, "\"access_token\":\""),
        (
            "an access token",
            &premises.hubspot,
            "authorization: Bearer ",
        ),
        ("a refresh token", &premises.hubspot, "\"refresh_token\":\""),
        ("a refresh token", &premises.hubspot, "&refresh_token="),
        (
            "a signature of HubSpot",
            &premises.front,
            "x-hubspot-signature-v3: ",
        ),
    ] {
        let heard = wire.heard_between(start, &ends);
        secrets.extend(heard.into_iter().map(|word| (name, word)));
    }
    for call in premises.post.calls.lock().unwrap().iter() {
        let signatures = between(call, "v1,", &ends);
        secrets.extend(
            signatures
                .into_iter()
                .map(|word| ("a signature of ours", word)),
        );
    }
    // What was sent wrongly is known by its own name.
    secrets.retain(|(_, word)| !word.starts_with("Kanarek7"));
    secrets
}

/// The logs are as talkative as they can be made, or their silence would mean nothing.
fn assert_all_was_said(logs: &[(String, Vec<u8>)]) {
    for format in ["Text", "Json"] {
        for (process, words) in [
            ("serve", ["request answered", "sqlx::query", "TRACE"]),
            ("work", ["hubspot call", "thnks call", "sqlx::query"]),
        ] {
            let name = format!("{process} {format}");
            let (_, said) = logs
                .iter()
                .find(|(known, _)| known.ends_with(&name))
                .unwrap();
            let said = String::from_utf8_lossy(said);
            for words in words {
                assert!(said.contains(words), "{name} does not say {words}");
            }
        }
    }
    let all: usize = logs.iter().map(|(_, said)| said.len()).sum();
    assert!(all > 1_000_000, "{all} bytes of logs");
}
