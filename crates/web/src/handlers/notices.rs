//! Settings: whom to tell what, when nobody looks.

use app::App;
use app::notices::{ChangeError, Entered, TEST_EVERY, TestError};
use app::session::Session;
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use domain::notice::NoticeKind;
use serde::Deserialize;
use serde_json::json;
use url::form_urlencoded;

use crate::access::Admitted;
use crate::answer::wants_json;
use crate::error::{self, Error};
use crate::handlers::page::Page;
use crate::view::notices::{Done, NoticesPage, Refusals};
use crate::view::shell::Viewer;

/// What has just been done, as the address says.
#[derive(Default, Deserialize)]
pub struct After {
    saved: Option<String>,
    tested: Option<String>,
    renewed: Option<String>,
}

impl After {
    fn done(&self) -> Option<Done> {
        let saved = self.saved.as_ref().map(|_| Done::Saved);
        let tested = self.tested.as_ref().map(|_| Done::Tested);
        saved
            .or(tested)
            .or(self.renewed.as_ref().map(|_| Done::Renewed))
    }
}

/// `GET /portals/{hub_id}/settings/notifications`
pub async fn show(
    State(app): State<App>,
    Admitted(session): Admitted,
    Query(after): Query<After>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    if wants_json(&headers) {
        return as_json(&app, &session).await;
    }
    let page = page(&app, &session, None, after.done(), &Refusals::default()).await?;
    Ok(page.into_response())
}

/// The settings without the secret; a webhook's address, which may hold one, is for owners.
async fn as_json(app: &App, session: &Session) -> Result<Response, Error> {
    let overview = app::notices::load(app, session).await?;
    let url = Some(overview.settings.webhook_url).filter(|url| !url.is_empty());
    let body = json!({
        "emails": if overview.is_set { overview.settings.emails } else { Vec::new() },
        "kinds": overview.settings.kinds,
        "webhook_url": url.filter(|_| session.is_owner()),
        "webhook_host": overview.webhook_host,
        "sends_mail": overview.sends_mail,
    });
    Ok(Json(body).into_response())
}

async fn page(
    app: &App,
    session: &Session,
    entered: Option<Entered>,
    done: Option<Done>,
    refusals: &Refusals,
) -> Result<Page<NoticesPage>, Error> {
    let portal = app::portals::load(app, session.scope()).await?;
    let status = app::status::load(app, session.scope()).await?;
    let mut overview = app::notices::load(app, session).await?;
    if let Some(entered) = entered {
        overview.settings = entered;
    }
    let viewer = Viewer::of(session);
    Ok(Page(NoticesPage::new(
        &portal,
        &status,
        &overview,
        done,
        refusals,
        viewer,
        app.now(),
    )))
}

/// `POST /portals/{hub_id}/settings/notifications`: form fields `emails` (one a line), any number of `kind`, `webhook_url`.
pub async fn save(
    State(app): State<App>,
    Admitted(session): Admitted,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Error> {
    let entered = entered_from(&body);
    match app::notices::save(&app, &session, &entered).await {
        Ok(()) if wants_json(&headers) => as_json(&app, &session).await,
        Ok(()) => Ok(back(&session, "saved")),
        Err(ChangeError::Refused(refused)) => {
            let refusals = Refusals {
                emails: refused.emails.as_ref().map(error::of_emails),
                webhook_url: refused.webhook_url.map(error::of_webhook),
                test: None,
            };
            let words = refusals.emails.as_deref().or(refusals.webhook_url);
            let refused = Error::NotNotices(words.unwrap_or_default().to_owned());
            if wants_json(&headers) {
                return Err(refused);
            }
            let status = refused.problem().status;
            let page = page(&app, &session, Some(entered), None, &refusals).await?;
            Ok((status, page).into_response())
        }
        Err(ChangeError::Internal(error)) => Err(error.into()),
    }
}

/// `POST /portals/{hub_id}/settings/notifications/test`
pub async fn test(
    State(app): State<App>,
    Admitted(session): Admitted,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let (refused, words) = match app::notices::test(&app, &session).await {
        Ok(()) if wants_json(&headers) => {
            return Ok((StatusCode::ACCEPTED, Json(json!({}))).into_response());
        }
        Ok(()) => return Ok(back(&session, "tested")),
        Err(TestError::Internal(error)) => return Err(error.into()),
        Err(TestError::Nobody) => (
            Error::NobodyToTell,
            "There is nobody to tell yet. Enter an address or a webhook and save first.",
        ),
        Err(TestError::TooSoon) => (
            Error::TestedJustNow,
            "A test was sent a moment ago. Another one can follow in a minute.",
        ),
    };
    let status = refused.problem().status;
    let mut answer = if wants_json(&headers) {
        refused.into_response()
    } else {
        let refusals = Refusals {
            test: Some(words),
            ..Refusals::default()
        };
        let page = page(&app, &session, None, None, &refusals).await?;
        (status, page).into_response()
    };
    if status == StatusCode::TOO_MANY_REQUESTS {
        let secs = TEST_EVERY.num_seconds().into();
        answer.headers_mut().insert(header::RETRY_AFTER, secs);
    }
    Ok(answer)
}

/// `POST /portals/{hub_id}/settings/notifications/secret`
pub async fn renew_secret(
    State(app): State<App>,
    Admitted(session): Admitted,
    headers: HeaderMap,
) -> Result<Response, Error> {
    app::notices::renew_secret(&app, &session).await?;
    if wants_json(&headers) {
        return Ok((StatusCode::ACCEPTED, Json(json!({}))).into_response());
    }
    Ok(back(&session, "renewed"))
}

fn back(session: &Session, after: &str) -> Response {
    let path = format!("/portals/{}/settings/notifications?{after}", session.hub_id);
    Redirect::to(&path).into_response()
}

fn entered_from(form: &[u8]) -> Entered {
    let mut entered = Entered {
        emails: Vec::new(),
        kinds: Vec::new(),
        webhook_url: String::new(),
    };
    for (name, value) in form_urlencoded::parse(form) {
        match &*name {
            // As people write lists.
            "emails" => entered.emails.extend(
                value
                    .split([',', ';', '\r', '\n'])
                    .map(str::trim)
                    .filter(|email| !email.is_empty())
                    .map(str::to_owned),
            ),
            "kind" => entered.kinds.extend(
                NoticeKind::CHOICES
                    .into_iter()
                    .find(|kind| kind.as_str() == value)
                    .filter(|kind| !entered.kinds.contains(kind)),
            ),
            "webhook_url" => value.trim().clone_into(&mut entered.webhook_url),
            _ => {}
        }
    }
    entered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_read_as_settings() {
        let form = b"csrf_token=x&emails=a%40x.example%0D%0A%0D%0A+b%40x.example+%2C+c%40x.example&kind=recovered&kind=test\
            &kind=recovered&kind=moon&webhook_url=+https%3A%2F%2Fhooks.example%2Fx+";
        let entered = Entered {
            emails: vec![
                "a@x.example".into(),
                "b@x.example".into(),
                "c@x.example".into(),
            ],
            kinds: vec![NoticeKind::Recovered],
            webhook_url: "https://hooks.example/x".into(),
        };
        assert_eq!(entered_from(form), entered);
    }
}
