//! OAuth 2.0 with HubSpot: consent, tokens, introspection, revocation, uninstall.

use std::pin::Pin;
use std::time::Duration;

use domain::{HubId, UserId};
use oauth2::basic::{
    BasicRevocationErrorResponse, BasicTokenIntrospectionResponse, BasicTokenType,
};
use oauth2::{
    AsyncHttpClient, AuthType, AuthUrl, AuthorizationCode, ClientId, ClientSecret, CsrfToken,
    EndpointNotSet, EndpointSet, HttpRequest, HttpResponse, PkceCodeChallenge, PkceCodeVerifier,
    RedirectUrl, RefreshToken, RequestTokenError, Scope, StandardRevocableToken,
    StandardTokenResponse, TokenResponse, TokenUrl,
};
use reqwest::Method;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use url::{Url, form_urlencoded};

use crate::client::{Answer, Auth, Body, Call};
use crate::retry::Effect;
use crate::{API_VERSION, Client, Error, wire};

/// What a portal granted.
#[derive(Clone)]
pub struct Grant {
    /// For calls.
    pub access_token: SecretString,
    /// For the next grant. Store it whenever it comes: it may be a new one.
    pub refresh_token: Option<SecretString>,
    /// Life of the access token from now.
    pub expires_in: Duration,
    /// The portal.
    pub hub_id: HubId,
    /// What it granted; empty when HubSpot does not say.
    pub scopes: Vec<String>,
    /// Who granted it, when HubSpot says so.
    pub user_id: Option<UserId>,
}

/// A PKCE pair: the challenge goes into the authorize URL, the verifier into the exchange.
#[derive(Clone)]
pub struct Pkce {
    /// S256 of the verifier.
    pub challenge: String,
    /// Keep it with the state.
    pub verifier: SecretString,
}

/// What HubSpot knows about an access token that is good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenInfo {
    /// The portal.
    pub hub_id: HubId,
    /// Who granted it.
    pub user_id: UserId,
    /// That person's e-mail address.
    pub user_email: String,
    /// A domain to show, never a base for links.
    pub hub_domain: Option<String>,
    /// What is granted.
    pub scopes: Vec<String>,
}

/// HubSpot's additions to a token answer.
#[derive(Debug, Serialize, Deserialize)]
struct HubFields {
    hub_id: HubId,
    #[serde(default)]
    scopes: Vec<String>,
    #[serde(default)]
    user_id: Option<UserId>,
}

impl oauth2::ExtraTokenFields for HubFields {}

/// A refusal: OAuth's `error` and HubSpot's own `status`; their sentences are not kept.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct TokenRefusal {
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    status: Option<String>,
}

impl oauth2::ErrorResponse for TokenRefusal {}

impl std::fmt::Display for TokenRefusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = self.status.as_deref().or(self.error.as_deref());
        f.write_str(name.unwrap_or_default())
    }
}

type HubTokens = StandardTokenResponse<HubFields, BasicTokenType>;
type OAuthClient = oauth2::Client<
    TokenRefusal,
    HubTokens,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
>;

#[derive(Deserialize)]
struct Introspection {
    active: bool,
    hub_id: Option<HubId>,
    user_id: Option<UserId>,
    user: Option<String>,
    hub_domain: Option<String>,
    #[serde(default)]
    scopes: Vec<String>,
}

impl TokenRefusal {
    fn into_error(self) -> Error {
        let name = self.status.or(self.error).unwrap_or_default();
        match name.as_str() {
            "BAD_REFRESH_TOKEN" | "BAD_HUB" => Error::Revoked,
            "BAD_AUTH_CODE" | "BAD_CODE_VERIFIER" => Error::BadCode(name),
            // Anything else is ours to look at; it must never disconnect a portal.
            "" => Error::OurFault("a refusal without a status".into()),
            _ => Error::OurFault(name),
        }
    }

    /// With what the request was about: `invalid_grant` alone means its one credential.
    fn about(self, refresh: bool) -> Error {
        let bare = self.status.is_none() && self.error.as_deref() == Some("invalid_grant");
        match (bare, refresh) {
            (true, true) => Error::Revoked,
            (true, false) => Error::BadCode("invalid_grant".into()),
            (false, _) => self.into_error(),
        }
    }
}

/// Lets the OAuth library send through this crate's one request.
struct Sender<'a> {
    client: &'a Client,
    effect: Effect,
}

impl<'c> AsyncHttpClient<'c> for Sender<'_> {
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, Error>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(async move {
            let answer = self
                .client
                .oauth_call("oauth.token", "token", request.into_body(), self.effect)
                .await?;
            let mut response = HttpResponse::new(answer.body);
            *response.status_mut() = oauth2::http::StatusCode::from_u16(answer.status)
                .map_err(|_| Error::Unreadable("an impossible status".into()))?;
            Ok(response)
        })
    }
}

impl Client {
    /// A fresh PKCE pair.
    pub fn new_pkce(&self) -> Pkce {
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        Pkce {
            challenge: challenge.as_str().to_owned(),
            verifier: SecretString::from(verifier.into_secret()),
        }
    }

    /// HubSpot's consent page for this app. `optional` scopes are dropped silently where the account lacks them: compare
    /// what is granted.
    pub fn authorize_url(
        &self,
        state: &str,
        pkce_challenge: &str,
        required: &[&str],
        optional: &[&str],
    ) -> Result<Url, Error> {
        let oauth = self.oauth()?;
        let state = CsrfToken::new(state.to_owned());
        let mut request = oauth
            .authorize_url(|| state)
            .add_scopes(required.iter().map(|scope| Scope::new((*scope).to_owned())))
            .add_extra_param("code_challenge", pkce_challenge)
            .add_extra_param("code_challenge_method", "S256");
        if !optional.is_empty() {
            request = request.add_extra_param("optional_scope", optional.join(" "));
        }
        let (mut url, _) = request.url();
        // HubSpot separates scopes by `%20`. A `+` that was meant is `%2B` here, so that every other one is a space.
        let query = url.query().unwrap_or_default().replace('+', "%20");
        url.set_query(Some(&query));
        Ok(url)
    }

    /// Tokens for an authorization code. A code works once: after an unknown outcome the person installs again. There is a
    /// `verifier` for every consent that we asked for; the marketplace asks for its own, without a challenge of ours.
    pub async fn exchange(
        &self,
        code: &str,
        verifier: Option<&SecretString>,
    ) -> Result<Grant, Error> {
        let sender = Sender {
            client: self,
            effect: Effect::Once,
        };
        let oauth = self.oauth()?;
        let mut request = oauth.exchange_code(AuthorizationCode::new(code.to_owned()));
        if let Some(verifier) = verifier {
            let verifier = PkceCodeVerifier::new(verifier.expose_secret().to_owned());
            request = request.set_pkce_verifier(verifier);
        }
        let tokens = request
            .request_async(&sender)
            .await
            .map_err(|error| token_error(error, false))?;
        Ok(grant(&tokens))
    }

    /// New tokens for a refresh token. [`Error::Revoked`] is HubSpot's word that the portal is gone; when a first answer
    /// was lost it can also mean that the token was replaced by it.
    pub async fn refresh(&self, refresh_token: &SecretString) -> Result<Grant, Error> {
        let sender = Sender {
            client: self,
            effect: Effect::Idempotent,
        };
        let tokens = self
            .oauth()?
            .exchange_refresh_token(&RefreshToken::new(refresh_token.expose_secret().to_owned()))
            .request_async(&sender)
            .await
            .map_err(|error| token_error(error, true))?;
        Ok(grant(&tokens))
    }

    /// Whose an access token is. [`Error::Revoked`] when it is not good any more.
    pub async fn introspect(&self, access_token: &SecretString) -> Result<TokenInfo, Error> {
        let body = self.token_form(access_token, "access_token");
        let answer = self
            .oauth_call("oauth.introspect", "token/introspect", body, Effect::Read)
            .await?;
        let found: Introspection = wire::read(&oauth_body(answer)?)?;
        match (found.active, found.hub_id, found.user_id, found.user) {
            (false, ..) => Err(Error::Revoked),
            (true, Some(hub_id), Some(user_id), Some(user_email)) => Ok(TokenInfo {
                hub_id,
                user_id,
                user_email,
                hub_domain: found.hub_domain,
                scopes: found.scopes,
            }),
            _ => Err(Error::Unreadable("an introspection without owner".into())),
        }
    }

    /// Revokes a refresh token. The app stays installed, and access tokens live on until they expire.
    pub async fn revoke(&self, refresh_token: &SecretString) -> Result<(), Error> {
        let body = self.token_form(refresh_token, "refresh_token");
        let answer = self
            .oauth_call("oauth.revoke", "token/revoke", body, Effect::Idempotent)
            .await?;
        oauth_body(answer).map(drop)
    }

    /// Takes the app out of the portal that the access token belongs to. HubSpot tells its admins by e-mail.
    pub async fn uninstall(&self, access_token: &SecretString) -> Result<(), Error> {
        let call = Call {
            kind: "appinstalls.delete",
            method: Method::DELETE,
            path: format!("/appinstalls/{API_VERSION}/external-install"),
            body: Body::None,
            effect: Effect::Idempotent,
        };
        let answer = self.answer(&call, Auth::Bearer(access_token)).await?;
        answer.into_body()?;
        Ok(())
    }

    fn oauth(&self) -> Result<OAuthClient, Error> {
        let config = self.config();
        let base = config.api_url.as_str().trim_end_matches('/');
        let token_url = TokenUrl::new(format!("{base}/oauth/{API_VERSION}/token"))
            .map_err(|error| Error::OurFault(error.to_string()))?;
        Ok(oauth2::Client::new(ClientId::new(config.client_id.clone()))
            .set_client_secret(ClientSecret::new(
                config.client_secret.expose_secret().to_owned(),
            ))
            // HubSpot reads the credentials from the form alone.
            .set_auth_type(AuthType::RequestBody)
            .set_auth_uri(AuthUrl::from_url(config.authorize_url.clone()))
            .set_token_uri(token_url)
            .set_redirect_uri(RedirectUrl::from_url(config.redirect_uri.clone())))
    }

    /// The form of introspection and revocation. The specification calls the field `token`, HubSpot's guide otherwise; a
    /// live test took `token`.
    fn token_form(&self, token: &SecretString, hint: &str) -> Vec<u8> {
        let config = self.config();
        form_urlencoded::Serializer::new(String::new())
            .append_pair("client_id", &config.client_id)
            .append_pair("client_secret", config.client_secret.expose_secret())
            .append_pair("token_type_hint", hint)
            .append_pair("token", token.expose_secret())
            .finish()
            .into_bytes()
    }

    async fn oauth_call(
        &self,
        kind: &'static str,
        path: &str,
        form: Vec<u8>,
        effect: Effect,
    ) -> Result<Answer, Error> {
        let call = Call {
            kind,
            method: Method::POST,
            path: format!("/oauth/{API_VERSION}/{path}"),
            body: Body::Form(form),
            effect,
        };
        Ok(self.answer(&call, Auth::Body).await?)
    }
}

/// The body of a 2xx answer, or OAuth's refusal.
fn oauth_body(answer: Answer) -> Result<Vec<u8>, Error> {
    match answer.status {
        400 | 401 => Err(serde_json::from_slice::<TokenRefusal>(&answer.body)
            .unwrap_or_default()
            .into_error()),
        _ => Ok(answer.into_body()?),
    }
}

fn token_error(error: RequestTokenError<Error, TokenRefusal>, refresh: bool) -> Error {
    match error {
        RequestTokenError::ServerResponse(refusal) => refusal.about(refresh),
        RequestTokenError::Request(error) => error,
        // The library's texts can hold the body, and the body tokens.
        RequestTokenError::Parse(..) | RequestTokenError::Other(_) => {
            Error::Unreadable("a token answer of another shape".into())
        }
    }
}

fn grant(tokens: &HubTokens) -> Grant {
    let fields = tokens.extra_fields();
    Grant {
        access_token: SecretString::from(tokens.access_token().secret().clone()),
        refresh_token: tokens
            .refresh_token()
            .map(|token| SecretString::from(token.secret().clone())),
        // 30 minutes since November 2021, should HubSpot not say (facts/hubspot.md §1.2).
        expires_in: tokens.expires_in().unwrap_or(Duration::from_mins(30)),
        hub_id: fields.hub_id,
        scopes: fields.scopes.clone(),
        user_id: fields.user_id,
    }
}
