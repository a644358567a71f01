//! Settings: how the portal's gifts are linked.

use app::App;
use app::session::Session;
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Redirect, Response};
use domain::matching::{Companies, Deals, Rules, Several};
use serde::Deserialize;
use serde::de::value::{Error as NoSuchValue, StrDeserializer};
use serde::de::{DeserializeOwned, IntoDeserializer};
use url::form_urlencoded;

use crate::access::Admitted;
use crate::answer::wants_json;
use crate::error::Error;
use crate::handlers::page::Page;
use crate::view::rules::{RulesPage, label_from};
use crate::view::shell::Viewer;

/// Whether the rules have just been stored.
#[derive(Deserialize)]
pub struct Saved {
    saved: Option<String>,
}

/// `GET /portals/{hub_id}/settings`
pub async fn show(
    State(app): State<App>,
    Admitted(session): Admitted,
    Query(Saved { saved }): Query<Saved>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let rules = app::rules::load(&app, *session.scope()).await?;
    if wants_json(&headers) {
        return Ok(Json(rules).into_response());
    }
    let page = page(&app, &session, &rules, None, saved.is_some()).await?;
    Ok(page.into_response())
}

async fn page(
    app: &App,
    session: &Session,
    rules: &Rules,
    refused: Option<(String, &'static str)>,
    is_saved: bool,
) -> Result<Page<RulesPage>, Error> {
    let portal = app::portals::load(app, session.scope()).await?;
    let status = app::status::load(app, session.scope()).await?;
    let labels = app::rules::deal_labels(app, *session.scope()).await;
    let viewer = Viewer::of(session);
    Ok(Page(RulesPage::new(
        &portal, &status, rules, labels, refused, is_saved, viewer,
    )))
}

/// `POST /portals/{hub_id}/settings`: form fields `email_property`, `phone` (`on`), `several`, `companies`, `deals` and any
/// number of `deal_label`; what is absent or unknown is the default.
pub async fn save(
    State(app): State<App>,
    Admitted(session): Admitted,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Error> {
    let rules = rules_from(&body);
    match app::rules::save(&app, &session, &rules).await {
        Ok(()) if wants_json(&headers) => Ok(Json(rules).into_response()),
        Ok(()) => {
            let path = format!("/portals/{}/settings?saved", session.hub_id);
            Ok(Redirect::to(&path).into_response())
        }
        Err(error) => refuse(&app, &session, &headers, &rules, error).await,
    }
}

/// `POST /portals/{hub_id}/settings/preview`: the same fields; says what these rules would do, and stores nothing.
pub async fn preview(
    State(app): State<App>,
    Admitted(session): Admitted,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Error> {
    let rules = rules_from(&body);
    let trial = app::trial::run(&app, &session, &rules);
    if wants_json(&headers) {
        return match trial.await {
            Ok(trial) => Ok(Json(trial).into_response()),
            Err(error) => refuse(&app, &session, &headers, &rules, error).await,
        };
    }
    // Both ask HubSpot, and the answer must begin in time.
    let (trial, page) = tokio::join!(trial, page(&app, &session, &rules, None, false));
    match trial {
        Ok(trial) => Ok(Page(page?.0.with_trial(&trial)).into_response()),
        Err(error) => refuse(&app, &session, &headers, &rules, error).await,
    }
}

/// The form again with what is wrong in it.
async fn refuse(
    app: &App,
    session: &Session,
    headers: &HeaderMap,
    rules: &Rules,
    error: app::rules::Error,
) -> Result<Response, Error> {
    match error {
        app::rules::Error::NotAProperty => {
            let sentence =
                "Enter the property’s internal name: lower-case letters, digits and underscores.";
            let refused = Error::NotRules(sentence);
            if wants_json(headers) {
                return Err(refused);
            }
            let entered = rules.email_property.clone().unwrap_or_default();
            let page = page(app, session, rules, Some((entered, sentence)), false).await?;
            Ok((refused.problem().status, page).into_response())
        }
        app::rules::Error::Internal(error) => Err(error.into()),
    }
}

fn rules_from(form: &[u8]) -> Rules {
    let fields: Vec<(String, String)> = form_urlencoded::parse(form).into_owned().collect();
    let field = |name: &str| {
        let found = fields.iter().find(|(found, _)| found == name);
        found
            .map(|(_, value)| value.trim())
            .filter(|value| !value.is_empty())
    };
    Rules {
        email_property: field("email_property").map(str::to_owned),
        phone: field("phone").is_some(),
        several: named::<Several>(field("several")),
        companies: named::<Companies>(field("companies")),
        deals: named::<Deals>(field("deals")),
        deal_labels: fields
            .iter()
            .filter(|(name, _)| name == "deal_label")
            .filter_map(|(_, value)| label_from(value))
            .collect(),
    }
}

/// The choice that a form's value means.
fn named<T: DeserializeOwned + Default>(value: Option<&str>) -> T {
    let value: Option<StrDeserializer<'_, NoSuchValue>> =
        value.map(IntoDeserializer::into_deserializer);
    value
        .and_then(|value| T::deserialize(value).ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::matching::DealLabel;

    #[test]
    fn a_form_is_read_as_rules() {
        let form = b"csrf_token=x&email_property=+work_email+&phone=on&several=nobody&companies=all&deals=newest\
            &deal_label=USER_DEFINED%3A7%3AChampion%3A+main&deal_label=nonsense";
        assert_eq!(
            rules_from(form),
            Rules {
                email_property: Some("work_email".into()),
                phone: true,
                several: Several::Nobody,
                companies: Companies::All,
                deals: Deals::Newest,
                deal_labels: vec![DealLabel {
                    category: "USER_DEFINED".into(),
                    type_id: 7,
                    label: "Champion: main".into(),
                }],
            }
        );
        assert_eq!(rules_from(b"several=whoever&deals="), Rules::default());
    }
}
