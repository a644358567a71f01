//! OAuth: what is sent, what comes back, and who is to blame.

use std::time::Duration;

use domain::HubId;
use hubspot::{CallClass, Error};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use crate::harness::{Reply, json as reply, world};

fn tokens() -> Reply {
    reply(
        200,
        &json!({"token_type": "bearer", "access_token": "a-1", "refresh_token": "r-1", "expires_in": 1800,
            "hub_id": 4242, "scopes": ["oauth", "crm.objects.contacts.read"], "token_use": "access_token"}),
    )
}

fn refusal(status: &str) -> Reply {
    reply(
        400,
        &json!({"error": "invalid_grant", "error_description": "…", "status": status, "message": "…"}),
    )
}

#[tokio::test]
async fn each_attempt_has_a_challenge_of_its_own() {
    let world = world(CallClass::Sync, vec![]).await;
    let challenges: std::collections::HashSet<String> = (0..100)
        .map(|_| world.client.new_pkce().challenge)
        .collect();
    assert_eq!(challenges.len(), 100);
    assert!(challenges.iter().all(|challenge| challenge.len() == 43));
}

#[tokio::test]
async fn the_consent_page_gets_scopes_apart_and_a_challenge() {
    let world = world(CallClass::Sync, vec![]).await;
    let pkce = world.client.new_pkce();
    let url = world
        .client
        .authorize_url(
            "st+ate",
            &pkce.challenge,
            &["oauth", "crm.objects.contacts.read"],
            &["crm.objects.deals.read", "crm.objects.owners.read"],
        )
        .unwrap();
    let query: std::collections::HashMap<_, _> = url.query_pairs().into_owned().collect();
    assert_eq!(query["scope"], "oauth crm.objects.contacts.read");
    assert_eq!(
        query["optional_scope"],
        "crm.objects.deals.read crm.objects.owners.read"
    );
    assert_eq!(query["state"], "st+ate");
    assert_eq!(query["code_challenge"], pkce.challenge);
    assert_eq!(query["code_challenge_method"], "S256");
    assert_eq!(query["client_id"], "client-id");
    assert_eq!(
        query["redirect_uri"],
        "http://localhost:3000/oauth/callback"
    );
    assert!(
        url.as_str()
            .starts_with("https://app.hubspot.com/oauth/authorize?")
    );
    assert!(!url.as_str().contains('+'), "{url}");
}

#[tokio::test]
async fn a_code_is_exchanged_with_form_credentials_and_verifier() {
    let world = world(CallClass::Sync, vec![tokens()]).await;
    let pkce = world.client.new_pkce();
    let grant = world
        .client
        .exchange("code", Some(&pkce.verifier))
        .await
        .unwrap();
    assert_eq!(grant.hub_id, HubId(4242));
    assert_eq!(grant.expires_in, Duration::from_mins(30));
    assert_eq!(grant.access_token.expose_secret(), "a-1");
    assert_eq!(grant.refresh_token.unwrap().expose_secret(), "r-1");
    assert_eq!(grant.scopes.len(), 2);
    let asked = &world.server.asked()[0];
    assert_eq!(asked.line, "POST /oauth/2026-09/token HTTP/1.1");
    assert!(!asked.head.contains("authorization:"));
    let form = asked.form();
    assert_eq!(form["grant_type"], "authorization_code");
    assert_eq!(form["client_secret"], "client secret&");
    assert_eq!(form["code_verifier"], pkce.verifier.expose_secret());
    assert_eq!(form["redirect_uri"], "http://localhost:3000/oauth/callback");
}

#[tokio::test]
async fn a_code_without_a_challenge_of_ours_is_exchanged_without_a_verifier() {
    let world = world(CallClass::Sync, vec![tokens()]).await;
    world.client.exchange("code", None).await.unwrap();
    let form = world.server.asked()[0].form();
    assert_eq!(form["code"], "code");
    assert!(!form.contains_key("code_verifier"));
}

#[tokio::test]
async fn a_code_is_sent_once() {
    let world = world(CallClass::Sync, vec![Reply::HangUp]).await;
    let error = world
        .client
        .exchange("code", Some(&"v".into()))
        .await
        .err()
        .unwrap();
    assert!(error.is_in_doubt(), "{error}");
}

#[tokio::test]
async fn a_refresh_survives_a_server_error() {
    let busy = Reply::Answer(502, &[("content-type", "text/html")], "<html>".into());
    let world = world(CallClass::Sync, vec![busy, tokens()]).await;
    let grant = world.client.refresh(&"r-0".into()).await.unwrap();
    assert_eq!(grant.access_token.expose_secret(), "a-1");
    assert_eq!(world.server.asked()[1].form()["refresh_token"], "r-0");
}

#[tokio::test]
async fn only_hubspots_own_word_disconnects_a_portal() {
    let world = world(
        CallClass::Sync,
        vec![
            refusal("BAD_REFRESH_TOKEN"),
            refusal("BAD_HUB"),
            reply(400, &json!({"error": "invalid_grant"})),
            refusal("BAD_CLIENT_SECRET"),
            refusal("BAD_REDIRECT_URI"),
            reply(400, &json!({})),
            reply(401, &json!({"error": "invalid_client"})),
            reply(400, &json!("?")),
        ],
    )
    .await;
    let token = SecretString::from("r-0");
    let ask = async || world.client.refresh(&token).await.err().unwrap();
    for _ in 0..3 {
        assert!(matches!(ask().await, Error::Revoked));
    }
    for _ in 0..4 {
        assert!(matches!(ask().await, Error::OurFault(_)));
    }
    assert!(matches!(ask().await, Error::Unreadable(_)));
}

#[tokio::test]
async fn a_bad_code_is_told_from_our_fault() {
    let script = vec![
        refusal("BAD_AUTH_CODE"),
        refusal("BAD_CODE_VERIFIER"),
        reply(400, &json!({"error": "invalid_grant"})),
        refusal("BAD_CLIENT_ID"),
    ];
    let world = world(CallClass::Sync, script).await;
    let ask = async || {
        world
            .client
            .exchange("c", Some(&"v".into()))
            .await
            .err()
            .unwrap()
    };
    for _ in 0..3 {
        assert!(matches!(ask().await, Error::BadCode(_)));
    }
    assert!(matches!(ask().await, Error::OurFault(_)));
}

#[tokio::test]
async fn an_access_token_tells_its_owner_and_a_dead_one_is_revoked() {
    let alive = json!({"active": true, "hub_id": 4242, "user_id": 7, "user": "admin@acme.example",
        "hub_domain": "acme.example", "scopes": ["oauth"], "token_type": "Bearer"});
    let script = vec![reply(200, &alive), reply(200, &json!({"active": false}))];
    let world = world(CallClass::Sync, script).await;
    let info = world.client.introspect(&"a-1".into()).await.unwrap();
    assert_eq!(info.user_email, "admin@acme.example");
    assert_eq!(info.hub_id, HubId(4242));
    let form = world.server.asked()[0].form();
    assert_eq!(form["token"], "a-1");
    assert_eq!(form["token_type_hint"], "access_token");
    let dead = world.client.introspect(&"a-1".into()).await;
    assert!(matches!(dead, Err(Error::Revoked)));
}

#[tokio::test]
async fn uninstall_carries_the_portals_own_token() {
    let done = || Reply::Answer(204, &[], String::new());
    let world = world(CallClass::Sync, vec![done(), done()]).await;
    world.client.uninstall(&"a-1".into()).await.unwrap();
    world.client.revoke(&"r-1".into()).await.unwrap();
    let asked = world.server.asked();
    assert_eq!(
        asked[0].line,
        "DELETE /appinstalls/2026-09/external-install HTTP/1.1"
    );
    assert!(asked[0].head.contains("authorization: bearer a-1"));
    assert_eq!(asked[1].line, "POST /oauth/2026-09/token/revoke HTTP/1.1");
    assert_eq!(asked[1].form()["token"], "r-1");
}

#[tokio::test]
async fn no_secret_stands_in_an_address() {
    let alive = json!({"active": true, "hub_id": 4242, "user_id": 7, "user": "admin@acme.example",
        "hub_domain": "acme.example", "scopes": ["oauth"], "token_type": "Bearer"});
    let done = || Reply::Answer(204, &[], String::new());
    let script = vec![tokens(), tokens(), reply(200, &alive), done(), done()];
    let world = world(CallClass::Sync, script).await;
    let client = &world.client;
    client
        .exchange("code-1", Some(&"verifier-1".into()))
        .await
        .unwrap();
    client.refresh(&"r-1".into()).await.unwrap();
    client.introspect(&"a-1".into()).await.unwrap();
    client.uninstall(&"a-1".into()).await.unwrap();
    client.revoke(&"r-1".into()).await.unwrap();
    let asked = world.server.asked();
    assert_eq!(asked.len(), 5);
    for request in asked {
        for secret in ["code-1", "verifier-1", "r-1", "a-1", "secret"] {
            assert!(!request.line.contains(secret), "{}", request.line);
        }
    }
}
