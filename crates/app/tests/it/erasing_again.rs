//! Erasing again after a restore, by the tombstones that the log has kept: the person is found whatever became of their
//! contact, and known when Thnks tells of them anew.

use app::erase::{Again, TombstoneSet, again};
use app::testing::lost_tombstones;
use domain::{HubId, RecordId};
use secrecy::SecretString;
use store::PortalScope;

use crate::erasing::{assert_nothing_of_the_person, everything, to_zoe, zoe};
use crate::harness::{World, empty_world, scope};

/// A contact of which this ledger has never heard.
const UNHEARD_OF: RecordId = RecordId(4_711);
const NAMES: [&str; 2] = ["zoe.quill@client.example", "+12025550123"];

async fn erase_again(world: &World, tombstones: &TombstoneSet) -> Again {
    again(&world.app, scope(), UNHEARD_OF, Some(tombstones))
        .await
        .unwrap()
        .unwrap()
}

#[tokio::test]
async fn the_logs_tombstones_find_gifts_whose_contact_is_another_one_now() {
    let world = empty_world().await;
    zoe(&world);
    let before = to_zoe(&world);
    world.backfilled().await;
    assert!(everything(&world).await.contains("zoe quill"));
    let told = again(&world.app, scope(), UNHEARD_OF, None).await.unwrap();
    assert_eq!(told.unwrap().gifts, 0, "nothing leads to the contact");

    let tombstones = lost_tombstones(&world.app, scope(), &NAMES).await.unwrap();
    let expected = |gifts| Again {
        gifts,
        is_remembered: true,
    };
    assert_eq!(erase_again(&world, &tombstones).await, expected(1));
    // Lines may be followed more than once.
    assert_eq!(erase_again(&world, &tombstones).await, expected(0));
    world.drain().await;
    let after = to_zoe(&world);
    world.sync().await;
    assert_nothing_of_the_person(&world, &[&before, &after]).await;
    world.end().await;
}

#[tokio::test]
async fn who_had_no_gift_yet_is_known_when_the_first_one_comes() {
    let world = empty_world().await;
    world.backfilled().await;
    let tombstones = lost_tombstones(&world.app, scope(), &NAMES).await.unwrap();
    let again = erase_again(&world, &tombstones).await;
    assert!(again.is_remembered && again.gifts == 0);
    zoe(&world);
    let gift = to_zoe(&world);
    world.sync().await;
    assert_nothing_of_the_person(&world, &[&gift]).await;
    world.end().await;
}

#[tokio::test]
async fn beside_another_key_gifts_are_found_and_who_has_none_is_not_remembered() {
    let world = empty_world().await;
    zoe(&world);
    let gift = to_zoe(&world);
    world.backfilled().await;
    // Somebody was erased since the restore, so that the portal has another key.
    let other = lost_tombstones(&world.app, scope(), &["bo@client.example"])
        .await
        .unwrap();
    assert!(erase_again(&world, &other).await.is_remembered);
    let tombstones = lost_tombstones(&world.app, scope(), &NAMES).await.unwrap();
    let again = erase_again(&world, &tombstones).await;
    assert_eq!((again.gifts, again.is_remembered), (1, false));
    world.drain().await;
    assert_nothing_of_the_person(&world, &[&gift]).await;
    world.end().await;
}

#[tokio::test]
async fn tombstones_of_another_portal_say_nothing_here() {
    let world = empty_world().await;
    zoe(&world);
    to_zoe(&world);
    world.backfilled().await;
    let other = HubId(4_712);
    let key = SecretString::from(sandbox::THNKS_API_KEY);
    app::testing::insert_idle_portal(&world.app, other, &key)
        .await
        .unwrap();
    let tombstones = lost_tombstones(&world.app, PortalScope::from_grant(other), &NAMES)
        .await
        .unwrap();
    let again = erase_again(&world, &tombstones).await;
    assert_eq!((again.gifts, again.is_remembered), (0, false));
    assert!(everything(&world).await.contains("zoe quill"));
    world.end().await;
}
