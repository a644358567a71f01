//! The operator's rows of the table: they exist only where the console is configured. Elsewhere each of these addresses is no row, and
//! answers as any other that is none.

use axum::http::Method;
use axum::routing::{get, post};

use super::{Kind, Route, Who, row};
use crate::handlers::console::{acts, look, overview, portal, portals, runs, sign_in};

const GET: Method = Method::GET;
const POST: Method = Method::POST;

/// Every URL of the console.
pub const CONSOLE: &[Route] = {
    use Kind::{Form, Page, SignIn};
    use Who::{Anyone, Operator};
    &[
        row(GET, "/operator/sign-in", Anyone, SignIn, || {
            get(sign_in::show)
        }),
        row(POST, "/operator/sign-in", Anyone, SignIn, || {
            post(sign_in::submit)
        }),
        row(POST, "/operator/sign-out", Operator, Form, || {
            post(sign_in::end)
        }),
        row(GET, "/operator", Operator, Page, || get(overview::show)),
        row(GET, "/operator/portals", Operator, Page, || {
            get(portals::list)
        }),
        row(GET, "/operator/runs", Operator, Page, || get(runs::list)),
        row(GET, "/operator/acts", Operator, Page, || get(acts::list)),
        row(GET, "/operator/portals/{hub_id}", Operator, Page, || {
            get(portal::show)
        }),
        row(
            POST,
            "/operator/portals/{hub_id}/acts",
            Operator,
            Form,
            || post(portal::act),
        ),
        row(
            GET,
            "/operator/portals/{hub_id}/look",
            Operator,
            Page,
            || get(look::show),
        ),
        row(
            POST,
            "/operator/portals/{hub_id}/look",
            Operator,
            Form,
            || post(look::begin),
        ),
        row(
            POST,
            "/operator/portals/{hub_id}/look/end",
            Operator,
            Form,
            || post(look::end),
        ),
    ]
};
