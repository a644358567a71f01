//! HubSpot's marketplace, and a browser that goes from it to our callback and back, step by step.

use std::collections::BTreeMap;

use url::Url;

use super::{World, parameter};

/// A call of our callback that HubSpot leads a browser to.
pub struct Visit {
    pub query: String,
    parameters: BTreeMap<String, String>,
}

impl Visit {
    fn of(location: &str) -> Self {
        let url: Url = location.parse().unwrap();
        assert_eq!(url.path(), "/oauth/callback");
        Self {
            query: url.query().unwrap().to_owned(),
            parameters: url.query_pairs().into_owned().collect(),
        }
    }

    pub fn text(&self, name: &str) -> &str {
        self.parameters.get(name).map_or("", String::as_str)
    }

    pub fn names(&self) -> Vec<&str> {
        self.parameters.keys().map(String::as_str).collect()
    }
}

/// What a browser got.
pub struct Seen {
    pub status: u16,
    pub location: String,
    /// `name=value` of each cookie that was set, with its attributes.
    pub cookies: Vec<String>,
    pub body: String,
}

impl Seen {
    /// The value of a cookie that was set and not taken away.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        self.cookies.iter().find_map(|cookie| {
            let (pair, _) = cookie.split_once(';')?;
            let (found, value) = pair.split_once('=')?;
            (found == name && !value.is_empty()).then_some(value)
        })
    }
}

/// Asks for a page as a browser does, and follows nowhere.
pub async fn open(url: &str, cookies: &str) -> Seen {
    ask(url, cookies, None).await
}

async fn ask(url: &str, cookies: &str, form: Option<&[(&str, &str)]>) -> Seen {
    let http = hubspot::http_client().build().unwrap();
    let request = match form {
        Some(form) => http.post(url).form(form),
        None => http.get(url),
    };
    let answer = request.header("cookie", cookies).send().await.unwrap();
    let texts = |name: &str| {
        let values = answer.headers().get_all(name).iter();
        values
            .map(|value| value.to_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    Seen {
        status: answer.status().as_u16(),
        location: texts("location").concat(),
        cookies: texts("set-cookie"),
        body: answer.text().await.unwrap(),
    }
}

impl World {
    /// Clicks Install in the marketplace and consents, where the app has declared no step of its own.
    pub async fn visit(&self, hub_id: i64) -> Visit {
        let page = self.click("false").await;
        assert_eq!(page.status, 200, "{}", page.body);
        self.decide(&page.body, hub_id).await
    }

    /// Clicks Install in the marketplace, where the app has declared a step of its own.
    pub async fn visit_for_state(&self) -> Visit {
        let answer = self.click("true").await;
        assert_eq!(answer.status, 302, "{}", answer.body);
        Visit::of(&answer.location)
    }

    /// Comes back to HubSpot with our state and consents.
    pub async fn visit_with_state(&self, back: &str, hub_id: i64) -> Visit {
        let page = open(back, "").await;
        assert_eq!(page.status, 200, "{}", page.body);
        let visit = self.decide(&page.body, hub_id).await;
        assert_eq!(
            visit.text("state"),
            parameter(&back.parse().unwrap(), "state")
        );
        visit
    }

    async fn click(&self, steps: &str) -> Seen {
        let mut url = self.marketplace("install");
        url.query_pairs_mut()
            .append_pair("redirect_uri", "http://localhost:3000/oauth/callback")
            .append_pair("steps", steps);
        open(url.as_str(), "").await
    }

    async fn decide(&self, page: &str, hub_id: i64) -> Visit {
        let (_, rest) = page.split_once("name=\"install\" value=\"").unwrap();
        let install = rest.split('"').next().unwrap();
        let form = [
            ("install", install),
            ("hub_id", &hub_id.to_string()),
            ("decision", "connect"),
        ];
        let url = self.marketplace("decision");
        let answer = ask(url.as_str(), "", Some(&form)).await;
        assert_eq!(answer.status, 302, "{}", answer.body);
        Visit::of(&answer.location)
    }

    fn marketplace(&self, page: &str) -> Url {
        let base = self.sandbox.as_ref().unwrap().hubspot_url();
        base.join("marketplace/").unwrap().join(page).unwrap()
    }
}
