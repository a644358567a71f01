//! The marketplace's Install button: where it leads, and what it asks of an app on the way back.

use std::collections::BTreeMap;

use sandbox::DEMO_HUB_ID;
use url::Url;

use crate::harness::{Bench, REDIRECT, Reply, reply};

type Parameters = BTreeMap<String, String>;

async fn click(bench: &Bench, redirect_uri: &str, steps: &str) -> (u16, String, String) {
    let query = [("redirect_uri", redirect_uri), ("steps", steps)];
    let url = bench.url("/marketplace/install");
    let answer = bench.client.get(url).query(&query).send().await.unwrap();
    let location = answer.headers().get("location");
    let location = location
        .map_or("", |value| value.to_str().unwrap())
        .to_owned();
    (
        answer.status().as_u16(),
        location,
        answer.text().await.unwrap(),
    )
}

fn install(page: &str) -> String {
    let (_, rest) = page.split_once("name=\"install\" value=\"").unwrap();
    rest.split('"').next().unwrap().to_owned()
}

async fn decide(bench: &Bench, install: &str, decision: &str) -> Reply {
    let form = [
        ("install", install),
        ("hub_id", &DEMO_HUB_ID.to_string()),
        ("decision", decision),
    ];
    let url = bench.url("/marketplace/decision");
    reply(bench.client.post(url).form(&form)).await
}

fn parameters(location: &str) -> Parameters {
    assert!(location.starts_with(REDIRECT), "{location}");
    let url: Url = location.parse().unwrap();
    url.query_pairs().into_owned().collect()
}

fn location(reply: &Reply) -> &str {
    assert_eq!(reply.status, 302, "{}", reply.body);
    reply.headers["location"].to_str().unwrap()
}

async fn page(bench: &Bench, url: &str) -> (u16, String) {
    let answer = bench.client.get(url).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test]
async fn the_direct_form_calls_the_app_with_a_code_and_no_state() {
    let bench = Bench::start().await;
    let (status, _, html) = click(&bench, REDIRECT, "false").await;
    assert_eq!(status, 200);
    assert!(html.contains("Connect app") && html.contains("crm.objects.custom.write"));
    let install = install(&html);
    let decided = decide(&bench, &install, "connect").await;
    let call = parameters(location(&decided));
    assert_eq!(call.keys().collect::<Vec<_>>(), ["code", "returnUrl"]);
    let back = &call["returnUrl"];
    assert!(
        back.starts_with(&bench.url("/marketplace/return?install=")),
        "{back}"
    );
    // The referee: not before the code is exchanged, and to this address alone.
    let (status, html) = page(&bench, back).await;
    assert!(
        status == 400 && html.contains("before it has exchanged"),
        "{html}"
    );
    assert_eq!(bench.exchange(&call["code"]).await.status, 200);
    for more in ["&state=x", "&code=x"] {
        assert_eq!(
            page(&bench, &format!("{back}{more}")).await.0,
            400,
            "{more}"
        );
    }
    let (status, html) = page(&bench, back).await;
    assert!(status == 200 && html.contains("is installed"), "{html}");
    let again = decide(&bench, &install, "connect").await;
    assert_eq!(again.status, 400, "it is decided once");
}

#[tokio::test]
async fn in_steps_the_app_is_asked_for_a_state_first_and_gets_it_back() {
    let bench = Bench::start().await;
    let (status, location_of, _) = click(&bench, REDIRECT, "true").await;
    assert_eq!(status, 302);
    let call = parameters(&location_of);
    assert_eq!(call["step"], "authorize");
    assert_eq!(call.keys().collect::<Vec<_>>(), ["returnUrl", "step"]);
    let back = &call["returnUrl"];
    for wrong in ["", "&state=", "&other=x", "&state=x&code=y"] {
        let (status, html) = page(&bench, &format!("{back}{wrong}")).await;
        assert!(
            status == 400 && html.contains("its state"),
            "{wrong}: {html}"
        );
    }
    let (status, html) = page(&bench, &format!("{back}&state=of-the-app%26")).await;
    assert_eq!(status, 200);
    let decided = decide(&bench, &install(&html), "connect").await;
    let call = parameters(location(&decided));
    assert_eq!(
        call.keys().collect::<Vec<_>>(),
        ["code", "returnUrl", "state", "step"]
    );
    assert_eq!(
        (&*call["step"], &*call["state"]),
        ("finalize", "of-the-app&")
    );
    assert_eq!(bench.exchange(&call["code"]).await.status, 200);
    let (status, html) = page(&bench, &call["returnUrl"]).await;
    assert!(status == 200 && html.contains("is installed"), "{html}");
}

#[tokio::test]
async fn calling_it_off_leads_to_no_app() {
    let bench = Bench::start().await;
    let (_, _, html) = click(&bench, REDIRECT, "false").await;
    let install = install(&html);
    let off = decide(&bench, &install, "cancel").await;
    assert_eq!(off.status, 200);
    assert!(!off.headers.contains_key("location"));
    assert_eq!(decide(&bench, &install, "connect").await.status, 400);
    assert_eq!(decide(&bench, "never-begun", "connect").await.status, 400);
}

#[tokio::test]
async fn an_install_button_leads_to_a_registered_address_alone() {
    let bench = Bench::start().await;
    for wrong in ["", "http://evil.example/callback", "javascript:x"] {
        assert_eq!(click(&bench, wrong, "true").await.0, 400, "{wrong}");
    }
}

#[tokio::test]
async fn a_verifier_for_a_code_without_a_challenge_is_refused() {
    let bench = Bench::start().await;
    let (_, _, html) = click(&bench, REDIRECT, "false").await;
    let decided = decide(&bench, &install(&html), "connect").await;
    let code = parameters(location(&decided))["code"].clone();
    let fields = [
        ("grant_type", "authorization_code"),
        ("client_id", sandbox::CLIENT_ID),
        ("client_secret", sandbox::CLIENT_SECRET),
        ("redirect_uri", REDIRECT),
        ("code", &code),
        (
            "code_verifier",
            "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
        ),
    ];
    let refused = bench.form("/oauth/2026-09/token", &fields).await;
    assert_eq!(refused.status, 400);
    assert_eq!(refused.body["status"], "BAD_CODE_VERIFIER");
}
