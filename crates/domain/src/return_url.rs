//! Where HubSpot's marketplace wants the browser back: an address in anybody's hands, so that only HubSpot's own pages are
//! taken, and the one simulator that the operator has named.
//!
//! Two readings must agree: the text as it stands, and the address as browsers parse it. What a parser would have to mend
//! (backslashes, escapes in the host, another spelling of it) is refused and not mended.

use url::Url;

/// The longest address that is read, in bytes.
const LONGEST: usize = 4_096;

/// An address of HubSpot's pages. Written as the parser has read it, never as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReturnUrl(Url);

/// The address is none of HubSpot's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotHubSpots;

impl ReturnUrl {
    /// Takes `https://app.hubspot.com` and `https://app-<letters and digits>.hubspot.com`, without port and user, with any
    /// path. Beside them exactly the origin of `authorize_url`, where the operator's consent page is: that is HubSpot's own in
    /// production, and the sandbox's, which may be http, in a demonstration and in tests.
    pub fn parse(text: &str, authorize_url: &Url) -> Result<Self, NotHubSpots> {
        let is_plain = |byte: u8| byte.is_ascii_graphic() && byte != b'\\';
        if text.len() > LONGEST || !text.bytes().all(is_plain) {
            return Err(NotHubSpots);
        }
        let origin = origin_of(text).ok_or(NotHubSpots)?;
        let is_hubspots = origin.strip_prefix("https://").is_some_and(is_page_host);
        if !is_hubspots && origin != authorize_url.origin().ascii_serialization() {
            return Err(NotHubSpots);
        }
        let url = Url::parse(text).map_err(|_| NotHubSpots)?;
        let has_user = !url.username().is_empty() || url.password().is_some();
        if has_user || url.origin().ascii_serialization() != origin {
            return Err(NotHubSpots);
        }
        Ok(Self(url))
    }

    /// The address itself.
    pub fn into_url(self) -> Url {
        self.0
    }

    /// The address with our state, which HubSpot brings back. One that is there already goes: nobody may choose it.
    pub fn with_state(self, state: &str) -> Url {
        let mut url = self.0;
        let is_state = |name: &str| name == "state";
        if url.query_pairs().any(|(name, _)| is_state(&name)) {
            let others: Vec<_> = url.query_pairs().into_owned().collect();
            let others = others.iter().filter(|(name, _)| !is_state(name));
            url.query_pairs_mut().clear().extend_pairs(others);
        }
        url.query_pairs_mut().append_pair("state", state);
        url
    }
}

/// Scheme and authority as they stand.
fn origin_of(text: &str) -> Option<&str> {
    let (scheme, rest) = text.split_once("://")?;
    let authority = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    text.get(..scheme.len() + "://".len() + authority)
}

/// `app.hubspot.com`, or the host of another data centre such as `app-eu1.hubspot.com`.
fn is_page_host(host: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    match host.strip_suffix(".hubspot.com") {
        Some("app") => true,
        Some(label) => label
            .strip_prefix("app-")
            .is_some_and(|region| !region.is_empty() && region.bytes().all(is_plain)),
        None => false,
    }
}

#[cfg(test)]
#[path = "return_url_tests.rs"]
mod tests;
