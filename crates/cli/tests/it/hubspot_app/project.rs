//! The files that HubSpot reads. What is the operator's, such as the address of the service, comes from a profile
//! (`hsprofile.NAME.json`), whose variables HubSpot's tools put in place of `${NAME}`.

use domain::scopes;
use hubspot::webhooks::{Subscription, subscriptions};
use serde::Serialize;
use serde_json::json;

/// Where HubSpot sends people back to.
pub(super) const CALLBACK: &str = "/oauth/callback";
/// Where HubSpot delivers events.
pub(super) const EVENTS: &str = "/webhooks/hubspot";
/// HubSpot's platform for developers: current since September 2026 (facts/hubspot.md §0.2).
pub(super) const PLATFORM: &str = "2026.09";
/// Parallel deliveries of events: HubSpot's own default (§7.3); one takes a single statement.
const DELIVERIES: u32 = 10;

/// One `*-hsmeta.json`. Structs, not maps: the order of their fields is the file's.
#[derive(Serialize)]
struct Component<C> {
    uid: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
    config: C,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct App {
    name: &'static str,
    description: &'static str,
    distribution: &'static str,
    auth: Auth,
    permitted_urls: PermittedUrls,
    support: Support,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Auth {
    #[serde(rename = "type")]
    kind: &'static str,
    redirect_urls: [String; 1],
    required_scopes: Vec<&'static str>,
    optional_scopes: Vec<&'static str>,
    conditionally_required_scopes: [&'static str; 0],
}

/// What cards and pages inside HubSpot may reach: the app has none.
#[derive(Default, Serialize)]
struct PermittedUrls {
    fetch: [&'static str; 0],
    iframe: [&'static str; 0],
    img: [&'static str; 0],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "HubSpot's own names")]
struct Support {
    support_email: &'static str,
    documentation_url: &'static str,
    support_url: &'static str,
}

#[derive(Serialize)]
struct Webhooks {
    settings: Settings,
    subscriptions: Subscriptions,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Settings {
    target_url: String,
    max_concurrent_requests: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Subscriptions {
    crm_objects: [Subscribed; 0],
    legacy_crm_objects: Vec<Subscribed>,
    hub_events: Vec<Subscribed>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Subscribed {
    subscription_type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    property_name: Option<&'static str>,
    active: bool,
}

fn app() -> Component<App> {
    Component {
        uid: "thnks_app",
        kind: "app",
        config: App {
            name: "Thnks",
            description: "Every Thnks your people send becomes a record in HubSpot, linked to its contact, company and open deals.",
            distribution: "marketplace",
            auth: Auth {
                kind: "oauth",
                redirect_urls: [format!("${{PUBLIC_URL}}{CALLBACK}")],
                required_scopes: scopes::REQUIRED.to_vec(),
                optional_scopes: scopes::OPTIONAL.map(|scope| scope.name).to_vec(),
                conditionally_required_scopes: [],
            },
            permitted_urls: PermittedUrls::default(),
            support: Support {
                support_email: "${SUPPORT_EMAIL}",
                documentation_url: "${DOCUMENTATION_URL}",
                support_url: "${SUPPORT_URL}",
            },
        },
    }
}

fn webhooks() -> Component<Webhooks> {
    let (hub_events, of_records): (Vec<_>, Vec<_>) = subscriptions()
        .into_iter()
        .partition(|subscription| subscription.is_hub_event);
    let list = |all: Vec<Subscription>| {
        let subscribed = |one: Subscription| Subscribed {
            subscription_type: one.event,
            property_name: one.property,
            active: true,
        };
        all.into_iter().map(subscribed).collect()
    };
    Component {
        uid: "thnks_webhooks",
        kind: "webhooks",
        config: Webhooks {
            settings: Settings {
                target_url: format!("${{PUBLIC_URL}}{EVENTS}"),
                max_concurrent_requests: DELIVERIES,
            },
            subscriptions: Subscriptions {
                crm_objects: [],
                legacy_crm_objects: list(of_records),
                hub_events: list(hub_events),
            },
        },
    }
}

fn pretty(content: &impl Serialize) -> String {
    let mut text = serde_json::to_string_pretty(content).unwrap();
    text.push('\n');
    text
}

/// The project's files.
pub(super) fn files() -> Vec<(&'static str, String)> {
    vec![
        (
            "hsproject.json",
            pretty(&json!({"name": "thnks", "platformVersion": PLATFORM, "srcDir": "src"})),
        ),
        ("src/app/app-hsmeta.json", pretty(&app())),
        ("src/app/webhooks/webhooks-hsmeta.json", pretty(&webhooks())),
    ]
}
