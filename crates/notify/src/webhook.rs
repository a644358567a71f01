//! Calls to a customer's webhook: one POST, signed, no redirects followed, the answer's body not read.

use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::header::CONTENT_TYPE;
use reqwest::redirect;
use url::Url;
use uuid::Uuid;

use crate::error::{ConfigError, Error};
use crate::reach::{Reach, is_about_reach};
use crate::signature::Secret;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// From the connection to the answer's head: a receiver takes a notice in and works on it afterwards.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// The receiver wants no more calls (Standard Webhooks).
const GONE: u16 = 410;

/// One call before it is made.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    /// Where it goes.
    pub url: &'a Url,
    /// The notice: the same each time it is sent, so that a receiver can tell a double.
    pub id: Uuid,
    /// When this attempt is made.
    pub at: DateTime<Utc>,
    /// JSON.
    pub body: &'a [u8],
    /// What it is signed with: the secret, and for a day after a change the one before.
    pub secrets: &'a [Secret],
}

/// A client that connects only where `reach` allows. A proxy would resolve names for us, and unchecked: none is used.
pub(crate) fn http_client(reach: Reach) -> Result<reqwest::Client, ConfigError> {
    reqwest::Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(CALL_TIMEOUT)
        .redirect(redirect::Policy::none())
        .no_proxy()
        .pool_max_idle_per_host(0)
        .dns_resolver(reach)
        .user_agent(concat!("thnks-hubspot/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| ConfigError::Tls(error.to_string()))
}

/// Makes the call.
pub(crate) async fn call(
    http: &reqwest::Client,
    reach: Reach,
    call: &Call<'_>,
) -> Result<(), Error> {
    // What was stored under other settings is looked at again: a number in an address is resolved by nobody.
    let url = reach.target(call.url.as_str()).map_err(|_| not_public())?;
    let (id, timestamp) = (call.id.to_string(), call.at.timestamp());
    let signatures: Vec<String> = call
        .secrets
        .iter()
        .map(|secret| secret.sign(&id, timestamp, call.body))
        .collect();
    let request = http
        .post(url)
        .header(CONTENT_TYPE, "application/json")
        .header("webhook-id", id)
        .header("webhook-timestamp", timestamp)
        .header("webhook-signature", signatures.join(" "))
        .body(call.body.to_vec());
    match request.send().await {
        Ok(answer) => of_status(answer.status().as_u16()),
        Err(error) if is_about_reach(&error) => Err(not_public()),
        Err(error) if error.is_timeout() => Err(Error::Unavailable(format!(
            "no answer within {} s",
            CALL_TIMEOUT.as_secs()
        ))),
        Err(error) if error.is_connect() => Err(Error::Unavailable("no connection".to_owned())),
        Err(_) => Err(Error::Unavailable("the connection broke".to_owned())),
    }
}

fn of_status(status: u16) -> Result<(), Error> {
    match status {
        200..300 => Ok(()),
        300..400 => Err(Error::Unavailable(format!(
            "the webhook answered {status}; redirects are not followed"
        ))),
        GONE => Err(Error::Refused(
            "the webhook answered 410: it wants no more calls".to_owned(),
        )),
        _ => Err(Error::Unavailable(format!("the webhook answered {status}"))),
    }
}

fn not_public() -> Error {
    Error::Unavailable("the address does not lead to a public network".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_2xx_is_an_arrival_and_only_410_is_final() {
        assert_eq!(of_status(204), Ok(()));
        for status in [302, 400, 401, 404, 429, 500, 503] {
            assert!(
                matches!(of_status(status), Err(Error::Unavailable(_))),
                "{status}"
            );
        }
        assert!(matches!(of_status(410), Err(Error::Refused(_))));
    }
}
