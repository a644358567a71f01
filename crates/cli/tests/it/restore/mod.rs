//! Backup and restore as docs/deployment.md tells it, with its own scripts and PostgreSQL's own programs: the database is lost with all
//! that came after the backup, and what HubSpot and Thnks know makes it whole (fault R11).

mod operator;

use domain::HubId;
use sandbox::control::{Change, Contact, Sent};
use sandbox::{DEMO_HUB_ID, DEMO_ORGANIZATION_ID, Verdict, WorldSpec};
use store::PortalScope;
use store::testing::ScratchDatabase;

use self::operator::{Operator, script};
use crate::chaos::servers::Servers;
use crate::processes::Stage;

/// Is erased after the backup.
const NEIGHBOUR: i64 = DEMO_HUB_ID + 1;
/// Installs after the backup.
const NEWCOMER: i64 = DEMO_HUB_ID + 2;

/// Asks to be forgotten after the backup, and after their contact became part of another one.
fn zoe() -> Sent {
    Sent {
        email: Some("zoe.quill@client.example".into()),
        name: Some("Zoe Quill".into()),
        ..Sent::default()
    }
}

/// Asks to be forgotten, and got a first gift after the backup.
fn yan() -> Sent {
    Sent {
        email: Some("yan.otero@client.example".into()),
        name: Some("Yan Otero".into()),
        ..Sent::default()
    }
}

fn contact_of(person: &Sent) -> Contact {
    Contact {
        email: person.email.clone(),
        ..Contact::default()
    }
}

/// HubSpot has every gift once, linked as it should be, with everything that Thnks tells but of the gifts to who was erased.
fn assert_is_whole(verdict: &Verdict, erased: &[String]) {
    assert_eq!(verdict.records, verdict.transactions, "{verdict:#?}");
    for faults in [
        verdict.missing_count,
        verdict.doubled_count,
        verdict.unknown_count,
        verdict.missing_link_count,
        verdict.wrong_link_count,
    ] {
        assert_eq!(faults, 0, "{verdict:#?}");
    }
    assert!(is_forgotten(verdict, erased), "{verdict:#?}");
}

/// Of these gifts alone HubSpot says less than Thnks, and nothing of the recipient.
fn is_forgotten(verdict: &Verdict, gifts: &[String]) -> bool {
    let wrong = &verdict.wrong_values;
    let is_blank = |gift: &String, name: &str| {
        wrong
            .iter()
            .any(|wrong| wrong.id == *gift && wrong.property == name && wrong.actual.is_empty())
    };
    gifts
        .iter()
        .all(|gift| is_blank(gift, "recipient_name") && is_blank(gift, "recipient_email"))
        && wrong.iter().all(|wrong| gifts.contains(&wrong.id))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_database_comes_back_from_a_backup_and_hubspot_has_everything_once() {
    let (servers, addresses) = Servers::start().await;
    let world = WorldSpec::small(sandbox::machine_clock()(), 120);
    let mut operator = Operator {
        stage: Stage::on(addresses.scratch(), world).await,
        folder: tempfile::tempdir().unwrap(),
    };
    let control = operator.control();
    let events = format!("{}/webhooks/hubspot", operator.stage.public_url());
    control.set_webhook_target(Some(events.parse().unwrap()));
    let contact_of_zoe = control
        .add_contact(DEMO_HUB_ID, &contact_of(&zoe()))
        .unwrap();
    let to_zoe = control.send_gift(DEMO_ORGANIZATION_ID, zoe()).unwrap();
    let worker = operator.worker("before");
    operator.stage.install().await;
    operator.stage.wait_for_the_end().await;
    operator.adds(NEIGHBOUR, 10);
    operator.installs(NEIGHBOUR).await;

    // The backup.
    let ends = operator.notes_ends();
    assert_eq!(ends.len(), 2, "{ends:?}");
    let (ledger, keys) = (operator.file("ledger"), operator.file("keys"));
    let (done, words) = script("backup", addresses.backup.as_str(), [&ledger, &keys]);
    assert!(done, "{words}");

    // What it does not know: new gifts, a status, somebody who is forgotten, a portal that is erased and one that installs.
    for _ in 0..3 {
        control
            .send_gift(DEMO_ORGANIZATION_ID, Sent::default())
            .unwrap();
    }
    let change = Change {
        id: None,
        count: 2,
        status: None,
        at: None,
    };
    control.advance(DEMO_ORGANIZATION_ID, &change).unwrap();
    let contact_of_yan = control
        .add_contact(DEMO_HUB_ID, &contact_of(&yan()))
        .unwrap();
    let to_yan = control.send_gift(DEMO_ORGANIZATION_ID, yan()).unwrap();
    let another = control
        .add_contact(DEMO_HUB_ID, &Contact::default())
        .unwrap();
    let contact_of_both = control
        .merge_records(DEMO_HUB_ID, "contacts", another, contact_of_zoe)
        .unwrap();
    operator.syncs();
    let forgotten = [to_zoe, to_yan];
    for contact in [contact_of_both, contact_of_yan] {
        control
            .delete_record(DEMO_HUB_ID, "contacts", contact, true)
            .unwrap();
    }
    operator
        .until("the erasures", async || {
            is_forgotten(&operator.verdict(), &forgotten)
        })
        .await;
    operator.does(&["disconnect", "--portal", &NEIGHBOUR.to_string()]);
    let long_ago = "UPDATE sync_schedule SET disconnected_at = disconnected_at - interval '40 days' WHERE disconnected_at IS NOT NULL";
    operator.stage.scratch.try_as_owner(long_ago).await.unwrap();
    // A worker looks for what is to be erased when it starts, and once a minute.
    assert_eq!(worker.terminate(), Some(0));
    let worker = operator.worker("after");
    let neighbour = PortalScope::from_operator(HubId(NEIGHBOUR));
    operator
        .until("the neighbour's erasure", async || {
            let scratch = &operator.stage.scratch;
            let keys = scratch.rows("portal_keys", neighbour).await;
            keys.is_empty() && scratch.rows("transactions", neighbour).await.is_empty()
        })
        .await;
    operator.adds(NEWCOMER, 10);
    operator.installs(NEWCOMER).await;
    let later_ledger = operator.file("later ledger");
    let (done, words) = script("backup", addresses.backup.as_str(), [&later_ledger, &keys]);
    assert!(done, "{words}");
    let (whole, words) = operator.finds(&ends);
    assert!(whole, "{words}");
    let later_ends = operator.notes_ends();
    let records = operator.records();

    // Everything is lost, and the later ledger with it.
    operator.stage.web.take().unwrap().kill();
    worker.kill();
    drop(servers);
    operator.stage.redis.restart();
    let (_servers, addresses) = Servers::start_empty().await;
    operator.stage.scratch = addresses.scratch();
    let calls = control.log(Some(DEMO_HUB_ID), None, 0, usize::MAX);
    let calls = calls.last().map_or(0, |call| call.seq);

    // The restore.
    let (done, words) = script("restore", addresses.owner.as_str(), [&ledger, &keys]);
    assert!(done && words.contains("not in it: 1."), "{words}");
    operator.does(&["migrate"]);
    // The newcomer's key, which this database does not know, stays in the file.
    let other = operator.file("ledger of the restored");
    let (done, words) = script("backup", addresses.backup.as_str(), [&other, &keys]);
    assert!(
        !done && words.contains("keys of 1 portals that this"),
        "{words}"
    );
    let new_keys = operator.file("keys of the restored");
    let (done, words) = script("backup", addresses.backup.as_str(), [&other, &new_keys]);
    assert!(done, "{words}");
    let (well, words) = operator.types(&["keys", "check"]);
    let shut: Vec<&str> = words
        .lines()
        .filter(|line| line.starts_with("does not open"))
        .collect();
    let of_neighbour =
        format!("does not open: portal {NEIGHBOUR}: its key, and with it everything");
    assert!(!well && shut == [of_neighbour], "{words}");
    operator.does(&["keys", "give-up", "--portal", &NEIGHBOUR.to_string()]);
    operator.does(&["keys", "check"]);
    operator.does(&["audit", "verify"]);
    let (whole, words) = operator.finds(&ends);
    assert!(whole, "{words}");
    // The gap shows.
    let (whole, words) = operator.finds(&later_ends);
    assert!(!whole && words.contains("BROKEN"), "{words}");
    forget_again(&operator).await;

    // The start. Nobody is signed in by a backup.
    control.expire_tokens(DEMO_HUB_ID).unwrap();
    operator.stage.serve().await;
    let page = format!("/portals/{DEMO_HUB_ID}/status.json");
    assert_eq!(operator.stage.browser.try_json(&page).await, None);
    let _worker = operator.worker("restored");
    operator.syncs();
    let refreshed = control.log(Some(DEMO_HUB_ID), None, calls, usize::MAX);
    assert!(
        refreshed
            .iter()
            .any(|call| call.kind.starts_with("oauth.") && call.token_generation.is_some()),
        "no token was refreshed: {refreshed:#?}"
    );
    let login = format!("{}/login", operator.stage.public_url());
    operator.stage.browser.install(&login, DEMO_HUB_ID).await;
    let status = operator
        .stage
        .wait("the rest", |status| {
            status["state"] == "active" && status["current_run"].is_null()
        })
        .await;
    let verdict = operator.verdict();
    assert_is_whole(&verdict, &forgotten);
    assert_eq!(status["transactions"], verdict.transactions);
    assert_eq!(status["synced"], verdict.records);
    assert_eq!(operator.records(), records, "records were made anew");
    // Who installed after the backup does so again; HubSpot has their records still.
    operator.installs(NEWCOMER).await;
    // Gifts that were not read before the loss, to who was forgotten.
    let late =
        [zoe(), yan()].map(|person| control.send_gift(DEMO_ORGANIZATION_ID, person).unwrap());
    operator.syncs();
    let all = [forgotten, late].concat();
    assert!(is_forgotten(&operator.verdict(), &all));
    assert_eq!(known(&operator.stage.scratch).await, Vec::<&str>::new());
}

/// Whose name or address any column of any table holds.
async fn known(scratch: &ScratchDatabase) -> Vec<&'static str> {
    let columns = scratch.dump().await.into_values();
    let columns: Vec<String> = columns.map(|column| column.to_lowercase()).collect();
    let has = |word: &str| columns.iter().any(|column| column.contains(word));
    [["zoe quill", "zoe.quill"], ["yan otero", "yan.otero"]]
        .into_iter()
        .filter(|words| words.iter().any(|word| has(word)))
        .map(|[name, _]| name)
        .collect()
}

/// Erases everybody again of whom the logs tell.
async fn forget_again(operator: &Operator) {
    // The backup has brought one of them back; the other comes with the first sync.
    assert_eq!(known(&operator.stage.scratch).await, ["zoe quill"]);
    let logs = [operator.file("before"), operator.file("after")];
    let logs = logs.map(|log| std::fs::read_to_string(log).unwrap());
    let both = operator.file("both");
    std::fs::write(&both, logs.concat()).unwrap();
    let words = operator.does(&["erase", "--log", both.to_str().unwrap()]);
    let told: Vec<&str> = words
        .lines()
        .filter_map(|line| Some(line.split_once(&format!("of portal {DEMO_HUB_ID}: "))?.1))
        .collect();
    assert_eq!(told.len(), 2, "{words}");
    assert!(told.contains(&"1 gifts were wiped"), "{words}");
    assert!(told.contains(&"0 gifts were wiped"), "{words}");
    assert_eq!(known(&operator.stage.scratch).await, Vec::<&str>::new());
    let (certain, words) = operator.types(&["erase", "--portal", "1", "--contact", "1"]);
    assert!(!certain && words.contains("no such portal"), "{words}");
}

#[tokio::test]
async fn what_would_be_no_backup_and_a_restore_onto_something_are_refused() {
    let scratch = ScratchDatabase::create().await;
    let folder = tempfile::tempdir().unwrap();
    let (ledger, keys) = (folder.path().join("ledger"), folder.path().join("keys"));
    // The owner sees one portal at a time.
    let (done, words) = script("backup", &scratch.owner_url, [&ledger, &keys]);
    assert!(!done && words.contains("BYPASSRLS"), "{words}");
    assert_eq!(
        folder.path().read_dir().unwrap().count(),
        0,
        "half a backup"
    );

    std::fs::write(&ledger, "of yesterday").unwrap();
    let (done, words) = script("backup", &scratch.owner_url, [&ledger, &keys]);
    assert!(!done && words.contains("is there already"), "{words}");
    assert_eq!(std::fs::read_to_string(&ledger).unwrap(), "of yesterday");

    let (done, words) = script("restore", &scratch.owner_url, [&ledger, &keys]);
    assert!(!done && words.contains("keys cannot be read"), "{words}");
    std::fs::write(&keys, "").unwrap();
    let (done, words) = script("restore", &scratch.owner_url, [&ledger, &keys]);
    assert!(!done && words.contains("is not empty"), "{words}");
}
