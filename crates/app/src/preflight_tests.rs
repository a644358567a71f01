//! What the list says of portals in every state.

use store::portals::AssociationTypes;

use super::*;

fn portal() -> Portal {
    let held = |type_id| {
        Some(AssociationType {
            category: "USER_DEFINED".into(),
            type_id,
        })
    };
    Portal {
        organization_id: None,
        hub_domain: None,
        ui_domain: "app.hubspot.com".into(),
        time_zone: "UTC".into(),
        object_type_id: Some("2-123".into()),
        association_types: Some(AssociationTypes {
            contact: held(1),
            company: held(2),
            deal: held(3),
        }),
        needs: Vec::new(),
        synced_through: None,
        backfilled_at: None,
        paused_at: None,
        disconnected_at: None,
        erasing_at: None,
        thnks_connected: true,
        organization_name: Some("Northwind".into()),
        rules: domain::matching::Rules::default(),
        scopes: None,
        next_sync_at: None,
        next_reassociate_at: None,
        counters: store::statistics::Counters::default(),
        current_run: None,
        last_run: None,
    }
}

fn all_scopes() -> Vec<String> {
    let optional = scopes::OPTIONAL.map(|scope| scope.name);
    let all = scopes::REQUIRED.into_iter().chain(optional);
    all.map(str::to_owned).collect()
}

fn with(code: NeedCode, detail: &str) -> Portal {
    let need = Need {
        code,
        detail: detail.into(),
        remedy: "Mend it.".into(),
    };
    Portal {
        needs: vec![need],
        ..portal()
    }
}

fn items(portal: &Portal, granted: Option<&[String]>) -> Vec<Item> {
    let groups = groups(portal, granted).into_iter();
    groups.flat_map(|group| group.items).collect()
}

fn found(portal: &Portal, granted: Option<&[String]>, what: &What) -> Found {
    let all = items(portal, granted);
    all.into_iter()
        .find(|item| item.what == *what)
        .map(|item| item.found)
        .expect("an item of the list")
}

fn is_bad(found: &Found) -> bool {
    matches!(found, Found::Bad { .. })
}

#[test]
fn where_all_is_well_everything_is_good() {
    let all = items(&portal(), Some(&all_scopes()));
    let others: Vec<_> = all
        .iter()
        .filter(|item| item.found != Found::Good)
        .collect();
    assert!(others.is_empty(), "{others:?}");
    assert_eq!(
        all.len(),
        2 + scopes::REQUIRED.len() + scopes::OPTIONAL.len() + 2 + record::PROPERTIES.len() + 3
    );
}

#[test]
fn an_optional_scope_that_is_missing_is_off_and_hides_nothing() {
    let granted: Vec<String> = scopes::REQUIRED.map(str::to_owned).into();
    let all = items(&portal(), Some(&granted));
    let off = |item: &&Item| matches!(item.found, Found::Off(_));
    assert_eq!(all.iter().filter(off).count(), scopes::OPTIONAL.len());
    assert!(!all.iter().any(|item| is_bad(&item.found)));
}

#[test]
fn a_missing_scope_is_named_and_nobody_looked_further() {
    let granted = all_scopes();
    let portal = with(
        NeedCode::ScopeMissing,
        "HubSpot did not grant the permission crm.objects.custom.write.",
    );
    let missing = What::Scope("crm.objects.custom.write");
    assert!(is_bad(&found(&portal, Some(&granted), &missing)));
    let other = What::Scope("crm.objects.custom.read");
    assert_eq!(found(&portal, Some(&granted), &other), Found::Good);
    for what in [
        What::Tier,
        What::Object(Some("2-123".into())),
        What::Property("Status", "status"),
        What::Association("deals"),
    ] {
        assert_eq!(found(&portal, Some(&granted), &what), Found::NotLookedAt);
    }
    // The same where the grant itself lacks it.
    let fewer = &granted[1..];
    let lacking = What::Scope(scopes::REQUIRED[0]);
    assert!(is_bad(&found(&self::portal(), Some(fewer), &lacking)));
}

#[test]
fn a_property_that_differs_is_the_only_bad_one() {
    let mut portal = with(
        NeedCode::PropertyDiffers,
        "The property \"Status\" (status) lacks the options donated.",
    );
    // Also before the object has ever been as it should be.
    portal.object_type_id = None;
    portal.association_types = None;
    let granted = all_scopes();
    let all = items(&portal, Some(&granted));
    let bad: Vec<_> = all.iter().filter(|item| is_bad(&item.found)).collect();
    assert_eq!(bad.len(), 1);
    assert_eq!(bad[0].what, What::Property("Status", "status"));
    let others = all.iter().filter(|item| item.found == Found::NotLookedAt);
    assert_eq!(others.count(), 0);
}

#[test]
fn an_association_that_is_missing_is_told_from_a_property() {
    let portal = with(
        NeedCode::PropertyDiffers,
        "The Thnks object cannot be associated with deals.",
    );
    let granted = all_scopes();
    assert!(is_bad(&found(
        &portal,
        Some(&granted),
        &What::Association("deals")
    )));
    let contacts = What::Association("contacts");
    assert_eq!(found(&portal, Some(&granted), &contacts), Found::Good);
}

#[test]
fn without_a_subscription_or_an_object_what_depends_on_it_was_not_looked_at() {
    let granted = all_scopes();
    let object = What::Object(Some("2-123".into()));
    let no_tier = with(NeedCode::TierMissing, "No custom objects.");
    assert!(is_bad(&found(&no_tier, Some(&granted), &What::Tier)));
    assert_eq!(found(&no_tier, Some(&granted), &object), Found::NotLookedAt);
    let no_object = with(NeedCode::ObjectMissing, "No object.");
    assert_eq!(found(&no_object, Some(&granted), &What::Tier), Found::Good);
    assert!(is_bad(&found(&no_object, Some(&granted), &object)));
    let status = What::Property("Status", "status");
    assert_eq!(
        found(&no_object, Some(&granted), &status),
        Found::NotLookedAt
    );
}

#[test]
fn a_disconnected_portal_has_only_that_to_say() {
    let portal = with(NeedCode::AuthorizationLost, "This portal was disconnected.");
    let all = items(&portal, None);
    let bad: Vec<_> = all.iter().filter(|item| is_bad(&item.found)).collect();
    assert_eq!(bad.len(), 1);
    assert_eq!(bad[0].what, What::HubSpot);
}
