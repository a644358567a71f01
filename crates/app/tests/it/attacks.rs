//! Somebody leads another person's browser to our callback with a consent of their own, so that what the other then does
//! happens in the attacker's portal.

use domain::HubId;
use sandbox::control::NewPortal;
use secrecy::ExposeSecret;

use crate::harness::marketplace::open;
use crate::harness::{Back, HUB, World, empty_world};

/// The attacker's portal.
const THEIRS: i64 = 77;

/// A portal with one person in it.
fn attackers() -> NewPortal {
    NewPortal {
        hub_id: THEIRS,
        name: "Attacker".into(),
        enterprise: true,
        users: Vec::new(),
        organization: None,
        transactions: 0,
        recipients: None,
    }
}

/// The address that HubSpot leads a browser to after a consent.
async fn callback(world: &World, back: &Back) -> String {
    let mut url = world.listen().await.join("/oauth/callback").unwrap();
    url.query_pairs_mut()
        .append_pair("code", &back.code)
        .append_pair("state", &back.state);
    url.into()
}

#[tokio::test]
async fn an_attackers_consent_in_a_victims_browser_opens_no_session_and_stores_nothing() {
    let world = empty_world().await;
    world.control.add_portal(&attackers()).unwrap();
    // The victim is signed in to their own portal, and has begun to sign in once more.
    let back = world.consent(&world.begin(None).await, HUB, None).await;
    let signed_in = world.complete(&back).await.unwrap().session_token;
    let begun = world.begin(None).await;
    let (session, install) = (
        signed_in.expose_secret(),
        begun.browser_token.expose_secret(),
    );
    // The attacker consents in their own browser and keeps what HubSpot sends back, unused.
    let started = world.begin(None).await;
    let theirs = world.consent(&started, THEIRS, None).await;
    let lure = callback(&world, &theirs).await;

    let before = world.scratch.digest().await;
    for cookies in [
        String::new(),
        format!("session={session}"),
        format!("install={install}"),
        format!("session={session}; install={install}"),
        format!("session={session}; install={session}; marketplace={install}"),
    ] {
        let seen = open(&lure, &cookies).await;
        assert_eq!(
            (seen.status, seen.location.as_str()),
            (400, ""),
            "{cookies}"
        );
        assert_eq!(seen.cookie("session"), None, "{cookies}");
        assert!(seen.body.contains("This attempt is over"), "{}", seen.body);
        assert_eq!(world.scratch.digest().await, before, "{cookies}");
    }
    assert!(!world.is_installed(THEIRS), "the code has been exchanged");
    // The victim is who they were, where they were.
    let victim = world.session(session).await.unwrap();
    assert_eq!(victim.hub_id, HubId(HUB));
    // It was a good consent: in the attacker's own browser it opens the attacker's own portal.
    let own = format!("install={}", theirs.browser_token.expose_secret());
    let seen = open(&lure, &own).await;
    assert_eq!(seen.location, format!("/portals/{THEIRS}"), "{}", seen.body);
    let opened = world.session(seen.cookie("session").unwrap()).await;
    assert_eq!(opened.unwrap().hub_id, HubId(THEIRS));
    world.end().await;
}
