//! What an authorize URL asks for, and whether HubSpot would show the consent page for it (facts §1.1).

use std::collections::{BTreeMap, BTreeSet};

use url::{Host, Url};

use super::scopes::entitled;
use crate::config::App;
use crate::rules::Rules;

/// The parameters of an authorize URL, checked against the app.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) redirect_uri: Url,
    pub(crate) redirect_text: String,
    pub(crate) scopes: BTreeSet<String>,
    pub(crate) optional: BTreeSet<String>,
    pub(crate) state: Option<String>,
    pub(crate) challenge: Option<String>,
}

impl Ask {
    /// Reads the parameters; `Err` is the sentence on HubSpot's error page.
    pub(crate) fn from_parameters(
        parameters: &BTreeMap<String, String>,
        app: &App,
    ) -> Result<Self, String> {
        let text = |name: &str| parameters.get(name).filter(|value| !value.is_empty());
        let client_id = text("client_id").ok_or("missing or invalid client_id")?;
        if *client_id != app.client_id {
            return Err(
                "We couldn't find the app you're trying to install: unknown client_id.".into(),
            );
        }
        let redirect_text = text("redirect_uri").ok_or("missing redirect_uri")?.clone();
        let redirect_uri = Url::parse(&redirect_text)
            .ok()
            .filter(|uri| registered(&redirect_text, uri, app))
            .ok_or("Redirect URL does not match a registered URL of this app.")?;
        let list = |name: &str| -> BTreeSet<String> {
            let scopes = text(name).map(String::as_str).unwrap_or_default();
            scopes.split_whitespace().map(str::to_owned).collect()
        };
        let (scopes, optional) = (list("scope"), list("optional_scope"));
        for scope in scopes.union(&optional) {
            if !app.required_scopes.contains(scope) && !app.optional_scopes.contains(scope) {
                return Err(format!(
                    "Authorization failed because the scope {scope} is not part of the app's configuration."
                ));
            }
        }
        let left_out: Vec<&str> = app
            .required_scopes
            .iter()
            .filter(|scope| !scopes.contains(*scope))
            .map(String::as_str)
            .collect();
        if !left_out.is_empty() {
            return Err(format!(
                "Authorization failed because there is a mismatch between the scopes in the install URL and the app's configured scopes. Missing in `scope`: {}.",
                left_out.join(", ")
            ));
        }
        let challenge = text("code_challenge").cloned();
        let method = text("code_challenge_method").map(String::as_str);
        if challenge.is_some() && method != Some("S256") {
            return Err("code_challenge_method must be S256.".into());
        }
        Ok(Self {
            redirect_uri,
            redirect_text,
            scopes,
            optional,
            state: text("state").cloned(),
            challenge,
        })
    }

    /// What a portal would grant: optional scopes that it is not entitled to are dropped silently; a required one
    /// stops the install, `Err` names those.
    pub(crate) fn grantable(
        &self,
        enterprise: bool,
        rules: &Rules,
    ) -> Result<BTreeSet<String>, Vec<String>> {
        let refused: Vec<String> = self
            .scopes
            .iter()
            .filter(|scope| !entitled(scope, enterprise, rules))
            .cloned()
            .collect();
        if !refused.is_empty() {
            return Err(refused);
        }
        Ok(self
            .scopes
            .union(&self.optional)
            .filter(|scope| entitled(scope, enterprise, rules))
            .cloned()
            .collect())
    }

    /// The redirect URI with these parameters and the state.
    pub(crate) fn back(&self, parameters: &[(&str, &str)]) -> Url {
        let mut url = self.redirect_uri.clone();
        {
            let mut query = url.query_pairs_mut();
            query.extend_pairs(parameters);
            if let Some(state) = &self.state {
                query.append_pair("state", state);
            }
        }
        url
    }
}

fn registered(text: &str, uri: &Url, app: &App) -> bool {
    if uri.fragment().is_some() {
        return false;
    }
    if !app.redirect_uris.is_empty() {
        return app.redirect_uris.iter().any(|known| known == text);
    }
    let local = match uri.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    };
    uri.scheme() == "https" || (uri.scheme() == "http" && local)
}
