//! What the client is told at the start of the process.

use secrecy::SecretString;
use url::Url;

/// Where HubSpot is and who we are to it.
#[derive(Clone)]
pub struct Config {
    /// Base of all calls, `https://api.hubapi.com` for every data centre.
    pub api_url: Url,
    /// HubSpot's consent page, `https://app.hubspot.com/oauth/authorize`.
    pub authorize_url: Url,
    /// The app's client id.
    pub client_id: String,
    /// The app's client secret; it also signs webhooks.
    pub client_secret: SecretString,
    /// The secret before a rotation: webhooks signed with it are still accepted.
    pub previous_client_secret: Option<SecretString>,
    /// The app's number.
    pub app_id: Option<i64>,
    /// Our callback, exactly as registered at HubSpot.
    pub redirect_uri: Url,
}
