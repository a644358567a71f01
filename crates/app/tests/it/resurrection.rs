//! Nobody who was erased comes back, in whatever order people and machines act before and after it.

use chrono::TimeDelta;
use domain::run::RunKind;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use sandbox::control::Contact;
use serde_json::json;

use crate::erasing::{assert_nothing_of_the_person, tell_forgotten, to_zoe, zoe};
use crate::harness::crm::contact;
use crate::harness::{HUB, ORGANIZATION, World, empty_world};

/// Orders that are tried: each makes a world of its own.
const ORDERS: u32 = 16;

/// What happens.
#[derive(Debug, Clone, Copy)]
enum Act {
    /// The person gets another gift.
    Gift,
    /// Thnks writes the first gift anew, with the person's name.
    Edit,
    /// Somebody deletes the contact at HubSpot.
    Delete,
    /// Somebody takes it out of the recycle bin.
    Restore,
    /// Somebody merges it with a contact without gifts.
    Merge,
    /// Somebody makes a contact with the person's address.
    Return,
    /// We follow up on what HubSpot has told us.
    Follow,
    /// An hour goes by.
    Sync,
    Run(RunKind),
}

fn any_act() -> impl Strategy<Value = Act> {
    prop_oneof![
        Just(Act::Gift),
        Just(Act::Edit),
        Just(Act::Delete),
        Just(Act::Restore),
        Just(Act::Merge),
        Just(Act::Return),
        Just(Act::Follow),
        Just(Act::Sync),
        prop::sample::select(vec![RunKind::Resync, RunKind::Reassociate, RunKind::Check])
            .prop_map(Act::Run),
    ]
}

/// The person, and what HubSpot and Thnks have of them.
struct Story {
    world: World,
    /// Where HubSpot tells us of its events.
    target: url::Url,
    session: app::session::Session,
    gifts: Vec<String>,
    contact: u64,
    other: Option<u64>,
    is_deleted: bool,
    is_erased: bool,
}

impl Story {
    async fn begin() -> Self {
        let world = empty_world().await;
        let contact_id = zoe(&world);
        let other = contact(&world, "somebody@home.example", &[], None);
        let gift = to_zoe(&world);
        let session = world.backfilled().await;
        let target = world.listen().await;
        Self {
            world,
            target,
            session,
            gifts: vec![gift],
            contact: contact_id,
            other: Some(other),
            is_deleted: false,
            is_erased: false,
        }
    }

    async fn act(&mut self, act: Act) {
        let control = &self.world.control;
        let may_change = !self.is_erased;
        match act {
            Act::Gift => self.gifts.push(to_zoe(&self.world)),
            Act::Edit => {
                let person = json!({"recipient": {"name": "Zoe Quill", "email": "zoe.quill@client.example", "phone": null}});
                control
                    .edit_transaction(ORGANIZATION, &self.gifts[0], &person)
                    .unwrap();
            }
            Act::Delete if may_change && !self.is_deleted => {
                control
                    .delete_record(HUB, "contacts", self.contact, false)
                    .unwrap();
                self.is_deleted = true;
            }
            Act::Restore if may_change && self.is_deleted => {
                control
                    .restore_record(HUB, "contacts", self.contact)
                    .unwrap();
                self.is_deleted = false;
            }
            Act::Merge if may_change && !self.is_deleted => {
                if let Some(other) = self.other.take() {
                    self.contact = control
                        .merge_records(HUB, "contacts", other, self.contact)
                        .unwrap();
                }
            }
            Act::Return => {
                let again = Contact {
                    email: Some("zoe.quill@client.example".into()),
                    ..Contact::default()
                };
                // HubSpot may refuse it: somebody has the address, or asked to be forgotten with it.
                let _ = control.add_contact(HUB, &again);
            }
            Act::Follow => self.world.follow().await,
            Act::Sync => self.world.sync().await,
            Act::Run(kind) => self.world.run(&self.session, kind).await,
            // Who is gone is not deleted, restored or merged.
            Act::Delete | Act::Restore | Act::Merge => {}
        }
    }

    /// The person asks HubSpot to be forgotten, of which it tells at once or late.
    async fn erase(&mut self, is_told_late: bool) {
        self.is_erased = true;
        if !self.is_deleted {
            let control = &self.world.control;
            if is_told_late {
                self.world.delivered().await;
                control.set_webhook_target(None);
            }
            control
                .delete_record(HUB, "contacts", self.contact, true)
                .unwrap();
            control.set_webhook_target(Some(self.target.clone()));
        } else if !is_told_late {
            self.hear().await;
        }
    }

    /// HubSpot tells that the contact asked to be forgotten, for the first time or again.
    async fn hear(&self) {
        // HubSpot forgets out of the recycle bin too, and tells of it in the same way.
        tell_forgotten(&self.world, self.contact).await;
    }
}

async fn tell(before: &[Act], is_told_late: bool, after: &[Act]) {
    let mut story = Story::begin().await;
    for act in before {
        story.act(*act).await;
    }
    story.erase(is_told_late).await;
    let mut is_followed = false;
    for act in after {
        story.act(*act).await;
        is_followed |= matches!(act, Act::Follow) && !is_told_late;
        if is_followed {
            assert_nothing_of_the_person(&story.world, &[]).await;
        }
    }
    if is_told_late {
        story.hear().await;
    }
    story.world.follow().await;
    story.world.let_pass(TimeDelta::seconds(1));
    story.world.sync().await;
    story.world.run(&story.session, RunKind::Resync).await;
    story.world.run(&story.session, RunKind::Reassociate).await;
    let gifts: Vec<&String> = story.gifts.iter().collect();
    assert_nothing_of_the_person(&story.world, &gifts).await;
    story.world.end().await;
}

#[test]
fn nobody_who_was_erased_comes_back_whatever_happens_in_whatever_order() {
    let acts = |most| prop::collection::vec(any_act(), 0..most);
    let mut runner = TestRunner::new(Config {
        cases: ORDERS,
        max_shrink_iters: 32,
        failure_persistence: None,
        ..Config::default()
    });
    let outcome = runner.run(
        &(acts(5), any::<bool>(), acts(6)),
        |(before, is_told_late, after)| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(tell(&before, is_told_late, &after));
            Ok(())
        },
    );
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}
