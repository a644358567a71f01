//! Consent, codes, tokens, revocation.

use sandbox::{CLIENT_ID, CLIENT_SECRET, Config, DEMO_HUB_ID, IntrospectField, Rules, WorldSpec};
use serde_json::json;

use crate::harness::{Bench, REDIRECT, now, reply};

async fn page(
    bench: &Bench,
    change: impl FnOnce(&mut std::collections::BTreeMap<String, String>),
) -> (u16, String) {
    let mut ask = Bench::ask();
    change(&mut ask);
    let response = bench
        .client
        .get(bench.sandbox.authorize_url())
        .query(&ask)
        .send()
        .await
        .unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

#[tokio::test]
async fn the_consent_page_names_the_scopes_and_works_as_a_form() {
    let bench = Bench::start().await;
    let (status, html) = page(&bench, |_| ()).await;
    assert_eq!(status, 200);
    for part in [
        "Connect app",
        "Cancel",
        "crm.objects.custom.write",
        "(sandbox)",
        "crm.objects.deals.read",
    ] {
        assert!(html.contains(part), "{part}");
    }
    let mut form = Bench::ask();
    form.insert("hub_id".into(), DEMO_HUB_ID.to_string());
    form.insert("decision".into(), "connect".into());
    let decided = bench
        .client
        .post(bench.url("/oauth/authorize/decision"))
        .form(&form);
    let reply = reply(decided).await;
    assert_eq!(reply.status, 302);
    let location = reply.headers["location"].to_str().unwrap();
    assert!(
        location.starts_with(REDIRECT)
            && location.contains("code=na1-")
            && location.contains("state=xyz")
    );
}

#[tokio::test]
async fn cancelling_leads_back_with_access_denied() {
    let bench = Bench::start().await;
    let mut form = Bench::ask();
    form.insert("decision".into(), "cancel".into());
    let reply = reply(
        bench
            .client
            .post(bench.url("/oauth/authorize/decision"))
            .form(&form),
    )
    .await;
    let location = reply.headers["location"].to_str().unwrap();
    assert!(location.contains("error=access_denied") && location.contains("state=xyz"));
}

#[tokio::test]
async fn a_url_that_does_not_match_the_app_gets_an_error_page() {
    let bench = Bench::start().await;
    for (name, value) in [
        ("client_id", "somebody-else"),
        ("redirect_uri", "http://evil.example/callback"),
        ("scope", "oauth crm.objects.contacts.read"),
        ("optional_scope", "crm.objects.quotes.read"),
        ("code_challenge", "plain-without-method"),
    ] {
        let (status, html) = page(&bench, |ask| {
            ask.insert(name.into(), value.into());
        })
        .await;
        assert_eq!(status, 400, "{name}");
        assert!(!html.contains("Connect app"), "{name}");
    }
}

#[tokio::test]
async fn a_portal_without_enterprise_cannot_grant_custom_objects() {
    let spec = WorldSpec {
        enterprise: false,
        ..WorldSpec::small(now(), 10)
    };
    let bench = Bench::with(Config::new(spec)).await;
    let refused = bench
        .control()
        .authorize(DEMO_HUB_ID, &Bench::ask())
        .unwrap_err();
    assert!(refused.0.contains("lacks features"), "{refused}");
}

#[tokio::test]
async fn an_optional_scope_that_is_not_approved_is_dropped_silently() {
    let mut config = Config::new(WorldSpec::small(now(), 10));
    config.rules.schema_write_approved = false;
    let bench = Bench::with(config).await;
    let tokens = bench.install_in(DEMO_HUB_ID).await;
    let scopes = tokens["scopes"].as_array().unwrap();
    assert!(!scopes.contains(&json!("crm.schemas.custom.write")));
    assert!(scopes.contains(&json!("crm.objects.deals.read")));
}

#[tokio::test]
async fn a_code_is_good_for_one_exchange() {
    let bench = Bench::start().await;
    let code = bench
        .control()
        .authorize(DEMO_HUB_ID, &Bench::ask())
        .unwrap();
    let first = bench.exchange(&code).await;
    assert_eq!(first.status, 200);
    assert_eq!(first.body["expires_in"], 1800);
    assert_eq!(first.body["hub_id"], DEMO_HUB_ID);
    let second = bench.exchange(&code).await;
    assert_eq!(second.status, 400);
    assert_eq!(second.body["status"], "BAD_AUTH_CODE");
    assert_eq!(second.body["error"], "invalid_grant");
    assert_eq!(second.body["error_description"], second.body["message"]);
}

#[tokio::test]
async fn the_code_verifier_must_match_the_challenge() {
    let bench = Bench::start().await;
    let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let mut ask = Bench::ask();
    // The example of RFC 7636, appendix B.
    ask.insert(
        "code_challenge".into(),
        "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM".into(),
    );
    ask.insert("code_challenge_method".into(), "S256".into());
    let fields = |code: String, verifier: &'static str| {
        vec![
            ("grant_type", "authorization_code".to_owned()),
            ("client_id", CLIENT_ID.to_owned()),
            ("client_secret", CLIENT_SECRET.to_owned()),
            ("redirect_uri", REDIRECT.to_owned()),
            ("code", code),
            ("code_verifier", verifier.to_owned()),
        ]
    };
    for (given, status) in [("wrong", 400), (verifier, 200)] {
        let code = bench.control().authorize(DEMO_HUB_ID, &ask).unwrap();
        let url = bench.url("/oauth/v3/token");
        let reply = reply(bench.client.post(url).form(&fields(code, given))).await;
        assert_eq!(reply.status, status, "{}", reply.body);
        if status == 400 {
            assert_eq!(reply.body["status"], "BAD_CODE_VERIFIER");
        }
    }
}

#[tokio::test]
async fn secrets_are_refused_in_the_query_and_json_bodies_too() {
    let bench = Bench::start().await;
    let portal = bench.install().await;
    let query = [
        ("grant_type", "refresh_token"),
        ("client_id", CLIENT_ID),
        ("client_secret", CLIENT_SECRET),
        ("refresh_token", &portal.refresh_token),
    ];
    for (version, status) in [
        ("2026-09", 400),
        ("2026-03", 400),
        ("v3", 400),
        ("v1", 200),
        ("2025-01", 404),
    ] {
        let url = bench.url(&format!("/oauth/{version}/token"));
        let request = bench
            .client
            .post(url)
            .query(&query)
            .form::<[(&str, &str); 0]>(&[]);
        assert_eq!(reply(request).await.status, status, "{version}");
    }
    let request = bench
        .client
        .post(bench.url("/oauth/2026-09/token"))
        .json(&json!({}));
    assert_eq!(reply(request).await.status, 415);
}

#[tokio::test]
async fn client_mistakes_have_their_own_status() {
    let bench = Bench::start().await;
    let portal = bench.install().await;
    for (field, value, status) in [
        ("client_id", "x", "BAD_CLIENT_ID"),
        ("client_secret", "x", "BAD_CLIENT_SECRET"),
        ("grant_type", "x", "BAD_GRANT_TYPE"),
        ("refresh_token", "x", "BAD_REFRESH_TOKEN"),
    ] {
        let mut fields = vec![
            ("grant_type", "refresh_token"),
            ("client_id", CLIENT_ID),
            ("client_secret", CLIENT_SECRET),
            ("refresh_token", portal.refresh_token.as_str()),
        ];
        for pair in fields.iter_mut().filter(|pair| pair.0 == field) {
            pair.1 = value;
        }
        let reply = bench.form("/oauth/2026-09/token", &fields).await;
        assert_eq!(
            (reply.status.as_u16(), &reply.body["status"]),
            (400, &json!(status))
        );
    }
}

#[tokio::test]
async fn refreshing_keeps_the_refresh_token_unless_rotation_is_on() {
    let bench = Bench::start().await;
    let portal = bench.install().await;
    let same = bench.refresh(&portal.refresh_token).await;
    assert_eq!(same.body["refresh_token"], portal.refresh_token);
    bench.control().set_rules(Rules {
        rotate_refresh_tokens: true,
        ..Rules::default()
    });
    let rotated = bench.refresh(&portal.refresh_token).await;
    assert_ne!(rotated.body["refresh_token"], portal.refresh_token);
    let old = bench.refresh(&portal.refresh_token).await;
    assert_eq!(old.body["status"], "BAD_REFRESH_TOKEN");
}

#[tokio::test]
async fn an_expired_or_unknown_token_is_401() {
    let bench = Bench::start().await;
    let mut portal = bench.install().await;
    bench.control().expire_tokens(DEMO_HUB_ID).unwrap();
    let path = "/account-info/2026-09/details";
    let expired = portal.get(path).await;
    assert_eq!(
        (expired.status.as_u16(), &expired.body["category"]),
        (401, &json!("EXPIRED_AUTHENTICATION"))
    );
    portal.token = "nonsense".into();
    let unknown = portal.get(path).await;
    assert_eq!(
        (unknown.status.as_u16(), &unknown.body["category"]),
        (401, &json!("INVALID_AUTHENTICATION"))
    );
    portal.token = bench.refresh(&portal.refresh_token).await.body["access_token"]
        .as_str()
        .unwrap()
        .into();
    assert_eq!(portal.get(path).await.body["portalId"], DEMO_HUB_ID);
}

#[tokio::test]
async fn introspection_takes_the_token_by_the_name_the_rules_want() {
    let bench = Bench::start().await;
    let portal = bench.install().await;
    for (rule, token_status, hint_status) in [
        (IntrospectField::Both, 200, 200),
        (IntrospectField::Token, 200, 400),
        (IntrospectField::HintNamed, 400, 200),
    ] {
        bench.control().set_rules(Rules {
            introspect_field: rule,
            ..Rules::default()
        });
        for (field, status) in [("token", token_status), ("access_token", hint_status)] {
            let fields = [
                ("client_id", CLIENT_ID),
                ("client_secret", CLIENT_SECRET),
                ("token_type_hint", "access_token"),
                (field, portal.token.as_str()),
            ];
            let reply = bench.form("/oauth/2026-09/token/introspect", &fields).await;
            assert_eq!(reply.status, status, "{rule:?} {field}");
            if status == 200 {
                assert_eq!(reply.body["hub_id"], DEMO_HUB_ID);
                assert!(reply.body["user"].as_str().unwrap().contains('@'));
            }
        }
    }
}

#[tokio::test]
async fn revoking_ends_refreshing_but_not_the_access_token() {
    let bench = Bench::start().await;
    let portal = bench.install().await;
    let fields = [
        ("client_id", CLIENT_ID),
        ("client_secret", CLIENT_SECRET),
        ("token_type_hint", "refresh_token"),
        ("token", portal.refresh_token.as_str()),
    ];
    assert!(
        bench
            .form("/oauth/2026-09/token/revoke", &fields)
            .await
            .status
            .is_success()
    );
    assert_eq!(
        bench.refresh(&portal.refresh_token).await.body["status"],
        "BAD_REFRESH_TOKEN"
    );
    assert_eq!(
        portal.get("/account-info/2026-09/details").await.status,
        200
    );
}

#[tokio::test]
async fn uninstalling_ends_the_grant() {
    let bench = Bench::start().await;
    let portal = bench.install().await;
    assert_eq!(
        portal
            .delete("/appinstalls/2026-09/external-install")
            .await
            .status,
        204
    );
    assert_eq!(
        bench.refresh(&portal.refresh_token).await.body["status"],
        "BAD_REFRESH_TOKEN"
    );
    assert_eq!(
        portal.get("/account-info/2026-09/details").await.status,
        401
    );
}

#[tokio::test]
async fn v1_tells_about_tokens_by_path() {
    let bench = Bench::start().await;
    let portal = bench.install().await;
    let url = bench.url(&format!("/oauth/v1/access-tokens/{}", portal.token));
    assert_eq!(
        reply(bench.client.get(url)).await.body["hub_id"],
        DEMO_HUB_ID
    );
    let url = bench.url(&format!(
        "/oauth/v1/refresh-tokens/{}",
        portal.refresh_token
    ));
    assert_eq!(reply(bench.client.delete(&url)).await.status, 204);
    assert_eq!(reply(bench.client.get(&url)).await.status, 404);
}

#[tokio::test]
async fn only_a_super_admin_may_install() {
    let bench = Bench::start().await;
    let users = bench.control().portals()["portals"][0]["users"].clone();
    let other = users
        .as_array()
        .unwrap()
        .iter()
        .find(|user| user["super_admin"] == false);
    let mut form = Bench::ask();
    form.insert("hub_id".into(), DEMO_HUB_ID.to_string());
    form.insert("decision".into(), "connect".into());
    form.insert("user_id".into(), other.unwrap()["id"].to_string());
    let request = bench
        .client
        .post(bench.url("/oauth/authorize/decision"))
        .form(&form);
    assert_eq!(reply(request).await.status, 400);
}

#[tokio::test]
async fn a_closed_sandbox_answers_nothing_on_connections_kept_alive() {
    let bench = Bench::start().await;
    let url = bench.url("/sandbox/rules");
    assert_eq!(bench.client.get(&url).send().await.unwrap().status(), 200);
    bench.sandbox.shutdown().await;
    assert!(bench.client.get(&url).send().await.is_err());
}

#[tokio::test]
async fn a_code_and_a_token_end_by_the_clock() {
    let seconds = std::sync::Arc::new(std::sync::atomic::AtomicI64::new(0));
    let mut config = Config::new(WorldSpec::small(now(), 10));
    let read = std::sync::Arc::clone(&seconds);
    config.clock = std::sync::Arc::new(move || {
        let passed = read.load(std::sync::atomic::Ordering::SeqCst);
        now() + chrono::TimeDelta::seconds(passed)
    });
    let bench = Bench::with(config).await;
    let portal = bench.install().await;
    let code = bench
        .control()
        .authorize(DEMO_HUB_ID, &Bench::ask())
        .unwrap();
    seconds.store(60, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(bench.exchange(&code).await.body["status"], "BAD_AUTH_CODE");
    let path = "/account-info/2026-09/details";
    seconds.store(1_799, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(portal.get(path).await.status, 200);
    seconds.store(1_800, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(portal.get(path).await.status, 401);
}
