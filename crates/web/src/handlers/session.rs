//! The end of a session.

use app::App;
use app::session::{self, EndedOne};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Form, Json};
use axum_extra::extract::CookieJar;
use serde::Deserialize;
use serde_json::json;

use crate::access::Admitted;
use crate::answer::wants_json;
use crate::cookies::{self, Name};
use crate::error::Error;

/// The form.
#[derive(Deserialize)]
pub struct Fields {
    everywhere: Option<String>,
}

/// `POST /logout`: with the form field `everywhere`, every session of the person ends.
pub async fn end(
    State(app): State<App>,
    Admitted(session): Admitted,
    jar: CookieJar,
    Form(Fields { everywhere }): Form<Fields>,
) -> Result<Response, Error> {
    let ended = if everywhere.is_some() {
        session::Ended::All
    } else {
        session::Ended::This
    };
    session::end(&app, &session, ended).await?;
    Ok(leave(&app, jar, Redirect::to("/")))
}

/// The way out: the browser forgets what it holds of us.
fn leave(app: &App, jar: CookieJar, answer: impl IntoResponse) -> Response {
    let jar = cookies::clear(jar, Name::Session, app.public_url());
    (jar, [cookies::CLEAR_SITE_DATA], answer).into_response()
}

/// Which session is to end.
#[derive(Deserialize)]
pub struct OneSession {
    session: String,
}

/// `POST /portals/{hub_id}/settings/sessions/end`: form field `session`, one of the person's own. Another's, and one that is
/// over, are no error: the list shows what is there.
pub async fn end_one(
    State(app): State<App>,
    Admitted(session): Admitted,
    jar: CookieJar,
    headers: HeaderMap,
    Form(OneSession { session: id }): Form<OneSession>,
) -> Result<Response, Error> {
    let ended = match id.parse() {
        Ok(id) => session::end_one(&app, &session, id).await?,
        Err(_) => EndedOne::Nothing,
    };
    if wants_json(&headers) {
        let answer = json!({"ended": ended != EndedOne::Nothing});
        let answer = (StatusCode::ACCEPTED, Json(answer));
        return Ok(match ended {
            EndedOne::This => leave(&app, jar, answer),
            EndedOne::Another | EndedOne::Nothing => answer.into_response(),
        });
    }
    let list = format!("/portals/{}/settings/members#sessions", session.hub_id);
    Ok(match ended {
        EndedOne::This => leave(&app, jar, Redirect::to("/")),
        EndedOne::Another | EndedOne::Nothing => Redirect::to(&list).into_response(),
    })
}
